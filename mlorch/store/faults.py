"""Named fault points, so that tests can kill or fail this process at one exact place.

`MLORCH_FAULT="name:kind:nth"` is read once, at import: at the nth visit of the point `name` (`*` is any) the
process kills itself (`kill`), the call fails with an errno (`EIO`, `ENOSPC` …), or, at `write`, the system takes only
half of the bytes (`short`), or half and then no more (`torn`). `3+` means from the third visit on, for good.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from typing import Callable, Dict, Optional

_inject: Optional[Callable[[str], None]] = None
_cut: Dict[int, str] = {}
"""By thread: what is to become of the write under way."""


def fault(name: str) -> None:
    """A fault point: nothing happens, outside tests."""
    if _inject is not None:
        _inject(name)


def cut(view: memoryview) -> memoryview:
    """What a write may take at once: all of it, outside tests."""
    return _shorten(view) if _cut else view


def cutting() -> bool:
    """Whether some write is to be cut."""
    return bool(_cut)


def _shorten(view: memoryview) -> memoryview:
    kind = _cut.get(threading.get_ident(), "")
    if kind == "full":
        del _cut[threading.get_ident()]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "fault point write")
    if kind == "torn":
        _cut[threading.get_ident()] = "full"
    elif kind == "short":
        del _cut[threading.get_ident()]
    return view[: (len(view) + 1) // 2] if kind else view


def arm(setting: str) -> None:
    """Let faults happen as the setting says; an empty one stops them."""
    watch(injector(setting) if setting else None)


def watch(visited: Optional[Callable[[str], None]]) -> None:
    """Call this at each visit of a point."""
    global _inject
    _inject = visited
    _cut.clear()


def injector(setting: str) -> Callable[[str], None]:
    """The function behind a setting. Raises ValueError for one that can't be read."""
    target, kind, nth = setting.split(":")
    first, for_good = int(nth.rstrip("+")), nth.endswith("+")
    visits = 0
    guard = threading.Lock()

    def inject(name: str) -> None:
        nonlocal visits
        if target not in ("*", name):
            return
        with guard:
            visits += 1
            due = visits == first or (for_good and visits > first)
        if due:
            _strike(name, kind)

    return inject


def _strike(name: str, kind: str) -> None:
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind in ("short", "torn"):
        _cut[threading.get_ident()] = kind
        return
    code = int(getattr(errno, kind))
    raise OSError(code, os.strerror(code), "fault point " + name)


arm(os.environ.get("MLORCH_FAULT", ""))
