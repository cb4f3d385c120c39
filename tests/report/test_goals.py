"""Which value is best, and which change is one for the better."""

from __future__ import annotations

from typing import Tuple

import pytest

from mlorch.model import Value
from mlorch.report.goals import best, rank, verdict

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "goal", "expected"),
    [
        ((1, 3, 2), "max", (1,)),
        ((1, 3, 2), "min", (0,)),
        ((3, None, 3.0, NAN, 1), "max", (0, 2)),
        ((True, 2, 1), "min", (2,)),
        ((1, 2), "", ()),
        ((2, 2.0), "max", ()),
        ((None, "x"), "max", ()),
        ((5,), "min", ()),
    ],
)
def test_the_best_by_the_goal(values: Tuple[Value, ...], goal: str, expected: Tuple[int, ...]) -> None:
    assert best(values, goal) == expected


@pytest.mark.parametrize(
    ("old", "new", "goal", "expected"),
    [
        (1, 2, "max", " better"),
        (1, 2, "min", " worse"),
        (2.0, 1, "min", " better"),
        (1, 1.0, "max", ""),
        (1, 2, "", ""),
        (NAN, 2, "max", ""),
        (1, NAN, "max", ""),
        ("a", "b", "max", ""),
        (None, 1, "max", ""),
    ],
)
def test_better_or_worse(old: Value, new: Value, goal: str, expected: str) -> None:
    assert verdict(old, new, goal) == expected


def test_numbers_come_first_and_what_is_missing_last() -> None:
    values: Tuple[Value, ...] = (None, 1, NAN, 3.5, "x")
    assert sorted(values, key=lambda value: rank(value, True))[:2] == [3.5, 1]
    assert sorted(values, key=lambda value: rank(value, False))[:2] == [1, 3.5]
    assert sorted(values, key=lambda value: rank(value, True))[-1] is None
