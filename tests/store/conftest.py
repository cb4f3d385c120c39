from __future__ import annotations

from typing import Iterator

import pytest
from store_helpers import Project


@pytest.fixture
def project(tmp_path: object) -> Iterator[Project]:
    made = Project(str(tmp_path))
    yield made
    made.store.forget_caches()
