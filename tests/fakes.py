"""Fakes that are real classes: a store in memory, and a launcher that runs tiny commands without processes.

The workspace is a real folder; objects, records, publications and run logs are dictionaries. No lock, no index, no sync.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import shutil
import tempfile
import time
from typing import (
    AbstractSet,
    Any,
    Callable,
    ContextManager,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from mlorch.digest import digest_bytes
from mlorch.errors import CorruptObject
from mlorch.model import Artifact, Attempt, BoundOutput, Content, Digest, Ended, Entry, Event, Record, Value
from mlorch.ports import Placed, Publication, RunInfo


class FakeStore:
    """Implements `ports.Store` and, as its own workspace, `ports.Workspace`."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.path = os.path.join(root, ".mlorch")
        self.workspace = self
        self.objects: Dict[Digest, Any] = {}
        self.by_key: Dict[Digest, List[Record]] = {}
        self.placed: Dict[str, Dict[str, Publication]] = {}
        self.receipts: Dict[str, Mapping[str, Value]] = {}
        self.made: Dict[Tuple[str, str], FrozenSet[str]] = {}
        self.away: Dict[str, str] = {}
        self.kept: List[str] = []

    # ------------------------------------------------------------------------------------------------------ contents

    def content(self, path: str, exclude: Sequence[str] = ()) -> Optional[Content]:
        return self._digest(path, store=False)

    def ingest(
        self, path: str, exclude: Sequence[str] = (), store: bool = True, move: bool = False
    ) -> Content:
        content = self._digest(path, store=store)
        if content is None:
            raise FileNotFoundError(path)
        return content

    def _digest(self, path: str, store: bool) -> Optional[Content]:
        full = os.path.join(self.root, path)
        if os.path.isdir(full):
            return self._folder(full, store)
        if not os.path.exists(full):
            return None
        with open(full, "rb") as file:
            data = file.read()
        digest = digest_bytes(data)
        if store:
            self.objects[digest] = data
        return Content(digest, "file", len(data), 1, os.access(full, os.X_OK))

    def _folder(self, full: str, store: bool) -> Content:
        entries = []
        for folder, folders, files in os.walk(full):
            for name in files:
                path = os.path.relpath(os.path.join(folder, name), full)
                inner = self._digest(os.path.join(os.path.relpath(full, self.root), path), store)
                assert inner is not None
                entries.append(Entry(path, "file", inner.digest, inner.bytes))
            if not folders and not files and folder != full:
                entries.append(Entry(os.path.relpath(folder, full), "folder"))
        return self._folder_object(entries)

    def _folder_object(self, entries: List[Entry]) -> Content:
        entries.sort(key=lambda entry: entry.path)
        digest = digest_bytes(
            json.dumps([[entry.path, entry.kind, entry.digest] for entry in entries]).encode()
        )
        self.objects[digest] = tuple(entries)
        return Content(digest, "folder", sum(entry.bytes for entry in entries), len(entries))

    def members(self, digest: Digest) -> Tuple[Entry, ...]:
        entries: Tuple[Entry, ...] = self.objects[digest]
        return entries

    def subfolder(self, digest: Digest, path: str) -> Content:
        lead = path + "/"
        found = [
            Entry(entry.path[len(lead) :], entry.kind, entry.digest, entry.bytes)
            for entry in self.members(digest)
            if entry.path.startswith(lead)
        ]
        return self._folder_object(found)

    def put(self, data: bytes) -> Digest:
        digest = digest_bytes(data)
        self.objects[digest] = data
        return digest

    def read(self, digest: Digest) -> bytes:
        data: bytes = self.objects[digest]
        return data

    def has(self, content: Content) -> bool:
        if content.digest not in self.objects:
            return False
        if content.kind == "file":
            return True
        return all(
            entry.kind != "file" or entry.digest in self.objects for entry in self.members(content.digest)
        )

    def retrievable(self, artifact: Artifact) -> bool:
        if artifact.stored:
            return self.has(artifact.content)
        there = self.content(artifact.path)
        return there is not None and there.identity == artifact.content.identity

    # ------------------------------------------------------------------------------------------------------- records

    def records(self, key: Digest) -> Iterator[Record]:
        return iter(list(reversed(self.by_key.get(key, []))))

    def _all(self) -> List[Record]:
        kept = list(self.by_key.values())  # the thread that commits adds to them meanwhile
        return sorted((item for items in kept for item in list(items)), key=lambda item: -item.started)

    def family(self, family: Digest, limit: int = 64) -> List[Record]:
        return [item for item in self._all() if item.family == family][:limit]

    def latest(self, pipeline: str, instance: str) -> Optional[Record]:
        return next(
            (item for item in self._all() if (item.pipeline, item.instance) == (pipeline, instance)), None
        )

    def durations(self, pipeline: str, instance: str, step: str) -> List[float]:
        return []

    def commit(self, records: Sequence[Record]) -> None:
        for record in records:
            self.by_key.setdefault(record.key, []).append(record)

    def receipt(self, name: str) -> Optional[Mapping[str, Value]]:
        return self.receipts.get(name)

    def write_receipt(self, name: str, key: Digest, run: str, finished: bool, record: str = "") -> None:
        self.receipts[name] = {
            "key": key,
            "finished": finished,
            "record": record,
            "run": run,
            "time": time.time(),
        }

    def created(self, pipeline: str, step: str) -> FrozenSet[str]:
        return self.made.get((pipeline, step), frozenset())

    def note_created(self, pipeline: str, step: str, paths: Sequence[str]) -> None:
        self.made[(pipeline, step)] = self.created(pipeline, step).union(paths)

    def runs(self, limit: Optional[int] = None) -> List[RunInfo]:
        return []

    def events(self, run: str, having: str = "") -> Iterable[Event]:
        return []

    def size(self) -> Tuple[int, int]:
        return 0, 0

    def forget_caches(self) -> None:
        return None

    # ----------------------------------------------------------------------------------------------------- workspace

    def stage(
        self, outputs: Sequence[BoundOutput], publications: Mapping[str, Publication]
    ) -> Tuple[str, ...]:
        for output in sorted(outputs, key=lambda item: item.path.count("/")):
            full = os.path.join(self.root, output.staging)
            if output.staged:
                _remove(full)
            elif os.path.lexists(full):
                away = tempfile.mkdtemp(dir=self._private("away"))
                shutil.move(full, os.path.join(away, "it"))
                self.away[output.path] = os.path.join(away, "it")
            os.makedirs(full if output.folder else os.path.dirname(full), exist_ok=True)
        return ()

    def unstage(self, outputs: Sequence[BoundOutput]) -> Tuple[str, ...]:
        for output in outputs:
            _remove(os.path.join(self.root, output.staging))
            away = self.away.pop(output.path, None)
            if away is not None:
                shutil.move(away, os.path.join(self.root, output.path))
        return ()

    def together(self) -> ContextManager[None]:
        return contextlib.nullcontext()

    def settle(self, outputs: Sequence[BoundOutput]) -> Tuple[str, ...]:
        for output in outputs:
            if output.staged:
                _remove(os.path.join(self.root, output.staging))
            self.away.pop(output.path, None)
        return ()

    def recover(self) -> Tuple[str, ...]:
        return ()

    def place(self, artifact: Artifact, publication: Publication) -> Placed:
        self.placed.setdefault(publication.pipeline, {})[artifact.path] = publication
        there = self.content(artifact.path)
        if there is not None and there.identity == artifact.content.identity:
            return Placed(False)
        full = os.path.join(self.root, artifact.path)
        _remove(full)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if artifact.content.digest not in self.objects:
            raise CorruptObject(artifact.content.digest, "object is missing")
        if artifact.content.kind == "file":
            _write(full, self.read(artifact.content.digest))
            return Placed(True)
        os.makedirs(full)
        for entry in self.members(artifact.content.digest):
            target = os.path.join(full, entry.path)
            os.makedirs(target if entry.kind == "folder" else os.path.dirname(target), exist_ok=True)
            if entry.kind == "file":
                _write(target, self.read(entry.digest))
        return Placed(True)

    def publications(
        self, pipeline: str, steps: Optional[AbstractSet[str]] = None
    ) -> Mapping[str, Publication]:
        placed = self.placed.get(pipeline, {})
        return {path: item for path, item in placed.items() if steps is None or item.step in steps}

    def retire(self, publication: Publication, keep_content: bool = False) -> Optional[str]:
        self.placed.get(publication.pipeline, {}).pop(publication.path, None)
        there = self.content(publication.path)
        if there is not None and there.identity == publication.content.identity:
            _remove(os.path.join(self.root, publication.path))
        return None

    def keep(self, path: str, reason: str = "") -> Optional[str]:
        self.kept.append(path)
        _remove(os.path.join(self.root, path))
        return path

    def is_tracked(self, path: str) -> bool:
        return False

    def create(self) -> bool:
        return True

    def _private(self, name: str) -> str:
        path = os.path.join(self.path, "tmp", name)
        os.makedirs(path, exist_ok=True)
        return path


