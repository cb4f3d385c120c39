"""`docs/benchmarks.md`, made from the results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Optional

from benchmarks import functions, large, plots, profile, startup
from benchmarks.check import MEANING, NEEDLESS, QUESTIONS, RIGHT, WRONG
from benchmarks.peers.tool import PHASES
from benchmarks.results import Results, Row
from benchmarks.targets import BASE, FLOORS, GROWTH, TARGETS, Target, cost_per_step
from benchmarks.work import SHAPES

SIGNS = {RIGHT: "right", NEEDLESS: "needless", WRONG: "**wrong**"}
HEAD = """<!-- Written by `make bench`; a change by hand is lost with the next run. -->
# Benchmarks

What mlorch takes beside others on the same generated work. Every step is `cat IN > OUT`. *wide*: steps that need nothing
of each other; *layered*: ten layers, each step reads two of the layer before; *chain*: one after another; *diamond*: one,
many that read it, one that reads all of these; *matrix*: as wide, but made by mlorch from one step with an axis.

Whole processes are timed, two steps at once, in a fresh folder per round; the tools take turns within each round. Numbers
are medians of wall seconds, with half of the range as a part of the median (±). After each run every output is compared
with what it must be. *Then nothing* is the first run after the cold one, with nothing to do, *no-op* those after it: mlorch
looks at everything once more before it remembers the answer. Compare within one table: another machine has other numbers,
and often other ratios.

