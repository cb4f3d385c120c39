"""A run that looks only at the steps for which something changed: all others stand as they were remembered, and are told
and recorded as a whole look would have.

What may be taken as remembered is known at the level of steps: those with other answers, and all below them, are decided
as ever, over a pipeline that holds only them and what lies above them. Whatever could reach further takes the long path.
"""

from __future__ import annotations

import json
from array import array
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from mlorch.errors import SpecError
from mlorch.model import Beside, Decision, Event, Instance, Outcome, Result, RunSummary
from mlorch.store.answers import frozen, thawed
from mlorch.values import dataclass

if TYPE_CHECKING:
    from mlorch.app import Loaded, Request
    from mlorch.ports import Listener, Store
    from mlorch.session import DryRun, Session
    from mlorch.store.answers import Answer

WHEN = b"\0"
"""Stands in an event for its time and run: JSON in ASCII has no such byte."""


class Unsuited(Exception):
    """Only a look at everything can tell what is to be done."""


class Row(NamedTuple):
    """An instance that had nothing to do."""

    instance: str
    step: int
    """Its place among the steps."""
    cached: bool
    """Else it was skipped."""
    key: str = ""
    record: str = ""
    seconds: float = 0.0
    metrics: Mapping[str, Any] = {}
    causes: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """Which steps are looked at, and what is known of the others."""

    wanted: FrozenSet[str]
    """Decided afresh: what changed, and all below."""
    needed: FrozenSet[str]
    """These, and all above them: what their expressions and their code may refer to."""
    steps: Sequence[str]
    """All of them, upstream first."""
    upstream: Sequence[Sequence[int]]
    rows: Mapping[str, Row]
    """Every instance, in the pipeline's order."""
    outputs: Mapping[str, str]
    """Path -> the step that declares it."""
    started: Mapping[str, Any]
    shape: str
    events: bytes
    """A line for each instance, as `steady.parts_of_run` made them."""
    line_steps: Sequence[int]

    def result(self, store: Store, instance: Instance) -> Result:
        """How an instance that is not looked at ended. Raises Unsuited where its record has gone."""
        from mlorch.engine.decider import plain_metrics

        row = self.rows.get(instance.name)
        if row is None:
            raise Unsuited
        if not row.cached:
            return Result(instance, "skipped", causes=row.causes)
        for record in store.records(row.key):
            if record.id == row.record:
                return Result(instance, "succeeded", record.outputs, plain_metrics(record))
        raise Unsuited

    def producer(self, path: str) -> Optional[str]:
        """The step that declares a path, or a folder around it."""
        while path:
            if path in self.outputs:
                return self.outputs[path]
            path = path.rpartition("/")[0]
        return None

    def others(self) -> List[Row]:
        """The instances that are not looked at."""
        wanted = {number for number, step in enumerate(self.steps) if step in self.wanted}
        return [row for row in self.rows.values() if row.step not in wanted]

    def lines(self, run: str, now: float) -> bytes:
        """Their events, for the run's file."""
        wanted = {number for number, step in enumerate(self.steps) if step in self.wanted}
        rows = self.events.split(b"\n")
        kept = [line for line, step in zip(rows, self.line_steps) if step not in wanted]
        when = b'"time":%s,"run":"%s"' % (repr(now).encode("ascii"), run.encode("ascii"))
        return b"".join(line + b"\n" for line in kept).replace(WHEN, when)

    def shown(self, run: str, now: float) -> List[Event]:
        """The same for listeners: one event for all that are cached, one for each that is skipped."""
        others = self.others()
        cached = [(row.instance, row.seconds) for row in others if row.cached]
        events = [Event("steps.cached", now, run, data={"steps": cached})] if cached else []
        for row in others:
            if not row.cached:
                data = {"outcome": "skipped", "causes": list(row.causes)}
                events.append(Event("step.skipped", now, run, row.instance, self.steps[row.step], data))
        return events

    def beside(self) -> Beside:
        """What is not looked at, for the summary."""
        others = self.others()
        cached = sum(row.cached for row in others)
        measured = tuple(
            Outcome(row.instance, self.steps[row.step], "cached", saved=row.seconds, metrics=row.metrics)
            for row in others
            if row.metrics
        )
        return Beside(cached, len(others) - cached, sum(row.seconds for row in others), measured)

    def edges(self) -> Dict[str, Tuple[str, ...]]:
        return {
            step: tuple(self.steps[number] for number in above)
            for step, above in zip(self.steps, self.upstream)
        }


