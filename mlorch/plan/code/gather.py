"""What a launch reaches: scripts, modules, texts, programs and globs, followed to the last import."""

from __future__ import annotations

import os
import posixpath
import shutil
from dataclasses import field
from typing import Callable, Dict, FrozenSet, Iterable, List, Mapping, Optional, Set, Tuple

from mlorch.errors import EnvironmentFault, did_you_mean
from mlorch.plan.code.files import Files
from mlorch.plan.code.globs import Globs
from mlorch.plan.code.graph import Closure, Entry, Graph
from mlorch.plan.code.interpreter import Interpreter, read_interpreter
from mlorch.plan.code.launch import Launch
from mlorch.plan.code.listing import Listings
from mlorch.plan.code.modules import Finder
from mlorch.plan.code.query import CodeQuery, Reach
from mlorch.plan.code.unit import NOTEBOOK, PYTHON, Unit, read_unit
from mlorch.values import dataclass


@dataclass(frozen=True, eq=False)
class Base:
    """What a launch reaches, before one instance's inputs and outputs are taken out."""

    files: Mapping[str, Unit]
    closure: Closure
    around: FrozenSet[str]
    """The files, those that steps make, and every folder around them."""
    interpreter: Optional[Interpreter]
    uses_python: bool
    silent: Tuple[Unit, ...]
    distributions: Mapping[str, str]
    whole: FrozenSet[str]
    made: Mapping[str, str]
    """Matches of `code:` that another step makes."""
    warnings: Tuple[str, ...]
    entry: Optional[Tuple[str, str]]
    reaches: Dict[Tuple[FrozenSet[str], FrozenSet[str]], Reach] = field(default_factory=dict)


@dataclass
class _Draft:
    """A base being made."""

    entries: List[Entry] = field(default_factory=list)
    files: Set[str] = field(default_factory=set)
    silent: List[Unit] = field(default_factory=list)
    installed: Set[str] = field(default_factory=set)
    unknown: List[str] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)
    uses_python: bool = False


@dataclass(frozen=True)
class Parts:
    """What a reader gives to those that work for it."""

    root: str
    listings: Listings
    files: Files
    globs: Globs
    graph: Graph
    unit_of: Callable[[str], Optional[Unit]]
    producer_of: Callable[[str], Optional[str]]
    interpreter_of: Callable[[], Interpreter]
    finder_of: Callable[[Optional[Interpreter]], Finder]
    program_of: Callable[[str], Optional[Unit]]
    """A file outside the project, by its absolute path, as code."""


