"""Texts by lines, JSON by paths."""

from __future__ import annotations

import difflib
import json
import os
from itertools import zip_longest
from typing import Any, Iterator, List, Optional, Tuple

from mlorch.reproduce.differ.located import Located, counted, shown

LARGEST = 32 << 20
"""Bytes of a file that is read whole."""
CONTEXT = 2
WINDOW = 200
"""Lines behind the first difference that a diff looks at."""
LINES = 30
MISSING = object()

Leaf = Tuple[str, Any, Any]


def text(old: str, new: str, name: str) -> Optional[Located]:
    """Line and column of the first difference, and a diff from there; None for what is no UTF-8 text."""
    del name
    first, second = _lines(old), _lines(new)
    if first is None or second is None:
        return None
    if first == second:  # in how a line ends
        return None
    at = next(index for index, (one, other) in enumerate(zip_longest(first, second)) if one != other)
    one = first[at] if at < len(first) else ""
    other = second[at] if at < len(second) else ""
    column = len(os.path.commonprefix([one, other])) + 1
    where = f"line {at + 1}, column {column}"
    start = max(0, at - CONTEXT)
    diff = difflib.unified_diff(
        first[start : at + WINDOW],
        second[start : at + WINDOW],
        "recorded",
        "executed again",
        lineterm="",
        n=CONTEXT,
    )
    lines = tuple(line for line in diff if not line.startswith("@@"))
    if at >= min(len(first), len(second)):
        told = f"{counted(len(first), 'line')} → {counted(len(second), 'line')}"
    else:
        told = f"{shown(one)} → {shown(other)}"
    if sorted(first) == sorted(second):
        told += " (the same lines in another order)"
    return Located("text", where, told, lines[:LINES])


def _lines(path: str) -> Optional[List[str]]:
    data = _read(path)
    if data is None or "\0" in data:
        return None
    lines = data.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _read(path: str) -> Optional[str]:
    if os.path.getsize(path) > LARGEST:
        return None
    with open(path, "rb") as file:
        try:
            return file.read().decode("utf-8")
        except UnicodeDecodeError:
            return None


# ------------------------------------------------------------------------------------------------------- JSON


def json_(old: str, new: str, name: str) -> Optional[Located]:
    """The path of the first value that differs (`$.folds[2].auc`), and how many do."""
    del name
    first, second = _parsed(_read(old)), _parsed(_read(new))
    if first is MISSING or second is MISSING:
        return None
    found = _leaves(first, second)
    if found:
        return Located("json", found[0][0], _change(found), note="")
    told = "the same values, written in another way"
    if json.dumps(first) != json.dumps(second):
        told = "the same values, with keys in another order"
    return Located("json", "$", told, note="write it with `sort_keys=True`" if "keys" in told else "")


def json_lines(old: str, new: str, name: str) -> Optional[Located]:
    del name
    before, after = _read(old), _read(new)
    if before is None or after is None:
        return None
    rows = before.splitlines(), after.splitlines()
    for number, (one, other) in enumerate(zip_longest(*rows), 1):
        if one is None or other is None:
            told = f"{counted(len(rows[0]), 'line')} → {counted(len(rows[1]), 'line')}"
            return Located("jsonl", f"line {number}", told)
        if one == other:
            continue
        first, second = _parsed(one), _parsed(other)
        if first is MISSING or second is MISSING:
            return None
        found = _leaves(first, second)
        if not found:
            return Located("jsonl", f"line {number}", "the same values, written in another way")
        return Located("jsonl", f"line {number}, {found[0][0]}", _change(found))
    return None


def _change(found: List[Leaf]) -> str:
    path, one, other = found[0]
    del path
    more = f"; {counted(len(found), 'value')} differ" if len(found) > 1 else ""
    before = "(not there)" if one is MISSING else shown(json.dumps(one))
    after = "(not there)" if other is MISSING else shown(json.dumps(other))
    return f"{before} → {after}{more}"


def _parsed(data: Optional[str]) -> Any:
    if data is None:
        return MISSING
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return MISSING


def _leaves(one: Any, other: Any) -> List[Leaf]:
    """Paths at which two documents differ, in the order of the first one."""
    try:
        return list(_walk("$", one, other))
    except RecursionError:
        return [("$", one, other)]


def _walk(path: str, one: Any, other: Any) -> Iterator[Leaf]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*one, *other]):
            yield from _walk(f"{path}{_step(key)}", one.get(key, MISSING), other.get(key, MISSING))
    elif isinstance(one, list) and isinstance(other, list):
        for index, (first, second) in enumerate(zip_longest(one, other, fillvalue=MISSING)):
            yield from _walk(f"{path}[{index}]", first, second)
    elif not _same(one, other):
        yield path, one, other


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (one != one and other != other)
    return type(one) is type(other) and bool(one == other)


def _step(key: str) -> str:
    return f".{key}" if key.isidentifier() else f"[{json.dumps(key, ensure_ascii=False)}]"
