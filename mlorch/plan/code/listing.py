"""Folders as the search for modules sees them, each read once."""

from __future__ import annotations

import os
from dataclasses import field
from typing import Dict, FrozenSet, Mapping, Set

from mlorch.errors import unless_blind
from mlorch.values import dataclass

_SUFFIXES = (".py", ".pyc")
_EXTENSIONS = (".so", ".pyd")


@dataclass(frozen=True)
class Listing:
    """What one folder holds, as an import sees it."""

    folders: FrozenSet[str] = frozenset()
    files: FrozenSet[str] = frozenset()
    modules: Mapping[str, str] = field(default_factory=dict)
    """Module name -> file name. An extension module wins over source, source over bytecode, as in Python."""


class Listings:
    """Reads folders; remembers them until `forget`."""

    def __init__(self) -> None:
        self._known: Dict[str, Listing] = {}

    def __call__(self, folder: str) -> Listing:
        listing = self._known.get(folder)
        if listing is None:
            listing = self._known[folder] = _read(folder)
        return listing

    def forget(self) -> None:
        self._known.clear()


def _read(folder: str) -> Listing:
    folders: Set[str] = set()
    files: Set[str] = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                (folders if entry.is_dir() else files).add(entry.name)
    except OSError as error:
        unless_blind(error)
        return Listing()
    return Listing(frozenset(folders), frozenset(files), _modules(files))


def _modules(files: Set[str]) -> Dict[str, str]:
    modules: Dict[str, str] = {}
    for name in sorted(files):
        if name.endswith(_EXTENSIONS):
            modules.setdefault(name.partition(".")[0], name)
    for suffix in _SUFFIXES:
        for name in files:
            if name.endswith(suffix):
                modules.setdefault(name[: -len(suffix)], name)
    return modules
