"""Bytes on stdout: a step's output without what would move a terminal's cursor, an artifact as it is."""

from __future__ import annotations

import re
from typing import Any, Union

from mlorch.report.style import PLAIN, escaped

SEQUENCE = rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])"
CONTROL = re.compile(SEQUENCE + rb"|\x1b|\xc2[\x80-\x9f]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Escape sequences, and control characters but tab, newline and carriage return."""

HIDDEN = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""What reorders a line, or is there and not seen. (Joiners shape letters and emoji, and stay.)"""


class LogWriter:
    """Writes a log's chunks to a text stream's bytes, cleaned; sequences are found across chunks. A terminal is shown the
    numbers of characters that hide or reorder others; a pipe gets these as they are."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.shown = stream.isatty()
        self.rest = b""
        self.at_line_start = True

    def header(self, text: str) -> None:
        self._put((PLAIN.clean(text) + "\n").encode("utf-8", "backslashreplace"))

    def write(self, chunk: bytes) -> None:
        data = self.rest + chunk
        cut = len(data)
        escape = data.rfind(b"\x1b", max(0, cut - 64))
        if escape >= 0 and not re.match(SEQUENCE, data[escape:]):
            cut = escape
        else:
            cut -= _unfinished(data)
        self.rest = data[cut:]
        self._put(self._clean(data[:cut]))

    def end(self) -> None:
        """The end of one log: a last line without a newline gets one."""
        self._put(self._clean(self.rest))
        self.rest = b""
        if not self.at_line_start:
            self._put(b"\n")

    def _clean(self, data: bytes) -> bytes:
        data = CONTROL.sub(b"", data)
        if not self.shown or data.isascii():
            return data
        text = data.decode("utf-8", "surrogateescape")
        return HIDDEN.sub(lambda found: escaped(found.group()), text).encode("utf-8", "surrogateescape")

    def _put(self, data: bytes) -> None:
        if data:
            write_bytes(self.stream, data)
            self.at_line_start = data.endswith(b"\n")


def _unfinished(data: bytes) -> int:
    """How many bytes at the end begin a character of UTF-8 whose rest is to come."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte >= 0xC0:
            return back if back < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else 0
        if byte < 0x80:
            return 0
    return 0


def write_bytes(stream: Any, data: Union[bytes, memoryview]) -> None:
    """Bytes to a text stream (in a test one without a buffer: as text)."""
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        stream.write(bytes(data).decode("utf-8", "replace"))
    else:
        stream.flush()
        buffer.write(data)
    stream.flush()
