"""Whole processes: what they took from start to end, their children included."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TAIL = 2000


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
    with tempfile.TemporaryFile() as said:
        begin = time.perf_counter()
        try:
            process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise Failed(f"could not be started: {error.strerror}") from error
        late = threading.Event()
        timer = threading.Timer(timeout, _end, (process.pid, late))
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            _end(process.pid, late)
            raise
        finally:
            timer.cancel()
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(max(0, said.seek(0, os.SEEK_END) - TAIL))
        text = said.read().decode(errors="replace")
    if late.is_set():
        raise Failed(f"did not end within {timeout:.0f} s")
    if process.returncode:
        raise Failed(f"exit {process.returncode}: {_sentence(text, folder)}")
    return Sample(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def _sentence(text: str, folder: Path) -> str:
    """What a reader of the results should see: one line, no path of this machine."""
    rows = [row for row in text.splitlines() if row.strip()] or ["it said nothing"]
    said = next((row for row in rows if "error" in row.lower()), rows[-1])
    return said.strip().replace(f"{folder}/", "")[:200]


def _end(group: int, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