How it is done, and how to run a part of it: [`benchmarks/README.md`](../benchmarks/README.md).
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table, numbers to the right."""
    return [
        "| " + " | ".join(head) + " |",
        "| " + " | ".join(["---", *["---:"] * (len(head) - 1)]) + " |",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


def seconds(value: Optional[float]) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def number(value: float, unit: str) -> str:
    text = f"{value:.0f}" if unit in ("MB", "ms", "") and value >= 10 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def write(results: Results, folder: Path) -> None:
    """The document and its plots."""
    drawn = plots.draw(results, folder / "benchmarks")
    parts = [HEAD, *_about(results), *_targets(results), *_growth(results, drawn)]
    for case in SHAPES:
        for size in sorted({row.size for row in results.rows if row.case == case and row.size > BASE}):
            parts += _shape(results, case, size)
    parts += [
        *_answers(results),
        *_profile(results),
        *_startup(results),
        *_functions(results),
        *_data(results),
        *_imports(results),
    ]
    parts += [*_scheduling(results, folder / "benchmarks"), *_failures(results)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmarks.md").write_text("\n".join(parts).rstrip() + "\n")


def _about(results: Results) -> list[str]:
    facts, machine = results.facts, results.facts["machine"]
    sentence = (
        f"Measured {facts['when'][:10]} at {facts['commit']} on {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}; "
        f"load when it began: {machine['load']}."
    )
    parts = ["## What was measured", "", sentence]
    if results.rows and machine["load"] > machine["cores"] / 2:
        parts += [
            "",
            "**The machine was busy with other things: take only the ratios, and those with care.**",
        ]
    versions = "; ".join(f"{tool} ({version})" for tool, version in results.tools.items() if "(" not in tool)
    parts += ["", f"Tools: {versions}."] if versions else []
    parts += [
        item for tool, reason in results.missing.items() for item in ("", f"Left out: {tool}: {reason}.")
    ]
    return [*parts, ""]


def _targets(results: Results) -> list[str]:
    rows = []
    for target in TARGETS:
        value = target.value(results)
        bound = ("≥ " if target.least else "≤ ") + number(target.bound, target.unit)
        measured = "not measured" if value is None else number(value, target.unit)
        least = target.floor(results)
        floor = "" if least is None else number(least, target.unit)
        rows.append((target.what, bound, measured, _verdict(target, results), floor))
    return ["## Targets", "", *table(("what", "target", "measured", "", "floor"), rows), FLOORS, ""]


def _verdict(target: Target, results: Results) -> str:
    met = target.met(results)
    return "–" if met is None else "met" if met else "**not met**"


def _growth(results: Results, drawn: Sequence[tuple[str, str]]) -> list[str]:
    parts = ["## Cost against the number of steps", ""]
    parts += [f"![{title}](benchmarks/{name})" for name, title in drawn]
    tools = [tool for tool in plots.COLOURS if cost_per_step(results, GROWTH[0], tool) is not None]
    rows = []
    for tool in tools:
        costs = [cost_per_step(results, size, tool) for size in GROWTH]
        rows.append((tool, *("–" if cost is None else f"{cost:.2f}" for cost in costs)))
    if rows:
        parts += [
            "",
            f"Milliseconds per step of a cold matrix, beyond those of a run of {BASE}, which loads all that a larger one does:",
            "",
        ]
        parts += table(("tool", *(f"{size:,}" for size in GROWTH)), rows)
    return [*parts, ""]


def _shape(results: Results, case: str, size: int) -> list[str]:
    rows = []
    for tool in dict.fromkeys(row.tool for row in results.rows if (row.case, row.size) == (case, size)):
        found = {phase: results.find(case, size, tool, phase) for phase in PHASES}
        cold = found["cold"]
        own = (
            [f"{1000 * cold.median('cpu') / size:.2f}", f"{cold.median('peak'):.0f}"] if cold else ["–", "–"]
        )
        rows.append((tool + _mark(results, tool), *(_cell(found[phase]) for phase in PHASES), *own))
    head = ("tool", "cold s", "then nothing s", "no-op s", "one change s", "cold CPU ms/step", "peak MB")
    return [f"## {case}, {size:,} steps", "", *table(head, rows), *_legend(results, rows)]


def _cell(row: Optional[Row]) -> str:
    if row is None or not row.seconds:
        return "–"
    spread = f" ± {100 * row.spread():.0f} %" if len(row.seconds) > 1 else ""
    return seconds(row.median()) + spread + (" **wrong result**" if row.wrong else "")


def _mark(results: Results, tool: str) -> str:
    answers = results.answers.get(tool, {}).values()
    return " †" if WRONG in answers else " ‡" if NEEDLESS in answers else ""


def _legend(results: Results, rows: Sequence[Sequence[str]]) -> list[str]:
    del results
    marks = {mark for row in rows for mark in "†‡" if mark in row[0]}
    parts = []
    if "†" in marks:
        parts.append("† wrong on a question [below](#right-and-wrong).")
    if "‡" in marks:
        parts.append("‡ runs what it need not.")
    return [" ".join(parts), ""] if parts else []


def _answers(results: Results) -> list[str]:
    if not results.answers:
        return []
    rows = []
    for tool, answers in results.answers.items():
        cells = [SIGNS.get(answers.get(question, "–"), "no answer") for question in QUESTIONS]
        rows.append((tool, *cells))
    meaning = [f"- *{word}*: {text}." for word, text in MEANING.items()]
    asked = (
        "A chain of three steps, the first of which keeps one line of what it reads, is built, and then: a source is "
        "touched but not changed; a source is changed so that the first step makes the same again; the output between is "
        "removed; it is edited by hand; a source is changed, built, changed back and built."
    )
    return ["## Right and wrong", "", asked, "", *table(("tool", *QUESTIONS), rows), *meaning, ""]


def _plain(results: Results, case: str, title: str, text: str) -> list[str]:
    """A table of all rows of a case."""
    rows = [
        (
            row.tool,
            row.phase,
            f"{row.size:,}",
            _cell(row),
            f"{row.median('cpu'):.2f}",
            f"{row.median('peak'):.0f}",
        )
        for row in results.rows
        if row.case == case and row.seconds
    ]
    head = ("tool", "phase", "size", "s", "CPU s", "peak MB")
    return [f"## {title}", "", text, "", *table(head, rows)] if rows else []


def _profile(results: Results) -> list[str]:
    columns = [
        (shape, size, phase, results.find(f"{profile.CASE} {shape}", size, "mlorch", phase))
        for shape, size, phase in profile.SAMPLED
    ]
    seen = [(shape, size, phase, row.facts) for shape, size, phase, row in columns if row is not None]
    if not seen:
        return []
    text = (
        "Seconds for which mlorch's own Python ran, by what it was for, as a sampler saw it (mean of "
        f"{profile.ROUNDS} runs). The interpreter runs one thread at a time, so that no run can be shorter than their sum; the "
        "steps' own processes go on beside it, and so does what waits for the disk. *floor* is that sum for the program of "
        "that name, *run* what a run takes in the tables above."
    )
    names = [profile.IMPORTS, *(name for name, _ in profile.PARTS), profile.REST]
    rows = [(name, *(f"{facts.get(name, 0.0):.3f}" for *_, facts in seen)) for name in names]
    rows.append(("sum", *(f"{sum(facts.values()):.3f}" for *_, facts in seen)))
    floors = [results.find(f"{profile.CASE} {shape}", size, "floor", phase) for shape, size, phase, _ in seen]
    rows.append(("floor", *("–" if row is None else f"{sum(row.facts.values()):.3f}" for row in floors)))
    rows.append(
        ("run", *(seconds(results.median(shape, size, "mlorch", phase)) for shape, size, phase, _ in seen))
    )
    head = ("part", *(f"{shape} {size:,}, {phase}" for shape, size, phase, _ in seen))
    return ["## Where the time goes", "", text, "", *table(head, rows)]


def _startup(results: Results) -> list[str]:
    text = "A pipeline of eight steps; `run` has nothing to do."
    return _plain(results, startup.CASE, "Start-up", text)


def _functions(results: Results) -> list[str]:
    row = results.find(functions.CASE, functions.FITS, "mlorch", "scikit-learn")
    count = f"{row.facts.get('imports', 0):.0f}" if row is not None else "no"
    text = (
        "`nothing`: functions that do nothing, made by a matrix. `scikit-learn`: functions that fit a model, beside "
        f"interpreters that import it each; {count} processes imported it for {functions.FITS} steps."
    )
    return _plain(results, functions.CASE, "Function steps", text)


def _data(results: Results) -> list[str]:
    file = (
        "Size in MiB. `cold` is what mlorch adds to the step that writes the file: digest, store, sync, put in place; "
        "`whole run` has the step in it."
    )
    folder = "Size in files. `cold` and `whole run` as above; a no-op run is to be seen beside one that looks at nothing."
    return [
        *_plain(results, large.FILE, "A large output", file),
        *_plain(results, large.FOLDER, "A folder of many files as an output", folder),
    ]


def _imports(results: Results) -> list[str]:
    text = "Steps whose code is reached through a hundred modules; the change is in the last of them. make is told of each."
    return _plain(results, "imports", "Deep imports", text)


def _scheduling(results: Results, folder: Path) -> list[str]:
    if not results.scheduling:
        return []
    from benchmarks.scheduling import report

    return report.parts(results.scheduling, folder)


def _failures(results: Results) -> list[str]:
    if not results.failures:
        return []
    rows = [(item["case"], str(item["size"]), item["tool"], item["why"]) for item in results.failures]
    return ["## Failed or left out", "", *table(("case", "size", "tool", "why"), rows)]
