"""The live screen in a real pseudo-terminal, as an emulator of one shows it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pyte
import pytest

PIPELINE = """\
version: 1
name: demo
pass_env: [GO]
steps:
  load: {run: "echo 1 > ${{ outputs.o }}", outputs: {o: o/load.txt}}
  train:
    run: |
      printf 'start\\n\\r 10%%|#   | 1/10 [00:01]\\r 50%%|##  | 5/10 [00:05, loss=\\033[31m0.3\\033[0m]'
      while [ ! -e $GO ]; do sleep 0.02; done; printf '\\r100%%\\n'
    needs: [load]
    cache: false
  sweep:
    matrix: {n: "${{ range(12) }}"}
    run: "while [ ! -e $GO ]; do sleep 0.02; done"
    needs: [load]
    cache: false
"""
DEADLINE = 90


class Shown:
    """A process in a terminal, and the screen that it painted."""

    def __init__(self, argv, cwd, env, columns=80, rows=24):
        self.master, slave = pty.openpty()
        self.screen = pyte.HistoryScreen(columns, rows, history=1000)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.resize(columns, rows, tell=False)
        self.process = subprocess.Popen(
            argv,
            cwd=str(cwd),
            env={**env, "TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def resize(self, columns, rows, tell=True):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            self.screen.resize(rows, columns)

    def read(self, seconds=0.05):
        """False where nobody can write any more."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.raw += data
        self.stream.feed(data)
        return bool(data)

    def lines(self):
        """All that stands there, what has scrolled away too."""
        above = [
            "".join(row[column].data for column in sorted(row)).rstrip() for row in self.screen.history.top
        ]
        return [line for line in [*above, *(row.rstrip() for row in self.screen.display)] if line]

    def until(self, text):
        deadline = time.monotonic() + DEADLINE
        while not any(text in line for line in self.lines()):
            assert time.monotonic() < deadline, (text, self.lines())
            assert self.read() or any(text in line for line in self.lines()), (text, self.lines())
        return self.lines()

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        while self.read(0.5) and self.process.poll() is None:
            pass
        return self.process.wait(DEADLINE)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self.master)


@pytest.fixture
def shown(cli):
    (cli.cwd / "mlorch.yaml").write_text(PIPELINE)
    cli.env = {**cli.env, "GO": str(go_file(cli))}
    started = []

    def start(*argv, **size):
        started.append(
            Shown(list(argv) or [sys.executable, "-m", "mlorch", "run", "-j", "3"], cli.cwd, cli.env, **size)
        )
        return started[-1]

    yield start
    for item in started:
        item.kill()


def go_file(cli):
    """Made to let the steps end."""
    return cli.cwd.parent / "go"


def let_go(cli):
    go_file(cli).write_text("")


def test_what_runs_is_repainted_and_what_ended_scrolls_away(cli, shown):
    screen = shown()
    screen.until("50% 5/10")
    screen.until("0/12")
    lines = screen.until("3 running · 10 waiting · 0:")  # the last line: a frame may come in pieces
    assert lines[0].startswith("demo · 14 steps · 3 jobs · run ")
    assert lines[1].startswith("✓ load        first run")
    assert lines[2].startswith("● train       cache: false") and "━╺" in lines[2] and lines[2].endswith("s")
    assert lines[3] == " " * 14 + "50% 5/10 [00:05, loss=0.3]"
    assert lines[4].startswith("● sweep ×12   2 running") and lines[4].endswith("0/12")
    assert lines[5].startswith("1/14 · 3 running · 10 waiting · 0:") and len(lines) == 6
    let_go(cli)
    assert screen.end() == 0
    lines = screen.lines()
    assert lines[0].startswith("demo") and lines[1].startswith("✓ load")
    assert sorted(line.split()[1] for line in lines[2:4]) == ["sweep", "train"]
    assert lines[4].startswith("✓ demo finished in") and lines[5] == "  14 ran" and len(lines) == 6
    assert screen.screen.cursor.y == 6 and screen.screen.cursor.x == 0
    assert not screen.screen.cursor.hidden and pyte.modes.DECAWM in screen.screen.mode


