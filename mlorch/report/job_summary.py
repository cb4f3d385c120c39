"""The summary of a run on the page of a GitHub job: a table of steps, metric differences, failures, the graph."""

from __future__ import annotations

import re
from typing import Dict, List, Sequence

from mlorch.model import Outcome, RunSummary
from mlorch.report.failures import Failures
from mlorch.report.goals import is_number
from mlorch.report.graph.mermaid import draw
from mlorch.report.graph.view import WORST_FIRST, GraphView, Node
from mlorch.report.logs import Logs
from mlorch.report.reasons import sentence
from mlorch.report.style import PLAIN, difference_text, number_text, seconds_text
from mlorch.report.summary import METRIC_LINES, closing_text, metric_changes, untagged

MOST_ROWS = 200
MOST_NODES = 150
"""A larger graph can't be read on that page."""
LONGEST = 300
SPECIAL = {char: "\\" + char for char in "\\`*_{}[]#|~"}
SPECIAL.update({"<": "&lt;", ">": "&gt;", "&": "&amp;", "!": "\\!"})
MENTION = re.compile(r"(?<![A-Za-z0-9])@")
"""`@someone`, who would be told of it; `train@1` is nobody."""
WORDS = {"succeeded": "ran"}
GLYPHS = {"succeeded": "ok"}


def job_summary(summary: RunSummary, logs: Logs) -> str:
    """Markdown, to be appended to the file that GITHUB_STEP_SUMMARY names."""
    title, *rest = closing_text(summary)
    parts = [f"## {md(title)}", "\n".join(f"{md(line.strip())}  " for line in rest[:1]), _table(summary)]
    parts += [_metrics(summary), _failures(summary, logs), _graph(summary)]
    return "\n\n".join(part for part in parts if part) + "\n\n"


def md(text: str) -> str:
    """Text that means nothing to Markdown, HTML or GitHub (`@someone`)."""
    return literal(PLAIN.clean(text[:LONGEST]))


def literal(text: str) -> str:
    """One clean line of text as Markdown that shows it letter by letter."""
    return MENTION.sub("@\u200b", "".join(SPECIAL.get(char, char) for char in text))


def _table(summary: RunSummary) -> str:
    by_step: Dict[str, List[Outcome]] = {}
    for outcome in summary.outcomes:
        by_step.setdefault(outcome.step, []).append(outcome)
    rows = [_row(step, items) for step, items in by_step.items()]
    lines = ["| step | outcome | time | why |", "| --- | --- | ---: | --- |", *rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        lines.append(f"| and {len(rows) - MOST_ROWS} more | | | |")
    return "\n".join(lines)


def _row(step: str, items: Sequence[Outcome]) -> str:
    counts = _counts(items)
    name = step if len(items) == 1 else f"{step} ×{len(items)}"
    glyph = PLAIN.glyph(GLYPHS.get(next(iter(counts)), next(iter(counts))))
    said = [
        WORDS.get(state, state) if len(counts) == 1 else f"{count} {WORDS.get(state, state)}"
        for state, count in counts.items()
    ]
    seconds = sum(item.seconds for item in items)
    first = items[0]
    why = first.error or ", ".join(sentence(reason) for reason in first.reasons) if len(items) == 1 else ""
    took = seconds_text(seconds) if seconds else ""
    return f"| {md(name)} | {glyph} {', '.join(said)} | {took} | {md(why)} |"


def _counts(items: Sequence[Outcome]) -> Dict[str, int]:
    """Outcome -> instances, the worst first."""
    found: Dict[str, int] = {}
    for state in WORST_FIRST:
        count = sum(item.outcome == state for item in items)
        if count:
            found[state] = count
    return found


def _metrics(summary: RunSummary) -> str:
    changes = metric_changes(summary)[: 5 * METRIC_LINES]
    if not changes:
        return ""
    lines = ["| metric | before | now | difference |", "| --- | ---: | ---: | ---: |"]
    for name, old, new in changes:
        delta = difference_text(old, new) if is_number(old) and is_number(new) else ""
        cells = [name, number_text(untagged(old)), number_text(untagged(new)), delta]
        lines.append("| " + " | ".join(md(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _failures(summary: RunSummary, logs: Logs) -> str:
    text = Failures(summary.run, summary.pipeline, summary.outcomes, logs, PLAIN).text()
    if not text:
        return ""
    fence = "`" * max(3, 1 + max((len(run) for run in _ticks(text)), default=0))
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def _ticks(text: str) -> List[str]:
    return "".join(char if char == "`" else " " for char in text).split()


def _graph(summary: RunSummary) -> str:
    members: Dict[str, List[Outcome]] = {}
    for outcome in summary.outcomes:
        members.setdefault(outcome.step, []).append(outcome)
    if not summary.upstream or not 1 < len(members) <= MOST_NODES:
        return ""
    nodes = []
    for step, items in members.items():
        counts = _counts(items)
        nodes.append(Node(step, step, len(items), next(iter(counts)), "", tuple(counts.items())))
    edges = [
        (above, step) for step in members for above in summary.upstream.get(step, ()) if above in members
    ]
    return "```mermaid\n" + draw(GraphView(summary.pipeline.name, tuple(nodes), tuple(edges))) + "```"
