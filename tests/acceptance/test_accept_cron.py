"""From cron, in a pipe, without a terminal, after a kill: the same results, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

import pytest
from kit import Project

WORK = """
import locale, os, sys, time

NAMES = ["LANG", "LC_ALL", "LANGUAGE", "TZ", "TERM", "PYTHONHASHSEED", "COLUMNS", "MAILTO"]


def table(out, source):
    words = set(source.read_text().split())
    out.write_text("\\n".join(sorted(words)) + "\\n" + repr({name: os.environ.get(name) for name in NAMES}))

if __name__ == "__main__":
    open(sys.argv[1], "w").write(" ".join([sys.prefix[:0], str(hash("x")), time.strftime("%Z"), os.environ["LANG"]]))
"""
STEPS = """
steps:
  called: {call: "work:table", inputs: {source: words.txt}, outputs: {out: a.txt}}
  started: {run: "python work.py ${{ outputs.o }}", outputs: {o: b.txt}, env: {PYTHONHASHSEED: "0"}}
  sorted: {run: "sort words.txt > ${{ outputs.o }}; env | grep -E '^(LANG|LC_|TZ|TERM|LANGUAGE)' | sort >> ${{ outputs.o }}", outputs: {o: c.txt}}
  shaped: {run: "date -d @0 +%c > ${{ outputs.o }}; printf '%.2f' 0.5 >> ${{ outputs.o }}", outputs: {o: d.txt}}
