"""A block of lines at the end of a terminal that is painted over and over, while other lines scroll away above it.

The cursor rests at the block's first line, not after its last: wherever a resized terminal wraps or moves its text, the
cursor goes along with that line, and everything below it is ours to erase.
"""

from __future__ import annotations

import os
from typing import Sequence, TextIO, Tuple

from mlorch.report.lines import Output

ERASE_BELOW = "\x1b[J"
ERASE_REST = "\x1b[K"
TOGETHER = ("\x1b[?2026h", "\x1b[?2026l")
"""Between these a terminal that knows them shows nothing half done."""
WRAP = ("\x1b[?7l", "\x1b[?7h")
"""A terminal that has just become narrower cuts the block's lines, rather than wrap them."""
FALLBACK = (80, 24)


class Terminal:
    """The terminal behind a stream. Writes until that fails; then it is silent."""

    def __init__(self, stream: TextIO) -> None:
        self._output = Output(stream)
        self._fd = stream.fileno()
        self._lines = 0
        self._size = self.size()

    def size(self) -> Tuple[int, int]:
        """Columns and rows, now."""
        try:
            columns, rows = os.get_terminal_size(self._fd)
        except OSError:
            return FALLBACK
        return columns or FALLBACK[0], rows or FALLBACK[1]

    def in_front(self) -> bool:
        """Whether this process may paint: in the background the screen is the shell's."""
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:
            return True

    def show(self, above: Sequence[str], block: Sequence[str]) -> None:
        """Let `above` scroll away, and paint `block` (no line of it wider than the terminal) below."""
        size = self.size()
        anew = bool(above) or size != self._size
        self._size = size
        text = "\r" + (ERASE_BELOW if self._lines and anew else "") if self._lines or above or block else ""
        text += "".join(line + "\r\n" for line in above)
        if block:
            text += WRAP[0] + "\r\n".join(line + ERASE_REST for line in block) + ERASE_BELOW
            text += (f"\x1b[{len(block) - 1}A" if len(block) > 1 else "") + "\r" + WRAP[1]
        elif self._lines and not anew:
            text += ERASE_BELOW
        self._lines = len(block)
        if text:
            self._output.write(TOGETHER[0] + text + TOGETHER[1])

    def clear(self) -> None:
        """Take the block away: the next line that anybody writes stands where it began."""
        if self._lines:
            self._output.write("\r" + ERASE_BELOW)
            self._lines = 0

    def lose(self) -> None:
        """Somebody else has written: what was painted is no longer where it was."""
        self._lines = 0
