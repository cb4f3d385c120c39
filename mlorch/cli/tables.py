"""Tables and lists of the history verbs, as text."""

from __future__ import annotations

import os
import shlex
from datetime import datetime
from typing import TYPE_CHECKING, Any, List, Mapping, Optional, Sequence

from mlorch.history.timings import phases
from mlorch.report.reasons import value_text
from mlorch.report.reproduced import reproduced_sentence
from mlorch.report.style import (
    ESCAPES,
    PLAIN,
    Style,
    bytes_text,
    cells_of,
    number_text,
    pad,
    seconds_text,
)

if TYPE_CHECKING:
    from mlorch.history import RunView, StepView
    from mlorch.history.artifacts import Made
    from mlorch.history.timings import Timings
    from mlorch.ports import RunInfo

ORDER = ("succeeded", "cached", "failed", "skipped", "blocked", "cancelled")
WORDS = {"succeeded": "ran"}
COLORS = {"failed": "red", "crashed": "red", "succeeded": "green", "cancelled": "yellow", "blocked": "yellow"}
GLYPHS = {"succeeded": "ok", "crashed": "failed"}
COMMIT_LETTERS = 9
UNTOLD = ("goals", "instances", "pid")
"""Facts of a run that are for programs, and for `--verbose`."""
DIGEST_LETTERS = 19
"""`blake3:` and twelve more."""


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = (), indent: str = "") -> str:
    """Rows aligned, two spaces between; columns in `right` to the right. Colours in a cell take no room."""
    if not rows:
        return ""
    widths = [max(_seen(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            pad(cell, widths[i] + len(cell) - len(ESCAPES.sub("", cell)), i in right)
            for i, cell in enumerate(row)
        ]
        lines.append(indent + "  ".join(cells).rstrip())
    return "\n".join(lines)


def _seen(cell: str) -> int:
    return cells_of(ESCAPES.sub("", cell))


def block(title: str, rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> List[str]:
    """A titled table; nothing where there are no rows."""
    return [title + "\n" + columns(rows, right, "  ")] if rows else []


def moment(seconds: float) -> str:
    """Local time, for people."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def lasting(seconds: Optional[float]) -> str:
    return "" if seconds is None else seconds_text(seconds)


def totals(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{counts[name]} {WORDS.get(name, name)}" for name in ORDER if counts.get(name))


def marked(text: str, outcomes: Sequence[str], style: Style) -> str:
    """Lines with the glyph of an outcome before each, coloured last, so that widths count what is seen."""
    lines = []
    for line, outcome in zip(text.splitlines(), outcomes):
        glyph = style.glyph(GLYPHS.get(outcome, outcome))
        lines.append(style.paint(glyph, COLORS.get(outcome, "dim")) + " " + line)
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------ runs


def runs_table(runs: Sequence[RunInfo], style: Style = PLAIN, verbose: bool = False) -> str:
    """One line each; `verbose` adds who ran it where, and the commit."""
    rows = []
    for run in runs:
        counted = run.status == "succeeded" or run.totals.get(run.status)
        status = "" if counted else run.status
        counts = ", ".join(part for part in (status, totals(run.totals)) if part)
        row = [run.id, moment(run.started), style.clean(run.name), lasting(run.seconds), counts]
        if verbose:
            row += [
                style.clean(f"{run.meta.get('user', '')}@{run.meta.get('host', '')}"),
                commit_text(run, style),
            ]
        rows.append(row)
    return marked(columns(rows, right=(3,)), [run.status for run in runs], style)


def commit_text(run: RunInfo, style: Style) -> str:
    commit = style.clean(str(run.meta.get("commit") or ""))[:COMMIT_LETTERS]
    return commit + ("+" if commit and run.meta.get("dirty") else "")


# ------------------------------------------------------------------------------------------------ show


def run_text(view: RunView, style: Style = PLAIN, verbose: bool = False) -> str:
    """Facts, params, a line per step, metrics; `verbose` adds the outputs."""
    params = view.info.meta.get("params")
    params = params if isinstance(params, Mapping) else {}
    blocks = [columns(facts(view.info, style, verbose))]
    blocks += block(
        "params", [[style.clean(name), style.clean(value_text(value))] for name, value in params.items()]
    )
    if view.steps:
        lines = columns([step_row(step, style) for step in view.steps], right=(1,))
        blocks.append("steps\n" + marked(lines, [step.outcome for step in view.steps], style))
    metrics = [(step, name, value) for step in view.steps for name, value in step.metrics.items()]
    blocks += block(
        "metrics",
        [
            [style.clean(f"{step.instance}.{name}"), style.clean(number_text(value))]
            for step, name, value in metrics
        ],
    )
    undeclared = [step for step in view.steps if step.undeclared]
    blocks += block(
        "read without being declared",
        [[style.clean(step.instance), ", ".join(map(style.clean, step.undeclared))] for step in undeclared],
    )
    reproduced = [step for step in view.steps if step.reproduced]
    blocks += block(
        "reproduced",
        [
            [style.clean(step.instance), style.own(reproduced_sentence(step.reproduced))]
            for step in reproduced
        ],
    )
    if verbose:
        blocks += block("outputs", output_rows(view, style), right=(2,))
    blocks += block("warnings", [[style.own(text)] for text in view.warnings])
    return "\n\n".join(blocks)


def facts(info: RunInfo, style: Style, verbose: bool = False) -> List[List[str]]:
    """What is known of a run as a whole; only `verbose` names what says nothing to most (`UNTOLD`)."""
    rows = [
        ["run", info.id],
        ["pipeline", style.clean(f"{info.name} ({info.pipeline})")],
        ["status", f"{info.status} ({totals(info.totals)})" if info.totals else info.status],
        [
            "started",
            moment(info.started) + (f", took {lasting(info.seconds)}" if info.seconds is not None else ""),
        ],
    ]
    told = {
        name: value
        for name, value in info.meta.items()
        if name != "params" and value not in (None, "", [], {}) and (verbose or name not in UNTOLD)
    }
    argv = told.pop("argv", None)
    if isinstance(argv, (list, tuple)) and argv:
        words = [os.path.basename(str(argv[0])), *map(str, argv[1:])]
        rows.append(["command", style.clean(" ".join(map(shlex.quote, words)))])
    return rows + [[name, style.clean(fact_text(value))] for name, value in sorted(told.items())]


def fact_text(value: Any) -> str:
    return " ".join(str(item) for item in value) if isinstance(value, (list, tuple)) else value_text(value)


def step_row(step: StepView, style: Style) -> List[str]:
    first = step.reasons[0] if step.reasons else {}
    told = (
        step.error
        or (f"saved {lasting(step.saved)}" if step.saved >= 0.05 else "")
        or str(first.get("text", ""))
    )
    seconds = lasting(step.seconds) if step.outcome in ("succeeded", "failed") else ""
    return [style.clean(step.instance), seconds, WORDS.get(step.outcome, step.outcome), style.own(told)]


def output_rows(view: RunView, style: Style) -> List[List[str]]:
    return [
        [
            style.clean(f"{step.instance}/{output.name}"),
            style.clean(output.path),
            bytes_text(output.bytes),
            output.digest[:DIGEST_LETTERS],
        ]
        for step in view.steps
        for output in step.outputs.values()
    ]


def phases_table(timings: Timings) -> str:
    """Seconds of mlorch's own threads by phase, then of the slots. They run side by side, so the sum is no wall time."""
    rows = [["phase", "time", "share"]]
    whole = max(timings.info.seconds or 0.0, 1e-9)
    for phase, seconds in phases(timings):
        rows.append([phase, lasting(seconds), f"{100 * seconds / whole:.0f}%"])
    slots = f"{timings.slots} slot{'s' if timings.slots != 1 else ''}"
    available = max(timings.slots * timings.executing, 1e-9)
    for name, seconds in (("busy", timings.busy), ("idle", timings.idle)):
        rows.append([f"{slots} {name}", lasting(seconds), f"{100 * seconds / available:.0f}%"])
    return columns(rows, right=(1, 2))


def timings_table(view: RunView, style: Style = PLAIN) -> str:
    """Executed steps, longest first: time, share of all, when it began, processor time, memory."""
    ran = sorted((step for step in view.steps if step.seconds > 0), key=lambda step: -step.seconds)
    work = sum(step.seconds for step in ran)
    rows = [["step", "time", "share", "begun", "cpu", "memory"]]
    for step in ran:
        begun = "" if step.started is None else f"+{lasting(max(0.0, step.started - view.info.started))}"
        memory = bytes_text(step.peak_rss) if step.peak_rss else ""
        share = f"{100 * step.seconds / work:.0f}%"
        rows.append(
            [
                style.clean(step.instance),
                lasting(step.seconds),
                share,
                begun,
                lasting(step.cpu_seconds),
                memory,
            ]
        )
    if not any(step.peak_rss for step in ran):  # steps that were over before it could be read
        rows = [row[:-1] for row in rows]
    return columns(rows, right=range(1, len(rows[0])))


# ------------------------------------------------------------------------------------------- artifacts


def artifacts_table(found: Sequence[Made], style: Style = PLAIN) -> str:
    rows = [
        [
            style.clean(made.name),
            style.clean(made.output.path) + ("/" if made.output.kind == "folder" else ""),
            bytes_text(made.output.bytes),
            made.output.digest[:DIGEST_LETTERS],
            "" if made.available else "not in the store",
        ]
        for made in found
    ]
    return columns(rows, right=(2,))
