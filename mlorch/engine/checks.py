"""Checks: conditions on stored metrics, evaluated in every run, for cached steps too."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch import expressions
from mlorch.errors import ExpressionError
from mlorch.model import Checked, Expression, Instance
from mlorch.plan.names import Names
from mlorch.plan.world import NotYetKnown


def evaluate_checks(names: Names, instance: Instance, metrics: Mapping[str, object]) -> Tuple[Checked, ...]:
    """Every check of an instance, in the order of the file."""
    names.metrics = CheckedMetrics(metrics)
    found: List[Checked] = []
    for check in instance.step.checks:
        source = check.condition.source.strip()
        try:
            if names.evaluate(check.condition.source, check.condition.scope):
                found.append(Checked(source, True, check.severity))
                continue
            detail = _values(names, check.condition)
        except ExpressionError as error:
            detail = "; ".join(filter(None, (error.message, error.hint)))
        message = f"check did not hold: {source}"
        if detail:
            message = f"{message} ({detail})"
        if check.message is not None:
            message = f"{message}: {names.render(check.message)}"
        found.append(Checked(source, False, check.severity, message))
    return tuple(found)


def problem_of(checks: Sequence[Checked]) -> Tuple[Optional[str], List[str]]:
    """(why a check with severity `error` did not hold, sentences of those with `warn`)."""
    failed = [check.text for check in checks if not check.holds and check.severity != "warn"]
    warned = [check.text for check in checks if not check.holds and check.severity == "warn"]
    return (failed[0] if failed else None), warned


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
