"""Reading the inside of words: quotes, expansions, arithmetic, here-documents. Never raises on odd syntax."""

from __future__ import annotations

import re
from typing import Optional, Tuple

from mlorch.shell.cursor import MAX_DEPTH, Cursor
from mlorch.shell.findings import (
    ARITHMETIC,
    DOUBLE,
    FORBIDDEN,
    JOINED,
    WORD,
    Flow,
    Piece,
)

_PLAIN = re.compile("[^ \t\n;&|()<>\\\\'\"$`{}!?*+@\\U000f0000-\\U000ffffd]+")
_PLAIN_DOUBLE = re.compile('[^"\\\\$`\\U000f0000-\\U000ffffd]+')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PARAMETER = re.compile(r"[!#]?(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[-@*#?$!])")
_SPECIAL = "@*#?$!-0123456789"
STOPS = " \t\n;&|()<>"

SINGLE_QUOTES = (
    "stands inside single quotes, where the shell expands nothing",
    "use double quotes, or end the single quotes before it: '…'${{ … }}'…'",
)
HERE_DOCUMENT = (
    "stands inside a here-document, where it can't be quoted",
    "pass it as an argument, or print it: printf '%s\\n' ${{ … }}",
)
BACKSLASH = ("follows a backslash, which would escape its quotes", "remove the backslash")
DOLLAR = ("follows a `$`, which would change its meaning", "remove the `$`, or put a space between them")
UNTOLD = "assign it to a variable first (x=${{ … }}) and use that"


def untold(what: str) -> Tuple[str, str]:
    return f"stands where the shell's context can't be told: {what}", UNTOLD


