"""Where the output of a step's attempts is, and how to read it."""

from __future__ import annotations

import os
import re
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from mlorch.engine.attempts import file_name
from mlorch.errors import UsageError, did_you_mean
from mlorch.history.detail import RunView, StepView
from mlorch.ports import Store
from mlorch.store.runs import is_id
from mlorch.values import dataclass

NAME = re.compile(r"^(?P<name>.+)\.(?P<attempt>[0-9]+)\.log$")
CHUNK = 1 << 16


@dataclass(frozen=True)
class Log:
    """The output of one attempt."""

    step: str
    instance: str
    attempt: int
    path: str
    """Absolute."""
    run: str
    """The run that wrote it."""
    earlier: bool = False
    """Written by an earlier run than the one that was asked for, in which the step was cached."""

    @property
    def bytes(self) -> int:
        try:
            return os.stat(self.path).st_size
        except OSError:
            return 0


def run_folder(store: Store, run: str) -> str:
    return os.path.join(store.path, "runs", run)


def find_logs(
    store: Store, view: RunView, steps: Sequence[StepView], attempt: Optional[int] = None
) -> List[Log]:
    """The logs of these steps: of the last attempt, or of the given one (0: of all).

    A cached step wrote none in this run; its record may name the log of the run that executed it.
    """
    written = _written(run_folder(store, view.info.id))
    found: List[Log] = []
    for step in steps:
        base = file_name(step.instance)
        own = [
            Log(step.step, step.instance, number, path, view.info.id)
            for name, number, path in written
            if name == base
        ]
        own = own or _recorded(store, step)
        if attempt is None:
            found += own[-1:]
        else:
            found += [log for log in own if attempt in (0, log.attempt)]
    return found


def _written(folder: str) -> List[Tuple[str, int, str]]:
    """(name in the file name, attempt, path) of each log in a run's folder."""
    try:
        with os.scandir(folder) as entries:
            names = [item.name for item in entries if item.is_file(follow_symlinks=False)]
    except OSError:
        return []
    matches = [match for match in map(NAME.match, names) if match]
    return sorted(
        (match.group("name"), int(match.group("attempt")), os.path.join(folder, match.group()))
        for match in matches
    )


def _recorded(store: Store, step: StepView) -> List[Log]:
    """A record may come from elsewhere: what it names counts only where a run of this store has such a log."""
    run = os.path.basename(os.path.dirname(step.log))
    folder = run_folder(store, run)
    path = os.path.join(folder, os.path.basename(step.log))
    match = NAME.match(os.path.basename(path))
    if (
        not match
        or not is_id(run)
        or os.path.islink(folder)
        or os.path.islink(path)
        or not os.path.isfile(path)
    ):
        return []
    return [Log(step.step, step.instance, int(match.group("attempt")), path, run, earlier=True)]


def choose_steps(view: RunView, step: Optional[str], failed: bool) -> List[StepView]:
    """The steps whose logs are wanted: the named one, the failed ones, else all that were executed.

    Raises UsageError for a name that the run does not have.
    """
    chosen = list(view.steps)
    if step is not None:
        chosen = view.step(step)
        if not chosen:
            names = sorted({item.step for item in view.steps} | {item.instance for item in view.steps})
            hint = did_you_mean(step, names) or "steps of it: " + ", ".join(names[:12])
            raise UsageError(f"run {view.info.id} has no step `{step}`", hint)
    if failed:
        # in the order in which the end of the run tells them: what nothing else explains first
        found = [item for item in chosen if item.outcome == "failed"]
        return sorted(found, key=lambda item: (item.tolerated, bool(item.causes)))
    return chosen


def tail(path: str, lines: Optional[int]) -> Iterator[bytes]:
    """A file in chunks, from its last `lines` lines on (None: whole)."""
    with open(path, "rb") as file:
        if lines is not None:
            file.seek(_tail_offset(path, lines))
        while True:
            chunk = file.read(CHUNK)
            if not chunk:
                return
            yield chunk


def _tail_offset(path: str, lines: int) -> int:
    """Where the last lines begin, read from the end, so that a huge log costs no more than its tail."""
    with open(path, "rb") as file:
        position = file.seek(0, os.SEEK_END)
        end = position
        seen = 0
        while position > 0:
            start = max(0, position - CHUNK)
            file.seek(start)
            block = file.read(position - start)
            index = len(block)
            while True:
                index = block.rfind(b"\n", 0, index)
                if index < 0:
                    break
                if start + index == end - 1:
                    continue  # the newline that ends the last line begins no further one
                seen += 1
                if seen == lines:
                    return start + index + 1
            position = start
        return end if lines == 0 else 0


@dataclass(frozen=True)
class Wanted:
    """Which logs somebody asks for: of one step or all, only of failed ones, of which attempt, how much of each."""

    step: Optional[str] = None
    failed: bool = False
    attempt: Optional[int] = None
    lines: Optional[int] = None

    def of(self, view: RunView) -> List[StepView]:
        """The steps of it that have begun; one that has not is no error."""
        chosen = list(view.steps) if self.step is None else view.step(self.step)
        return [item for item in chosen if item.outcome == "failed" or not self.failed]


class Followed:
    """The wanted logs of a run that goes on: each call of `more` gives what was written since the one before."""

    def __init__(self, store: Store, wanted: Wanted) -> None:
        self._store = store
        self._wanted = wanted
        self._read: Dict[str, int] = {}
        """Path -> bytes that were given."""

    def more(self, view: RunView) -> Iterator[Tuple[Log, bytes]]:
        for log in find_logs(self._store, view, self._wanted.of(view), self._wanted.attempt):
            if log.earlier and self._wanted.step is None:
                continue  # who follows a whole run wants what it writes
            if log.path not in self._read:
                whole = self._wanted.lines is None
                self._read[log.path] = 0 if whole else _tail_offset(log.path, self._wanted.lines or 0)
            for chunk in self._since(log.path):
                yield log, chunk

    def _since(self, path: str) -> Iterator[bytes]:
        with open(path, "rb") as file:
            file.seek(self._read[path])
            while True:
                chunk = file.read(CHUNK)
                if not chunk:
                    return
                self._read[path] += len(chunk)
                yield chunk
