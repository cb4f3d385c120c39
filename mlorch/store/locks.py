"""Locks by registration: a run says at once what it may write and read, and waits for the earlier live runs
in its way.

Every live run holds the flock of its own registration file, whose descriptor its steps inherit; when the
last of them is gone the lock is free, whatever killed them. A run waits only for runs that registered before
it, so no two ever wait for each other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
import time
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from mlorch.errors import LockedError, StoreError
from mlorch.store import files, lines, serial
from mlorch.store.session import hold, is_locked
from mlorch.store.tree import parents

SCHEMA = "mlorch.lock/1"


class Registration(NamedTuple):
    """What a live run registered. `number` is its turn."""

    number: int
    path: str
    run: str
    pid: int
    command: str
    writes: Tuple[str, ...]
    reads: Tuple[str, ...]
    ancestors: Tuple[str, ...] = ()
    """Runs in whose steps it was started: they end only after it."""


class Request(NamedTuple):
    """What a run asks for."""

    run: str
    writes: Sequence[str]
    reads: Sequence[str]
    ancestors: Sequence[str] = ()


class HeldLease:
    """A registration that is held. `fds` are inheritable, so that steps hold it too."""

    def __init__(self, path: str, fd: int, on_release: Callable[[HeldLease], None]) -> None:
        self.path = path
        self.fds: Tuple[int, ...] = (fd,)
        self._on_release = on_release
        self._guard = threading.Lock()

    def release(self) -> None:
        """Free the lock, even if a step's process still holds the descriptor. Twice is fine."""
        with self._guard:
            fds, self.fds = self.fds, ()
        for fd in fds:
            files.remove(self.path)
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)
            self._on_release(self)


class Locks:
    """The registrations of a store."""

    def __init__(self, path: str) -> None:
        self.path = os.path.join(path, "locks")
        self._runs = os.path.join(self.path, "runs")
        self.held: List[HeldLease] = []

    def register(
        self, request: Request, wait: bool = True, on_wait: Optional[Callable[[str], None]] = None
    ) -> HeldLease:
        """Take a turn and wait for it. Raises LockedError, StoreError (no locks in this file system)."""
        lease, own = self._take_turn(request)
        try:
            told: Set[str] = set()
            while True:
                live = self.live()
                rivals = [other for other in live if other.number < own.number and _clash(own, other)]
                if not rivals:
                    return lease
                rival = rivals[0]
                sentence = _sentence(rival, own)
                if not wait:
                    raise LockedError(sentence, "wait for it to end, or run without --no-wait")
                if _leads_to(own, live, request.ancestors):
                    raise LockedError(
                        f"this run would have to wait for the run that it was started in ({sentence})",
                        "a step can't run a pipeline that shares paths with its own",
                    )
                if on_wait is not None and sentence not in told:
                    told.add(sentence)
                    on_wait(sentence)
                _wait_for(rival.path)
        except BaseException:
            lease.release()
            raise

    def live(self) -> List[Registration]:
        """Registrations of live runs (or of steps that outlived theirs), in the order of their turns."""
        found = []
        for name in _names(self._runs):
            path = os.path.join(self._runs, name)
            if is_locked(path):
                registration = _load(path, name)
                if registration is not None:
                    found.append(registration)
        return found

    @contextlib.contextmanager
    def no_new_runs(self) -> Iterator[None]:
        """While this is held no run can register."""
        fd = self._mutex()
        try:
            yield
        finally:
            os.close(fd)

    def sweep(self) -> None:
        """Remove the registrations of the dead; call it while no run can register."""
        for name in _names(self._runs):
            path = os.path.join(self._runs, name)
            if not is_locked(path):
                files.remove(path)

    def is_held(self, name: str) -> bool:
        """Whether the registration file of this name still has a live holder."""
        return bool(name) and is_locked(os.path.join(self._runs, os.path.basename(name)))

    def _mutex(self) -> int:
        files.make_folders(self._runs)
        return hold(os.path.join(self.path, "mutex"))

    def _take_turn(self, request: Request) -> Tuple[HeldLease, Registration]:
        mutex = self._mutex()
        try:
            self.sweep()
            numbers = [int(name.split("-")[0]) for name in _names(self._runs)]
            number = max(numbers, default=0) + 1
            path = os.path.join(self._runs, f"{number:012d}-{request.run}")
            own = Registration(
                number,
                path,
                request.run,
                os.getpid(),
                _own_command(),
                tuple(request.writes),
                tuple(request.reads),
                tuple(request.ancestors),
            )
            fd = hold(path)
            try:
                files.write_all(fd, _encode(own))
            except BaseException:
                files.remove(path)
                os.close(fd)
                raise
            os.set_inheritable(fd, True)
        finally:
            os.close(mutex)
        lease = HeldLease(path, fd, self._released)
        self.held.append(lease)
        return lease, own

    def _released(self, lease: HeldLease) -> None:
        with contextlib.suppress(ValueError):
            self.held.remove(lease)


