"""Which comparison fits a file: by its beginning, else by its name, else by its bytes."""

from __future__ import annotations

import os
from typing import Callable, Dict, List, Mapping, Optional

from mlorch.reproduce.differ.located import Located, counted

Differ = Callable[[str, str, str], Optional[Located]]
"""`differ(old, new, name)`; None where it can't tell anything (the files are not what their name says)."""
BLOCK = 1 << 20
SHOWN = 5


def locate(old: str, new: str, name: str) -> Located:
    """Where two files that are not equal differ. `name` is how the file is called by the step."""
    for differ in _differs(old, new, name):
        found = differ(old, new, name)
        if found is not None:
            return found
    return by_bytes(old, new)


def _differs(old: str, new: str, name: str) -> List[Differ]:
    from mlorch.reproduce.differ import archives, arrays, parquet, tables, texts

    heads = {_head(old), _head(new)}
    lower = name.lower()
    if heads <= {b"PK\x03\x04", b"PK\x05\x06"}:
        return [archives.npz, archives.zip_] if lower.endswith(".npz") else [archives.zip_]
    if heads == {b"PAR1"}:
        return [parquet.parquet]
    if heads == {b"\x93NUM"}:
        return [arrays.npy]
    if all(head[:2] == b"\x1f\x8b" for head in heads):
        return [archives.gzip_]
    by_suffix: Dict[str, List[Differ]] = {
        ".json": [texts.json_],
        ".jsonl": [texts.json_lines],
        ".ndjson": [texts.json_lines],
        ".ipynb": [texts.json_],
        ".geojson": [texts.json_],
        ".csv": [tables.csv_],
        ".tsv": [tables.csv_],
    }
    return [*by_suffix.get(os.path.splitext(lower)[1], []), texts.text]


def _head(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(4)


def by_bytes(old: str, new: str) -> Located:
    """The offset of the first byte that differs, counted from 0."""
    sizes = os.path.getsize(old), os.path.getsize(new)
    offset = 0
    with open(old, "rb") as one, open(new, "rb") as other:
        while True:
            first, second = one.read(BLOCK), other.read(BLOCK)
            if first != second or not first:
                break
            offset += len(first)
    common = min(len(first), len(second))
    at = next((index for index in range(common) if first[index] != second[index]), common)
    where = f"byte {offset + at}"
    if at == common:
        text = f"one ends there: {counted(sizes[0], 'byte')} → {counted(sizes[1], 'byte')}"
    else:
        text = f"0x{first[at]:02x} → 0x{second[at]:02x}"
        if sizes[0] != sizes[1]:
            text += f" (of {counted(sizes[0], 'byte')} → {counted(sizes[1], 'byte')})"
    return Located("bytes", where, text)


def locate_folders(
    old: Mapping[str, str], new: Mapping[str, str], differing: Callable[[str], Optional[Located]]
) -> Located:
    """Where two folders differ: the first member in the order of names, and how many do.

    Args:
        old, new: member -> identity.
        differing: where a member that both have differs.
    """
    names = sorted({name for name in {**old, **new} if old.get(name) != new.get(name)})
    first = names[0]
    more = f"; {len(names)} of {len({**old, **new})} members differ" if len(names) > 1 else ""
    if first not in new:
        return Located("folder", first, "it is missing" + more)
    if first not in old:
        return Located("folder", first, "it was not there" + more)
    inner = differing(first)
    if inner is None:
        return Located("folder", first, "it differs" + more)
    return Located("folder", f"{first}: {inner.where}", inner.text + more, inner.lines, inner.note)
