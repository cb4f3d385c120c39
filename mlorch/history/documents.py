"""The JSON documents of the history verbs; their schemas are in `schemas/`. Times are UTC, ISO-8601."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from mlorch.history.artifacts import Made
from mlorch.history.compare import Comparison
from mlorch.history.detail import RunView, StepView
from mlorch.history.logs import Log
from mlorch.ports import RunInfo
from mlorch.report.plainjson import iso_time
from mlorch.report.reproduced import reproduced_part

Document = Dict[str, Any]


def runs_document(runs: Sequence[RunInfo]) -> Document:
    return {"schema": "mlorch.runs/1", "runs": [run_part(run) for run in runs]}


def run_part(run: RunInfo) -> Document:
    return {
        "id": run.id,
        "pipeline": run.pipeline,
        "name": run.name,
        "started": iso_time(run.started),
        "seconds": run.seconds,
        "status": run.status,
        "totals": dict(run.totals),
        "meta": dict(run.meta),
    }


def show_document(view: RunView) -> Document:
    return {
        "schema": "mlorch.show/1",
        "run": run_part(view.info),
        "steps": [step_part(step) for step in view.steps],
        "warnings": list(view.warnings),
    }


def step_part(step: StepView) -> Document:
    """As in `run --json`, with what only the past knows."""
    return {
        "step": step.step,
        "instance": step.instance if step.instance != step.step else None,
        "outcome": step.outcome,
        "reasons": [dict(reason) if isinstance(reason, dict) else reason for reason in step.reasons],
        "started": iso_time(step.started),
        "seconds": step.seconds,
        "saved": step.saved,
        "attempts": step.attempts,
        "exit_code": step.exit_code,
        "error": step.error,
        "hint": step.hint,
        "tolerated": step.tolerated,
        "causes": list(step.causes),
        "warnings": list(step.warnings),
        "log": step.log or None,
        "params": dict(step.params),
        "axes": dict(step.axes),
        "outputs": {
            name: {"path": output.path, "digest": output.digest, "bytes": output.bytes}
            for name, output in step.outputs.items()
        },
        "metrics": dict(step.metrics),
        "undeclared": list(step.undeclared),
        "reproduced": reproduced_part(step.reproduced),
    }


def compare_document(comparison: Comparison, condition: Optional[str], failed: Optional[bool]) -> Document:
    return {
        "schema": "mlorch.compare/1",
        "columns": [
            {"name": column.name, "run": column.run, "instance": column.instance or None}
            for column in comparison.columns
        ],
        "rows": [
            {
                "kind": row.kind,
                "name": row.name,
                "values": list(row.values),
                "changed": row.changed,
                "difference": row.difference,
                "goal": row.goal or None,
                "best": list(row.best),
            }
            for row in comparison.rows
        ],
        "fail_if": condition,
        "failed": failed,
    }


def artifacts_document(run: str, artifacts: Sequence[Made]) -> Document:
    parts: List[Document] = [artifact_part(item) for item in artifacts]
    return {"schema": "mlorch.artifacts/1", "run": run, "artifacts": parts}


def artifact_part(made: Made) -> Document:
    return {
        "name": made.name,
        "run": made.run,
        "step": made.step,
        "instance": made.instance,
        "output": made.output.name,
        "outcome": made.outcome,
        "path": made.output.path,
        "digest": made.output.digest,
        "kind": made.output.kind,
        "bytes": made.output.bytes,
        "available": made.available,
    }


def get_document(made: Made, path: str) -> Document:
    return {"schema": "mlorch.get/1", "artifact": artifact_part(made), "written": path}


def logs_document(run: str, logs: Sequence[Log], texts: Sequence[str]) -> Document:
    parts = [
        {
            "step": log.step,
            "instance": log.instance if log.instance != log.step else None,
            "attempt": log.attempt,
            "run": log.run,
            "path": log.path,
            "bytes": log.bytes,
            "text": text,
        }
        for log, text in zip(logs, texts)
    ]
    return {"schema": "mlorch.logs/1", "run": run, "logs": parts}
