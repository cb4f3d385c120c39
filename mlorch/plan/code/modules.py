"""Where an import leads: to files of the project, to the standard library, to a distribution, or nowhere.

Python's own rules (regular packages before namespaces, in the order of the path), told from listings of
folders. Nothing is imported. What leads nowhere is no error: it may be optional, and it counts as soon as
it is there.
"""

from __future__ import annotations

import os
import sys
from typing import Dict, FrozenSet, List, Optional, Sequence, Set, Tuple

from mlorch.plan.code.distributions import Distributions
from mlorch.plan.code.editable import read_editable
from mlorch.plan.code.interpreter import Interpreter
from mlorch.plan.code.listing import Listings
from mlorch.values import dataclass

Folders = Tuple[str, ...]
"""Absolute folders that come first on a program's path."""


@dataclass(frozen=True)
class Spot:
    """One module: the files that importing it executes, and the folders in which its submodules are looked
    for."""

    files: Tuple[str, ...] = ()
    paths: Folders = ()


@dataclass(frozen=True)
class Located:
    """What an import statement leads to; paths are absolute."""

    files: Tuple[str, ...] = ()
    installed: Tuple[str, ...] = ()
    """Dotted names that the interpreter's site-packages bring."""
    standard: bool = False
    absent: Tuple[str, ...] = ()
    """Files that it would lead to if they existed: somebody's output may be among them."""
    starred: Folders = ()
    """The package folders behind a star import."""

    @property
    def found(self) -> bool:
        return bool(self.files or self.installed or self.standard or self.starred)


