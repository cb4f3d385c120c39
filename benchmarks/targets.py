"""The targets, each with what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Optional

from benchmarks import functions, large, startup
from benchmarks.results import Results, present, ratio

Value = Optional[float]
GROWTH = (100, 1000, 10_000, 50_000)
BASE = 10
"""Steps of the run that is taken off where the cost of a step is told: enough to load all that a larger one loads."""


@dataclass(frozen=True)
class Target:
    """One number against its bound.

    Args:
        what: of what it is the number.
        bound: the number must not be above it (or below it, where `least`).
        value: the number, None where it was not measured.
        unit: `×` for a ratio, else what it is counted in.
        floor: what the number would be if mlorch did nothing of its own: see `FLOORS`.
    """

    what: str
    bound: float
    value: Callable[[Results], Value]
    unit: str = "×"
    least: bool = False
    floor: Callable[[Results], Value] = lambda _: None

    def met(self, results: Results) -> bool | None:
        value = self.value(results)
        if value is None:
            return None
        return value >= self.bound if self.least else value <= self.bound


FLOORS = """*Floor* is the same number for the least that mlorch could do: of cold runs for `benchmarks/floor.py`, which
starts each step in a session of its own with a log, digests its output, keeps it with a record behind two syncs for a group of
steps and puts a copy in place, in Python, and does nothing else; of a changed source for mlorch's own run with nothing to do,
which looks at every file; of a large output for a copy of a copy, as the store and the workspace both have one where the file
system can't share them."""


def _over(case: str, size: int, phase: str, other: str, mine: str = "mlorch") -> Callable[[Results], Value]:
    """Our median over theirs."""
    return lambda results: ratio(
        results.median(case, size, mine, phase), results.median(case, size, other, phase)
    )


def _floor(case: str, size: int, other: str, least: str = "floor") -> Callable[[Results], Value]:
    return _over(case, size, "cold", other, least)


def _only_looking(results: Results) -> Value:
    return ratio(
        results.median("wide", 10_000, "mlorch", "no-op"), results.median("wide", 10_000, "ninja", "change")
    )


def _faster(case: str, size: int, phase: str, other: str) -> Callable[[Results], Value]:
    """Their median over ours."""
    return lambda results: ratio(
        results.median(case, size, other, phase), results.median(case, size, "mlorch", phase)
    )


def plain(results: Results, size: int, tool: str, phase: str, what: str = "seconds") -> Value:
    """The median of a matrix; of the wide shape for the others, which have no matrix: it is the same for them."""
    found = results.median("matrix", size, tool, phase, what)
    if found is None and tool != "mlorch":
        found = results.median("wide", size, tool, phase, what)
    return found


def cost_per_step(results: Results, size: int, tool: str = "mlorch") -> Value:
    """Milliseconds per step of a cold run of a matrix, beyond those of a run of `BASE`."""
    cold, start = plain(results, size, tool, "cold"), plain(results, BASE, tool, "cold")
    return None if cold is None or start is None or size <= BASE else 1000 * (cold - start) / (size - BASE)


def _growth(results: Results) -> Value:
    """The dearest step over the cheapest, across sizes."""
    costs = [cost_per_step(results, size) for size in GROWTH]
    if None in costs:
        return None
    known = present(costs)
    return max(known) / max(min(known), 1e-9)


def _memory(size: int) -> Callable[[Results], Value]:
    def peak(results: Results) -> Value:
        seen = [results.median("matrix", size, "mlorch", phase, "peak") for phase in ("cold", "no-op")]
        return max(present(seen), default=None)  # type: ignore[type-var]

    return peak


def _no_op_memory(results: Results) -> Value:
    return results.median("wide", 10_000, "mlorch", "no-op", "peak")


def _beyond_bare(verb: str) -> Callable[[Results], Value]:
    def seconds(results: Results) -> Value:
        mine = results.median(startup.CASE, 8, "mlorch", verb)
        bare = results.median(startup.CASE, 8, "python", startup.BARE)
        return None if mine is None or bare is None else 1000 * (mine - bare)

    return seconds


def _milliseconds(verb: str) -> Callable[[Results], Value]:
    def seconds(results: Results) -> Value:
        mine = results.median(startup.CASE, 8, "mlorch", verb)
        return None if mine is None else 1000 * mine

    return seconds


def _tab(results: Results) -> Value:
    """Milliseconds of the slowest press of Tab."""
    found = [_milliseconds(startup.tab(what))(results) for what in startup.TABS]
    return None if None in found else max(present(found))


def _function(results: Results) -> Value:
    """Milliseconds that one more function adds."""
    few = results.median(functions.CASE, functions.FEW, "mlorch", "nothing")
    many = results.median(functions.CASE, functions.MANY, "mlorch", "nothing")
    if few is None or many is None:
        return None
    return 1000 * (many - few) / (functions.MANY - functions.FEW)


def _imports(results: Results) -> Value:
    row = results.find(functions.CASE, functions.FITS, "mlorch", "scikit-learn")
    return row.facts.get("imports") if row is not None else None


def _fresh(results: Results) -> Value:
    """A hundred fresh interpreters (as many times as a few took) over a hundred function steps."""
    few = results.median(functions.CASE, functions.FRESH, "fresh interpreters", "scikit-learn")
    ours = results.median(functions.CASE, functions.FITS, "mlorch", "scikit-learn")
    return ratio(few * functions.FITS / functions.FRESH if few is not None else None, ours)


