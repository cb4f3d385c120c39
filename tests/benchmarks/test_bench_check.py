"""The checker of the benchmarks: it must see what is wrong, needless and right; and the whole way to a document."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import pytest

from benchmarks import cases, document, results
from benchmarks.check import NEEDLESS, QUESTIONS, RIGHT, WRONG, ask
from benchmarks.peers import BY_NAME
from benchmarks.peers.tool import Installed
from benchmarks.play import Limits
from benchmarks.targets import TARGETS

MAKE = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def here(name: str) -> Installed:
    """A tool as it is on this machine, mlorch as it is installed for the tests."""
    tool = BY_NAME[name]
    program = shutil.which(tool.program) or ""
    folder = Path(sys.executable).parent if name == "mlorch" else Path(program).parent
    return Installed(tool, folder, "of the tests")


def test_mlorch_answers_rightly(tmp_path: Path) -> None:
    hardest = ("early cut-off", "edited output")
    assert ask(here("mlorch"), tmp_path, hardest) == dict.fromkeys(hardest, RIGHT)


@MAKE
def test_make_answers_as_make_does(tmp_path: Path) -> None:
    answers = ask(here("make"), tmp_path)
    assert answers == {**dict.fromkeys(QUESTIONS, NEEDLESS), "edited output": WRONG}


@MAKE
def test_a_case_becomes_a_document(tmp_path: Path) -> None:
    installed = [here("mlorch"), here("make"), here("xargs")]
    found = results.Results(tmp_path / "benchmarks" / "results.json")
    found.tools = {item.tool.name: item.version for item in installed}
    broken = Installed(BY_NAME["ninja"], tmp_path / "nowhere", "none")
    bench = cases.Bench(found, [*installed, broken], Limits(rounds=1, repeats=1), 2, print)
    cases.run(bench, [("matrix", 12)], exact=False)
    again = results.read(found.path)
    assert [(row.tool, row.phase, len(row.seconds)) for row in again.rows] == [
        ("mlorch", "cold", 1),
        ("make", "cold", 1),
        ("xargs", "cold", 1),
        ("mlorch", "then nothing", 1),
        ("make", "then nothing", 1),
        ("mlorch", "no-op", 1),
        ("make", "no-op", 1),
        ("mlorch", "change", 1),
        ("make", "change", 1),
    ]
    assert not any(row.wrong for row in again.rows)
    (failure,) = again.failures
    assert failure["tool"] == "ninja" and "could not be started" in failure["why"]
    pytest.importorskip("matplotlib", reason="plots need the examples extra")
    document.write(found, tmp_path)
    assert [item.tool for item in found.rows] == [item.tool for item in again.rows]
    text = (tmp_path / "benchmarks.md").read_text()
    assert "## matrix, 12 steps" in text and text.count("not measured") == len(TARGETS)
    assert "| matrix | 12 | ninja |" in text


def test_when_the_time_is_up_the_rest_is_named(tmp_path: Path) -> None:
    found = results.Results(tmp_path / "results.json")
    bench = cases.Bench(found, [], Limits(end=time.monotonic() - 1), 2, print)
    cases.run(bench, cases.chosen(["wide"], [10]), exact=False)
    assert found.failures == [{"case": "wide", "size": 10, "tool": "all", "why": "left out: the time was up"}]


def test_a_target_is_met_or_not() -> None:
    found = results.Results(Path("unwritten"))
    for tool, seconds in (("mlorch", 1.0), ("ninja", 0.4), ("doit", 2.0)):
        found.row("wide", 1000, tool, "cold").seconds = [seconds, seconds * 3, seconds]
    verdicts = {target.what: target.met(found) for target in TARGETS}
    assert verdicts["cold wide-1000 over ninja"] is False
    assert verdicts["cold wide-1000 over doit"] is True
    assert verdicts["cold chain-200 over ninja"] is None
    json.dumps(found.document())