class Finder:
    """Looks modules up for one interpreter."""

    def __init__(self, root: str, interpreter: Interpreter, listings: Listings) -> None:
        self.interpreter = interpreter
        self.distributions = Distributions(interpreter)
        self._listings = listings
        self._guesses = (root, os.path.join(root, "src"))
        self._editable = read_editable(interpreter)
        self._standard = _standard_names(interpreter, listings)
        self._tops: Dict[Tuple[str, Folders], Optional[Spot]] = {}

    def absolute(self, module: str, names: Sequence[str], folders: Folders) -> Located:
        """`import module`, or `from module import names`, in a program whose path begins with these
        folders."""
        top, _, rest = module.partition(".")
        spot = self._project_top(top, folders)
        if spot is None and top in self._standard:
            return Located(standard=True)
        if spot is None and self._in_sites(top):
            return Located(installed=self._dotted(module, names))
        if spot is None:
            spot = self._elsewhere(top, folders)
        if spot is None:
            if self.distributions.owners(top):
                return Located(installed=self._dotted(module, names))
            return Located(absent=_all_candidates(folders, module, names))
        located = self._below(spot, rest.split(".") if rest else [], names)
        if not spot.files and not located.files and self.distributions.owners(top):
            return Located(installed=self._dotted(module, names))
        return located

    def relative(self, module: str, names: Sequence[str], folder: str) -> Located:
        """`from .module import names` in a file whose package is this folder."""
        init = self._init(folder)
        spot = Spot((os.path.join(folder, init),) if init else (), (folder,))
        return self._below(spot, module.split(".") if module else [], names)

    def children(self, folders: Folders) -> List[str]:
        """Names of the modules directly in these folders."""
        found: Set[str] = set()
        for folder in folders:
            listing = self._listings(folder)
            found.update(listing.modules)
            found.update(listing.folders)
        return sorted(found)

    def label(self, path: str) -> str:
        """A name for a file outside the root that does not depend on where it stands."""
        bases = [*self._editable.folders, *self.distributions.editable_sources()]
        bases.extend(os.path.dirname(target) for target in self._editable.modules.values())
        inside = [base for base in bases if path.startswith(base.rstrip("/") + "/")]
        base = max(inside, key=len) if inside else os.path.dirname(path)
        return "editable:" + os.path.relpath(path, base)

    def forget(self) -> None:
        """Drop what was seen of the project's folders; what is installed stays known."""
        self._tops.clear()

    # ---------------------------------------------------------------------------------------- first component

    def _project_top(self, top: str, folders: Folders) -> Optional[Spot]:
        key = (top, folders)
        if key not in self._tops:
            self._tops[key] = next(
                (spot for folder in folders for spot in [self._regular(folder, top)] if spot), None
            )
        return self._tops[key]

    def _in_sites(self, top: str) -> bool:
        return any(self._regular(site, top) is not None for site in self.interpreter.site_packages)

    def _elsewhere(self, top: str, folders: Folders) -> Optional[Spot]:
        """Editable installs, then namespaces; at last the folders that scripts like to add to `sys.path`."""
        mapped = self._editable.modules.get(top)
        if mapped is not None:
            return self._mapped(mapped)
        sources = self._editable.folders
        if not sources or not any(self._regular(folder, top) for folder in sources):
            declared = self.distributions.editable_sources()
            sources += tuple(path for source in declared for path in (source, os.path.join(source, "src")))
        for folder in (*sources, *self._guesses):
            spot = self._regular(folder, top)
            if spot is not None:
                return spot
        portions = [
            os.path.join(folder, top)
            for folder in dict.fromkeys((*folders, *sources, *self._guesses))
            if top in self._listings(folder).folders
        ]
        return Spot((), tuple(portions)) if portions else None

    def _mapped(self, path: str) -> Optional[Spot]:
        if os.path.isfile(path):
            return Spot((path,))
        init = self._init(path)
        if init:
            return Spot((os.path.join(path, init),), (path,))
        if os.path.isfile(path + ".py"):
            return Spot((path + ".py",))
        return Spot((), (path,)) if os.path.isdir(path) else None

    # --------------------------------------------------------------------------------------------- components

    def _below(self, spot: Spot, parts: List[str], names: Sequence[str]) -> Located:
        files = list(spot.files)
        for index, part in enumerate(parts):
            child = self._child(part, spot.paths)
            if child is None:
                rest = ".".join(parts[index:])
                return Located(tuple(files), absent=_all_candidates(spot.paths, rest, names))
            files.extend(child.files)
            spot = child
        absent: List[str] = []
        for name in names:
            child = self._child(name, spot.paths) if name != "*" else None
            if child is not None:
                files.extend(child.files)
            elif name != "*":
                absent.extend(_all_candidates(spot.paths, name, ()))
        return Located(tuple(files), absent=tuple(absent), starred=spot.paths if "*" in names else ())

    def _child(self, name: str, paths: Folders) -> Optional[Spot]:
        for folder in paths:
            spot = self._regular(folder, name)
            if spot is not None:
                return spot
        portions = tuple(
            os.path.join(folder, name) for folder in paths if name in self._listings(folder).folders
        )
        return Spot((), portions) if portions else None

    def _regular(self, folder: str, name: str) -> Optional[Spot]:
        listing = self._listings(folder)
        if name in listing.folders:
            package = os.path.join(folder, name)
            init = self._init(package)
            if init:
                return Spot((os.path.join(package, init),), (package,))
        file = listing.modules.get(name)
        return Spot((os.path.join(folder, file),)) if file else None

    def _init(self, folder: str) -> Optional[str]:
        return self._listings(folder).modules.get("__init__")

    def _dotted(self, module: str, names: Sequence[str]) -> Tuple[str, ...]:
        return tuple(f"{module}.{name}" for name in names if name != "*") or (module,)


def _all_candidates(folders: Folders, module: str, names: Sequence[str]) -> Tuple[str, ...]:
    """The files that `from module import names` would lead to if they existed."""
    paths = [module.replace(".", "/")]
    paths.extend(paths[0] + "/" + name for name in names if name != "*")
    ends = (".py", "/__init__.py")
    return tuple(os.path.join(folder, path) + end for folder in folders for path in paths for end in ends)


def _standard_names(interpreter: Interpreter, listings: Listings) -> FrozenSet[str]:
    """The standard library's modules, from its folder; those compiled in are nearly the same in every
    Python."""
    folder = interpreter.stdlib or os.path.dirname(os.__file__)
    listing = listings(folder)
    names = set(sys.builtin_module_names) | set(listing.modules) | set(listing.folders)
    names.update(listings(os.path.join(folder, "lib-dynload")).modules)
    return frozenset(names - {"site-packages", "dist-packages", "__pycache__"})
