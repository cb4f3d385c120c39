"""The closing lines of a run: what failed, how it ended, what changed in the metrics, what to do next."""

from __future__ import annotations

from collections import Counter
from typing import Collection, List, Mapping, Optional, Tuple

from mlorch.digest import tagged_float
from mlorch.model import RunSummary, Value
from mlorch.report.failures import Failures, overrides, run_command
from mlorch.report.goals import is_number
from mlorch.report.logs import Logs, NoLogs
from mlorch.report.style import (
    PLAIN,
    Style,
    bytes_text,
    cells_of,
    difference_text,
    is_narrow,
    number_text,
    pad,
    seconds_text,
    spread,
)

LARGE_STORE = 10 * 10**9
METRIC_LINES = 10
METRIC_CELLS = 11
NUMBER_CELLS = 9
WORDS = {"succeeded": "ran"}
SIGNALLED = 128

Change = Tuple[str, Value, Value]
"""Metric, old value, new value."""


def render_warnings(summary: RunSummary, style: Style = PLAIN, told: Collection[str] = ()) -> str:
    """A line for each warning that was not told while the run went on."""
    label = style.paint("warning", "yellow")
    return "".join(f"{label}: {style.own(text)}\n" for text in summary.warnings if text not in told)


def render_summary(summary: RunSummary, style: Style = PLAIN, logs: Optional[Logs] = None) -> str:
    """The last lines of a run, to be written after its progress and its warnings.

    Args:
        logs: how to read the ends of failed steps' logs (`FileLogs(root)`); without it nothing is quoted.
    """
    lines: List[str] = []
    failures = Failures(summary.run, summary.pipeline, summary.outcomes, logs or NoLogs(), style)
    text = failures.text()
    if text:
        lines += text.rstrip("\n").split("\n")
    lines += _closing(summary, style)
    if summary.store_bytes > LARGE_STORE:
        lines.append("  " + pad("store", METRIC_CELLS) + "  " + _store(summary))
    return "\n".join(lines) + "\n"


def closing_text(summary: RunSummary) -> List[str]:
    """How the run ended, and the counts of its outcomes: without colours, for another page than a screen."""
    lines = [" ".join(line.split()) for line in _closing(summary, PLAIN)]
    if summary.exit_code or len(lines) < 2:
        return [lines[0]]
    return lines[:2]


def _closing(summary: RunSummary, style: Style) -> List[str]:
    totals = summary.totals()
    if summary.exit_code > SIGNALLED or (totals["cancelled"] and not totals["failed"]):
        return _cancelled(summary, totals, style)
    if summary.exit_code:
        return _failed(summary, totals, style)
    if totals["succeeded"] or totals["failed"] or totals["blocked"]:
        return _finished(summary, totals, style)
    before, after = up_to_date(summary, style)
    return [before + seconds_text(summary.seconds) + after]


def counts(totals: Mapping[str, int], order: Tuple[str, ...]) -> List[str]:
    """`1 failed`, `3 ran`, … of what there is, in this order."""
    return [f"{totals[name]} {WORDS.get(name, name)}" for name in order if totals[name]]


def _counts(summary: RunSummary, totals: Mapping[str, int], order: Tuple[str, ...]) -> List[str]:
    """As `counts`, with how many cached instances had outputs put back: `5 cached (1 restored)`."""
    restored = sum(bool(outcome.restored) for outcome in summary.outcomes)
    parts = counts(totals, order)
    cached = f"{totals['cached']} cached"
    return [f"{part} ({restored} restored)" if restored and part == cached else part for part in parts]


def _failed(summary: RunSummary, totals: Mapping[str, int], style: Style) -> List[str]:
    parts = _counts(summary, totals, ("failed", "succeeded", "cached", "skipped", "blocked", "cancelled"))
    took = seconds_text(summary.seconds)
    text = (
        f"{style.glyph('failed')} {style.clean(summary.pipeline.name)} failed in {took}: {', '.join(parts)}"
    )
    return [
        _painted(spread(text, f"run {summary.run}", style.width), "red", style),
        _next("after fixing", summary, style),
    ]


def _cancelled(summary: RunSummary, totals: Mapping[str, int], style: Style) -> List[str]:
    parts = _counts(summary, totals, ("failed", "succeeded", "cached", "skipped", "blocked", "cancelled"))
    took = seconds_text(summary.seconds)
    name = style.clean(summary.pipeline.name)
    text = f"{style.glyph('cancelled')} {name} cancelled after {took}: {', '.join(parts)}"
    return [
        _painted(spread(text, f"run {summary.run}", style.width), "yellow", style),
        _next("to resume", summary, style),
    ]


