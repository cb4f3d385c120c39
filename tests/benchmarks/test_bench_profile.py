"""The sampler's stacks are told apart by the files of mlorch that are in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mlorch
from benchmarks import document, profile, results
from benchmarks.measure import Sample

HERE = "/somewhere/mlorch/lib/python3.11/site-packages/mlorch"


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (["<module> (/bin/mlorch:8)", f"main ({HERE}/cli/__init__.py:30)"], "report"),
        ([f"run ({HERE}/engine/hub.py:10)", f"put ({HERE}/store/files.py:7)"], "store, commit, publish"),
        ([f"run ({HERE}/engine/hub.py:10)", f"make ({HERE}/values.py:7)", "get (/lib/queue.py:1)"], "hub"),
        ([f"run ({HERE}/engine/agent.py:10)", "dumps (/lib/json/__init__.py:1)"], "attempts"),
        ([f"load ({HERE}/app.py:9)", "_load (<frozen importlib._bootstrap>:1)"], profile.IMPORTS),
        ([f"load ({HERE}/app.py:9)"], profile.REST),
        (["main (/bench/floor.py:40)"], profile.REST),
    ],
)
def test_a_stack_counts_for_the_innermost_part(frames: list[str], expected: str) -> None:
    assert profile.part(frames) == expected


def test_every_file_that_a_part_names_is_there() -> None:
    top = Path(str(mlorch.__file__)).parent
    files = [path.relative_to(top).as_posix() for path in top.rglob("*.py")]
    for _, pattern in profile.PARTS:
        for name in re.findall(r"[a-z]+", pattern.replace(r"\.py", "")):
            assert any(name in re.split(r"[/.]", path) for path in files), name
        assert any(re.match(pattern, path) for path in files), pattern


def test_the_document_shows_parts_their_sum_and_the_floor(tmp_path: Path) -> None:
    found = results.Results(tmp_path / "results.json")
    found.row("profile wide", 1000, "mlorch", "cold").facts = {profile.IMPORTS: 0.25, "hub": 1.5}
    found.row("profile wide", 1000, "floor", "cold").facts = {profile.REST: 0.5}
    found.row("wide", 1000, "mlorch", "cold").add(Sample(2.5, 3.0, 50.0))
    found.write()
    document.write(results.read(found.path), tmp_path)
    text = (tmp_path / "benchmarks.md").read_text()
    assert "| part | wide 1,000, cold |" in text
    assert all(
        f"| {row} |" in text
        for row in ("imports | 0.250", "hub | 1.500", "sum | 1.750", "floor | 0.500", "run | 2.50")
    )