def part_of(answer: Answer) -> Optional[Part]:
    """What is to be looked at; None where that is everything, or can't be told."""
    parts = answer.parts
    if not parts.get("partly") or parts["gpus"] is not None:
        return None
    known = thawed(parts["partly"])
    steps: List[str] = known["steps"]
    wanted = _closure(answer.touched, steps, _below(known["upstream"]))
    if wanted is None or len(wanted) == len(steps):
        return None
    needed = _closure(wanted, steps, known["upstream"])
    assert needed is not None
    line_steps = array("I")
    line_steps.frombytes(parts["line_steps"])
    return Part(
        wanted,
        needed,
        steps,
        known["upstream"],
        {row[0]: Row(*row) for row in known["rows"]},
        known["outputs"],
        json.loads(parts["started"]),
        parts["shape"].decode("utf-8"),
        parts["events"],
        line_steps,
    )


def _below(upstream: Sequence[Sequence[int]]) -> List[List[int]]:
    below: List[List[int]] = [[] for _ in upstream]
    for number, above in enumerate(upstream):
        for other in above:
            below[other].append(number)
    return below


def _closure(
    start: Iterable[str], steps: Sequence[str], neighbours: Sequence[Sequence[int]]
) -> Optional[FrozenSet[str]]:
    """What can be reached, `start` too; None where that names a step that there is not."""
    numbers = {step: number for number, step in enumerate(steps)}
    waiting = [numbers.get(step, -1) for step in start]
    if -1 in waiting:
        return None
    found: Set[int] = set()
    while waiting:
        number = waiting.pop()
        if number not in found:
            found.add(number)
            waiting.extend(neighbours[number])
    return frozenset(steps[number] for number in found)


# -------------------------------------------------------------------------------------------------------- remembering


def remembered(session: Session, dry: DryRun) -> Optional[bytes]:
    """What the next run needs to look only at a part; None for a pipeline of which one part can't be told from the rest:
    an effect is one for all, and what is known only when others are done can reach anything."""
    part = session.part
    steps = part.steps if part is not None else session.graph.order
    if part is None and not _is_static(session):
        return None
    numbers = {step: number for number, step in enumerate(steps)}
    rows = {item.instance.name: _row(item, numbers[item.instance.step.id]) for item in dry.decisions}
    if part is not None:
        rows = {name: rows.get(name, row) for name, row in part.rows.items()}
        upstream, outputs = part.upstream, part.outputs
    else:
        upstream = [[numbers[above] for above in session.graph.upstream(step)] for step in steps]
        declared = session.world.declared
        outputs = {
            path: step
            for step in steps
            for instance in session.static[step].instances
            for path in declared[instance.name].values()
        }
    try:
        return frozen(
            {
                "steps": list(steps),
                "upstream": [list(above) for above in upstream],
                "rows": [tuple(row) for row in rows.values()],
                "outputs": dict(outputs),
            }
        )
    except ValueError:
        return None  # a value that is no plain data


def _is_static(session: Session) -> bool:
    for step in session.pipeline.steps.values():
        if step.effect is not None or step.id not in session.static:
            return False
        if any(where == "outputs" for where, _ in session.references.of_step(step)):
            return False
        if not all(
            item.known and item.name in session.world.declared for item in session.static[step.id].instances
        ):
            return False
    return True


def _row(decision: Decision, step: int) -> Row:
    record = decision.record
    if decision.action != "cached" or record is None:
        return Row(decision.instance.name, step, False, causes=tuple(decision.causes))
    return Row(
        decision.instance.name, step, True, record.key, record.id, record.seconds, dict(record.metrics)
    )


# ------------------------------------------------------------------------------------------------------------- a run


def run_partly(request: Request, listeners: Sequence[Listener]) -> Optional[RunSummary]:
    """Run what is touched; None where everything has to be looked at: then nothing was done or told. Raises as
    `app.run`."""
    from mlorch import app
    from mlorch.steady import looking
    from mlorch.store import answers

    answer = request.answer
    part = part_of(answer) if answer is not None else None
    if answer is None or part is None or not answers.is_quiet(answer.store, answers.area_of(answer.root)):
        return None
    try:
        with looking(request.witness):
            loaded = app.read_pipeline(request, only=part.needed)
        if not loaded.remembered or set(loaded.pipeline.steps) != part.needed:
            return None
        return execute_part(loaded, request, listeners, part)
    except (Unsuited, SpecError):
        return None  # problems are told of the whole pipeline


def execute_part(loaded: Loaded, request: Request, listeners: Sequence[Listener], part: Part) -> RunSummary:
    """Raises Unsuited, and as `execute`."""
    from mlorch.app import Options
    from mlorch.execute import execute

    options = Options.of(request, loaded.settings)
    return execute(loaded.pipeline, loaded.settings, request.choice, options, listeners, part)
