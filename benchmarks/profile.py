"""Where mlorch's own Python goes, sampled from outside by py-spy.

The interpreter runs one thread at a time. What it runs for is therefore less than no run can take, however many cores there are;
the steps' own processes, and what threads wait for outside of the interpreter, go on beside it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.check import prepare
from benchmarks.environments import Missing, environment
from benchmarks.measure import Failed, measure
from benchmarks.peers.tool import Installed
from benchmarks.work import SHAPES

if TYPE_CHECKING:
    from benchmarks.cases import Bench

CASE = "profile"
SAMPLER = "py-spy==0.4.3"
RATE = 500
"""Samples a second."""
ROUNDS = 3
SAMPLED = (
    ("wide", 1000, "cold"),
    ("layered", 1000, "cold"),
    ("chain", 200, "cold"),
    ("wide", 10_000, "change"),
)
"""The rows of the targets that are far from their bound."""
IMPORTS, REST = "imports", "start, end, what is shared"
PARTS = (
    ("the pipeline's file", r"spec/|expressions/"),
    ("plan, keys", r"plan/|shell/|engine/(decider|recipe|parts|rebuild|shape)\.py"),
    (
        "attempts",
        r"engine/(agent|attempts|launch|spawn|process|environment|control|zygote|masker|inside/.*)\.py",
    ),
    ("store, commit, publish", r"store/|engine/(commits|publish|retire|settle)\.py"),
    ("hub", r"engine/"),
    ("report", r"report/|cli/|history/"),
)
"""A part, and the files of `mlorch/` that are its own; the first that fits. Others count for who called them."""


def run(bench: Bench, top: Path) -> None:
    """A row each for mlorch and, of cold runs, the floor; its facts are the seconds of each part."""
    try:
        sampler = environment(SAMPLER) / "bin" / "py-spy"
    except Missing as error:
        bench.results.fail(CASE, 0, "py-spy", str(error))
        return
    for shape, size, phase in SAMPLED:
        for name in ("mlorch", "floor"):
            item = bench.tool(name)
            if item is not None and phase in item.tool.phases:
                bench.say(f"profile: {shape} {size}, {phase}, {name}")
                _profile(bench, item, sampler, (shape, size, phase), top / f"{shape}-{size}-{name}")


def _profile(bench: Bench, item: Installed, sampler: Path, what: tuple[str, int, str], top: Path) -> None:
    shape, size, phase = what
    work = SHAPES[shape](size)
    command = item.command(item.tool.arguments(work, bench.slots))
    found: Counter[str] = Counter()
    env, folder = item.env(top.parent), top / "0"
    for number in range(ROUNDS):
        if not number or phase == "cold":
            folder = top / str(number)
            folder.mkdir(parents=True)
            prepare(item, work, folder, top.parent)
        if phase == "change":
            for _ in range(0 if number else 2):  # all is made, and what there is to know of it remembered
                measure(command, folder, env, bench.limits.allowed())
            (folder / next(iter(work.sources))).write_text(f"another line {number}\n")
        found.update(_sampled(sampler, command, folder, env, bench.limits.allowed()))
    row = bench.results.row(f"{CASE} {shape}", size, item.tool.name, phase)
    row.facts = {name: round(count / RATE / ROUNDS, 4) for name, count in found.items()}


def _sampled(
    sampler: Path, command: list[str], folder: Path, env: dict[str, str], timeout: float
) -> Counter[str]:
    """Part -> samples in which a thread held the interpreter's lock. Raises Failed."""
    stacks = folder.with_name(f"{folder.name}.stacks")
    options = ["--gil", "--rate", str(RATE), "--format", "raw", "--full-filenames", "--output", str(stacks)]
    measure([str(sampler), "record", *options, "--", *command], folder, env, timeout)
    found: Counter[str] = Counter()
    for row in stacks.read_text().splitlines():
        frames, _, count = row.rpartition(" ")
        found[part(frames.split(";"))] += int(count)
    if not found:
        raise Failed("py-spy saw nothing")
    return found


def part(frames: Iterable[str]) -> str:
    """The part of one stack, whose frames are as py-spy writes them, outermost first: `name (file:line)`."""
    ordered = list(frames)
    if any("importlib._bootstrap" in frame for frame in ordered):
        return IMPORTS
    for frame in reversed(ordered):
        place = re.search(r".*/mlorch/([\w/]+\.py):\d+\)$", frame)
        for name, files in PARTS if place else ():
            if place and re.match(files, place[1]):
                return name
    return REST
