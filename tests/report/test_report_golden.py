"""Whole texts, compared with the files in `golden/`. UPDATE_GOLDEN=1 rewrites these, for review."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from report_cases import CASES

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(path.stem for path in GOLDEN.glob("*.txt"))


@pytest.mark.parametrize("name", sorted({*CASES, *FILES}))
def test_text_is_as_its_golden_file_shows(name: str) -> None:
    path = GOLDEN / (name + ".txt")
    assert name in CASES, f"{path} belongs to no case: delete it"
    text = CASES[name]()
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
    assert text == path.read_text(encoding="utf-8", errors="surrogateescape")


def test_there_are_cases() -> None:
    assert len(CASES) > 25


@pytest.mark.parametrize("name", sorted(CASES))
def test_no_control_character_reaches_a_screen(name: str) -> None:
    bad = {char for char in CASES[name]() if ord(char) < 32 and char != "\n"}
    assert not bad


@pytest.mark.parametrize(
    "name", sorted(name for name in CASES if name.endswith("_ascii") and name != "graph_ascii")
)
def test_ascii_is_ascii(name: str) -> None:
    assert CASES[name]().isascii()


WIDE = {"frames_github", "frames_concise", "lines_json", "graph_dot", "graph_svg"}
"""Formats whose lines are read by programs, and one line per problem."""


@pytest.mark.parametrize(
    "name", sorted(set(CASES) - WIDE - {"frames_color", "lines_ascii_quiet_color", "why_changed"})
)
def test_lines_fit_80_columns(name: str) -> None:
    assert [line for line in CASES[name]().splitlines() if len(line) > 80 and "mlorch run" not in line] == []
