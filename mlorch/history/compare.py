"""Params and metrics side by side: of runs, or of the instances of one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch.errors import UsageError, did_you_mean
from mlorch.history.detail import RunView, StepView
from mlorch.model import Value

MISSING = None


@dataclass(frozen=True)
class Column:
    """One thing that is compared: a run, or an instance of one."""

    name: str
    run: str
    instance: str = ""


@dataclass(frozen=True)
class Row:
    """One param, axis or metric over all columns; None where a column has none."""

    kind: str
    """`param`, `axis` or `metric`."""
    name: str
    values: Tuple[Value, ...]

    @property
    def changed(self) -> bool:
        return any(not same(value, self.values[0]) for value in self.values[1:])

    @property
    def difference(self) -> Optional[float]:
        """The last column less the first, where both are numbers and it is a metric."""
        if self.kind != "metric" or len(self.values) < 2:
            return None
        first, last = self.values[0], self.values[-1]
        return last - first if is_number(first) and is_number(last) else None


@dataclass(frozen=True)
class Comparison:
    columns: Tuple[Column, ...]
    rows: Tuple[Row, ...]


def is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same(one: Value, other: Value) -> bool:
    """Equal in value and in type, NaN being itself."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (one != one and other != other)
    return type(one) is type(other) and bool(one == other)


def flatten(values: Mapping[str, Value], prefix: str = "") -> Dict[str, Value]:
    """Nested mappings as dotted names."""
    flat: Dict[str, Value] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def compare_runs(views: Sequence[RunView]) -> Comparison:
    """Runs as columns. A metric is `step.name`, of an instance `step@instance.name`."""
    columns = tuple(Column(view.info.id, view.info.id) for view in views)
    params = [flatten(_params(view)) for view in views]
    metrics = [_metrics(view) for view in views]
    return Comparison(columns, tuple(_rows("param", params) + _rows("metric", metrics)))


def _params(view: RunView) -> Mapping[str, Value]:
    params = view.info.meta.get("params")
    return params if isinstance(params, Mapping) else {}


def _metrics(view: RunView) -> Dict[str, Value]:
    found: Dict[str, Value] = {}
    for step in view.steps:
        found.update(flatten(step.metrics, f"{step.instance}."))
    return found


def compare_instances(view: RunView, step: Optional[str] = None) -> Comparison:
    """The instances of a run (of one step, if named) that have axes, as columns: axes, params and metrics."""
    steps = [item for item in (view.step(step) if step else view.steps) if step or "@" in item.instance]
    if not steps:
        names = sorted({item.step for item in view.steps})
        what = f"no step `{step}`" if step else "no step with a matrix"
        hint = (did_you_mean(step, names) if step else "") or "steps of it: " + ", ".join(names[:12])
        raise UsageError(f"run {view.info.id} has {what}", hint)
    columns = tuple(Column(item.instance, view.info.id, item.instance) for item in steps)
    rows = _rows("axis", [flatten(_axes(item)) for item in steps])
    rows += _rows("param", [flatten(item.params) for item in steps])
    rows += _rows("metric", [flatten(item.metrics) for item in steps])
    return Comparison(columns, tuple(rows))


def _axes(step: StepView) -> Mapping[str, Value]:
    return step.axes or ({"instance": step.instance.split("@", 1)[1]} if "@" in step.instance else {})


def _rows(kind: str, columns: Sequence[Mapping[str, Value]]) -> List[Row]:
    names: Dict[str, None] = {}
    for column in columns:
        names.update(dict.fromkeys(column))
    return [Row(kind, name, tuple(column.get(name, MISSING) for column in columns)) for name in names]


# -------------------------------------------------------------------------------- views on a comparison


def only_changed(comparison: Comparison) -> Comparison:
    return Comparison(comparison.columns, tuple(row for row in comparison.rows if row.changed))


