"""Every file that is reached from an entry by following imports."""

from __future__ import annotations

import os
from dataclasses import field
from typing import Callable, Dict, FrozenSet, Iterable, List, Mapping, Optional, Set, Tuple

from mlorch.plan.code.found import Import
from mlorch.plan.code.modules import Finder, Folders, Located
from mlorch.plan.code.unit import Unit
from mlorch.values import dataclass


@dataclass(frozen=True)
class Entry:
    """Where a program begins: files and imports, and the folders that come first on its path (all
    absolute)."""

    files: Tuple[str, ...] = ()
    imports: Tuple[Import, ...] = ()
    folders: Folders = ()


@dataclass(frozen=True)
class Closure:
    """All that is reached from some files by imports."""

    files: FrozenSet[str] = frozenset()
    """Root-relative, or absolute outside the root."""
    installed: FrozenSet[str] = frozenset()
    """Dotted names that site-packages bring."""
    made: Mapping[str, str] = field(default_factory=dict)
    """Files that an import leads to and that a step declares as output -> the step's id."""


class Graph:
    """Follows imports; remembers every answer until `forget`."""

    def __init__(
        self, root: str, unit_of: Callable[[str], Optional[Unit]], producer_of: Callable[[str], Optional[str]]
    ) -> None:
        self._root = root
        self._prefix = root.rstrip("/") + "/"
        self._unit_of = unit_of
        self._producer_of = producer_of
        self._closures: Dict[Tuple[Entry, str], Closure] = {}
        self._located: Dict[Tuple[Import, Folders, str], Located] = {}

    def forget(self) -> None:
        self._closures.clear()
        self._located.clear()

    def key(self, path: str) -> str:
        """How a file is named: relative to the root where it stands below it."""
        return path[len(self._prefix) :] if path.startswith(self._prefix) else path

    def follow(self, entry: Entry, finder: Finder) -> Closure:
        """All that an entry reaches."""
        key = (entry, finder.interpreter.executable)
        closure = self._closures.get(key)
        if closure is None:
            closure = self._closures[key] = self._walk(entry, finder)
        return closure

    def _walk(self, entry: Entry, finder: Finder) -> Closure:
        files: Set[str] = set()
        installed: Set[str] = set()
        made: Dict[str, str] = {}
        queue: List[str] = list(entry.files)
        first = entry.folders[0] if entry.folders else self._root
        self._imports(entry.imports, first, entry.folders, finder, (queue, installed, made))
        while queue:
            path = queue.pop()
            key = self.key(path)
            if key in files or key in made:
                continue
            producer = self._producer(key)
            if producer is not None:
                made[key] = producer
                continue
            unit = self._unit_of(key)
            if unit is not None:
                files.add(key)
                self._imports(
                    unit.imports, os.path.dirname(path), entry.folders, finder, (queue, installed, made)
                )
        return Closure(frozenset(files), frozenset(installed), made)

    def _imports(
        self,
        imports: Iterable[Import],
        folder: str,
        folders: Folders,
        finder: Finder,
        into: Tuple[List[str], Set[str], Dict[str, str]],
    ) -> None:
        queue, installed, made = into
        for one in imports:
            located = self._locate(one, folder, folders, finder)
            queue.extend(located.files)
            installed.update(located.installed)
            for path in located.absent:
                producer = self._producer(self.key(path))
                if producer is not None:
                    made[self.key(path)] = producer

    def _locate(self, one: Import, folder: str, folders: Folders, finder: Finder) -> Located:
        if one.level:
            for _ in range(one.level - 1):
                folder = os.path.dirname(folder)
            key: Tuple[Import, Folders, str] = (one, (folder,), finder.interpreter.executable)
        else:
            key = (one, folders, finder.interpreter.executable)
        located = self._located.get(key)
        if located is None:
            if one.level:
                located = finder.relative(one.module, one.names, folder)
            else:
                located = finder.absolute(one.module, one.names, folders)
            if located.starred:
                located = self._starred(located, finder)
            self._located[key] = located
        return located

    def _starred(self, located: Located, finder: Finder) -> Located:
        """`from package import *` imports the submodules that its `__all__` lists."""
        init = self._unit_of(self.key(located.files[-1])) if located.files else None
        if init is None:
            return located
        files = list(located.files)
        for folder in located.starred:
            for child in finder.children((folder,)):
                if child in init.names:
                    files.extend(finder.relative(child, (), folder).files)
        return Located(tuple(dict.fromkeys(files)), located.installed, absent=located.absent)

    def _producer(self, key: str) -> Optional[str]:
        return None if key.startswith("/") else self._producer_of(key)
