"""Which functions of the reached files count: those that reachable code of the step or of one upstream
names."""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterable, List, Sequence, Set, Tuple

from mlorch.model import Row
from mlorch.plan.code.query import Reach
from mlorch.plan.code.unit import Part, Unit, digest_parts

PICKLERS = frozenset(
    ["pickle", "joblib", "dill", "cloudpickle", "torch", "shelve", "read_pickle", "to_pickle", "allow_pickle"]
)
"""Names of what can bring code along that nobody imports."""

Digested = Dict[Tuple[Unit, FrozenSet[str], bool], str]


def counts_whole(own: Reach, upstream: Iterable[Reach], pickles: bool) -> bool:
    """Whether no function may be left out: something is looked up in a hidden way, or a pickle may name
    any of them.

    `pickles` tells that the step, or one upstream, has an input that no step makes.
    """
    if own.hidden:
        return True
    reaches = [own, *upstream]
    if not pickles and not any(reach.hidden for reach in reaches):
        return False
    return any(not PICKLERS.isdisjoint(unit.names) for unit in units_of(reaches))


def asks_upstream(own: Reach) -> bool:
    """Whether the rows of some code depend on what the steps above reach: functions may be left out only of Python."""
    return any(unit.parts for unit in own.files.values())


def units_of(reaches: Iterable[Reach]) -> List[Unit]:
    """Every unit of some reaches, once."""
    units: Dict[int, Unit] = {}
    for reach in reaches:
        for unit in reach.files.values():
            units[id(unit)] = unit
        for unit in reach.silent:
            units[id(unit)] = unit
    return list(units.values())


def live_names(reaches: Sequence[Reach]) -> Set[str]:
    """Every name that reachable code uses: what always counts, the functions that steps call, and all that
    these name."""
    names: Set[str] = set()
    waiting: Dict[str, List[Part]] = {}
    called = {reach.entry for reach in reaches if reach.entry is not None}
    queue: List[str] = []
    for unit in units_of(reaches):
        if not unit.parts:
            names |= unit.names
        for part in unit.parts:
            if not part.name or (unit.path, part.name) in called:
                names |= part.names
            else:
                waiting.setdefault(part.name, []).append(part)
    queue = [name for name in waiting if name in names]
    while queue:
        for part in waiting.pop(queue.pop(), ()):
            fresh = part.names - names
            names |= fresh
            queue.extend(name for name in fresh if name in waiting)
    return names


def code_rows(own: Reach, upstream: Sequence[Reach], pickles: bool, digested: Digested) -> List[Row]:
    """One row per file, in the order of paths. `digested` remembers digests between calls."""
    if not asks_upstream(own):
        return [Row("code", path, unit.digest) for path, unit in sorted(own.files.items())]
    whole = counts_whole(own, upstream, pickles)
    reaches = [own, *upstream]
    names = (
        live_names(reaches)
        if not whole
        else {"__doc__"} & {name for unit in units_of(reaches) for name in unit.names}
    )
    docs = "__doc__" in names
    rows = []
    for path, unit in sorted(own.files.items()):
        if not unit.parts or ((whole or path in own.whole) and not docs):
            rows.append(Row("code", path, unit.digest))
            continue
        wanted = frozenset(part.name for part in unit.functions)
        if not whole and path not in own.whole:
            entry = own.entry[1] if own.entry is not None and own.entry[0] == unit.path else ""
            wanted = frozenset(name for name in wanted if name in names or name == entry)
        key = (unit, wanted, docs)
        digest = digested.get(key)
        if digest is None:
            parts = [part for part in unit.parts if not part.name or part.name in wanted]
            digest = digested[key] = digest_parts(parts, docs)
        rows.append(Row("code", path, digest))
    return rows