def sort_columns(comparison: Comparison, by: str) -> Comparison:
    """Columns ordered by a row, ascending (`-` before its name: descending), those without a value last."""
    reverse = by.startswith("-")
    row = find_row(comparison, by.lstrip("-"), "--sort-by")

    def rank(position: int) -> Tuple[int, Any]:
        value = row.values[position]
        if is_number(value) and value == value:
            return (0, -value if reverse else value)
        return (2, "") if value is None else (1, str(value))

    order = sorted(range(len(comparison.columns)), key=rank)
    return reorder(comparison, order)


def reorder(comparison: Comparison, order: Sequence[int]) -> Comparison:
    rows = tuple(Row(row.kind, row.name, tuple(row.values[i] for i in order)) for row in comparison.rows)
    return Comparison(tuple(comparison.columns[i] for i in order), rows)


def over_axis(comparison: Comparison, axis: str) -> Comparison:
    """Instances that differ in this axis only become one column: numbers as means (`auc`) with `auc.sd`.

    Raises UsageError for an axis that they do not have.
    """
    axes = [row for row in comparison.rows if row.kind == "axis"]
    names = [row.name for row in axes]
    if axis not in names:
        hint = did_you_mean(axis, names) or (
            "axes: " + ", ".join(names) if names else "name one run with a matrix"
        )
        raise UsageError(f"--over: there is no axis `{axis}`", hint)
    rest = [row for row in axes if row.name != axis]
    groups: Dict[Tuple[str, ...], List[int]] = {}
    for position in range(len(comparison.columns)):
        step = comparison.columns[position].instance.split("@", 1)[0]
        groups.setdefault((step, *(repr(row.values[position]) for row in rest)), []).append(position)
    members = list(groups.values())
    columns = tuple(_group_column(comparison, rest, group) for group in members)
    rows: List[Row] = []
    for row in comparison.rows:
        if row.kind != "axis" or row.name != axis:
            rows += _pooled(row, members)
    return Comparison(columns, tuple(rows))


def _group_column(comparison: Comparison, rest: Sequence[Row], group: Sequence[int]) -> Column:
    first = comparison.columns[group[0]]
    label = ",".join(str(row.values[group[0]]) for row in rest)
    step = first.instance.split("@", 1)[0]
    return Column(f"{step}@{label}" if label else step, first.run, step)


def _pooled(row: Row, groups: Sequence[Sequence[int]]) -> List[Row]:
    picked = [[row.values[i] for i in group] for group in groups]
    if row.kind != "metric" or not all(is_number(value) for values in picked for value in values):
        same_all = [values[0] if all(same(v, values[0]) for v in values) else MISSING for values in picked]
        return [Row(row.kind, row.name, tuple(same_all))]
    means = [sum(values) / len(values) for values in picked]
    spreads = [_deviation(values, mean) for values, mean in zip(picked, means)]
    return [Row(row.kind, row.name, tuple(means)), Row(row.kind, f"{row.name}.sd", tuple(spreads))]


def _deviation(values: Sequence[float], mean: float) -> float:
    """Of a sample; 0 for a single value."""
    if len(values) < 2:
        return 0.0
    squares = sum((value - mean) ** 2 for value in values)
    return float((squares / (len(values) - 1)) ** 0.5)


def find_row(comparison: Comparison, name: str, option: str) -> Row:
    """The row of this name, or the only one that ends in `.NAME`. Raises UsageError."""
    exact = [row for row in comparison.rows if row.name == name]
    near = exact or [row for row in comparison.rows if row.name.endswith("." + name)]
    metrics = [row for row in near if row.kind == "metric"]
    for candidates in (near, metrics):
        if len(candidates) == 1:
            return candidates[0]
    names = [row.name for row in comparison.rows]
    if near:
        raise UsageError(f"{option}: `{name}` means several", "one of " + ", ".join(row.name for row in near))
    raise UsageError(f"{option}: there is no param or metric `{name}`", did_you_mean(name, names) or "")
