"""Whose questions are whose: the steps that depend on what stands at a path, so that another answer there concerns these
alone. What is not known to belong to certain steps concerns everybody."""

from __future__ import annotations

import json
import os
import stat
import struct
from array import array
from typing import (
    AbstractSet,
    Any,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from blake3 import blake3

from mlorch.asking import AGAIN, CODE, EVERYBODY

LEDGERS = "publications"
"""The folder in `.mlorch` with what was published: only ever appended to, a line for each output of a step."""


SIGN = struct.Struct("<QQqqQ")
"""Mode, size, times of content and of all else (before 1970 too), inode."""
Signs = Tuple[str, bytes, bytes]
"""Paths, each with a NUL after it, their signs, and the number of the group that each concerns."""
Shelf = Tuple[str, bytes, Signs]
"""A folder of objects with its sign, and those of its objects that were asked for."""


class Group(NamedTuple):
    """Who depends on an answer."""

    steps: FrozenSet[str]
    code: bool = False
    """Only another content of the same regular file is theirs alone: whether a file is there decides on imports of others."""


NOBODY = Group(frozenset())
"""Of what is asked again anyway; yet an answer is not given as it was remembered."""


class Owners:
    """Collects what belongs to whom, as it is known when everything is decided."""

    def __init__(self) -> None:
        self._plain: Dict[str, Set[str]] = {}
        self._code: Dict[str, Set[str]] = {}
        self._alone: Dict[str, Set[str]] = {}
        """One set for all paths that only one step owns: there are many of them."""
        self._groups: Dict[Group, Group] = {}
        """One object for all that are equal."""

    def own(self, step: str, paths: Iterable[str]) -> None:
        """Absolute paths that a step reads or writes by its own declaration (of a folder: all in it), or where the store
        keeps what it made."""
        self._add(self._plain, step, paths)

    def own_code(self, step: str, paths: Iterable[str]) -> None:
        """Absolute paths of files whose content is code of a step."""
        self._add(self._code, step, paths)

    def _add(self, owners: Dict[str, Set[str]], step: str, paths: Iterable[str]) -> None:
        alone = self._alone.setdefault(step, {step})
        for path in paths:
            before = owners.setdefault(path, alone)
            if step not in before:
                if len(before) == 1:
                    before = owners[path] = set(before)
                before.add(step)

    def group(self, path: str, askers: AbstractSet[str]) -> Optional[Group]:
        """Who depends on the answer at a path; None: everybody."""
        if EVERYBODY in askers:
            return None
        askers = askers - {AGAIN}
        if not askers:
            return NOBODY
        owners, code = self._around(path), self._code.get(path, set())
        if not askers - {CODE} <= owners | code or (CODE in askers and not code):
            return None
        group = Group(frozenset(owners | code), code=bool(code))
        return self._groups.setdefault(group, group)

    def _around(self, path: str) -> Set[str]:
        found: Set[str] = set()
        while path:
            found |= self._plain.get(path, set())
            path = path.rpartition("/")[0]
        return found


def numbered(groups: Iterable[Optional[Group]], known: Dict[Optional[Group], int]) -> bytes:
    """Groups as numbers, in the order of their questions; those that are new get the next numbers."""
    return array("I", [known.setdefault(group, len(known)) for group in groups]).tobytes()


def numbers(data: bytes) -> Sequence[int]:
    found = array("I")
    found.frombytes(data)
    return found


def to_plain(known: Mapping[Optional[Group], int]) -> List[Any]:
    return [None if group is None else [sorted(group.steps), group.code] for group in known]


def from_plain(data: Sequence[Any]) -> List[Optional[Group]]:
    return [None if item is None else Group(frozenset(item[0]), item[1]) for item in data]


def same_kind(group: Group, before: int, now: int) -> bool:
    """Whether a change from one mode to another stays within what the group may own."""
    return not group.code or (before == now and stat.S_ISREG(now))


# --------------------------------------------------------------------------------------------------------- the ledger


def ledger_of(paths: Iterable[str], area: str) -> Optional[Sequence[Any]]:
    """(path, size, digest) of the one file that tells what was published; None where there is not one. Raises OSError."""
    folder = os.path.join(area, LEDGERS) + "/"
    found = [path for path in paths if path.startswith(folder) and path.endswith(".jsonl")]
    if len(found) != 1:
        return None
    with open(found[0], "rb") as file:
        data = file.read()
    return (found[0], len(data), blake3(data).hexdigest())


def published_since(ledger: Sequence[Any]) -> Optional[Set[str]]:
    """The steps that published something since; None where the file changed otherwise. Raises OSError, ValueError."""
    path, size, digest = ledger
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < size or blake3(data[:size]).hexdigest() != digest or not data.endswith(b"\n"):
        return None
    found: Set[str] = set()
    for line in data[size:].splitlines():
        publication = json.loads(line).get("publication")
        if not isinstance(publication, dict):
            return None  # something was moved aside
        found.add(str(publication["step"]))
    return found