def _kept(case: str, mine: str = "mlorch") -> Callable[[Results], Value]:
    return lambda results: ratio(
        _any_size(results, case, mine, "cold"), _any_size(results, case, "cp and sync", "cold")
    )


def _look(results: Results) -> Value:
    """What a folder adds to a no-op run over what a walk adds to an interpreter."""
    mine = _any_size(results, large.FOLDER, "mlorch", "no-op")
    start = _any_size(results, large.FOLDER, "mlorch, nothing to look at", "no-op")
    walk = _any_size(results, large.FOLDER, "walk", "no-op")
    bare = _any_size(results, large.FOLDER, "bare interpreter", "no-op")
    if mine is None or start is None or walk is None or bare is None:
        return None
    return ratio(mine - start, walk - bare)


def _any_size(results: Results, case: str, tool: str, phase: str) -> Value:
    sizes = [row.size for row in results.rows if (row.case, row.tool, row.phase) == (case, tool, phase)]
    return results.median(case, sizes[0], tool, phase) if sizes else None


def _scheduling(results: Results) -> Value:
    value = results.scheduling.get("median")
    return float(value) if value is not None else None


def _cold(case: str) -> list[Target]:
    name = f"cold {case}-1000"
    return [
        Target(
            f"{name} over ninja", 2, _over(case, 1000, "cold", "ninja"), floor=_floor(case, 1000, "ninja")
        ),
        Target(f"{name} over doit", 1.1, _over(case, 1000, "cold", "doit"), floor=_floor(case, 1000, "doit")),
        Target(
            f"{name}: Snakemake over mlorch",
            12,
            _faster(case, 1000, "cold", "snakemake"),
            least=True,
            floor=_over(case, 1000, "cold", "floor", "snakemake"),
        ),
        Target(
            f"{name}, default bash, over `xargs -P2 bash -c`",
            1.5,
            _over(case, 1000, "cold", "xargs (bash)", "mlorch (bash)"),
            floor=_floor(case, 1000, "xargs (bash)", "floor (bash)"),
        ),
    ]


TARGETS: Sequence[Target] = (
    *_cold("wide"),
    *_cold("layered"),
    Target(
        "cold chain-200 over ninja",
        2,
        _over("chain", 200, "cold", "ninja"),
        floor=_floor("chain", 200, "ninja"),
    ),
    Target("no-op 1,000 over doit", 1, _over("wide", 1000, "no-op", "doit")),
    Target("no-op 1,000 over make", 1, _over("wide", 1000, "no-op", "make")),
    Target("no-op 1,000: Snakemake over mlorch", 10, _faster("wide", 1000, "no-op", "snakemake"), least=True),
    Target("no-op 300: DVC over mlorch", 30, _faster("wide", 300, "no-op", "dvc"), least=True),
    Target("no-op 10,000 over ninja", 4, _over("wide", 10_000, "no-op", "ninja")),
    Target("no-op 10,000: doit over mlorch", 3, _faster("wide", 10_000, "no-op", "doit"), least=True),
    Target(
        "one source of 10,000 changed, over ninja",
        4,
        _over("wide", 10_000, "change", "ninja"),
        floor=_only_looking,
    ),
    Target(
        "cold 10,000 over ninja",
        2,
        _over("wide", 10_000, "cold", "ninja"),
        floor=_floor("matrix", 10_000, "ninja"),
    ),
    Target("cost per step, dearest over cheapest of 100 to 50,000 steps", 1.25, _growth),
    Target("memory, matrix of 10,000", 120, _memory(10_000), "MB"),
    Target("memory, matrix of 100,000", 500, _memory(100_000), "MB"),
    Target("memory, no-op of 10,000 written steps", 120, _no_op_memory, "MB"),
    Target("`--version` beyond a bare interpreter", 100, _beyond_bare("--version"), "ms"),
    Target("`--help` beyond a bare interpreter", 100, _beyond_bare("--help"), "ms"),
    Target("`graph` of eight steps", 250, _milliseconds("graph"), "ms"),
    Target("`plan` of eight steps", 250, _milliseconds("plan"), "ms"),
    Target("`validate` of eight steps", 250, _milliseconds("validate"), "ms"),
    Target("completion in a shell, whatever is completed", 150, _tab, "ms"),
    Target("a function that does nothing, per step", 2.5, _function, "ms"),
    Target("processes that import scikit-learn for 100 steps on two slots", 2, _imports, ""),
    Target("100 scikit-learn steps: a fresh interpreter each over mlorch", 1, _fresh, least=True),
    Target(
        "digest and store of a large output, over `cp` and `sync`",
        1.25,
        _kept(large.FILE),
        floor=_kept(large.FILE, large.TWICE),
    ),
    Target("a folder of small files as an output, over `cp -r` and `sync`", 2.5, _kept(large.FOLDER)),
    Target("no-op check of that folder, over a walk with `stat`", 1.2, _look),
    Target(
        "makespan over max(critical path, work ÷ slots), median trace, at the worst number of slots",
        1.05,
        _scheduling,
    ),
)
