"""What earlier runs tell for comparison: the record that an instance last had, and the metrics of the run before."""

from __future__ import annotations

import json
from typing import Dict, List, Mapping, Optional

from mlorch.model import Instance, Pipeline, Record, Value
from mlorch.ports import Store

RUNS_BACK = 5
"""How many runs back the last use of a record is looked for."""
FEW = 16
"""So many instances are looked for one by one; then the run files are read whole."""


class LastUsed:
    """The record that an instance had, executed or cached, in the newest run that knows of it: what a person compares
    with. Run files are read when first asked, and parsed whole only for many: one change of ten thousand is usual."""

    def __init__(self, store: Store, pipeline: str) -> None:
        self._store = store
        self._pipeline = pipeline
        self._runs: Optional[List[str]] = None
        self._ids: Optional[Dict[str, str]] = None
        self._asked = 0

    def __call__(self, instance: Instance) -> Optional[Record]:
        latest = self._store.latest(self._pipeline, instance.name)
        if latest is None:
            return None
        used = self._id(instance.name) or latest.id
        if used == latest.id:
            return latest
        return next((item for item in self._store.family(latest.family) if item.id == used), latest)

    def _id(self, instance: str) -> Optional[str]:
        self._asked += 1
        if self._ids is None and self._asked > FEW:
            self._ids = self._read("")
        if self._ids is not None:
            return self._ids.get(instance)
        return self._read('"instance":' + json.dumps(instance), instance).get(instance)

    def _read(self, having: str, instance: Optional[str] = None) -> Dict[str, str]:
        if self._runs is None:
            newest = self._store.runs(limit=RUNS_BACK)
            self._runs = [info.id for info in newest if info.pipeline == self._pipeline]
        found: Dict[str, str] = {}
        for run in self._runs:
            for event in self._store.events(run, having):
                if event.data.get("record"):
                    found.setdefault(event.instance, str(event.data["record"]))
            if instance in found:
                break
        return found


def previous_metrics(store: Store, pipeline: Pipeline) -> Optional[Mapping[str, Value]]:
    """`step.metric` -> value in the last run of this pipeline, single instances only."""
    found: Dict[str, Value] = {}
    for info in store.runs(limit=5):
        if info.pipeline != pipeline.file or info.status not in ("succeeded", "failed"):
            continue
        for event in store.events(info.id, having='"metrics":{'):
            if event.instance == event.step and event.data.get("metrics"):
                for name, value in event.data["metrics"].items():
                    found[f"{event.step}.{name}"] = value
        return found
    return None
