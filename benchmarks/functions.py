"""Function steps: what one costs beside a process of its own, and how often scikit-learn is imported for a hundred."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Failed, measure
from benchmarks.peers.tool import Installed, lines

if TYPE_CHECKING:
    from benchmarks.cases import Bench

CASE = "functions"
FEW, MANY = 200, 1000
FITS = 100
FRESH = 20
"""Fresh interpreters that are really started; a hundred would take minutes."""
ROUNDS = 3

NOTHING = """
def nothing(number):
    pass
"""
FIT = """
import os
import sys
from pathlib import Path

# the process that imports scikit-learn: this one, or the one that it was forked from
HOST = os.getppid() if "sklearn.linear_model" in sys.modules else os.getpid()
from sklearn.linear_model import LinearRegression


def fit(number, out):
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, float(number)])
    Path(out).write_text(f"{HOST} {model.coef_[0]:.0f}\\n")


if __name__ == "__main__":
    fit(int(sys.argv[1]), sys.argv[2])
"""


def _project(folder: Path, count: int, step: list[str], module: str) -> Path:
    folder.mkdir(parents=True)
    lines(folder / "mlorch.toml", [])
    (folder / "work.py").write_text(module)
    head = ["version: 1", "name: functions", f"python: {sys.executable}", "steps:", "  many:"]
    lines(folder / "mlorch.yaml", [*head, "    matrix:", f"      n: ${{{{ range({count}) }}}}", *step])
    return folder


def nothing_project(folder: Path, count: int) -> Path:
    """A matrix of functions that do nothing."""
    return _project(
        folder, count, ["    call: work:nothing", "    with: {number: '${{ matrix.n }}'}"], NOTHING
    )


def fit_project(folder: Path, count: int) -> Path:
    """A matrix of functions that fit a model."""
    given = ["    call: work:fit", "    with: {number: '${{ matrix.n }}'}"]
    return _project(folder, count, [*given, "    outputs: {out: 'out/${{ matrix.n }}'}"], FIT)


def run(bench: Bench, top: Path) -> None:
    mlorch = bench.tool("mlorch")
    if mlorch is None:
        return
    for number in range(ROUNDS):
        for count in (FEW, MANY) if number % 2 else (MANY, FEW):
            folder = nothing_project(top / f"nothing{count}-{number}", count)
            _time(bench, mlorch, count, "nothing", folder)
    if importlib.util.find_spec("sklearn") is None:
        bench.results.fail(
            CASE, FITS, "mlorch", "scikit-learn is not installed: `pip install -e .[examples]`"
        )
        return
    for number in range(ROUNDS):
        folder = fit_project(top / f"fit-{number}", FITS)
        _time(bench, mlorch, FITS, "scikit-learn", folder)
        _hosts(bench, folder)
        if not number:
            _fresh(bench, mlorch, folder)


def _time(bench: Bench, mlorch: Installed, count: int, phase: str, folder: Path) -> None:
    command = mlorch.command(["run", f"-j{bench.slots}"])
    try:
        sample = measure(command, folder, mlorch.env(folder.parent), bench.limits.allowed())
    except Failed as error:
        bench.results.fail(CASE, count, "mlorch", f"{phase}: {error}")
        return
    bench.results.row(CASE, count, "mlorch", phase).add(sample)


def _hosts(bench: Bench, folder: Path) -> None:
    """How many processes had imported scikit-learn, and whether every model is right."""
    row = bench.results.find(CASE, FITS, "mlorch", "scikit-learn")
    if row is None:
        return
    hosts = set()
    for number in range(FITS):
        path = folder / "out" / str(number)
        words = path.read_text().split() if path.exists() else ["", ""]
        hosts.add(words[0])
        if words[1] != str(number):
            row.wrong = f"the model {number} is wrong"
    row.facts["imports"] = max(row.facts.get("imports", 0), len(hosts))


def _fresh(bench: Bench, mlorch: Installed, folder: Path) -> None:
    """The same in an interpreter of its own each, two at once."""
    (folder / "fresh").mkdir()
    words = " ".join(f"{number} fresh/{number}" for number in range(FRESH))
    script = f"echo {words} | xargs -n2 -P{bench.slots} {sys.executable} work.py"
    try:
        sample = measure(["sh", "-c", script], folder, mlorch.env(folder.parent), bench.limits.allowed())
    except Failed as error:
        bench.results.fail(CASE, FRESH, "fresh interpreters", str(error))
        return
    bench.results.row(CASE, FRESH, "fresh interpreters", "scikit-learn").add(sample)
