"""After the kill of a run's own process nothing that it started lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import List

import pytest
from launching import alive, named, until

from mlorch.engine.guardian import SLOTS, Guardian
from mlorch.engine.process import Starter

DRIVER = """
import os, signal, sys, time
signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # what a shell starts in the background ignores it
sys.path[:0] = {path!r}
from pathlib import Path
from launching import Bench
bench = Bench(Path({root!r}), {run!r}, slots=4)
bench.send(bench.attempt("sh", "-c", "trap '' TERM; setsid sh -c 'echo $$ > a1; setsid sleep 300' & sleep 300"))
bench.send(bench.attempt("sh", "-c", "sleep 300 & env -i sleep 300 & echo $! > a2; (setsid sleep 300 &) ; sleep 300"))
bench.send(bench.call("steps:f"))
print("up", flush=True)
time.sleep(300)
"""
STEPS = """
import subprocess, time
def f():
    subprocess.Popen(["sleep", "300"])
    subprocess.Popen(["sleep", "300"], start_new_session=True)
    open("a3", "w").write("x")
    time.sleep(300)
"""


def drive(root: Path, run: str, wrap: str = "{}") -> subprocess.Popen[str]:
    (root / "steps.py").write_text(STEPS)
    code = DRIVER.format(path=[os.path.dirname(__file__), *sys.path], root=str(root), run=run)
    return subprocess.Popen(
        [sys.executable, "-c", wrap.format(code)],
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGQUIT])
def test_nothing_lives_on_after_the_orchestrator(tmp_path: Path, how: signal.Signals) -> None:
    run = "killed-" + uuid.uuid4().hex[:12]
    driver = drive(tmp_path, run)
    with driver:
        assert driver.stdout is not None and driver.stdout.readline() == "up\n"
        assert until(lambda: all((tmp_path / name).exists() for name in ("a1", "a2", "a3")))
        assert until(lambda: len(named(run, but=[driver.pid])) >= 9), named(run)
        cleared = int((tmp_path / "a2").read_text())  # without an environment, but still in its group
        assert alive(cleared)
        os.kill(driver.pid, how)
        driver.wait()
    assert until(lambda: not named(run), 5.0) and named(run) == []
    assert until(lambda: not alive(cleared), 5.0)


def test_killing_the_whole_session_of_the_orchestrator_spares_nothing(tmp_path: Path) -> None:
    run = "session-" + uuid.uuid4().hex[:12]
    driver = drive(tmp_path, run)
    with driver:
        assert driver.stdout is not None and driver.stdout.readline() == "up\n"
        assert until(lambda: len(named(run, but=[driver.pid])) >= 9)
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    assert until(lambda: not named(run), 5.0)


def test_a_guardian_of_an_inner_run_outlives_the_kill_of_its_run(tmp_path: Path) -> None:
    """A step that is itself an orchestrator: killed by the outer one, its own guardian must still do its
    work."""
    inner, outer = "inner-" + uuid.uuid4().hex[:12], "outer-" + uuid.uuid4().hex[:12]
    code = DRIVER.format(path=[os.path.dirname(__file__), *sys.path], root=str(tmp_path), run=inner)
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "inner.py").write_text(code)
    wrapped = (
        f"import sys, time; sys.path[:0] = {[os.path.dirname(__file__), *sys.path]!r}\n"
        f"from pathlib import Path; from launching import Bench\n"
        f"bench = Bench(Path({str(tmp_path)!r}), {outer!r})\n"
        f"bench.send(bench.attempt(sys.executable, 'inner.py'))\ntime.sleep(300)\n"
    )
    with subprocess.Popen([sys.executable, "-c", wrapped], cwd=tmp_path) as driver:
        assert until(lambda: len(named(inner)) >= 9, 20.0)
        os.kill(driver.pid, signal.SIGKILL)
    assert until(lambda: not named(outer) and not named(inner), 5.0)


def test_a_guardian_leaves_when_all_went_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    starter = Starter()
    guardian = Guardian("well", starter)
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as bystander:
        slot = guardian.hold(bystander.pid)
        guardian.close()
        assert slot == 0 and alive(bystander.pid) and guardian.pid is not None and not alive(guardian.pid)
        bystander.kill()
    starter.close()


def test_a_full_table_refuses_and_recovers() -> None:
    starter = Starter()
    guardian = Guardian("full", starter)
    slots: List[int] = [guardian.hold(2**30 + number) for number in range(SLOTS)]
    assert sorted(slots) == list(range(SLOTS)) and guardian.hold(5) == -1
    guardian.drop(-1)
    guardian.drop(slots[7])
    assert guardian.hold(5) == slots[7]
    guardian.close()
    starter.close()
