"""All problems of a pipeline, gathered before any is told."""

from __future__ import annotations

from itertools import islice
from typing import Collection, Dict, Iterable, List, Tuple

from mlorch.errors import did_you_mean
from mlorch.model import Place, Problem
from mlorch.spec.text import Source, Spot

LIMIT = 200
"""Problems kept of one pipeline; a file that is wrong throughout is not made clearer by more."""


LONGEST = 100
MANY = 300
"""Names that one misspelt name is compared with, and their length."""


class UnreadableError(Exception):
    """Nothing more can be said about this file."""


class Problems:
    """Collects problems; the same one at the same place (an alias, a merged default) counts once."""

    def __init__(self) -> None:
        self.sources: List[Source] = []
        """Every text that was read, in the order of reading."""
        self._found: Dict[Tuple[str, str, Place], Problem] = {}
        self._warnings: Dict[Tuple[str, str, Place], Problem] = {}

    def error(
        self,
        code: str,
        message: str,
        spot: Spot,
        hint: str = "",
        notes: Iterable[Tuple[Place, int, str]] = (),
    ) -> None:
        if len(self._found) < LIMIT:
            problem = Problem(code, message, spot.place, spot.length, hint, "error", tuple(notes))
            self._found.setdefault((code, message, spot.place), problem)

    def told_within(self, first: Place, last: Place) -> bool:
        """Whether a problem between these places is noted already."""
        ends = (first.line, first.column), (last.line, last.column)
        places = (problem.place for problem in self._found.values())
        return any(
            item.file == first.file and ends[0] <= (item.line, item.column) <= ends[1] for item in places
        )

    @property
    def full(self) -> bool:
        """Whether nothing more would be kept, so that whoever looks for problems may stop."""
        return len(self._found) >= LIMIT

    def warn(self, code: str, message: str, spot: Spot, hint: str = "") -> None:
        if len(self._warnings) < LIMIT:
            problem = Problem(code, message, spot.place, spot.length, hint, "warning")
            self._warnings.setdefault((code, message, spot.place), problem)

    @property
    def errors(self) -> List[Problem]:
        return list(self._found.values())

    @property
    def warnings(self) -> Tuple[Problem, ...]:
        return tuple(sorted(self._warnings.values(), key=lambda problem: problem.order))


def suggest(name: str, known: Collection[str], otherwise: str = "", what: str = "") -> str:
    """`did you mean …?` for the nearest known name; else what there is; else another remedy.

    `what` names the known things (`steps`), `otherwise` is the remedy where nothing is known.
    """
    near = did_you_mean(name, near_names(name, known))
    if near is not None:
        return near
    if known and what:
        shown = ", ".join(f"`{item}`" for item in islice(known, 8))
        return "the {} are {}{}".format(what, shown, " …" if len(known) > 8 else "")
    return otherwise


def near_names(name: str, known: Collection[str]) -> List[str]:
    """Known names that a misspelt one may stand for; of very many only those that begin alike."""
    if len(name) > LONGEST:
        return []
    if len(known) <= MANY:
        return [item for item in known if len(item) <= LONGEST]
    alike = (item for item in known if item[:1] == name[:1] and abs(len(item) - len(name)) < 3)
    return list(islice(alike, MANY))
