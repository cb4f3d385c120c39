"""Problems that settings hold (`settings/`) and that a run finds (`run/`), each with its text.

All are examples of `docs/errors.md`. `MLORCH_UPDATE=1` rewrites the texts.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
from pathlib import Path
from typing import List

import pytest

from mlorch import app
from mlorch.errors import SpecError
from mlorch.model import SourceFile
from mlorch.report.frames import render
from mlorch.settings import read_settings
from mlorch.spec.codes import CODES

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CASES = os.path.join(ROOT, "tests", "cases")
LOST = "# run, then its outputs were removed, also from the store\n"


def names(kind: str, ending: str) -> List[str]:
    found = glob.glob(os.path.join(CASES, kind, "*" + ending))
    return sorted(os.path.basename(path)[: -len(ending)] for path in found)


def read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def compare(kind: str, name: str, error: SpecError, source: SourceFile) -> None:
    shown = render(error.problems, [source])
    path = os.path.join(CASES, kind, name + ".txt")
    if os.environ.get("MLORCH_UPDATE") == "1":
        with open(path, "w", encoding="utf-8") as file:
            file.write(shown)
    assert shown == read(path)
    assert {problem.code for problem in error.problems} == {name.split("-")[0]}


@pytest.mark.parametrize("name", names("settings", ".toml"))
def test_settings_give_their_text(name: str, tmp_path: Path) -> None:
    text = read(os.path.join(CASES, "settings", name + ".toml"))
    (tmp_path / "mlorch.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        read_settings(str(tmp_path), environ={})
    compare("settings", name, caught.value, SourceFile("mlorch.toml", text))


@pytest.mark.parametrize("name", names("run", ".yaml"))
def test_runs_give_their_text(name: str, tmp_path: Path) -> None:
    text = read(os.path.join(CASES, "run", name + ".yaml"))
    file = tmp_path / (name + ".yaml")
    file.write_text(text, encoding="utf-8")
    request = app.Request(pipeline=str(file), root=str(tmp_path))
    if text.startswith(LOST):
        assert app.run(request).exit_code == 0
        shutil.rmtree(str(tmp_path / "made"))
        shutil.rmtree(str(tmp_path / ".mlorch" / "objects"))
    with pytest.raises(SpecError) as caught:
        app.run(request)
    compare("run", name, caught.value, SourceFile(file.name, text))


def test_every_code_of_the_source_is_registered_and_no_other() -> None:
    used = set()
    for path in glob.glob(os.path.join(ROOT, "mlorch", "**", "*.py"), recursive=True):
        if os.path.basename(path) != "codes.py":
            used.update(re.findall(r'"([EW][0-9]{3})"', read(path)))
    assert used == set(CODES)
