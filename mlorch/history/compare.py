"""Params and metrics side by side: of runs, or of the instances of one run."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch.errors import UsageError, did_you_mean
from mlorch.history.detail import RunView, StepView
from mlorch.model import Value
from mlorch.report.goals import best, is_number, rank
from mlorch.values import dataclass

MISSING = None
_NO_GOALS: Mapping[str, str] = {}


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
    """`param`, `axis`, `metric`, or `count`: of how many instances a column is the mean."""
    name: str
    values: Tuple[Value, ...]
    goal: str = ""
    """`max` or `min` where the step says which way a metric is better."""

    @property
    def changed(self) -> bool:
        return any(not same(value, self.values[0]) for value in self.values[1:])

    @property
    def numeric(self) -> bool:
        """Whether each column that has it has a number."""
        return all(value is None or is_number(value) for value in self.values)

    @property
    def difference(self) -> Optional[float]:
        """The last column less the first, where both are numbers and it is a metric."""
        if self.kind != "metric" or len(self.values) < 2:
            return None
        first, last = self.values[0], self.values[-1]
        return last - first if is_number(first) and is_number(last) else None

    @property
    def best(self) -> Tuple[int, ...]:
        """The positions of the best values, by the goal; none where there is no choice."""
        return best(self.values, self.goal)


@dataclass(frozen=True)
class Comparison:
    columns: Tuple[Column, ...]
    rows: Tuple[Row, ...]

    @property
    def of_instances(self) -> bool:
        return bool(self.columns) and bool(self.columns[0].instance)


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
    goals: Dict[str, str] = {}
    for view in views:
        for step in view.steps:
            goals.update(
                {f"{step.instance}.{name}": goal for name, goal in goals_of(view, step.step).items()}
            )
    return Comparison(columns, tuple(_rows("param", params) + _rows("metric", metrics, goals)))


def goals_of(view: RunView, step: str) -> Mapping[str, str]:
    """Metric -> `max` or `min`, as the step said when the run began."""
    goals = view.info.meta.get("goals")
    found = goals.get(step) if isinstance(goals, Mapping) else None
    return {str(name): str(goal) for name, goal in found.items()} if isinstance(found, Mapping) else {}


def _params(view: RunView) -> Mapping[str, Value]:
    params = view.info.meta.get("params")
    return params if isinstance(params, Mapping) else {}


def _metrics(view: RunView) -> Dict[str, Value]:
    found: Dict[str, Value] = {}
    for step in view.steps:
        found.update(flatten(step.metrics, f"{step.instance}."))
    return found


def compare_instances(view: RunView, step: Optional[str] = None) -> Comparison:
    """The instances of a run (of one step, if named) that have axes, as columns: axes, params and metrics.

    The best first, by the first goal that their steps name.
    """
    steps = [item for item in (view.step(step) if step else view.steps) if step or "@" in item.instance]
    if not steps:
        names = sorted({item.step for item in view.steps})
        what = f"no step `{step}`" if step else "no step with a matrix"
        hint = (did_you_mean(step, names) if step else "") or "steps of it: " + ", ".join(names[:12])
        raise UsageError(f"run {view.info.id} has {what}", hint)
    columns = tuple(Column(item.instance, view.info.id, item.instance) for item in steps)
    rows = _rows("axis", [flatten(_axes(item)) for item in steps])
    rows += _rows("param", [flatten(item.params) for item in steps])
    rows += _rows("metric", [flatten(item.metrics) for item in steps], _common_goals(view, steps))
    return best_first(Comparison(columns, tuple(rows)))


def _common_goals(view: RunView, steps: Sequence[StepView]) -> Dict[str, str]:
    """The goals of all these steps, without a metric that is to grow in one and to fall in another."""
    goals: Dict[str, str] = {}
    torn = set()
    for step in dict.fromkeys(item.step for item in steps):
        for name, goal in goals_of(view, step).items():
            if goals.setdefault(name, goal) != goal:
                torn.add(name)
    return {name: goal for name, goal in goals.items() if name not in torn}


def _axes(step: StepView) -> Mapping[str, Value]:
    return step.axes or ({"instance": step.instance.split("@", 1)[1]} if "@" in step.instance else {})


def _rows(
    kind: str, columns: Sequence[Mapping[str, Value]], goals: Mapping[str, str] = _NO_GOALS
) -> List[Row]:
    """A row for each name, those with a goal first, in the order of the goals."""
    names: Dict[str, None] = {name: None for name in goals if any(name in column for column in columns)}
    for column in columns:
        names.update(dict.fromkeys(column))
    return [
        Row(kind, name, tuple(column.get(name, MISSING) for column in columns), goals.get(name, ""))
        for name in names
    ]


def only_changed(comparison: Comparison) -> Comparison:
    return Comparison(comparison.columns, tuple(row for row in comparison.rows if row.changed))


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


# --------------------------------------------------------------------------------------------- orders


def sort_columns(comparison: Comparison, by: str) -> Comparison:
    """Columns ordered by a row, ascending (`-` before its name: descending), those without a value last."""
    row = find_row(comparison, by.lstrip("-"), "--sort-by")
    return _sorted(comparison, row, descending=by.startswith("-"))


def best_first(comparison: Comparison) -> Comparison:
    """Columns ordered by the first metric that has a goal; as they are where none has."""
    row = next((row for row in comparison.rows if row.goal), None)
    return comparison if row is None else _sorted(comparison, row, descending=row.goal == "max")


def _sorted(comparison: Comparison, row: Row, descending: bool) -> Comparison:
    order = sorted(range(len(comparison.columns)), key=lambda i: rank(row.values[i], descending))
    rows = tuple(replace(row, values=tuple(row.values[i] for i in order)) for row in comparison.rows)
    return Comparison(tuple(comparison.columns[i] for i in order), rows)
