"""Parquet by columns and rows. pyarrow is imported only here."""

from __future__ import annotations

import importlib
from typing import Any, List, Optional

from mlorch.reproduce.differ.located import Located, counted, shown

NOTE = "with pyarrow (pip install 'mlorch[reproduce]') the column and the row are told"


def parquet(old: str, new: str, name: str) -> Optional[Located]:
    """The first column that differs, its first row (counted from 1), and how many columns differ."""
    del name
    try:
        pyarrow: Any = importlib.import_module("pyarrow")
        parquets: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        from mlorch.reproduce.differ.kinds import by_bytes

        found = by_bytes(old, new)
        return Located("parquet", found.where, found.text, note=NOTE)
    try:
        with parquets.ParquetFile(old) as one, parquets.ParquetFile(new) as other:
            return _compare(one, other)
    except (pyarrow.ArrowException, OSError, ValueError):
        return None


def _compare(one: Any, other: Any) -> Optional[Located]:
    before, after = one.schema_arrow, other.schema_arrow
    if before.names != after.names:
        gone = [name for name in before.names if name not in after.names]
        come = [name for name in after.names if name not in before.names]
        if not gone and not come:
            return Located("parquet", "the schema", "the columns stand in another order")
        parts = [f"column `{shown(name)}` is gone" for name in gone]
        parts += [f"column `{shown(name)}` is new" for name in come]
        return Located("parquet", f"column {(gone or come)[0]}", "; ".join(parts[:5]))
    for field in before.names:
        types = before.field(field).type, after.field(field).type
        if types[0] != types[1]:
            return Located("parquet", f"column {field}", f"type {types[0]} → {types[1]}")
    rows = one.metadata.num_rows, other.metadata.num_rows
    if rows[0] != rows[1]:
        return Located(
            "parquet", f"row {min(rows) + 1}", f"{counted(rows[0], 'row')} → {counted(rows[1], 'row')}"
        )
    return _columns(one, other, before.names) or _metadata(one, other)


def _columns(one: Any, other: Any, names: List[str]) -> Optional[Located]:
    """Column by column, so that only two are in memory at once."""
    first: Optional[Located] = None
    differing = 0
    for name in names:
        left = one.read(columns=[name]).column(0)
        right = other.read(columns=[name]).column(0)
        if left.equals(right):
            continue
        found = _row(name, left, right)
        if found is not None:
            differing += 1
            first = first or found
    if first is None or differing == 1:
        return first
    return Located(first.kind, first.where, f"{first.text}; {counted(differing, 'column')} differ")


def _row(name: str, left: Any, right: Any) -> Optional[Located]:
    """NaN is equal to itself here."""
    place, count = -1, 0
    for index, (one, other) in enumerate(zip(left.to_pylist(), right.to_pylist())):
        if one != other and not (one != one and other != other):
            count += 1
            if place < 0:
                place, values = index, (one, other)
    if place < 0:
        return None
    told = f"{shown(values[0])} → {shown(values[1])}"
    if count > 1:
        told += f"; {counted(count, 'row')} differ"
    return Located("parquet", f"column {name}, row {place + 1}", told)


def _metadata(one: Any, other: Any) -> Located:
    """All values are equal: it is what the file says about itself."""
    if one.metadata.created_by != other.metadata.created_by:
        told = f"{shown(one.metadata.created_by)} → {shown(other.metadata.created_by)}"
        return Located("parquet", "metadata created_by", f"{told}; all values are equal")
    before = one.schema_arrow.metadata or {}
    after = other.schema_arrow.metadata or {}
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            values = [
                shown((found.get(key) or b"(not there)").decode("utf-8", "replace"))
                for found in (before, after)
            ]
            name = key.decode("utf-8", "replace")
            return Located("parquet", f"metadata {name}", f"{values[0]} → {values[1]}; all values are equal")
    told = "all values are equal; row groups, encodings or compression differ"
    return Located("parquet", "layout", told)
