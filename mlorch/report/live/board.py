"""What a run's screen knows: which steps run, how far each is, and the lines that are due to scroll away."""

from __future__ import annotations

from dataclasses import field
from typing import Dict, List, Mapping, Optional, Set, Tuple

from mlorch.model import Event, Value
from mlorch.report.lines import FOLD, more_text, retried_text, saved_text
from mlorch.report.style import seconds_text
from mlorch.report.tally import CACHED, DONE, Tally, number, outcome_of, steps_of, whole
from mlorch.values import dataclass

GLYPHS = {"succeeded": "ok"}
SHOWN_CAUSES = 3
COLORS = {"succeeded": "green", "failed": "red", "blocked": "yellow", "cancelled": "yellow"}


@dataclass
class Running:
    """One attempt that is under way."""

    instance: str
    step: str
    since: float
    """On the monotonic clock."""
    text: str = ""
    """Why it runs, or which attempt it is."""
    log: str = ""


@dataclass
class StepState:
    """One step that may run."""

    instances: int = 1
    ahead: int = 0
    """Instances that may run and have not ended."""
    seconds: Optional[float] = None
    """Expected, of one instance; None without history."""
    upstream: Tuple[str, ...] = ()
    open: bool = False
    """Its instances are not known yet."""
    done: int = 0
    ended: Dict[str, int] = field(default_factory=dict)
    """Outcome -> instances."""
    took: float = 0.0
    since: Optional[float] = None
    running: Set[str] = field(default_factory=set)

    @property
    def folded(self) -> bool:
        """Whether its instances share a line."""
        return self.instances > FOLD


@dataclass(frozen=True)
class Line:
    """A line that scrolls away: its parts, to be laid out for the width of the moment."""

    mark: str
    name: str
    text: str
    right: str = ""
    color: str = ""
    below: str = ""
    """A further line: what a failed step said."""


