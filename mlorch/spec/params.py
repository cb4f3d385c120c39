"""Params: from the pipeline or a file, with `--params-file` merged over them, then `-p`."""

from __future__ import annotations

import os
from dataclasses import field
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch.errors import MlorchError, UsageError, did_you_mean
from mlorch.model import Place, Value
from mlorch.spec.files import read_source
from mlorch.spec.nodes import Map, Node, Scalar, Seq
from mlorch.spec.paths import misplaced, reachable
from mlorch.spec.problems import Problems, UnreadableError
from mlorch.spec.raw import Document
from mlorch.spec.reader import read
from mlorch.spec.root import relative
from mlorch.spec.text import Source
from mlorch.values import dataclass

OPENING = "${{"


@dataclass
class Params:
    """Params by dotted name, and where each was written."""

    values: Dict[str, Value] = field(default_factory=dict)
    places: Dict[str, Place] = field(default_factory=dict)
    known: bool = True
    """False where they could not be read, so that no name is called unknown."""


def declared(document: Document, root: str, allow: Sequence[str], problems: Problems) -> Params:
    """The params that the pipeline itself gives."""
    params = Params(known="params" not in document.broken)
    node = document.top.get("params")
    if isinstance(node, Scalar):
        node = _named_file(node, root, allow, problems)
        params.known = isinstance(node, Map)
    if isinstance(node, Map):
        _take(params, node, problems)
    return params


def _named_file(node: Scalar, root: str, allow: Sequence[str], problems: Problems) -> Optional[Node]:
    path = node.words
    if OPENING in path:
        problems.error(
            "E514", "no expression is evaluated in `params`", node.spot, "write the name of the file itself"
        )
        return None
    wrong = misplaced(path, allow)
    if wrong is None and not reachable(path, root, allow):
        wrong = (
            "E401",
            f"`{path}` leads out of the project root",
            "keep the file in the project, without a symlink",
        )
    if wrong is not None:
        problems.error(wrong[0], wrong[1], node.spot, wrong[2])
        return None
    try:
        source = read_source(os.path.join(root, path), path, problems, at=node.spot)
        return _mapping(source, problems)
    except UnreadableError:
        return None


def _mapping(source: Source, problems: Problems) -> Optional[Map]:
    """The mapping that a params file holds; an empty file holds an empty one."""
    node = read(source, problems)
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return Map(source, 0, 0)
    if isinstance(node, Map):
        return node
    message = f"the params file `{source.name}` must hold a mapping"
    problems.error("E105", message, node.spot, "write `name: value` on each line")
    return None


def from_file(params: Params, path: str, root: str, problems: Problems) -> None:
    """Merge the file of `--params-file` (named from the current folder) deeply over the params.

    Raises UsageError where there is no such file.
    """
    full = os.path.abspath(path)
    name = relative(full, root)
    name = full if name.startswith("../") else name
    if not os.path.isfile(full):
        raise UsageError(f"there is no params file `{path}`", "check the name given with --params-file")
    try:
        source = read_source(full, name, problems)
        node = _mapping(source, problems)
    except UnreadableError:
        node = None
    if node is None:
        params.known = False
    else:
        _take(params, node, problems)


def _take(params: Params, node: Map, problems: Problems) -> None:
    _refuse_expressions(node, problems)
    _merge(params.values, node.plain)
    _note_places(params.places, node, "")


def _merge(values: Dict[str, Value], more: Mapping[str, Value]) -> None:
    for name, value in more.items():
        old = values.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            _merge(old, value)
        else:
            values[name] = value


def _note_places(places: Dict[str, Place], node: Map, prefix: str) -> None:
    for name, _, item in node.items():
        dotted = prefix + name
        places[dotted] = item.place
        if isinstance(item, Map):
            _note_places(places, item, dotted + ".")


def _refuse_expressions(node: Node, problems: Problems) -> None:
    if isinstance(node, Scalar):
        if isinstance(node.value, str) and OPENING in node.value:
            hint = "write the value itself; steps may compute with `${{ params.… }}`"
            problems.error("E514", "no expression is evaluated inside `params`", node.spot, hint)
        return
    items = (
        [item for _, _, item in node.items()]
        if isinstance(node, Map)
        else node.items
        if isinstance(node, Seq)
        else []
    )
    for item in items:
        _refuse_expressions(item, problems)


def override(params: Params, text: str) -> None:
    """Apply one `-p a.b=1`. Raises UsageError where it names no param or its value is not YAML."""
    name, equals, given = text.partition("=")
    name = name.strip()
    if not equals or not name:
        raise UsageError(f"`-p {text}` says no value", "write `-p name=value`")
    value, place = _value(text, given)
    _set(params, name.split("."), value, place, text)


def _value(text: str, given: str) -> Tuple[Value, Place]:
    problems = Problems()
    try:
        given.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"the value of `-p {text}` is not UTF-8 text", "write it as UTF-8") from None
    try:
        node = read(Source("-p", given), problems)
    except (UnreadableError, MlorchError):
        node = None
    if problems.errors:
        problem = problems.errors[0]
        raise UsageError(f"the value of `-p {text}` can't be read: {problem.message}", problem.hint)
    value = None if node is None else node.plain
    if OPENING in given:
        raise UsageError(f"no expression is evaluated in `-p {text}`", "write the value itself")
    return value, Place("-p {}".format(text.partition("=")[0].strip()))


def _set(params: Params, path: List[str], value: Value, place: Place, text: str) -> None:
    values: Value = params.values
    for depth, part in enumerate(path):
        if not isinstance(values, dict):
            above = ".".join(path[:depth])
            raise UsageError(f"`{above}` in `-p {text}` is not a mapping", f"set `{above}` as a whole")
        if part not in values:
            raise _unknown(params, path[: depth + 1], values)
        if depth < len(path) - 1:
            values = values[part]
    old = values[path[-1]]
    if isinstance(old, dict) and old and isinstance(value, dict):
        for name, item in value.items():
            _set(params, [*path, name], item, place, text)
        return
    values[path[-1]] = value
    dotted = ".".join(path)
    for known in [item for item in params.places if item.startswith(dotted + ".")]:
        del params.places[known]
    params.places[dotted] = place


def _unknown(params: Params, path: Sequence[str], siblings: Mapping[str, Value]) -> UsageError:
    dotted = ".".join(path)
    hint = did_you_mean(dotted, sorted(params.places))
    if hint is None:
        names = ", ".join("`{}`".format(".".join([*path[:-1], name])) for name in sorted(siblings)[:8])
        hint = f"the params are {names}" if names else "the pipeline has no `params`"
    return UsageError(f"there is no param `{dotted}`", hint)
