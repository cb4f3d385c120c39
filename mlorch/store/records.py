"""Records: small versioned JSON files at `records/ab/cdef…/TIME-ID.json`. They are the truth; the index only
finds them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import threading
import time
from typing import (
    Any,
    Dict,
    FrozenSet,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    TypeVar,
)

from mlorch.digest import digest_bytes
from mlorch.errors import StoreError
from mlorch.model import Digest, Manifest, Record, Value
from mlorch.rows import Rows
from mlorch.store import files, serial, tree
from mlorch.store.index import Index, blob, text
from mlorch.store.session import Session, is_live

T = TypeVar("T")
SCHEMA = "mlorch.record/1"
SCHEMAS = frozenset([SCHEMA])
NAME = re.compile(r"[0-9TZ.]+-.+\.json\Z")
_PLACE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{62}/[^/]+\.json\Z")
TRIED = 8
"""Newest records of an instance that are looked at for one that can be read."""
TIMED = 5
"""Durations that are told of an instance or a step."""
REMEMBERED = 20_000
"""Records kept in memory."""
FEW = 100
"""Instances and steps of which the index is asked one by one."""
FLUSH_AT = 256
"""Rows that wait in memory before the index is written; the notes in `pending/` hold them over a kill."""


class Newest(NamedTuple):
    """What the index says of the newest records of one pipeline, each list newest first."""

    paths: Dict[str, List[str]]
    """By instance."""
    of_instance: Dict[str, List[float]]
    """Seconds that it took."""
    of_step: Dict[str, List[float]]

    def older(self, instance: str, step: str, path: str, seconds: float) -> None:
        _append(self.paths, instance, path, TRIED)
        _append(self.of_instance, instance, seconds, TIMED)
        _append(self.of_step, step, seconds, TIMED)

    def newer(self, instance: str, step: str, path: str, seconds: float) -> None:
        self.paths[instance] = [path, *self.paths.get(instance, ())][:TRIED]
        self.of_instance[instance] = [seconds, *self.of_instance.get(instance, ())][:TIMED]
        self.of_step[step] = [seconds, *self.of_step.get(step, ())][:TIMED]


def _append(lists: Dict[str, List[T]], name: str, item: T, most: int) -> None:
    found = lists.setdefault(name, [])
    if len(found) < most:
        found.append(item)


class Records:
    """The records of a store. Thread-safe."""

    def __init__(self, path: str, session: Session, index: Index) -> None:
        self.top = path
        self.path = os.path.join(path, "records")
        self._notes = os.path.join(path, "pending")
        self._marks = os.path.join(path, "reproduced")
        self._session = session
        self._index = index
        self._guard = threading.RLock()
        self._rows: List[Tuple[Any, ...]] = []
        self._noted: Set[str] = set()
        """Records that were noted and may or may not stand: the note stays until it is known."""
        self._loaded: Dict[str, Tuple[Tuple[int, int, int], Record]] = {}
        self._rows_met = Rows()
        self._latest: Dict[str, Newest] = {}
        """By pipeline; filled when more was asked than `FEW`."""
        self._few: Dict[Tuple[str, str, str], Newest] = {}
        """By pipeline, column and name: what was asked for one by one."""

    # ------------------------------------------------------------------------------------------------ reading

    def of_key(self, key: Digest) -> Iterator[Record]:
        """All readable records of a key, newest first, read one by one: mostly the first is all that is asked for.
        Raises StoreError for one of a foreign version."""
        folder = os.path.join(self.path, key_folder(key))
        try:
            names = sorted((name for name in os.listdir(folder) if NAME.match(name)), reverse=True)
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            record = self.load(os.path.join(folder, name))
            if record is not None and record.key == key:
                yield record

    def load(self, path: str) -> Optional[Record]:
        """One record; None where it is gone or damaged. Raises StoreError for a foreign version."""
        try:
            data = files.read(path)
            record = sound(serial.from_json(Record, serial.load(SCHEMAS, data, f"the record `{path}`")))
            manifest = Manifest(tuple(map(self._rows_met.one, record.manifest.rows)))
            return dataclasses.replace(record, manifest=manifest)
        except (FileNotFoundError, NotADirectoryError, files.StrangeFile, ValueError, RecursionError):
            return None

    def _again(self, path: str) -> Optional[Record]:
        """As `load`, from memory while the file is the same: one command looks at a record several times."""
        try:
            found = os.stat(path)
        except OSError:
            return self.load(path)
        identity = (found.st_ino, found.st_size, found.st_mtime_ns)
        known = self._loaded.get(path)
        if known is not None and known[0] == identity:
            return known[1]
        record = self.load(path)
        if record is not None:
            if len(self._loaded) >= REMEMBERED:
                self._loaded.clear()
            self._loaded[path] = (identity, record)
        return record

    def family(self, family: Digest, limit: int) -> List[Record]:
        sql = "select path from records where family=? order by ended desc, path desc limit ?"
        return self._found(sql, (blob(family), limit))

    def by_id(self, name: str) -> Optional[Record]:
        found = self._found("select path from records where id=?", (blob(name),))
        return next((record for record in found if record.id == name), None)

    def latest(self, pipeline: str, instance: str) -> Optional[Record]:
        paths = self._newest(pipeline, "instance", instance).paths.get(instance, ())
        loaded = (self._again(os.path.join(self.path, path)) for path in paths)
        return next((record for record in loaded if record is not None), None)

    def _newest(self, pipeline: str, column: str, name: str) -> Newest:
        """What is known of the records of an instance or of a step: for a few by one query each, for many by one for all of
        the pipeline."""
        with self._guard:
            known = self._latest.get(pipeline) or self._few.get((pipeline, column, name))
            if known is None and len(self._few) < FEW:
                known = self._query(pipeline, f" and {column}=?", (blob(name),), " limit 50")
                self._few[(pipeline, column, name)] = known
            elif known is None:
                known = self._latest[pipeline] = self._query(pipeline)
            return known

    def _query(self, pipeline: str, which: str = "", names: Tuple[bytes, ...] = (), most: str = "") -> Newest:
        self.flush()
        known = Newest({}, {}, {})
        sql = f"select instance, step, path, seconds from records where pipeline=?{which} order by ended desc, path desc{most}"
        for found in self._index.load(sql, (blob(pipeline), *names), _newest_row):
            known.older(*found)
        return known

    def durations(self, pipeline: str, instance: str, step: str) -> List[float]:
        """Seconds of the last five of an instance, newest first; else of the step's other instances."""
        newest = self._newest(pipeline, "instance", instance)
        found = newest.of_instance.get(instance) or self._newest(pipeline, "step", step).of_step.get(step)
        return list(found or [])

    def _found(self, sql: str, arguments: Tuple[Any, ...]) -> List[Record]:
        self.flush()
        paths = self._index.load(sql, arguments, _path_row)
        loaded = [self._again(os.path.join(self.path, path)) for path in paths]
        return [record for record in loaded if record is not None]

    def all(self, foreign: bool = True) -> Iterator[Tuple[str, Record]]:
        """Every readable record with its path relative to `records/`. With `foreign`, raises StoreError
        where one is of a foreign version; without, leaves it out."""
        for path in self.paths():
            try:
                record = self.load(os.path.join(self.path, path))
            except StoreError:
                if foreign:
                    raise
                continue
            if record is not None:
                yield path, record

    def paths(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self.path):
            folders.sort()
            for name in sorted(names):
                if NAME.match(name):
                    yield os.path.relpath(os.path.join(folder, name), self.path)

    # ------------------------------------------------------------------------------------------------ writing

    def prepare(self, records: Sequence[Record]) -> List[Tuple[str, str]]:
        """Write records to temporaries; returns (temporary, path relative to `records/`) of each."""
        prepared = []
        for record in records:
            temporary = self._session.name()
            files.write_new(temporary, serial.dump(SCHEMA, record), 0o444)
            prepared.append((temporary, relative_path(record)))
        return prepared

    def note(self, paths: Sequence[str]) -> str:
        """Remember on disk that these records are about to appear, for the index; returns the note's path."""
        files.make_folders(self._notes)
        path = os.path.join(self._notes, self._session.token)
        self._session.folder()  # the held lock in it tells others that the note is alive
        self._noted.update(paths)
        files.append(path, b"".join(blob(item) + b"\n" for item in paths))
        return path

    def install(self, prepared: Sequence[Tuple[str, str]]) -> List[str]:
        """Put synced records under their names; returns the folders whose names changed."""
        folders = []
        for temporary, path in prepared:
            target = os.path.join(self.path, path)
            files.make_folders(os.path.dirname(target))
            files.rename(temporary, target)
            folders.append(os.path.dirname(target))
        return folders

    def note_reproduced(self, record: Record, result: Mapping[str, Value]) -> bool:
        """Write a record again with its reproduction, and a mark that it has one. False where it is gone."""
        path = os.path.join(self.path, relative_path(record))
        if self.load(path) is None:
            return False
        files.make_folders(self._marks)
        files.write_atomic(os.path.join(self._marks, safe_id(record.id)), b"", self._session.name())
        data = serial.dump(SCHEMA, dataclasses.replace(record, reproduced=dict(result)))
        files.write_atomic(path, data, self._session.name(), mode=0o444)
        return True

    def reproduced(self) -> FrozenSet[str]:
        """Ids (as in file names) of the records that were reproduced."""
        try:
            return frozenset(os.listdir(self._marks))
        except FileNotFoundError:
            return frozenset()

    def installed(self, records: Sequence[Record], paths: Sequence[str]) -> None:
        """Have the index learn of records, now or a little later.

        Args:
            paths: where they stand, as `prepare` said.
        """
        with self._guard:
            self._rows.extend(map(row, paths, records))
            self._noted.difference_update(paths)
            for path, record in zip(paths, records):
                for newest in (
                    self._latest.get(record.pipeline),
                    self._few.get((record.pipeline, "instance", record.instance)),
                    self._few.get((record.pipeline, "step", record.step)),
                ):
                    if newest is not None:
                        newest.newer(record.instance, record.step, path, record.seconds)
            if len(self._rows) >= FLUSH_AT:
                self.flush()

    def flush(self) -> None:
        """Write waiting rows into the index."""
        with self._guard:
            if self._rows:
                self._index.insert("records", self._rows)
                self._rows = []
                if not self._noted:
                    files.remove(os.path.join(self._notes, self._session.token))

    def refresh(self) -> None:
        """Forget what is known of the newest records: another process may have added some."""
        with self._guard:
            self._latest.clear()
            self._few.clear()

    def remove(self, path: str) -> None:
        """Remove a record (a path relative to `records/`); the index forgets it."""
        self.refresh()
        target = os.path.join(self.path, path)
        self._index.write(lambda db: db.execute("delete from records where path=?", (blob(path),)))
        files.remove(target)
        files.remove_empty_parents(target, self.path)
        mark = os.path.join(self._marks, _id_in(path))
        if os.path.lexists(mark):
            files.remove(mark)

    def orphaned_notes(self) -> List[str]:
        """Notes of processes that died before the index learned of their records."""
        try:
            names = os.listdir(self._notes)
        except FileNotFoundError:
            return []
        tmp = self._session.tmp
        return [os.path.join(self._notes, name) for name in names if not is_live(tmp, name)]

    def catch_up(self) -> List[Record]:
        """Index what killed processes left in their notes; returns those records."""
        found: List[Record] = []
        for note in self.orphaned_notes():
            rows = []
            with contextlib.suppress(FileNotFoundError, files.StrangeFile):
                for line in files.read(note).split(b"\n"):
                    path = text(line)
                    record = self.load(os.path.join(self.path, path)) if safe_path(path) else None
                    if record is not None:
                        rows.append(row(path, record))
                        found.append(record)
                self._index.insert("records", rows)
                files.remove(note)
        return found


