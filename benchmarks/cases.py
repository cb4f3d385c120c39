"""What is measured, in the order of its weight: what comes last is left out when the time is up."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import functions, imports, large, profile, startup
from benchmarks.check import ask
from benchmarks.environments import HIDDEN
from benchmarks.peers.tool import Installed
from benchmarks.play import Limits, Table, play
from benchmarks.results import Results
from benchmarks.targets import GROWTH
from benchmarks.work import SHAPES

ORDER: Sequence[tuple[str, int]] = (
    ("questions", 0),
    ("wide", 1000),
    ("layered", 1000),
    ("chain", 200),
    ("startup", 0),
    ("functions", 0),
    ("wide", 10_000),
    ("profile", 0),
    ("matrix", 10),
    ("matrix", 100),
    ("matrix", 1000),
    ("matrix", 10_000),
    ("large", 0),
    ("folder", 0),
    ("imports", 0),
    ("wide", 300),
    ("matrix", 50_000),
    ("diamond", 1000),
    ("scheduling", 0),
    ("chain", 50),
    ("matrix", 100_000),
)
"""(case, size); 0 where the case has its own."""
MOST_SIMULATED = 200
FAMILIES = tuple(dict.fromkeys(case for case, _ in ORDER))


@dataclass(frozen=True)
class Bench:
    """Everything that a case needs."""

    results: Results
    installed: Sequence[Installed]
    limits: Limits
    slots: int
    say: Callable[[str], None]

    def tool(self, name: str) -> Installed | None:
        return next((item for item in self.installed if item.tool.name == name), None)


OTHERS: dict[str, Callable[[Bench, Path], None]] = {
    "startup": lambda bench, top: startup.run(bench, top),
    "functions": lambda bench, top: functions.run(bench, top),
    "large": lambda bench, top: large.run_file(bench, top),
    "folder": lambda bench, top: large.run_folder(bench, top),
    "profile": lambda bench, top: profile.run(bench, top),
    "imports": lambda bench, top: imports.run(bench, top),
    "scheduling": lambda bench, _: _scheduling(bench),
    "questions": lambda bench, top: _questions(bench, top),
}


def chosen(only: Sequence[str], sizes: Sequence[int]) -> list[tuple[str, int]]:
    """The cases that are asked for; sizes replace those of the shapes."""
    families = list(only) or list(FAMILIES)
    if not sizes:
        return [item for item in ORDER if item[0] in families]
    found: list[tuple[str, int]] = []
    for family in families:
        found += [(family, size) for size in sizes] if family in SHAPES else [(family, 0)]
    return found


def run(bench: Bench, cases: Sequence[tuple[str, int]], exact: bool) -> None:
    """All cases, one after the other; results are written after each.

    Args:
        exact: whether a tool runs only the sizes that it has by default (else all up to its largest).
    """
    HIDDEN.mkdir(exist_ok=True)
    # Removed at the very end: ext4 without a journal gives no inode out again within a minute of its removal, and looking
    # for another takes ten times as long as making a file does otherwise.
    with tempfile.TemporaryDirectory(dir=HIDDEN, prefix="work-", ignore_cleanup_errors=True) as top:
        for number, (case, size) in enumerate(cases):
            if bench.limits.over():
                bench.results.fail(case, size, "all", "left out: the time was up")
                continue
            place = Path(top) / str(number)
            place.mkdir()
            _case(bench, case, size, exact, place)
            bench.results.write()


def _case(bench: Bench, case: str, size: int, exact: bool, place: Path) -> None:
    try:
        if case in OTHERS:
            bench.say(case)
            OTHERS[case](bench, place)
        else:
            _shape(bench, case, size, exact, place)
    except Exception as error:  # one case must not end the others
        bench.results.fail(case, size, "all", f"{type(error).__name__}: {error}")
        bench.say(f"{case}: {type(error).__name__}: {error}")


def _shape(bench: Bench, case: str, size: int, exact: bool, top: Path) -> None:
    work = SHAPES[case](size)
    rivals = []
    for item in bench.installed:
        sizes = item.tool.sizes.get(case, ())
        if size in sizes or (not exact and sizes and size <= max(sizes)):
            rivals.append(item)
    limits = bench.limits
    if size > 10_000:  # about memory and growth: one look at each is enough
        limits = replace(limits, rounds=1, repeats=1)
    elif (
        exact and size <= GROWTH[0]
    ):  # soon done, and what is told of a hundred steps hangs on some milliseconds
        limits = replace(limits, rounds=7 * limits.rounds, repeats=1)
    play(Table(case, work, bench.results, limits, bench.slots, top), rivals, bench.say)


def _questions(bench: Bench, top: Path) -> None:
    for item in bench.installed:
        if item.tool.answers and not bench.limits.over():
            bench.say(f"questions: {item.tool.name}")
            bench.results.answers[item.tool.name] = ask(item, top / item.tool.name)
            bench.results.write()


def _scheduling(bench: Bench) -> None:
    """A part of what `make bench-scheduling` does; what that found of this very engine is kept."""
    from benchmarks.scheduling import compare

    if bench.results.scheduling.get("engine") != compare.engine():
        compare.run(bench.results, None, MOST_SIMULATED, bench.say)
