"""Pipelines as files: each of `valid/` loads, each of `invalid/` gives exactly the text beside it.

`MLORCH_UPDATE=1 pytest tests/spec/test_spec_cases.py` rewrites the texts, for a person to look through.
"""

from __future__ import annotations

import glob
import os
import re
from typing import List, Sequence

import pytest

from mlorch import spec
from mlorch.errors import SpecError
from mlorch.model import Problem, SourceFile
from mlorch.report.frames import render
from mlorch.spec.codes import CODES

CASES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cases")
UPDATE = os.environ.get("MLORCH_UPDATE") == "1"
FOREIGN = re.compile(
    r"Traceback|jsonschema|is not of type|Additional properties|required property|does not match"
    r"|is not valid under|while parsing|while scanning|Error\("
)


def names(kind: str) -> List[str]:
    return sorted(os.path.basename(path)[:-5] for path in glob.glob(os.path.join(CASES, kind, "*.yaml")))


def compare(kind: str, name: str, problems: Sequence[Problem], sources: Sequence[SourceFile]) -> str:
    """The rendered problems, equal to the text beside the case."""
    path = os.path.join(CASES, kind, name + ".txt")
    text = render(problems, sources)
    if UPDATE:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    with open(path, encoding="utf-8") as file:
        assert text == file.read()
    return text


@pytest.mark.parametrize("name", names("invalid"))
def test_invalid_files_give_their_text(name: str) -> None:
    root = os.path.join(CASES, "invalid")
    with pytest.raises(SpecError) as caught:
        spec.load(os.path.join(root, name + ".yaml"), root)
    problems = caught.value.problems
    text = compare("invalid", name, problems, caught.value.sources)
    assert not FOREIGN.search(text), "another library's wording"
    codes = {problem.code for problem in problems}
    assert codes <= set(CODES)
    assert name.split("-")[0] in codes or name == "many-at-once"
    for problem in problems:
        assert problem.hint, f"{problem.message} says no remedy"
        assert problem.message[0] not in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        assert problem.place.line >= 1 and problem.place.column >= 1 and problem.length >= 1


def test_problems_are_sorted_by_place() -> None:
    root = os.path.join(CASES, "invalid")
    with pytest.raises(SpecError) as caught:
        spec.load(os.path.join(root, "many-at-once.yaml"), root)
    places = [problem.place for problem in caught.value.problems]
    assert len(places) > 6
    assert places == sorted(places)


@pytest.mark.parametrize("name", names("valid"))
def test_valid_files_load(name: str) -> None:
    root = os.path.join(CASES, "valid")
    pipeline = spec.load(os.path.join(root, name + ".yaml"), root)
    assert pipeline.steps
    assert pipeline.file == name + ".yaml"
    if pipeline.warnings or os.path.exists(os.path.join(root, name + ".txt")):
        compare("valid", name, pipeline.warnings, pipeline.sources)


def test_there_are_enough_cases_and_every_text_has_its_file() -> None:
    assert len(names("invalid")) >= 80
    for kind in ("valid", "invalid"):
        texts = {os.path.basename(path)[:-4] for path in glob.glob(os.path.join(CASES, kind, "*.txt"))}
        assert texts <= set(names(kind))


def test_every_code_that_validation_gives_has_a_case() -> None:
    cases = {name.split("-")[0] for name in names("invalid")}
    expected = {code for code, about in CODES.items() if about.by == "validate" and code.startswith("E")}
    assert expected <= cases


def test_every_code_in_the_source_is_registered() -> None:
    folder = os.path.dirname(spec.__file__)
    used = set()
    for path in glob.glob(os.path.join(folder, "*.py")):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if not path.endswith("codes.py"):
            used.update(re.findall(r'"([EW]\d{3})"', text))
    validated = {code for code, about in CODES.items() if about.by == "validate"}
    assert used == validated
