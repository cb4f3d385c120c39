"""From bytes to nodes: scalars, limits, and what YAML allows but mlorch does not."""

from __future__ import annotations

import os
from typing import Any, List, Tuple

import pytest

from mlorch import spec
from mlorch.errors import EnvironmentFault, SpecError
from mlorch.spec.nodes import Map, Scalar
from mlorch.spec.problems import Problems, UnreadableError
from mlorch.spec.reader import read
from mlorch.spec.text import Source


def plain(text: str) -> Any:
    problems = Problems()
    node = read(Source("a.yaml", text), problems)
    assert not problems.errors
    return None if node is None else node.plain


def codes(text: str) -> List[str]:
    problems = Problems()
    try:
        read(Source("a.yaml", text), problems)
    except UnreadableError:
        assert problems.errors
    return [problem.code for problem in problems.errors]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("false", False),
        ("yes", "yes"),
        ("on", "on"),
        ("n", "n"),
        ("~", None),
        ("null", None),
        ("", None),
        ("nUll", "nUll"),
        ("0", 0),
        ("-0", 0),
        ("+12", 12),
        ("0777", "0777"),
        ("007", "007"),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5e3", -500.0),
        (".", "."),
        ("-", None),
        ("1.2.3", "1.2.3"),
        ("12:30:00", "12:30:00"),
        ("2020-01-01", "2020-01-01"),
        ("9007199254740993", 9007199254740993),
        ("'1'", "1"),
        ('"\\u00e9"', "é"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("!!int '1'", 1),
        ("! 1", "1"),
        ("!!null ''", None),
    ],
)
def test_core_scalars(text: str, value: Any) -> None:
    found = plain("- " + text)[0] if text != "-" else None
    assert found == value
    assert type(found) is type(value)


def test_merge_keys_keep_their_own_values_and_the_first_of_several() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {z: 3, <<: [*a, *b]}\n"
    assert plain(text)["c"] == {"x": 1, "y": 1, "z": 3}


def test_a_quoted_merge_sign_is_a_key() -> None:
    assert plain("{'<<': 1}") == {"<<": 1}


def test_keys_of_ones_own_are_left_out_at_every_level_but_keep_their_anchors() -> None:
    text = "x-a: &a {b: 1, x-c: 2}\nd: {x-e: 3, f: *a}\n"
    assert plain(text) == {"d": {"f": {"b": 1}}}


def test_200_000_nodes_are_the_limit() -> None:
    assert codes("[" + "1," * 199_998 + "1]") == []
    assert codes("[" + "1," * 199_999 + "1]") == ["E108"]


def test_aliases_count_as_many_as_they_repeat() -> None:
    many = "a: &a [" + "1," * 999 + "1]\n"
    assert codes(many + "b: [" + "*a," * 196 + "*a]\n") == []
    assert codes(many + "b: [" + "*a," * 199 + "*a]\n") == ["E108"]


def test_100_levels_are_the_limit() -> None:
    assert codes("[" * 100 + "]" * 100) == []
    assert codes("[" * 101 + "]" * 101) == ["E108"]


def test_depth_behind_an_alias_counts() -> None:
    deep = "a: &a " + "[" * 60 + "]" * 60 + "\n"
    assert codes(deep + "b: " + "[" * 38 + "*a" + "]" * 38) == []
    assert codes(deep + "b: " + "[" * 50 + "*a" + "]" * 50) == ["E108"]


def test_nesting_that_would_crash_a_composer_is_refused() -> None:
    for text in ("[" * 300_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000):
        assert codes(text) == ["E108"]


def test_tabs_inside_scalars_and_comments_are_text() -> None:
    assert codes("run: |\n  cat <<-X\n\tone\n") == ["E110"]
    assert plain("run: |\n  a\n  \tb\nc: 1\n") == {"run": "a\n\tb\n", "c": 1}
    assert plain("a: 'one\n\ttwo'\nb: 1\t# x\n") == {"a": "one two", "b": 1}


def positions(text: str, *keys: str) -> Tuple[int, int]:
    node = read(Source("a.yaml", text), Problems())
    for key in keys:
        assert isinstance(node, Map)
        node = node.get(key)
    assert isinstance(node, Scalar)
    return node.place.line, node.place.column


def test_positions_count_characters_and_only_line_feeds_end_lines() -> None:
    assert positions("é: 1\n", "é") == (1, 4)
    assert positions("a: \U0001f600\nb: 'x'\n", "b") == (2, 4)
    assert positions("a: 'one\u2028two'\nb: 1\n", "b") == (2, 4)


def test_a_file_of_more_than_4_mb_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "big.yaml"
    path.write_text("# " + "x" * (4 * 1024 * 1024) + "\n")
    with pytest.raises(SpecError) as caught:
        spec.load(str(path), str(tmp_path))
    assert [problem.code for problem in caught.value.problems] == ["E108"]
    assert str(caught.value.problems[0].place) == "big.yaml:1:1"


def test_a_missing_file_a_folder_and_a_pipe_are_told(tmp_path: Any) -> None:
    os.mkfifo(str(tmp_path / "pipe.yaml"))
    (tmp_path / "folder.yaml").mkdir()
    for name in ("pipe.yaml", "folder.yaml", "missing.yaml", "folder.yaml/inner.yaml"):
        with pytest.raises(SpecError) as caught:
            spec.load(str(tmp_path / name), str(tmp_path))
        assert [problem.code for problem in caught.value.problems] == ["E117"]


def test_a_file_that_may_not_be_read_is_a_fault_of_the_environment(tmp_path: Any) -> None:
    path = tmp_path / "loop.yaml"
    path.symlink_to("loop.yaml")  # ELOOP, which root meets too
    with pytest.raises(EnvironmentFault) as caught:
        spec.load(str(path), str(tmp_path))
    assert "loop.yaml" in caught.value.message
    assert caught.value.hint
