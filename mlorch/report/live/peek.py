"""The last line that a running step has printed, and how far it says to be."""

from __future__ import annotations

import os
import re
from typing import Dict, Optional, Tuple

from mlorch.report.logs import readable
from mlorch.values import dataclass

TAIL = 4096
PERCENT = re.compile(r"(?<![\w.])(\d{1,3}(?:\.\d+)?) ?%")
FRACTION = re.compile(r"(?<![\w./:-])(\d{1,9})/(\d{1,9})(?![\w./:])")
TQDM_BAR = re.compile(r"(\d+)%\|[^|]*\|\s*")
DRAWN_BAR = re.compile(r"[━╸╺─█▉▊▋▌▍▎▏▓▒░]{4,}|[\[|][#=>.\- ]{6,}[\]|]")
"""Bars that programs draw themselves: ours says the same."""


@dataclass(frozen=True)
class Seen:
    """What a step has shown last."""

    text: str = ""
    fraction: Optional[float] = None
    """How far it says to be, 0..1; None where it does not say."""


class Peeks:
    """Looks at the ends of logs; reads again only what has grown."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._known: Dict[str, Tuple[int, Seen]] = {}

    def __call__(self, log: str) -> Seen:
        path = os.path.join(self._root, log)
        size, seen = self._known.get(log, (0, Seen()))
        try:
            now = os.stat(path).st_size
            if now == size:
                return seen
            with open(path, "rb") as file:
                file.seek(max(0, now - TAIL))
                data = file.read(TAIL)
        except (OSError, ValueError):  # a name with a NUL is no file's
            return seen
        seen = last_seen(data) or seen
        self._known[log] = (now, seen)
        return seen

    def forget(self, log: str) -> None:
        self._known.pop(log, None)


def last_seen(data: bytes) -> Optional[Seen]:
    """Of the end of a log; None where nothing in it can be read."""
    lines = readable(data.decode("utf-8", "replace").split("\n"))
    if not lines:
        return None
    text = lines[-1].strip()
    fraction = fraction_of(text)
    if fraction is not None:
        text = DRAWN_BAR.sub("", TQDM_BAR.sub(r"\1% ", text))
    return Seen(" ".join(text.split()), fraction)


def fraction_of(text: str) -> Optional[float]:
    """`45%`, `epoch 9/20`: how far a line says that the step is."""
    found = PERCENT.search(text)
    if found and float(found.group(1)) <= 100:
        return float(found.group(1)) / 100
    found = FRACTION.search(text)
    if found is None:
        return None
    done, whole = int(found.group(1)), int(found.group(2))
    if whole > 0 and done <= whole:
        return done / whole
    return None
