"""Times whole processes of mlorch and of make on the same generated work, side by side.

    python benchmarks/wide.py --steps 1000 --shape wide --rounds 3

Every step is `cat IN > OUT`. *wide* steps are independent of each other, a *chain* is one after another. The tools take
turns within each round, so that what else the machine does hits both; the ratio of two medians says more than either.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

PHASES = ("cold", "idle", "one change")


@dataclass(frozen=True)
class Sample:
    """What one process took, its children included."""

    seconds: float
    cpu: float
    """User and system seconds."""
    peak_rss: float
    """MB, of the largest of its processes."""


@dataclass(frozen=True)
class Work:
    """Generated work: `count` steps of a shape."""

    count: int
    shape: str

    def steps(self) -> List[Tuple[int, str, str]]:
        """(number, input, output) of each."""
        chain = self.shape == "chain"
        return [(n, f"out/{n - 1}" if chain and n else f"in/{n}", f"out/{n}") for n in range(self.count)]

    def sources(self, folder: Path) -> None:
        (folder / "in").mkdir(parents=True)
        (folder / "out").mkdir()
        for number in range(self.count):
            (folder / "in" / str(number)).write_text(f"line {number}\n")

    def pipeline(self) -> str:
        lines = ["version: 1", f"name: {self.shape}", "defaults:", "  shell: sh", "steps:"]
        for number, source, target in self.steps():
            lines += [
                f"  s{number}:",
                f"    inputs: {{a: {source}}}",
                f"    outputs: {{o: {target}}}",
                "    run: cat ${{ inputs.a }} > ${{ outputs.o }}",
            ]
        return "\n".join(lines) + "\n"

    def makefile(self) -> str:
        steps = self.steps()
        rules = [f"{target}: {source}\n\tcat {source} > {target}\n" for _, source, target in steps]
        return "all: " + " ".join(target for _, _, target in steps) + "\n" + "".join(rules)


@dataclass(frozen=True)
class Tool:
    """One competitor: how its folder is made and what is run there."""

    name: str
    prepare: Callable[[Work, Path], None]
    command: Sequence[str]


def prepare_mlorch(work: Work, folder: Path) -> None:
    work.sources(folder)
    (folder / "mlorch.toml").write_text("")
    (folder / "mlorch.yaml").write_text(work.pipeline())


def prepare_make(work: Work, folder: Path) -> None:
    work.sources(folder)
    (folder / "Makefile").write_text(work.makefile())


def tools(jobs: int) -> List[Tool]:
    found = [Tool("mlorch", prepare_mlorch, (sys.executable, "-m", "mlorch", "run", f"-j{jobs}"))]
    make = shutil.which("make")
    if make is None:
        print("make is not installed: mlorch alone is timed")
    else:
        found.append(Tool("make", prepare_make, (make, "-s", f"-j{jobs}", "all")))
    return found


def measure(command: Sequence[str], folder: Path) -> Sample:
    """Run to the end. Raises SystemExit where the command fails."""
    with tempfile.TemporaryFile() as said:
        begin = time.monotonic()
        process = subprocess.Popen(list(command), cwd=str(folder), stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = status
        if status:
            said.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{said.read().decode(errors='replace')[-2000:]}")
    return Sample(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def change(phase: str, folder: Path, round_: int) -> None:
    """Bring the folder to where the phase begins."""
    if phase == "one change":
        (folder / "in" / "0").write_text(f"another line {round_}\n")


Samples = Dict[Tuple[str, str], List[Sample]]


def play(work: Work, rivals: List[Tool], rounds: int, top: Path) -> Samples:
    samples: Samples = {}
    for round_ in range(rounds):
        folders = {tool.name: top / f"{tool.name}-{round_}" for tool in rivals}
        for tool in rivals:
            tool.prepare(work, folders[tool.name])
        for phase in PHASES:
            # the order turns, so that neither always comes after the other
            for tool in rivals[round_ % len(rivals) :] + rivals[: round_ % len(rivals)]:
                change(phase, folders[tool.name], round_)
                samples.setdefault((phase, tool.name), []).append(measure(tool.command, folders[tool.name]))
        for folder in folders.values():
            check(work, folder)
            shutil.rmtree(str(folder))
    return samples


def check(work: Work, folder: Path) -> None:
    """Timing wrong work would be worth nothing."""
    for number, source, target in work.steps():
        if (folder / source).read_bytes() != (folder / target).read_bytes():
            sys.exit(f"{folder.name}: step {number} has a wrong output")


def median(samples: Sequence[Sample], name: str) -> float:
    return float(statistics.median(getattr(sample, name) for sample in samples))


def show(work: Work, samples: Samples, rivals: Sequence[Tool]) -> None:
    print(f"\n{work.shape}, {work.count} steps, medians of {len(next(iter(samples.values())))}")
    print(f"{'':12}{'':8}{'wall s':>9}{'cpu s':>9}{'ms/step':>9}{'MB':>7}{'wall ×':>9}{'cpu ×':>8}")
    for phase in PHASES:
        base = samples[(phase, rivals[-1].name)]
        for tool in rivals:
            mine = samples[(phase, tool.name)]
            wall, cpu = median(mine, "seconds"), median(mine, "cpu")
            ratios = ""
            if mine is not base:
                ratios = f"{wall / median(base, 'seconds'):9.1f}{cpu / max(median(base, 'cpu'), 1e-3):8.1f}"
            row = f"{phase:12}{tool.name:8}{wall:9.3f}{cpu:9.3f}{1000 * cpu / work.count:9.2f}"
            print(row + f"{median(mine, 'peak_rss'):7.0f}" + ratios)


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description="mlorch and make on the same work, side by side")
    parser.add_argument("--steps", type=int, nargs="+", default=[1000])
    parser.add_argument("--shape", choices=("wide", "chain"), default="wide")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    options = parser.parse_args(argv)
    rivals = tools(options.jobs)
    for count in options.steps:
        work = Work(count, options.shape)
        with tempfile.TemporaryDirectory(dir=options.folder and str(options.folder)) as top:
            show(work, play(work, rivals, options.rounds, Path(top)), rivals)


if __name__ == "__main__":
    main()
