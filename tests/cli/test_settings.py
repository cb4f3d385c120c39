"""Settings: what is read, from where, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlorch.errors import SpecError
from mlorch.settings import KEYS, read_settings


def write(root: Path, text: str) -> str:
    (root / "mlorch.toml").write_text(text)
    return str(root)


def problems(root: str, **environ: str):
    with pytest.raises(SpecError) as caught:
        read_settings(root, environ)
    return caught.value.problems


def test_defaults_need_no_file(tmp_path):
    settings = read_settings(str(tmp_path), {})
    assert settings.root == str(tmp_path)
    assert settings.store == str(tmp_path / ".mlorch")
    assert settings.allow == ()
    assert settings.jobs is None
    assert set(settings.origins) == {key.field for key in KEYS}
    assert set(settings.origins.values()) == {"default"}


def test_file_then_environment_then_flag(tmp_path):
    root = write(tmp_path, "[run]\njobs = 2\n[store]\npath = 'cache'\n[paths]\nallow = ['/mnt/a/']\n")
    settings = read_settings(root, {})
    assert (settings.jobs, settings.store, settings.allow) == (2, str(tmp_path / "cache"), ("/mnt/a",))
    assert settings.origins["jobs"] == "mlorch.toml"
    settings = read_settings(root, {"MLORCH_JOBS": "3", "MLORCH_ALLOW": "/mnt/b:/mnt/c", "MLORCH_COLOR": ""})
    assert (settings.jobs, settings.allow, settings.color) == (3, ("/mnt/b", "/mnt/c"), "auto")
    assert settings.origins["jobs"] == "MLORCH_JOBS"
    settings = read_settings(root, {"MLORCH_JOBS": "3"}, {"jobs": 4, "color": None})
    assert (settings.jobs, settings.origins["jobs"], settings.origins["color"]) == (4, "flag", "default")


def test_store_path_expands_home_and_is_absolute(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = write(tmp_path, '[store]\npath = "~/cache/../store"\n')
    assert read_settings(root, {}).store == str(tmp_path / "home" / "store")


def test_every_mistake_at_once_with_its_place(tmp_path):
    root = write(tmp_path, '[stor]\npath = "x"\n[run]\njobs = 0\njbos = 1\n[paths]\nallow = ["data"]\n')
    found = problems(root, MLORCH_COLOR="blue")
    told = [(str(problem.place), problem.message, problem.hint) for problem in found]
    assert told == [
        (
            "environment:1:1",
            "MLORCH_COLOR: expected one of auto, always, never, got 'blue'",
            "correct it or take it out",
        ),
        ("mlorch.toml:1:2", "unknown section `stor`", "did you mean `store`?"),
        (
            "mlorch.toml:4:1",
            "`run.jobs`: expected a whole number of at least 1, got 0",
            "correct it or take it out",
        ),
        ("mlorch.toml:5:1", "unknown setting `jbos` in [run]", "did you mean `jobs`?"),
        (
            "mlorch.toml:7:1",
            "`paths.allow`: expected a list of absolute paths, got 'data' in it, got ['data']",
            "correct it or take it out",
        ),
    ]


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        (b"[run\njobs = 1\n", "mlorch.toml:1:5", "is not TOML"),
        (b"[run]\njobs = 1\njobs = 2\n", "mlorch.toml:3:9", "is not TOML"),
        (b"[run]\njobs = \xff\n", "mlorch.toml:2:1", "is not UTF-8"),
        (b"x" * ((1 << 20) + 1), "mlorch.toml:1:1", "is over 1 MiB"),
        (b"run = 3\n", "mlorch.toml:1:1", "`run` is a section"),
        (b"[run]\njobs = true\n", "mlorch.toml:2:1", "expected a whole number"),
        (b"[store]\npath = 3\n", "mlorch.toml:2:1", "expected the path of a folder"),
        (b"a = " + b"[" * 60000, "mlorch.toml:1:1", "is "),
    ],
)
def test_bad_files_have_a_place(tmp_path, data, place, words):
    (tmp_path / "mlorch.toml").write_bytes(data)
    found = problems(str(tmp_path))
    assert words in found[0].message
    if not data.startswith(b"a = ["):
        assert str(found[0].place) == place


def test_a_folder_named_mlorch_toml_is_told(tmp_path):
    (tmp_path / "mlorch.toml").mkdir()
    assert "can't be read" in problems(str(tmp_path))[0].message
