"""The clock of a run: a bar per attempt, a lane per slot."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Sequence, Tuple

from mlorch.report.page.html import anchor, text
from mlorch.report.page.limits import BARS
from mlorch.report.page.model import AttemptPart
from mlorch.report.page.words import marked
from mlorch.report.style import seconds_text

LANE = 24
HEAD = 18
LABELLED = 4.0
"""Percent of the width from which a bar has room for its name."""
SLACK = 0.002
"""Seconds by which two attempts of one slot may seem to overlap: their ends are written a little later."""


def in_lanes(attempts: Sequence[AttemptPart]) -> Tuple[AttemptPart, ...]:
    """Each attempt in the first lane that is free when it begins: as many lanes as slots were busy at once."""
    ends: List[float] = []
    found = []
    for attempt in sorted(attempts, key=lambda item: (item.started, item.instance, item.number)):
        free = [index for index, end in enumerate(ends) if end <= attempt.started + SLACK]
        lane = free[0] if free else len(ends)
        if not free:
            ends.append(0.0)
        ends[lane] = attempt.started + attempt.seconds
        found.append(replace(attempt, lane=lane))
    return tuple(found)


def timeline(attempts: Sequence[AttemptPart], began: float) -> str:
    """The drawing with its notes; empty where nothing was executed."""
    if not attempts:
        return '<p class="note">nothing was executed: all that was asked for was there already</p>'
    notes = ""
    if len(attempts) > BARS:
        notes = f'<p class="note">the {BARS} longest of {len(attempts)} attempts are drawn</p>'
        attempts = sorted(attempts, key=lambda item: -item.seconds)[:BARS]
    placed = in_lanes(attempts)
    length = max(item.started + item.seconds for item in placed) - began or 1.0
    lanes = max(item.lane for item in placed) + 1
    rows: List[List[str]] = [[] for _ in range(lanes)]
    for item in placed:
        rows[item.lane].append(_bar(item, began, length))
    bars = "".join(
        f'<g transform="translate(0,{HEAD + LANE * lane})">{"".join(row)}</g>'
        for lane, row in enumerate(rows)
    )
    height = HEAD + LANE * lanes
    return (
        f'{notes}<svg class="clock" width="100%" height="{height}" role="group" '
        f'aria-label="attempts over time in {lanes} {"slot" if lanes == 1 else "slots"}; '
        'arrow keys go from one to the next">'
        f"{_ticks(length, height)}{bars}</svg>"
    )


def _bar(item: AttemptPart, began: float, length: float) -> str:
    left, width = 100 * max(0.0, item.started - began) / length, max(0.1, 100 * item.seconds / length)
    again = f" (attempt {item.number})" if item.number > 1 else ""
    ended = "" if item.outcome == "succeeded" else f" {item.outcome},"
    told = f"<title>{text(f'{item.instance}{again}:{ended} {seconds_text(item.seconds)}', 120)}</title>"
    start = f'<a href="#{anchor(item.instance)}" {marked(item.outcome)}>{told}'
    if width < LABELLED:
        return f'{start}<rect x="{left:.2f}%" width="{width:.2f}%"/></a>'
    # a drawing of its own cuts a name that is longer than the bar
    name = f'<text x="6" y="15">{text(item.instance + again, 60)}</text>'
    return f'{start}<svg x="{left:.2f}%" width="{width:.2f}%" height="{LANE}"><rect width="100%"/>{name}</svg></a>'


def _ticks(length: float, height: int) -> str:
    step = tick(length)
    shown, at = [], 0.0
    while at < length * 0.97:
        left = 100 * at / length
        shown.append(
            f'<line x1="{left:.2f}%" x2="{left:.2f}%" y1="{HEAD}" y2="{height}"/>'
            f'<text x="{left:.2f}%" y="12">{seconds_text(at) if at else "0"}</text>'
        )
        at += step
    return f'<g class="ticks" aria-hidden="true">{"".join(shown)}</g>'


def tick(length: float) -> float:
    """A round distance that gives four to ten ticks."""
    for size in (0.001, 0.01, 0.1, 1.0, 10.0):
        for factor in (1, 2, 5):
            if length / (size * factor) <= 8 and size * factor < 15:
                return size * factor
    for seconds in (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400):
        if length / seconds <= 8:
            return float(seconds)
    return 86400.0 * max(1, int(length / 86400 / 8))
