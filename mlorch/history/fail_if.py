"""`compare --fail-if`: a condition on metrics and params, in the language of `${{ }}`.

`metrics`, `params` and `matrix` are those of a column; `baseline.metrics` and `baseline.params` are those of the
first one, which it is compared with: `metrics.train.auc < baseline.metrics.train.auc - 0.01`. The last part of a
name will do where only one metric is called so: `metrics.auc < 0.9`.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from mlorch.errors import ExpressionError, UsageError
from mlorch.expressions import evaluate
from mlorch.history.compare import Comparison
from mlorch.model import Value

BASELINE = "baseline"
NAMESPACES = {"metric": "metrics", "param": "params", "axis": "matrix"}


def holds(source: str, comparison: Comparison) -> bool:
    """Whether the condition holds for any column but the first (for a single column: for that).

    Instances of one run are all asked. Raises UsageError for no expression, or a name that is not there.
    """
    spaces = [namespaces(comparison, position) for position in range(len(comparison.columns))]
    of_runs = len(spaces) > 1 and not comparison.columns[0].instance
    asked = spaces[1:] if of_runs else spaces
    try:
        return any(
            bool(evaluate(source, {**space, BASELINE: spaces[0]}, beside=(BASELINE,))) for space in asked
        )
    except ExpressionError as error:
        raise UsageError(
            f"--fail-if: {error.message}", error.hint or "for instance metrics.auc < 0.9"
        ) from error


def namespaces(comparison: Comparison, position: int) -> Dict[str, Any]:
    """Values of one column by namespace: by whole name, nested by its dots, and by its last part."""
    flat: Dict[str, Dict[str, Value]] = {name: {} for name in NAMESPACES.values()}
    for row in comparison.rows:
        if row.kind in NAMESPACES:
            flat[NAMESPACES[row.kind]][row.name] = row.values[position]
    return {name: names_of(values) for name, values in flat.items()}


def names_of(flat: Mapping[str, Value]) -> Dict[str, Any]:
    last_parts: List[str] = [name.rsplit(".", 1)[-1] for name in flat]
    names: Dict[str, Any] = {
        last: value for last, value in zip(last_parts, flat.values()) if last_parts.count(last) == 1
    }
    for name, value in flat.items():
        here = names
        *folders, last = name.split(".")
        for folder in folders:
            if not isinstance(here.get(folder), dict):
                here[folder] = {}
            here = here[folder]
        here[last] = value
    names.update(flat)
    return names
