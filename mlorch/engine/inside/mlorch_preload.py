"""Imports, in the zygote, what is installed and what function steps use, so that their processes need not.

Never a module of the project, nor of any place but the standard library and `site-packages`: those may
be edited at any time. A package that starts threads when it is imported, or that brings foreign modules
along, makes the zygote unfit, and its client then goes on with one that imports nothing.
"""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import os
import sys
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

THREADLESS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Variables, and values with which a package starts no thread when it is imported: pyarrow, which pandas and so scikit-learn
import where it is installed, has one that only gives memory back sooner."""


class Preload:
    def __init__(self) -> None:
        standard = os.path.dirname(os.path.abspath(os.__file__))
        self._installed = tuple(
            os.path.join(os.path.abspath(path), "")
            for path in sys.path
            if os.path.basename(path) in ("site-packages", "dist-packages")
        )
        self._allowed = (*self._installed, os.path.join(standard, ""))
        self._stamps = self._look()
        self._scanned: Set[Tuple[str, str]] = set()
        self._tried: Set[str] = set()
        self._checked: Set[str] = set()
        self._foreign = ""

    def knows(self, root: str, module: str) -> bool:
        """Whether `prepare` has seen this module."""
        return (root, module) in self._scanned

    def prepare(self, root: str, module: str) -> None:
        """Import what `module` and the project modules behind it import at their top level."""
        self._scanned.add((root, module))
        self._import_all(imported_names(root, module), root)

    def learn(self, root: str, names: List[str]) -> None:
        """Import what an attempt turned out to use beside it (inside its functions)."""
        self._import_all([name for name in names if not name.startswith(("mlorch_", "__main__"))], root)

    def unfit(self) -> str:
        """Why this process must not fork; empty if it may."""
        if self._foreign:
            return "foreign"
        if _threads() > 1:
            return "threads"
        return "packages" if self._tried and self._look() != self._stamps else ""

    def _import_all(self, names: Sequence[str], root: str) -> None:
        """With the project's root off the path: a package must not find modules of the project."""
        new = [name for name in names if name not in self._tried and name not in sys.modules]
        if not new:
            return
        was_first = sys.path[:1] == [root]
        if was_first:
            sys.path.pop(0)
        mine = {name: text for name, text in THREADLESS.items() if name not in os.environ}
        os.environ.update(mine)
        before = set(sys.modules)
        for name in new:
            self._import(name, root)
        for name in mine:  # an attempt's environment is its own
            os.environ.pop(name, None)
        if was_first:
            sys.path.insert(0, root)
        self._check()
        for name in sys.modules.keys() - before:
            # an attempt would get this one, and not the project's
            if "." not in name and _file(root, name) is not None:
                self._foreign = self._foreign or name

    def _import(self, name: str, root: str) -> None:
        self._tried.add(name)
        top = name.partition(".")[0]
        if _file(root, top) is not None or not self._may(top):
            return
        try:
            importlib.import_module(name)
        except BaseException:
            return

    def _may(self, top: str) -> bool:
        if top in sys.modules or top in sys.builtin_module_names:
            return True
        spec = importlib.machinery.PathFinder.find_spec(top, sys.path)
        if spec is None:
            return False
        places = [spec.origin] if spec.has_location else list(spec.submodule_search_locations or ())
        return bool(places) and all(os.path.abspath(str(place)).startswith(self._allowed) for place in places)

    def _check(self) -> None:
        for name, module in list(sys.modules.items()):
            if name in self._checked or name.startswith(("mlorch_", "__main__", "__mp_main__")):
                continue
            self._checked.add(name)
            path = getattr(module, "__file__", None)
            if not isinstance(path, str) or name in ("sitecustomize", "usercustomize"):
                continue
            if not os.path.abspath(path).startswith(self._allowed):
                self._foreign = self._foreign or path

    def _look(self) -> Dict[str, int]:
        """A package that is installed or replaced changes the folder's time."""
        stamps = {}
        for path in self._installed:
            try:
                stamps[path] = os.stat(path).st_mtime_ns
            except OSError:
                stamps[path] = 0
        return stamps


def _threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        import threading

        return threading.active_count()


def imported_names(root: str, module: str) -> List[str]:
    """Names of modules outside the project that `module` imports when it is loaded, in order, through
    the project's own."""
    found: Dict[str, None] = {}
    waiting, seen = [module], set()
    while waiting:
        name = waiting.pop(0)
        path = _file(root, name)
        if path is None:
            if name.partition(".")[0] not in seen:
                found.setdefault(name)
            continue
        if name in seen:
            continue
        seen.add(name)
        package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        waiting += [item for item in _top_level(path, package) if item not in seen]
    return list(found)


def _file(root: str, module: str) -> Optional[str]:
    """The project file of a module; None for one that the project does not have."""
    base = os.path.join(root, *module.split("."))
    for path in (os.path.join(base, "__init__.py"), base + ".py"):
        if os.path.isfile(path):
            return path
    return None


def _top_level(path: str, package: str) -> Iterator[str]:
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    waiting: List[ast.stmt] = list(tree.body)
    while waiting:
        statement = waiting.pop(0)
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield alias.name
        elif isinstance(statement, ast.ImportFrom):
            yield from _from(statement, package)
        elif isinstance(statement, (ast.If, ast.Try, ast.With)):
            waiting = [*statement.body, *waiting]  # not the other branches: they are for other machines


def _from(statement: ast.ImportFrom, package: str) -> Iterator[str]:
    base = statement.module or ""
    if statement.level:
        parents = package.split(".")[: len(package.split(".")) - statement.level + 1]
        base = ".".join([*parents, base] if base else parents)
    if base:
        yield base
        for alias in statement.names:
            if alias.name != "*":
                yield f"{base}.{alias.name}"
