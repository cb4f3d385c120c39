"""Who put what where: what each pipeline file last published (truth, beside the index), which data files its steps
created beside their outputs, and receipts of effects."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from contextlib import contextmanager
from typing import (
    AbstractSet,
    Any,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    MutableMapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from mlorch.digest import digest_bytes
from mlorch.model import Digest, Value
from mlorch.ports import Publication
from mlorch.store import files, lines, serial, tree
from mlorch.store.index import blob
from mlorch.store.session import Session, hold

PUBLICATIONS = "mlorch.publications/1"
RECEIPTS = "mlorch.receipts/1"
CREATED = "mlorch.created/1"
SLACK = 200
"""Superseded lines that a publications file may hold before it is written anew."""


class Publications:
    """One append-only file per pipeline file, `publications/<digest>.jsonl` in the project's `.mlorch/`."""

    def __init__(self, area: str, session: Session) -> None:
        self._folder = os.path.join(area, "publications")
        self._session = session
        self._guard = threading.RLock()
        self._loaded: Dict[str, Tuple[Tuple[int, int, int], Published, int]] = {}
        self._waiting: Optional[Dict[str, Dict[str, Publication]]] = None
        """By pipeline and path, while they are gathered."""

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is added meanwhile is written at the end, in one go for each pipeline file. A kill before that leaves
        outputs whose content the store holds (or that the next run publishes again)."""
        with self._guard:
            outer, self._waiting = self._waiting, self._waiting or {}
        try:
            yield
        finally:
            if outer is None:
                self._write_waiting()

    def _write_waiting(self) -> None:
        with self._guard:
            waiting, self._waiting = self._waiting or {}, None
            for pipeline, gathered in waiting.items():
                with self._alone():
                    rows = [item for item in gathered.values() if not self._is_known(item)]
                    if rows:
                        self._append_all(pipeline, rows)

    def of(self, pipeline: str, steps: Optional[AbstractSet[str]] = None) -> Mapping[str, Publication]:
        """Path -> what the pipeline file last published there and has not retired; of these steps alone, or of all."""
        with self._guard:
            found, waiting = self._load(pipeline)[0], (self._waiting or {}).get(pipeline, {})
            if steps is None:
                return {**found, **waiting}
            of_steps = {**found.of_steps(steps), **waiting}
            return {path: item for path, item in of_steps.items() if item.step in steps}

    def get(self, pipeline: str, path: str) -> Optional[Publication]:
        with self._guard:
            waiting = (self._waiting or {}).get(pipeline, {}).get(path)
            return waiting or self._load(pipeline)[0].get(path)

    def add(self, publication: Publication) -> None:
        """Remember a publication; one that differs only in its run is not written again."""
        with self._guard:
            if self._waiting is not None:
                self._waiting.setdefault(publication.pipeline, {})[publication.path] = publication
                return
            if self._is_known(publication):
                return
            with self._alone():
                if not self._is_known(publication):
                    self._append_all(publication.pipeline, [publication])

    def _is_known(self, publication: Publication) -> bool:
        known = self._load(publication.pipeline)[0].get(publication.path)
        return known is not None and _facts(known) == _facts(publication)

    def forget(self, publication: Publication) -> None:
        pipeline, path = publication.pipeline, publication.path
        with self._guard:
            (self._waiting or {}).get(pipeline, {}).pop(path, None)
            with self._alone():
                found, superseded = self._load(pipeline)
                if path in found:
                    lines.append(self._path(pipeline), _head(pipeline), {"retired": path})
                    del found[path]
                    self._appended(pipeline, found, superseded + 2)

    def all(self) -> Iterator[Publication]:
        """Of every pipeline file that ever published here."""
        for path in self.paths():
            yield from _replay(path)[0].values()

    def paths(self) -> List[str]:
        try:
            names = sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return []
        return [os.path.join(self._folder, name) for name in names if name.endswith(".jsonl")]

    def _append_all(self, pipeline: str, publications: Sequence[Publication]) -> None:
        found, superseded = self._load(pipeline)
        rows = [{"publication": serial.to_json(item)} for item in publications]
        lines.append_all(self._path(pipeline), _head(pipeline), rows)
        for item in publications:
            superseded += item.path in found
            found[item.path] = item
        self._appended(pipeline, found, superseded)

    def _appended(self, pipeline: str, found: Published, superseded: int) -> None:
        path = self._path(pipeline)
        if superseded > SLACK + len(found):
            self._compact(pipeline, path, found)
            superseded = 0
        self._loaded[pipeline] = (_identity(path), found, superseded)

    def _compact(self, pipeline: str, path: str, found: Mapping[str, Publication]) -> None:
        rows = [lines.encode(_head(pipeline))]
        rows += [lines.encode({"publication": serial.to_json(item)}) for item in found.values()]
        files.write_atomic(path, b"".join(rows), self._session.name())

    def _load(self, pipeline: str) -> Tuple[Published, int]:
        path = self._path(pipeline)
        identity = _identity(path)
        known = self._loaded.get(pipeline)
        if known is None or known[0] != identity:
            known = self._loaded[pipeline] = (identity, *_replay(path))
        return known[1], known[2]

    def _path(self, pipeline: str) -> str:
        return os.path.join(self._folder, digest_bytes(blob(pipeline))[7:39] + ".jsonl")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Held while a line is added, since another process may be writing the file anew."""
        files.make_folders(self._folder)
        fd = hold(os.path.join(self._folder, "lock"))
        try:
            yield
        finally:
            os.close(fd)


def _head(pipeline: str) -> Dict[str, Any]:
    return {"schema": PUBLICATIONS, "pipeline": pipeline}