class FakeLog:
    """A run's folder that keeps everything in memory."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.events: List[Event] = []
        self.files: Dict[str, str] = {}

    def append(self, event: Event) -> None:
        self.events.append(event)

    def flush(self) -> None:
        return None

    def write(self, name: str, text: str, executable: bool = False) -> str:
        self.files[name] = text
        return os.path.join(self.path, name)

    def close(self) -> None:
        return None


class FakeLauncher:
    """Runs `["fake", OUT, SPEC, IN…]` at once, in the hub's own thread, in the order of sending.

    SPEC is `text:WORD` (the inputs, then the word), `split` (a folder with a file per line), `fail:WORD` (fails where an
    input holds the word), `flaky` (fails on its first attempt).
    """

    def __init__(self) -> None:
        self.executed: List[str] = []
        self.deliver: Callable[[Attempt, Ended], None] = lambda attempt, ended: None

    def start(self, slots: int, deliver: Callable[[Attempt, Ended], None]) -> None:
        self.deliver = deliver

    def send(self, attempt: Attempt) -> None:
        self.executed.append(attempt.instance)
        _, out, spec, *inputs = attempt.argv
        code = self._run(
            attempt,
            os.path.join(attempt.cwd, out),
            spec,
            [os.path.join(attempt.cwd, item) for item in inputs],
        )
        self.deliver(attempt, Ended("exit", code, started=time.time()))

    def _run(self, attempt: Attempt, out: str, spec: str, inputs: Sequence[str]) -> int:
        kind, _, word = spec.partition(":")
        text = "".join(_read(path) for path in inputs)
        if kind == "flaky" and attempt.number == 1:
            _write(out, b"partial")
            return 75
        if kind == "fail" and word in text:
            return 3
        if kind == "split":
            for number, line in enumerate(text.splitlines()):
                _write(os.path.join(out, f"p{number}"), (line + "\n").encode())
            return 0
        _write(out, (text + word + "\n").encode())
        return 0

    def cancel(self, grace: Optional[float], only: Optional[str] = None) -> None:
        return None

    def close(self) -> None:
        return None


def _read(path: str) -> str:
    if os.path.isdir(path):
        return "".join(_read(posixpath.join(path, name)) for name in sorted(os.listdir(path)))
    with open(path) as file:
        return file.read()


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
