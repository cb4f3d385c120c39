"""Checks: conditions on stored metrics, evaluated in every run, for cached steps too."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Tuple

from mlorch import expressions
from mlorch.errors import ExpressionError
from mlorch.model import Expression, Instance
from mlorch.plan.names import Names
from mlorch.plan.world import NotYetKnown


def check_problem(
    names: Names, instance: Instance, metrics: Mapping[str, object]
) -> Tuple[Optional[str], List[str]]:
    """(why a check with severity `error` did not hold, sentences of those with `warn`)."""
    names.metrics = CheckedMetrics(metrics)
    failed: Optional[str] = None
    warned: List[str] = []
    for check in instance.step.checks:
        try:
            if names.evaluate(check.condition.source, check.condition.scope):
                continue
            detail = _values(names, check.condition)
        except ExpressionError as error:
            detail = error.message
        message = f"check did not hold: {check.condition.source.strip()}"
        if detail:
            message = f"{message} ({detail})"
        if check.message is not None:
            message = f"{message}: {names.render(check.message)}"
        if check.severity == "warn":
            warned.append(message)
        elif failed is None:
            failed = message
    return failed, warned


def _values(names: Names, condition: Expression) -> str:
    """What the names in a condition stood for: `accuracy is 0.9868, min_accuracy is 0.99`."""
    found: Dict[str, str] = {}
    for reference in expressions.references(condition.source):
        dotted = ".".join(reference.path)
        if dotted == condition.source.strip():
            continue
        try:
            value = names.evaluate(dotted, condition.scope)
        except (ExpressionError, NotYetKnown):
            continue
        if isinstance(value, float):
            found[reference.path[-1]] = f"{value:.6g}"
        elif isinstance(value, (str, int)):
            found[reference.path[-1]] = str(value)
    return ", ".join(f"{name} is {value}" for name, value in found.items())


class CheckedMetrics(Dict[str, object]):
    """Metrics for checks: reading one that is not a number fails the check."""

    def __getitem__(self, name: str) -> object:
        value = super().__getitem__(name)
        if (isinstance(value, float) and value != value) or value in (float("inf"), float("-inf")):
            raise ExpressionError(f"metric `{name}` is {value}")
        return CheckedMetrics(value) if isinstance(value, dict) else value
