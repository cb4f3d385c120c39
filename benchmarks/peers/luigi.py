"""luigi: a class with a number as its parameter, targets as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.tool import Tool, lines, python_table
from benchmarks.work import Work

MODULE = """
import subprocess

import luigi

NUMBER = {output: number for number, (_, _, output, _) in enumerate(STEPS)}
LAST = %r


class Step(luigi.Task):
    number = luigi.IntParameter()

    def requires(self):
        return [Step(NUMBER[path]) for path in STEPS[self.number][1] if path in NUMBER]

    def output(self):
        return luigi.LocalTarget(STEPS[self.number][2])

    def run(self):
        subprocess.run(["sh", "-c", STEPS[self.number][3]], check=True)


class All(luigi.WrapperTask):
    def requires(self):
        return [Step(NUMBER[path]) for path in LAST]
"""


def _write(work: Work, folder: Path) -> None:
    last = [step.output for step in work.last]
    lines(folder / "work.py", [*python_table(work), "", MODULE % last])


def _arguments(work: Work, slots: int) -> Sequence[str]:
    del work
    command = ("--module", "work", "All", "--local-scheduler", "--workers", str(slots))
    return (*command, "--log-level", "ERROR")


SIZES = {"wide": (1000,), "layered": (1000,), "chain": (200,), "matrix": (10, 100)}
TOOL = Tool(
    "luigi",
    "luigi==3.8.1",
    "luigi",
    _write,
    _arguments,
    SIZES,
    version=("--version",),
    env={"PYTHONPATH": "."},
)
