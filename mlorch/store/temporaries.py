"""Temporaries for what goes into the workspace, each on the file system of its target.

What may hold something of the user's (it was just exchanged with an output) lies in an `x-<n>/` folder under
its base name, so that the next run can tell it from a half-made copy and judge it by content instead of
deleting it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from typing import Dict, Iterator, List, Optional, Tuple

from mlorch.store import files
from mlorch.store.index import blob, text
from mlorch.store.paths import Mount, Paths
from mlorch.store.session import Session, dead_sessions, reap

ELSEWHERE = "elsewhere"


class Temporaries:
    """Session folders by file system; that of the project's own is given, and where the store keeps its
    own."""

    def __init__(self, paths: Paths, own: Session, store_tmp: str) -> None:
        self._paths = paths
        self._store_tmp = store_tmp
        self._own = own
        self._guard = threading.Lock()
        self._others: Dict[str, Session] = {}
        self._numbers = itertools.count()

    def shares(self, mount: Mount) -> bool:
        """Whether what the store makes may be renamed to a place on this mount."""
        return self._own.tmp == self._store_tmp and self._paths.is_own(mount)

    def own(self) -> str:
        """A free name on the project's own file system."""
        return self._own.name()

    def beside(self, target: str, mount: Optional[Mount] = None) -> str:
        """A free name on the file system of `target`, for a copy that is being made.

        Args:
            mount: that of its folder, where it is known.
        """
        if mount is not None and self._paths.is_own(mount):
            return self._own.name()
        return self._session(target).name()

    def displaced(self, target: str) -> str:
        """The same with the target's base name, for what may turn out to be the user's."""
        folder = os.path.join(self._session(target).folder(), f"x-{next(self._numbers)}")
        os.mkdir(folder)
        return os.path.join(folder, os.path.basename(target))

    def leftovers(self) -> Iterator[Tuple[str, str]]:
        """What dead processes left that may be the user's: absolute path, and a name for it."""
        for folder in self.dead():
            # one that is just being closed looks dead, as its lock goes first, and then is not there
            with contextlib.suppress(FileNotFoundError):
                for name in sorted(os.listdir(folder)):
                    inner = os.path.join(folder, name)
                    if name.startswith("x-") and os.path.isdir(inner) and not os.path.islink(inner):
                        for base in os.listdir(inner):
                            yield os.path.join(inner, base), base

    def sweep(self) -> None:
        """Remove what dead processes left; call it after `leftovers` were dealt with."""
        for folder in self.dead():
            reap(folder)

    def close(self) -> None:
        for session in (self._own, *self._others.values()):
            session.close()
        self._others.clear()

    def _session(self, target: str) -> Session:
        folder, own = self._paths.temporary(target)
        if own:
            return self._own
        with self._guard:
            if folder not in self._others:
                if folder not in self._known():
                    files.make_folders(self._own.tmp)
                    files.append(os.path.join(self._own.tmp, ELSEWHERE), blob(folder) + b"\0\n")
                self._others[folder] = Session(folder)
            return self._others[folder]

    def _known(self) -> List[str]:
        """Folders for temporaries on other file systems that were ever used. Others than we make count for nothing:
        the list may come with a repository."""
        with contextlib.suppress(OSError):
            data = files.read(os.path.join(self._own.tmp, ELSEWHERE))
            listed = [text(path) for path in data.split(b"\0\n") if path]
            return [path for path in listed if self._paths.is_temporary(path)]
        return []

    def dead(self) -> List[str]:
        """Session folders that killed processes left."""
        tmps = {self._own.tmp, self._store_tmp, *self._known()}
        return [folder for tmp in sorted(tmps) for folder in dead_sessions(tmp)]
