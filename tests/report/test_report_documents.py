"""Each document is valid under its schema, strict JSON, and holds what it was made of."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Dict

import jsonschema
import pytest
from report_cases import EVENTS, PROBLEMS
from report_fakes import (
    digest_of,
    make_artifact,
    make_decision,
    make_outcome,
    make_plan,
    make_record,
    make_summary,
)

from mlorch.model import UNKNOWN, Cause, Explanation, Manifest, Reason, Row
from mlorch.report.documents import (
    key_parts,
    plan_document,
    run_document,
    validate_document,
    why_document,
)
from mlorch.report.graph import graph_document, view
from mlorch.report.lines import JsonLinesListener
from mlorch.report.plainjson import iso_time, line, plain

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def plan_example() -> Dict[str, Any]:
    decisions = [
        make_decision("load", "cached"),
        make_decision("train@1", "run", reasons=(Reason("param", "x", UNKNOWN, float("nan")),), seconds=2.0),
        make_decision("select", "cached", reasons=(Reason("check", text="auc is low"),)),
        make_decision("publish", "blocked", causes=("select",)),
    ]
    return plan_document(make_plan(decisions, {"train@1": ("load",)}, seconds=2.0, moved=("a\udcff",)))


def run_example() -> Dict[str, Any]:
    outcomes = [
        make_outcome("load", "cached", saved=1.5, outputs={"raw": make_artifact("raw.csv")}),
        make_outcome("train@1", "failed", exit_code=1, error="exit 1", log="l", attempts=2, tolerated=True),
        make_outcome("late", "blocked", causes=("train@1",), metrics={"auc": float("nan"), "n": 3, "s": "x"}),
    ]
    return run_document(make_summary(outcomes))


def why_example() -> Dict[str, Any]:
    rows = [Row("param", "window", 7), Row("code", "a.py", digest_of("1")), Row("input", "x", UNKNOWN)]
    record = make_record("a", rows=[Row("param", "window", 14), Row("env", "A", "b")])
    first = make_decision("a", "run", rows=rows)
    cause = Cause("x@1", "x", (Reason("param", "window", 7, 14),), ("x@1", "a"), "51b20c")
    answers = [
        Explanation(first, record, (cause,)),
        Explanation(make_decision("b@1", "run"), None, (), ("b.py",)),
    ]
    return why_document(answers)


def validate_example() -> Dict[str, Any]:
    return validate_document(PROBLEMS, ["mlorch.yaml"])


def graph_example() -> Dict[str, Any]:
    decisions = [make_decision("load", "cached"), make_decision("t@1", "run"), make_decision("t@2", "maybe")]
    return graph_document(view(make_plan(decisions, {"t@1": ("load",)}), states={"t@1": "failed"}))


EXAMPLES = {
    "plan": plan_example,
    "run": run_example,
    "why": why_example,
    "validate": validate_example,
    "graph": graph_example,
}


def schema_of(name: str) -> Dict[str, Any]:
    schema: Dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


@pytest.mark.parametrize("name", sorted([*EXAMPLES, "event"]))
def test_schemas_are_strict_everywhere(name: str) -> None:
    schema = schema_of(name)
    jsonschema.Draft7Validator.check_schema(schema)

    def look(part: Any) -> None:
        if isinstance(part, dict):
            if "properties" in part and part.get("type") != "string":
                assert part["additionalProperties"] is False
            for item in part.values():
                look(item)

    look(schema)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_document_fits_its_schema(name: str) -> None:
    text = line(EXAMPLES[name]())
    assert text.isascii()
    document = json.loads(text, parse_constant=lambda word: pytest.fail(f"not JSON: {word}"))
    jsonschema.Draft7Validator(schema_of(name)).validate(document)
    assert document["schema"] == f"mlorch.{name}/1"


def test_events_fit_their_schema() -> None:
    stream = io.StringIO()
    listener = JsonLinesListener(stream)
    for event in EVENTS:
        listener(event)
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(EVENTS)
    for text in lines:
        jsonschema.Draft7Validator(schema_of("event")).validate(json.loads(text))


def test_an_event_that_is_no_json_is_still_a_line() -> None:
    stream = io.StringIO()
    JsonLinesListener(stream)(type(EVENTS[0])("step.cached", 0.0, "r", "a", "a", {"x": object()}))
    document = json.loads(stream.getvalue())
    assert "fault" in document["data"]


def test_run_document_has_what_the_interface_promises() -> None:
    step = run_example()["steps"][0]
    assert step["instance"] is None
    assert step["outputs"] == {"raw": {"path": "raw.csv", "digest": digest_of("c"), "bytes": 2048}}
    assert run_example()["steps"][1]["instance"] == "train@1"
    assert run_example()["steps"][2]["metrics"]["auc"] == {"$float": "nan"}
    assert run_example()["totals"]["blocked"] == 1


def test_a_check_that_does_not_hold_is_failed_in_a_plan() -> None:
    assert [step["action"] for step in plan_example()["steps"]] == ["cached", "run", "failed", "blocked"]
    assert plan_example()["steps"][1]["reasons"][0]["old"] is None


def test_key_parts_tell_states_apart() -> None:
    old = Manifest(
        (Row("code", "a.py", "1"), Row("param", "x", 1), Row("param", "y", 1), Row("param", "z", 1))
    )
    new = Manifest(
        (Row("code", "?", UNKNOWN), Row("param", "x", 1), Row("param", "y", True), Row("param", "w", 1))
    )
    states = {(kind, name): state for kind, name, state, _, _ in key_parts(old, new)}
    assert states == {
        ("code", "a.py"): "unknown",
        ("param", "w"): "added",
        ("param", "x"): "same",
        ("param", "y"): "changed",
        ("param", "z"): "removed",
    }


def test_plain_values() -> None:
    assert plain({"a": (1, {"b", "a"}), 3: UNKNOWN}) == {"a": [1, ["a", "b"]], "3": None}
    assert iso_time(0.25) == "1970-01-01T00:00:00.250Z"
    assert iso_time(None) is None
