"""Rules that need more than a file each to show."""

from __future__ import annotations

from typing import Any, List

import pytest

from mlorch.spec.paths import meets, misplaced
from mlorch.spec.problems import suggest
from mlorch.spec.wording import flow

HEAD = "version: 1\nname: x\nsteps:\n"


def codes(problems: List[Any]) -> List[str]:
    return [problem.code for problem in problems]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("data/a.csv", ""),
        ("./a", ""),
        ("a/../b", ""),
        ("..a/b", ""),
        ("/data/a", "E401"),
        ("/mnt/data/a", ""),
        ("/mnt/data/../x", "E401"),
        ("/mnt/database", "E401"),
        ("..", "E401"),
        ("a/../../b", "E401"),
        ("~/a", "E401"),
        (".mlorch/objects", "E401"),
        ("./.git", "E401"),
        (".github/a", ""),
        ("a/.git/b", ""),
    ],
)
def test_where_paths_may_lead(path: str, code: str) -> None:
    wrong = misplaced(path, ["/mnt/data"])
    assert (wrong[0] if wrong else "") == code


@pytest.mark.parametrize("beginning", ["/data/", "../", ".mlorch/"])
def test_the_literal_beginning_of_a_path_with_expressions_counts(refuse: Any, beginning: str) -> None:
    text = HEAD + "  a: {run: x, outputs: {b: 'BEGIN${{ step.id }}.csv'}, code: ['BEGINx.sql']}\n"
    text = text.replace("BEGIN", beginning)
    assert codes(refuse(text)) == ["E401", "E401"]


def test_an_allowed_folder_may_be_named(load: Any, refuse: Any) -> None:
    text = HEAD + "  a: {run: x, inputs: {b: /mnt/data/b.csv}}\n"
    assert codes(refuse(text)) == ["E401"]
    assert load(text, allow=["/mnt/data"]).steps["a"].inputs["b"].path.literal == "/mnt/data/b.csv"


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("data/*.csv", "data/a.csv", True),
        ("data/*.csv", "data/a/b.csv", False),
        ("data/**/*.csv", "data/a/b.csv", True),
        ("data/**/*.csv", "data/b.csv", True),
        ("**/x", "x", True),
        ("**/**/**/x", "a/b/c/y", False),
        ("data/[ab].csv", "data/c.csv", False),
        ("data/?.csv", "data/c.csv", True),
        ("*", "data/c.csv", False),
    ],
)
def test_globs(pattern: str, path: str, expected: bool) -> None:
    assert meets(pattern, path) is expected


def test_an_input_below_above_or_beside_an_output(refuse: Any, load: Any) -> None:
    step = "  a: {run: x, inputs: {i: '%s'}, outputs: {o: data/out/}}\n"
    for path in ("data", "data/out", "data/out/x", ".", "data/*"):
        assert codes(refuse(HEAD + step % path)) == ["E406"], path
    for path in ("data/other", "data/ou", "data/*.csv", "out"):
        assert load(HEAD + step % path)


def test_an_excluded_output_is_no_overlap(load: Any) -> None:
    load(HEAD + "  a: {run: x, inputs: {i: {path: data/, exclude: [out/*]}}, outputs: {o: data/out/b}}\n")


def test_names_that_end_in_a_line_break_are_no_names(refuse: Any) -> None:
    assert codes(refuse(HEAD + '  "a\\n": {run: x}\n')) == ["E106"]
    assert codes(refuse(HEAD + '  a: {run: x, secrets: ["A\\n"], tags: ["b\\n"]}\n')) == ["E106", "E106"]


def test_the_same_problem_of_a_default_is_told_once(refuse: Any) -> None:
    text = "version: 1\nname: x\ndefaults: {env: {A: '${{ params.b }}'}}\nsteps: {a: {run: x}, b: {run: x}}\n"
    assert codes(refuse(text)) == ["E204"]


def test_what_is_wrong_in_one_place_is_not_told_again_where_it_is_used(refuse: Any) -> None:
    text = """
    version: 1
    name: x
    params: 7
    steps:
      a: {run: "x ${{ params.any }}", outputs: [x y.csv]}
      B: {run: x, outputs: {c: d}}
      c: {run: "x ${{ steps.a.outputs.any }} ${{ steps.B.outputs.c }}", needs: [a]}
      d: 7
      e: {run: x, needs: [d]}
    """
    assert codes(refuse(text)) == ["E105", "E213", "E106", "E105"]


def test_a_broken_include_makes_none_of_its_steps_unknown(refuse: Any) -> None:
    text = """
    version: 1
    name: x
    include: [{file: inc.yaml, as: eval}]
    steps:
      a: {run: "x ${{ steps.eval.any.outputs.b }}", needs: [eval.any]}
    """
    assert codes(refuse(text, {"inc.yaml": "steps: 7\n"})) == ["E105"]
    assert codes(refuse(text, {"inc.yaml": "steps: {\n"})) == ["E101"]
    assert codes(refuse(text.replace(", as: eval", ""))) == ["E104"]


def test_an_include_may_not_include(refuse: Any) -> None:
    text = "version: 1\nname: x\ninclude: [{file: inc.yaml, as: eval}]\nsteps: {a: {run: x}}\n"
    inner = "include: [{file: inc.yaml, as: eval}]\nsteps: {a: {run: x}}\n"
    problems = refuse(text, {"inc.yaml": inner})
    assert [(problem.code, problem.place.file) for problem in problems] == [("E102", "inc.yaml")]


def test_where_must_name_one_output(refuse: Any) -> None:
    step = (
        "  t: {run: x, matrix: {a: [1]}, outputs: {m: 'm/${{ matrix.a }}'}}\n  a: {run: x, inputs: {i: %s}}\n"
    )
    both = "{from: '${{ first(steps.t.outputs.m, steps.t.outputs.m) }}', where: {a: 1}}"
    assert codes(refuse(HEAD + step % both)) == ["E516"]
    broken = "{from: '${{ steps.t.outputs.m + }}', where: {a: 1}}"
    assert codes(refuse(HEAD + step % broken)) == ["E516", "E512"]


def test_suggestions() -> None:
    assert suggest("trian", ["load", "train"]) == "did you mean `train`?"
    assert suggest("x", [], "declare it") == "declare it"
    assert suggest("x", ["load"], "declare it", "steps") == "the steps are `load`"
    many = ["s" + str(number) for number in range(1000)] + ["train"]
    assert suggest("trainn", many, "", "steps") == "did you mean `train`?"
    assert suggest("q" * 10000, many, "", "steps").endswith("`s7` …")


def test_values_on_one_line() -> None:
    assert flow({"a": [1, True, None, "b c", "${{ x }}"]}) == '{a: [1, true, null, b c, "${{ x }}"]}'
    assert flow("true") == '"true"'
    assert flow("12") == '"12"'