def _next(label: str, summary: RunSummary, style: Style) -> str:
    """The command that goes on from here; it stands alone where it fills the line."""
    text = f"  {label}: {style.clean(run_command(summary.pipeline) + overrides(summary.pipeline))}"
    remark = "        (finished steps are cached)"
    return text + remark if cells_of(text + remark) <= style.width else text


def _finished(summary: RunSummary, totals: Mapping[str, int], style: Style) -> List[str]:
    name, took = style.clean(summary.pipeline.name), seconds_text(summary.seconds)
    text = f"{style.glyph('ok')} {name} finished in {took}"
    lines = [_painted(spread(text, f"run {summary.run}", style.width), "green", style)]
    parts = _counts(summary, totals, ("succeeded", "cached", "skipped", "failed", "blocked"))
    saved = _saved(summary)
    if saved >= 0.05:
        share = round(100 * saved / (saved + summary.seconds))
        parts += [f"saved {seconds_text(saved)} ({share}%)"] if share else []
    lines.append("  " + f" {style.glyph('dot')} ".join(parts))
    changes = metric_changes(summary)
    lines += _metric_lines(changes, style)
    if changes:
        lines.append("  " + pad("compare", _label(style)) + "  mlorch compare last~1 last")
    return lines


def up_to_date(summary: RunSummary, style: Style) -> Tuple[str, str]:
    """What is told of a run that had nothing to do, before and after the time that it took."""
    totals = summary.totals()
    parts = ", ".join(_counts(summary, totals, ("cached", "skipped"))) or "no steps"
    saved = _saved(summary)
    gain = f" (saved {seconds_text(saved)})" if saved >= 0.05 else ""
    state = "is up to date" if totals["cached"] else "has nothing to do"
    return f"{style.glyph('cached')} {style.clean(summary.pipeline.name)} {state}: {parts} in ", gain


def _saved(summary: RunSummary) -> float:
    beside = summary.beside.saved if summary.beside is not None else 0.0
    return beside + sum(outcome.saved for outcome in summary.outcomes)


def _store(summary: RunSummary) -> str:
    size, free = bytes_text(summary.store_bytes), bytes_text(summary.reclaimable_bytes)
    return f"{size} (mlorch gc would free {free})"


def _painted(text: str, color: str, style: Style) -> str:
    return style.paint(text[:1], "bold", color) + text[1:] if text else text


# ------------------------------------------------------------------------------------------------- metrics


def metric_changes(summary: RunSummary) -> List[Change]:
    """Metrics of steps without a matrix that differ from the run before; `auc` where only one step has it."""
    previous = summary.previous
    if not previous:
        return []
    beside = summary.beside.measured if summary.beside is not None else ()
    single = [outcome for outcome in (*summary.outcomes, *beside) if outcome.instance == outcome.step]
    if beside:
        places = {step: place for place, step in enumerate(summary.upstream)}
        single.sort(key=lambda outcome: places[outcome.step])
    owners = Counter(name for outcome in single for name in outcome.metrics)
    found: List[Change] = []
    for outcome in single:
        for name, value in outcome.metrics.items():
            whole = f"{outcome.step}.{name}"
            if whole in previous and not _same(previous[whole], value):
                found.append((name if owners[name] == 1 else whole, previous[whole], value))
    return found


def _label(style: Style) -> int:
    return len("compare") if is_narrow(style.width) else METRIC_CELLS


def _metric_lines(changes: List[Change], style: Style) -> List[str]:
    rows = []
    for name, old, new in changes[:METRIC_LINES]:
        delta = difference_text(old, new) if is_number(old) and is_number(new) else ""
        rows.append((name, number_text(untagged(old)), number_text(untagged(new)), delta))
    width = max([_label(style), *(len(style.clean(row[0])) for row in rows)])
    least = 0 if is_narrow(style.width) else NUMBER_CELLS
    numbers = max([least, *(len(style.clean(text)) for row in rows for text in row[1:3])])
    lines = []
    for name, old, new, delta in rows:
        values = (pad(style.clean(text), numbers) for text in (old, new))
        cells = [pad(style.clean(name), width), *values, delta]
        lines.append(("  " + "  ".join(cells)).rstrip())
    if len(changes) > METRIC_LINES:
        lines.append(f"  and {len(changes) - METRIC_LINES} more metrics changed")
    return lines


def _same(one: Value, other: Value) -> bool:
    return bool(one == other) or (one != one and other != other)


def untagged(value: Value) -> Value:
    """A tagged float as a person reads it."""
    number = tagged_float(value)
    return value if number is None else number
