"""Run files: `runs/ID/events.jsonl` and what lies beside it. A live run holds the flock of its event file."""

from __future__ import annotations

import os
import re
import stat
import threading
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from mlorch.errors import EnvironmentFault, StoreError
from mlorch.model import Event
from mlorch.ports import RunInfo
from mlorch.store import files, lines, serial
from mlorch.store.index import Index, blob, insert
from mlorch.store.session import hold, is_locked

SCHEMA = "mlorch.events/1"
EVENTS = "events.jsonl"
GATHERED = 64
"""Events that are written together, unless somebody asks for a `flush` before."""
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\Z")


class RunFiles:
    """The runs of a store."""

    def __init__(self, path: str, index: Index) -> None:
        self.path = os.path.join(path, "runs")
        self._index = index

    def begin(self, run: str) -> RunFolder:
        """Make a run's folder. Raises StoreError where the id is taken or can't name a folder."""
        if not is_id(run):
            raise StoreError(f"`{run}` can't be the id of a run")
        files.make_folders(self.path)
        folder = os.path.join(self.path, run)
        try:
            os.mkdir(folder)
        except FileExistsError as error:
            raise StoreError(f"the run `{run}` is there already", "use another id") from error
        return RunFolder(folder, run)

    def keep(self, run: str, name: str, text: str) -> None:
        """Write a file beside the events of a run that has ended."""
        if is_id(run):
            _write(os.path.join(self.path, run), name, text, False)

    def ids(self) -> List[str]:
        """Of all runs; a folder with a name that no run has (it would be shown) is none."""
        try:
            with os.scandir(self.path) as entries:
                return [
                    item.name for item in entries if is_id(item.name) and item.is_dir(follow_symlinks=False)
                ]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def events(self, run: str, having: str = "") -> Iterable[Event]:
        """The events of a run, in order; with `having`, of those whose line holds it. Raises StoreError where there is no such
        run, or it is of a foreign version."""
        path = os.path.join(self.path, run, EVENTS)
        if not is_id(run) or not os.path.exists(path):
            raise StoreError(f"there is no run `{run}`", "`mlorch runs` lists those that there are")
        return _events(path, having)

    def list(self, limit: Optional[int] = None) -> List[RunInfo]:
        """Newest first; those that ended are remembered by the index."""
        known = dict(self._index.load("select id, size, mtime, info from runs", (), _row))
        fresh: List[Any] = []
        infos = []
        for run in self.ids():
            path = os.path.join(self.path, run, EVENTS)
            try:
                found = os.stat(path)
            except FileNotFoundError:
                continue
            row = known.get(blob(run))
            remembered = (
                _remembered(row[2]) if row and row[:2] == (found.st_size, found.st_mtime_ns) else None
            )
            if remembered is not None and remembered.id == run:
                infos.append(remembered)
                continue
            info = self.info(run)
            infos.append(info)
            if info.status not in ("running", "crashed"):
                fresh.append(
                    (blob(run), found.st_size, found.st_mtime_ns, serial.dump("", info).decode("ascii"))
                )
        if fresh:
            self._index.write(lambda db: insert(db, "runs", fresh))
        infos.sort(key=lambda info: (info.started, info.id), reverse=True)
        return infos[:limit]

    def info(self, run: str) -> RunInfo:
        """Summary of one run from its events."""
        path = os.path.join(self.path, run, EVENTS)
        live = is_locked(path)  # asked before reading: a run that ends in between has its last event read
        first: Optional[Event] = None
        last: Optional[Event] = None
        for event in _events(path, '"kind":"run.'):
            first = event if event.kind == "run.started" and first is None else first
            last = event if event.kind == "run.finished" else last
        data: Dict[str, Any] = dict(first.data) if first else {}
        started = first.time if first else os.stat(path).st_mtime
        for name in ("steps", "widest"):  # for who watches it
            data.pop(name, None)
        pipeline, name = str(data.pop("pipeline", "")), str(data.pop("name", ""))
        meta = data.get("meta") if isinstance(data.get("meta"), dict) else data
        if last is None:
            return RunInfo(
                run, pipeline, name, started, None, "running" if live else "crashed", {}, meta or {}
            )
        totals = last.data.get("totals") or {}
        seconds = last.data.get("seconds")
        return RunInfo(
            run,
            pipeline,
            name,
            started,
            float(seconds) if isinstance(seconds, (int, float)) else last.time - started,
            str(last.data.get("status") or _status(totals)),
            totals,
            meta or {},
        )

    def is_live(self, run: str) -> bool:
        return is_locked(os.path.join(self.path, run, EVENTS))

    def remove(self, run: str) -> None:
        files.remove(os.path.join(self.path, run))
        self._index.write(lambda db: db.execute("delete from runs where id=?", (blob(run),)))


