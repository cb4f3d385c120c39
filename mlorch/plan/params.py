"""Params by dotted name, and which of them a step reads."""

from __future__ import annotations

from typing import Any, List, Mapping, Set

from mlorch import expressions
from mlorch.model import Step, Value
from mlorch.plan.references import expressions_of


def param(params: Mapping[str, Value], dotted: str) -> Value:
    """The value of `a.b`; None where there is none (validation has said so before)."""
    value: Any = params
    for part in dotted.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def referred_params(step: Step) -> List[str]:
    """Dotted names of the params that a step's expressions read."""
    found: Set[str] = set()
    for where, expression in expressions_of(step):
        if where not in ("checks", "if"):
            for reference in expressions.references(expression.source):
                if reference.path[0] == "params" and len(reference.path) > 1:
                    found.add(".".join(reference.path[1:]))
    return sorted(found)
