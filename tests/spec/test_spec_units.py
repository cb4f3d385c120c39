"""Durations, sizes, and where the project root is."""

from __future__ import annotations

import contextlib
from typing import Any, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlorch.spec import find_root, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1w", 604800),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("30", 30),
        (30, 30),
        (0.5, 0.5),
        (0, 0),
    ],
)
def test_durations(text: Union[str, float], seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MiB", 512 << 20),
        ("4GiB", 4 << 30),
        ("10GB", 10 * 1000**3),
        ("1kB", 1000),
        ("1KB", 1000),
        ("7B", 7),
        ("1.5KiB", 1536),
        ("4 GiB", 4 << 30),
        (12, 12),
        ("12", 12),
        ("1TiB", 1 << 40),
        ("1PB", 1000**5),
    ],
)
def test_sizes(text: Union[str, int], size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "5 minutes", "1y", "h", "1h-5m", "-5s", -1, True, "1e3s", "٣s", "9" * 200 + "s"]
)
def test_odd_durations(text: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "16G", "lots", "GiB", "1e3MB", "-1B", -1, False, "4gib"])
def test_odd_sizes(text: Any) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@given(st.text(max_size=30))
def test_any_text_is_a_number_or_a_value_error(text: str) -> None:
    for parse in (parse_duration, parse_size):
        with contextlib.suppress(ValueError):
            assert parse(text) >= 0


def test_the_root_is_the_nearest_settings_file_else_git_else_the_folder(tmp_path: Any) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    pipeline = str(inner / "pipeline.yaml")
    assert find_root(pipeline) == str(inner)
    (tmp_path / ".git").mkdir()
    assert find_root(pipeline) == str(tmp_path)
    (tmp_path / "a" / "mlorch.toml").write_text("")
    assert find_root(pipeline) == str(tmp_path / "a")


def test_a_linked_work_tree_is_a_root_too(tmp_path: Any) -> None:
    (tmp_path / ".git").write_text("gitdir: elsewhere\n")
    (tmp_path / "a").mkdir()
    assert find_root(str(tmp_path / "a" / "pipeline.yaml")) == str(tmp_path)
