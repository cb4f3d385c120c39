"""The Python API: what `docs/python.md` says, and what notebooks and tests rely on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import List
from xml.etree import ElementTree

import pytest
from kit import Project

import mlorch
from mlorch.errors import UsageError
from mlorch.model import Event

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
PIPELINE = """
params: {depth: 3, gate: {least: 0}}
steps:
  load: {run: "seq 1 5 > ${{ outputs.data }}", outputs: {data: data.txt}}
  fit:
    run: "echo '{\\"auc\\": 0.'${{ params.depth + matrix.fold }}'}' > ${{ outputs.metrics }}; cat ${{ inputs.data }}"
    matrix: {fold: [0, 1]}
    inputs: {data: "${{ steps.load.outputs.data }}"}
    outputs: {metrics: "m/${{ step.instance }}.json"}
  pick:
    run: "cat ${{ inputs.scores }} | sort | tail -n 1 > ${{ outputs.metrics }}"
    inputs: {scores: "${{ steps.fit.outputs.metrics }}"}
    outputs: {metrics: m/pick.json}
    checks: ["${{ metrics.auc >= params.gate.least }}"]
"""


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.pipeline(PIPELINE)
    monkeypatch.chdir(project.root)


@pytest.fixture
def pipeline(here: None) -> mlorch.Pipeline:  # noqa: ARG001
    return mlorch.load()


def test_the_page_runs_as_it_stands(pipeline: mlorch.Pipeline) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(code) == 1
    done = subprocess.run(
        [sys.executable, "-c", code[0]], cwd=pipeline.root, stdout=subprocess.PIPE, text=True
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0] == "{'load': 'run', 'fit@0': 'run', 'fit@1': 'run', 'pick': 'run'}"
    assert lines[1:7] == ["4 0.7", "1", "2", "3", "4", "5"]
    assert lines[-2:] == ["4", "('forced',)"]


def test_what_ran_here_is_cached_for_the_command(project: Project, pipeline: mlorch.Pipeline) -> None:
    run = pipeline.run()
    assert (run.ok, run.status, run.totals["succeeded"]) == (True, "succeeded", 4)
    assert "4 cached" in project.cli("run").stdout
    assert pipeline.plan().up_to_date
    assert {step.outcome for step in pipeline.run().steps} == {"cached"}
    assert [step.step for step in run.steps] == ["load", "fit", "fit", "pick"], "as in the file"
    data = run["load"].outputs["data"]
    assert Path(data.path).read_text() == "1\n2\n3\n4\n5\n" and data.bytes == 10
    assert Path(run["fit@1"].log).read_text() == Path(data.path).read_text()


@pytest.mark.usefixtures("here")
def test_params_of_every_type_mean_what_they_are() -> None:
    params = {"depth": 4, "gate.least": 1e-7}
    assert mlorch.load(params=params).params == {"depth": 4, "gate": {"least": 1e-7}}
    for value in (True, None, "yes", "12", "a: b # c", [1, "x"], {"a": 1.5}):
        assert mlorch.load(params={"depth": value}).params["depth"] == value


@pytest.mark.usefixtures("here")
def test_a_failure_is_a_result_and_with_check_an_exception() -> None:
    strict = mlorch.load(params={"gate.least": 0.9})
    run = strict.run()
    assert (run.ok, run.status, run.exit_code, run["pick"].outcome) == (False, "failed", 1, "failed")
    with pytest.raises(mlorch.RunFailed, match=r"metrics\.auc >= params\.gate\.least") as caught:
        strict.run(check=True)
    assert caught.value.run["pick"].outcome == "failed"


def test_what_is_wrong_is_told(project: Project, pipeline: mlorch.Pipeline) -> None:
    with pytest.raises(UsageError) as caught:
        pipeline.run("pikc")
    assert "did you mean `pick`?" in caught.value.hint
    with pytest.raises(KeyError, match="several instances: fit@"):
        pipeline.run()["fit"]
    project.pipeline("steps: {a: {rnu: x}}")
    with pytest.raises(mlorch.SpecError):
        mlorch.load()
    with pytest.raises(AttributeError):
        mlorch.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_events_and_selectors(pipeline: mlorch.Pipeline) -> None:
    events: List[Event] = []
    run = pipeline.run("load", on_event=events.append)
    assert [step.instance for step in run.steps] == ["load"]
    assert [event.kind for event in events] == [
        "run.started",
        "step.started",
        "step.finished",
        "run.finished",
    ]
    assert pipeline.plan(["fit"], force=True).actions == {"load": "run", "fit@0": "run", "fit@1": "run"}


def test_notebooks_get_a_graph_and_tables(project: Project, pipeline: mlorch.Pipeline) -> None:
    assert ElementTree.fromstring(pipeline._repr_svg_()).tag.endswith("svg")
    assert pipeline.graph("mermaid").startswith("flowchart") or "graph" in pipeline.graph("mermaid")
    with pytest.raises(ValueError, match="expected a format"):
        pipeline.graph("png")
    run = pipeline.run()
    for shown in (run._repr_html_(), pipeline.plan()._repr_html_()):
        table = ElementTree.fromstring(shown)
        assert len(table.findall("tbody/tr")) == 4
    project.pipeline('steps: {a: {run: "exit 3; # <script>"}}')
    assert "<script>" not in mlorch.load().run()._repr_html_()


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, mlorch; print([m for m in ('typer', 'rich', 'yaml', 'joblib', 'mlorch.api') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True).stdout == "[]\n"
