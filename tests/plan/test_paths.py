"""Globs over real folders, and which patterns can meet."""

from __future__ import annotations

import os

import pytest

from mlorch.plan import paths


@pytest.fixture
def tree(tmp_path):
    for name in (
        "a.csv",
        "b.csv",
        ".hidden.csv",
        "data/x/1.sql",
        "data/x/y/2.sql",
        "data/3.sql",
        "we[ird].csv",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / ".mlorch").mkdir()
    (tmp_path / ".mlorch" / "c.csv").write_text("")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.csv", ["a.csv", "b.csv", "we[ird].csv"]),
        ("[ab].csv", ["a.csv", "b.csv"]),
        ("[!a].csv", ["b.csv"]),
        (".*.csv", [".hidden.csv"]),
        ("data/**/*.sql", ["data/3.sql", "data/x/1.sql", "data/x/y/2.sql"]),
        ("data/*/*.sql", ["data/x/1.sql"]),
        ("data/*", ["data/3.sql", "data/x"]),
        ("**/1.sql", ["data/x/1.sql"]),
        ("nothing/*.csv", []),
    ],
)
def test_expand(tree, pattern, found):
    assert paths.expand_glob(tree, pattern) == found
    for path in found:
        assert paths.glob_pattern(pattern).match(path)


def test_expanding_agrees_with_the_pattern(tree):
    everything = [
        os.path.relpath(os.path.join(folder, name), tree)
        for folder, folders, files in os.walk(tree)
        for name in (*folders, *files)
    ]
    for pattern in ("*.csv", "data/**/*.sql", "data/*/*", "d*/x", "**/*.sql"):
        matched = sorted(
            path for path in everything if paths.glob_pattern(pattern).match(path) and path[0] != "."
        )
        assert matched == paths.expand_glob(tree, pattern)


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("models/a.bin", "models/a.bin", True),
        ("models", "models/a.bin", True),
        ("models/a.bin", "models/b.bin", False),
        ("model", "models/a.bin", False),
        ("models/*/model.joblib", "models/3-0/model.joblib", True),
        ("models/*/model.joblib", "models/3-0/metrics.json", False),
        ("models/*", "models", True),
        ("data/*.csv", "models/*.csv", False),
        ("data/*.csv", "data/*.json", False),
        ("data/*", "data/part-*.csv", True),
    ],
)
def test_overlap(one, other, meet):
    assert paths.overlap(one, other) is meet
    assert paths.overlap(other, one) is meet


@pytest.mark.parametrize("path", ["../x", "a/../../x", ".mlorch/x", ".git/config", "", "./", "a\x00b"])
def test_refused(path):
    assert paths.refusal(path)


@pytest.mark.parametrize("path", ["a/b.csv", "./a", "x/.mlorch-like", "naïve/ü.txt"])
def test_allowed(path):
    assert not paths.refusal(path)
