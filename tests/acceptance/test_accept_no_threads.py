"""A machine that gives no thread. It can't be had of a real one for a chosen thread (root knows no limit of processes), so
`Thread.start` refuses here, in a real command; `make faults` has the real limit, wherever it strikes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import Dict

import pytest
from kit import Project

REFUSING = """
import sys, threading
start, refused = threading.Thread.start, sys.argv.pop(1)

def refuse(self):
    if self.name == refused:
        print("REFUSED", file=sys.stderr)
        raise RuntimeError("can't start new thread")
    start(self)

threading.Thread.start = refuse
from mlorch.cli import main
sys.exit(main())
"""
NO_PIPE = """
import errno, os, sys

def refuse():
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

os.pipe = refuse
from mlorch.cli import main
sys.exit(main())
"""
WIDE = """
steps:
  each:
    matrix: {n: [1, 2, 3, 4, 5, 6]}
    outputs: {o: "out/${{ matrix.n }}"}
    run: sleep 0.05; echo ${{ matrix.n }} > ${{ outputs.o }}
"""


MANY_FILES = "steps: {a: {outputs: {o: out/}, run: 'cd ${{ outputs.o }}; seq 1500 | split -l 1 -a 4'}}"


def assert_kept(project: Project) -> None:
    assert len(os.listdir(project.root / "out")) == 1500
    assert "1501 objects" in project.cli("verify").stdout, "each file, and the folder"


def refused(
    project: Project, thread: str, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A run that is refused this thread, seen to have been."""
    command = [sys.executable, "-c", REFUSING, thread, "run", "-j2", *arguments]
    env: Dict[str, str] = {**os.environ, **variables}
    done = subprocess.run(command, cwd=project.root, env=env, capture_output=True, text=True, timeout=60)
    assert "REFUSED" in done.stderr and "Traceback" not in done.stderr, done.stderr
    return done


OUTPUTS = [f"{number}\n" for number in range(1, 7)]


@pytest.mark.parametrize("thread", ["mlorch-commits", "mlorch-heartbeat", "mlorch-signals"])
def test_a_run_does_without_what_only_helps_it(project: Project, thread: str) -> None:
    project.pipeline(WIDE)
    done = refused(project, thread)
    assert done.returncode == 0, done.stderr
    assert [project.read(f"out/{number}") for number in range(1, 7)] == OUTPUTS
    assert "6 ran" in done.stdout


def test_a_large_folder_is_kept_without_help(project: Project) -> None:
    project.pipeline(MANY_FILES)
    assert refused(project, "mlorch-folder").returncode == 0
    assert_kept(project)


@pytest.mark.parametrize("nth", [300, 700, 1100])
def test_a_full_disk_is_seen_by_either_thread_that_keeps_a_large_folder(project: Project, nth: int) -> None:
    project.pipeline(MANY_FILES)
    answer = json.loads(project.cli("run", "--json", code=8, MLORCH_FAULT=f"create:ENOSPC:{nth}").stdout)
    assert "no space left" in answer["steps"][0]["error"] and "free some space" in answer["steps"][0]["hint"]
    assert project.run(code=0)["a"].outcome == "succeeded"
    assert_kept(project)


def test_what_a_screen_would_show_is_told_at_the_end(project: Project) -> None:
    project.pipeline(WIDE)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", REFUSING, "mlorch-screen", "run", "-j2"]
    env = {**os.environ, "TERM": "xterm", "CI": ""}  # what a screen is shown with, wherever the tests run
    with subprocess.Popen(
        command, cwd=project.root, env=env, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        told, _ = process.communicate(timeout=60)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert process.returncode == 0 and b"6 ran" in told
    assert "REFUSED" in shown and "each" in shown and "Traceback" not in shown
    assert [project.read(f"out/{number}") for number in range(1, 7)] == OUTPUTS


@pytest.mark.parametrize("thread", ["mlorch-agents", "mlorch-alarms", "mlorch-masker"])
def test_a_run_that_can_not_do_without_names_the_machine(project: Project, thread: str) -> None:
    project.pipeline(WIDE + "    timeout: 30s\n    secrets: [TOKEN]\n")
    done = refused(project, thread, "--keep-going", TOKEN="a long secret")
    assert done.returncode == 8 and "thread" in done.stderr, (done.returncode, done.stderr)
    project.cli("run", TOKEN="a long secret")


def test_a_run_that_gets_no_pipe_names_the_machine(project: Project) -> None:
    project.pipeline(WIDE)
    command = [sys.executable, "-c", NO_PIPE, "run"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 8 and "nothing can be started" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert "6 ran" in project.cli("run").stdout


def test_alerts_are_sent_at_the_end(project: Project) -> None:
    project.pipeline('notify: [{command: [sh, -c, "cat > told"]}]\nsteps:\n  a: {run: exit 3}\n')
    assert refused(project, "mlorch-alerts").returncode == 1
    assert '"kind": "failure"' in project.read("told").replace('":"', '": "')
