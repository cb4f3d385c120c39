"""Named fault points, so that tests can kill or fail this process at one exact place.

`MLORCH_FAULT="name:kind:nth"` is read once, at import: at the nth visit of the point `name` (`*` is any) the
process kills itself (`kill`) or the call fails with an errno (`EIO`, `ENOSPC` …); `3+` means from the third
visit on, for good.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from typing import Callable, Optional

_inject: Optional[Callable[[str], None]] = None


def fault(name: str) -> None:
    """A fault point: nothing happens, outside tests."""
    if _inject is not None:
        _inject(name)


def arm(setting: str) -> None:
    """Let faults happen as the setting says; an empty one stops them."""
    global _inject
    _inject = injector(setting) if setting else None


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
        if not due:
            return
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        code = int(getattr(errno, kind))
        raise OSError(code, os.strerror(code), "fault point " + name)

    return inject


arm(os.environ.get("MLORCH_FAULT", ""))