@pytest.mark.parametrize(("columns", "rows"), [(40, 24), (200, 24), (60, 5)])
def test_resizing_leaves_nothing_behind(cli, shown, columns, rows):
    screen = shown()
    screen.until("0/12")
    screen.resize(columns, rows)
    time.sleep(0.6)
    while screen.read(0.4) and not any("running" in line or "/14" in line for line in screen.lines()[-1:]):
        pass
    let_go(cli)
    assert screen.end() == 0
    lines = screen.lines()
    assert not [line for line in lines if line.startswith("●") or "running" in line], lines
    if rows == 24:  # else the emulator drops what no longer fits
        assert len([line for line in lines if line.startswith("✓ load")]) == 1
    assert all(len(line) <= max(columns, 80) for line in lines)


def test_ctrl_z_leaves_a_clean_screen_and_fg_brings_it_back(cli, shown):
    screen = shown("bash", "--norc", "--noprofile", "-i")
    screen.type(f"PS1='ready$ '; clear; {sys.executable} -m mlorch run -j 3\n")
    screen.until("0/12")
    screen.type("\x1a")
    lines = screen.until("Stopped")
    assert not [line for line in lines if line.startswith("●") or "waiting" in line]
    assert any(line.startswith("suspended: what runs goes on") for line in lines)
    screen.type("fg\n")
    screen.until("0/12")
    let_go(cli)
    screen.until("demo finished in")
    assert not [line for line in screen.lines() if line.startswith("●") or " waiting" in line]
    screen.type("echo code=$?\n")
    screen.until("code=0")


def test_a_terminal_that_dies_ends_the_run_as_a_hangup_does(cli, shown):
    screen = shown()
    screen.until("0/12")
    os.close(screen.master)
    assert screen.process.wait(DEADLINE) == 129
    assert cli.json("runs")["runs"][0]["status"] == "cancelled"


def test_a_run_under_nohup_outlives_its_terminal(cli, shown):
    screen = shown("sh", "-c", f"trap '' HUP; exec {sys.executable} -m mlorch run -j 3")
    screen.until("0/12")
    os.close(screen.master)
    time.sleep(0.5)
    assert screen.process.poll() is None
    let_go(cli)
    screen.process.wait(DEADLINE)
    assert cli.json("runs")["runs"][0]["status"] == "succeeded"


def test_in_the_background_nothing_is_painted(cli, shown):
    screen = shown("bash", "--norc", "--noprofile", "-i")
    screen.type(f"PS1='ready$ '; clear; {sys.executable} -m mlorch run -j 3 & sleep 1; wait\n")
    screen.until("✓ load")
    time.sleep(0.5)
    screen.read()
    assert b"1/14" not in screen.raw
    let_go(cli)
    screen.until("demo finished in")


@pytest.mark.parametrize("extra", [{"CI": "true"}, {"TERM": "dumb"}])
def test_no_escape_where_a_terminal_is_not_a_screen(cli, shown, extra):
    let_go(cli)
    assignments = [f"{name}={value}" for name, value in extra.items()]
    screen = shown("env", *assignments, "NO_COLOR=1", sys.executable, "-m", "mlorch", "run")
    assert screen.end() == 0
    assert b"\x1b" not in screen.raw and b"[14/14]" in screen.raw


def test_no_escape_off_a_terminal_though_colour_is_forced(cli):
    (cli.cwd / "mlorch.yaml").write_text(PIPELINE)
    let_go(cli)
    for progress in ("auto", "tty", "plain"):
        done = cli("run", "--progress", progress, FORCE_COLOR="1", CLICOLOR_FORCE="1", GO=str(go_file(cli)))
        assert "\x1b" not in done.stdout + done.stderr
    assert signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL
