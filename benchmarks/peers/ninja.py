"""ninja: a build statement per step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.tool import Tool, lines
from benchmarks.work import Work


def _write(work: Work, folder: Path) -> None:
    rows = ["rule r", "  command = $cmd"]
    for step in work.steps:
        command = step.command().replace("$", "$$")
        rows += [f"build {step.output}: r {' '.join(step.inputs)}", f"  cmd = {command}"]
    lines(folder / "build.ninja", rows)


def _arguments(work: Work, slots: int) -> Sequence[str]:
    del work
    return ("--quiet", f"-j{slots}")


SIZES = {
    "wide": (1000, 10_000),
    "layered": (1000,),
    "chain": (200,),
    "diamond": (1000,),
    "matrix": (10, 100, 1000, 10_000, 50_000),
}
TOOL = Tool("ninja", "ninja==1.13.0", "ninja", _write, _arguments, SIZES)
