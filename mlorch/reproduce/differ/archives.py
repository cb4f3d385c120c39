"""Zip, npz and gzip by members."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from typing import Any, Dict, Iterator, List, Optional, Tuple

from mlorch.reproduce.differ.located import Located, counted, shown

LARGEST = 512 << 20
"""Bytes of a member that is unpacked to be looked into."""
BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, struct.error)


def npz(old: str, new: str, name: str) -> Optional[Located]:
    """The array and the element; without numpy the member."""
    from mlorch.reproduce.differ import arrays

    found = zip_(old, new, name)
    if found is None:
        return None
    note = found.note
    if arrays.load_numpy() is None:
        note = arrays.NOTE
    where = found.where.replace(".npy:", ":", 1)
    where = where[: -len(".npy")] if where.endswith(".npy") else where
    return Located("npz", f"array {where}", found.text, found.lines, note)


def zip_(old: str, new: str, name: str) -> Optional[Located]:
    """The first member that differs, and where; what differs when all contents are equal."""
    del name
    try:
        with zipfile.ZipFile(old) as one, zipfile.ZipFile(new) as other:
            return _members(one, other)
    except BROKEN:
        return None


def _members(one: zipfile.ZipFile, other: zipfile.ZipFile) -> Optional[Located]:
    before = {info.filename: info for info in one.infolist()}
    after = {info.filename: info for info in other.infolist()}
    names = [*before, *(name for name in after if name not in before)]
    differing = [
        name
        for name in names
        if name not in before or name not in after or _content(before[name]) != _content(after[name])
    ]
    if not differing:
        return _about(one, other, before, after)
    first = differing[0]
    more = f"; {len(differing)} of {counted(len(names), 'member')} differ" if len(differing) > 1 else ""
    if first not in after:
        return Located("zip", first, "the member is gone" + more)
    if first not in before:
        return Located("zip", first, "the member is new" + more)
    if max(before[first].file_size, after[first].file_size) > LARGEST:
        return Located("zip", first, "the member differs" + more)
    with tempfile.TemporaryDirectory(prefix="mlorch-differ-") as folder:
        paths = []
        for label, archive in (("old", one), ("new", other)):
            path = os.path.join(folder, label)
            with archive.open(first) as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            paths.append(path)
        inner = _inner(paths[0], paths[1], first)
    return Located("zip", f"{first}: {inner.where}", inner.text + more, inner.lines, inner.note)


def _inner(old: str, new: str, name: str) -> Located:
    from mlorch.reproduce.differ.kinds import locate

    return locate(old, new, name)


def _content(info: zipfile.ZipInfo) -> Tuple[int, int]:
    return (info.CRC, info.file_size)


def _about(
    one: zipfile.ZipFile,
    other: zipfile.ZipFile,
    before: Dict[str, zipfile.ZipInfo],
    after: Dict[str, zipfile.ZipInfo],
) -> Located:
    """All contents are equal."""
    if list(before) != list(after):
        at = next(index for index, (left, right) in enumerate(zip(before, after)) if left != right)
        told = f"{shown(list(before)[at])} → {shown(list(after)[at])}; the same members in another order"
        return Located("zip", f"member {at + 1}", told, note="sort the members before they are added")
    for name, label, left, right in _facts(before, after):
        if left != right:
            note = "give each member a fixed `date_time`" if label == "time" else ""
            return Located("zip", f"{name}: {label}", f"{left} → {right}; all contents are equal", note=note)
    if one.comment != other.comment:
        return Located("zip", "comment", "all contents are equal")
    return Located("zip", "layout", "all members are equal; how they are packed differs")


def _facts(
    before: Dict[str, zipfile.ZipInfo], after: Dict[str, zipfile.ZipInfo]
) -> Iterator[Tuple[str, str, Any, Any]]:
    for name, info in before.items():
        twin = after[name]
        yield name, "time", _time(info), _time(twin)
        yield name, "mode", oct(info.external_attr >> 16), oct(twin.external_attr >> 16)
        yield name, "compression", info.compress_type, twin.compress_type
        yield name, "extra field", info.extra.hex(), twin.extra.hex()


def _time(info: zipfile.ZipInfo) -> str:
    return "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*info.date_time)


# ------------------------------------------------------------------------------------------------------- gzip


def gzip_(old: str, new: str, name: str) -> Optional[Located]:
    """Where the unpacked contents differ; the head where they are equal."""
    inner = name[: -len(".gz")] if name.lower().endswith(".gz") else name
    try:
        with tempfile.TemporaryDirectory(prefix="mlorch-differ-") as folder:
            paths: List[str] = []
            for label, path in (("old", old), ("new", new)):
                paths.append(os.path.join(folder, label))
                if not _unpack(path, paths[-1]):
                    return None
            if not _equal(paths[0], paths[1]):
                found = _inner(paths[0], paths[1], inner)
                return Located("gzip", found.where, found.text, found.lines, found.note)
    except BROKEN:
        return None
    times = [_mtime(path) for path in (old, new)]
    if times[0] != times[1]:
        told = f"{times[0]} → {times[1]}; the unpacked contents are equal"
        return Located(
            "gzip", "the head's time", told, note="write it with `mtime=0` (of the command: `gzip -n`)"
        )
    return Located("gzip", "layout", "the unpacked contents are equal; the head or the compression differs")


def _unpack(source: str, target: str) -> bool:
    size = 0
    with gzip.open(source, "rb") as packed, open(target, "wb") as file:
        for block in iter(lambda: packed.read(1 << 20), b""):
            size += len(block)
            if size > LARGEST:
                return False
            file.write(block)
    return True


def _equal(one: str, other: str) -> bool:
    import filecmp

    return filecmp.cmp(one, other, shallow=False)


def _mtime(path: str) -> int:
    with open(path, "rb") as file:
        head = file.read(8)
    return int(struct.unpack("<I", head[4:8])[0])
