"""The `--json` documents of verbs that look at a pipeline or run it; `schemas/` has a schema for each.

Times are UTC ISO-8601, durations seconds, what is not known null, NaN tagged as {"$float": "nan"}.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from mlorch.model import (
    UNKNOWN,
    Artifact,
    Decision,
    Explanation,
    Manifest,
    Outcome,
    Plan,
    Problem,
    Reason,
    RunSummary,
)
from mlorch.report.frames import to_json
from mlorch.report.plainjson import iso_time, plain
from mlorch.report.plans import action_totals, shown_action
from mlorch.report.reasons import sentence
from mlorch.report.reproduced import reproduced_part

Document = Dict[str, Any]


def plan_document(plan: Plan) -> Document:
    """`mlorch.plan/1`."""
    return {
        "schema": "mlorch.plan/1",
        "pipeline": plan.pipeline.file,
        "name": plan.pipeline.name,
        "steps": [_planned(item, plan.edges.get(item.instance.name, ())) for item in plan.decisions],
        "totals": action_totals(plan),
        "seconds": plan.seconds,
        "complete": plan.complete,
        "warnings": list(plan.warnings),
        "moved": list(plan.moved),
        "kept": list(plan.kept),
    }


def _planned(decision: Decision, upstream: Sequence[str]) -> Document:
    return {
        "step": decision.instance.step.id,
        "instance": _instance(decision.instance.name, decision.instance.step.id),
        "axes": plain(decision.instance.axes),
        "action": shown_action(decision),
        "reasons": [reason_document(reason) for reason in decision.reasons],
        "seconds": decision.seconds,
        "saves": decision.record.seconds if decision.action == "cached" and decision.record else None,
        "causes": list(decision.causes),
        "upstream": list(upstream),
    }


def _instance(name: str, step: str) -> Optional[str]:
    return name if name != step else None


def reason_document(reason: Reason) -> Document:
    return {
        "kind": reason.kind,
        "name": reason.name,
        "old": plain(reason.old),
        "new": plain(reason.new),
        "text": sentence(reason),
    }


def run_document(summary: RunSummary) -> Document:
    """`mlorch.run/1`."""
    return {
        "schema": "mlorch.run/1",
        "run": summary.run,
        "pipeline": summary.pipeline.file,
        "name": summary.pipeline.name,
        "seconds": summary.seconds,
        "exit_code": summary.exit_code,
        "steps": [_step(outcome) for outcome in summary.outcomes],
        "totals": summary.totals(),
        "warnings": list(summary.warnings),
        "store": {"bytes": summary.store_bytes, "reclaimable": summary.reclaimable_bytes},
    }


def _step(outcome: Outcome) -> Document:
    return {
        "step": outcome.step,
        "instance": _instance(outcome.instance, outcome.step),
        "outcome": outcome.outcome,
        "reasons": [reason_document(reason) for reason in outcome.reasons],
        "seconds": outcome.seconds,
        "saved": outcome.saved,
        "attempts": outcome.attempts,
        "exit_code": outcome.exit_code,
        "error": outcome.error,
        "hint": outcome.hint,
        "tolerated": outcome.tolerated,
        "causes": list(outcome.causes),
        "warnings": list(outcome.warnings),
        "log": outcome.log or None,
        "restored": list(outcome.restored),
        "outputs": {name: _output(artifact) for name, artifact in outcome.outputs.items()},
        "metrics": plain(outcome.metrics),
    }


def _output(artifact: Artifact) -> Document:
    content = artifact.content
    return {"path": artifact.path, "digest": content.digest, "bytes": content.bytes}


# ----------------------------------------------------------------------------------------------------- why


Rows = Mapping[Tuple[str, str], Any]
Part = Tuple[str, str, str, Any, Any]
"""Kind, name, state (`same changed added removed unknown`), old value, new value."""


def why_document(answers: Iterable[Explanation]) -> Document:
    """`mlorch.why/1` of decisions, each with the record that it is compared with."""
    return {"schema": "mlorch.why/1", "instances": [_why(answer) for answer in answers]}


def _why(answer: Explanation) -> Document:
    decision, record = answer.decision, answer.previous
    now = decision.invocation.manifest if decision.invocation is not None else None
    parts = key_parts(record.manifest if record is not None else None, now)
    return {
        "step": decision.instance.step.id,
        "instance": _instance(decision.instance.name, decision.instance.step.id),
        "action": shown_action(decision),
        "reasons": [reason_document(reason) for reason in decision.reasons],
        "compared_with": None
        if record is None
        else {
            "run": record.run,
            "record": record.id,
            "started": iso_time(record.started),
            "undeclared": list(record.undeclared),
            "reproduced": reproduced_part(record.reproduced),
        },
        "parts": [
            {"kind": kind, "name": name, "state": state, "old": plain(old), "new": plain(new)}
            for kind, name, state, old, new in parts
        ],
        "causes": [
            {
                "instance": cause.instance,
                "step": cause.step,
                "run": cause.run or None,
                "reasons": [reason_document(reason) for reason in cause.reasons],
                "path": list(cause.path),
            }
            for cause in answer.causes
        ],
        "touched": list(answer.touched),
    }


def key_parts(old: Optional[Manifest], new: Optional[Manifest]) -> List[Part]:
    """Every part of two keys, sorted by kind and name. What upstream has yet to decide is `unknown`."""
    before: Rows = old.as_mapping() if old is not None else {}
    after: Rows = new.as_mapping() if new is not None else {}
    # The binder writes one row `?` for parts of a kind that it can't even name yet.
    open_kinds = {kind for kind, name in after if name == "?"}
    found: List[Part] = []
    for kind, name in sorted({*before, *after}):
        if name == "?":
            continue
        state = _state((kind, name), before, after)
        if state == "removed" and kind in open_kinds:
            state = "unknown"
        found.append((kind, name, state, before.get((kind, name)), after.get((kind, name))))
    return found


def _state(part: Tuple[str, str], before: Rows, after: Rows) -> str:
    if UNKNOWN in (before.get(part), after.get(part)):
        return "unknown"
    if part not in before:
        return "added"
    if part not in after:
        return "removed"
    one, other = before[part], after[part]
    return "same" if one == other and type(one) is type(other) else "changed"


# ------------------------------------------------------------------------------------------------ validate


def validate_document(problems: Sequence[Problem], files: Sequence[str]) -> Document:
    """`mlorch.validate/1`; `files` are the sources that were read, as they are named to people."""
    return {
        "schema": "mlorch.validate/1",
        "valid": not any(problem.severity == "error" for problem in problems),
        "files": list(files),
        "problems": to_json(problems),
    }
