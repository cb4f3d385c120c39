"""The records behind what a run tells."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from mlorch.history.detail import RunView, StepView, view_run
from mlorch.history.runs import resolve_run
from mlorch.model import Record
from mlorch.ports import Store


def record_of(store: Store, run: str, pipeline: str, instance: str) -> Optional[Record]:
    """The record that a run made or used for an instance of a pipeline; None where it has none any more.

    Raises UsageError for a run that is not there.
    """
    steps = [step for step in view_run(store, resolve_run(store, run)).steps if step.instance == instance]
    return record_behind(store, pipeline, steps[0]) if steps else None


def record_behind(store: Store, pipeline: str, step: StepView) -> Optional[Record]:
    """The record that a step made or used; None where it has none any more."""
    if not step.record:
        return None
    latest = store.latest(pipeline, step.instance)  # mostly it is this one, and those are found all at once
    return latest if latest is not None and latest.id == step.record else store.record(step.record)


def with_reproductions(store: Store, view: RunView) -> RunView:
    """A run with what the records of its steps keep of being executed again: few have something, and only those are
    read."""
    known = store.reproduced()
    steps = []
    for step in view.steps:
        record = record_behind(store, view.info.pipeline, step) if step.record in known else None
        steps.append(replace(step, reproduced=record.reproduced) if record is not None else step)
    return replace(view, steps=tuple(steps))
