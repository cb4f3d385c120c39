"""`why` through a chain: where it began, and the way from there."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, List

import pytest
from kit import Project

from mlorch import app
from mlorch.model import Explanation

CHAIN = """
params: {x: 1}
steps:
  a: {run: "cat in.txt; echo ${{ params.x }} > ${{ outputs.o }}", inputs: {i: in.txt}, outputs: {o: a.txt}}
  b: {run: "cat ${{ inputs.i }} > ${{ outputs.o }}", inputs: {i: "${{ steps.a.outputs.o }}"}, outputs: {o: b.txt}}
  c: {run: "cat ${{ inputs.i }} > ${{ outputs.o }}", inputs: {i: "${{ steps.b.outputs.o }}"}, outputs: {o: c.txt}}
"""


@pytest.fixture
def chain(project: Project) -> Project:
    project.write("in.txt", "1")
    project.pipeline(CHAIN)
    project.run()
    return project


def why(project: Project, step: str, against: Any = None, **options: Any) -> Explanation:
    answers = app.why(project.request(**options), step, against)
    assert len(answers) == 1
    return answers[0]


def told(explanation: Explanation) -> List[Dict[str, Any]]:
    return [
        {"path": cause.path, "kinds": [reason.kind for reason in cause.reasons], "run": bool(cause.run)}
        for cause in explanation.causes
    ]


def test_what_is_to_come_begins_where_a_param_changed(chain: Project) -> None:
    assert told(why(chain, "c", params=("x=2",))) == [
        {"path": ("a", "b", "c"), "kinds": ["param"], "run": False}
    ]
    text = chain.cli("why", "c", "-p", "x=2").stdout
    assert "first cause   a: param x: 1" in text and "a → b → c" in text
    assert why(chain, "a", params=("x=2",)).causes == (), "its own reasons are told already"


def test_what_has_happened_begins_in_the_run_that_changed_it(chain: Project) -> None:
    chain.run(params=("x=2",))
    explanation = why(chain, "c", "last~1", params=("x=2",))
    assert told(explanation) == [{"path": ("a", "b", "c"), "kinds": ["param"], "run": True}]
    text = chain.cli("why", "c", "-p", "x=2", "--against", "last~1").stdout
    assert f"in run {explanation.causes[0].run}" in text


def test_a_file_that_is_only_newer_is_said_to_be_the_same(chain: Project) -> None:
    later = time.time() + 5
    os.utime(str(chain.root / "in.txt"), (later, later))
    explanation = why(chain, "a")
    assert (explanation.decision.action, explanation.touched) == ("cached", ("in.txt",))
    assert "saved since in.txt: the content is the same" in chain.cli("why", "a").stdout
    chain.write("in.txt", "2")
    assert why(chain, "a").touched == (), "it would run: the content is another"


def test_space_within_a_line_is_no_difference(project: Project) -> None:
    project.write("a.py", "x = 1\ny = 2\nprint(x, y)\n")
    project.pipeline('steps: {a: {run: "python a.py"}}')
    project.run()
    project.write("a.py", "x  =  1\ny = 3\nprint(x,  y)  \n")
    lines = [line.strip() for line in project.cli("why", "a").stdout.splitlines()]
    assert "-y = 2" in lines and "+y = 3" in lines
    assert not [line for line in lines if line.startswith(("-x", "+x", "-print", "+print"))]
