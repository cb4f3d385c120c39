"""What a report of a run shows, read from a store: see `mlorch.report.page`.

Everything comes from the run's own files, records and objects, so that the report of an old run says what was then.
"""

from __future__ import annotations

import json
import time
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from mlorch import __version__
from mlorch.digest import untag_floats
from mlorch.history.compare import flatten, goals_of
from mlorch.history.detail import RunView, StepView, fold
from mlorch.history.page_logs import LogReader
from mlorch.history.page_outputs import OutputReader
from mlorch.history.shapes import read_shape
from mlorch.model import Event, Reason, Value
from mlorch.ports import RunInfo, Store
from mlorch.report.page import limits
from mlorch.report.page.model import AttemptPart, CheckPart, InstancePart, Page, RunPart, StepPart, Trend
from mlorch.report.page.words import NEVER
from mlorch.report.reasons import sentence

WORST = ("failed", "blocked", "cancelled", "running")
"""Instances that are kept first where not all are."""


def page_of(store: Store, info: RunInfo) -> Page:
    """The page of a run; what its files no longer hold is missing, and said to be. Raises StoreError."""
    events = list(store.events(info.id))
    views, warnings = fold(events)
    view = RunView(info, tuple(views), tuple(warnings))
    shape = read_shape(store, info.id)
    meta = {name: value for name, value in info.meta.items() if isinstance(name, str)}
    runs = earlier_runs(store, info)
    trends, before = metrics_of(store, runs, view)
    collector = Collector(store, view, shape, before)
    steps = collector.steps()
    known = {step.id for step in steps}
    edges = [(source, step.id) for step in steps for source in step.upstream if source in known]
    notes = collector.notes()
    if not shape:
        notes.insert(0, "the run did not keep its graph: it was cut off, or an earlier mlorch made it")
    params = meta.pop("params", None)
    return Page(
        run=run_part(info),
        name=info.name,
        pipeline=info.pipeline,
        description=str(shape.get("description") or ""),
        owner=str(shape.get("owner") or ""),
        meta=meta,
        params=params if isinstance(params, Mapping) else {},
        steps=steps,
        edges=tuple(dict.fromkeys(edges)),
        attempts=attempts_of(events, info),
        trends=trends,
        runs=tuple(run_part(item) for item in runs),
        packages=packages_of(store, info, views),
        warnings=tuple(dict.fromkeys(view.warnings)),
        notes=tuple(notes),
        made=time.time(),
        version=__version__,
    )


def run_part(info: RunInfo) -> RunPart:
    commit = str(info.meta.get("commit") or "")
    totals = {name: count for name, count in info.totals.items() if isinstance(count, int)}
    return RunPart(
        info.id, info.started, info.seconds, info.status, totals, commit, bool(info.meta.get("dirty"))
    )


# ---------------------------------------------------------------------------------------------------- runs


def earlier_runs(store: Store, info: RunInfo) -> List[RunInfo]:
    """This run and those of the same pipeline before it, newest first."""
    same = [item for item in store.runs() if item.pipeline == info.pipeline and item.started <= info.started]
    rest = [item for item in same if item.id != info.id]
    return [info, *rest[: limits.RUNS - 1]]


def metrics_of(
    store: Store, runs: Sequence[RunInfo], view: RunView
) -> Tuple[Tuple[Trend, ...], Dict[str, Mapping[str, Value]]]:
    """(metrics of steps without a matrix over the runs, instance -> its metrics in the run before)."""
    current = metrics_by_instance(view.steps)
    past = [
        metrics_by_instance(fold(store.events(item.id))[0]) for item in runs[1:] if item.status != "running"
    ]
    before = next((found for found in past if found), {})
    oldest_first = [*reversed(past), current]
    trends = []
    for instance, metrics in current.items():
        if "@" in instance:
            continue
        for name in metrics:
            values = tuple(found.get(instance, {}).get(name) for found in oldest_first)
            goal = goals_of(view, instance).get(name, "")
            trends.append(Trend(f"{instance}.{name}", values, goal))
    return tuple(trends), before


def metrics_by_instance(views: Iterable[StepView]) -> Dict[str, Mapping[str, Value]]:
    return {item.instance: flatten(item.metrics) for item in views if item.metrics}


def packages_of(store: Store, info: RunInfo, views: Sequence[StepView]) -> Tuple[Tuple[str, str], ...]:
    """Name and version of what the steps use, as their keys have it: one record for each step tells."""
    found: Dict[str, Dict[str, None]] = {}
    seen = set()
    for item in views:
        if item.step in seen or not item.record:
            continue
        seen.add(item.step)
        record = store.latest(info.pipeline, item.instance)
        if record is not None and record.id != item.record:
            record = next((one for one in store.family(record.family) if one.id == item.record), None)
        for row in record.manifest.rows if record is not None else ():
            if row.kind in ("package", "interpreter"):
                name = row.name or row.kind
                found.setdefault(name, {})[
                    row.value if isinstance(row.value, str) else json.dumps(row.value)
                ] = None
    return tuple((name, " or ".join(versions)) for name, versions in sorted(found.items()))


# ------------------------------------------------------------------------------------------------ attempts


