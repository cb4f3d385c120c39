"""The records behind what a run tells."""

from __future__ import annotations

from typing import Optional

from mlorch.history.detail import view_run
from mlorch.history.runs import resolve_run
from mlorch.model import Record
from mlorch.ports import Store


def record_of(store: Store, run: str, pipeline: str, instance: str) -> Optional[Record]:
    """The record that a run made or used for an instance of a pipeline; None where it has none any more.

    Raises UsageError for a run that is not there.
    """
    steps = [step for step in view_run(store, resolve_run(store, run)).steps if step.instance == instance]
    latest = store.latest(pipeline, instance)
    if not steps or not steps[0].record or latest is None:
        return None
    candidates = [latest, *store.family(latest.family, limit=1000)]
    return next((record for record in candidates if record.id == steps[0].record), None)
