"""`show --timings`: where the time of a real run went, asked for afterwards."""

from __future__ import annotations

import json
import shutil

import pytest

EXECUTED = {"load", "fit@0", "fit@1", "pick"}


@pytest.fixture
def trace(ran):
    return json.loads(ran("show", "--format", "trace").stdout)["traceEvents"]


def test_the_parts_of_a_run_fit_together(ran):
    found = ran.json("show", "last", "--timings")
    assert {step["instance"] for step in found["steps"]} == EXECUTED
    spent = {phase["phase"]: phase["seconds"] for phase in found["phases"]}
    assert list(spent) == ["parse", "plan", "stat", "digest", "schedule", "spawn", "publish", "record"]
    assert all(seconds > 0 for seconds in spent.values())
    assert 0 < found["executing"] < found["seconds"]
    assert found["busy"] == pytest.approx(
        sum(step["seconds"] + step["collect"] for step in found["steps"]), abs=1e-3
    )
    assert found["busy"] + found["idle"] == pytest.approx(found["slots"] * found["executing"], abs=1e-3)
    for step in found["steps"]:
        assert 0 < step["spawn"] < step["seconds"] < found["executing"]
        assert min(step["waited"], step["record"], step["publish"], step["begun"]) >= 0
        assert step["slot"] < found["slots"]


def test_the_table_has_phases_slots_and_steps(ran):
    lines = ran("show", "--timings").stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["phase", "parse", "plan"]
    assert any(" idle " in line for line in lines) and any(line.startswith("pick") for line in lines)


def test_a_trace_is_one_that_a_viewer_can_draw(trace):
    names = {(event["name"], event["tid"]): event["args"]["name"] for event in trace if event["ph"] == "M"}
    assert names[("thread_name", 0)] == "hub" and names[("thread_name", 1)] == "slot 1"
    whole = [event for event in trace if event["ph"] == "X"]
    assert {event["tid"] for event in whole} <= {tid for name, tid in names if name == "thread_name"}
    assert all(event["ts"] >= 0 and event["dur"] >= 0 and event["pid"] == 1 for event in whole)
    assert {event["name"] for event in whole if event["cat"] == "step"} == EXECUTED
    assert {"parse", "plan", "schedule"} <= {event["name"] for event in whole if event["cat"] == "phase"}


def test_spans_of_one_thread_nest(trace):
    """What the format asks for: of two on one thread, one lies in the other, or they do not meet."""
    whole = [event for event in trace if event["ph"] == "X"]
    for tid in {event["tid"] for event in whole}:
        spans = sorted((e["ts"], -e["dur"]) for e in whole if e["tid"] == tid)
        ends = []
        for begin, length in spans:
            while ends and ends[-1] <= begin + 1:
                ends.pop()
            assert not ends or begin - length <= ends[-1] + 1, tid
            ends.append(begin - length)


def test_every_asynchronous_span_ends_after_its_begin(trace):
    open_spans = {}
    for event in trace:
        key = (event["name"], event.get("id"))
        if event["ph"] == "b":
            assert key not in open_spans
            open_spans[key] = event["ts"]
        elif event["ph"] == "e":
            assert event["ts"] >= open_spans.pop(key)
    assert not open_spans


def test_nothing_was_executed(ran):
    ran("run", "-q")
    done = ran("show", "--timings")
    assert "executed nothing" in done.stderr and "0%" in done.stdout
    assert ran.json("show", "--timings")["steps"] == []


def test_a_run_that_was_killed_tells_what_it_wrote(ran):
    (folder,) = (ran.cwd / ".mlorch" / "runs").iterdir()
    events = folder / "events.jsonl"
    events.write_text(
        "".join(line + "\n" for line in events.read_text().splitlines() if "run.finished" not in line)
    )
    found = ran.json("show", "--timings")
    assert (found["slots"], found["seconds"], len(found["steps"])) == (0, None, 4)
    assert "did not get to its end" in ran("show", "--timings").stderr
    assert json.loads(ran("show", "--format", "trace").stdout)["traceEvents"]


def test_a_run_without_a_store(project):
    shutil.rmtree(str(project.cwd / ".mlorch"), ignore_errors=True)
    assert "no run" in project("show", "--timings", code=2).stderr
