"""Numbers over time as small drawings: curves of a `history` file, and trends of metrics over runs.

Inline SVG with presentation attributes only, so that a strict content policy lets it through.
"""

from __future__ import annotations

import math
import re
from typing import Dict, List, Optional, Sequence, Tuple

from mlorch.model import Value
from mlorch.report.page.html import number, text
from mlorch.report.page.limits import CHARTS, POINTS
from mlorch.report.page.model import Series, Trend

WIDTH, HEIGHT = 320.0, 120.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 8.0, 8.0, 18.0
SPLITS = re.compile(
    r"^(train|training|val|valid|validation|test|eval)[_./-](.+)$|^(.+)[_./-](train|val|valid|test)$"
)
MOST_TOGETHER = 5

Point = Tuple[float, float]


def charts(found: Sequence[Series]) -> str:
    """A chart per metric; `train_loss` and `val_loss` share one."""
    groups: Dict[str, List[Series]] = {}
    for series in found:
        name = base(series.name)
        whole = groups.setdefault(name, [])
        if len(whole) >= MOST_TOGETHER:
            whole = groups.setdefault(series.name, [])
        whole.append(series)
    shown = list(groups.items())[:CHARTS]
    parts = [chart(name, members) for name, members in shown]
    if len(groups) > len(shown):
        parts.append(f'<p class="note">{len(groups) - len(shown)} more curves are left out</p>')
    return f'<div class="charts">{"".join(parts)}</div>' if parts else ""


def base(name: str) -> str:
    """`loss` of `val_loss` and `loss_train`."""
    split = SPLITS.match(name)
    return (split.group(2) or split.group(3)) if split else name


def chart(name: str, members: Sequence[Series]) -> str:
    points = [point for series in members for point in series.points]
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    low, high = min(ys), max(ys)
    pad = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    x, y = scale(min(xs), max(xs), LEFT, WIDTH - RIGHT), scale(low - pad, high + pad, HEIGHT - BOTTOM, TOP)
    lines = [
        f'<path class="k{index}" d="{path([(x(a), y(b)) for a, b in thinned(series.points)])}"/>'
        for index, series in enumerate(members)
    ]
    ends = "".join(
        f'<circle class="k{index}" cx="{x(a):.1f}" cy="{y(b):.1f}" r="2.5"/>'
        for index, (a, b) in enumerate(series.points[-1] for series in members)
    )
    axis = (
        f'<path class="axis" d="M{LEFT:g},{TOP:g}V{HEIGHT - BOTTOM:g}H{WIDTH - RIGHT:g}"/>'
        f'<text class="y" x="{LEFT - 4:g}" y="{y(high):.1f}" dy="4">{number(high)}</text>'
        + (
            f'<text class="y" x="{LEFT - 4:g}" y="{y(low):.1f}" dy="4">{number(low)}</text>'
            if low != high
            else ""
        )
        + f'<text x="{LEFT:g}" y="{HEIGHT - 5:g}">{number(_whole(min(xs)))}</text>'
        f'<text class="y" x="{WIDTH - RIGHT:g}" y="{HEIGHT - 5:g}">{number(_whole(max(xs)))}</text>'
    )
    label = "; ".join(told(series) for series in members)
    legend = "".join(
        f'<li class="k{index}">{text(told(series), 120)}</li>' for index, series in enumerate(members)
    )
    return (
        f'<figure class="chart"><figcaption>{text(name, 60)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{text(label, 300)}">'
        f"{axis}{''.join(lines)}{ends}</svg><ul>{legend}</ul></figure>"
    )


def told(series: Series) -> str:
    """`val_loss: 0.61 to 0.32 over 20, least 0.3 at 17`, for those who see no curve and those who want the numbers."""
    ys = [point[1] for point in series.points]
    least, most = (
        min(series.points, key=lambda point: point[1]),
        max(series.points, key=lambda point: point[1]),
    )
    return (
        f"{series.name}: {ys[0]:.4g} to {ys[-1]:.4g} over {len(ys)}, "
        f"least {least[1]:.4g} at {_whole(least[0])}, most {most[1]:.4g} at {_whole(most[0])}"
    )


def _whole(value: float) -> Value:
    return int(value) if value == int(value) else value


def thinned(points: Sequence[Point]) -> List[Point]:
    """At most POINTS of them; of each stretch the least and the greatest, so that no peak is lost."""
    if len(points) <= POINTS:
        return list(points)
    size = math.ceil(len(points) / (POINTS // 2))
    found: List[Point] = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        ends = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        found += sorted(ends)
    return found


class scale:  # noqa: N801 - called like a function
    """A linear map from values to places."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self._low, self._start = low, start
        self._factor = (end - start) / (high - low) if high > low else 0.0
        self._middle = (start + end) / 2

    def __call__(self, value: float) -> float:
        return self._start + (value - self._low) * self._factor if self._factor else self._middle


def path(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)


# -------------------------------------------------------------------------------------------------- trends


SPARK_WIDTH, SPARK_HEIGHT = 110.0, 22.0


def spark(trend: Trend) -> str:
    """A line over the last runs; nothing where it would be flat."""
    known = [(float(index), float(value)) for index, value in enumerate(trend.values) if is_finite(value)]
    if len({value for _, value in known}) < 2:
        return ""
    x = scale(0.0, float(len(trend.values) - 1), 3, SPARK_WIDTH - 3)
    y = scale(min(b for _, b in known), max(b for _, b in known), SPARK_HEIGHT - 3, 3)
    places = [(x(a), y(b)) for a, b in known]
    label = f"over {len(known)} runs: {', '.join(f'{b:.4g}' for _, b in known)}"
    return (
        f'<svg class="spark" viewBox="0 0 {SPARK_WIDTH:g} {SPARK_HEIGHT:g}" width="{SPARK_WIDTH:g}" '
        f'height="{SPARK_HEIGHT:g}" role="img" aria-label="{text(label)}"><path d="{path(places)}"/>'
        f'<circle cx="{places[-1][0]:.1f}" cy="{places[-1][1]:.1f}" r="2.5"/></svg>'
    )


def is_finite(value: Optional[Value]) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