def attempts_of(events: Iterable[Event], info: RunInfo) -> Tuple[AttemptPart, ...]:
    """Every execution of the run, those that were retried too."""
    open_ones: Dict[str, Tuple[float, int]] = {}
    found: List[AttemptPart] = []
    last = info.started
    for event in events:
        last = max(last, event.time)
        if event.kind == "step.started":
            open_ones[event.instance] = (event.time, int(event.data.get("attempt") or 1))
        elif (
            event.kind in ("step.retried", "step.finished", "step.cancelled") and event.instance in open_ones
        ):
            started, number = open_ones.pop(event.instance)
            seconds = event.time - started
            own = event.data.get("seconds")
            if isinstance(own, (int, float)) and 0 < own < seconds:
                seconds = float(own)  # the event comes a little later, when the outputs are recorded
            outcome = (
                "failed" if event.kind == "step.retried" else str(event.data.get("outcome") or "succeeded")
            )
            found.append(AttemptPart(event.instance, number, started, max(0.0, seconds), outcome))
    for instance, (started, number) in open_ones.items():
        found.append(AttemptPart(instance, number, started, max(0.0, last - started), "running"))
    return tuple(found)


# --------------------------------------------------------------------------------------------------- steps


class Collector:
    """Makes the parts of all steps, within the limits of a page."""

    def __init__(
        self, store: Store, view: RunView, shape: Mapping[str, Any], before: Mapping[str, Mapping[str, Value]]
    ) -> None:
        self._view = view
        self._shape: Mapping[str, Any] = shape.get("steps") or {}
        self._before = before
        self._logs = LogReader(store, view)
        self._outputs = OutputReader(store)
        self._left = limits.ALL_INSTANCES
        self._dropped = 0

    def steps(self) -> Tuple[StepPart, ...]:
        """In the order of the graph; those that the run never came to have no instances."""
        members: Dict[str, List[StepView]] = {str(name): [] for name in self._shape}
        for item in self._view.steps:
            members.setdefault(item.step, []).append(item)
        self._logs.share([item for found in members.values() for item in self._chosen(found)])
        # failed steps first, so that theirs is what the limits leave
        order = sorted(members, key=lambda name: not any(item.outcome == "failed" for item in members[name]))
        made = {name: self._step(name, members[name]) for name in order}
        return tuple(made[name] for name in members)

    def notes(self) -> List[str]:
        found = self._outputs.notes()
        if self._dropped:
            found.append(f"{self._dropped} instances are counted, but not listed")
        return found

    def _chosen(self, found: Sequence[StepView]) -> List[StepView]:
        if len(found) <= limits.INSTANCES:
            return list(found)
        ranked = sorted(range(len(found)), key=lambda index: found[index].outcome not in WORST)
        return [found[index] for index in sorted(ranked[: limits.INSTANCES])]

    def _step(self, name: str, found: Sequence[StepView]) -> StepPart:
        about = self._shape.get(name)
        about = about if isinstance(about, Mapping) else {}
        report = texts(about.get("report"))
        chosen = self._chosen(found)[: max(0, self._left)]
        self._left -= len(chosen)
        self._dropped += len(found) - len(chosen)
        outcomes: Dict[str, int] = {}
        for item in found:
            outcomes[item.outcome] = outcomes.get(item.outcome, 0) + 1
        planned = about.get("instances")
        missing = (planned if isinstance(planned, int) else 1) - len(found)
        if about and missing > 0:
            outcomes[self._never()] = missing
        return StepPart(
            id=name,
            instances=tuple(self._instance(item, report) for item in chosen),
            upstream=texts(about.get("upstream")),
            matrix=bool(about.get("matrix")) or any("@" in item.instance for item in found),
            place=str(about.get("place") or ""),
            description=str(about.get("description") or ""),
            more=len(found) - len(chosen),
            goal=goals_of(self._view, name),
            outcomes=outcomes,
        )

    def _never(self) -> str:
        """What became of steps that wrote nothing: of a run that ended, they were held back."""
        return "cancelled" if self._view.info.status in ("failed", "cancelled") else NEVER

    def _instance(self, item: StepView, report: Sequence[str]) -> InstancePart:
        outputs = self._outputs.read(item, report)
        return InstancePart(
            name=item.instance,
            step=item.step,
            outcome=item.outcome,
            started=item.started,
            seconds=item.seconds,
            saved=item.saved,
            attempts=item.attempts,
            exit_code=item.exit_code,
            error=item.error,
            hint=item.hint,
            command=item.command,
            reasons=tuple(reason_text(reason) for reason in item.reasons),
            axes=item.axes,
            params=item.params,
            metrics=untag_floats(flatten(item.metrics)),
            before=self._before.get(item.instance, {}),
            checks=tuple(check_part(check) for check in item.checks),
            causes=item.causes,
            warnings=item.warnings,
            tolerated=item.tolerated,
            outputs=outputs.parts,
            previews=outputs.previews,
            history=outputs.history,
            log=self._logs.read(item),
            peak_rss=item.peak_rss,
            cpu_seconds=item.cpu_seconds,
            notes=outputs.notes,
        )


def check_part(found: Mapping[str, Value]) -> CheckPart:
    return CheckPart(
        str(found.get("source") or ""),
        bool(found.get("holds")),
        str(found.get("severity") or "error"),
        str(found.get("text") or ""),
    )


def reason_text(found: Mapping[str, Value]) -> str:
    parts = (found.get("kind"), found.get("name"), found.get("old"), found.get("new"), found.get("text"))
    kind, name, old, new, told = parts
    return sentence(Reason(str(kind or ""), str(name or ""), old, new, str(told or "")))


def texts(found: Any) -> Tuple[str, ...]:
    return tuple(str(item) for item in found) if isinstance(found, list) else ()
