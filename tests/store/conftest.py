from __future__ import annotations

from collections import Counter
from typing import Iterator

import pytest
from store_helpers import Project

from mlorch.store import faults


@pytest.fixture
def project(tmp_path: object) -> Iterator[Project]:
    made = Project(str(tmp_path))
    yield made
    made.store.forget_caches()


@pytest.fixture
def visits() -> Iterator[Counter]:  # type: ignore[type-arg]
    """How often each named place of the store is passed."""
    found: Counter = Counter()  # type: ignore[type-arg]
    faults.watch(lambda name: found.update([name]))
    yield found
    faults.watch(None)
