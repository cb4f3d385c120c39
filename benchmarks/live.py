"""What the live screen takes while a matrix of many instances runs, beside plain lines and nothing at all.

    python benchmarks/live.py --instances 10000 --rounds 3

The kinds take turns. Told is CPU of mlorch's own process, without its agents and steps, and of it what the screen's thread took,
which other load on the machine changes least.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import select
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Dict, List, NamedTuple

PIPELINE = """\
version: 1
name: sweep
defaults: {{shell: sh}}
steps:
  sweep:
    matrix: {{n: "${{{{ range({instances}) }}}}"}}
    run: ["true"]
    cache: false
"""
KINDS = {"live": "tty", "plain": "plain", "quiet": "quiet"}


class Taken(NamedTuple):
    own: float
    screen: float
    wall: float
    written: int
    """Bytes of progress."""


def run_here(told: str, kind: str) -> int:
    """One run in this process; its CPU, and that of the screen's thread, go into the file `told`."""
    from mlorch.cli import main as mlorch
    from mlorch.report.live.listener import LiveListener

    taken = {"screen": 0.0}
    body = LiveListener._run

    def timed(self: LiveListener) -> None:
        body(self)
        taken["screen"] = time.thread_time()

    LiveListener._run = timed  # type: ignore[method-assign]
    began = time.monotonic()
    code = mlorch(["run", "-j", "2", "--progress", KINDS[kind]])
    spent = os.times()
    taken.update(own=spent.user + spent.system, wall=time.monotonic() - began)
    Path(told).write_text(json.dumps(taken), encoding="utf-8")
    return code


def once(kind: str, instances: int) -> Taken:
    """One run in a fresh folder, on a terminal or into a pipe. Raises CalledProcessError where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "mlorch.yaml").write_text(PIPELINE.format(instances=instances), encoding="utf-8")
        reader, writer = pty.openpty() if kind == "live" else os.pipe()
        written: List[int] = []
        with open(writer, "wb") as stream:
            command = [sys.executable, str(Path(__file__).resolve()), "--told", "told.json", "--kind", kind]
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "TERM": "xterm-256color"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stream,
            )
        thread = threading.Thread(target=lambda: written.append(count(reader)))
        thread.start()
        code = process.wait()
        thread.join()
        os.close(reader)
        if code:
            raise subprocess.CalledProcessError(code, command)
        taken = json.loads((Path(folder) / "told.json").read_text(encoding="utf-8"))
        return Taken(taken["own"], taken["screen"], taken["wall"], written[0])


def count(reader: int) -> int:
    """How many bytes come until nobody can write any more."""
    found = 0
    while True:
        select.select([reader], [], [])
        try:
            data = os.read(reader, 1 << 16)
        except OSError:  # a terminal whose last writer has gone
            data = b""
        if not data:
            return found
        found += len(data)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--instances", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--told", help=argparse.SUPPRESS)
    options.add_argument("--kind", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.told:
        sys.exit(run_here(chosen.told, chosen.kind))
    found: Dict[str, List[Taken]] = {kind: [] for kind in KINDS}
    for number in range(chosen.rounds):
        for kind in list(KINDS) if number % 2 else list(reversed(KINDS)):
            found[kind].append(once(kind, chosen.instances))
            print(f"round {number + 1}: {kind}: {found[kind][-1]}", file=sys.stderr, flush=True)
    print("| progress | own CPU | over quiet | the screen's thread | share | written |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for kind, samples in found.items():
        own, screen = (statistics.median(column) for column in list(zip(*samples))[:2])
        ratio = statistics.median(one.own / other.own for one, other in zip(samples, found["quiet"]))
        share = statistics.median(one.screen / one.own for one in samples)
        size = max(one.written for one in samples) / 1000
        print(f"| {kind} | {own:.1f} s | {ratio:.2f} | {screen:.2f} s | {share:.1%} | {size:.0f} kB |")


if __name__ == "__main__":
    main()
