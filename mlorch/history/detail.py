"""One run, put together again from the events that it wrote."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from mlorch.digest import untag_floats
from mlorch.model import Event, Value
from mlorch.ports import RunInfo, Store
from mlorch.store.tree import DIGEST
from mlorch.values import dataclass

ENDINGS = {
    "step.cached": "cached",
    "step.finished": "succeeded",
    "step.skipped": "skipped",
    "step.blocked": "blocked",
    "step.cancelled": "cancelled",
}
OUTCOMES = frozenset([*ENDINGS.values(), "failed"])
LONGEST = 1e12
"""Seconds; no step takes that long."""


@dataclass(frozen=True)
class OutputView:
    """An output as a run recorded it."""

    name: str
    path: str
    digest: str
    bytes: int = 0
    kind: str = "file"
    stored: bool = True
    executable: bool = False


@dataclass(frozen=True)
class StepView:
    """How one instance fared in one run."""

    instance: str
    step: str
    outcome: str
    """One of the outcomes, or `running` where its end was not written (yet)."""
    started: Optional[float] = None
    seconds: float = 0.0
    saved: float = 0.0
    attempts: int = 0
    exit_code: Optional[int] = None
    error: str = ""
    hint: str = ""
    log: str = ""
    record: str = ""
    command: str = ""
    reasons: Tuple[Mapping[str, Value], ...] = ()
    axes: Mapping[str, Value] = field(default_factory=dict)
    params: Mapping[str, Value] = field(default_factory=dict)
    outputs: Mapping[str, OutputView] = field(default_factory=dict)
    metrics: Mapping[str, Value] = field(default_factory=dict)
    causes: Tuple[str, ...] = ()
    warnings: Tuple[str, ...] = ()
    checks: Tuple[Mapping[str, Value], ...] = ()
    """`source`, `holds`, `severity` and `text` of each."""
    tolerated: bool = False
    peak_rss: int = 0
    cpu_seconds: float = 0.0
    undeclared: Tuple[str, ...] = ()
    reproduced: Mapping[str, Value] = field(default_factory=dict)
    """What its record keeps of being executed again; `with_reproductions` looks it up."""


@dataclass(frozen=True)
class RunView:
    """A run and what became of its steps."""

    info: RunInfo
    steps: Tuple[StepView, ...]
    warnings: Tuple[str, ...] = ()

    def step(self, name: str) -> List[StepView]:
        """The instances of a step, or the one instance of that name."""
        return [view for view in self.steps if name in (view.step, view.instance)]


def view_run(store: Store, info: RunInfo) -> RunView:
    """Everything that a run wrote about its steps, in the order in which they first appear."""
    steps, warnings = fold(store.events(info.id))
    return RunView(info, tuple(steps), tuple(warnings))


def fold(events: Iterable[Event]) -> Tuple[List[StepView], List[str]]:
    """The last state of each instance, and the warnings."""
    views: Dict[str, StepView] = {}
    begun: Dict[str, float] = {}
    warnings: List[str] = []
    for event in events:
        data = untag_floats(dict(event.data))
        if event.kind == "warning":
            warnings.append(str(data.get("text") or data.get("message") or ""))
        elif event.kind == "step.started":
            begun.setdefault(event.instance, event.time)
            views[event.instance] = StepView(event.instance, event.step, "running", started=event.time)
        elif event.kind in ENDINGS:
            try:
                views[event.instance] = _ended(event, data, begun.get(event.instance))
            except (TypeError, ValueError, AttributeError, OverflowError):
                continue  # a run file may come from elsewhere: what no run writes is left out
    return list(views.values()), warnings


def _ended(event: Event, data: Mapping[str, Any], started: Optional[float]) -> StepView:
    return StepView(
        instance=event.instance,
        step=event.step,
        outcome=_outcome(data.get("outcome") or ENDINGS[event.kind]),
        started=started,
        seconds=_seconds(data.get("seconds")),
        saved=_seconds(data.get("saved")),
        attempts=int(data.get("attempts") or 0),
        exit_code=None if data.get("exit_code") is None else int(data["exit_code"]),
        error=str(data.get("error") or ""),
        hint=str(data.get("hint") or ""),
        log=str(data.get("log") or ""),
        record=str(data.get("record") or ""),
        command=str(data.get("command") or ""),
        checks=tuple(item for item in data.get("checks") or () if isinstance(item, Mapping)),
        reasons=tuple(dict(reason) for reason in data.get("reasons") or ()),
        axes=dict(data.get("axes") or {}),
        params=dict(data.get("params") or {}),
        outputs={name: _output(name, value) for name, value in (data.get("outputs") or {}).items()},
        metrics=dict(data.get("metrics") or {}),
        causes=tuple(map(str, data.get("causes") or ())),
        warnings=tuple(map(str, data.get("warnings") or ())),
        tolerated=bool(data.get("tolerated", False)),
        peak_rss=int(data.get("peak_rss") or 0),
        cpu_seconds=_seconds(data.get("cpu_seconds")),
        undeclared=tuple(map(str, data.get("undeclared") or ())),
    )


def _outcome(value: object) -> str:
    if value not in OUTCOMES:
        raise ValueError("no outcome")
    return str(value)


def _seconds(value: Any) -> float:
    seconds = float(value or 0.0)
    if not 0.0 <= seconds < LONGEST:
        raise ValueError("no duration")
    return seconds


def _output(name: str, value: Mapping[str, Any]) -> OutputView:
    digest = str(value.get("digest") or "")
    if not DIGEST.match(digest):
        raise ValueError("no digest")
    return OutputView(
        name=name,
        path=str(value.get("path") or ""),
        digest=digest,
        bytes=int(value.get("bytes") or 0),
        kind=str(value.get("kind") or "file"),
        stored=bool(value.get("stored", True)),
        executable=bool(value.get("executable", False)),
    )