_PATH = rb'(?:[^"\\/.][^"\\/]*/)*[^"\\/.][^"\\/]*'
_PLAIN = re.compile(
    rb'\{"publication":\{"path":"(%s)","content":\{"digest":"blake3:[0-9a-f]{64}","kind":"(?:file|folder)","bytes":[0-9]{1,18}'
    rb'(?:,"files":[0-9]{1,18})?(?:,"executable":true)?\},"pipeline":"[^"\\]*","step":"([^"\\]*)","output":"[^"\\]*",'
    rb'"run":"[^"\\]*"\}\}\n\Z' % _PATH
)
"""A line as most are: it is sound, and can be read when it is asked for."""


class Published(MutableMapping[str, Publication]):
    """Publications by path. Of ten thousand a command mostly asks for few, so lines are read when they are asked for."""

    def __init__(self) -> None:
        self._rows: Dict[str, Union[Publication, Tuple[str, bytes]]] = {}
        """Path -> the publication, or its step and its line."""

    def put(self, line: bytes) -> bool:
        """Take in a line as it stands; whether it is one that needs no look now."""
        match = _PLAIN.match(line)
        if match is not None:
            self._rows[match[1].decode("ascii")] = (match[2].decode("ascii"), line)
        return match is not None

    def of_steps(self, steps: AbstractSet[str]) -> Dict[str, Publication]:
        return {
            path: self[path]
            for path, row in self._rows.items()
            if (row[0] if isinstance(row, tuple) else row.step) in steps
        }

    def __getitem__(self, path: str) -> Publication:
        row = self._rows[path]
        if isinstance(row, tuple):
            row = self._rows[path] = serial.from_json(Publication, json.loads(row[1])["publication"])
        return row

    def __setitem__(self, path: str, publication: Publication) -> None:
        self._rows[path] = publication

    def __delitem__(self, path: str) -> None:
        del self._rows[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _replay(path: str) -> Tuple[Published, int]:
    """What stands in a publications file, and how many lines of it are superseded."""
    found = Published()
    count = 0
    for line in lines.unread(path, PUBLICATIONS):
        if found.put(line):
            count += 1
            continue
        document = lines.parse(line)
        if document is None or "schema" in document:
            continue
        count += 1
        if "retired" in document:
            found.pop(str(document["retired"]), None)
            continue
        try:
            publication = serial.from_json(Publication, document.get("publication"))
        except ValueError:
            continue
        if _is_sound(publication):
            found[publication.path] = publication
    return found, count - len(found)


def _is_sound(publication: Publication) -> bool:
    """Whether we could have put it there: the file may come from elsewhere."""
    path, content = publication.path, publication.content
    parts = path.split("/")
    strange = not path or "\0" in path or ".." in parts or parts[0] in (".git", ".mlorch", ".")
    return not strange and tree.DIGEST.match(content.digest) is not None


def _identity(path: str) -> Tuple[int, int, int]:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _facts(publication: Publication) -> Tuple[Any, ...]:
    return (publication.content, publication.step, publication.output, publication.exclude)


class Receipts:
    """Receipts of effects: one append-only file per name, durable before `write` returns, never deleted by
    `gc`."""

    def __init__(self, path: str) -> None:
        self._folder = os.path.join(path, "effects")

    def latest(self, name: str) -> Optional[Mapping[str, Value]]:
        """{"key", "finished", "record", "run", "time"} of the last line, None where there is none."""
        found = list(lines.read(self._path(name), RECEIPTS))
        return {"key": "", "finished": False, **found[-1]} if found else None

    def write(self, name: str, key: Digest, run: str, finished: bool, record: str) -> None:
        line = {"key": key, "finished": finished, "record": record, "run": run, "time": time.time()}
        lines.append(self._path(name), {"schema": RECEIPTS, "name": name}, line, sync=True)

    def records(self) -> Iterator[str]:
        """Ids of all records that a receipt names."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return
        for name in names:
            for line in lines.read(os.path.join(self._folder, name), RECEIPTS):
                if line.get("record"):
                    yield str(line["record"])

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, digest_bytes(blob(name))[7:39] + ".jsonl")


class CreatedFiles:
    """Data files that attempts made beside their outputs: one append-only file per pipeline file, so that a failed
    attempt, or one whose record is gone, is remembered too."""

    def __init__(self, area: str) -> None:
        self._folder = os.path.join(area, "created")
        self._loaded: Dict[str, Tuple[Tuple[int, int, int], Dict[str, FrozenSet[str]]]] = {}

    def of(self, pipeline: str, step: str) -> FrozenSet[str]:
        path = self._path(pipeline)
        identity = _identity(path)
        known = self._loaded.get(pipeline)
        if known is None or known[0] != identity:
            found: Dict[str, FrozenSet[str]] = {}
            for line in lines.read(path, CREATED):
                name, made = str(line.get("step")), line.get("paths")
                if isinstance(made, list):
                    found[name] = found.get(name, frozenset()).union(str(item) for item in made)
            known = self._loaded[pipeline] = (identity, found)
        return known[1].get(step, frozenset())

    def note(self, pipeline: str, step: str, made: Iterable[str]) -> None:
        fresh = sorted(set(made) - self.of(pipeline, step))
        if fresh:
            head = {"schema": CREATED, "pipeline": pipeline}
            lines.append(self._path(pipeline), head, {"step": step, "paths": fresh})

    def _path(self, pipeline: str) -> str:
        return os.path.join(self._folder, digest_bytes(blob(pipeline))[7:39] + ".jsonl")
