"""Where a process's time goes: each thread is in one phase at a time, and what is kept is one sum per phase.

A change of phase takes about a microsecond and nothing is written meanwhile, so that every run can tell later, without
having been asked before.
"""

from __future__ import annotations

import functools
import threading
import time
from typing import Any, Callable, Dict, Iterable, List, Tuple, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

PHASES = ("parse", "plan", "stat", "digest", "schedule", "spawn", "publish", "record")
"""reading the pipeline; expanding, binding and deciding; looking whether a file is still what it was; digesting what is
read and taking in what was made; what else the hub does; making staging, scripts and processes; putting outputs in place;
objects and records made durable, events, the index."""

_clock = time.perf_counter


class _Spent(threading.local):
    """The phase that a thread is in, since when, and its sums."""

    def __init__(self) -> None:
        self.phase = ""
        self.since = 0.0
        self.sums: Dict[str, float] = {}
        _all.append(self.sums)


_all: List[Dict[str, float]] = []
_spans: List[Tuple[str, float, float]] = []
_here: Any = None


def median(seconds: Iterable[float]) -> float:
    """Of at least one; the middle two's mean where there is no middle one. `statistics` takes 10 ms to import."""
    ordered = sorted(seconds)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def enter(phase: str) -> str:
    """This thread is in a phase from now on (in none: an empty one); returns the one it was in."""
    here, now = _here, _clock()
    before: str = here.phase
    if before:
        here.sums[before] = here.sums.get(before, 0.0) + now - here.since
    here.phase, here.since = phase, now
    return before


def timed(phase: str, span: bool = False) -> Callable[[F], F]:
    """A function whose time counts for a phase, but for that of the other phases within.

    Args:
        span: also keep when each call began and how long it took: for the few that happen once or twice in a run.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            before = enter(phase)
            began = time.time() if span else 0.0
            try:
                return function(*args, **kwargs)
            finally:
                enter(before)
                if span:
                    _spans.append((phase, began, time.time() - began))

        return cast(F, wrapper)

    return decorate


def reset() -> None:
    """Begin anew (one process may do several runs)."""
    global _here
    _all.clear()
    _spans.clear()
    _here = _Spent()


def totals() -> Dict[str, float]:
    """Seconds by phase, summed over the threads; that of a phase which is not over yet is not in it."""
    found: Dict[str, float] = {}
    for sums in list(_all):
        for phase, seconds in list(sums.items()):
            found[phase] = found.get(phase, 0.0) + seconds
    return found


def document(slots: int, busy: float) -> Dict[str, Any]:
    """What a run keeps of its time (`run.finished` in its event file): seconds by phase, spans, and for how many seconds its
    slots were `busy`."""
    return {
        "slots": slots,
        "busy": round(busy, 6),
        "spent": {phase: round(seconds, 6) for phase, seconds in totals().items()},
        "spans": [[phase, round(began, 6), round(seconds, 6)] for phase, began, seconds in _spans],
    }


reset()
