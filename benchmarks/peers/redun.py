"""redun: a Python function that runs the command, called once per step with the files it reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.tool import Tool, lines, python_table
from benchmarks.work import Work

MODULE = """
import subprocess

from redun import File, task

redun_namespace = "work"


@task()
def step(inputs: list, output: str, command: str) -> File:
    subprocess.run(["sh", "-c", command], check=True)
    return File(output)


@task()
def main() -> list:
    made = {}
    for _, inputs, output, command in STEPS:
        files = [made[path] if path in made else File(path) for path in inputs]
        made[output] = step(files, output, command)
    return list(made.values())
"""
SETTINGS = ["[executors.default]", "type = local", "max_workers = 2"]


def _write(work: Work, folder: Path) -> None:
    lines(folder / "work.py", [*python_table(work), "", MODULE])
    (folder / ".redun").mkdir(exist_ok=True)
    lines(folder / ".redun" / "redun.ini", SETTINGS)


def _arguments(work: Work, slots: int) -> Sequence[str]:
    del work, slots  # said in its settings
    return ("run", "work.py", "main")


TOOL = Tool("redun", "redun==0.44.1", "redun", _write, _arguments, {"chain": (50,), "matrix": (10, 100)})
