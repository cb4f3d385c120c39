"""Parsing: Python's syntax tree of an expression, checked against a whitelist."""

from __future__ import annotations

import ast
import keyword
from functools import lru_cache, wraps
from typing import Any, Callable, Dict, FrozenSet, List, Optional, Tuple, TypeVar, cast

from mlorch.errors import ExpressionError, did_you_mean
from mlorch.expressions.tokens import LITERAL_WORDS, Token, string_value, tokenize

MAX_DEPTH = 64

ARITY: Dict[str, Tuple[int, Optional[int]]] = {
    "len": (1, 1),
    "min": (1, None),
    "max": (1, None),
    "round": (1, 2),
    "abs": (1, 1),
    "str": (1, 1),
    "int": (1, 1),
    "float": (1, 1),
    "join": (1, 2),
    "basename": (1, 1),
    "stem": (1, 1),
    "dirname": (1, 1),
    "range": (1, 3),
    "sorted": (1, 1),
    "first": (1, None),
    "env_or": (1, 2),
    "success": (0, 0),
    "failure": (0, 0),
    "always": (0, 0),
}
"""Function -> the least and the most arguments that it takes."""

FUNCTIONS: FrozenSet[str] = frozenset(ARITY)
NAMESPACES: Tuple[str, ...] = (
    "params",
    "matrix",
    "inputs",
    "outputs",
    "steps",
    "step",
    "run",
    "env",
    "secrets",
    "with",
    "checkpoint",
    "metrics",
)
"""In the order in which they are offered to somebody who misspelt one."""
WORDS = {"true": True, "false": False, "null": None}
"""YAML's spelling of Python's literals."""

F = TypeVar("F", bound=Callable[..., Any])
SHORT = 120
"""Characters of a source that is worth remembering."""

_BINARY = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
_COMPARE = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)


def remembered(most: int) -> Callable[[F], F]:
    """What follows from a source is kept for the last short ones: long expressions come once, and what is kept of all together
    stays below some megabytes."""

    def wrap(function: F) -> F:
        kept = lru_cache(maxsize=most)(function)

        @wraps(function)
        def wrapper(source: str, *others: Any) -> Any:
            return kept(source, *others) if len(source) <= SHORT else function(source, *others)

        return cast(F, wrapper)

    return wrap


@remembered(
    64
)  # a tree takes a thousand times the room of its text, and is asked for again at once or not at all
def parse(source: str, beside: Tuple[str, ...] = ()) -> ast.expr:
    """The checked syntax tree; `col_offset` and `end_col_offset` are 0-based character columns of `source`.

    `beside` are names that may begin a path here, beside the language's own.

    Do not change it: it is shared. Raises ExpressionError with the column where it went wrong.
    """
    tokens = tokenize(source)
    strings = {token.column: string_value(token) for token in tokens if token.kind == "string"}
    try:
        tree = ast.parse("(" + _plain(tokens) + ")", mode="eval").body
    except SyntaxError:
        raise ExpressionError("this is not an expression", 0, "put brackets around its parts") from None
    except (MemoryError, RecursionError):
        raise _too_deep(0) from None
    checker = _Checker(source, strings, (*NAMESPACES, *beside))
    checker.check(tree, 1)
    return tree


def _too_deep(column: int) -> ExpressionError:
    return ExpressionError(f"an expression may be nested {MAX_DEPTH} deep", column)


def _plain(tokens: List[Token]) -> str:
    """The source in ASCII, same columns: strings blanked, keywords that are names (`with`, `x.if`) masked."""
    pieces: List[str] = []
    end = 0
    for index, token in enumerate(tokens):
        pieces.append(" " * (token.column - end))
        if token.kind == "string":
            pieces.append('"' + "_" * (len(token.text) - 2) + '"')
        elif token.kind == "name" and keyword.iskeyword(token.text) and _is_name(tokens, index):
            pieces.append("_" * len(token.text))
        else:
            pieces.append(token.text)
        end = token.column + len(token.text)
    return "".join(pieces)


def _is_name(tokens: List[Token], index: int) -> bool:
    after_dot = index > 0 and tokens[index - 1].kind == "op" and tokens[index - 1].text == "."
    return after_dot or tokens[index].text not in LITERAL_WORDS


