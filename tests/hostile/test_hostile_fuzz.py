"""Arbitrary and nearly right bytes in everything that is read. `make fuzz` does the same for long, guided by coverage."""

from __future__ import annotations

import os
import random

import fuzz
import pytest
import targets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("MLORCH_FUZZ_EXAMPLES", "25"))
SLOWER = {"index": 3, "plan_cache": 2, "selector": 2, "run_file": 2}
"""Targets that work on real files get fewer examples."""


@pytest.mark.parametrize("name", list(targets.TARGETS))
def test_whatever_is_read(name: str) -> None:
    seeds = fuzz.corpus(name)
    nearly = st.builds(fuzz.mutated, st.sampled_from(seeds), st.integers(0, 1 << 30).map(random.Random))
    anything = st.one_of(nearly, nearly, st.binary(max_size=200), st.text(max_size=100).map(_encoded))

    @settings(
        max_examples=EXAMPLES // SLOWER.get(name, 1),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(anything)
    def attempt(data: bytes) -> None:
        targets.TARGETS[name](data)

    for seed in seeds:
        targets.TARGETS[name](seed)
    attempt()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