class Gatherer:
    """Makes the base of a launch."""

    def __init__(self, parts: Parts) -> None:
        self._root = parts.root
        self._listings = parts.listings
        self._files = parts.files
        self._globs = parts.globs
        self._graph = parts.graph
        self._unit = parts.unit_of
        self._producer_of = parts.producer_of
        self._interpreter_of = parts.interpreter_of
        self._finder = parts.finder_of
        self._outside = parts.program_of

    def __call__(self, query: CodeQuery, launch: Launch) -> Base:
        draft = _Draft(unknown=list(launch.unknown))
        draft.uses_python = bool(query.call or launch.python or launch.sources)
        path = tuple(os.path.normpath(os.path.join(self._root, part or ".")) for part in launch.pythonpath)
        interpreter = self._interpreter(launch.python) if draft.uses_python else None
        entry = self._called(query, draft, path)
        for file in launch.files:
            self._named(file, draft, path)
        # what a program is given as an argument, it may look through for functions, as test runners do
        given = frozenset(draft.files).difference(launch.direct)
        for text, folder in launch.sources:
            unit = read_unit("<command>", text.encode("utf-8", "surrogateescape"), PYTHON)
            draft.silent.append(unit)
            draft.entries.append(
                Entry((), unit.imports, (os.path.join(self._root, folder).rstrip("/"), *path))
            )
        for name in launch.programs:
            self._program(name, draft)
        for module, folder, certain in launch.modules:
            self._module(module, (os.path.join(self._root, folder).rstrip("/"), *path), certain, draft)
        whole, made = self._globbed(query.globs, draft, path)
        if draft.uses_python and interpreter is None:
            interpreter = self._interpreter(launch.python)
        return self._followed(draft, interpreter, entry, (whole | given, made))

    def _followed(
        self,
        draft: _Draft,
        interpreter: Optional[Interpreter],
        entry: Optional[Tuple[str, str]],
        globbed: Tuple[FrozenSet[str], Mapping[str, str]],
    ) -> Base:
        closures = [self._graph.follow(one, self._finder(interpreter)) for one in draft.entries]
        names = set(draft.files).union(*(closure.files for closure in closures))
        installed = draft.installed.union(*(closure.installed for closure in closures))
        made = {path: step for closure in closures for path, step in closure.made.items()}
        units = {path: unit for path in sorted(names) for unit in [self._unit(path)] if unit is not None}
        warnings = [
            f"no code known for {name}: {self._near(name) or 'correct the name, or list its files under `code:`'}"
            for name in dict.fromkeys(draft.unknown)
        ]
        warnings.extend(draft.warnings)
        warnings.extend(unit.warning for unit in units.values() if unit.warning)
        return Base(
            files=units,
            closure=Closure(frozenset(units), frozenset(installed), made),
            around=_around([*units, *made, *globbed[1]]),
            interpreter=interpreter,
            uses_python=draft.uses_python,
            silent=tuple(draft.silent),
            distributions=self._finder(interpreter).distributions.closure(installed) if installed else {},
            whole=globbed[0],
            made=globbed[1],
            warnings=tuple(warnings),
            entry=entry,
        )

    def _called(self, query: CodeQuery, draft: _Draft, path: Tuple[str, ...]) -> Optional[Tuple[str, str]]:
        if query.call is None:
            return None
        located = self._finder(None).absolute(query.call.module, (), (self._root, *path))
        draft.installed.update(located.installed)
        draft.entries.append(Entry(located.files, (), (self._root, *path)))
        return (self._graph.key(located.files[-1]), query.call.function) if located.files else None

    def _named(self, file: str, draft: _Draft, path: Tuple[str, ...]) -> None:
        """A file that a word or a glob names: what it imports counts too, where it is Python."""
        unit = self._unit(file)
        if unit is None:
            return
        draft.files.add(file)
        folder = os.path.dirname(os.path.join(self._root, file))
        if unit.kind == PYTHON:
            draft.uses_python = True
            draft.entries.append(Entry((os.path.join(self._root, file),), (), (folder, *path)))
        elif unit.kind == NOTEBOOK and unit.imports:
            draft.uses_python = True
            draft.entries.append(Entry((os.path.join(self._root, file),), (), (folder, self._root, *path)))

    def _module(self, module: str, folders: Tuple[str, ...], certain: bool, draft: _Draft) -> None:
        if not all(part.isidentifier() for part in module.split(".")):
            return
        if not certain and not (draft.uses_python or self._looks_like_module(module, folders)):
            return
        finder = self._finder(None)
        located = finder.absolute(module, (), folders)
        if located.files:
            main = finder.absolute(module + ".__main__", (), folders)
            draft.uses_python = True
            draft.entries.append(Entry(tuple(dict.fromkeys(located.files + main.files)), (), folders))
        elif certain:
            draft.installed.update(located.installed)
            if not located.found:
                draft.unknown.append(module)
                draft.entries.append(Entry((), (), folders))

    def _looks_like_module(self, module: str, folders: Tuple[str, ...]) -> bool:
        """`-m` behind a program that is not Python means a module only where the project has one of that
        name."""
        top = module.partition(".")[0]
        listings = [self._listings(folder) for folder in folders]
        return any(top in listing.modules or top in listing.folders for listing in listings)

    def _near(self, name: str) -> Optional[str]:
        """`did you mean fit.py?`, of the files beside one that is not there."""
        folder, base = posixpath.split(posixpath.normpath(name))
        suffix = posixpath.splitext(base)[1]
        if not suffix or folder.startswith(("/", "..")) or set(name) & set("*?[]{}$"):
            return None
        beside = self._globs(posixpath.join(folder, "*" + suffix))
        return did_you_mean(name, beside, "{}")

    def _program(self, name: str, draft: _Draft) -> None:
        """A console script of the environment is Python whose imports count; a program that is nowhere is
        told."""
        try:
            bin_folder = os.path.dirname(self._interpreter_of().executable)
        except EnvironmentFault:
            bin_folder = ""  # only a step that uses Python needs one
        path = os.path.join(self._root, name) if "/" in name else os.path.join(bin_folder, name)
        if "/" not in name and (not bin_folder or not os.path.isfile(path)):
            if shutil.which(name) is None:
                draft.unknown.append(name)
            return
        key = self._files.path(name)
        if "/" in name and key is not None and (self._files.exists(key) or self._producer_of(key)):
            return  # a word that names a file: it has been seen to
        if not os.path.isfile(path):
            draft.unknown.append(name)
            return
        unit = self._outside(path)
        if unit is not None and unit.kind == PYTHON:
            draft.uses_python = True
            draft.silent.append(unit)
            draft.entries.append(Entry((), unit.imports, (os.path.dirname(path),)))

    def _globbed(
        self, globs: Iterable[str], draft: _Draft, path: Tuple[str, ...]
    ) -> Tuple[FrozenSet[str], Mapping[str, str]]:
        whole: Set[str] = set()
        made: Dict[str, str] = {}
        for pattern in globs:
            matches = self._globs(pattern)
            if not matches:
                draft.warnings.append(f"`code: {pattern}` names no file")
            for file in matches:
                producer = self._producer_of(file)
                if producer is not None:
                    made[file] = producer
                    continue
                whole.add(file)
                self._named(file, draft, (self._root, *path))
        return frozenset(whole), made

    def _interpreter(self, word: str) -> Interpreter:
        """The interpreter that a word like `.venv/bin/python` names, where files tell; else the
        pipeline's."""
        default = self._interpreter_of()
        if "/" not in word:
            return default
        path = os.path.normpath(os.path.join(self._root, word))
        try:
            return default if path == default.executable else read_interpreter(path)
        except EnvironmentFault:
            return default


def _around(paths: Iterable[str]) -> FrozenSet[str]:
    found: Set[str] = set()
    for path in paths:
        while path and path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return frozenset(found)
