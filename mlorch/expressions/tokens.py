"""From the source of an expression to tokens, and what order of tokens is an expression.

Python's own syntax errors differ from version to version; these do not.
"""

from __future__ import annotations

import keyword
import re
from typing import List, NamedTuple, Optional

from mlorch.errors import ExpressionError

MAX_LENGTH = 4_000
MAX_TOKENS = 1_000
MAX_BRACKETS = 30

OPERATOR_WORDS = frozenset(["and", "or", "not", "in", "is", "if", "else"])
LITERAL_WORDS = frozenset(["True", "False", "None"])
_BINARY = frozenset(
    ["==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "//", "%", "**", "and", "or", "in", "is", "if"]
)

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    | (?P<number>(?:[0-9](?:_?[0-9])*)?\.[0-9](?:_?[0-9])*(?:[eE][+-]?[0-9]+)?
                |[0-9](?:_?[0-9])*\.?(?:[eE][+-]?[0-9]+)?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
    | (?P<op>==|!=|<=|>=|//|\*\*|[-+*/%<>()\[\],.])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_SIMPLE_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}
_FOREIGN = {
    "&&": "write `and`",
    "||": "write `or`",
    "!": "write `not`",
    "=": "write `==` to compare",
    "?": "write `a if condition else b`",
    ":": "slices and mappings are not part of the language",
    "{": "mappings are not part of the language",
    "|": "filters are not part of the language; functions are called as in `len(x)`",
}


class Token(NamedTuple):
    kind: str
    """`number`, `name`, `string` or `op` (operator words too)."""
    text: str
    column: int


def tokenize(source: str) -> List[Token]:
    """The tokens of an expression, in an order that Python nearly always parses. Raises ExpressionError."""
    if len(source) > MAX_LENGTH:
        raise ExpressionError(
            f"an expression may have {MAX_LENGTH:,} characters, this has {len(source):,}",
            hint="put long values into `params`",
        )
    tokens: List[Token] = []
    position = 0
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:
            raise _foreign(source, position)
        kind, text = str(match.lastgroup), match.group()
        if kind != "space":
            token = Token(kind, text, position)
            _check_neighbours(token, tokens)
            if kind == "name" and text in OPERATOR_WORDS and not _after_dot(tokens):
                token = Token("op", text, position)
            tokens.append(token)
        position = match.end()
    if len(tokens) > MAX_TOKENS:
        raise ExpressionError(f"an expression may have {MAX_TOKENS:,} words and signs")
    _Order(source).check(tokens)
    return tokens


def _after_dot(tokens: List[Token]) -> bool:
    return bool(tokens) and tokens[-1].text == "." and tokens[-1].kind == "op"


def _check_neighbours(token: Token, tokens: List[Token]) -> None:
    if token.kind == "number" and len(token.text) > 1 and re.match(r"0[0-9_]+$", token.text):
        raise ExpressionError(
            f"`{token.text}` is not a number: it begins with 0", token.column, length=len(token.text)
        )
    before = tokens[-1] if tokens else None
    if before is None or before.column + len(before.text) != token.column:
        return
    if token.kind == "string" and before.kind in ("name", "string"):
        what = f"a string after `{before.text}`"
        raise ExpressionError(what + " is not part of the language", token.column, "join texts with `+`")
    if before.kind == "number" and token.kind in ("name", "number"):
        raise ExpressionError(
            f"`{before.text + token.text}` is not a number",
            before.column,
            length=len(before.text) + len(token.text),
        )


def _foreign(source: str, position: int) -> ExpressionError:
    if source[position] in "'\"":
        return ExpressionError(
            "the string that begins here has no end", position, f"close it with {source[position]}"
        )
    for text, hint in _FOREIGN.items():
        if source.startswith(text, position):
            return ExpressionError(f"`{text}` is not part of the language", position, hint, len(text))
    return ExpressionError(f"`{source[position]}` is not part of the language", position)


class _Order:
    """Checks that values and operators alternate and that brackets, `if` and `else` match."""

    def __init__(self, source: str) -> None:
        self._end = len(source)
        self._want_value = True
        self._brackets: List[Token] = []
        self._ifs: List[int] = [0]
        self._before: Optional[Token] = None

    def check(self, tokens: List[Token]) -> None:
        if not tokens:
            raise ExpressionError("an expression was expected between `${{` and `}}`")
        for index, token in enumerate(tokens):
            if not self._want_value and _is_word(token, "not"):
                if not _is_word(tokens[min(index + 1, len(tokens) - 1)], "in"):
                    raise ExpressionError(
                        "`not` stands where an operator was expected", token.column, length=3
                    )
            elif self._want_value:
                self._value(token)
            else:
                self._operator(token)
            self._before = token
        if self._want_value:
            raise ExpressionError("the expression ends where a value was expected", max(0, self._end - 1))
        if self._brackets:
            last = self._brackets[-1]
            raise ExpressionError(f"`{last.text}` is never closed", last.column)
        self._no_open_if(tokens[-1])

    def _value(self, token: Token) -> None:
        text = token.text
        if _is_dot(self._before):
            if token.kind != "name":
                raise ExpressionError(
                    "a name was expected after `.`", token.column, 'for other keys write `["…"]`'
                )
            self._want_value = False
        elif token.kind == "op":
            if text in ("(", "["):
                self._open(token)
            elif text in (")", "]") and self._may_close_early():
                self._close(token)
            elif text not in ("+", "-", "not"):
                raise ExpressionError(f"a value was expected, found `{text}`", token.column, length=len(text))
        else:
            self._word(token)
            self._want_value = False

    def _word(self, token: Token) -> None:
        text = token.text
        if token.kind == "name" and keyword.iskeyword(text) and text not in LITERAL_WORDS and text != "with":
            raise ExpressionError(f"`{text}` is not part of the language", token.column, length=len(text))

    def _operator(self, token: Token) -> None:
        text = token.text
        if token.kind != "op":
            raise ExpressionError(f"an operator was expected before `{text}`", token.column, length=len(text))
        if text in ("(", "["):
            self._open(token)
        elif text in (")", "]"):
            self._close(token)
        elif text == ",":
            if not self._brackets:
                raise ExpressionError("`,` stands outside brackets", token.column, "write a list as `[a, b]`")
            self._no_open_if(token)
            self._want_value = True
        elif text == "else":
            if not self._ifs[-1]:
                raise ExpressionError("`else` without `if`", token.column, length=4)
            self._ifs[-1] -= 1
            self._want_value = True
        elif text == "." or text in _BINARY:
            self._ifs[-1] += text == "if"
            self._want_value = True
        else:
            raise ExpressionError(f"`{text}` was not expected here", token.column, length=len(text))

    def _open(self, token: Token) -> None:
        self._brackets.append(token)
        self._ifs.append(0)
        self._want_value = True
        if len(self._brackets) > MAX_BRACKETS:
            raise ExpressionError(f"brackets may be nested {MAX_BRACKETS} deep", token.column)

    def _may_close_early(self) -> bool:
        """`f()`, `[]`, and after a trailing comma."""
        before = self._before
        return (
            before is not None
            and before.kind == "op"
            and before.text in ("(", "[", ",")
            and bool(self._brackets)
        )

    def _close(self, token: Token) -> None:
        if not self._brackets or self._brackets[-1].text + token.text not in ("()", "[]"):
            raise ExpressionError(f"`{token.text}` closes nothing", token.column)
        self._no_open_if(token)
        self._brackets.pop()
        self._ifs.pop()
        self._want_value = False

    def _no_open_if(self, token: Token) -> None:
        if self._ifs[-1]:
            raise ExpressionError(
                "`if` without `else`", token.column, "write `a if condition else b`", len(token.text)
            )


def _is_word(token: Token, text: str) -> bool:
    return token.kind == "op" and token.text == text


def _is_dot(token: Optional[Token]) -> bool:
    return token is not None and token.kind == "op" and token.text == "."


def string_value(token: Token) -> str:
    """What a string token means. Raises ExpressionError for an escape that is not part of the language."""

    def replace(match: re.Match[str]) -> str:
        escape = match.group(1)
        if len(escape) > 1:
            code = int(escape[1:], 16)
            if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF and code:
                return chr(code)
        elif escape in _SIMPLE_ESCAPES:
            return _SIMPLE_ESCAPES[escape]
        raise ExpressionError(
            f"`\\{escape}` means nothing in a string",
            token.column + 1 + match.start(),
            "write `\\\\` for a backslash",
            len(escape) + 1,
        )

    return _ESCAPE.sub(replace, token.text[1:-1])
