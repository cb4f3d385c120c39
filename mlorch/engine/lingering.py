"""What an attempt leaves running outside its process group: found and ended.

As a subreaper this process becomes the parent of every orphan below it. So a look at its main thread's
children (one small read) tells whether an attempt left anything; /proc is searched only then. Linux
only: elsewhere nothing is found.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
import time
from typing import Callable, List, Mapping, Optional, Tuple

SET_CHILD_SUBREAPER = 36
GET_CHILD_SUBREAPER = 37
NAMES = ("MLORCH_RUN_ID", "MLORCH_STEP", "MLORCH_ATTEMPT")
ROUNDS = 50
"""Searches until nothing is found any more, 10 ms apart: what was killed may take a moment to go."""


class Orphans:
    """The orphans of this process while a run lasts.

    Args:
        is_ours: whether a process id is one that we started ourselves and reap ourselves.
    """

    def __init__(self, is_ours: Callable[[int], bool]) -> None:
        self._is_ours = is_ours
        self._lock = threading.Lock()
        self._session = os.getsid(0)
        self._children = f"/proc/self/task/{os.getpid()}/children"
        self._counts = os.path.exists(self._children)
        self._before = _subreaper(None)
        if self._before is not None:
            _subreaper(1)

    def close(self) -> None:
        if self._before is not None:
            _subreaper(self._before)

    def end(self, env: Mapping[str, str], group: int = 0) -> Tuple[int, ...]:
        """End what the attempt with this environment left outside its (already killed) group.

        Returns the process ids.
        """
        identity = identity_of(env)
        if not identity or not self._left_any(identity, group):
            return ()
        return self._search(identity, group)

    def end_all(self, env: Mapping[str, str]) -> None:
        """End every process of an attempt, whoever its parent is at the moment."""
        identity = identity_of(env)
        if identity:
            self._search(identity)

    def end_run(self, run: str) -> Tuple[int, ...]:
        """End whatever carries the run's id, at the end of the run."""
        return self._search((b"MLORCH_RUN_ID=" + os.fsencode(run),))

    def bury(self) -> None:
        """Reap orphans that ended by themselves: those of other sessions, for whom nobody else waits."""
        for pid in self._orphans():
            _bury_zombie(pid)

    def _left_any(self, identity: Tuple[bytes, ...], group: int) -> bool:
        if not self._counts:  # no such file in this kernel: search each time, where there is a /proc at all
            return os.path.isdir("/proc/self")
        found = False
        for pid in self._orphans():
            if not _bury_zombie(pid) and not _is_in(pid, group) and carries(pid, identity):
                found = True
        return found

    def _orphans(self) -> List[int]:
        try:
            with open(self._children, "rb", buffering=0) as file:
                text = file.read()
        except OSError:
            return []
        return [pid for pid in map(int, text.split()) if not self._is_ours(pid) and self._is_stranger(pid)]

    def _is_stranger(self, pid: int) -> bool:
        try:
            return os.getsid(pid) != self._session
        except OSError:
            return False

    def _search(self, identity: Tuple[bytes, ...], group: int = 0) -> Tuple[int, ...]:
        """Kill all that carry an identity until none is left. One search at a time."""
        ended: List[int] = []
        with self._lock:
            for _ in range(ROUNDS):
                found = [pid for pid in _processes() if not self._is_ours(pid) and carries(pid, identity)]
                found = [pid for pid in found if not _is_in(pid, group)]
                if not found:
                    break
                ended += [pid for pid in found if pid not in ended]
                for pid in found:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.01)
                for pid in found:
                    _bury_zombie(pid)
        return tuple(ended)


def identity_of(env: Mapping[str, str]) -> Tuple[bytes, ...]:
    """By what the processes of an attempt are known; empty where its environment does not say."""
    if any(name not in env for name in NAMES):
        return ()
    return tuple(os.fsencode(f"{name}={env[name]}") for name in NAMES)


def carries(pid: int, identity: Tuple[bytes, ...]) -> bool:
    """Whether a process has all of these in its environment (a zombie has none)."""
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            entries = file.readall().split(b"\0")
    except OSError:
        return False
    return all(item in entries for item in identity)


def group_lives(group: int) -> bool:
    """Whether a process group has a member that is not just a zombie."""
    if not os.path.isdir("/proc/self"):
        try:
            os.killpg(group, 0)
        except OSError:
            return False
        return True
    for pid in _processes():
        try:
            if os.getpgid(pid) == group and _state(pid) not in ("Z", "X", ""):
                return True
        except OSError:
            continue
    return False


def _is_in(pid: int, group: int) -> bool:
    try:
        return group > 0 and os.getpgid(pid) == group
    except OSError:
        return False


def _processes() -> List[int]:
    try:
        own = os.getpid()
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != own]
    except OSError:
        return []


def _state(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            return file.readall().rpartition(b")")[2].split()[0].decode("ascii")
    except (OSError, IndexError):
        return ""


def _bury_zombie(pid: int) -> bool:
    """Whether it had ended; reaped if it is a child of ours."""
    if _state(pid) not in ("Z", ""):
        return False
    with contextlib.suppress(OSError):
        os.waitpid(pid, os.WNOHANG)
    return True


def _subreaper(value: Optional[int]) -> Optional[int]:
    """Set this process's subreaper flag, or read it; None where there is none."""
    try:
        control = ctypes.CDLL(None, use_errno=True).prctl
        if value is not None:
            return value if control(SET_CHILD_SUBREAPER, value, 0, 0, 0) == 0 else None
        current = ctypes.c_int(0)
        return current.value if control(GET_CHILD_SUBREAPER, ctypes.byref(current), 0, 0, 0) == 0 else None
    except (OSError, AttributeError):
        return None
