"""A fresh project for each test, in an environment that settings of the caller's do not reach."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from kit import Project


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MLORCH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")
