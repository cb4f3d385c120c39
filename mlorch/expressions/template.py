"""Text with expressions in it: finding them, and putting values in their place."""

from __future__ import annotations

import re
from typing import Any, Callable, List, Mapping, Union

from mlorch.errors import ExpressionError
from mlorch.expressions.evaluate import evaluate
from mlorch.expressions.functions import MAX_TEXT, to_text
from mlorch.model import Expression, Place, Template, Tree, Value

_OPEN = "${{"
_PIECE = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\}\}|[^'"}]+|\}""", re.DOTALL)


def split(text: str, place: Place, scope: str = "") -> Template:
    """Text as a template. `}}` inside a quoted string of an expression does not end it.

    Each expression's place is `place` moved on by the lines and columns before it. Raises ExpressionError for
    `${{` without an end, its column an offset into `text`.
    """
    start = text.find(_OPEN)
    if start < 0:
        return Template((text,), place) if text else Template((), place)
    parts: List[Union[str, Expression]] = []
    end = 0
    while start >= 0:
        if start > end:
            parts.append(text[end:start])
        close = _close(text, start)
        inner = text[start + 3 : close]
        begin = start + 3 + len(inner) - len(inner.lstrip())
        parts.append(Expression(inner.strip(), _moved(place, text, begin), scope))
        end = close + 2
        start = text.find(_OPEN, end)
    if end < len(text):
        parts.append(text[end:])
    return Template(tuple(parts), place)


def _close(text: str, start: int) -> int:
    """Where the `}}` of the expression that begins at `start` stands. Raises ExpressionError."""
    position = start + 3
    while position < len(text):
        match = _PIECE.match(text, position)
        if match is None:
            raise ExpressionError(
                "unterminated string in `${{`",
                start,
                f"close the {text[position]} that opens it",
                3,
            )
        if match.group() == "}}":
            return position
        position = match.end()
    hint = "close it with `}}`, and quote the value: YAML cuts at ` #`, and in `{ }` and `[ ]` at `,` and `}`"
    raise ExpressionError("unterminated `${{`", start, hint, 3)


def _moved(place: Place, text: str, offset: int) -> Place:
    lines = text.count("\n", 0, offset)
    if not lines:
        return Place(place.file, place.line, place.column + offset)
    return Place(place.file, place.line + lines, offset - text.rfind("\n", 0, offset))


_NOTHING: Mapping[str, Callable[..., Any]] = {}


def render(
    template: Template, names: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]] = _NOTHING
) -> Value:
    """The value of a template: of a whole expression with its type, else text.

    Raises ExpressionError: as `evaluate` does, and for null, a list or a mapping inside text.
    """
    parts = template.parts
    if len(parts) == 1:
        part = parts[0]
        return part if isinstance(part, str) else evaluate(part.source, names, functions)
    texts = [part if isinstance(part, str) else _text(part, names, functions) for part in parts]
    if sum(map(len, texts)) > MAX_TEXT:
        raise ExpressionError(f"the text is too long: at most {MAX_TEXT:,} characters")
    return "".join(texts)


def _text(
    expression: Expression, names: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]
) -> str:
    value = evaluate(expression.source, names, functions)
    try:
        return to_text(value)
    except ExpressionError as error:
        message = f"`{expression.source}`: {error.message}"
        raise ExpressionError(message, 0, error.hint, max(1, len(expression.source))) from None


def render_tree(
    tree: Tree, names: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]] = _NOTHING
) -> Value:
    """A tree of lists and mappings with its templates rendered."""
    if isinstance(tree, Template):
        return render(tree, names, functions)
    if isinstance(tree, Mapping):
        return {key: render_tree(item, names, functions) for key, item in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [render_tree(item, names, functions) for item in tree]
    return tree
