"""Helpers of the spec tests: pipelines written to files, and their problems as text."""

from __future__ import annotations

import os
import textwrap
from typing import Any, Callable, Dict, List

import pytest

from mlorch import spec
from mlorch.errors import SpecError
from mlorch.model import Pipeline, Problem

Load = Callable[..., Pipeline]


@pytest.fixture
def load(tmp_path: Any) -> Load:
    """Write a text (and other files by name) below a fresh root, and load it."""

    def write_and_load(text: str, files: Dict[str, str] = {}, **options: Any) -> Pipeline:  # noqa: B006
        for name, content in {"pipeline.yaml": textwrap.dedent(text), **files}.items():
            path = os.path.join(str(tmp_path), name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(content)
        return spec.load(os.path.join(str(tmp_path), "pipeline.yaml"), str(tmp_path), **options)

    return write_and_load


@pytest.fixture
def refuse(load: Load) -> Callable[..., List[Problem]]:
    """Load what must be invalid, and give its problems."""

    def problems_of(text: str, files: Dict[str, str] = {}, **options: Any) -> List[Problem]:  # noqa: B006
        with pytest.raises(SpecError) as caught:
            load(text, files, **options)
        return list(caught.value.problems)

    return problems_of
