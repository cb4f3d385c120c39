"""What a function step costs: nothing to do in a warm zygote, and scikit-learn imported once per slot or once per step.

    python benchmarks/functions.py --steps 200 --rounds 3
    python benchmarks/functions.py --sklearn 100

The second compares 100 steps that call a function of a module which imports scikit-learn with 100 fresh interpreters that
import the same module and call the same function, as many at a time as there are slots (xargs -P). The two take turns.
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
from pathlib import Path
from typing import List, Sequence, Tuple

NOTHING = "def nothing(n, out):\n    out.write_text(str(n))\n"
FIT = """\
import numpy as np
from sklearn.linear_model import LogisticRegression


def fit(n, out):
    chance = np.random.default_rng(n)
    x = chance.normal(size=(60, 3))
    model = LogisticRegression().fit(x, x[:, 0] > 0)
    out.write_text(str(model.score(x, x[:, 0] > 0)))
"""
FRESH = "import sys, pathlib, work; work.{name}(int(sys.argv[1]), pathlib.Path(f'fresh/{{sys.argv[1]}}'))"


def prepare(folder: Path, module: str, name: str, count: int) -> None:
    folder.mkdir(parents=True)
    (folder / "fresh").mkdir()
    (folder / "mlorch.toml").write_text("")
    (folder / "work.py").write_text(module)
    (folder / "mlorch.yaml").write_text(
        "version: 1\nname: functions\nsteps:\n"
        f"  {name}:\n    call: work:{name}\n    matrix: {{n: {list(range(count))}}}\n"
        "    outputs: {out: 'out/${{ matrix.n }}'}\n"
    )


def timed(command: Sequence[str], folder: Path, text: str = "") -> Tuple[float, float]:
    """(seconds, CPU seconds) of a command and its children. Raises SystemExit where it fails."""
    before, begin = os.times(), time.monotonic()
    done = subprocess.run(
        command,
        cwd=str(folder),
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds, after = time.monotonic() - begin, os.times()
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, cpu


def mlorch(folder: Path, jobs: int) -> Tuple[float, float]:
    return timed([sys.executable, "-m", "mlorch", "run", "-q", f"-j{jobs}"], folder)


def fresh(folder: Path, name: str, count: int, jobs: int) -> Tuple[float, float]:
    """The same with an interpreter for each step."""
    numbers = "".join(f"{n}\n" for n in range(count))
    command = ["xargs", f"-P{jobs}", "-n1", sys.executable, "-c", FRESH.format(name=name)]
    return timed(command, folder, numbers)


def median(samples: Sequence[Tuple[float, float]], part: int) -> float:
    return float(statistics.median(sample[part] for sample in samples))


def nothing(top: Path, count: int, rounds: int, jobs: int) -> None:
    """The cost per step is what many steps take beyond one."""
    one: List[Tuple[float, float]] = []
    many: List[Tuple[float, float]] = []
    for round_ in range(rounds):
        for number, samples in ((1, one), (count + 1, many)):
            folder = top / f"nothing-{number}-{round_}"
            prepare(folder, NOTHING, "nothing", number)
            samples.append(mlorch(folder, jobs))
            shutil.rmtree(str(folder))
    wall, cpu = (1000 * (median(many, part) - median(one, part)) / count for part in (0, 1))
    print(f"no-op function, {count} steps, {jobs} jobs: {wall:.2f} ms wall and {cpu:.2f} ms cpu a step")


def sklearn(top: Path, count: int, rounds: int, jobs: int) -> None:
    ours: List[Tuple[float, float]] = []
    theirs: List[Tuple[float, float]] = []
    for round_ in range(rounds):
        folder = top / f"sklearn-{round_}"
        prepare(folder, FIT, "fit", count)
        ours.append(mlorch(folder, jobs))
        theirs.append(fresh(folder, "fit", count, jobs))
        for number in range(count):
            if (folder / "out" / str(number)).read_bytes() != (folder / "fresh" / str(number)).read_bytes():
                sys.exit(f"step {number} has a wrong output")
        shutil.rmtree(str(folder))
    for name, samples in (("mlorch, zygotes", ours), ("fresh interpreters", theirs)):
        print(
            f"{count} scikit-learn steps, {name:20} {median(samples, 0):7.2f} s wall {median(samples, 1):7.2f} s cpu"
        )
    print(
        f"ratio: {median(ours, 0) / median(theirs, 0):.2f} wall, {median(ours, 1) / median(theirs, 1):.2f} cpu"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200, help="no-op functions; 0 for none")
    parser.add_argument("--sklearn", type=int, default=0, help="scikit-learn steps; 0 for none")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as top:
        if options.steps:
            nothing(Path(top), options.steps, options.rounds, options.jobs)
        if options.sklearn:
            sklearn(Path(top), options.sklearn, options.rounds, options.jobs)


if __name__ == "__main__":
    main()
