"""The code of a step: which files and distributions, and the rows that they are in its key. Nothing of the
project's is imported or executed."""

from __future__ import annotations

import dataclasses
import os
from typing import Callable, Dict, FrozenSet, Optional, Sequence, Tuple

from mlorch.asking import for_code
from mlorch.digest import digest_file
from mlorch.errors import unless_blind
from mlorch.model import Problem, Row
from mlorch.plan.code.files import Files, covers
from mlorch.plan.code.gather import Base, Gatherer, Parts
from mlorch.plan.code.globs import Globs
from mlorch.plan.code.graph import Graph
from mlorch.plan.code.interpreter import Interpreter
from mlorch.plan.code.launch import Launch, Launches
from mlorch.plan.code.listing import Listings
from mlorch.plan.code.live import Digested, code_rows
from mlorch.plan.code.modules import Finder, Located
from mlorch.plan.code.query import NOWHERE, CodeQuery, Reach
from mlorch.plan.code.unit import CONTENT, Unit, kind_of, read_unit

_SHELL_SCRIPT = (".sh", ".bash", ".zsh", ".mk", "Makefile")
_HEAD = 256


class CodeReader:
    """Reads the code of steps for one project.

    Args:
        root: absolute path of the project.
        interpreter_of: the pipeline's interpreter, asked for only where Python is used. May raise
        EnvironmentFault. producer_of: id of the step that declares a path, or a folder around it, as
        output; else None.
        digest_of: digest of a root-relative file as it is now; None if there is none.
        tracked: whether git tracks a root-relative path.
    """

    def __init__(
        self,
        root: str,
        interpreter_of: Callable[[], Interpreter],
        producer_of: Callable[[str], Optional[str]],
        digest_of: Callable[[str], Optional[str]],
        tracked: Callable[[str], bool],
    ) -> None:
        self.root = os.path.normpath(root)
        self._interpreter_of = interpreter_of
        self._producer_of = producer_of
        self._digest_of = digest_of
        self._listings = Listings()
        self._globs = Globs(self.root, self._listings)
        self._files = Files(self.root)
        self._launches = Launches(self._files, self._globs, producer_of, tracked)
        self._graph = Graph(self.root, self.unit, producer_of)
        self._finders: Dict[str, Finder] = {}
        self._units: Dict[str, Tuple[str, Unit]] = {}
        self._fresh: Dict[str, Optional[Unit]] = {}
        self._gather = Gatherer(
            Parts(
                root=self.root,
                listings=self._listings,
                files=self._files,
                globs=self._globs,
                graph=self._graph,
                unit_of=self.unit,
                producer_of=producer_of,
                interpreter_of=interpreter_of,
                finder_of=self.finder,
                program_of=lambda path: _read("/", path, ""),
            )
        )
        self._bases: Dict[object, Base] = {}
        self._rows: Dict[object, Tuple[Row, ...]] = {}
        self._digested: Digested = {}

    def forget(self, installed: bool = False) -> None:
        """Look anew at files and folders (something may have changed them); at installed packages only if
        asked to. What was parsed stays, by digest."""
        self._listings.forget()
        self._globs.forget()
        self._files.forget()
        self._graph.forget()
        self._fresh.clear()
        self._bases.clear()
        self._rows.clear()
        self._digested.clear()
        for finder in self._finders.values():
            finder.forget()
        if installed:
            self._finders.clear()

    # -------------------------------------------------------------------------------------------------- units

    @for_code
    def unit(self, path: str) -> Optional[Unit]:
        """A file of the project (absolute: outside the root) as code; None where there is none."""
        if path in self._fresh:
            return self._fresh[path]
        raw = _outside_digest(path) if path.startswith("/") else self._digest_of(path)
        unit: Optional[Unit] = None
        if raw is not None:
            known = self._units.get(path)
            unit = known[1] if known is not None and known[0] == raw else _read(self.root, path, raw)
            if unit is not None:
                self._units[path] = (raw, unit)
        self._fresh[path] = unit
        return unit

    def raw_digest(self, path: str) -> str:
        """The digest of the bytes that a file's code was last read from; empty where it was not read."""
        known = self._units.get(path)
        return known[0] if known is not None else ""

    def unit_digest(self, path: str) -> str:
        """The digest of one whole file, comments and formatting of Python aside; empty where there is no
        such file."""
        unit = self.unit(path)
        return unit.digest if unit is not None else ""

    @for_code
    def finder(self, interpreter: Optional[Interpreter] = None) -> Finder:
        """What looks modules up for an interpreter, by default the pipeline's. Raises EnvironmentFault."""
        interpreter = interpreter or self._interpreter_of()
        finder = self._finders.get(interpreter.executable)
        if finder is None:
            finder = self._finders[interpreter.executable] = Finder(self.root, interpreter, self._listings)
        return finder

    @for_code
    def locate(self, module: str) -> Tuple[Located, Finder]:
        """Where a `call` finds a module: the root is first on its path."""
        finder = self.finder()
        return finder.absolute(module, (), (self.root,)), finder

    # -------------------------------------------------------------------------------------------------- reach

    @for_code
    def reach(self, query: CodeQuery) -> Reach:
        """The code of a step instance. Equal code gives the same object. Raises EnvironmentFault."""
        launch = self._launches(query)
        call = (query.call.module, query.call.function) if query.call is not None else None
        key = (call, launch, query.globs, query.pythonpath)
        base = self._bases.get(key)
        if base is None:
            base = self._bases[key] = self._gather(query, launch)
        taken = (base.around & query.own_outputs, base.around & query.inputs)
        reach = base.reaches.get(taken)
        if reach is None:
            reach = base.reaches[taken] = _take_out(base, launch, taken)
        if reach.problems and query.place != reach.problems[0].place:
            problems = tuple(dataclasses.replace(problem, place=query.place) for problem in reach.problems)
            return dataclasses.replace(reach, problems=problems)
        return reach

    @for_code
    def rows(self, own: Reach, upstream: Sequence[Reach], *, pickles: bool) -> Tuple[Row, ...]:
        """The parts of a key that are code: one `code` row per file, one `package` row per distribution.

        `upstream` are the reaches of all steps upstream, however far; `pickles` tells whether this step or
        one of them has an input that no step makes.
        """
        key = (own, frozenset(upstream), pickles)
        rows = self._rows.get(key)
        if rows is None:
            made = code_rows(own, list(key[1]), pickles, self._digested)
            rows = self._rows[key] = tuple(
                [dataclasses.replace(row, name=self._label(row.name, own)) for row in made]
                + [Row("package", name, version) for name, version in sorted(own.distributions.items())]
            )
        return rows

    def _label(self, path: str, reach: Reach) -> str:
        return self.finder(reach.interpreter).label(path) if path.startswith("/") else path