class _Checker:
    """Walks the tree once: puts back names and strings, shifts columns, refuses what is not whitelisted."""

    def __init__(self, source: str, strings: Dict[int, str], roots: Tuple[str, ...]) -> None:
        self._source = source
        self._strings = strings
        self._roots = roots

    def check(self, node: ast.expr, depth: int) -> None:
        node.col_offset -= 1
        node.end_col_offset = (node.end_col_offset or 0) - 1
        if depth > MAX_DEPTH:
            raise _too_deep(node.col_offset)
        if isinstance(node, ast.Constant):
            self._constant(node)
        elif isinstance(node, ast.Name):
            self._name(node)
        elif isinstance(node, ast.Attribute):
            self._attribute(node, depth)
        elif isinstance(node, ast.Subscript):
            self._subscript(node, depth)
        elif isinstance(node, ast.Call):
            self._call(node, depth)
        else:
            self._operation(node, depth)

    def _refuse(self, node: ast.expr, what: str, hint: str = "") -> ExpressionError:
        length = (node.end_col_offset or 0) - node.col_offset
        return ExpressionError(f"{what} is not part of the language", node.col_offset, hint, max(1, length))

    def _constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            node.value = self._strings[node.col_offset]
        elif node.value is not None and not isinstance(node.value, (bool, int, float)):
            raise self._refuse(node, f"`{self._source[node.col_offset : node.end_col_offset]}`")
        elif isinstance(node.value, float) and node.value in (float("inf"),):
            raise self._refuse(node, "a number as large as this")

    def _name(self, node: ast.Name) -> None:
        node.id = self._source[node.col_offset : node.end_col_offset]
        if node.id in self._roots or node.id in WORDS:
            return
        length = len(node.id)
        if node.id in FUNCTIONS:
            raise ExpressionError(
                f"`{node.id}` is a function",
                node.col_offset,
                f"call it: `{node.id}(…)`",
                length,
            )
        hint = did_you_mean(node.id, sorted(self._roots))
        if hint is None and self._source[: node.col_offset].rstrip().endswith("-"):
            hint = 'a key with a dash is written `params["learning-rate"]`'
        hint = hint or "names begin with one of: {}; texts stand in quotes".format(
            ", ".join(sorted(self._roots))
        )
        raise ExpressionError(f"unknown name `{node.id}`", node.col_offset, hint, length)

    def _attribute(self, node: ast.Attribute, depth: int) -> None:
        end = node.end_col_offset or 0
        node.attr = self._source[end - len(node.attr) : end]
        self.check(node.value, depth + 1)

    def _subscript(self, node: ast.Subscript, depth: int) -> None:
        index = subscript_index(node)
        if isinstance(index, ast.Tuple):
            raise ExpressionError("one index was expected in `[ ]`", node.col_offset, "write `x[a][b]`")
        self.check(node.value, depth + 1)
        self.check(index, depth + 1)

    def _call(self, node: ast.Call, depth: int) -> None:
        function = node.func
        start, end = function.col_offset - 1, (function.end_col_offset or 0) - 1
        if not isinstance(function, ast.Name):
            raise ExpressionError(
                "only functions can be called, not values",
                start,
                "the functions are: {}".format(", ".join(sorted(FUNCTIONS))),
                max(1, end - start),
            )
        function.col_offset, function.end_col_offset = start, end
        name = function.id = self._source[start:end]
        if name not in FUNCTIONS:
            hint = did_you_mean(name, sorted(FUNCTIONS)) or "the functions are: {}".format(
                ", ".join(sorted(FUNCTIONS))
            )
            raise ExpressionError(f"unknown function `{name}`", start, hint, end - start)
        low, high = ARITY[name]
        if len(node.args) < low or (high is not None and len(node.args) > high):
            raise ExpressionError(
                f"`{name}` takes {_amount(low, high)}, found {len(node.args)}",
                start,
                "",
                end - start,
            )
        for argument in node.args:
            self.check(argument, depth + 1)

    def _operation(self, node: ast.expr, depth: int) -> None:
        if isinstance(node, ast.BinOp) and isinstance(node.op, _BINARY):
            children = [node.left, node.right]
        elif isinstance(node, ast.UnaryOp):
            children = [node.operand]
        elif isinstance(node, ast.BoolOp):
            children = node.values
        elif isinstance(node, ast.Compare):
            if not all(isinstance(op, _COMPARE) for op in node.ops):
                raise self._refuse(node, "`is`", "write `==` or `!=`")
            children = [node.left, *node.comparators]
        elif isinstance(node, ast.IfExp):
            children = [node.body, node.test, node.orelse]
        elif isinstance(node, ast.List):
            children = node.elts
        elif isinstance(node, ast.Tuple):
            raise self._refuse(node, "a list in round brackets", "write a list as `[a, b]`")
        else:
            raise self._refuse(node, "this")
        for child in children:
            self.check(child, depth + 1)


def _amount(low: int, high: Optional[int]) -> str:
    if high is None:
        return "at least {} argument{}".format(low, "" if low == 1 else "s")
    if low == high:
        return "no arguments" if not low else "{} argument{}".format(low, "" if low == 1 else "s")
    return f"{low} to {high} arguments"


def subscript_index(node: ast.Subscript) -> ast.expr:
    """What stands in `[ ]`; Python 3.8 wraps it once more."""
    index = node.slice
    inner = getattr(index, "value", None)
    if type(index).__name__ == "Index" and isinstance(inner, ast.expr):
        return inner
    return index
