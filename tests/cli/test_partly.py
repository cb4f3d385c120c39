"""A run that looks only at the steps for which something changed: when it may, when it must not, and what it remembers."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import pytest

from mlorch import partly
from mlorch.cli import answer_or_dispatch, idle

MARGIN = 0.06
PIPELINE = """\
version: 1
name: two
params: {word: hello}
defaults: {shell: sh}
steps:
  left:
    inputs: {a: in/left}
    outputs: {o: out/left}
    run: cat ${{ inputs.a }} > ${{ outputs.o }}
  below:
    inputs: {a: "${{ steps.left.outputs.o }}"}
    outputs: {o: out/below}
    run: cat ${{ inputs.a }} > ${{ outputs.o }}
  right:
    inputs: {a: in/right}
    outputs: {o: out/right}
    run: "{ cat ${{ inputs.a }}; echo ${{ params.word }} ${{ env_or('TWO_WORDS', '') }}; } > ${{ outputs.o }}"
  all:
    inputs: {a: "more/*.txt"}
    outputs: {o: out/all}
    run: cat ${{ inputs.a }} > ${{ outputs.o }}
  one:
    call: code.one:make
    inputs: {a: in/one}
    outputs: {o: out/one}
  two:
    call: code.two:make
    inputs: {a: in/two}
    outputs: {o: out/two}
"""
CODE = """def make(a, o):
    o.write_text(a.read_text() + "%s")
    return {"size": len(a.read_text())}
