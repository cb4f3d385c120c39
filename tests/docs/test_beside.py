"""`docs/beside.md` has every verb, is made of what was recorded, and mlorch prints today what it printed then.

DVC and Snakemake are not installed where tests run: `make beside` tries their side. `MLORCH_UPDATE=1` records mlorch's anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from follow import ROOT, UPDATE, essence

from mlorch.cli.build import VERBS

sys.path.insert(0, str(ROOT / "docs" / "beside"))
import record as beside

MACHINE = ("doctor", "show", "runs")
"""Verbs whose answers tell of the machine, or are sorted by the clock: only what they were asked is compared."""


def test_every_verb_stands_beside_the_others() -> None:
    assert {entry["verb"] for entry in beside.scenario()} == set(VERBS)


def test_the_page_is_made_of_what_was_recorded() -> None:
    recorded = json.loads(beside.RECORDED.read_text(encoding="utf-8"))
    assert beside.page(recorded) == beside.PAGE.read_text(encoding="utf-8"), "run `make beside`"
    for tool in beside.TOOLS:
        for entry, screen in zip(beside.scenario(), recorded[tool]["screens"]):
            wanted = entry[tool].get("run", [])
            assert [line[2:] for line in screen.splitlines() if line.startswith("$ ")] == wanted
            assert wanted or entry[tool]["none"], (tool, entry["title"])


def test_mlorch_prints_what_was_recorded(tmp_path: Path) -> None:
    if not (Path(sys.executable).parent / "mlorch").exists():
        pytest.skip("mlorch is not installed beside this Python")
    if UPDATE:
        beside.main(["mlorch"])
    recorded = json.loads(beside.RECORDED.read_text(encoding="utf-8"))["mlorch"]["screens"]
    found = beside.record("mlorch", tmp_path)["screens"]
    for entry, before, now in zip(beside.scenario(), recorded, found):
        if entry["verb"] not in MACHINE:
            assert essence(now) == essence(before), entry["title"]