def sound(record: Record) -> Record:
    """The record, if its parts can be what they say. Raises ValueError: a record may come from elsewhere."""
    digests = [artifact.content.digest for artifact in record.outputs.values()]
    for digest in [record.key, *digests, *record.sources.values()]:
        if not tree.DIGEST.match(digest):
            raise ValueError(f"`{digest}` is not a digest")
    for artifact in record.outputs.values():
        if (
            ".." in artifact.path.split("/")
            or "\0" in artifact.path
            or artifact.content.kind not in ("file", "folder")
        ):
            raise ValueError(f"an output can't be at `{artifact.path}`")
    return record


def key_folder(key: Digest) -> str:
    """`ab/cdef…`. Raises StoreError for what is no digest."""
    if not tree.DIGEST.match(key):
        raise StoreError(f"`{key[:80]}` is not a key; expected blake3: and 64 hexadecimal digits")
    return f"{key[7:9]}/{key[9:]}"


def relative_path(record: Record) -> str:
    """Where a record belongs: names sort by the time of its end."""
    return f"{key_folder(record.key)}/{stamp(ended(record))}-{safe_id(record.id)}.json"


def safe_id(name: str) -> str:
    return (
        name if re.match(r"[A-Za-z0-9_@-][A-Za-z0-9._@-]{0,100}\Z", name) else digest_bytes(blob(name))[7:39]
    )


