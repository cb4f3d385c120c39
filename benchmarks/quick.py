"""The ratio against the parent commit, in under three minutes: for work on a hot path.

Both sides run from source with the same interpreter and the same installed packages, in turns; the order turns too.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.environments import HIDDEN, ROOT
from benchmarks.functions import nothing_project
from benchmarks.measure import Failed, Sample, measure
from benchmarks.peers.mlorch import TOOL
from benchmarks.work import Work, chain, matrix, wide

SECONDS = 150.0
MOST_ROUNDS = 15


@dataclass(frozen=True)
class Side:
    """One of the two trees."""

    name: str
    tree: Path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "mlorch", *arguments]

    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**kept, "PYTHONPATH": str(self.tree)}


@dataclass
class Line:
    """Samples of one row of the table, side by side."""

    name: str
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def add(self, side: Side, sample: Sample) -> None:
        self.samples.setdefault(side.name, []).append(sample)

    def text(self, new: Side, old: Side) -> str:
        """Medians, and the median of the ratios of each round."""
        ours, theirs = self.samples.get(new.name, []), self.samples.get(old.name, [])
        if not ours or not theirs:
            return f"{self.name:22}  failed"
        wall = [mine.seconds / its.seconds for mine, its in zip(ours, theirs)]
        cpu = [mine.cpu / max(its.cpu, 1e-6) for mine, its in zip(ours, theirs)]
        medians = [statistics.median(sample.seconds for sample in side) for side in (theirs, ours)]
        return (
            f"{self.name:22}{medians[0]:9.3f}{medians[1]:9.3f}{statistics.median(wall):8.2f}"
            f"{statistics.median(cpu):8.2f}   {min(wall):.2f} … {max(wall):.2f}  ({len(wall)})"
        )


def compare(steps: int, against: str, limit: float = SECONDS) -> list[str]:
    """The table. Raises CalledProcessError: there is no such commit."""
    end = time.monotonic() + limit
    lines: dict[str, Line] = {}
    with _tree(against) as tree, tempfile.TemporaryDirectory(dir=HIDDEN, prefix="quick-") as top:
        new, old = Side("new", ROOT), Side("old", tree)
        for number in range(MOST_ROUNDS):
            begun = time.monotonic()
            sides = (new, old) if number % 2 else (old, new)
            _round(lines, sides, Path(top) / str(number), steps)
            if time.monotonic() + (time.monotonic() - begun) > end:
                break
        head = f"{'':22}{against[:9]:>9}{'now':>9}{'wall ×':>8}{'cpu ×':>8}   range of wall × (rounds)"
        return [head, *(line.text(new, old) for line in lines.values())]


@contextmanager
def _tree(commit: str) -> Iterator[Path]:
    """A work tree of a commit, removed afterwards."""
    HIDDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=HIDDEN, prefix="tree-") as top:
        folder = Path(top) / "tree"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "-q", "--detach", str(folder), commit], check=True)
        try:
            yield folder
        finally:
            subprocess.run([*git, "remove", "--force", str(folder)], check=False)


def _round(lines: dict[str, Line], sides: Sequence[Side], top: Path, steps: int) -> None:
    _start(lines, sides)
    for work in (wide(steps), chain(max(steps // 5, 1)), matrix(steps)):
        _shape(lines, sides, work, top)
    for side in sides:
        folder = nothing_project(top / f"functions-{side.name}", steps)
        _time(lines, f"functions {steps}", side, folder, ("run", "-j2"))


def _start(lines: dict[str, Line], sides: Sequence[Side]) -> None:
    for side in sides:
        _time(lines, "--version", side, ROOT, ("--version",))


def _shape(lines: dict[str, Line], sides: Sequence[Side], work: Work, top: Path) -> None:
    folders = {}
    for side in sides:
        folder = folders[side.name] = top / f"{work.name}-{side.name}"
        folder.mkdir(parents=True)
        work.write_sources(folder)
        TOOL.write(work, folder)
    for phase in ("cold", "no-op", "change"):
        for side in sides:
            if phase == "change":
                (folders[side.name] / "in/0").write_text("another line\n")
            name = f"{work.name} {len(work.steps)} {phase}"
            _time(lines, name, side, folders[side.name], ("run", "-j2"))


def _time(lines: dict[str, Line], name: str, side: Side, folder: Path, arguments: Sequence[str]) -> None:
    line = lines.setdefault(name, Line(name))
    try:
        line.add(side, measure(side.command(*arguments), folder, side.env(), 60))
    except Failed as error:
        print(f"{name}, {side.name}: {error}", file=sys.stderr)
