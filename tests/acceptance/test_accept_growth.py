"""What each instance of a matrix costs in memory. Of Python's own objects, as they are allocated, so that neither the machine
nor what else runs on it matters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Dict

FEW, MANY = 200, 1_000
MOST = {"cold plan": 9_500, "adopting run": 8_000, "run": 14_000, "plan": 14_000, "remembered run": 3_000}
"""Bytes for each instance, with what was asked of the file system for it; some caches that end at a few thousand entries fill up
here, so that of 100,000 instances each costs half of this."""
MEASURED = """
import sys, tracemalloc
from mlorch.cli import main
tracemalloc.start()
code = main(sys.argv[1:])
print("peak", tracemalloc.get_traced_memory()[1], file=sys.stderr)
sys.exit(code)
"""


def _project(folder: Path, size: int) -> Path:
    """One step with so many instances, whose inputs and outputs are all there."""
    for name in ("in", "out"):
        (folder / name).mkdir(parents=True)
        for number in range(size):
            (folder / name / str(number)).write_text(f"line {number}\n")
    (folder / "mlorch.toml").write_text("")
    (folder / "mlorch.yaml").write_text(
        f"""\
version: 1
name: growth
params: {{a: 1, b: {{c: 2}}}}
steps:
  copy:
    matrix: {{n: "${{{{ range({size}) }}}}"}}
    params: [a, b.c]
    inputs: {{i: "in/${{{{ matrix.n }}}}"}}
    outputs: {{o: "out/${{{{ matrix.n }}}}"}}
    run: cat ${{{{ inputs.i }}}} > ${{{{ outputs.o }}}}
"""
    )
    return folder


def _peak(folder: Path, *arguments: str) -> int:
    """Bytes of the objects that a command held at most."""
    command = [sys.executable, "-c", MEASURED, "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.rpartition("peak ")[2])


def test_an_instance_costs_a_few_kilobytes(tmp_path: Path) -> None:
    """100,000 of them are to fit into 500 MB."""
    peaks: Dict[str, Dict[int, int]] = {name: {} for name in MOST}
    for size in (FEW, MANY):
        folder = _project(tmp_path / str(size), size)
        peaks["cold plan"][size] = _peak(folder, "plan")
        peaks["adopting run"][size] = _peak(folder, "run", "--adopt")
        # neither has been remembered yet: both look at everything
        peaks["run"][size] = _peak(folder, "run")
        peaks["plan"][size] = _peak(folder, "plan")
        peaks["remembered run"][size] = _peak(folder, "run")
    each = {name: (found[MANY] - found[FEW]) // (MANY - FEW) for name, found in peaks.items()}
    assert all(each[name] < most for name, most in MOST.items()), each