class Board:
    """Takes events, in the order in which they came; gives lines."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.jobs = 1
        self.began = 0.0
        self.failed = 0
        self.widest = 0
        """Letters of the longest name that will have a line."""
        self.steps: Dict[str, StepState] = {}
        self.running: Dict[str, Running] = {}
        self._cached: List[Tuple[str, float]] = []

    def start(self, event: Event, now: float) -> None:
        """`run.started`."""
        self.tally.take(event)
        self.began = now
        self.jobs = max(1, whole(event.data.get("jobs")))
        self.widest = whole(event.data.get("widest"))
        for step, entry in steps_of(event.data).items():
            seconds = entry.get("seconds")
            upstream = entry.get("upstream")
            self.steps[step] = StepState(
                max(1, whole(entry.get("instances"))),
                whole(entry.get("run")),
                float(seconds) if isinstance(seconds, (int, float)) else None,
                tuple(str(item) for item in upstream) if isinstance(upstream, (list, tuple)) else (),
                bool(entry.get("open")),
            )

    def take(self, event: Event, now: float) -> List[Line]:
        """Any other event of a step; returns the lines that have become due."""
        self.tally.take(event)
        if event.kind == CACHED:
            self._cached.extend(event.data["steps"])
            return []
        state = self.steps.setdefault(event.step, StepState())
        self._size(state, event.data)
        if event.kind == "step.started":
            return self._started(event, state, now)
        running = self.running.pop(event.instance, None)
        state.running.discard(event.instance)
        if event.kind == "step.retried":
            return [*self.flush(), Line("again", event.instance, retried_text(event.data), "", "yellow")]
        if event.kind not in DONE:
            return []
        return self._ended(event, state, running is not None)

    def _size(self, state: StepState, data: Mapping[str, Value]) -> None:
        size = whole(data.get("instances"))
        if state.open and size:
            state.open, state.instances = False, size
            state.ahead = size - state.done

    def _started(self, event: Event, state: StepState, now: float) -> List[Line]:
        state.since = now if state.since is None else state.since
        state.running.add(event.instance)
        attempt = whole(event.data.get("attempt"))
        text = f"attempt {attempt}" if attempt > 1 else reasons_text(event.data)
        log = str(event.data.get("log") or "")
        self.running[event.instance] = Running(event.instance, event.step, now, text, log)
        return self.flush()

    def _ended(self, event: Event, state: StepState, ran: bool) -> List[Line]:
        data, outcome = event.data, outcome_of(event)
        state.done += 1
        state.ahead = max(0, state.ahead - 1)
        state.ended[outcome] = state.ended.get(outcome, 0) + 1
        state.took += number(data.get("seconds")) if ran else 0.0
        if outcome == "failed":
            self.failed += not data.get("tolerated")
        elif outcome == "cached":
            self._cached.append((event.instance, number(data.get("saved"))))
            return []
        if state.folded:
            own = [_line(event, outcome)] if outcome == "failed" else []
            return [*self.flush(), *own] + (
                [folded_line(event.step, state)] if state.done >= state.instances else []
            )
        return [*self.flush(), _line(event, outcome)]

    def flush(self) -> List[Line]:
        """Cached steps come many at once: a few get their lines, many share one."""
        waiting, self._cached = self._cached, []
        if len(waiting) > FOLD:
            saved = sum(seconds for _, seconds in waiting)
            return [Line("cached", f"{len(waiting)} steps", "cached", _saved(saved))]
        return [Line("cached", name, "cached", _saved(seconds)) for name, seconds in waiting]

    def drop_cached(self) -> None:
        """A run that only looked has no lines."""
        self._cached.clear()

    @property
    def at_work(self) -> int:
        """How many run: others that began have ended, and are being recorded."""
        return min(len(self.running), self.jobs)

    @property
    def waiting(self) -> int:
        return max(0, self.tally.total - self.tally.done - len(self.running))


def reasons_text(data: Mapping[str, Value]) -> str:
    """Why it runs, in a few words."""
    reasons = data.get("reasons") or ()
    found = [item for item in reasons if isinstance(item, Mapping)]
    texts = ["first run" if item.get("kind") == "new" else str(item.get("text", "")) for item in found]
    texts = [text for text in texts if text]
    return more_text(texts) if texts else ""


def folded_line(step: str, state: StepState) -> Line:
    """`✓ train ×240   237 ran, 3 cached   12m`."""
    words = {"succeeded": "ran"}
    text = ", ".join(f"{count} {words.get(name, name)}" for name, count in state.ended.items())
    bad = next((name for name in ("failed", "blocked", "cancelled") if state.ended.get(name)), "succeeded")
    right = seconds_text(state.took) if state.took else ""
    return Line(GLYPHS.get(bad, bad), f"{step} ×{state.instances}", text, right, COLORS[bad])


def _line(event: Event, outcome: str) -> Line:
    data = event.data
    right = seconds_text(number(data.get("seconds"))) if data.get("seconds") else ""
    text = outcome
    below = ""
    if outcome == "succeeded":
        text = reasons_text(data) or "ran"
    elif outcome == "failed":
        text = str(data.get("error") or "failed").split("\n", 1)[0]
        text += " (tolerated)" if data.get("tolerated") else ""
        below = str(data.get("log") or "") if whole(data.get("attempts")) and not data.get("record") else ""
    elif data.get("causes"):
        causes = [str(cause) for cause in data["causes"]]
        verb = (
            "blocked by" if outcome == "blocked" else f"{outcome}, as {'is' if len(causes) == 1 else 'are'}"
        )
        rest = f" and {len(causes) - SHOWN_CAUSES} more" if len(causes) > SHOWN_CAUSES else ""
        text = f"{verb} {', '.join(causes[:SHOWN_CAUSES])}{rest}"
    return Line(GLYPHS.get(outcome, outcome), event.instance, text, right, COLORS.get(outcome, "dim"), below)


def _saved(seconds: float) -> str:
    return saved_text(seconds).strip(" ()")
