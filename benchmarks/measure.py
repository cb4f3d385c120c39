"""Whole processes: what they took from start to end, their children included."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TAIL = 2000
LAUNCH = str(Path(__file__).with_name("launch.py"))


class Failed(Exception):
    """A process ended with an error or did not end in time."""


@dataclass(frozen=True)
class Sample:
    """What one process took, its children included."""

    seconds: float
    cpu: float
    """User and system seconds."""
    peak: float
    """MB, of the largest of its processes."""
    said: str = ""
    """The end of its stdout and stderr."""


def measure(
    command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None, timeout: float = 600
) -> Sample:
    """Run to the end. Raises Failed: not to be started, an exit code other than 0, no end within `timeout` seconds."""
    report, write = os.pipe()
    starter = [sys.executable, "-I", "-S", LAUNCH, str(write), *command]
    with tempfile.TemporaryFile() as said, os.fdopen(report, "rb") as told:
        try:
            process = subprocess.Popen(
                starter,
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(write,),
            )
        finally:
            os.close(write)
        late = threading.Event()
        timer = threading.Timer(timeout, _end, (process.pid, late))
        timer.start()
        try:
            process.wait()
        except BaseException:
            _end(process.pid, late)
            raise
        finally:
            timer.cancel()
        words = told.read().decode()
        said.seek(max(0, said.seek(0, os.SEEK_END) - TAIL))
        text = said.read().decode(errors="replace")
    if late.is_set() or not words:
        raise Failed(f"did not end within {timeout:.0f} s")
    if words.startswith("!"):
        raise Failed(f"could not be started: {words[2:]}")
    code, seconds, cpu, peak = (float(word) for word in words.split())
    if code:
        raise Failed(f"exit {code:.0f}: {_sentence(text, folder)}")
    return Sample(seconds, cpu, peak, text)


def _sentence(text: str, folder: Path) -> str:
    """What a reader of the results should see: one line, no path of this machine."""
    rows = [row for row in text.splitlines() if row.strip()] or ["it said nothing"]
    said = next((row for row in rows if "error" in row.lower()), rows[-1])
    return said.strip().replace(f"{folder}/", "")[:200]


def _end(group: int, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
