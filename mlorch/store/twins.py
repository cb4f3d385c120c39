"""Copies of objects that were made while these were digested, for whoever asks first for one: so nothing is read twice."""

from __future__ import annotations

import errno
import os
import threading
from typing import Dict, NamedTuple, Optional, Tuple

from mlorch.model import Digest, Entry
from mlorch.store import files


class Twin(NamedTuple):
    """One copy."""

    path: str
    mode: int
    mark: Tuple[int, int, int, int]
    """Inode, size and times: as long as they are the same, nobody has touched it."""


class Twins:
    """At most one copy of each object. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._found: Dict[Digest, Twin] = {}

    def add(self, digest: Digest, path: str, mode: int) -> None:
        """Learn of a copy, which is ours from now on."""
        twin = Twin(path, mode, _mark(os.lstat(path)))
        with self._guard:
            twin, self._found[digest] = self._found.get(digest, twin), twin
        if twin.path != path:
            files.remove(twin.path)  # of another object with this content

    def take(self, digest: Digest, target: str, mode: int) -> bool:
        """Let the copy that was made with the object be the one that is asked for; False where there is none."""
        path = self.hand(digest, mode)
        if path is None:
            return False
        try:
            files.rename(path, target)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EXDEV):
                raise
            return False
        return True

    def hand(self, digest: Digest, mode: int) -> Optional[str]:
        """The path of the copy that was made with the object, the caller's from now on; None where there is none."""
        with self._guard:
            twin = self._found.pop(digest, None)
        if twin is None:
            return None
        try:
            if _mark(os.lstat(twin.path)) != twin.mark:
                files.remove(twin.path)
                return None
            if twin.mode != mode:
                os.chmod(twin.path, mode)
            return twin.path
        except FileNotFoundError:
            return None

    def drop(self, digest: Digest) -> None:
        """No copy of it is asked for."""
        with self._guard:
            twin = self._found.pop(digest, None)
        if twin is not None:
            files.remove(twin.path)

    def clear(self) -> None:
        """Forget all (they go with the session)."""
        with self._guard:
            self._found.clear()


class Whole(NamedTuple):
    """A folder that was made an object, itself (see `folders`)."""

    path: str
    signature: bytes
    """While a walk gives the same, nobody has touched it."""
    entries: Tuple[Entry, ...]


class Wholes:
    """At most one such folder of each content. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._found: Dict[Digest, Whole] = {}

    def add(self, digest: Digest, whole: Whole) -> None:
        """Learn of a folder, which is ours from now on."""
        with self._guard:
            earlier, self._found[digest] = self._found.get(digest), whole
        if earlier is not None:
            files.remove(earlier.path)

    def entries(self, digest: Digest) -> Optional[Tuple[Entry, ...]]:
        """The members of a folder that is here."""
        whole = self._found.get(digest)
        return whole.entries if whole is not None else None

    def take(self, digest: Digest) -> Optional[Whole]:
        """The folder with this content, the caller's from now on; None where there is none."""
        with self._guard:
            return self._found.pop(digest, None)

    def drop(self, digest: Digest) -> None:
        """It is not asked for."""
        whole = self.take(digest)
        if whole is not None:
            files.remove(whole.path)

    def clear(self) -> None:
        """Forget all (they go with the session)."""
        with self._guard:
            self._found.clear()


def _mark(found: os.stat_result) -> Tuple[int, int, int, int]:
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
