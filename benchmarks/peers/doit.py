"""doit: a dictionary per step, made in a loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.tool import Tool, lines, python_table
from benchmarks.work import Work

DODO = """
def task_step():
    for name, inputs, output, command in STEPS:
        yield {"name": name, "file_dep": inputs, "targets": [output], "actions": [command]}
"""


def _write(work: Work, folder: Path) -> None:
    lines(folder / "dodo.py", [*python_table(work), "", DODO])


def _arguments(work: Work, slots: int) -> Sequence[str]:
    del work
    return ("run", "-n", str(slots), "-P", "thread", "-r", "error-only")


SIZES = {
    "wide": (1000, 10_000),
    "layered": (1000,),
    "chain": (200,),
    "diamond": (1000,),
    "matrix": (10, 100, 1000, 10_000),
}
TOOL = Tool("doit", "doit==0.37.0", "doit", _write, _arguments, SIZES)
