"""A launcher per test, in a project folder of its own, as mlorch runs it: standing in the root."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Iterator

import pytest
from launching import Bench, named


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.chdir(tmp_path)
    made = Bench(tmp_path, "test-" + uuid.uuid4().hex[:12])
    yield made
    made.close()
    assert named(made.run) == []
