"""What a stream can show, amounts in words, and foreign text made harmless."""

from __future__ import annotations

import io
from typing import Dict, List, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlorch.report import frames, style
from mlorch.report.live.peek import last_seen
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


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (
            "Traceback (most recent call last):\n  File a\n    x\nKeyError: 'a'\n\nThe above exception was the direct "
            "cause of the following exception:\n\nTraceback (most recent call last):\n  File b\nValueError: no column\n"
            "in a.csv\nmake: *** [x] Error 1\n",
            ["ValueError: no column", "in a.csv", "make: *** [x] Error 1"],
        ),
        (
            "Traceback (most recent call last):\n  File a\nX: logged\n" + "going on\n" * 40 + "disk full\n",
            ["disk full"],
        ),
        (
            "a.js:3\n  throw x\n  ^\n\nError: bad\n    at f (/x/a.js:3:9)\n    at node:internal/m:12\n\nNode.js v18\n",
            ["Error: bad"],
        ),
        (
            "Exception in thread main java.lang.X: bad\n\tat a.b.C.main(C.java:3)\n\t... 5 more\n",
            ["Exception in thread main java.lang.X: bad"],
        ),
        ("thread 'main' panicked at src/main.rs:2:5:\nbad\nnote: run with `RUST_BACKTRACE=1`\n", ["bad"]),
        (
            "1\nERROR: LoadError: bad\nStacktrace:\n [1] error(s::String)\n   @ Base ./error.jl:35\n",
            ["ERROR: LoadError: bad"],
        ),
        (
            "panic: bad\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:3 +0x1d\nexit status 2\n",
            ["panic: bad"],
        ),
        ("Error in f() : bad\nCalls: f\nExecution halted\n", ["Error in f() : bad", "Calls: f"]),
    ],
)
def test_what_a_log_tells_is_no_stack_of_frames(log: str, told: List[str]) -> None:
    shown = telling(log.split("\n"))
    assert [line for line in shown if line in told] == told and shown[-1] == told[-1]
    assert not [line for line in shown if line.lstrip().startswith(("at ", "File ", "[1]", "goroutine"))]


@pytest.mark.parametrize(
    ("printed", "text", "fraction"),
    [
        (b"epoch 9/20 val_auc=0.891\n", "epoch 9/20 val_auc=0.891", 0.45),
        (b"\r 10%|#    | 1/10 [00:01]\r 50%|##   | 5/10 [00:05, 1.0it/s]", "50% 5/10 [00:05, 1.0it/s]", 0.5),
        (
            b"a\n\x1b[32m  67%\x1b[0m \xe2\x94\x81\xe2\x94\x81\xe2\x94\x81\xe2\x94\x81\xe2\x95\xba 2/3\n\n",
            "67% 2/3",
            0.67,
        ),
        (b"\repoch 5/20 |#####     | loss=0.2", "epoch 5/20 loss=0.2", 0.25),
        (b"| a | b |\n", "| a | b |", None),
        (b"wrote 2021/12/31.csv\n", "wrote 2021/12/31.csv", None),
        (b"accuracy 120% of 3/2\n", "accuracy 120% of 3/2", None),
        (b"torn \xff\xfe bytes\x00\n", "torn \ufffd\ufffd bytes\x00", None),
    ],
)
def test_the_last_line_and_the_progress_of_a_step(
    printed: bytes, text: str, fraction: Optional[float]
) -> None:
    seen = last_seen(printed)
    assert seen is not None and (seen.text, seen.fraction) == (text, fraction)


def test_nothing_printed_is_nothing_seen() -> None:
    assert last_seen(b"\n \r\n") is None