class Lexer(Cursor):
    """Reads words. Subclasses bring `commands`, for what stands in `$( )`."""

    def commands(self, closer: str = "") -> None:
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------ words

    def word(self, kind: str = WORD, problem: Optional[Tuple[str, str]] = None, stops: str = STOPS) -> Piece:
        """One word from the cursor to the next blank or operator; empty where it stands on one."""
        outside, self.piece = self.piece, Piece()
        try:
            while self.pos < len(self.text):
                char = self.peek()
                if char in stops:
                    if char in "<>" and self.peek(1) == "(":
                        self._process_substitution()
                    elif char == "(" and self.piece.text[-1:] and self.text[self.pos - 1] in "?*+@!":
                        self._group()
                    else:
                        break
                else:
                    self.atom(kind, problem)
            return self.piece
        finally:
            self.piece = outside

    def atom(self, kind: str, problem: Optional[Tuple[str, str]] = None) -> None:
        """One character, quotation or expansion outside quotes."""
        char = self.peek()
        if char == "\\":
            self._escape()
        elif char == "'":
            self._single(self.pos + 1)
        elif char == '"':
            self._double_quotes()
        elif char == "$":
            self.dollar(False, kind)
        elif char == "`":
            self._backticks(False)
        elif not self.take_mark(kind, problem):
            match = _PLAIN.match(self.text, self.pos)
            end = match.end() if match else self.pos + 1
            self.piece.text += self.text[self.pos : end]
            self.pos = end

    def _escape(self) -> None:
        self.pos += 1
        if self.peek() == "\n":
            self.pos += 1
        elif not self.take_mark(FORBIDDEN, BACKSLASH):
            self.piece.quoted = True
            self.piece.text += self.peek()
            self.pos += 1

    def _single(self, start: int) -> None:
        end = self.text.find("'", start)
        end = len(self.text) if end < 0 else end
        self._quoted_span(start, end)

    def _ansi(self) -> None:
        """`$'…'`, where a backslash escapes."""
        match = re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL).match(self.text, self.pos)
        self._quoted_span(self.pos, match.end() if match else len(self.text))

    def _quoted_span(self, start: int, end: int) -> None:
        self.piece.quoted = True
        self.pos = start
        while self.pos < end:
            if not self.take_mark(FORBIDDEN, SINGLE_QUOTES):
                self.piece.text += self.peek()
                self.pos += 1
        self.pos = end + 1

    def _double_quotes(self) -> None:
        self.piece.quoted = True
        self.pos += 1
        while self.pos < len(self.text) and self.peek() != '"':
            self._double_atom()
        self.pos += 1

    def _double_atom(self, kind: str = DOUBLE, problem: Optional[Tuple[str, str]] = None) -> None:
        char = self.peek()
        if char == "\\":
            self.pos += 1
            if self.peek() == "\n":
                self.pos += 1
            elif not self.take_mark(FORBIDDEN, BACKSLASH):
                self.piece.text += self.peek() if self.peek() in '$`"\\' else "\\" + self.peek()
                self.pos += 1
        elif char == "$":
            self.dollar(True, kind)
        elif char == "`":
            self._backticks(True)
        elif not self.take_mark(kind, problem):
            match = _PLAIN_DOUBLE.match(self.text, self.pos)
            end = match.end() if match else self.pos + 1
            self.piece.text += self.text[self.pos : end]
            self.pos = end

    def _group(self) -> None:
        """`@(a|b)` and its like: one pattern."""
        self.pos += 1
        self.enter()
        self.piece.literal = False
        while self.pos < len(self.text) and self.peek() != ")":
            if self.peek() == "(":
                self._group()
            else:
                self.atom(JOINED)
        self.pos += 1
        self.depth -= 1

    # ------------------------------------------------------------------------------------------- expansions

    def _refer(self, name: str) -> None:
        self.piece.names.append(name)
        if self.level:
            self.found.arithmetic.add(name)

    def dollar(self, double: bool, kind: str) -> None:
        """What begins with `$`."""
        start = self.pos
        self.pos += 1
        char = self.peek()
        if self.take_mark(FORBIDDEN, DOLLAR):
            return
        if char == "'" and not double:
            self.pos += 1
            self._ansi()
            return
        if char == '"' and not double:
            self._double_quotes()
            return
        before = self.piece.text
        if char == "(":
            self._parenthesis()
        elif char == "{":
            self.pos += 1
            self._parameter(double, kind)
        elif char == "[":
            self.pos += 1
            self.arithmetic("]")
        elif char and char in _SPECIAL:
            self.pos += 1
            self._refer(char)
        else:
            match = _NAME.match(self.text, self.pos)
            if match is None:
                self.piece.text += "$"
                return
            self._refer(match.group())
            self.pos = match.end()
        self.piece.literal = False
        self.piece.text = before + self.text[start : self.pos]

    def _parenthesis(self) -> None:
        if self.at("((") and self.is_arithmetic(self.pos):
            self.pos += 2
            self.arithmetic("))")
        else:
            self.pos += 1
            self.substitution()

    def _process_substitution(self) -> None:
        start, before = self.pos, self.piece.text
        self.pos += 2
        self.substitution()
        self.piece.literal = False
        self.piece.text = before + self.text[start : self.pos]

    def substitution(self) -> None:
        """Commands up to `)`, whose values do not become part of the word around them."""
        piece, level, count = self.piece, self.level, len(self.found.order)
        self.piece, self.level = Piece(), 0
        self.enter()
        self.commands(")")
        self.depth -= 1
        self.piece, self.level = piece, level
        piece.slots += self.found.order[count:]

    def _backticks(self, double: bool) -> None:
        match = re.compile(r"`((?:[^`\\]|\\.)*)", re.DOTALL).match(self.text, self.pos)
        inside = match.group(1) if match else ""
        start = self.pos
        self.pos += len(inside) + 2
        text = re.sub(r'\\([$`\\"])' if double else r"\\([$`\\])", r"\1", inside)
        inner = type(self)(text, self.found, self.depth, self.marks)
        count = len(self.found.order)
        inner.enter()
        inner.commands()
        self.piece.slots += self.found.order[count:]
        self.piece.literal = False
        self.piece.text += self.text[start : self.pos]

    def _parameter(self, double: bool, kind: str) -> None:
        """`${…}`, the cursor after the brace."""
        self.enter()
        match = _PARAMETER.match(self.text, self.pos)
        name = ""
        if match:
            name = match.group().lstrip("!#") or match.group()
            self.pos = match.end()
            self._refer(name)
            if match.group().startswith("!"):
                self.found.arithmetic.add(name)
        if self.peek() == "[":
            self.pos += 1
            self.arithmetic("]")
        operator = re.compile(r":?[-=?+]").match(self.text, self.pos)
        inner = DOUBLE if double or kind == DOUBLE else JOINED
        if operator:
            self.pos = operator.end()
            count = len(self.piece.outer)
            self._parameter_word(double, inner, None)
            if "=" in operator.group():
                self.found.flows.append(Flow(name, tuple(self.piece.outer[count:]), ()))
        elif self.peek() == ":":
            self.pos += 1
            self.arithmetic("}")
            self.pos -= 1
        else:
            self._parameter_word(double, FORBIDDEN, untold("inside `${…}`"))
        self.pos += 1
        self.depth -= 1

    def _parameter_word(self, double: bool, kind: str, problem: Optional[Tuple[str, str]]) -> None:
        """Up to the closing brace. Quotes inside quotes differ between shells: no expression there."""
        odd = False
        while self.pos < len(self.text) and self.peek() != "}":
            if not double:
                self.atom(kind, problem)
            elif self.peek() in ("'", '"'):
                odd = True
                self.piece.text += self.peek()
                self.pos += 1
            else:
                self._double_atom(kind, untold("quotes inside `${…}` inside quotes") if odd else problem)

    # ------------------------------------------------------------------------------------------- arithmetic

    def is_arithmetic(self, start: int) -> bool:
        """Whether the `((` at `start` is closed by `))`; if not, bash takes it for a subshell."""
        level = 0
        skip = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\.|[^()'\"\\]+|.", re.DOTALL)
        for match in skip.finditer(self.text, start):
            if match.group() == "(":
                level += 1
            elif match.group() == ")":
                level -= 1
                if level == 1:
                    return self.text.startswith(")", match.end())
        return False

    def arithmetic(self, closer: str) -> None:
        """Arithmetic up to `closer` and past it; every variable in it is evaluated by the shell."""
        self.enter()
        self.level += 1
        opener = {"]": "[", "))": "(", "}": "{"}[closer]
        level = 0
        while self.pos < len(self.text):
            char = self.peek()
            if not level and self.at(closer):
                self.pos += len(closer)
                break
            level += (char == opener) - (char == closer[0])
            self._arithmetic_atom(char)
        self.level -= 1
        self.depth -= 1

    def _arithmetic_atom(self, char: str) -> None:
        if char == "\\":
            self._escape()
        elif char == "$":
            self.dollar(True, ARITHMETIC)
        elif char == "`":
            self._backticks(True)
        elif not self.take_mark(ARITHMETIC):
            match = _NAME.match(self.text, self.pos)
            if match:
                self.found.arithmetic.add(match.group())
            end = match.end() if match else self.pos + 1
            self.piece.text += self.text[self.pos : end]
            self.pos = end

    # --------------------------------------------------------------------------------------- here-documents

    def newline(self) -> None:
        """Past a newline, and past the here-documents that it begins."""
        self.pos += 1
        pending, self.pending = self.pending, []
        for delimiter, dash, quoted in pending:
            self._here_document(delimiter, dash, quoted)

    def _here_document(self, delimiter: str, dash: bool, quoted: bool) -> None:
        start = self.pos
        while self.pos < len(self.text):
            end = self.text.find("\n", self.pos)
            end = len(self.text) if end < 0 else end
            line = self.text[self.pos : end]
            if (line.lstrip("\t") if dash else line) == delimiter:
                self._here_body(start, self.pos, quoted)
                self.pos = min(end + 1, len(self.text))
                return
            self.pos = end + 1
        self._here_body(start, len(self.text), quoted)

    def _here_body(self, start: int, end: int, quoted: bool) -> None:
        """Expressions in it are refused; commands in an unquoted one are read for their words."""
        inner = type(self)(self.text[start:end], self.found, self.depth, self.marks)
        while inner.pos < len(inner.text):
            if quoted or inner.depth > MAX_DEPTH:
                if not inner.take_mark(FORBIDDEN, HERE_DOCUMENT):
                    inner.pos += 1
            else:
                inner._double_atom(FORBIDDEN, HERE_DOCUMENT)
        for index in inner.piece.slots:
            slot = self.found.slots[index]
            if slot.kind != FORBIDDEN:
                slot.forbid(*HERE_DOCUMENT)
        self.pos = end
