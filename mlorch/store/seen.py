"""What is known of files and folders that were digested, as the index keeps it."""

from __future__ import annotations

import json
import os
import struct
from operator import index
from typing import Dict, NamedTuple, Tuple

from mlorch.model import Content, Digest
from mlorch.store.index import text
from mlorch.store.witness import racy

FILES = "select path, size, mtime, ctime, inode, taken, digest from files"


class Seen(NamedTuple):
    """A digest with the stat that it belongs to; times in nanoseconds, `taken` is when digesting began."""

    size: int
    mtime: int
    ctime: int
    inode: int
    taken: int
    digest: Digest

    def holds(self, found: os.stat_result) -> bool:
        return (
            self.size == found.st_size
            and self.mtime == found.st_mtime_ns
            and self.ctime == found.st_ctime_ns
            and self.inode == found.st_ino
            and not racy(self.mtime, self.ctime, self.taken)
        )


class SeenFolder(NamedTuple):
    """A folder's content with the digest of all the stats in it; `detail` is {path: Seen} as JSON."""

    signature: bytes
    taken: int
    content: Content
    detail: bytes


_PACKED = struct.Struct("<Qqqqq32s")
"""A Seen in memory: there is one for each file that was ever digested."""


def folded(seen: Seen) -> bytes:
    return _PACKED.pack(
        seen.inode, seen.size, seen.mtime, seen.ctime, seen.taken, bytes.fromhex(seen.digest[7:])
    )


def unfolded(data: bytes) -> Seen:
    inode, size, mtime, ctime, taken, digest = _PACKED.unpack(data)
    return Seen(size, mtime, ctime, inode, taken, "blake3:" + digest.hex())


def seen_now(found: os.stat_result, digest: Digest, taken: int) -> Seen:
    return Seen(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, taken, digest)


def file_row(
    path: bytes, size: int, mtime: int, ctime: int, inode: int, taken: int, digest: bytes
) -> Tuple[str, bytes]:
    """Raises TypeError, ValueError for values that no look at a file gives."""
    try:
        return text(path), folded(_seen(size, mtime, ctime, inode, taken, "blake3:" + digest.hex()))
    except struct.error as error:
        raise ValueError(str(error)) from None


def _seen(size: int, mtime: int, ctime: int, inode: int, taken: int, digest: Digest) -> Seen:
    """Raises TypeError, ValueError for values that no look at a file gives."""
    if len(digest) != 71:
        raise ValueError("not a digest")
    return Seen(index(size), index(mtime), index(ctime), index(inode), index(taken), digest)


def pack(detail: Dict[str, Seen]) -> bytes:
    return json.dumps({path: list(seen) for path, seen in detail.items()}, separators=(",", ":")).encode(
        "ascii"
    )


def unpack(data: bytes) -> Dict[str, Seen]:
    return {path: _seen(*row) for path, row in json.loads(data).items()}