"""
SOURCES = {
    "mlorch.yaml": PIPELINE,
    "mlorch.toml": "",
    "code/__init__.py": "",
    "code/one.py": CODE % "one",
    "code/two.py": CODE % "two",
    "more/1.txt": "1\n",
    **{f"in/{name}": f"{name}\n" for name in ("left", "right", "one", "two")},
}


class Desk:
    """A project, and commands given in this process."""

    def __init__(self, root: Path, environment: Callable[[str, str], None]) -> None:
        self.root = root
        self.environment = environment
        self.parts: List[Any] = []
        self.idle = 0

    def write(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def run(self, *words: str) -> Tuple[Optional[int], Dict[str, str]]:
        """Exit code, and the outcome of each instance."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            code = answer_or_dispatch(["run", *words, "--json"])
        text = out.getvalue()
        steps = json.loads(text).get("steps", []) if text else []
        return code, {step["instance"] or step["step"]: step["outcome"] for step in steps}

    def steady(self, *words: str) -> None:
        """Bring it to where the next run has nothing to do and is answered from memory."""
        self.run(*words)
        time.sleep(MARGIN)
        self.run(*words)
        before = self.idle
        self.run(*words)
        assert self.idle == before + 1
        self.parts.clear()

    def ran(self) -> Dict[str, str]:
        code, outcomes = self.run()
        assert code == 0
        return {name: outcome for name, outcome in outcomes.items() if outcome != "cached"}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    found = Desk(tmp_path, monkeypatch.setenv)
    for path, text in SOURCES.items():
        found.write(path, text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    real_part, real_answer = partly.execute_part, idle.answer

    def part(*args: Any) -> Any:
        summary = real_part(*args)
        found.parts.append(sorted(args[3].wanted))
        return summary

    def answer(arguments: Sequence[str]) -> Optional[int]:
        code = real_answer(arguments)
        found.idle += code is not None
        return code

    monkeypatch.setattr(partly, "execute_part", part)
    monkeypatch.setattr(idle, "answer", answer)
    return found


CHANGES = {
    "a source, and what is below": ("in/left", "other\n", ["below", "left"]),
    "a source of one": ("in/right", "other\n", ["right"]),
    "a function": ("code/two.py", CODE % "2", ["two"]),
    "an output": ("out/right", "by hand\n", ["right"]),
    "a member of a glob": ("more/1.txt", "2\n", ["all"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_is_concerned_is_looked_at(desk: Desk, change: str) -> None:
    (desk.root / ".mlorch/kept").mkdir(parents=True)  # the first file that is kept concerns everybody
    desk.steady()
    path, text, wanted = CHANGES[change]
    desk.write(path, text)
    assert set(desk.ran()) <= set(wanted)
    assert desk.parts == [wanted]
    time.sleep(MARGIN)
    assert desk.ran() == {}  # looked at again, as what was just written can't be believed yet, and remembered
    assert desk.parts == [wanted, wanted]
    before = desk.idle
    assert desk.ran() == {}
    assert desk.idle == before + 1


def test_changes_add_up(desk: Desk) -> None:
    desk.steady()
    desk.write("in/right", "1\n")
    assert desk.ran() == {"right": "succeeded"}
    desk.write("in/two", "2\n")
    assert desk.ran() == {"two": "succeeded"}
    assert desk.parts == [["right"], ["right", "two"]]
    assert (desk.root / "out/two").read_text() == "2\ntwo"


def test_a_run_that_did_something_is_remembered_but_for_what_it_did(desk: Desk) -> None:
    desk.run()
    time.sleep(MARGIN)
    desk.write("in/right", "1\n")
    assert desk.ran() == {"right": "succeeded"}
    desk.write("in/two", "2\n")
    assert desk.ran() == {"two": "succeeded"}
    assert desk.parts == [["right", "two"]]
    time.sleep(MARGIN)
    before = desk.idle
    assert (desk.ran(), desk.idle) == ({}, before)
    assert (desk.ran(), desk.idle) == ({}, before + 1)


def change_param(desk: Desk) -> None:
    desk.write("mlorch.yaml", PIPELINE.replace("hello", "goodbye"))


def change_nothing_but_a_comment(desk: Desk) -> None:
    desk.write("mlorch.yaml", PIPELINE + "# a comment\n")


def change_settings(desk: Desk) -> None:
    desk.write("mlorch.toml", "[run]\njobs = 1\n")


def change_variable(desk: Desk) -> None:
    desk.environment("TWO_WORDS", "are three")


def add_to_glob(desk: Desk) -> None:
    desk.write("more/2.txt", "2\n")


def shadow_a_module(desk: Desk) -> None:
    desk.write("code/one/__init__.py", CODE % "another")


def make_code_a_link(desk: Desk) -> None:
    (desk.root / "code/two.py").rename(desk.root / "code/three.py")
    (desk.root / "code/two.py").symlink_to("three.py")


def tamper_with_the_ledger(desk: Desk) -> None:
    (ledger,) = (desk.root / ".mlorch/publications").glob("*.jsonl")
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join(lines[:-1]))


def leave_a_run_behind(desk: Desk) -> None:
    desk.write("in/right", "other\n")
    (desk.root / ".mlorch/tmp/dead").mkdir()


def take_another_command(desk: Desk) -> None:
    desk.write("in/right", "other\n")
    shutil.rmtree(desk.root / ".mlorch/cache/answers")


@pytest.mark.parametrize(
    "change",
    [
        change_param,
        change_nothing_but_a_comment,
        change_settings,
        change_variable,
        add_to_glob,
        shadow_a_module,
        make_code_a_link,
        tamper_with_the_ledger,
        leave_a_run_behind,
        take_another_command,
    ],
)
def test_what_may_concern_everybody_takes_the_long_path(desk: Desk, change: Callable[[Desk], None]) -> None:
    desk.steady()
    change(desk)
    before = desk.idle
    assert desk.run()[0] == 0
    assert (desk.parts, desk.idle) == ([], before)


UNSUITED = {
    "an effect": "  last:\n    needs: [below]\n    effect: told\n    run: 'true'\n",
    "axes that a step makes": (
        "  split:\n    outputs: {parts: out/parts/}\n    run: echo 1 > ${{ outputs.parts }}/1\n"
        '  each:\n    matrix: {part: "${{ steps.split.outputs.parts }}"}\n'
        '    outputs: {o: "out/${{ step.instance }}"}\n    run: cat ${{ matrix.part }} > ${{ outputs.o }}\n'
    ),
}


@pytest.mark.parametrize("steps", UNSUITED)
def test_a_pipeline_of_which_no_part_stands_alone(desk: Desk, steps: str) -> None:
    desk.write("mlorch.yaml", PIPELINE + UNSUITED[steps])
    desk.steady()
    desk.write("in/right", "other\n")
    assert desk.ran() == {"right": "succeeded"}
    assert desk.parts == []


def test_selected_steps_take_the_long_path(desk: Desk) -> None:
    desk.steady("right", "left")
    desk.write("in/right", "other\n")
    assert desk.run("right", "left") == (0, {"left": "cached", "right": "succeeded"})
    assert desk.parts == []


def test_a_problem_is_told_of_the_whole_pipeline(desk: Desk) -> None:
    desk.steady()
    (desk.root / "in/right").unlink()
    code, _ = desk.run()
    assert code == 3
    assert desk.parts == []


def test_a_step_that_fails_leaves_the_others_as_they_stand(desk: Desk) -> None:
    desk.write(
        "mlorch.yaml", PIPELINE.replace("{a: in/right}", "{a: in/right}\n    continue_on_error: false")
    )
    desk.write(
        "code/two.py", "def make(a, o):\n    assert 'two' in a.read_text()\n    o.write_text('fine')\n"
    )
    desk.steady()
    desk.write("in/two", "three\n")
    code, outcomes = desk.run()
    assert code == 1
    assert outcomes == {**dict.fromkeys(("left", "below", "right", "all", "one"), "cached"), "two": "failed"}
    assert desk.parts == [["two"]]
    desk.write("in/two", "two\n")
    assert desk.ran() == {}


def test_a_folder_of_a_step_that_lost_its_record_runs_again(desk: Desk) -> None:
    desk.steady()
    for path in (desk.root / ".mlorch/records").glob("*/*/*.json"):
        if json.loads(path.read_text())["step"] == "left":
            os.unlink(path)
    assert desk.ran() == {"left": "succeeded"}
    assert desk.parts == [["below", "left"]]
