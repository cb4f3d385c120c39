"""Which of several values of a metric is best, and whether a change is one for the better, by a step's `goal`."""

from __future__ import annotations

from typing import Any, Sequence, Tuple

from mlorch.model import Value


def is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def best(values: Sequence[Value], goal: str) -> Tuple[int, ...]:
    """The positions of the best values, `goal` being `max`, `min` or empty; none where there is no choice."""
    numbers = [value for value in values if is_number(value) and value == value]
    if not goal or not any(value != numbers[0] for value in numbers):
        return ()
    top = max(numbers) if goal == "max" else min(numbers)
    return tuple(i for i, value in enumerate(values) if is_number(value) and value == top)


def verdict(old: Value, new: Value, goal: str) -> str:
    """` better` or ` worse`, to be written after a difference; empty without a goal or a difference."""
    if not goal or not is_number(old) or not is_number(new) or not (old < new or new < old):
        return ""
    return " better" if (new > old) == (goal == "max") else " worse"


def rank(value: Value, descending: bool) -> Tuple[int, Any]:
    """The key of a value in an order: numbers, then what can't be compared as such, then what is missing."""
    if is_number(value) and value == value:
        return (0, -value if descending else value)
    return (2, "") if value is None else (1, str(value))
