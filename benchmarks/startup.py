"""What a person waits for: `--version`, `--help`, a press of Tab, and looking at a pipeline of eight steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.check import prepare
from benchmarks.measure import Failed, measure
from benchmarks.work import layered

if TYPE_CHECKING:
    from benchmarks.cases import Bench

CASE = "startup"
ROUNDS = 9
BARE = "bare interpreter"
REMEMBERED = ("plan", "run")
"""Verbs whose answer is remembered while nothing changes."""
VERBS = ("--version", "--help", "validate", "plan", "graph", "run")
TABS = {
    "a verb": "mlorch va",
    "a step": "mlorch run s",
    "a file": "mlorch validate ml",
    "a run": "mlorch show ",
}
"""What is completed -> the line so far, as zsh hands it over."""


def tab(what: str) -> str:
    """The name of a row."""
    return f"Tab: {what}"


def run(bench: Bench, top: Path) -> None:
    """Raises Failed."""
    mlorch = bench.tool("mlorch")
    if mlorch is None:
        return
    work = layered(80)
    work = type(work)("eight", work.steps[:8], work.sources)
    folder = top / "eight"
    folder.mkdir()
    prepare(mlorch, work, folder, top)
    env = mlorch.env(top)
    measure(mlorch.command(["run"]), folder, env)
    python = str(mlorch.folder / "python")
    for number in range(ROUNDS + 1):
        bench.results.row(CASE, 8, "python", BARE).add(measure([python, "-I", "-c", "pass"], folder, env))
        for verb in VERBS:
            try:
                sample = measure(mlorch.command([verb]), folder, env, bench.limits.allowed())
            except Failed as error:
                bench.results.fail(CASE, 8, "mlorch", f"{verb}: {error}")
                continue
            first = verb in REMEMBERED and not number
            bench.results.row(CASE, 8, "mlorch", verb + ", the first" * first).add(sample)
        for what, line in TABS.items():
            asked = {**env, "_MLORCH_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}
            sample = measure(mlorch.command([]), folder, asked, bench.limits.allowed())
            bench.results.row(CASE, 8, "mlorch", tab(what)).add(sample)
