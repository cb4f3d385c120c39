"""Correctness as one property: after any edit and a run, outputs equal those of a clean build; a further run executes nothing."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from typing import Dict, List, Optional, Tuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlorch import app
from mlorch.errors import MlorchError, SpecError
from mlorch.model import Outcome, RunSummary

sys.path.insert(0, os.path.dirname(__file__))
from project import Author, Project

SHARDS = 10
SCENARIOS = int(os.environ.get("MLORCH_SCENARIOS", "50")) // SHARDS
EDITS = int(os.environ.get("MLORCH_EDITS", "10"))


def run(root: str) -> Tuple[Optional[RunSummary], str]:
    request = app.Request(os.path.join(root, "p.yaml"), root, jobs=2, keep_going=True)
    try:
        return app.run(request), ""
    except SpecError as error:
        return None, "; ".join(problem.code + " " + problem.message for problem in error.problems)
    except MlorchError as error:
        return None, error.message


def outcomes(summary: RunSummary) -> Dict[str, str]:
    """A cached step has succeeded; what was never reached is cancelled either way."""
    return {
        item.instance: "succeeded" if item.outcome == "cached" else item.outcome for item in summary.outcomes
    }


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def outputs(root: str, summary: RunSummary) -> Dict[str, object]:
    """What stands at the outputs of succeeded and cached steps."""
    found: Dict[str, object] = {}
    for item in summary.outcomes:
        if item.outcome not in ("succeeded", "cached"):
            continue
        for artifact in item.outputs.values():
            path = os.path.join(root, artifact.path)
            if os.path.isdir(path):
                for folder, _, files in os.walk(path):
                    for name in files:
                        full = os.path.join(folder, name)
                        found[os.path.relpath(full, root)] = read(full)
            else:
                found[artifact.path] = read(path)
    return found


def executed(summary: RunSummary, project: Project) -> List[Outcome]:
    """Successes that were executed (a failing step is tried again in each run, and each new failure is told)."""
    return [
        item
        for item in summary.outcomes
        if item.outcome == "succeeded" and project.steps[item.step]["x-kind"] != "alarm"
    ]


def check_state(project: Project, root: str, told: str) -> None:
    summary, problem = run(root)
    with tempfile.TemporaryDirectory(prefix="clean") as clean:
        project.write(clean)
        expected, expected_problem = run(clean)
        assert problem == expected_problem, told
        if summary is None or expected is None:
            return
        assert outcomes(summary) == outcomes(expected), told
        assert outputs(root, summary) == outputs(clean, expected), told
    again, _ = run(root)
    assert again is not None
    repeated = executed(again, project)
    assert not repeated, (told, [(item.instance, item.reasons) for item in repeated])
    assert outputs(root, again) == outputs(root, summary), told


@pytest.mark.parametrize("shard", range(SHARDS))
@settings(
    max_examples=SCENARIOS,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(number=st.integers(0, 2**31))
def test_outputs_equal_a_clean_build_and_a_second_run_executes_nothing(shard: int, number: int) -> None:
    seed = SHARDS * number + shard
    author = Author(seed)
    root = tempfile.mkdtemp(prefix="edited")
    try:
        project = author.project()
        project.write(root)
        check_state(project, root, f"seed {seed}: first run")
        for number in range(EDITS):
            project, told = author.edit(project, root)
            project.write(root)
            check_state(project, root, f"seed {seed} edit {number}: {told}")
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
