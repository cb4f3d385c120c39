"""Much data: one large output, and a folder of very many small files, beside a copy and a sync of the same."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Failed, Sample, measure
from benchmarks.peers.tool import Installed, lines

if TYPE_CHECKING:
    from benchmarks.cases import Bench

FILE, FOLDER = "large", "folder"
TWICE = "cp twice and sync"
GIB = float(os.environ.get("MLORCH_BENCH_GIB", "4"))
MEMBERS = int(os.environ.get("MLORCH_BENCH_MEMBERS", "100000"))
ROUNDS = 2
DATA_SEED = 7

WALK = """
import os, sys
def walk(folder):
    with os.scandir(folder) as found:
        for entry in found:
            entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                walk(entry.path)
walk(sys.argv[1])
"""


def make_file(path: Path, gib: float) -> None:
    """Bytes that do not compress and do not repeat within a block of 4 MiB."""
    import random

    block = bytearray(random.Random(DATA_SEED).randbytes(4 << 20))
    with path.open("wb") as file:
        for number in range(max(1, int(gib * 256))):
            block[:8] = number.to_bytes(8, "little")
            file.write(block)


def make_folder(path: Path, members: int) -> None:
    """Small files, a thousand to a folder."""
    for number in range(members):
        if number % 1000 == 0:
            (path / str(number // 1000)).mkdir(parents=True)
        (path / str(number // 1000) / str(number)).write_text(f"member {number}\n")


def _mlorch_project(folder: Path, script: str, output: str) -> None:
    lines(folder / "mlorch.toml", [])
    head = ["version: 1", "name: large", "defaults: {shell: sh}", "steps:", "  make:"]
    lines(folder / "mlorch.yaml", [*head, f"    outputs: {{o: {output}}}", f"    run: {script}"])


def run_file(bench: Bench, top: Path) -> None:
    """Raises OSError: no room."""
    _needs(top, 5 * GIB)
    make_file(top / "data", GIB)
    for number in range(ROUNDS):
        _settle()
        _reference(bench, FILE, top, "cp ../data copy && sync copy", number)
        _settle()
        _reference(bench, FILE, top, "cp ../data copy && cp copy twin && sync copy twin", number, TWICE)
        _settle()
        _keep(bench, FILE, top, ("cp ../data ${{ outputs.o }}", "out/data"), number)
        if bench.limits.over():
            return
    _dvc(bench, FILE, top, "cp ../data data", "data")


def run_folder(bench: Bench, top: Path) -> None:
    make_folder(top / "data", MEMBERS)
    for number in range(ROUNDS):
        _settle()
        _reference(bench, FOLDER, top, "cp -r ../data copy && sync", number)
        _settle()
        _keep(bench, FOLDER, top, ("cp -r ../data/. ${{ outputs.o }}", "out/"), number)
        _walk(bench, top)
        if bench.limits.over():
            return


def _needs(top: Path, gib: float) -> None:
    free = shutil.disk_usage(top).free / 2**30
    if free < gib:
        raise OSError(f"{gib:.0f} GiB of disk are needed, {free:.0f} are free")


def _settle() -> None:
    """What was written before is not to be paid for by what is timed next."""
    os.sync()


def _size(case: str) -> int:
    return int(GIB * 1024) if case == FILE else MEMBERS


def _reference(
    bench: Bench, case: str, top: Path, script: str, number: int, tool: str = "cp and sync"
) -> None:
    folder = top / f"{tool.replace(' ', '-')}-{number}"
    folder.mkdir()
    sample = measure(["sh", "-c", script], folder, timeout=bench.limits.allowed())
    bench.results.row(case, _size(case), tool, "cold").add(sample)
    _remove(case, folder)


def _keep(bench: Bench, case: str, top: Path, step: tuple[str, str], number: int) -> None:
    """What mlorch adds to the step itself: digest, store, sync, put in place; then its look at it when nothing changed."""
    mlorch = bench.tool("mlorch")
    if mlorch is None:
        return
    folder = top / f"mlorch-{number}"
    folder.mkdir()
    _mlorch_project(folder, *step)
    try:
        document, sample = _run_json(bench, mlorch, folder)
        own = sum(item["seconds"] for item in document["steps"])
        added = Sample(max(sample.seconds - own, 0.0), sample.cpu, sample.peak)
        bench.results.row(case, _size(case), "mlorch", "cold").add(added)
        bench.results.row(case, _size(case), "mlorch", "whole run").add(sample)
        for phase in ("then nothing", *["no-op"] * 3):
            sample = measure(mlorch.command(["run"]), folder, mlorch.env(top), bench.limits.allowed())
            bench.results.row(case, _size(case), "mlorch", phase).add(sample)
        if document["totals"]["succeeded"] != 1:
            raise Failed("the step did not succeed")
    except Failed as error:
        bench.results.fail(case, _size(case), "mlorch", str(error))
    _remove(case, folder)


def _remove(case: str, folder: Path) -> None:
    """Large ones at once, for room; many at the very end: beside removed ones new ones are made slowly (see `cases.run`)."""
    if case == FILE:
        shutil.rmtree(folder, ignore_errors=True)


def _run_json(bench: Bench, mlorch: Installed, folder: Path) -> tuple[dict, Sample]:
    """Raises Failed."""
    script = '"$0" run --json > answer.json'
    command = ["sh", "-c", script, *mlorch.command([])]
    sample = measure(command, folder, mlorch.env(folder.parent), bench.limits.allowed())
    return json.loads((folder / "answer.json").read_text()), sample


def _walk(bench: Bench, top: Path) -> None:
    """A walk with a stat of everything, as plain as it gets in Python; and a run that has nothing to look at."""
    mlorch = bench.tool("mlorch")
    empty = top / "empty"
    if mlorch is not None and not empty.exists():
        empty.mkdir()
        _mlorch_project(empty, "echo x > ${{ outputs.o }}", "out/x")
        for _ in range(2):
            measure(mlorch.command(["run"]), empty, mlorch.env(top))
    for _ in range(3):
        for tool, command in (
            ("walk", [sys.executable, "-I", "-c", WALK, str(top / "data")]),
            ("bare interpreter", [sys.executable, "-I", "-c", "import os, sys"]),
        ):
            bench.results.row(FOLDER, MEMBERS, tool, "no-op").add(measure(command, top))
        if mlorch is not None:
            sample = measure(mlorch.command(["run"]), empty, mlorch.env(top))
            bench.results.row(FOLDER, MEMBERS, "mlorch, nothing to look at", "no-op").add(sample)


def _dvc(bench: Bench, case: str, top: Path, script: str, output: str) -> None:
    """DVC digests and keeps what a stage made, too."""
    dvc = bench.tool("dvc")
    if dvc is None:
        return
    folder = top / "dvc"
    folder.mkdir()
    lines(folder / "dvc.yaml", ["stages:", "  make:", f"    cmd: {script}", "    outs:", f"    - {output}"])
    try:
        for arguments in dvc.tool.prepare:
            measure(dvc.command(arguments), folder, dvc.env(top))
        _settle()
        sample = measure(dvc.command(["repro", "-q"]), folder, dvc.env(top), bench.limits.allowed())
        bench.results.row(case, _size(case), "dvc", "whole run").add(sample)
    except Failed as error:
        bench.results.fail(case, _size(case), "dvc", str(error))
    shutil.rmtree(folder, ignore_errors=True)
