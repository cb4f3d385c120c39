"""What it costs that undeclared inputs are noticed: a step that opens 1,000 files, with the audit hook and without.

    python benchmarks/reads.py --rounds 40

Two steps, a function (`call`) and a script (`run: python`), each open every file of a declared folder and read it. They run
under `undeclared: ignore` and under `warn`, in turns, so that what else the machine does hits both. The ratio of a pair is
taken first, and then the median of these: nothing here asserts a time.

    python benchmarks/reads.py --bare 600

The opening and reading alone, in forks of one process: without a hook, with one that does nothing, with ours.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List

PIPELINE = """\
version: 1
name: reads
steps:
  function: {call: "steps:read", inputs: {data: data/}, cache: false}
  script: {run: "python steps.py data", inputs: {data: data/}, cache: false}
"""
STEPS = """\
import os, sys
def read(data):
    size = 0
    for name in os.listdir(data):
        with open(os.path.join(data, name)) as file:
            size += len(file.read())
    return {"size": size}
if __name__ == "__main__":
    read(sys.argv[1])
"""


def project(folder: Path, files: int, size: int) -> None:
    (folder / "data").mkdir()
    for number in range(files):
        (folder / "data" / f"file-{number}.txt").write_text("x" * size)
    (folder / "mlorch.yaml").write_text(PIPELINE)
    (folder / "steps.py").write_text(STEPS)


def seconds_of(folder: Path, policy: str) -> Dict[str, float]:
    """CPU seconds of each step's own processes, and of the whole command, its children included."""
    before = os.times()
    env = {**os.environ, "MLORCH_UNDECLARED": policy}
    command = [sys.executable, "-m", "mlorch", "run", "-q", "-j", "1"]
    subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    whole = after.children_user + after.children_system - before.children_user - before.children_system
    newest = max(
        (folder / ".mlorch" / "runs").glob("*/events.jsonl"), key=lambda path: path.stat().st_mtime_ns
    )
    events = [json.loads(line) for line in newest.read_text().splitlines()]
    found = {
        event["step"]: float(event["data"]["cpu_seconds"])
        for event in events
        if event.get("kind") == "step.finished"
    }
    return {**found, "whole run": whole}


def bare(folder: Path, rounds: int) -> None:
    """CPU seconds of the opening and reading alone; the order of the three changes from round to round."""
    sys.path.insert(
        0, str(Path(__file__).resolve().parent.parent / "mlorch" / "engine" / "inside" / "modules")
    )
    import mlorch_imports  # type: ignore[import-not-found]
    import mlorch_reads  # type: ignore[import-not-found]

    sys.path.insert(0, str(folder))
    import steps  # type: ignore[import-not-found]

    os.chdir(folder)
    project = mlorch_imports.Project(str(folder))

    def ours() -> None:
        mlorch_reads.Reads(project, ["data/"], time.time(), print).install()

    hooks: Dict[str, Callable[[], None]] = {
        "no hook": lambda: None,
        "an empty one": lambda: sys.addaudithook(lambda _event, _args: None),
        "ours": ours,
    }
    taken: Dict[str, List[float]] = {name: [] for name in hooks}
    names = list(hooks)
    for number in range(rounds):
        for at in range(len(names)):
            name = names[(at + number) % len(names)]
            taken[name].append(_forked(hooks[name], lambda: steps.read("data")))
    print(f"{rounds} rounds, CPU")
    for name, times in taken.items():
        low, middle, high = statistics.quantiles([a / b for a, b in zip(times, taken["no hook"])], n=4)
        print(f"{name:12} {statistics.median(times) * 1000:8.2f} ms {middle:8.3f}   {low:.3f} to {high:.3f}")


def _forked(before: Callable[[], None], deed: Callable[[], object]) -> float:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        before()
        begin = time.process_time()
        deed()
        os.write(writer, repr(time.process_time() - begin).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        seconds = float(file.read())
    os.waitpid(pid, 0)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--bare", type=int, default=0, metavar="ROUNDS")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--size", type=int, default=2000, help="bytes of each file")
    options = parser.parse_args()
    taken: Dict[str, Dict[str, List[float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        project(Path(name), options.files, options.size)
        if options.bare:
            bare(Path(name), options.bare)
            return
        seconds_of(Path(name), "warn")  # warm
        for number in range(options.rounds):
            for policy in ("ignore", "warn") if number % 2 else ("warn", "ignore"):
                for what, seconds in seconds_of(Path(name), policy).items():
                    taken.setdefault(what, {}).setdefault(policy, []).append(seconds)
    print(f"{options.files} files of {options.size} bytes, {options.rounds} rounds, CPU")
    print(f"{'':12} {'ignore ms':>10} {'warn ms':>10} {'ratio':>8}   middle half of the ratios")
    for what, times in taken.items():
        ratios = sorted(warn / ignore for warn, ignore in zip(times["warn"], times["ignore"]))
        low, middle, high = (statistics.quantiles(ratios, n=4) if len(ratios) > 3 else ratios * 3)[:3]
        medians = [statistics.median(times[policy]) * 1000 for policy in ("ignore", "warn")]
        print(f"{what:12} {medians[0]:10.2f} {medians[1]:10.2f} {middle:8.3f}   {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
