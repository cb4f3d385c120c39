"""Where a run's time went, from what it wrote about itself; as a document, and as a trace for a viewer.

The trace is Chrome's Trace Event Format, as chrome://tracing and https://ui.perfetto.dev read it: times in microseconds since
the run began, one thread per slot.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from mlorch.ports import RunInfo, Store
from mlorch.timing import PHASES
from mlorch.values import dataclass

ENDED = ("step.finished", "step.cancelled")

MOST = 1e15
"""Seconds, or slots, beyond which a number is none of ours."""


@dataclass(frozen=True)
class AttemptTime:
    """The last attempt of an instance. Moments are seconds since the epoch."""

    instance: str
    outcome: str
    slot: int
    sent: float
    started: float
    spawn: float
    """Seconds until its process was there; 0 for a function."""
    seconds: float
    """Of its process, `spawn` in it."""
    collect: float
    """Seconds for its outputs to be digested and taken in."""
    recorded: Optional[float]
    """When its record was durable; None where it failed."""
    published: float
    """When its end was told."""

    @property
    def collected(self) -> float:
        return self.started + self.seconds + self.collect


@dataclass(frozen=True)
class Timings:
    """Where the time of a run went."""

    info: RunInfo
    slots: int = 0
    """0 where the run did not get to its end."""
    executing: float = 0.0
    """Seconds from the first decision to the last outcome."""
    busy: float = 0.0
    """Seconds for which slots were taken, summed."""
    spent: Mapping[str, float] = field(default_factory=dict)
    """Seconds by phase, summed over the threads of mlorch."""
    spans: Sequence[Tuple[str, float, float]] = ()
    """(phase, begin, seconds) of what the main thread did one after the other."""
    attempts: Sequence[AttemptTime] = ()

    @property
    def idle(self) -> float:
        """Seconds for which slots had nothing to do while the run executed, summed."""
        return max(0.0, self.slots * self.executing - self.busy)


def run_timings(store: Store, info: RunInfo) -> Timings:
    """What a run wrote about its own time. Raises StoreError."""
    attempts: List[AttemptTime] = []
    told: Mapping[str, Any] = {}
    for event in store.events(info.id):
        if event.kind == "run.finished" and isinstance(event.data.get("timings"), Mapping):
            told = event.data["timings"]
        elif event.kind in ENDED and isinstance(event.data.get("timings"), Mapping):
            attempt = _attempt(event.instance, event.data, event.time)
            if attempt is not None:
                attempts.append(attempt)
    return Timings(
        info,
        int(_number(told.get("slots"))),
        sum(seconds for phase, _, seconds in _spans(told) if phase == "schedule"),
        _number(told.get("busy")),
        {str(phase): _number(seconds) for phase, seconds in _mapping(told.get("spent")).items()},
        _spans(told),
        attempts,
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float:
    """A run's file may have been written by anybody: what is no finite number counts as 0."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MOST
    return float(value) if good else 0.0


def _spans(told: Mapping[str, Any]) -> List[Tuple[str, float, float]]:
    spans = told.get("spans")
    found = (
        [item for item in spans if isinstance(item, list) and len(item) == 3]
        if isinstance(spans, list)
        else []
    )
    return [(str(phase), _number(began), _number(seconds)) for phase, began, seconds in found]


def _attempt(instance: str, data: Mapping[str, Any], published: float) -> Optional[AttemptTime]:
    told = data["timings"]
    if "started" not in told:  # it was cancelled before it had begun
        return None
    return AttemptTime(
        instance,
        str(data.get("outcome", "")),
        int(_number(told.get("slot"))),
        _number(told.get("sent", told["started"])),
        _number(told["started"]),
        _number(told.get("spawn")),
        _number(data.get("seconds")),
        _number(told.get("collect")),
        _number(told["recorded"]) if "recorded" in told else None,
        published,
    )


