"""Append-only files of JSON lines under a versioned first line. A torn last line (of a kill) is left out
when read."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Iterable, Iterator, Mapping

from mlorch.errors import StoreError
from mlorch.store import files

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def encode(document: Mapping[str, Any]) -> bytes:
    return _encode(document).encode("ascii") + b"\n"


def append(path: str, head: Mapping[str, Any], document: Mapping[str, Any], sync: bool = False) -> None:
    """Append one line, in one write; a new file gets its first line with it."""
    append_all(path, head, [document], sync)


def append_all(
    path: str, head: Mapping[str, Any], documents: Iterable[Mapping[str, Any]], sync: bool = False
) -> None:
    """Append several lines, in one write."""
    data = b"".join(encode(document) for document in documents)
    if not os.path.exists(path) or not os.path.getsize(path):
        files.make_folders(os.path.dirname(path))
        data = encode(head) + data
    files.append(path, data, sync)
    if sync:
        files.sync_folder(os.path.dirname(path))


def read(path: str, schema: str, having: bytes = b"") -> Iterator[Dict[str, Any]]:
    """The documents after the first line. Raises StoreError for an unknown version; what is no JSON is left
    out.

    Args:
        having: lines without it are passed over unread, which is twenty times as fast as parsing them.
    """
    for line in unread(path, schema):
        document = parse(line) if having in line else None
        # two processes may both have begun the file
        if document is not None and "schema" not in document:
            yield document


def unread(path: str, schema: str) -> Iterator[bytes]:
    """The lines after the first as they are, for `parse`. Raises StoreError for an unknown version."""
    headed = False
    for line in _lines(path):
        if headed:
            yield line
            continue
        document = parse(line)
        if document is not None:
            headed = True
            check(path, document.get("schema"), schema)


def _lines(path: str) -> Iterator[bytes]:
    """One after the other: a file of many events is never held whole. None where no file stands."""
    try:
        fd = files.open_regular(path, follow=False)
    except (FileNotFoundError, NotADirectoryError, files.StrangeFile):
        return
    with open(fd, "rb") as file:
        yield from file


def check(path: str, found: Any, schema: str) -> None:
    if found != schema:
        raise StoreError(
            f"`{path}` has the format `{str(found)[:80]}`, and this mlorch reads `{schema}`",
            "use the mlorch that wrote it, or move the file away",
        )


def parse(line: bytes) -> Any:
    """A line's document; None where it is none."""
    try:
        document = json.loads(line.decode("utf-8")) if line else None
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