def _id_in(path: str) -> str:
    """The id in a record's file name."""
    return os.path.basename(path)[: -len(".json")].partition("-")[2] or "-"


def safe_path(path: str) -> bool:
    return _PLACE.match(path) is not None


def ended(record: Record) -> float:
    return record.started + record.seconds


def stamp(seconds: float) -> str:
    """`20261121T080500.123456Z`: fixed width, so that names sort by time."""
    whole = max(0, int(seconds * 1e6))
    shown = time.strftime("%Y%m%dT%H%M%S", time.gmtime(whole // 1_000_000))
    return f"{shown}.{whole % 1_000_000:06d}Z"


def _path_row(path: bytes) -> str:
    """Raises ValueError for a path that no record has: an index may come from elsewhere, and lead out of the store."""
    found = text(path)
    if not safe_path(found):
        raise ValueError(f"`{found}` is no record")
    return found


def _newest_row(instance: bytes, step: bytes, path: bytes, seconds: float) -> Tuple[str, str, str, float]:
    return text(instance), text(step), _path_row(path), float(seconds)


def row(path: str, record: Record) -> Tuple[Any, ...]:
    """The index's row of a record."""
    names = (path, record.id, record.key, record.family, record.pipeline, record.step, record.instance)
    return (*(blob(name) for name in names), ended(record), record.seconds)
