"""What a command asked the file system and the environment, and what it was told.

A decision follows from what was asked: while every question has the same answer, so has the command. So the questions
are not listed by hand, where one could be forgotten: while a `Witness` looks, the functions of `os` by which anything
asks are exchanged for ones that note. What is read is noted by its stat, and distrusted like a digest where a change
could have gone unseen (git's "racily clean").
"""

from __future__ import annotations

import builtins
import errno
import os
import stat
import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Mapping, NamedTuple, Optional, Set, Tuple

from blake3 import blake3

from mlorch.asking import asker
from mlorch.store.owners import SIGN, Owners

MARGIN = 50_000_000
"""Nanoseconds: longer than a tick of any kernel's file clock (1 to 10 ms)."""
COARSE = 2_100_000_000
"""The same where a time has no fraction of a second: a file system that keeps whole (or every other) seconds."""

Sign = Tuple[int, int, int, int, int]
"""mode, size, mtime, ctime, inode of a file or link; mode and inode of anything else; an errno last for an error."""


def racy(mtime: int, ctime: int, taken: int) -> bool:
    """Whether a change after a look could have left the same times."""
    newest = max(mtime, ctime)
    return newest + (MARGIN if newest % 1_000_000_000 else COARSE) > taken


def sign_of(found: os.stat_result) -> Sign:
    """What of a stat can't stay the same when the content changes."""
    if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):
        return (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    return (found.st_mode, 0, 0, 0, found.st_ino)


def folder_sign(path: str) -> Sign:
    """Of a folder with its times: while they stay, nothing in it came or went. Raises OSError."""
    found = REAL.lstat(path)
    return (found.st_mode, 0, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def error_sign(error: OSError) -> Sign:
    """Nothing there is the same whichever part of the path is missing."""
    number = errno.ENOENT if error.errno == errno.ENOTDIR else error.errno or errno.EIO
    return (0, 0, 0, 0, number)


def names_sign(entries: List[Any]) -> str:
    """Digest of a listing: names, and what each is."""
    rows = [
        item.name + ("\0l" if item.is_symlink() else "\0d" if item.is_dir(follow_symlinks=False) else "")
        for item in entries
    ]
    return blake3("\0\0".join(sorted(rows)).encode("utf-8", "surrogateescape")).hexdigest()


def pack(sign: Sign, names: str = "") -> bytes:
    """An answer as it is kept while a command runs: there may be a million of them."""
    return SIGN.pack(*sign) + names.encode("ascii")


def unpack(answer: bytes) -> Sign:
    """The sign in an answer."""
    sign: Sign = SIGN.unpack_from(answer)
    return sign


class Listed(NamedTuple):
    """A folder whose names were asked for."""

    sign: Sign
    """Of the folder, its times too: while they stay, so do the names."""
    names: str

    @staticmethod
    def unpack(answer: bytes) -> Listed:
        return Listed(unpack(answer), answer[SIGN.size :].decode("ascii"))


class Real(NamedTuple):
    """The functions that ask, as they are when nobody looks."""

    stat: Callable[..., os.stat_result] = os.stat
    lstat: Callable[..., os.stat_result] = os.lstat
    listdir: Callable[..., List[Any]] = os.listdir
    scandir: Callable[..., Any] = os.scandir
    open: Callable[..., int] = os.open
    access: Callable[..., bool] = os.access


REAL = Real()
_open_file = builtins.open


class Witness:
    """Notes questions while it looks. One for a command, in its main thread.

    Args:
        environ: the caller's environment; `self.environ` is the same, and notes what is asked of it.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = Environ(environ)
        self.followed: Dict[str, Optional[bytes]] = {}
        """Path -> what stands there, links followed: see `pack`; None where the answers differed while the command ran."""
        self.direct: Dict[str, Optional[bytes]] = {}
        self.listed: Dict[str, Optional[bytes]] = {}
        self.askers: Dict[str, Set[str]] = {}
        """Path -> on whose behalf it was asked for (see `asking`)."""
        self.owners = Owners()
        """What belongs to whom, told when all is decided; nothing does until then."""
        self.doubt = ""
        """Why the same answers need not mean the same decision; empty where they do."""
        self.store = ""
        """The store's folder, absolute, once it is known."""
        self.steady = False
        """Whether the command found everything as it should be and changed nothing."""
        self.until = float("inf")
        """When the first record that was used expires."""
        self.began = time.time_ns()
        """Before the first question."""
        self.open: FrozenSet[str] = frozenset()
        """Steps that have something to do: what concerns them alone is not remembered."""
        self.partly: Optional[bytes] = None
        """What a run that looks only at a part of the steps needs to know (see `partly`)."""
        self._alone: Dict[str, Set[str]] = {}
        """One set for all paths that only one asks for: there are many of them."""
        self.gpus = False
        """Whether it matters which gpus there are."""

    @contextmanager
    def looking(self) -> Iterator[None]:
        before = (os.stat, os.lstat, os.listdir, os.scandir, os.open, os.access, builtins.open)
        patched: Any = os
        patched.stat, patched.lstat = self._stat, self._lstat
        patched.listdir, patched.scandir = self._listdir, self._scandir
        patched.open, patched.access = self._open, self._access
        patched_builtins: Any = builtins
        patched_builtins.open = self._open_file
        try:
            yield
        finally:
            patched.stat, patched.lstat, patched.listdir, patched.scandir = before[:4]
            patched.open, patched.access, patched_builtins.open = before[4:]

    def note(self, path: Any, follow: bool = True) -> None:
        """Note what stands at a path."""
        try:
            self._learn(path, (REAL.stat if follow else REAL.lstat)(path), follow)
        except OSError as error:
            self._learn_error(path, error, follow)

    # ------------------------------------------------------------------------------------------------ exchanged

    def _stat(self, path: Any, *, dir_fd: Any = None, follow_symlinks: bool = True) -> os.stat_result:
        if dir_fd is not None:
            self.doubt = "a look relative to a descriptor"
            return REAL.stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        try:
            found = REAL.stat(path, follow_symlinks=follow_symlinks)
        except OSError as error:
            self._learn_error(path, error, follow_symlinks)
            raise
        self._learn(path, found, follow_symlinks)
        return found

    def _lstat(self, path: Any, *, dir_fd: Any = None) -> os.stat_result:
        return self._stat(path, dir_fd=dir_fd, follow_symlinks=False)

    def _access(self, path: Any, *others: Any, **more: Any) -> bool:
        self.note(path)
        return REAL.access(path, *others, **more)

    def _open(self, path: Any, flags: int, *others: Any, **more: Any) -> int:
        if not flags & (os.O_WRONLY | os.O_RDWR):
            self.note(path, follow=not flags & os.O_NOFOLLOW)
        return REAL.open(path, flags, *others, **more)

    def _open_file(self, file: Any, mode: str = "r", *others: Any, **more: Any) -> Any:
        if not isinstance(file, int) and not set(mode) & set("wax+"):
            self.note(file)
        return _open_file(file, mode, *others, **more)

    def _listdir(self, path: Any = ".") -> List[Any]:
        with self._scandir(path) as entries:
            names = [item.name for item in entries]
        return [os.fsencode(name) for name in names] if isinstance(path, bytes) else names

    def _scandir(self, path: Any = ".") -> _Scan:
        if isinstance(path, int):
            self.doubt = "a look into a descriptor"
            return _Scan(self, list(REAL.scandir(path)))
        try:
            found = REAL.stat(path)
            with REAL.scandir(os.fsdecode(path)) as entries:
                listed = list(entries)
        except OSError as error:
            self._learn_error(path, error, True)
            raise
        for item in listed:
            if item.is_symlink():
                self.note(item.path)
        sign = (found.st_mode, 0, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        self._put(self.listed, path, pack(sign, names_sign(listed)))
        return _Scan(self, listed)

    # ------------------------------------------------------------------------------------------------- learning

    def _learn(self, path: Any, found: os.stat_result, follow: bool) -> None:
        if isinstance(path, int):
            return  # of a file that was opened, and noted then
        self._put(self.followed if follow else self.direct, path, pack(sign_of(found)))

    def _learn_error(self, path: Any, error: OSError, follow: bool) -> None:
        if not isinstance(path, int):
            self._put(self.followed if follow else self.direct, path, pack(error_sign(error)))

    def _put(self, answers: Dict[str, Optional[bytes]], path: Any, answer: bytes) -> None:
        name = os.path.abspath(os.fsdecode(path))
        if answers.setdefault(name, answer) != answer:
            answers[name] = None
        who = asker()
        before = self.askers.get(name)
        if before is None:
            self.askers[name] = self._alone.setdefault(who, {who})
        elif who not in before:
            self.askers[name] = {who} | before if len(before) == 1 else before
            self.askers[name].add(who)


class _Scan:
    """A listing that notes whose stat is asked for."""

    def __init__(self, witness: Witness, entries: List[Any]) -> None:
        self._entries = iter([_Entry(witness, item) for item in entries])

    def __iter__(self) -> Iterator[_Entry]:
        return self._entries

    def __next__(self) -> _Entry:
        return next(self._entries)

    def __enter__(self) -> _Scan:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._entries = iter(())


class _Entry:
    """An `os.DirEntry` that notes."""

    def __init__(self, witness: Witness, entry: Any) -> None:
        self._witness = witness
        self._entry = entry
        self.name = entry.name
        self.path = entry.path
        self.is_dir = entry.is_dir
        self.is_file = entry.is_file
        self.is_symlink = entry.is_symlink
        self.inode = entry.inode

    def __fspath__(self) -> Any:
        return self.path

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        found: os.stat_result = self._entry.stat(follow_symlinks=follow_symlinks)
        self._witness._learn(self.path, found, follow_symlinks)
        return found


class Environ(Mapping[str, str]):
    """An environment that notes which variables were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.asked: Set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        self.asked.update(self._values)
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
