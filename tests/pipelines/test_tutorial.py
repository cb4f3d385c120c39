"""The tutorial from its first to its last line: its files, commands, exit codes and outputs."""

from __future__ import annotations

import json
from pathlib import Path

from follow import ROOT, Reader, follow


def test_the_tutorial_from_its_first_to_its_last_line(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    assert follow(ROOT / "docs" / "tutorial.md", reader) >= 20
    folder = reader.home / "curve"
    assert json.loads((folder / "best.json").read_text())["k"] in (5, 20)
    assert json.loads((folder / "result.json").read_text())["totals"]["cached"] == 6
