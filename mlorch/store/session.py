"""This process's own folder for temporaries. It is locked as long as the process lives, so that others can
tell leftovers."""

from __future__ import annotations

import fcntl
import itertools
import os
import threading
import time
from typing import List, Optional

from mlorch.store import files
from mlorch.store.check import lock_error
from mlorch.store.faults import fault

PREFIX = "s-"


def is_locked(path: str) -> bool:
    """Whether a live process holds the flock of a file. A file that is not there is not locked."""
    try:
        fd = files.open_regular(path, follow=False)
    except (FileNotFoundError, NotADirectoryError, files.StrangeFile):
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


class Session:
    """A folder `tmp/s-<token>/` with a held lock, made at first use."""

    def __init__(self, tmp: str) -> None:
        self.tmp = tmp
        self.token = os.urandom(8).hex()
        self._path = os.path.join(tmp, PREFIX + self.token)
        self._names = itertools.count()
        self._guard = threading.Lock()
        self._fd: Optional[int] = None

    def name(self) -> str:
        """A free path in the session's folder."""
        return f"{self.folder()}/{next(self._names)}"

    def folder(self) -> str:
        path = self._path
        if self._fd is not None:
            return path
        with self._guard:
            if self._fd is None:
                files.make_folders(self.tmp)
                making = _flock_folder(self.tmp, fcntl.LOCK_SH)
                try:
                    files.make_folders(path)
                    self._fd = hold(os.path.join(path, "lock"))
                finally:
                    os.close(making)
        return path

    def close(self) -> None:
        """Remove the folder and free the lock; a later use makes it anew."""
        with self._guard:
            if self._fd is not None:
                files.remove(os.path.join(self.tmp, PREFIX + self.token))
                os.close(self._fd)
                self._fd = None


def hold(path: str, wait: bool = True, shared: bool = False, append: bool = False) -> int:
    """A descriptor of `path` (made if need be) that holds its flock. Raises BlockingIOError without `wait`,
    StoreError where the file system has no locks."""
    fault("lock")
    fd = files.open_own(path, append)
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        os.close(fd)
        known = lock_error(path, error)
        if known is not None:
            raise known from error
        raise
    except BaseException:
        os.close(fd)
        raise
    return fd


def is_live(tmp: str, token: str) -> bool:
    return is_locked(os.path.join(tmp, PREFIX + token, "lock"))


def dead_sessions(tmp: str) -> List[str]:
    """Session folders (absolute) that no live process holds."""
    try:
        names = os.listdir(tmp)
    except FileNotFoundError:
        return []
    found = [os.path.join(tmp, name) for name in names if name.startswith(PREFIX)]
    return [path for path in found if os.path.isdir(path) and not os.path.islink(path) and _is_dead(path)]


def reap(folder: str) -> None:
    """Remove a dead session's folder, holding its lock meanwhile; one that lives after all is left alone."""
    try:
        fd = files.open_regular(os.path.join(folder, "lock"), follow=False)
    except (FileNotFoundError, files.StrangeFile):
        files.remove(folder)
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        files.remove(folder)
    except BlockingIOError:
        return
    finally:
        os.close(fd)


def _is_dead(folder: str) -> bool:
    lock = os.path.join(folder, "lock")
    if os.path.exists(lock):
        return not is_locked(lock)
    # it may be about to get its lock: then its maker holds that of the folder above
    try:
        making = _flock_folder(os.path.dirname(folder), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    try:
        return os.path.isdir(folder) and not os.path.exists(lock)
    finally:
        os.close(making)


def _flock_folder(path: str, how: int) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, how)
    except BaseException:
        os.close(fd)
        raise
    return fd


def is_old(folder: str) -> bool:
    """Whether nothing in a folder changed for an hour: nobody is still making it."""
    try:
        return os.stat(folder).st_mtime < time.time() - 3600
    except FileNotFoundError:
        return False
