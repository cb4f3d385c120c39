"""What git tracks, read from its index file (versions 2 to 4) without running git."""

from __future__ import annotations

import os
import struct
from typing import FrozenSet, Iterator, Optional, Set, Tuple

from mlorch.store import files
from mlorch.store.index import text
from mlorch.store.tree import parents


class GitIndex:
    """The tracked files of the repository that a folder lies in, if it lies in one."""

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root)
        self._seen: Optional[Tuple[str, int, int]] = None
        self._names: FrozenSet[str] = frozenset()

    def is_tracked(self, path: str) -> bool:
        """Whether a root-relative path, or something in it, is tracked."""
        return path.rstrip("/") in self._load()

    def _load(self) -> FrozenSet[str]:
        top, folder = _find(self._root)
        if folder is None:
            return frozenset()
        try:
            name = os.path.join(folder, "index")
            found = os.stat(name)
            seen = (name, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                prefix = self._root[len(top) :].strip("/")
                self._names = _below(tracked(folder), prefix + "/" if prefix else "")
                self._seen = seen
        except (OSError, ValueError, struct.error):
            return frozenset()
        return self._names


def _find(root: str) -> Tuple[str, Optional[str]]:
    """The top of the repository and its git folder (which `.git` may only name)."""
    top = root
    while True:
        name = os.path.join(top, ".git")
        if os.path.isdir(name):
            return top, name
        if os.path.isfile(name):
            named = files.read(name, follow=True).decode("utf-8", "surrogateescape")
            if named.startswith("gitdir:"):
                return top, os.path.join(top, named[7:].strip())
        if top == os.path.dirname(top):
            return root, None
        top = os.path.dirname(top)


def _below(names: Set[str], prefix: str) -> FrozenSet[str]:
    inside = {name[len(prefix) :] for name in names if name.startswith(prefix)}
    return frozenset(inside | {above for name in inside for above in parents(name)})


def tracked(folder: str) -> Set[str]:
    """Names in the index of a git folder, relative to the repository's top. Raises ValueError, OSError."""
    data = files.read(os.path.join(folder, "index"), follow=True)
    width = 32 if _uses_sha256(folder) else 20
    names, end = parse(data, width)
    for kind, body in _extensions(data, end, width):
        if kind == b"link" and any(body[:width]):
            shared = files.read(os.path.join(folder, "sharedindex." + body[:width].hex()), follow=True)
            names |= parse(shared, width)[0]
    return names


def parse(data: bytes, width: int = 20) -> Tuple[Set[str], int]:
    """Names in an index file, and where its entries end. `width` is the bytes of an object id."""
    if data[:4] != b"DIRC":
        raise ValueError("not a git index")
    version, count = struct.unpack(">II", data[4:12])
    if version not in (2, 3, 4):
        raise ValueError(f"git index of version {version}")
    names: Set[str] = set()
    at, last = 12, b""
    for _ in range(count):
        start = at
        (flags,) = struct.unpack_from(">H", data, at + 40 + width)
        at += 42 + width + (2 if flags & 0x4000 else 0)
        if version == 4:
            drop, at = _varint(data, at)
            end = data.index(b"\0", at)
            last = last[: len(last) - drop] + data[at:end]
            at = end + 1
        else:
            end = data.index(b"\0", at)
            last = data[at:end]
            at = start + ((end - start) // 8 + 1) * 8
        names.add(text(last))
    return names, at


def _varint(data: bytes, at: int) -> Tuple[int, int]:
    value = data[at] & 0x7F
    while data[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (data[at] & 0x7F)
    return value, at + 1


def _extensions(data: bytes, at: int, width: int) -> Iterator[Tuple[bytes, bytes]]:
    while at + 8 <= len(data) - width:
        (size,) = struct.unpack_from(">I", data, at + 4)
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size


def _uses_sha256(folder: str) -> bool:
    try:
        return b"objectformat = sha256" in files.read(os.path.join(folder, "config"), follow=True).lower()
    except OSError:
        return False
