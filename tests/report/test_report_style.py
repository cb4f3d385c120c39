"""What a stream can show, amounts in words, and foreign text made harmless."""

from __future__ import annotations

import io
from typing import Dict, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlorch.report import frames, style
from mlorch.report.logs import FileLogs, missing_command, readable, telling
from mlorch.report.reasons import sentence, value_text
from mlorch.report.style import ASCII, PLAIN, Style, style_of


class Terminal(io.TextIOWrapper):
    def __init__(self, encoding: str = "utf-8", is_tty: bool = True) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self._is_tty = is_tty

    def isatty(self) -> bool:
        return self._is_tty


@pytest.mark.parametrize(
    ("color", "env", "is_tty", "expected"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": "", "FORCE_COLOR": "1"}, False, False),
        ("auto", {"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ("auto", {"FORCE_COLOR": "0"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour(color: str, env: Dict[str, str], is_tty: bool, expected: bool) -> None:
    assert style_of(Terminal(is_tty=is_tty), color, env).color is expected


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", True), ("ascii", False), ("latin-1", False), ("cp437", False)]
)
def test_glyphs_by_encoding(encoding: str, expected: bool) -> None:
    found = style_of(Terminal(encoding), "never", {})
    assert found.unicode is expected
    "".join(found.glyph(name) for name in style.GLYPHS).encode(encoding)


def test_streams_without_an_encoding_or_closed() -> None:
    assert style_of(io.StringIO(), "auto", {}) == Style()
    closed = io.StringIO()
    closed.close()
    assert not style_of(closed, "auto", {}).color
    assert not style_of(object(), "auto", {}).color


@settings(deadline=None)
@given(st.text())
def test_cleaned_text_is_one_printable_line(text: str) -> None:
    shown = PLAIN.clean(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    assert ASCII.clean(text).isascii()
    assert ASCII.own(text).isascii()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[31mb\x1b[0m", "ab"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31m", "\\x9b31m"),
        ("a\tb\nc\r", "a\\tb\\nc\\r"),
        ("\u202edrowssap", "\\u202edrowssap"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
        ("漢字 é", "漢字 é"),
    ],
)
def test_foreign_text(text: str, expected: str) -> None:
    assert PLAIN.clean(text) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-1, "0ms"),
        (0.04, "40ms"),
        (0.0996, "0.1s"),
        (8.84, "8.8s"),
        (9.96, "10s"),
        (59.6, "1m00s"),
        (106, "1m46s"),
        (3599.7, "1h00m"),
        (7384, "2h03m"),
        (86399, "1d00h"),
        (273600, "3d04h"),
    ],
)
def test_seconds(seconds: float, expected: str) -> None:
    assert style.seconds_text(seconds) == expected


def test_other_amounts() -> None:
    assert [style.clock_text(value) for value in (31.9, 125, 3725)] == ["0:31", "2:05", "1:02:05"]
    sizes = [style.bytes_text(value) for value in (0, 999, 1000, 999_600, 12_300_000_000, 5 * 10**15)]
    assert sizes == ["0 B", "999 B", "1.0 kB", "1.0 MB", "12.3 GB", "5000.0 TB"]
    numbers = [style.number_text(value) for value in (0.8962, 1e-5, 0.0, 3, True, None, float("nan"), "x")]
    assert numbers == ["0.8962", "1e-05", "0.0000", "3", "true", "", "nan", "x"]
    assert style.difference_text(0.8911, 0.8962) == "+0.0051"
    assert style.difference_text(0.5, 0.50001) == "+1e-05"
    assert style.difference_text(20, 18) == "-2"
    assert style.difference_text(1.0, float("nan")) == ""
    assert [style.age_text(value) for value in (3, 300, 7200, 200000)] == [
        "just now",
        "5m ago",
        "2h ago",
        "2d ago",
    ]
    assert style.spread("a" * 90, "b", 80).endswith("a  b")
    assert PLAIN.shorten("漢字漢字", 5) == "漢字…"
    assert ASCII.shorten("abcdefgh", 6) == "abc..."


# ---------------------------------------------------------------------------------------------- frames


@settings(deadline=None)
@given(
    st.text(alphabet=st.characters(blacklist_characters="\n")),
    st.integers(1, 60),
    st.integers(0, 40),
    st.integers(20, 80),
)
def test_carets_stand_below_the_line_and_fit(line: str, column: int, length: int, room: int) -> None:
    for look in (PLAIN, ASCII):
        text, before, marked = frames.excerpt(line, column, length, room, look)
        assert style.cells_of(text) <= room
        assert 0 <= before < room + 1
        assert marked >= 1
        assert before + marked <= room + 1


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 6))
def test_the_marked_text_stays_in_sight(column: int, length: int) -> None:
    line = "".join(chr(97 + index % 26) for index in range(6000))
    text, before, marked = frames.excerpt(line, column, length, 75, PLAIN)
    assert text[before : before + marked] == line[column - 1 : column - 1 + length]


