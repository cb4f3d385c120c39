"""A file named `.json` is read as JSON: whatever `json` reads is the same here, and what it refuses is refused with its
place."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, List, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlorch.spec import load
from mlorch.spec.problems import Problems, UnreadableError
from mlorch.spec.reader import read
from mlorch.spec.text import Source


def told(text: str) -> List[str]:
    problems = Problems()
    with contextlib.suppress(UnreadableError):
        read(Source("p.json", text), problems)
    return [problem.code for problem in problems.errors]


def value_of(text: str) -> Any:
    problems = Problems()
    node = read(Source("p.json", text), problems)
    assert not problems.errors, problems.errors
    return None if node is None else node.plain


TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS.filter(lambda name: not name.startswith("x-")), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 0, 2, "\t"]))
@settings(max_examples=300, deadline=None)
def test_what_json_writes_is_read_as_it_was(value: Any, ascii_only: bool, indent: Optional[Any]) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert value_of(text) == json.loads(text) == value


def strict(text: str) -> bool:
    def no_constant(name: str) -> None:
        raise ValueError(name)

    try:
        json.loads(text, parse_constant=no_constant)
    except (ValueError, RecursionError):
        return False
    return True


@given(st.lists(st.sampled_from([*'{}[],:" \n\t\\', '"a"', '"b"', "1", "-", "0", ".5", "1e3", "true", "null", "NaN",
                                 "\\ud83d", "\\ude00", "#", "'a'", "tru"]), max_size=9))  # fmt: skip
@settings(max_examples=1500, deadline=None)
def test_what_is_no_json_is_refused_and_nothing_else(parts: List[str]) -> None:
    text = "".join(parts)
    codes = told(text)
    if not text.strip():
        assert codes == []
    elif not strict(text):
        assert codes[-1:] == ["E101"], (text, codes)
    else:  # a key that stands twice is refused on purpose, and so is half a character
        assert set(codes) <= {"E107", "E101" if "\\u" in text else "E107"}, (text, codes)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        ('{"a": "\u2028b\x7f\x85"}', {"a": "\u2028b\x7f\x85"}),
        ('{"' + "k" * 2000 + '": 1}', {"k" * 2000: 1}),
        ('{"<<": {"a": 1}, "b": "*a &c !d # e"}', {"<<": {"a": 1}, "b": "*a &c !d # e"}),
        ('{"a":"b/c\\/d"}', {"a": "b/c/d"}),
    ],
)
def test_what_yaml_reads_otherwise(text: str, value: Any) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ('{"a": 1,\n "b": tru}', (2, 7), "a value was expected here"),
        ('{"a" 1}', (1, 6), "a `:` was expected here"),
        ("{a: 1}", (1, 2), 'a key in `"…"` was expected here'),
        ('{"a": [1 2]}', (1, 10), "a `,` or the closing `]` was expected here"),
        ('{"a": "\\ud83d"}', (1, 7), "half of a surrogate pair"),
        ('{"a": "b', (1, 7), "unterminated string"),
        ('{"a": 1} x', (1, 10), "the end of the file was expected here"),
    ],
)
def test_the_place_of_what_is_no_json(text: str, place: Any, message: str) -> None:
    problems = Problems()
    with pytest.raises(UnreadableError):
        read(Source("p.json", text), problems)
    (problem,) = problems.errors
    assert message in problem.message and (problem.place.line, problem.place.column) == place


def test_nesting_and_size_are_bounded_in_json_too() -> None:
    assert told("[" * 100 + "]" * 100) == [] and told("[" * 101 + "]" * 101) == ["E108"]
    assert told("[" * 100_000) == ["E108"]
    assert told("[" + "1," * 199_999 + "1]") == ["E108"]
    assert told('{"a": 1e999}') == ["E113"] and told('{"a": "\\u0000"}') == ["E109"]


def test_params_of_a_file_in_json(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps({"face": "\U0001f600", "n": {"x": 1.5}}))
    text = "version: 1\nname: a\nparams: p.json\nsteps: {a: {run: 'echo ${{ params.face }}'}}\n"
    (tmp_path / "mlorch.yaml").write_text(text)
    pipeline = load(str(tmp_path / "mlorch.yaml"), str(tmp_path))
    assert pipeline.params == {"face": "\U0001f600", "n": {"x": 1.5}}
