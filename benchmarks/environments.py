"""Every tool in a virtual environment of its own, at a pinned version; what can't be had is named with the reason."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.peers.tool import Installed, Tool

ROOT = Path(__file__).resolve().parent.parent
HIDDEN = ROOT / ".bench"
"""Environments, and where the work is done; ignored by git."""
PATIENCE = 600


class Missing(Exception):
    """A tool that can't be had here: why."""


def install(tools: Iterable[Tool]) -> tuple[list[Installed], dict[str, str]]:
    """What there is, and for the rest name -> reason."""
    found: list[Installed] = []
    missing: dict[str, str] = {}
    for tool in tools:
        try:
            found.append(_install(tool))
        except Missing as error:
            missing[tool.name] = str(error)
            print(f"left out: {tool.name}: {error}", file=sys.stderr)
    return found, missing


def _install(tool: Tool) -> Installed:
    if not tool.requirement:
        program = shutil.which(tool.program)
        if program is None:
            raise Missing("it is not installed on this system")
        return Installed(tool, Path(program).parent, _first_line([program, *tool.version]))
    folder = environment(tool.requirement, tool.python) / "bin"
    if not (folder / tool.program).exists():
        raise Missing(f"{tool.requirement} brings no `{tool.program}`")
    version = tool.requirement.rpartition("==")[2]
    return Installed(
        tool, folder, version if version != "." else _first_line([str(folder / "mlorch"), "--version"])
    )


def environment(requirement: str, python: str = "") -> Path:
    """The folder of a virtual environment that holds a requirement; `.` is this project, installed anew each time.

    Raises Missing.
    """
    name = "mlorch" if requirement == "." else requirement.replace("==", "-")
    folder = HIDDEN / "envs" / name
    stamp = folder / ".complete"
    if stamp.exists() and requirement != ".":
        return folder
    if not stamp.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        print(f"installing {name} (once)", file=sys.stderr)
        _run([_interpreter(python), "-m", "venv", str(folder)])
    wanted = str(ROOT) if requirement == "." else requirement
    _run(
        [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", wanted]
    )
    stamp.touch()
    return folder


def _interpreter(version: str) -> str:
    if not version:
        return sys.executable
    finder = ["sh", str(ROOT / "tools" / "find-python.sh"), version]
    found = subprocess.run(finder, capture_output=True, text=True, check=False).stdout.strip()
    if not found:
        raise Missing(f"it needs Python {version}, which is not on this machine")
    return found


def _run(command: list[str]) -> None:
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise Missing(f"installing it did not end within {PATIENCE} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
        raise Missing("it could not be installed: " + said[-1][:200])


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    text = (done.stdout or done.stderr).strip()
    return text.splitlines()[0] if text else "unknown version"
