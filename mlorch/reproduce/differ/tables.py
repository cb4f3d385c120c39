"""CSV and TSV by columns and rows."""

from __future__ import annotations

import csv
import os
from itertools import zip_longest
from typing import Dict, List, Optional

from mlorch.reproduce.differ.located import Located, counted, shown

LARGEST = 256 << 20
Rows = List[List[str]]


def csv_(old: str, new: str, name: str) -> Optional[Located]:
    """Column and row (counted from 1, the head left out) of the first difference, and how many columns differ."""
    delimiter = "\t" if name.lower().endswith(".tsv") else ","
    first, second = _rows(old, delimiter), _rows(new, delimiter)
    if first is None or second is None or not first or not second:
        return None
    if first == second:
        return Located("csv", "line 1", "the same cells, written in another way (quotes or ends of lines)")
    if first[0] != second[0]:
        return _head(first[0], second[0])
    return _body(first, second)


def _head(one: List[str], other: List[str]) -> Located:
    gone = [name for name in one if name not in other]
    come = [name for name in other if name not in one]
    if not gone and not come:
        return Located("csv", "the head", "the columns stand in another order")
    parts = [f"column `{shown(name)}` is gone" for name in gone] + [
        f"column `{shown(name)}` is new" for name in come
    ]
    return Located("csv", f"column {(gone or come)[0]}", "; ".join(parts[:5]))


def _body(first: Rows, second: Rows) -> Located:
    head = first[0]
    places: Dict[int, int] = {}
    differing = 0
    for number, (one, other) in enumerate(zip_longest(first[1:], second[1:]), 1):
        if one is None or other is None:
            if places:
                break
            return Located("csv", f"row {number}", f"{_count(first)} → {_count(second)}")
        if one == other:
            continue
        differing += 1
        for column, (left, right) in enumerate(zip_longest(one, other)):
            if left != right:
                places.setdefault(column, number)
    column, row = min(places.items(), key=lambda item: (item[1], item[0]))
    label = head[column] if column < len(head) else str(column + 1)
    cells = [
        shown(rows[row][column] if column < len(rows[row]) else "(not there)") for rows in (first, second)
    ]
    more = (
        [f"{counted(differing, 'row')} in {counted(len(places), 'column')} differ"] if differing > 1 else []
    )
    if len(first) != len(second):
        more.append(f"{_count(first)} → {_count(second)}")
    elif sorted(first[1:]) == sorted(second[1:]):
        more.append("the same rows in another order")
    told = f"{cells[0]} → {cells[1]}"
    return Located("csv", f"column {label}, row {row}", "; ".join([told, *more]))


def _count(rows: Rows) -> str:
    return counted(len(rows) - 1, "row")


def _rows(path: str, delimiter: str) -> Optional[Rows]:
    if os.path.getsize(path) > LARGEST:
        return None
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.reader(file, delimiter=delimiter))
    except (csv.Error, UnicodeDecodeError):
        return None
