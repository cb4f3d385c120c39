"""Files that a step reads without declaring them: named, kept with the record, or a failure."""

from __future__ import annotations

import sys
import time

import pytest
from kit import Project

from mlorch import app

STEPS = """\
    import helper


    def fit(table, model):
        labels = open("conf/labels.txt").read()
        model.write_text(table.read_text() + labels + helper.text())
    """
PIPELINE = """\
steps:
  fit:
    call: steps:fit
    inputs: {table: data/table.csv}
    outputs: {model: out/model.txt}
"""


@pytest.fixture
def fits(project: Project) -> Project:
    """A step that reads a file which it does not declare; its files are older than any step."""
    project.files(
        {
            "data/table.csv": "1\n",
            "conf/labels.txt": "a\n",
            "steps.py": STEPS,
            "helper.py": "def text():\n    return ''\n",
        }
    )
    project.pipeline(PIPELINE)
    time.sleep(0.15)
    return project


def test_a_warning_names_it_and_says_what_to_do(fits: Project) -> None:
    ran = fits.run()
    assert ran["fit"].undeclared == ("conf/labels.txt",)
    assert "read `conf/labels.txt` without declaring it" in ran.warnings
    assert "declare it: inputs: {labels: conf/labels.txt}" in ran.warnings
    again = fits.run()
    assert again.executed == set() and again["fit"].undeclared == ("conf/labels.txt",)
    assert "labels" not in again.warnings, "it was told when it happened"


def test_what_is_declared_is_not_named(fits: Project) -> None:
    fits.pipeline(PIPELINE.replace("{table: data/table.csv}", "{table: data/table.csv, labels: conf/}"))
    assert fits.run()["fit"].undeclared == ()


def test_the_record_keeps_it_and_why_tells_it(fits: Project) -> None:
    fits.run()
    answers = app.why(fits.request(), "fit")
    assert answers[0].decision.record is not None
    assert answers[0].decision.record.undeclared == ("conf/labels.txt",)


def test_error_fails_the_step_and_takes_no_old_record(fits: Project) -> None:
    fits.run()
    fits.pipeline(PIPELINE + "    undeclared: error\n")
    ran = fits.run(code=1)
    assert ran.executed == {"fit"} and ran.reasons("fit") == {"undeclared"}
    assert ran["fit"].error == "read `conf/labels.txt` without declaring it"
    assert "inputs: {labels: conf/labels.txt}" in ran["fit"].hint
    fits.pipeline(
        PIPELINE.replace("table.csv}", "table.csv, labels: conf/labels.txt}") + "    undeclared: error\n"
    )
    assert fits.run().outcomes == {"fit": "succeeded"}
    assert fits.run().outcomes == {"fit": "cached"}


def test_ignore_looks_away(fits: Project) -> None:
    fits.pipeline(PIPELINE + "    undeclared: ignore\n")
    ran = fits.run()
    assert ran["fit"].undeclared == () and not ran.warnings
    fits.pipeline(PIPELINE)
    assert fits.run().outcomes == {"fit": "cached"}, "it is no part of the key"


def test_the_settings_say_it_for_all_and_a_step_for_itself(fits: Project) -> None:
    fits.write("mlorch.toml", '[run]\nundeclared = "error"\n')
    assert fits.run(code=1).outcomes == {"fit": "failed"}
    fits.pipeline(PIPELINE + "    undeclared: warn\n")
    assert fits.run().outcomes == {"fit": "succeeded"}


def test_defaults_and_python_in_a_shell(fits: Project) -> None:
    fits.write("look.py", "print(open('conf/labels.txt').read())\n")
    fits.pipeline(
        f"""\
        defaults: {{undeclared: error}}
        steps:
          look:
            run: cat data/table.csv; {sys.executable} look.py > ${{{{ outputs.o }}}}
            outputs: {{o: out/o.txt}}
            inputs: [data/table.csv]
          shell: {{run: cat conf/labels.txt, code: []}}
        """
    )
    ran = fits.run(code=1, keep_going=True)
    assert ran.outcomes == {"look": "failed", "shell": "succeeded"}, "only Python is looked at"
    assert "`conf/labels.txt`" in ran["look"].error


def test_an_output_of_another_step_is_named_as_that_however_young_it_is(fits: Project) -> None:
    fits.write(
        "use.py",
        "def use(o):\n    o.write_text(open('out/made.txt').read() + open('own.txt', 'w+').read())\n",
    )
    fits.pipeline(
        """\
        steps:
          make: {run: "echo made > ${{ outputs.made }}", outputs: {made: out/made.txt}}
          use: {call: "use:use", needs: make, outputs: {o: out/use.txt}}
        """
    )
    ran = fits.run()
    assert ran["use"].undeclared == ("out/made.txt",), "and not what it made itself"
    assert 'inputs: {made: "${{ steps.make.outputs.made }}"}' in ran.warnings


def test_several_are_told_together_and_many_are_cut(fits: Project) -> None:
    for number in range(8):
        fits.write(f"conf/{number}.txt", "x")
    fits.write(
        "steps.py",
        "def fit(model):\n    model.write_text(''.join(open(f'conf/{n}.txt').read() for n in range(8)))\n",
    )
    fits.pipeline("steps:\n  fit: {call: 'steps:fit', outputs: {model: out/model.txt}}\n")
    time.sleep(0.15)
    ran = fits.run()
    assert len(ran["fit"].undeclared) == 8
    assert "`conf/4.txt` and 3 more without declaring them" in ran.warnings
    assert "inputs: {file_0: conf/0.txt, file_1: conf/1.txt" in ran.warnings
