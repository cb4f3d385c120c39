"""Expressions know their line and column in every style of scalar."""

from __future__ import annotations

from typing import Any, List

import pytest

from mlorch.model import Pipeline

HEAD = "version: 1\nname: x\nparams: {a: 1}\nsteps:\n  s:\n"


def words(pipeline: Pipeline, length: int) -> List[str]:
    """What stands in the file where each expression of `run` says it does."""
    lines = pipeline.sources[0].text.split("\n")
    run = pipeline.steps["s"].run
    parts = run if isinstance(run, tuple) else (run,)
    found = []
    for template in parts:
        assert template is not None
        for expression in template.expressions:
            line = lines[expression.place.line - 1]
            found.append(line[expression.place.column - 1 :][:length])
    return found


@pytest.mark.parametrize(
    "run",
    [
        "    run: echo ${{ params.a }} ${{params.a}}\n",
        "    run: 'echo \"it''s\" ${{ params.a }} ${{ params.a }}'\n",
        '    run: "\\t${{ params.a }} é ${{ params.a }}"\n',
        "    run: |\n      one\n\n      echo ${{ params.a }}\n        ${{ params.a }}\n",
        "    run: >-\n      echo\n      ${{ params.a }}\n      and ${{\n      params.a }}\n",
        "    run: |2\n       x ${{ params.a }}\n      ${{ params.a }}\n",
        "    run: echo\n      ${{ params.a }}\n      ${{ params.a }}\n",
        '    run: [echo, "${{ params.a }}", "x${{ params.a }}"]\n',
    ],
)
def test_places_of_expressions(load: Any, run: str) -> None:
    assert words(load(HEAD + run), 8) == ["params.a", "params.a"]


def test_an_escape_that_hides_the_braces_gives_the_start_of_the_value(load: Any) -> None:
    pipeline = load(HEAD + '    run: "echo \\x24{{ params.a }}"\n')
    assert words(pipeline, 5) == ['"echo']


@pytest.mark.parametrize(
    ("run", "marked"),
    [
        ("    run: echo ${{ len(params.b) }}\n", "params.b"),
        ("    run: |\n      echo\n      echo ${{ 1 +   params.b }}\n", "params.b"),
        ("    run: >\n      echo ${{ 1\n        + params.b }}\n", "params.b"),
        ("    run: 'x'\n    if: params.b > 1\n", "params.b"),
        ("    run: 'x'\n    if: '${{ params.a and  params.b }}'\n", "params.b"),
        ("    run: echo ${{ lenn(params.a) }}\n", "lenn"),
        ("    run: echo ${{ params.a $ 1 }}\n", "$"),
    ],
)
def test_problems_mark_the_name_itself(refuse: Any, run: str, marked: str) -> None:
    problems = refuse(HEAD + run)
    assert len(problems) == 1
    place = problems[0].place
    line = (HEAD + run).split("\n")[place.line - 1]
    assert line[place.column - 1 : place.column - 1 + problems[0].length] == marked


def test_carriage_returns_do_not_shift_places(refuse: Any) -> None:
    text = (HEAD + "    run: |\n      echo ${{ params.b }}\n").replace("\n", "\r\n")
    assert str(refuse(text)[0].place) == "pipeline.yaml:7:16"
