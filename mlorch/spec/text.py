"""Source texts with positions: from an offset to the line and column that a person counts."""

from __future__ import annotations

from bisect import bisect_right
from typing import List, Optional

from mlorch.model import Place
from mlorch.values import dataclass


@dataclass(frozen=True)
class Spot:
    """A place and how many characters its caret line marks."""

    place: Place
    length: int = 1


class Source:
    """One text (`\\n` ends its lines) with its name for people and the scope of its expressions.

    `scope` is the prefix under which an included file's steps are known, empty for all others.
    """

    def __init__(self, name: str, text: str, scope: str = "") -> None:
        self.name = name
        self.text = text
        self.scope = scope
        self._starts: Optional[List[int]] = None

    def place(self, index: int) -> Place:
        if self._starts is None:
            self._starts = _line_starts(self.text)
        line = bisect_right(self._starts, index)
        return Place(self.name, line, index - self._starts[line - 1] + 1)

    def spot(self, start: int, end: int) -> Spot:
        """From `start` to `end`, or to the end of the line where that comes first."""
        stop = self.text.find("\n", start)
        stop = len(self.text) if stop < 0 else stop
        return Spot(self.place(start), max(1, min(end, stop) - start))


def _line_starts(text: str) -> List[int]:
    starts = [0]
    found = text.find("\n")
    while found >= 0:
        starts.append(found + 1)
        found = text.find("\n", found + 1)
    return starts
