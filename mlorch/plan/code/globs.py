"""Which project files a glob names; `*` and `?` stay inside one part of a path, `**` goes over any number
of folders."""

from __future__ import annotations

import fnmatch
import os
import re
from typing import Dict, List, Pattern, Set, Tuple

from mlorch.plan.code.listing import Listings

MAGIC = re.compile(r"[*?\[]")
_SKIPPED = frozenset([".mlorch", ".git", "__pycache__", ".mlorch-tmp"])


class Globs:
    """Expands patterns below a root; hidden files need a pattern that begins with a dot, as in a shell."""

    def __init__(self, root: str, listings: Listings) -> None:
        self._root = root
        self._listings = listings
        self._known: Dict[str, Tuple[str, ...]] = {}

    def __call__(self, pattern: str) -> Tuple[str, ...]:
        """Root-relative files, sorted; a folder that the pattern names stands for every file below it."""
        found = self._known.get(pattern)
        if found is None:
            parts = [part for part in os.path.normpath(pattern).split("/") if part != "."]
            files: Set[str] = set()
            self._match("", parts, files)
            found = self._known[pattern] = tuple(sorted(files))
        return found

    def forget(self) -> None:
        self._known.clear()

    def _match(self, folder: str, parts: List[str], files: Set[str]) -> None:
        if not parts:
            self._everything(folder, files)
            return
        first, rest = parts[0], parts[1:]
        listing = self._listings(os.path.join(self._root, folder))
        if first == "**":
            self._match(folder, rest, files) if rest else self._everything(folder, files)
            for name in listing.folders:
                if self._enters(folder, name):
                    self._match(os.path.join(folder, name), parts, files)
            return
        for name in listing.folders:
            if _fits(name, first) and self._enters(folder, name, first):
                self._match(os.path.join(folder, name), rest, files)
        if not rest:
            files.update(os.path.join(folder, name) for name in listing.files if _fits(name, first))

    def _everything(self, folder: str, files: Set[str]) -> None:
        listing = self._listings(os.path.join(self._root, folder))
        files.update(os.path.join(folder, name) for name in listing.files if not name.startswith("."))
        for name in listing.folders:
            if self._enters(folder, name):
                self._everything(os.path.join(folder, name), files)

    def _enters(self, folder: str, name: str, pattern: str = "*") -> bool:
        """Not into our own folders, hidden ones that nobody named, virtual environments, and links (they
        may go round)."""
        if name in _SKIPPED or (name.startswith(".") and not pattern.startswith(".")):
            return False
        path = os.path.join(self._root, folder, name)
        if "pyvenv.cfg" in self._listings(path).files:
            return False
        return not os.path.islink(path) or pattern == name


_COMPILED: Dict[str, Pattern[str]] = {}


def _fits(name: str, pattern: str) -> bool:
    if name.startswith(".") and not pattern.startswith("."):
        return False
    if not MAGIC.search(pattern):
        return name == pattern
    compiled = _COMPILED.get(pattern)
    if compiled is None:
        compiled = _COMPILED[pattern] = re.compile(fnmatch.translate(pattern))
    return compiled.match(name) is not None