"""  # noqa: E501
MLORCH = str(Path(sys.prefix) / "bin" / "mlorch")


def fill(project: Project, python: str = "") -> None:
    project.write("work.py", WORK)
    project.write("words.txt", "Zebra apple Äpfel zebra _x\n")
    project.pipeline(python + STEPS)


def cron(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    """The command as cron starts it: hardly an environment, another folder, no terminal."""
    small = {"HOME": str(cwd), "PATH": "/usr/bin:/bin", "LOGNAME": "root", "SHELL": "/bin/sh", **env}
    found = [MLORCH] if os.path.exists(MLORCH) else [sys.executable, "-m", "mlorch"]
    return subprocess.run(
        [*found, *arguments],
        cwd=str(cwd),
        env=small,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )


def digests(document: Dict[str, Any]) -> Dict[str, str]:
    return {
        f"{step['step']}/{name}": output["digest"]
        for step in document["steps"]
        for name, output in step["outputs"].items()
    }


@pytest.mark.parametrize("how", ["python:", ".venv"])
def test_cron_makes_the_same_digests_as_a_terminal(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.delenv("VIRTUAL_ENV")
    if how == ".venv":
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", str(project.root / ".venv")], check=True
        )
    fill(project, f"python: {sys.executable}\n" if how == "python:" else "")
    terminal = {
        "LANG": "de_DE.UTF-8",
        "LC_ALL": "tr_TR.UTF-8",
        "TZ": "Asia/Tokyo",
        "PYTHONHASHSEED": "7",
        "TERM": "xterm",
    }
    first = json.loads(project.cli("run", "--json", **terminal).stdout)
    elsewhere = tmp_path / "home"
    elsewhere.mkdir()
    again = cron("run", str(project.root / "mlorch.yaml"), "--json", cwd=elsewhere)
    assert again.returncode == 0, again.stderr
    document = json.loads(again.stdout)
    assert document["totals"]["cached"] == 4 and digests(document) == digests(first)
    forced = cron("run", str(project.root / "mlorch.yaml"), "--json", "--force", cwd=elsewhere)
    assert forced.returncode == 0, forced.stderr
    document = json.loads(forced.stdout)
    assert document["totals"]["succeeded"] == 4
    assert digests(document) == digests(first) and len(digests(first)) == 4
    written = {str(path.relative_to(elsewhere)) for path in elsewhere.rglob("*") if path.is_file()}
    assert written <= {".cache/mlorch/key"}, (
        "nothing else is written to HOME, which is the caller's folder here"
    )


def test_without_a_terminal_there_are_plain_lines_and_no_escapes(project: Project, tmp_path: Path) -> None:
    fill(project, f"python: {sys.executable}\n")
    done = cron("-C", str(project.root), "run", cwd=tmp_path, TERM="xterm-256color", FORCE_COLOR="1")
    assert done.returncode == 0, done.stderr
    assert b"\033[?25" not in done.stderr and b"\r" not in done.stderr, "no live screen"
    plain = cron("-C", str(project.root), "run", "--force", cwd=tmp_path)
    assert b"\033" not in plain.stdout + plain.stderr
    plain.stderr.decode("utf-8")
    ascii_only = cron("-C", str(project.root), "run", "--force", cwd=tmp_path, LC_ALL="C", PYTHONUTF8="0")
    assert ascii_only.returncode == 0 and b"Traceback" not in ascii_only.stderr
    silent = cron("-C", str(project.root), "-q", "run", cwd=tmp_path)
    assert (silent.returncode, silent.stderr) == (0, b""), "cron sends a mail for each word"


@pytest.mark.parametrize(
    "arguments", [["schema"], ["graph", "--format", "svg"], ["run", "--progress", "jsonl"]]
)
def test_a_pipe_that_closes_early_gives_141_and_no_traceback(project: Project, arguments: List[str]) -> None:
    steps = "".join(f"  s{number}: {{run: 'true'}}\n" for number in range(20))
    project.pipeline("steps:\n" + steps)
    reading, writing = os.pipe()
    os.close(reading)
    stream = {"stderr" if arguments[0] == "run" else "stdout": writing}
    process = subprocess.Popen(
        project.command(*arguments),
        cwd=str(project.root),
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **stream},
    )
    os.close(writing)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 141, (out, err)
    assert b"Traceback" not in (out or b"") + (err or b"") and b"Exception ignored" not in (err or b"")
    if arguments[0] == "run":
        assert project.run().outcomes.keys() == {f"s{number}" for number in range(20)}


def test_kill_9_leaves_no_process_and_needs_no_repair(project: Project) -> None:
    project.write(
        "lib.py",
        """
        import os, subprocess, time

        def hang(out):
            child = subprocess.Popen(["sleep", "60"])
            away = subprocess.Popen(["setsid", "sleep", "61"])
            with open("pids", "a") as file:
                file.write("%d %d %d\\n" % (os.getpid(), child.pid, away.pid))
            out.write_text("half")
            while not os.path.exists("go"):
                time.sleep(0.02)
            child.kill(), away.kill(), child.wait(), away.wait()
            out.write_text("whole")
        """,
    )
    project.pipeline(
        """
        steps:
          first: {run: "echo f > ${{ outputs.o }}", outputs: {o: f.txt}}
          called: {call: "lib:hang", outputs: {out: c.txt}, needs: [first]}
          shell:
            run: sleep 62 & echo $$ $! >> pids; echo half > s.txt; until test -e go; do sleep 0.02; done; kill %1; echo whole > s.txt
            outputs: {o: s.txt}
            needs: [first]
        """  # noqa: E501
    )
    process = project.start("run", "-j", "2")
    deadline = time.time() + 30
    while len(project.lines("pids")) < 2:
        assert process.poll() is None and time.time() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    pids = [pid for line in project.lines("pids") for pid in line.split()]
    assert len(pids) == 5
    deadline = time.time() + 8
    while [pid for pid in pids if os.path.exists("/proc/" + pid)]:
        assert time.time() < deadline, [pid for pid in pids if os.path.exists("/proc/" + pid)]
        time.sleep(0.02)
    assert not project.exists("c.txt")
    project.write("go", "")
    ran = project.run()
    assert ran.outcomes == {"first": "cached", "called": "succeeded", "shell": "succeeded"}
    assert (project.read("c.txt"), project.read("s.txt")) == ("whole", "whole\n")
    assert project.run().executed == set()
    project.cli("verify")
    left = [path for path in project.everything() if path.startswith((".mlorch/staging/", ".mlorch/tmp/"))]
    assert left == []
