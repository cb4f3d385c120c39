"""What a word names in the project."""

from __future__ import annotations

import os
import stat
from typing import Dict, FrozenSet, Optional

from mlorch.errors import unless_blind

_OUTSIDE = (".mlorch", ".git")


class Files:
    """Answers what a word names in the project; remembers a few answers until `forget`."""

    LIMIT = 4096

    def __init__(self, root: str) -> None:
        self._root = root
        self._known: Dict[str, bool] = {}
        self._environments: Dict[str, bool] = {}

    def path(self, word: str, folder: str = "") -> Optional[str]:
        """The root-relative path that a word would be, or None where it is outside or no path at all."""
        if not word or len(word) > 4096 or "\n" in word or "\0" in word:
            return None
        if word[0] == "/":
            if not word.startswith(self._root + "/"):
                return None
            word = word[len(self._root) + 1 :]
        elif folder:
            word = folder + "/" + word
        if "./" in word or "//" in word or word[-1] in "/." or word[0] == ".":
            word = os.path.normpath(word) if word else "."
            if word == "." or word == ".." or word.startswith("../"):
                return None
        return word

    def exists(self, path: str) -> bool:
        """Whether a regular file of the project stands there; our own, git's and an environment's files
        are none."""
        known = self._known.get(path)
        if known is None:
            if len(self._known) >= self.LIMIT:
                self._known.clear()
            known = self._known[path] = self._look(path)
        return known

    def forget(self) -> None:
        self._known.clear()
        self._environments.clear()

    def _look(self, path: str) -> bool:
        try:
            if not stat.S_ISREG(os.stat(os.path.join(self._root, path)).st_mode):
                return False
        except (OSError, ValueError) as error:
            unless_blind(error)
            return False
        return path.partition("/")[0] not in _OUTSIDE and not self.in_environment(path)

    def in_environment(self, path: str) -> bool:
        """Whether a path lies in a virtual or conda environment."""
        folder = os.path.dirname(path)
        if not folder:
            return False
        known = self._environments.get(folder)
        if known is None:
            full = os.path.join(self._root, folder)
            marks = ("pyvenv.cfg", "conda-meta")
            known = any(os.path.exists(os.path.join(full, mark)) for mark in marks) or self.in_environment(
                folder
            )
            self._environments[folder] = known
        return known


def covers(paths: FrozenSet[str], path: str) -> bool:
    """Whether a path or a folder around it is among these."""
    if not paths:
        return False
    while path:
        if path in paths:
            return True
        path = path.rpartition("/")[0]
    return False