def _take_out(base: Base, launch: Launch, taken: Tuple[FrozenSet[str], FrozenSet[str]]) -> Reach:
    """A base without the files that are outputs of the step itself, and with its inputs made silent."""
    own, inputs = taken
    files: Dict[str, Unit] = {}
    silent = list(base.silent)
    for path, unit in base.files.items():
        if covers(own, path):
            continue
        if covers(inputs, path):
            silent.append(unit)
        else:
            files[path] = unit
    hidden = launch.unseen or any(unit.hidden for unit in (*files.values(), *silent))
    problems = [_undeclared(f"`{path}` is an output", step) for path, step in launch.made]
    for made, text in (
        (base.made, "`{}`, which `code:` names, is an output"),
        (base.closure.made, "an import leads to `{}`, an output"),
    ):
        for path, step in sorted(made.items()):
            if covers(inputs, path):
                hidden = True  # what it will look like, and name, nobody knows before
            elif not covers(own, path):
                problems.append(_undeclared(text.format(path), step))
    return Reach(
        files=files,
        distributions=base.distributions,
        uses_python=base.uses_python,
        interpreter=base.interpreter,
        problems=tuple(problems),
        warnings=base.warnings,
        words=launch.words,
        silent=tuple(silent),
        whole=base.whole,
        hidden=hidden,
        entry=base.entry,
    )


def _undeclared(what: str, step: str) -> Problem:
    return Problem(
        "E305",
        f"{what} of step `{step}`, but no declared input of this step",
        NOWHERE,
        hint=f"add it to `inputs:`, by its path or as `${{{{ steps.{step}.outputs.… }}}}`",
    )


def _outside_digest(path: str) -> Optional[str]:
    try:
        return digest_file(path)
    except OSError as error:
        unless_blind(error)
        return None


def _read(root: str, path: str, raw: str) -> Optional[Unit]:
    """A file as code; a large one that is neither Python nor a script is not even opened for long."""
    full = os.path.join(root, path)
    try:
        with open(full, "rb") as file:
            head = file.read(_HEAD)
            kind = kind_of(path, head)
            if kind == CONTENT and not head.startswith(b"#!") and not path.endswith(_SHELL_SCRIPT):
                return Unit(path, CONTENT, raw)
            unit = read_unit(path, head + file.read(), kind)
    except OSError as error:
        unless_blind(error)
        return None
    return dataclasses.replace(unit, digest=raw) if kind == CONTENT else unit
