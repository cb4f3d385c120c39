"""What an ended process means: a sentence for a person, and whether it may be tried again."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
from typing import Tuple

from mlorch.engine.environment import mentioned_variables
from mlorch.model import Attempt, Ended, Retry, Step

REMEDY = "raise the limits (`ulimit -a` shows them), end other programs, or use fewer jobs; then run again"
_TAIL = 4096
_NO_MODULE = re.compile(r"^ModuleNotFoundError: No module named '([\w.]+)'", re.MULTILINE)
_PACKAGES = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Well-known packages that are installed under another name than they are imported by."""
_SCARCE = 1 << 16
"""Bytes below which a file system is full for any step that writes."""

_MEANINGS = {
    126: "the command can't be executed",
    127: "a command was not found",
    137: "probably for want of memory",
    139: "it crashed with a segmentation fault",
}


def exit_sentence(ended: Ended, step: Step) -> Tuple[str, str]:
    """(what happened, what to do): `exit 1`, `timed out after 30s`, `killed by SIGKILL` …"""
    if ended.cause == "timeout":
        after = step.timeout.after if step.timeout is not None else 0.0
        return f"timed out after {after:g}s", "raise `timeout`, or look into the log for where it hung"
    if ended.cause == "cancelled":
        return "cancelled", ""
    if ended.cause == "zygote":
        return ended.error or "the process that hosted it was killed", "run it again"
    if ended.cause == "spawn":
        return ended.error or "it could not be started", REMEDY if ended.environment else ""
    code = ended.exit_code if ended.exit_code is not None else 1
    if ended.cause == "signal" or code > 128:
        name = _signal_name(code - 128)
        meaning = f" ({_MEANINGS[code]})" if code in _MEANINGS else ""
        return f"killed by {name}{meaning}", ""
    meaning = f": {_MEANINGS[code]}" if code in _MEANINGS else ""
    error = f": {ended.error}" if ended.error else meaning
    return f"exit {code}{error}", ""


def retryable(ended: Ended, retry: Retry) -> bool:
    """Whether `retry.on` names this way of failing; an empty one names all."""
    if not retry.on:
        return True
    code = ended.exit_code
    killed = ended.cause in ("signal", "zygote") or (
        code is not None and code > 128 and ended.cause == "exit"
    )
    for item in retry.on:
        if item == "timeout" and ended.cause == "timeout":
            return True
        if item == "killed" and killed:
            return True
        if item == "failed" and ended.cause in ("exit", "spawn") and not killed:
            return True
        if isinstance(item, int) and not isinstance(item, bool) and ended.cause == "exit" and code == item:
            return True
    return False


def log_hint(attempt: Attempt) -> str:
    """What the last lines of the log call for: a variable that was not let through, a package that is not installed."""
    try:
        with open(attempt.log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            tail = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    names = mentioned_variables(tail, os.environ, attempt.env)
    if names:
        return f"its last lines name ${names[0]}, which you have and the step did not: let it through with `pass_env`"
    return _package_hint(tail, attempt)


def _package_hint(tail: str, attempt: Attempt) -> str:
    """Which Python lacked a module, and what puts it there; nothing for a module of the project's own."""
    missing = _NO_MODULE.findall(tail)
    python = attempt.python or shutil.which("python", path=attempt.env.get("PATH", ""))
    if not missing or not python:
        return ""
    name = missing[-1].split(".")[0]
    if any(os.path.exists(os.path.join(attempt.cwd, name + end)) for end in ("", ".py")):
        return ""
    listed = os.path.isfile(os.path.join(attempt.cwd, "requirements.txt"))
    what = "-r requirements.txt" if listed else _PACKAGES.get(name, name)
    return (
        f"{python} has no `{name}`: {shlex.quote(python)} -m pip install {what}, "
        "or name another Python with `python:` in the pipeline"
    )


def full_disk_hint(attempt: Attempt) -> str:
    """What to do where a file system that the step writes to has no room left: then it has failed for that."""
    for folder in (attempt.cwd, os.path.dirname(attempt.log), attempt.env.get("TMPDIR", "/tmp")):
        try:
            found = os.statvfs(folder)
        except OSError:
            continue
        no_names = found.f_files > 0 and found.f_favail == 0
        if found.f_blocks > 0 and (found.f_bavail * found.f_frsize < _SCARCE or no_names):
            return f"`{folder}` is full: free some space, then run again"
    return ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
