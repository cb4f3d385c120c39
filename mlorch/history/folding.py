"""Instances folded along an axis: for each remaining combination mean, standard deviation and number."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Dict, List, Sequence, Tuple

from mlorch.errors import UsageError, did_you_mean
from mlorch.history.compare import MISSING, Column, Comparison, Row, best_first, same
from mlorch.model import Value
from mlorch.report.goals import is_number

DEVIATION = ".sd"
"""Ends the name of the row that holds a metric's standard deviation."""

Group = List[int]
"""Positions of the columns that become one."""


def over_axis(comparison: Comparison, axis: str) -> Comparison:
    """Instances that differ in this axis only become one column, the best first.

    Numbers become their mean (`auc`) and the standard deviation of the sample (`auc.sd`, 0 for a single one); `n` is
    how many there were. Other metrics stay where all agree. Raises UsageError for an axis that they do
    not have, and where there is no metric.
    """
    axes = [row for row in comparison.rows if row.kind == "axis"]
    if axis not in [row.name for row in axes]:
        raise _no_axis(axis, [row.name for row in axes])
    if not any(row.kind == "metric" for row in comparison.rows):
        hint = "a step's metrics are what its output `metrics` holds, or what its function returns"
        raise UsageError("--over: these instances have no metrics to take the mean of", hint)
    rest = [row for row in axes if row.name != axis]
    groups = _groups(comparison, rest)
    columns = tuple(_column(comparison, rest, group) for group in groups)
    rows: List[Row] = []
    for row in comparison.rows:
        if row not in axes or row in rest:
            rows += _folded(row, groups)
    rows.insert(len(rest), Row("count", "n", tuple(_most(comparison, group) for group in groups)))
    return best_first(Comparison(columns, tuple(rows)))


def _no_axis(axis: str, names: Sequence[str]) -> UsageError:
    hint = "axes: " + ", ".join(names) if names else "name one run, or a step with a matrix"
    return UsageError(f"--over: there is no axis `{axis}`", did_you_mean(axis, names) or hint)


def _groups(comparison: Comparison, rest: Sequence[Row]) -> List[Group]:
    groups: Dict[Tuple[str, ...], Group] = {}
    for position, column in enumerate(comparison.columns):
        step = column.instance.split("@", 1)[0]
        groups.setdefault((step, *(repr(row.values[position]) for row in rest)), []).append(position)
    return list(groups.values())


def _column(comparison: Comparison, rest: Sequence[Row], group: Group) -> Column:
    first = comparison.columns[group[0]]
    step = first.instance.split("@", 1)[0]
    label = "-".join(str(row.values[group[0]]) for row in rest if row.values[group[0]] is not None)
    return Column(f"{step}@{label}" if label else step, first.run, step)


def _most(comparison: Comparison, group: Group) -> int:
    """In how many of these columns there are metrics: an instance that failed has none."""
    metrics = [row for row in comparison.rows if row.kind == "metric"]
    return sum(any(row.values[i] is not None for row in metrics) for i in group)


def _folded(row: Row, groups: Sequence[Group]) -> List[Row]:
    values = [[row.values[i] for i in group if row.values[i] is not None] for group in groups]
    present = [value for group in values for value in group]
    if row.kind != "metric" or not present or not all(is_number(value) for value in present):
        return [replace(row, values=tuple(_common(group) for group in values))]
    means = tuple(sum(group) / len(group) if group else MISSING for group in values)
    spreads = tuple(_deviation(group) for group in values)
    return [replace(row, values=means), Row(row.kind, row.name + DEVIATION, spreads)]


def _common(values: Sequence[Value]) -> Value:
    return values[0] if values and all(same(value, values[0]) for value in values) else MISSING


def _deviation(values: Sequence[float]) -> Value:
    if not values:
        return MISSING
    if any(value != value or value in (float("inf"), float("-inf")) for value in values):
        return float("nan")
    return float(statistics.stdev(values)) if len(values) > 1 else 0.0
