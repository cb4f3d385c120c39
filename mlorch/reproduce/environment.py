"""Is the environment still the one that a record was made in? Interpreter and packages, from files; nothing is run."""

from __future__ import annotations

import os
from typing import Dict, List, Mapping, Optional

from mlorch.digest import digest_file
from mlorch.engine.recipe import Recipe
from mlorch.errors import EnvironmentFault
from mlorch.model import Record
from mlorch.plan.bind import interpreter_text
from mlorch.plan.code import Interpreter, find_interpreter
from mlorch.plan.code.distributions import Distributions
from mlorch.plan.code.interpreter import read_interpreter
from mlorch.plan.code.markers import normal_name
from mlorch.reproduce.results import Change


class Environment:
    """Interpreters as recipes name them, and what is installed for each; looked at once."""

    def __init__(self, root: str, environ: Mapping[str, str]) -> None:
        self._root = root
        self._environ = environ
        self._known: Dict[str, Optional[Interpreter]] = {}
        self._installed: Dict[str, Distributions] = {}

    def interpreter(self, name: str) -> Optional[Interpreter]:
        """The recorded one where it still stands, else the one that a run would take today; None where there is
        none."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> Optional[Interpreter]:
        path = os.path.join(self._root, name)
        try:
            if name and os.path.isfile(path):
                return read_interpreter(path, self._environ.get("HOME", ""))
            return find_interpreter(self._root, None, self._environ)
        except EnvironmentFault:
            return None

    def changes(self, record: Record, recipe: Recipe) -> List[Change]:
        """Each part that differs from what the record's key holds."""
        rows = [row for row in record.manifest.rows if row.kind in ("interpreter", "package")]
        interpreter = self.interpreter(recipe.interpreter) if rows else None
        found = [
            Change("code", path, "as recorded", "another content" if os.path.exists(path) else "")
            for path, digest in sorted(recipe.outside.items())
            if _digest(path) != digest
        ]
        for row in rows:
            if row.kind == "interpreter":
                now = interpreter_text(interpreter) if interpreter is not None else ""
            else:
                now = self._version(interpreter, row.name)
            if now != row.value:
                found.append(Change(row.kind, row.name, str(row.value), now))
        return found

    def _version(self, interpreter: Optional[Interpreter], package: str) -> str:
        if interpreter is None:
            return ""
        installed = self._installed.get(interpreter.executable)
        if installed is None:
            installed = self._installed[interpreter.executable] = Distributions(interpreter)
        metadata = installed.metadata(normal_name(package))
        return metadata.version if metadata is not None else ""


def _digest(path: str) -> str:
    """Of a code file outside the project; empty where it can't be read."""
    try:
        return digest_file(path)
    except OSError:
        return ""
