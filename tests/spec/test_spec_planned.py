"""Problems that a plan finds, each of `planned/` with its text; some are examples of `docs/errors.md`.

`MLORCH_UPDATE=1` rewrites the texts.
"""

from __future__ import annotations

import glob
import os
import shutil
from typing import Any, Dict

import pytest

from mlorch import app
from mlorch.errors import SpecError
from mlorch.model import SourceFile
from mlorch.report.frames import render
from mlorch.spec.codes import CODES

CASES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cases", "planned")
ONLY = "# planned with: mlorch plan train --only\n"
NAMES = sorted(os.path.basename(path)[:-5] for path in glob.glob(os.path.join(CASES, "*.yaml")))


@pytest.mark.parametrize("name", NAMES)
def test_planned_files_give_their_text(name: str, tmp_path: Any) -> None:
    project = str(tmp_path / "project")
    shutil.copytree(CASES, project)
    with open(os.path.join(project, name + ".yaml"), encoding="utf-8") as file:
        text = file.read()
    only = text.startswith(ONLY)
    request = app.Request(
        pipeline=os.path.join(project, name + ".yaml"),
        root=project,
        selectors=("train",) if only else (),
        only=only,
    )
    with pytest.raises(SpecError) as caught:
        app.plan(request)
    sources: Dict[str, SourceFile] = {name: SourceFile(name + ".yaml", text)}
    shown = render(caught.value.problems, list(sources.values()))
    path = os.path.join(CASES, name + ".txt")
    if os.environ.get("MLORCH_UPDATE") == "1":
        with open(path, "w", encoding="utf-8") as file:
            file.write(shown)
    with open(path, encoding="utf-8") as file:
        assert shown == file.read()
    assert name.split("-")[0] in {problem.code for problem in caught.value.problems}
    assert all(problem.code in CODES for problem in caught.value.problems)