class RunFolder:
    """One run's folder while the run lives. Appends are whole lines, from any thread."""

    def __init__(self, path: str, run: str) -> None:
        self.path = path
        self._guard = threading.Lock()
        self._torn = False
        self._waiting: List[bytes] = []
        self._fd: Optional[int] = hold(os.path.join(path, EVENTS), append=True)
        files.write_all(self._fd, lines.encode({"schema": SCHEMA, "run": run}))

    def append(self, event: Event) -> None:
        data = _line(event)
        with self._guard:
            if self._fd is None:
                raise EnvironmentFault("the run's event file is closed already")
            self._waiting.append(data)
            if len(self._waiting) >= GATHERED or event.kind.startswith("run."):
                self._flush(self._fd)

    def extend(self, data: bytes) -> None:
        """Add whole lines."""
        with self._guard:
            if self._fd is None:
                raise EnvironmentFault("the run's event file is closed already")
            self._waiting.append(data)
            self._flush(self._fd)

    def flush(self) -> None:
        """Write the events that were appended: from now on others see them."""
        with self._guard:
            if self._fd is not None:
                self._flush(self._fd)

    def _flush(self, fd: int) -> None:
        if self._waiting:
            data = b"".join(self._waiting)
            # after a write that failed half way (a full disk) the next line begins on a line of its own
            torn, self._torn = self._torn, True
            files.write_all(fd, (b"\n" if torn else b"") + data)
            self._waiting.clear()
            self._torn = False

    def write(self, name: str, text: str, executable: bool = False) -> str:
        """Write a file of the run's folder, replacing one of that name; returns its absolute path."""
        return _write(self.path, name, text, executable)

    def close(self) -> None:
        """Make the events durable and free the lock."""
        with self._guard:
            if self._fd is not None:
                fd, self._fd = self._fd, None
                try:
                    self._flush(fd)
                    os.fsync(fd)
                finally:
                    os.close(fd)
                files.sync_folder(os.path.dirname(self.path))


def _line(event: Event) -> bytes:
    """As `serial.to_json` has it: fields at their default left out."""
    document: Dict[str, Any] = {"kind": event.kind, "time": event.time, "run": event.run}
    for name, value in (("instance", event.instance), ("step", event.step), ("data", event.data)):
        if value:
            document[name] = value
    try:
        return lines.encode(document)
    except (ValueError, TypeError):  # a value that JSON has not: a NaN, a type of ours
        return lines.encode(serial.to_json(event))


def is_id(name: str) -> bool:
    return _ID.match(name) is not None


def new_id(taken: Iterable[str] = ()) -> str:
    """Six hexadecimal digits that no run has yet (and that no step, number or option could be taken for)."""
    known = set(taken)
    while True:
        name = os.urandom(3).hex()
        if name not in known and not name.isdigit():
            return name


def _events(path: str, having: str = "") -> Iterator[Event]:
    for document in lines.read(path, SCHEMA, having.encode("ascii")):
        try:
            yield serial.from_json(Event, document)
        except ValueError:
            continue


def _status(totals: Dict[str, Any]) -> str:
    if totals.get("cancelled"):
        return "cancelled"
    return "failed" if totals.get("failed") else "succeeded"


def _row(run: bytes, size: int, mtime: int, info: str) -> Tuple[bytes, Tuple[int, int, str]]:
    return bytes(run), (int(size), int(mtime), info)


def _remembered(text: str) -> Optional[RunInfo]:
    import json

    try:
        return serial.from_json(RunInfo, json.loads(text))
    except (ValueError, TypeError, RecursionError):
        return None


def modified(path: str) -> float:
    """Seconds since the epoch of the last change, 0 where nothing is."""
    try:
        return os.lstat(path)[stat.ST_MTIME]
    except FileNotFoundError:
        return 0.0


def _write(folder: str, name: str, text: str, executable: bool) -> str:
    path = os.path.normpath(os.path.join(folder, name))
    if not path.startswith(folder + "/"):
        raise EnvironmentFault(f"`{name}` is no name in the run's folder")
    if "/" in name:
        files.make_folders(os.path.dirname(path))
    data, mode = text.encode("utf-8", "surrogateescape"), 0o755 if executable else 0o644
    try:
        files.write_new(path, data, mode)
    except FileExistsError:
        files.remove(path)
        files.write_new(path, data, mode)
    return path