# ------------------------------------------------------------------------------------------------ logs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bash: line 3: foo: command not found", "foo"),
        ("/p/.mlorch/runs/a/x.sh: line 12: a-b: command not found", "a-b"),
        ("sh: 1: foo: not found", "foo"),
        ("/p/x.sh: 2: foo: not found", "foo"),
        ("env: ‘foo’: No such file or directory", "foo"),
        ("/usr/bin/env: 'python9': No such file or directory", "python9"),
        ("zsh: foo: command not found", "foo"),
        ("KeyError: not found", ""),
    ],
)
def test_missing_commands(text: str, expected: str) -> None:
    assert missing_command(["before", text, "after"]) == expected


def test_the_telling_lines() -> None:
    trace = [
        "x",
        "Traceback (most recent call last):",
        '  File "a"',
        "    y",
        "ValueError: a",
        "  of two lines",
        "",
    ]
    assert telling(trace) == ["ValueError: a", "  of two lines"]
    assert telling([str(index) for index in range(9)], 2) == ["7", "8"]
    assert telling(["Traceback (most recent call last):", "  cut"]) == [
        "Traceback (most recent call last):",
        "  cut",
    ]
    assert readable(["10%\r50%\r100%\r\n", "\x1b[1mx\x1b[0m", "  "]) == ["100%", "x"]


def test_logs_of_files(tmp_path) -> None:  # type: ignore[no-untyped-def]
    logs = FileLogs(str(tmp_path))
    (tmp_path / "a.log").write_bytes(b"one\ntwo\xff\nthree")
    assert logs.count("a.log") == 3
    assert logs.tail("a.log") == ["one", "two\\xff", "three"]
    (tmp_path / "b.log").write_bytes(b"x" * 70_000 + b"\nlast\n")
    assert logs.tail("b.log") == ["last", ""]
    assert logs.count("b.log") == 2
    assert logs.tail("none.log") == ()
    assert logs.count("none.log") is None


# --------------------------------------------------------------------------------------------- reasons


@pytest.mark.parametrize(
    ("kind", "name", "old", "new", "expected"),
    [
        ("param", "window", 7, 14, "param window: 7 → 14"),
        ("param", "x", None, [1.5, "a"], 'param x: (none) → [1.5, "a"]'),
        ("interpreter", "python", "3.8", "3.9", "interpreter: 3.8 → 3.9"),
        ("input", "split", "a", "b", "input changed: split"),
        ("input", "split", None, "b", "input added: split"),
        ("code", "a.py", "x", None, "code removed: a.py"),
        ("lost", "model", None, None, "output lost: model"),
        ("new", "", None, None, "never ran"),
        ("strange", "", None, None, "strange changed"),
    ],
)
def test_sentences(kind: str, name: str, old: object, new: object, expected: str) -> None:
    from mlorch.model import Reason

    assert sentence(Reason(kind, name, old, new)) == expected
    assert sentence(Reason(kind, name, old, new, "own words")) == "own words"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), '{"$float": "nan"}'),
        (True, "true"),
        ("x" * 50, "x" * 39 + "…"),
        ("\x00unknown", "(not yet known)"),
    ],
)
def test_values(value: Optional[object], expected: str) -> None:
    assert value_text(value) == expected