def phases(timings: Timings) -> List[Tuple[str, float]]:
    """Every phase with its seconds, in the order in which a run goes through them."""
    return [(phase, timings.spent.get(phase, 0.0)) for phase in PHASES]


def timings_document(timings: Timings) -> Dict[str, Any]:
    return {
        "schema": "mlorch.timings/1",
        "run": timings.info.id,
        "seconds": timings.info.seconds,
        "slots": timings.slots,
        "executing": round(timings.executing, 6),
        "busy": round(timings.busy, 6),
        "idle": round(timings.idle, 6),
        "phases": [{"phase": phase, "seconds": seconds} for phase, seconds in phases(timings)],
        "steps": [
            {
                "instance": item.instance,
                "outcome": item.outcome,
                "slot": item.slot,
                "begun": round(item.started - timings.info.started, 6),
                "waited": round(max(0.0, item.started - item.sent), 6),
                "spawn": item.spawn,
                "seconds": item.seconds,
                "collect": item.collect,
                "record": None
                if item.recorded is None
                else round(max(0.0, item.recorded - item.collected), 6),
                "publish": None
                if item.recorded is None
                else round(max(0.0, item.published - item.recorded), 6),
            }
            for item in timings.attempts
        ],
    }


# ------------------------------------------------------------------------------------------------------ trace


def trace(timings: Timings) -> Dict[str, Any]:
    """A Chrome trace: thread 0 is the hub's, thread n + 1 slot n; making durable and putting in place are asynchronous
    spans, since those of several steps overlap."""
    starts = [began for _, began, _ in timings.spans] + [item.sent for item in timings.attempts]
    zero = min([*starts, timings.info.started])
    used = {item.slot for item in timings.attempts} | set(range(timings.slots))
    events: List[Dict[str, Any]] = [
        _named("process_name", 0, "mlorch " + timings.info.id),
        _named("thread_name", 0, "hub"),
    ]
    events += [_named("thread_name", slot + 1, f"slot {slot + 1}") for slot in sorted(used)]
    events += [_span(phase, "phase", 0, began - zero, seconds) for phase, began, seconds in timings.spans]
    for number, item in enumerate(timings.attempts):
        events += _of_attempt(item, number, zero)
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"run": timings.info.id}}


def _of_attempt(item: AttemptTime, number: int, zero: float) -> Iterator[Dict[str, Any]]:
    tid, begun = item.slot + 1, item.started - zero
    whole = _span(item.instance, "step", tid, begun, item.seconds + item.collect)
    yield {**whole, "args": {"outcome": item.outcome}}
    if item.spawn:
        yield _span("spawn", "attempt", tid, begun, item.spawn)
    yield _span("run", "attempt", tid, begun + item.spawn, max(0.0, item.seconds - item.spawn))
    yield _span("digest", "attempt", tid, begun + item.seconds, item.collect)
    if item.recorded is not None:
        done = max(item.recorded, item.collected)
        yield from _apart("record", item.instance, number, item.collected - zero, done - zero)
        yield from _apart("publish", item.instance, number, done - zero, max(item.published, done) - zero)


def _span(name: str, category: str, tid: int, began: float, seconds: float) -> Dict[str, Any]:
    return {
        "name": name,
        "cat": category,
        "ph": "X",
        "pid": 1,
        "tid": tid,
        "ts": round(began * 1e6, 3),
        "dur": round(seconds * 1e6, 3),
    }


def _apart(name: str, instance: str, number: int, began: float, ended: float) -> Iterator[Dict[str, Any]]:
    for phase, moment in (("b", began), ("e", ended)):
        yield {
            "name": name,
            "cat": "commit",
            "ph": phase,
            "pid": 1,
            "tid": 0,
            "id": number,
            "ts": round(moment * 1e6, 3),
            "args": {"instance": instance},
        }


def _named(kind: str, tid: int, name: str) -> Dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": 1, "tid": tid, "args": {"name": name}}
