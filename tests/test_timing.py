"""What `timing` computes itself."""

import statistics
from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlorch.timing import median


@given(st.lists(st.floats(0, 1e9), min_size=1))
def test_the_median_is_that_of_statistics(seconds: List[float]) -> None:
    assert median(seconds) == pytest.approx(statistics.median(seconds))
    assert median(iter(seconds)) == median(seconds)
