"""Bytes on stdout: a step's output without what would move a terminal's cursor, an artifact as it is."""

from __future__ import annotations

import re
from typing import Any, Union

from mlorch.report.style import PLAIN

SEQUENCE = rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])"
CONTROL = re.compile(SEQUENCE + rb"|\x1b|\xc2[\x80-\x9f]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Escape sequences, and control characters but tab, newline and carriage return."""


class LogWriter:
    """Writes a log's chunks to a text stream's bytes, cleaned; sequences are found across chunks."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
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
        elif data.endswith(b"\xc2"):
            cut -= 1
        self.rest = data[cut:]
        self._put(CONTROL.sub(b"", data[:cut]))

    def end(self) -> None:
        """The end of one log: a last line without a newline gets one."""
        self._put(CONTROL.sub(b"", self.rest))
        self.rest = b""
        if not self.at_line_start:
            self._put(b"\n")

    def _put(self, data: bytes) -> None:
        if data:
            write_bytes(self.stream, data)
            self.at_line_start = data.endswith(b"\n")


def write_bytes(stream: Any, data: Union[bytes, memoryview]) -> None:
    """Bytes to a text stream (in a test one without a buffer: as text)."""
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        stream.write(bytes(data).decode("utf-8", "replace"))
    else:
        stream.flush()
        buffer.write(data)
    stream.flush()
