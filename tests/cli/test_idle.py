"""A command with nothing to do, given again: what it imports, that it says and records the same, and when it must not."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

MARGIN = 0.06
PROBE = """
import sys
from mlorch.cli import main
code = main(sys.argv[1:])
sys.stdout.flush()
sys.stderr.write("\\nLOADED " + " ".join(sorted(sys.modules)))
sys.exit(code)
"""


def loaded(folder: Path, env: Dict[str, str], *words: str) -> List[str]:
    """Modules that a whole process imported for a command line."""
    command = [sys.executable, "-c", PROBE, *words]
    done = subprocess.run(
        command, cwd=str(folder), env=env, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1].split()[1:]


@pytest.fixture
def steady(ran):
    """A project in which `run`, `run --json` and `plan` have been told that there is nothing to do."""
    time.sleep(MARGIN)
    for words in (["run"], ["run", "--json"], ["plan"], ["plan", "--json"]):
        ran(*words)
    return ran


def entries(project) -> List[str]:
    return sorted(os.listdir(project.cwd / ".mlorch" / "cache" / "answers"))


def newest_run(project) -> Path:
    return max((project.cwd / ".mlorch" / "runs").iterdir(), key=lambda path: path.stat().st_ctime_ns)


def record_of(run: Path) -> Tuple[List[Any], str]:
    """What a run wrote of itself, without what is new each time."""
    rows = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    for row in rows:
        row.pop("run")
        row.pop("time", None)
        for name in ("pid", "seconds", "timings"):
            row.get("data", {}).pop(name, None)
    return rows, (run / "shape.json").read_text()


def forget(project) -> None:
    for name in entries(project):
        (project.cwd / ".mlorch" / "cache" / "answers" / name).unlink()


def test_the_second_idle_run_imports_almost_nothing(ran):
    env = {**ran.env, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    time.sleep(MARGIN)
    loaded(ran.cwd, env, "run")
    for words in (["run"], ["plan"]):
        loaded(ran.cwd, env, *words)
        found = loaded(ran.cwd, env, *words)
        ours = {name for name in found if name.startswith("mlorch")}
        assert "mlorch.cli.idle" in ours
        assert ours.isdisjoint({"mlorch.model", "mlorch.app", "mlorch.cli.build", "mlorch.cli.common"}), ours
        heavy = {
            "typer",
            "rich",
            "yaml",
            "jsonschema",
            "joblib",
            "sqlite3",
            "dataclasses",
            "subprocess",
            "socket",
        }
        bare = subprocess.run(
            [sys.executable, "-c", "import sys; print(*sys.modules)"],
            env=env,
            stdout=subprocess.PIPE,
            check=True,
        )
        own = set(found) - set(bare.stdout.decode().split())
        assert heavy.isdisjoint(own)
        assert len(own) < 60


def test_run_says_and_records_what_the_long_path_does(steady):
    quick, quick_record = steady("run"), record_of(newest_run(steady))
    forget(steady)
    whole, whole_record = steady("run"), record_of(newest_run(steady))
    assert quick_record == whole_record

    def words(text: str) -> List[str]:
        return [word for word in text.split() if not word.endswith(("s", "s)")) or word == "steps"][:-1]

    assert words(quick.stdout) == words(whole.stdout)
    assert words(quick.stderr) == words(whole.stderr)
    assert quick.stderr.split()[-1] != whole.stderr.split()[-1]


@pytest.mark.parametrize("words", [["run", "--json"], ["plan", "--json"], ["plan"]], ids=" ".join)
def test_documents_are_the_same(steady, words, valid):
    quick = steady(*words).stdout
    forget(steady)
    whole = steady(*words).stdout
    if "--json" in words:
        quick, whole = json.loads(quick), json.loads(whole)
        for document in (quick, whole):
            valid(document)
            if words[0] == "run":
                assert document.pop("run") and document.pop("seconds")
    assert quick == whole


def test_quiet_says_nothing(ran):
    for _ in range(3):
        time.sleep(MARGIN)
        done = ran("run", "-q")
        assert (done.stdout, done.stderr) == ("", "")
    assert entries(ran)


def test_other_verbs_see_the_run(steady):
    steady("run")
    shown = steady.json("runs")["runs"]
    assert shown[0]["id"] == newest_run(steady).name
    assert shown[0]["totals"]["cached"] == 4
    assert [item["outcome"] for item in steady.json("show")["steps"]] == ["cached"] * 4
    assert "stat" in steady("show", "--timings").stdout


@pytest.mark.parametrize("change", ["output", "object", "param", "settings"])
def test_a_change_is_seen(steady, change):
    if change == "output":
        (steady.cwd / "models" / "best.txt").unlink()
    elif change == "object":
        for folder, _, names in os.walk(steady.cwd / ".mlorch" / "objects"):
            for name in names:
                os.unlink(os.path.join(folder, name))
    elif change == "param":
        text = (steady.cwd / "mlorch.yaml").read_text()
        (steady.cwd / "mlorch.yaml").write_text(text.replace("depth: 3", "depth: 4"))
    else:
        (steady.cwd / "mlorch.toml").write_text("[run]\njobs = 0\n")
    if change == "settings":
        steady("run", code=3)
        return
    totals = steady.json("run")["totals"]
    assert totals["succeeded"] == {"output": 0, "object": 4, "param": 3}[change]
    assert (steady.cwd / "models" / "best.txt").exists()


def test_a_live_run_or_one_that_was_cut_off_is_looked_at(steady):
    locks = steady.cwd / ".mlorch" / "locks" / "runs"
    rival = locks / "000000000001-abcdef"
    lock = {
        "schema": "mlorch.lock/1", "number": 1, "run": "abcdef", "pid": os.getpid(), "command": "x", "ancestors": [],
        "writes": ["models"], "reads": [],
    }  # fmt: skip
    rival.write_text(json.dumps(lock) + "\n")
    with rival.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        steady("run", "--no-wait", code=4)
        forget(steady)
    steady("run")
    assert not rival.exists()


def test_hooks_and_uncached_steps_run_each_time(project):
    text = (project.cwd / "mlorch.yaml").read_text()
    (project.cwd / "mlorch.yaml").write_text(text + "on_success:\n  - run: echo x >> told\n")
    for _ in range(4):
        project("run", "-q")
        time.sleep(MARGIN)
    assert (project.cwd / "told").read_text() == "x\n" * 4
    (project.cwd / "mlorch.yaml").write_text(text.replace("  load:\n", "  load:\n    cache: false\n"))
    for _ in range(3):
        assert project.json("run")["totals"]["succeeded"] == 1
        time.sleep(MARGIN)


def test_a_ttl_ends_an_answer(project):
    text = (project.cwd / "mlorch.yaml").read_text()
    (project.cwd / "mlorch.yaml").write_text(text.replace("  load:\n", "  load:\n    cache: {ttl: 3s}\n"))
    project("run", "-q")
    began = time.monotonic()
    time.sleep(MARGIN)
    project("run", "-q")
    time.sleep(max(0.0, began + 3.1 - time.monotonic()))
    assert project.json("plan")["totals"]["run"] == 1
    project("run", "-q")
    assert project.json("runs")["runs"][0]["totals"]["succeeded"] == 1


def test_a_file_from_before_1970_is_remembered_as_any_other(ran):
    step = "{run: 'cat ${{ inputs.i }} > ${{ outputs.o }}', inputs: {i: in.txt}, outputs: {o: o.txt}}"
    text = f"version: 1\nname: old\nsteps:\n  a: {step}\n"
    (ran.cwd / "mlorch.yaml").write_text(text)
    old = ran.cwd / "in.txt"
    old.write_text("x\n")
    os.utime(old, ns=(0, -86_400_000_000_000))
    for _ in range(3):
        ran("run")
        time.sleep(MARGIN)
    assert "mlorch.model" not in loaded(ran.cwd, ran.env, "run")
