"""The ends of logs: what a failure's block quotes of them."""

from __future__ import annotations

import os
import re
from typing import List, Optional, Protocol, Sequence

from mlorch.report.style import ESCAPES

TAIL = 64 * 1024
CHUNK = 1 << 20
COUNTED = 256 << 20
"""Lines of larger logs are not counted."""

TRACEBACK = "Traceback (most recent call last):"
JULIA, GO = "ERROR: ", "panic: "
FAR = 30
"""So many lines after a traceback, and the step had gone on."""
NOISE = re.compile(
    r"\s+at .+[(:].*\d\)?$|\s+at (?:async )?\S+ ?\(|\s*\.\.\. \d+ more$|Node\.js v\d|note: run with `RUST_BACKTRACE|"
    r"Execution halted$"
)
"""Frames of Node and Java, and what Rust and R add to every failure."""
QUOTED = 5
"""At most so many lines of a log stand in a failure's block."""

NOT_FOUND = (
    re.compile(r"^(?:.*: )?line \d+: (?P<name>[^:]+): (?:command not found|No such file or directory)"),
    re.compile(r"^(?:sh|.*/sh|.*\.sh): \d+: (?P<name>[^:]+): not found"),
    re.compile(r"^(?:\S*/)?env: ['‘`]?(?P<name>[^'’`:]+)['’`]?: No such file"),
    re.compile(r"^(?:\S*sh): (?P<name>[^:]+): command not found"),
)
"""How bash, dash and env say that there is no such command."""


class Logs(Protocol):
    """How a summary looks into logs; paths are root-relative."""

    def tail(self, path: str) -> Sequence[str]:
        """The last lines, raw; empty where it can't be read."""

    def count(self, path: str) -> Optional[int]:
        """How many lines there are, None where that can't be told."""


class NoLogs:
    """Logs that nobody can read."""

    def tail(self, path: str) -> Sequence[str]:  # noqa: ARG002
        return ()

    def count(self, path: str) -> Optional[int]:  # noqa: ARG002
        return None


class FileLogs:
    """Logs below a project root. Memory use does not grow with their size."""

    def __init__(self, root: str) -> None:
        self._root = root

    def tail(self, path: str) -> Sequence[str]:
        try:
            with open(os.path.join(self._root, path), "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL))
                data = file.read(TAIL)
        except OSError:
            return ()
        lines = data.decode("utf-8", "backslashreplace").split("\n")
        return lines[1:] if size > TAIL else lines

    def count(self, path: str) -> Optional[int]:
        try:
            with open(os.path.join(self._root, path), "rb") as file:
                if file.seek(0, os.SEEK_END) > COUNTED:
                    return None
                file.seek(0)
                return _count(file.read, CHUNK)
        except OSError:
            return None


def _count(read: object, size: int) -> int:
    lines, last = 0, b"\n"
    while True:
        chunk: bytes = read(size)  # type: ignore[operator]
        if not chunk:
            return lines + (last != b"\n")
        lines += chunk.count(b"\n")
        last = chunk[-1:]


def readable(lines: Sequence[str]) -> List[str]:
    """Lines as a terminal would have left them: no sequences, no blanks, the last state of progress bars."""
    found = []
    for text in lines:
        shown = ESCAPES.sub("", text).rstrip("\r\n ").rsplit("\r", 1)[-1].rstrip()
        if shown:
            found.append(shown)
    return found


def telling(lines: Sequence[str], most: int = QUOTED) -> List[str]:
    """The last lines that tell what went wrong, without the frames of a stack: of a Python traceback the exception, of
    a panic its message, else simply the last."""
    shown = [text for text in readable(lines) if not NOISE.match(text)]
    for first, last in ((TRACEBACK, None), (JULIA, "Stacktrace:"), (GO, "goroutine ")):
        starts = [index for index, text in enumerate(shown) if text.strip().startswith(first)]
        if not starts:
            continue
        found = _exception(shown[starts[-1] + 1 :]) if last is None else _until(shown[starts[-1] :], last)
        # what was printed long after a traceback has another cause
        if found and (last is not None or len(found) <= FAR):
            return found[:most]
    return shown[-most:]


def _exception(after: Sequence[str]) -> List[str]:
    """What stands below the indented frames."""
    for index, text in enumerate(after):
        if not text.startswith((" ", "\t")):
            return list(after[index:])
    return []


def _until(lines: Sequence[str], end: str) -> List[str]:
    ends = [index for index, text in enumerate(lines) if text.startswith(end)]
    return list(lines[: ends[0]] if ends else lines)


def missing_command(lines: Sequence[str]) -> str:
    """The command that a shell did not find, read from the end of its log; empty if it does not say."""
    for text in reversed(readable(lines)):
        for pattern in NOT_FOUND:
            match = pattern.match(text)
            if match:
                return match.group("name").strip()
    return ""
