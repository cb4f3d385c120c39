"""How far a run is: how many instances have ended, of how many."""

from __future__ import annotations

from typing import Any, Mapping, Set

from mlorch.model import Event, Value

DONE = ("step.cached", "step.finished", "step.skipped", "step.blocked", "step.cancelled")
CACHED = "steps.cached"
"""Told of many at once, to screens alone: `data["steps"]` is a list of (instance, seconds that it saved)."""


class Tally:
    """Counts from the events. The total grows while axes become known; until all are, it is only a lower bound."""

    def __init__(self, total: int = 0) -> None:
        self.done = 0
        self._total = total
        self._open: Set[str] = set()

    @property
    def total(self) -> int:
        return max(self._total, self.done)

    @property
    def open(self) -> bool:
        """Whether some step's instances are not known yet."""
        return bool(self._open)

    def take(self, event: Event) -> None:
        data = event.data
        if event.kind == "run.started":
            self._total = max(self._total, whole(data.get("instances")))
            self._open = {step for step, entry in steps_of(data).items() if entry.get("open")}
        elif event.step in self._open:
            self._open.discard(event.step)
            # the one stand-in was counted already
            self._total += max(0, whole(data.get("instances")) - 1)
        if event.kind in DONE:
            self.done += 1
        elif event.kind == CACHED:
            self.done += len(data["steps"])

    def text(self, done: int = -1) -> str:
        """`5/8`, `5/8+` as long as there may be more."""
        return f"{self.done if done < 0 else done}/{self.total}{'+' if self.open else ''}"


def steps_of(data: Mapping[str, Value]) -> Mapping[str, Mapping[str, Any]]:
    """The steps that may run, as `run.started` tells them (see `engine/foresight.py`)."""
    found = data.get("steps")
    if not isinstance(found, Mapping):
        return {}
    return {str(step): entry for step, entry in found.items() if isinstance(entry, Mapping)}


def outcome_of(event: Event) -> str:
    """How an instance ended: a cached step whose check does not hold has failed."""
    return str(event.data.get("outcome") or event.kind.split(".")[-1])


def whole(value: Value) -> int:
    return value if isinstance(value, int) else 0


def number(value: Value) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
