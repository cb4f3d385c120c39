"""A canonical form of Python source, equal under every Python from 3.8 on.

The walk goes once over the tree and collects beside the form what the other parts of this package ask for:
names, imports, docstrings, and whether anything is looked up by a name that the source does not show.
Positions, comments,
contexts (which follow from the place of a node) and the prefix of a string do not count; docstrings count
up to their
indentation, because formatters move it.
"""

# ruff: noqa: ARG001 - handlers share one shape, whatever they need of it

from __future__ import annotations

import ast
import sys
from typing import Any, Callable, Dict, List, Optional, Tuple

from mlorch.plan.code.found import (
    HIDDEN,
    HIDDEN_ATTRIBUTES,
    HIDDEN_IN_STRINGS,
    INTROSPECTING,
    OWNED,
    WORD,
    Found,
    Import,
)


class _Doc:
    """Stands in a body for its docstring."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


Handler = Callable[[Any, List[bytes], List[Any], Found], None]


def serialise(node: ast.AST, found: Found) -> bytes:
    """The canonical form of one node and all below it. Not recursive: a sum of 5,000 terms is a tree 5,000
    deep."""
    out: List[bytes] = []
    stack: List[Any] = [node]
    emit, pop, push = out.append, stack.pop, stack.append
    handler_of, fields_of = _HANDLERS.get, _FIELDS.get
    while stack:
        item = pop()
        kind = item.__class__
        handler = handler_of(kind)
        if handler is not None:
            handler(item, out, stack, found)
            continue
        if kind is list:
            emit(b"[%d " % len(item))
            stack.extend(reversed(item))
            continue
        known = fields_of(kind)
        if known is None:
            known = _learn(kind)
        emit(known[0])
        for name in known[1]:
            push(getattr(item, name, None))
    return b"".join(out)


def docstring_first(body: List[Any]) -> List[Any]:
    """A body whose docstring, if it has one, is told apart from other strings."""
    if body and isinstance(body[0], ast.Expr):
        value = body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return [_Doc(value.value), *body[1:]]
    return body


def clean_docstring(text: str) -> str:
    """A docstring without what formatters change: indentation, spaces at the ends of lines, blank lines
    around it."""
    lines = [line.rstrip() for line in text.expandtabs().splitlines()]
    margins = [len(line) - len(line.lstrip()) for line in lines[1:] if line]
    margin = min(margins) if margins else 0
    return "\n".join([lines[0].lstrip()] + [line[margin:] for line in lines[1:]] if lines else []).strip()


_SKIPPED = frozenset(["ctx", "kind", "type_comment", "type_ignores", "type_params"])
_FIELDS: Dict[type, Tuple[bytes, Tuple[str, ...]]] = {}


def _learn(kind: type) -> Tuple[bytes, Tuple[str, ...]]:
    fields = tuple(name for name in reversed(getattr(kind, "_fields", ())) if name not in _SKIPPED)
    known = (kind.__name__.encode() + b" ", fields)
    _FIELDS[kind] = known
    return known


def _text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(data), data)


def _words(value: str, found: Found) -> None:
    if value.isidentifier():
        found.names.add(value)
        if value in HIDDEN_IN_STRINGS:
            found.hidden = True
        return
    words = WORD.findall(value)
    found.names.update(words)
    if "__" in value and not HIDDEN_IN_STRINGS.isdisjoint(words):
        found.hidden = True


# ----------------------------------------------------------------------------------------------------- leaves


def _identifier(item: str, out: List[bytes], stack: List[Any], found: Found) -> None:
    found.names.add(item)
    out.append(_text(item))


def _none(item: None, out: List[bytes], stack: List[Any], found: Found) -> None:
    out.append(b"~")


def _number(item: int, out: List[bytes], stack: List[Any], found: Found) -> None:
    out.append(b"i%d " % item)


def _name(item: ast.Name, out: List[bytes], stack: List[Any], found: Found) -> None:
    name = item.id
    found.names.add(name)
    if name in HIDDEN or (name == "getattr" and id(item) not in found.constant_getattr):
        found.hidden = True
    out.append(b"N" + _text(name))


def _attribute(item: ast.Attribute, out: List[bytes], stack: List[Any], found: Found) -> None:
    name = item.attr
    found.names.add(name)
    if name in HIDDEN_ATTRIBUTES or (
        isinstance(item.value, ast.Name) and name in OWNED.get(item.value.id, ())
    ):
        found.hidden = True
    out.append(b"A" + _text(name))
    stack.append(item.value)


def _constant(item: ast.Constant, out: List[bytes], stack: List[Any], found: Found) -> None:
    value: Any = item.value
    kind = value.__class__
    if kind is str:
        _words(value, found)
        out.append(b"S" + _text(value))
    elif kind is int:
        out.append(b"I%x " % value)
    elif kind is float:
        out.append(b"F" + value.hex().encode() + b" ")
    elif kind is bytes:
        _words(value.decode("latin-1"), found)
        out.append(b"B%d:%b" % (len(value), value))
    elif kind is complex:
        out.append(f"C{value.real.hex()} {value.imag.hex()} ".encode())
    else:
        out.append(f"K{value} ".encode())


def _doc(item: _Doc, out: List[bytes], stack: List[Any], found: Found) -> None:
    _words(item.text, found)
    found.docs.append(item.text)
    out.append(b"D" + _text(clean_docstring(item.text)))


# ------------------------------------------------------------------------------------ what differs by version


def _joined(item: ast.JoinedStr, out: List[bytes], stack: List[Any], found: Found) -> None:
    """Pythons cut the constant parts of an f-string at different places."""
    parts: List[Any] = []
    for value in item.values:
        if not isinstance(value, ast.Constant):
            parts.append(value)
        elif parts and isinstance(parts[-1], str):
            parts[-1] += str(value.value)
        elif value.value != "":
            parts.append(value.value)
    out.append(b"J%d " % len(parts))
    stack.extend(ast.Constant(value=part) if isinstance(part, str) else part for part in reversed(parts))


def _formatted(item: ast.FormattedValue, out: List[bytes], stack: List[Any], found: Found) -> None:
    spec = item.format_spec
    if isinstance(spec, ast.JoinedStr) and not spec.values:
        spec = None  # `{x:}`: some Pythons keep the empty format
    out.append(b"V%d " % item.conversion)
    stack.append(spec)
    stack.append(item.value)


def _index(item: Any, out: List[bytes], stack: List[Any], found: Found) -> None:
    stack.append(item.value)


def _extended_slice(item: Any, out: List[bytes], stack: List[Any], found: Found) -> None:
    out.append(b"Tuple ")
    stack.append(item.dims)


def _delete(item: ast.Delete, out: List[bytes], stack: List[Any], found: Found) -> None:
    """`del (a, b)` is `del a, b`: formatters take the brackets away."""
    targets: List[ast.expr] = []
    for target in item.targets:
        targets.extend(target.elts if isinstance(target, ast.Tuple) and target.elts else [target])
    out.append(b"Delete ")
    stack.append(targets)


def _with(item: Any, out: List[bytes], stack: List[Any], found: Found) -> None:
    """`with (a, b):` is a tuple under 3.8 and two items after it; nobody can enter a tuple."""
    items = item.items
    if len(items) == 1 and items[0].optional_vars is None and isinstance(items[0].context_expr, ast.Tuple):
        items = [ast.withitem(context_expr=one, optional_vars=None) for one in items[0].context_expr.elts]
    out.append(item.__class__.__name__.encode() + b" ")
    stack.append(item.body)
    stack.append(items)


# -------------------------------------------------------------------------------------- definitions and calls


def _function(item: Any, out: List[bytes], stack: List[Any], found: Found) -> None:
    if item.name in HIDDEN:
        found.hidden = True
    # a definition is no use of its name: else every function would name itself
    out.append(item.__class__.__name__.encode() + b" " + _text(item.name))
    stack.extend((docstring_first(item.body), item.returns, item.args, item.decorator_list))
    _type_params(item, out, stack)


def _class(item: ast.ClassDef, out: List[bytes], stack: List[Any], found: Found) -> None:
    out.append(b"ClassDef " + _text(item.name))
    stack.extend((docstring_first(item.body), item.keywords, item.bases, item.decorator_list))
    _type_params(item, out, stack)


def _type_params(item: Any, out: List[bytes], stack: List[Any]) -> None:
    params = getattr(item, "type_params", None)
    if params:  # an empty list is the same as none: before 3.12 there is no such field
        out.append(b"P")
        stack.append(params)


def _call(item: ast.Call, out: List[bytes], stack: List[Any], found: Found) -> None:
    called = item.func
    name = (
        called.id
        if isinstance(called, ast.Name)
        else called.attr
        if isinstance(called, ast.Attribute)
        else ""
    )
    if name == "getattr" and len(item.args) > 1 and _string(item.args[1]) is not None:
        found.constant_getattr.add(id(called))
    elif name in ("import_module", "__import__") and item.args:
        module = _string(item.args[0])
        if module:
            bare = module.lstrip(".")
            found.imports.append(Import(bare, (), len(module) - len(bare)))
    out.append(b"Call ")
    stack.extend((item.keywords, item.args, called))


def _string(node: ast.AST) -> Optional[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


# ---------------------------------------------------------------------------------------------------- imports


def _import(item: ast.Import, out: List[bytes], stack: List[Any], found: Found) -> None:
    out.append(b"Import%d " % len(item.names))
    for alias in item.names:
        found.imports.append(Import(alias.name))
        parts = alias.name.split(".")
        found.names.update(parts)
        if (
            not HIDDEN.isdisjoint(parts)
            or parts[0] in INTROSPECTING
            or (alias.asname and alias.name in OWNED)
        ):
            found.hidden = True
        _alias(alias, out, found)


def _import_from(item: ast.ImportFrom, out: List[bytes], stack: List[Any], found: Found) -> None:
    module = item.module or ""
    names = tuple(alias.name for alias in item.names)
    found.imports.append(Import(module, names, item.level or 0))
    parts = module.split(".") if module else []
    found.names.update(parts)
    found.names.update(names)
    if parts and parts[0] in INTROSPECTING and not item.level:
        found.hidden = True
    owned = OWNED.get(module, frozenset())
    if (
        "*" in names
        or not HIDDEN.isdisjoint(parts)
        or not HIDDEN.isdisjoint(names)
        or not owned.isdisjoint(names)
    ):
        found.hidden = True
    out.append(b"From%d %d " % (item.level or 0, len(names)) + _text(module))
    for alias in item.names:
        _alias(alias, out, found)


def _alias(alias: ast.alias, out: List[bytes], found: Found) -> None:
    out.append(_text(alias.name))
    if alias.asname:
        found.names.add(alias.asname)
    out.append(_text(alias.asname) if alias.asname else b"~")


_HANDLERS: Dict[type, Handler] = {
    str: _identifier,
    type(None): _none,
    int: _number,
    bool: _number,
    _Doc: _doc,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Constant: _constant,
    ast.JoinedStr: _joined,
    ast.FormattedValue: _formatted,
    ast.Delete: _delete,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.Call: _call,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
}
if sys.version_info < (3, 9):
    _HANDLERS[ast.Index] = _index
    _HANDLERS[ast.ExtSlice] = _extended_slice