# --------------------------------------------------------------------------------------------------- overlaps


class _Names:
    """Paths and prefixes, prepared so that a look takes time by depth and not by number."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = {name.rstrip("/") for name in names}
        self.above = {above for name in self.names for above in parents(name)}
        self.everything = bool(self.names & {"", "."})

    def touches(self, name: str) -> bool:
        """Whether a name equals, holds or lies in one of these."""
        name = name.rstrip("/")
        if self.everything or (name in ("", ".") and self.names):
            return True
        return name in self.names or name in self.above or any(above in self.names for above in parents(name))


def overlap(some: Iterable[str], others: Iterable[str]) -> Optional[str]:
    """The first of `others` that equals, holds or lies in one of `some`."""
    prepared = _Names(some)
    return next((name or "." for name in others if prepared.touches(name)), None)


def _clash(own: Registration, other: Registration) -> Optional[str]:
    return overlap(own.writes, (*other.writes, *other.reads)) or overlap(own.reads, other.writes)


def _leads_to(own: Registration, live: Sequence[Registration], ancestors: Sequence[str]) -> bool:
    """Whether whom this run waits for, and whom those wait for, includes an ancestor (or an ancestor's own). A run
    also waits for the runs that its steps started."""
    wanted = set(ancestors)
    for other in reversed(live):  # an ancestor registered earlier than what it started
        if other.run in wanted:
            wanted.update(other.ancestors)
    seen, waiting = {own.number}, [own]
    while waiting:
        current = waiting.pop()
        for other in live:
            if other.number in seen:
                continue
            if current.run in other.ancestors or (other.number < current.number and _clash(current, other)):
                if other.run in wanted:
                    return True
                seen.add(other.number)
                waiting.append(other)
    return False


# ---------------------------------------------------------------------------------------------------- waiting


def _wait_for(path: str) -> None:
    """Sleep until nobody holds the flock of a registration. No polling."""
    try:
        fd = files.open_regular(path, follow=False)
    except (FileNotFoundError, files.StrangeFile):
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _sentence(rival: Registration, own: Registration) -> str:
    shared = _clash(own, rival) or ""
    note = f"`{shared}` is in use by run {rival.run}"
    holders = _holders(rival.path)
    if rival.pid in holders or not holders:
        return f"{note} (pid {rival.pid}, `{rival.command}`)"
    pid = min(holders)
    return f"{note}, which was killed, but a process of it still runs (pid {pid}, `{holders[pid]}`)"


def _holders(path: str) -> Dict[int, str]:
    """Processes (of ours) that have a file open, with their commands. Empty where the system does not
    tell."""
    found: Dict[int, str] = {}
    try:
        wanted = os.stat(path)
    except FileNotFoundError:
        return found
    for name in _names("/proc"):
        if not name.isdigit():
            continue
        for fd in _names(f"/proc/{name}/fd"):
            try:
                seen = os.stat(f"/proc/{name}/fd/{fd}")
            except OSError:
                continue
            if (seen.st_dev, seen.st_ino) == (wanted.st_dev, wanted.st_ino):
                found[int(name)] = _command_of(name)
                break
    return found


def _command_of(pid: str) -> str:
    try:
        data = files.read(f"/proc/{pid}/cmdline")
    except OSError:
        return ""
    return printable(data.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace"))


def _own_command() -> str:
    argv = [os.path.basename(sys.argv[0]) if sys.argv else "mlorch", *sys.argv[1:]]
    return printable(" ".join(argv))


def printable(text: str, limit: int = 200) -> str:
    """One line without control characters, cut to a length."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


# ---------------------------------------------------------------------------------------------------- storage


def _encode(own: Registration) -> bytes:
    document = own._asdict()
    document.pop("path")
    return lines.encode({"schema": SCHEMA, "time": time.time(), **serial.to_json(document)})


def _load(path: str, name: str) -> Optional[Registration]:
    """A registration; None where it is gone. One that can't be read is taken to hold everything. Raises
    StoreError."""
    try:
        data = files.read(path)
        document = serial.load(frozenset([SCHEMA]), data, f"the lock `{path}`")
        return Registration(
            int(document["number"]),
            path,
            str(document["run"]),
            int(document["pid"]),
            str(document["command"]),
            tuple(document["writes"]),
            tuple(document["reads"]),
            tuple(document.get("ancestors", ())),
        )
    except FileNotFoundError:
        return None
    except (files.StrangeFile, ValueError, KeyError, TypeError):
        number, _, run = name.partition("-")
        return Registration(int(number), path, run, 0, "", ("",), ())
    except StoreError:
        raise


def _names(folder: str) -> List[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
