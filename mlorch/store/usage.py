"""Which objects something refers to, and how many bytes the store holds."""

from __future__ import annotations

import threading
from collections import abc
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple

from mlorch.errors import StoreError
from mlorch.model import Digest, Record, Value
from mlorch.store import files, tree
from mlorch.store.index import Index, insert
from mlorch.store.objects import Objects, Pending

MAX_ROWS = 4096


def named(record: Record) -> Set[Digest]:
    """Digests that a record names: outputs, sources, and whatever its manifest mentions (inputs with `store:
    true`)."""
    found = {artifact.content.digest for artifact in record.outputs.values()} | set(record.sources.values())
    for row in record.manifest.rows:
        found.update(digests_in(row.value))
    return found


def digests_in(value: Value) -> Iterator[Digest]:
    """Every digest in a JSON value; a `+x` after it is left out."""
    if isinstance(value, str):
        if value.startswith("blake3:") and tree.DIGEST.match(value[:71]):
            yield value[:71]
    elif isinstance(value, abc.Mapping):
        for item in value.values():
            yield from digests_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from digests_in(item)


def with_members(objects: Objects, digests: Iterable[Digest]) -> Set[Digest]:
    """The digests, and for those that are folders the digests of their members."""
    found: Set[Digest] = set()
    for digest in digests:
        if digest not in found:
            found.add(digest)
            found.update(_members(objects, digest))
    return found


def _members(objects: Objects, digest: Digest) -> List[Digest]:
    begins = b'{"schema":"' + tree.SCHEMA.encode()
    try:
        fd = files.open_regular(objects.locate(digest), follow=False)
    except OSError:
        return []
    with open(fd, "rb") as file:
        if file.read(len(begins)) != begins:
            return []
    try:
        return [entry.digest for entry in objects.members(digest) if entry.kind == "file"]
    except StoreError:
        return []


class Usage:
    """The index's table of objects: written in groups, asked for sums."""

    def __init__(self, index: Index, objects: Objects) -> None:
        self._index = index
        self._objects = objects
        self._guard = threading.Lock()
        self._rows: List[Tuple[Any, ...]] = []
        self._referred: Set[bytes] = set()
        self._alone: Set[Digest] = set()
        """Objects that were seen to be files: there is no need to look whether they list members."""

    def add(self, taken: Mapping[Digest, Pending], records: Iterable[Record]) -> None:
        """Count what a commit brought."""
        lone, others = set(), set()
        for record in records:
            for artifact in record.outputs.values():
                if artifact.content.kind == "file":
                    lone.add(artifact.content.digest)
            others |= named(record)
        referred = with_members(self._objects, others - lone - self._alone) | lone | (others & self._alone)
        if len(self._alone) > MAX_ROWS:
            self._alone.clear()
        self._alone |= lone
        rows = [(raw(digest), pending.bytes, int(digest in referred)) for digest, pending in taken.items()]
        with self._guard:
            self._rows += rows
            self._referred.update(raw(digest) for digest in referred if digest not in taken)
            full = len(self._rows) + len(self._referred) >= MAX_ROWS
        if full:
            self.flush()

    def add_of(self, records: Iterable[Record]) -> None:
        """Count the objects of records that the index did not know (their run was killed)."""
        digests = with_members(self._objects, {digest for record in records for digest in named(record)})
        sizes = {digest: self._objects.size(digest) for digest in digests}
        self._index.insert(
            "objects", [(raw(digest), size, 1) for digest, size in sizes.items() if size is not None]
        )

    def flush(self) -> None:
        with self._guard:
            rows, self._rows = self._rows, []
            referred, self._referred = self._referred, set()

        def work(db: Any) -> None:
            insert(db, "objects", rows)
            sql = "update objects set referred=1 where digest=? and not referred"
            db.executemany(sql, [(digest,) for digest in sorted(referred)])

        if rows or referred:
            self._index.write(work)

    def totals(self) -> Tuple[int, int]:
        """(bytes of all objects, bytes of those that nothing refers to)."""
        self.flush()
        free_bytes = "case when referred then 0 else bytes end"
        sql = f"select coalesce(sum(bytes), 0), coalesce(sum({free_bytes}), 0) from objects"
        total, free = self._index.query(sql)[0]
        return int(total), int(free)

    def forget(self, digests: Iterable[Digest]) -> None:
        rows = [(raw(digest),) for digest in digests]
        self._index.write(lambda db: db.executemany("delete from objects where digest=?", rows))


def fill(db: Any, objects: Objects, records: Iterable[Record]) -> None:
    """Fill the table of a new index from the objects that there are."""
    sizes: Dict[Digest, Optional[int]] = {digest: found.st_size for digest, found in objects.all()}
    referred = with_members(objects, {digest for record in records for digest in named(record)})
    insert(db, "objects", [(raw(digest), size, int(digest in referred)) for digest, size in sizes.items()])


def raw(digest: Digest) -> bytes:
    return bytes.fromhex(digest[7:])
