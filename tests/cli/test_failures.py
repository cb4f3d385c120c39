"""Whatever a command raises becomes a sentence and an exit code."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import tty

import pytest

from mlorch.cli.bytes import LogWriter
from mlorch.cli.common import Options, guard
from mlorch.errors import CorruptObject, EnvironmentFault, LockedError, UsageError


def raising(error):
    def body() -> int:
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UsageError("no such thing", "try another"), 2, "error: no such thing\n  try another\n"),
        (LockedError("run ab12cd holds `data/x`"), 4, "error: run ab12cd holds `data/x`\n"),
        (CorruptObject("blake3:00", "the object 00 is corrupt"), 7, "error: the object 00 is corrupt\n"),
        (EnvironmentFault("the disk is full"), 8, "error: the disk is full\n"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            8,
            "error: no space left on device\n  free some space (`mlorch gc` shows what it would free), then run again\n",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            8,
            "error: `/x`: permission denied\n  check the owner and the permissions\n",
        ),
        (MemoryError(), 8, "error: out of memory\n  close something, or give the machine more\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_have_their_exit_codes(capsys, error, code, text):
    assert guard(Options(), raising(error)) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", text)


def test_a_bug_is_one_line_and_a_file_without_values(capsys):
    def body() -> int:
        secret = "hunter2"
        return len(secret) + None  # type: ignore[operator]

    assert guard(Options(), body) == 70
    error = capsys.readouterr().err
    path = re.search(r"traceback is in (\S+)\)", error).group(1)
    with open(path) as file:
        text = file.read()
    assert "TypeError" in error and "Traceback" not in error
    assert "Traceback" in text and "hunter2" not in text.replace('secret = "hunter2"', "")
    assert os.stat(path).st_mode & 0o077 == 0
    os.remove(path)


def test_errors_are_documents_with_json(capsys):
    assert guard(Options(json=True), raising(UsageError("no", "yes"))) == 2
    assert json.loads(capsys.readouterr().out) == {
        "schema": "mlorch.error/1",
        "message": "no",
        "hint": "yes",
        "exit_code": 2,
        "problems": [],
    }


def test_a_closed_pipe_is_left_to_main():
    with pytest.raises(BrokenPipeError):
        guard(Options(), raising(BrokenPipeError()))


# ------------------------------------------------------------------------------------------- step output


def on_a_terminal(text: bytes, cut: int) -> bytes:
    r"""What arrives at a real terminal's other end; the text ends with `\xff\n`."""
    master, slave = os.openpty()
    tty.setraw(slave)
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        writer = LogWriter(stream)
        writer.write(text[:cut])
        writer.write(text[cut:])
        writer.end()
        shown = b""
        while not shown.endswith(b"\xff\n"):
            shown += os.read(master, 65536)
    os.close(master)
    return shown


def test_a_terminal_is_shown_what_hides_or_reorders_and_a_pipe_gets_it():
    text = (
        "user\u202e\u2066// admin\u2069 ad\u200bmin\ufeff \U000e0041 a\u2028b \u200d\U0001f469\n".encode()
        + b"\xff\n"
    )
    shown = "user\\u202e\\u2066// admin\\u2069 ad\\u200bmin\\ufeff \\U000e0041 a\\u2028b \u200d\U0001f469\n"
    for cut in range(len(text) + 1):
        assert on_a_terminal(text, cut) == shown.encode() + b"\xff\n", cut
        assert written(text[:cut], text[cut:]) == text, cut


def written(*chunks: bytes) -> bytes:
    raw = io.BytesIO()
    writer = LogWriter(io.TextIOWrapper(raw, encoding="utf-8"))
    for chunk in chunks:
        writer.write(chunk)
    writer.end()
    return raw.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"plain\n", b"plain\n"),
        (b"no newline", b"no newline\n"),
        (b"", b""),
        (b"\x1b[31mred\x1b[0m\n", b"red\n"),
        (b"\x1b]0;title\x07rest\n", b"rest\n"),
        (b"\x1b]8;;http://x\x1b\\link\n", b"link\n"),
        (b"a\x1b[2Jb\x1b(0c\n", b"ab(0c\n"),
        (b"progress 1\rprogress 2\n\ttab\n", b"progress 1\rprogress 2\n\ttab\n"),
        (b"bell\x07 null\x00\n", b"bell null\n"),
        (b"c1 \xc2\x9b31m\n", b"c1 31m\n"),
        ("é ü €\n".encode(), "é ü €\n".encode()),
        (b"\xff\xfe\n", b"\xff\xfe\n"),
        (b"end \x1b", b"end \n"),
    ],
)
def test_what_would_move_a_cursor_is_taken_out(text, shown):
    assert written(text) == shown


@pytest.mark.parametrize("text", [b"\x1b[31mred\x1b[0m \xc2\x9bx \x1b]0;t\x07y \xc3\xa9\n"])
def test_however_it_is_cut(text):
    whole = written(text)
    for cut in range(len(text)):
        assert written(text[:cut], text[cut:]) == whole
    assert written(*(text[i : i + 1] for i in range(len(text)))) == whole
