"""make: a rule per step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.tool import Tool, lines
from benchmarks.work import Work


def _write(work: Work, folder: Path) -> None:
    rows = ["all: " + " ".join(step.output for step in work.last)]
    for step in work.steps:
        command = step.command().replace("$", "$$")
        rows += [f"{step.output}: {' '.join(step.inputs)}", f"\t{command}"]
    lines(folder / "Makefile", rows)


def _arguments(work: Work, slots: int) -> Sequence[str]:
    del work
    return ("-s", f"-j{slots}", "all")


SIZES = {
    "wide": (1000, 10_000),
    "layered": (1000,),
    "chain": (200,),
    "diamond": (1000,),
    "matrix": (10, 100, 1000, 10_000),
}
TOOL = Tool("make", "", "make", _write, _arguments, SIZES)
