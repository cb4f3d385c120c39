"""What an expression refers to and calls, without evaluating it."""

from __future__ import annotations

import ast
from typing import Iterator, List, Optional, Tuple

from mlorch.expressions.syntax import NAMESPACES, parse, remembered, subscript_index
from mlorch.values import dataclass


@dataclass(frozen=True)
class Reference:
    """A path of constant names from a namespace: `steps.train.outputs.model`, `params["a-b"].c`.

    It ends before the first index that is computed or a number. Columns are 0-based offsets into the source.
    """

    path: Tuple[str, ...]
    column: int
    length: int
    guarded: bool
    """Inside `first(…)`, where an absent value is no obstacle."""


@dataclass(frozen=True)
class Call:
    """A function that an expression calls, and where its name stands."""

    name: str
    column: int
    length: int


@remembered(1024)
def references(source: str) -> Tuple[Reference, ...]:
    """All references, in the order of the source. Raises ExpressionError as `parse` does."""
    return tuple(sorted(_references(parse(source), False), key=lambda item: item.column))


@remembered(1024)
def calls(source: str) -> Tuple[Call, ...]:
    """All calls, in the order of the source. Raises ExpressionError as `parse` does."""
    found: List[Call] = []
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found.append(Call(node.func.id, node.func.col_offset, len(node.func.id)))
    return tuple(sorted(found, key=lambda item: item.column))


def _references(node: ast.expr, guarded: bool) -> Iterator[Reference]:
    path = _path(node)
    if path is not None:
        if path[0] in NAMESPACES:
            yield Reference(path, node.col_offset, (node.end_col_offset or 0) - node.col_offset, guarded)
        return
    if isinstance(node, ast.Subscript):
        yield from _references(node.value, guarded)
        yield from _references(subscript_index(node), guarded)
        return
    if isinstance(node, ast.Call):
        inside = guarded or (isinstance(node.func, ast.Name) and node.func.id == "first")
        for argument in node.args:
            yield from _references(argument, inside)
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            yield from _references(child, guarded)


def _path(node: ast.expr) -> Optional[Tuple[str, ...]]:
    """The whole node as one constant path, else None."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute):
        before = _path(node.value)
        return None if before is None else (*before, node.attr)
    if isinstance(node, ast.Subscript):
        index = subscript_index(node)
        if isinstance(index, ast.Constant) and isinstance(index.value, str):
            before = _path(node.value)
            return None if before is None else (*before, index.value)
    return None
