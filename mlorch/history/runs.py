"""Which run is meant: an id's first letters, `last`, `last~1`; and lists of runs."""

from __future__ import annotations

import re
from typing import List, Optional, Sequence

from mlorch.errors import UsageError, did_you_mean
from mlorch.ports import RunInfo, Store
from mlorch.spec.units import parse_duration, parse_size

LAST = re.compile(r"^last(?:~([0-9]{1,6}))?$")
STATUSES = ("succeeded", "failed", "cancelled", "running", "crashed")


def resolve_run(store: Store, name: str = "last") -> RunInfo:
    """The run that a name means. Raises UsageError (no run yet, no such run, several that begin so)."""
    found = LAST.match(name)
    if found:
        back = int(found.group(1) or 0)
        newest = store.runs(back + 1)
        if not newest:
            raise UsageError("no run yet", "start one with `mlorch run`, or name the project with -C DIR")
        if len(newest) <= back:
            count = len(newest)
            raise UsageError(f"there is no run `{name}`: {count} so far", f"the oldest is `last~{count - 1}`")
        return newest[back]
    return _by_prefix(store.runs(), name)


def _by_prefix(runs: Sequence[RunInfo], name: str) -> RunInfo:
    exact = [run for run in runs if run.id == name]
    near = exact or [run for run in runs if name and run.id.startswith(name)]
    if len(near) == 1:
        return near[0]
    if not near:
        hint = did_you_mean(name, [run.id for run in runs]) or "see `mlorch runs`"
        if name.endswith((".yaml", ".yml")):
            hint = "a run is meant here, and no pipeline; see `mlorch runs`"
        raise UsageError(f"no run begins with `{name}`", hint)
    ids = ", ".join(run.id for run in near[:5])
    raise UsageError(f"`{name}` is the beginning of {len(near)} runs", f"one of {ids}; give more letters")


def is_run(store: Store, name: str) -> bool:
    """Whether a name means a run."""
    return bool(LAST.match(name)) or any(run.id.startswith(name) for run in store.runs() if name)


def select_runs(
    store: Store, limit: Optional[int] = None, statuses: Sequence[str] = (), after: Optional[float] = None
) -> List[RunInfo]:
    """Runs, newest first, of these statuses, started after a time (seconds since the epoch)."""
    for status in statuses:
        if status not in STATUSES:
            hint = did_you_mean(status, STATUSES) or "one of " + ", ".join(STATUSES)
            raise UsageError(f"unknown status `{status}`", hint)
    # a filter may leave out any number of them, so the limit counts afterwards
    narrow = bool(statuses) or after is not None
    runs = [
        run
        for run in store.runs(None if narrow else limit)
        if (not statuses or run.status in statuses) and (after is None or run.started >= after)
    ]
    return runs if limit is None else runs[:limit]


def duration(text: str, option: str) -> float:
    """Seconds of `7d`, `1h30m`, `90s` or a plain number. Raises UsageError naming the option."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def size(text: str, option: str) -> int:
    """Bytes of `10GB`, `512MiB` or a plain number. Raises UsageError naming the option."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
