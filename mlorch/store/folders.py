"""Folders that become objects: copies of their members go into the store, and they themselves, as they were made, into
the workspace. So a member costs one new file and one rename, whichever of the two it is for, and the folder one rename."""

from __future__ import annotations

import errno
import os
import threading
import time
from contextlib import suppress
from typing import Dict, List, Optional, Sequence, Tuple

from mlorch.errors import EnvironmentFault
from mlorch.model import Digest, Entry
from mlorch.store import files, tree
from mlorch.store.objects import Objects
from mlorch.store.twins import Whole

PIECE = 500
"""Files that a thread takes one after the other; from two such pieces on a second thread helps."""
LEFT = (errno.EXDEV, errno.EACCES, errno.EPERM, errno.EBUSY)
"""A folder that can't be renamed for these reasons is copied where it stands."""


def take_in(
    objects: Objects, absolute: str, walked: Sequence[tree.Found]
) -> Optional[Tuple[Sequence[Entry], Optional[Whole]]]:
    """Make objects of the members of a folder that nobody else has a name of. None where that can't be told, or the
    folder can't be moved: nothing has changed then.

    Returns:
        Its members, and the folder itself where no process has one of them open for writing.
    """
    folders = _by_folder(walked)
    if not _is_ours(absolute, walked, folders):
        return None
    path = objects.temporary()
    try:
        files.rename(absolute, path)
    except OSError as error:
        if error.errno not in LEFT:
            raise
        return None
    try:
        taking = _Taking(objects)
        taking.all(path, folders)
        entries = tuple(taking.entry(item) for item in walked)
        if taking.whole:
            seen = [taking.seen.get(item.path, item) for item in walked]
            return entries, Whole(path, tree.signature(seen), entries)
    except BaseException:
        files.remove(path)
        raise
    files.remove(path)
    return entries, None


def put(whole: Whole, target: str) -> Optional[List[tree.Found]]:
    """Let a folder that was taken in be the copy of it that is asked for, at a free path; returns its members as they were
    seen there. None where it is not what it was: it is gone then."""
    try:
        files.rename(whole.path, target)
    except OSError as error:
        if error.errno not in (*LEFT, errno.ENOENT):
            raise
        files.remove(whole.path)
        return None
    try:
        walked = tree.walk(target, (), tree.leave_outside)
        if tree.signature(walked) == whole.signature:
            return walked
    except EnvironmentFault:
        pass  # something was put into it that no folder of ours can hold
    files.remove(target)
    return None


def _by_folder(walked: Sequence[tree.Found]) -> Dict[str, List[tree.Found]]:
    """The files in each folder: those without any have none; the folder itself is the empty path."""
    found: Dict[str, List[tree.Found]] = {"": []}
    for item in walked:
        folder = item.path if item.kind == "folder" else item.path.rpartition("/")[0]
        if folder not in found:
            found[folder] = []
            for above in tree.parents(folder):
                found.setdefault(above, [])
        if item.kind == "file":
            found[folder].append(item)
    return found


def _is_ours(absolute: str, walked: Sequence[tree.Found], folders: Dict[str, List[tree.Found]]) -> bool:
    """Whether files have no other name, and all is this user's. A file from the future would never be believed unchanged."""
    user, now = os.geteuid(), time.time_ns()
    for item in walked:
        found = item.stat
        if item.kind == "file" and (
            found.st_nlink != 1 or found.st_uid != user or found.st_mtime_ns > now or item.target
        ):
            return False
    return all(os.lstat(os.path.join(absolute, folder)).st_uid == user for folder in folders)


class _Taking:
    """The members of one folder, on their way."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._digested: Dict[str, Tuple[Digest, int]] = {}
        self._modes = {executable: files.normal_mode(executable) for executable in (False, True)}
        self.seen: Dict[str, tree.Found] = {}
        """Files, as they were before they were read."""
        self.whole = True
        """Whether what stands there is what was digested, and stays so."""

    def all(self, top: str, folders: Dict[str, List[tree.Found]]) -> None:
        """Take everything, in two threads where it is much: most of the time goes into the system's calls."""
        waiting = iter(
            [
                (os.path.join(top, folder), members[first : first + PIECE])
                for folder, members in folders.items()
                for first in range(0, len(members) or 1, PIECE)
            ]
        )
        errors: List[BaseException] = []

        def take() -> None:
            try:
                for folder, members in waiting:  # each piece goes to whoever asks first
                    self.folder(folder, members)
            except BaseException as error:
                errors.append(error)

        helper = threading.Thread(target=take, name="mlorch-folder", daemon=True)
        if sum(map(len, folders.values())) >= 2 * PIECE:
            with suppress(RuntimeError):  # no more threads: it takes longer
                helper.start()
        take()
        if helper.ident is not None:
            helper.join()
        if errors:
            raise errors[0]

    def folder(self, path: str, members: Sequence[tree.Found]) -> None:
        """Take the files of a folder, which gets the mode of a new one, as do they."""
        fd = files.open_folder(path)
        try:
            mode = os.fstat(fd).st_mode
            if mode & 0o777 != self._modes[True]:
                os.fchmod(fd, mode & 0o7000 | self._modes[True])
            for item in members:
                self._file(item, fd)
        finally:
            os.close(fd)

    def _file(self, item: tree.Found, folder: int) -> None:
        name = item.path.rpartition("/")[2]
        mode = self._modes[item.executable]
        if item.stat.st_mode & 0o7777 != mode:
            os.chmod(name, mode, dir_fd=folder)
        fd, found = files.open_member(name, folder)
        try:
            if files.has_writer(fd):
                self.whole = False
            made = self._digested[item.path] = self._objects.add_open(fd, found.st_size)
        finally:
            os.close(fd)
        if made[1] != found.st_size:
            self.whole = False
        self.seen[item.path] = item._replace(stat=found)

    def entry(self, item: tree.Found) -> Entry:
        digest, size = self._digested[item.path] if item.kind == "file" else (item.target, 0)
        return Entry(item.path, item.kind, digest, size, item.executable)
