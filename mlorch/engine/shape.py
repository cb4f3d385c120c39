"""What a run keeps of its pipeline: enough to draw its graph later, when the file may say something else."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable

from mlorch.model import Instance, Pipeline
from mlorch.plan.graph import Graph

FILE = "shape.json"
SCHEMA = "mlorch.shape/1"


def shape_text(pipeline: Pipeline, graph: Graph, instances: Iterable[Instance]) -> str:
    """The document `shape.json` of a run's folder: the steps of the run, upstream first, with the edges between
    them, however many instances each of them has."""
    counts: Dict[str, int] = {}
    for instance in instances:
        counts[instance.step.id] = counts.get(instance.step.id, 0) + instance.known
    steps: Dict[str, Any] = {}
    for name in graph.order:
        if name not in counts:
            continue
        step = pipeline.steps[name]
        part = {
            "upstream": [other for other in graph.upstream(name) if other in counts],
            "instances": counts[name],
            "matrix": step.matrix is not None,
            "place": f"{step.place.file}:{step.place.line}",
            "description": step.description,
            "report": list(step.report),
            "tags": list(step.tags),
        }
        steps[name] = {key: value for key, value in part.items() if value or key == "upstream"}
    document = {
        "schema": SCHEMA,
        "description": pipeline.description,
        "owner": pipeline.owner,
        "steps": steps,
    }
    return json.dumps(document, separators=(",", ":")) + "\n"
