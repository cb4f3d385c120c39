"""Outcomes as the data of events: what run files, `--progress jsonl` and history verbs read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Dict, List, Mapping

from mlorch.digest import tag_floats
from mlorch.model import Artifact, Instance, Outcome, Pipeline, Reason, Value
from mlorch.plan.command import plain_value
from mlorch.plan.params import param, referred_params


def outcome_data(outcome: Outcome, instance: Instance, pipeline: Pipeline) -> Dict[str, Value]:
    """All that is worth keeping of how an instance ended; empty fields are left out."""
    names = (*instance.step.params, *referred_params(instance.step))
    data: Dict[str, Any] = {
        "outcome": outcome.outcome,
        "seconds": round(outcome.seconds, 6),
        "saved": round(outcome.saved, 6),
        "attempts": outcome.attempts,
        "exit_code": outcome.exit_code,
        "error": outcome.error,
        "hint": outcome.hint,
        "log": outcome.log,
        "command": outcome.command,
        "record": outcome.record,
        "reasons": reason_data(outcome.reasons),
        "axes": tag_floats(plain_value(instance.axes)),
        "params": tag_floats({name: plain_value(param(pipeline.params, name)) for name in names}),
        "outputs": {name: artifact_data(item) for name, item in outcome.outputs.items()},
        "metrics": tag_floats(dict(outcome.metrics)),
        "causes": list(outcome.causes),
        "warnings": list(outcome.warnings),
        "tolerated": outcome.tolerated,
        "peak_rss": outcome.peak_rss,
        "cpu_seconds": round(outcome.cpu_seconds, 6),
        "undeclared": list(outcome.undeclared),
        "restored": list(outcome.restored),
        "checks": tag_floats([asdict(check) for check in outcome.checks]),
    }
    kept = {name: value for name, value in data.items() if value not in (None, "", 0, 0.0, [], {}, False)}
    if outcome.exit_code == 0:
        kept["exit_code"] = 0
    return kept


def reason_data(reasons: Any) -> List[Mapping[str, Value]]:
    return [_reason(item) for item in reasons]


def _reason(reason: Reason) -> Mapping[str, Value]:
    return {
        "kind": reason.kind,
        "name": reason.name,
        "old": tag_floats(reason.old),
        "new": tag_floats(reason.new),
        "text": reason.text,
    }


def artifact_data(artifact: Artifact) -> Dict[str, Value]:
    content = artifact.content
    return {
        "path": artifact.path,
        "digest": content.digest,
        "bytes": content.bytes,
        "kind": content.kind,
        "executable": content.executable,
        "stored": artifact.stored,
    }
