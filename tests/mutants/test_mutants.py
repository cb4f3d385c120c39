"""The deliberate defects still apply, and their tests are there (`make mutants` sees that each is noticed)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from mutants import MUTANTS, Mutant
from runner import ROOT, mutated, try_one


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_defect_still_applies(mutant: Mutant) -> None:
    changed = mutated(ROOT, mutant)
    for path, text in changed.items():
        compile(text, path, "exec")


def test_there_are_enough_and_no_two_are_the_same() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 12


def test_one_that_no_longer_applies_and_one_that_survives_are_told(tmp_path: Path) -> None:
    (tmp_path / "own_code.py").write_text("def two():\n    return 2\n")
    (tmp_path / "test_it.py").write_text(
        "from own_code import two\n\ndef test_two():\n    assert two() > 0\n"
    )

    def told(old: str, new: str) -> str:
        return try_one(Mutant("it", (1,), [("own_code.py", old, new)], ["test_it.py"]), str(tmp_path))[0]

    assert told("return 2", "return -2") == ""
    assert "`it` survived" in told("return 2", "return 3")
    assert "`it` no longer applies" in told("return 4", "return 5")
    assert "did not run" in told("def two", "def (two")
    assert (tmp_path / "own_code.py").read_text() == "def two():\n    return 2\n"
