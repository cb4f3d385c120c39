"""Matrix expansion: combinations of axis values, and the names of the instances that they make."""

from __future__ import annotations

import itertools
import re
from typing import Any, Dict, List, Mapping, Sequence, Set, Tuple

from mlorch.digest import canonical, digest_value
from mlorch.model import ArtifactPath, Instance, Step, Value

_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+=-]")
_LONGEST = 40
_CONSTANTS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


def typed(value: Value) -> Any:
    """A hashable that is equal only for equal values of equal type: 1, 1.0, true and "1" all differ."""
    if isinstance(value, str):
        return ("str", str(value))
    if value is None or isinstance(value, (bool, int, float)):
        return (type(value).__name__, repr(value))
    return ("json", canonical(value))


def combinations(
    axes: Mapping[str, Sequence[Value]],
    include: Sequence[Mapping[str, Value]] = (),
    exclude: Sequence[Mapping[str, Value]] = (),
) -> List[Dict[str, Value]]:
    """Combinations as GitHub Actions makes them.

    The product of the axes in their order, less what an `exclude` matches in all its keys; then each `include` is added to
    every combination whose original values it does not contradict, or, where there is none, becomes one of its own.
    """
    names = list(axes)
    product = [dict(zip(names, values)) for values in itertools.product(*axes.values())] if axes else []
    barred: Dict[Tuple[str, ...], Set[Tuple[Any, ...]]] = {}
    for item in exclude:
        barred.setdefault(tuple(item), set()).add(tuple(map(typed, item.values())))
    kept = [item for item in product if not _matches(item, barred)] if barred else product
    original = [dict(item) for item in kept]
    for extra in include:
        fits = [
            index
            for index, item in enumerate(original)
            if all(name not in item or typed(item[name]) == typed(value) for name, value in extra.items())
        ]
        # An include that shares no axis with the matrix extends every combination, as in GitHub Actions.
        if fits and original:
            for index in fits:
                kept[index].update(extra)
        else:
            kept.append(dict(extra))
    return kept


def counted_axes(items: Sequence[Mapping[str, Value]], declared: Sequence[str]) -> Tuple[str, ...]:
    """The axes that every combination has; the declared ones where there is no combination at all."""
    if not items:
        return tuple(declared)
    return tuple(name for name in items[0] if all(name in item for item in items))


def instances(step: Step, items: Sequence[Mapping[str, Value]]) -> Tuple[Instance, ...]:
    """One instance per combination, named by its values. Equal combinations make one instance."""
    made: Dict[str, Instance] = {}
    for item in items:
        suffix = suffix_of(item)
        name = f"{step.id}@{suffix}"
        made[name] = Instance(name, step, dict(item), suffix)
    return tuple(made.values())


def suffix_of(axes: Mapping[str, Value]) -> str:
    """`3-0`: readable, fit for a path, and different for different typed values whatever other instances exist."""
    texts = [_readable(value, len(axes) > 1) for value in axes.values()]
    suffix = "-".join(text for text, _ in texts)
    if all(exact for _, exact in texts) and suffix.strip("."):
        return suffix
    return "{}-{}".format(suffix, digest_value("instance/1", list(axes.values()))[7:13])


def _readable(value: Value, several: bool) -> Tuple[str, bool]:
    """A value's text for names, and whether it reads back as the same typed value."""
    if isinstance(value, ArtifactPath):
        # Members of one folder: their base names tell them apart.
        value = value.rsplit("/", 1)[-1]
        text = _UNSAFE.sub("_", value)
        return text[:_LONGEST], text == value and len(text) <= _LONGEST and not (several and "-" in text)
    if value is None:
        return "null", True
    if isinstance(value, bool):
        return ("true" if value else "false"), True
    if isinstance(value, (int, float)):
        text = repr(value)
    elif isinstance(value, str):
        text = value
    else:
        return "x", False
    safe = _UNSAFE.sub("_", text)[:_LONGEST]
    exact = safe == text and typed(_read_back(text)) == typed(value)
    return safe, exact and not (several and "-" in text) and not text.startswith(".")


def _read_back(text: str) -> Value:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text


def _matches(item: Mapping[str, Value], barred: Mapping[Tuple[str, ...], Set[Tuple[Any, ...]]]) -> bool:
    """Whether one of the excludes (values by their names) has all its values in a combination."""
    return any(
        all(name in item for name in names) and tuple(typed(item[name]) for name in names) in values
        for names, values in barred.items()
    )
