"""What a comparison answers, and how it shows values."""

from __future__ import annotations

from typing import Any, Tuple

from mlorch.values import dataclass

LONGEST = 60


@dataclass(frozen=True)
class Located:
    """The first difference of two contents."""

    kind: str
    where: str
    text: str
    lines: Tuple[str, ...] = ()
    note: str = ""

    def inside(self, kind: str, member: str) -> Located:
        """The same, of a member of an archive or a folder."""
        where = f"{member}: {self.where}"
        return Located(kind, where, self.text, self.lines, self.note)


def shown(value: Any) -> str:
    """A value in one short line."""
    text = value if isinstance(value, str) else repr(value)
    text = text.replace("\n", "\\n").replace("\r", "\\r")
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
