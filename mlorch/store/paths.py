"""Root-relative paths <-> the file system: nothing outside the root (and the allowed folders) is ever
reached."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from functools import lru_cache
from typing import Dict, Iterator, Optional, Tuple

from mlorch.errors import EnvironmentFault
from mlorch.model import Settings
from mlorch.store import files

_NORMAL = re.compile(r"(?:(?!\.{1,2}(?:/|\Z))[^/\0]+/)*(?!\.{1,2}\Z)[^/\0]+\Z")
"""A relative path without `.`, `..` and empty parts: most are."""

AREA = ".mlorch"
"""The folder in the root that holds temporaries and kept files; the store too, unless `[store] path` says
otherwise."""


ELSEWHERE = ".mlorch-tmp"
"""The folder for temporaries on another file system than the project's."""


Mount = Tuple[int, bytes]
"""Device of a file system, and the number of its mount."""


MOST_PINS = 8
"""Folders that stay open for the next who pins them."""


class Pin:
    """An open folder, and what it was called then. Raises OSError."""

    def __init__(self, folder: str) -> None:
        self.fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._named = _names_descriptors()
            self.name = f"/proc/self/fd/{self.fd}" if self._named else folder
            """Of the folder, for whoever looks into it."""
            self.real = os.readlink(self.name) if self._named else os.path.realpath(folder)
            self._found = os.fstat(self.fd)
        except BaseException:
            os.close(self.fd)
            raise
        self._mount: Optional[Mount] = None

    @property
    def mount(self) -> Mount:
        if self._mount is None:
            self._mount = _mount_of_open(self.fd)
        return self._mount

    def stands(self, folder: str) -> bool:
        """Whether it is still the folder of this name, and nothing above it was moved."""
        try:
            real = os.readlink(self.name) if self._named else os.path.realpath(folder)
            return real == self.real and os.path.samestat(os.stat(folder), self._found)
        except OSError:
            return False

    def close(self) -> None:
        os.close(self.fd)


class Paths:
    """Resolves paths of one project. What it knows of folders is forgotten after a second, since steps may
    swap them."""

    def __init__(self, settings: Settings) -> None:
        self.root = os.path.abspath(settings.root)
        self.area = os.path.join(self.root, AREA)
        self.allow = tuple(os.path.abspath(path) for path in settings.allow)
        inside = (self.root, self.area, settings.store, *self.allow)
        self._real = tuple(sorted({os.path.realpath(path) for path in inside}))
        self._folders: Dict[str, bool] = {}
        self._until = 0.0
        self._mount: Optional[Mount] = None
        self._pins: Dict[str, Pin] = {}
        """Open folders that nobody uses at the moment."""
        self._keeping = False

    def absolute(self, path: str) -> str:
        """Absolute form of a root-relative (or allowed absolute) path. Raises EnvironmentFault where it
        leaves the root."""
        if _NORMAL.match(path):
            clean = f"{self.root}/{path}"
            if self._inside(clean.rpartition("/")[0]):
                return clean
        clean = os.path.normpath(os.path.join(self.root, path))
        if not (_within(clean, self.root) or any(_within(clean, folder) for folder in self.allow)):
            raise self._outside(path, clean)
        if not self._inside(os.path.dirname(clean) if clean != self.root else clean):
            raise self._outside(path, os.path.realpath(os.path.dirname(clean)))
        return clean

    def is_allowed(self, absolute: str) -> bool:
        """Whether an absolute path lies in the root or an allowed folder, going by its name."""
        return any(_within(absolute, folder) for folder in (self.root, *self.allow))

    def forget(self, path: str) -> None:
        """Forget what is known of the folders of a path: the next look asks the file system."""
        clean = (
            f"{self.root}/{path}" if _NORMAL.match(path) else os.path.normpath(os.path.join(self.root, path))
        )
        folder = clean.rpartition("/")[0]
        while folder:
            self._folders.pop(folder, None)
            folder = folder.rpartition("/")[0]

    def relative(self, absolute: str) -> str:
        """Root-relative form, where there is one."""
        return absolute[len(self.root) + 1 :] if absolute.startswith(self.root + "/") else absolute

    def stat(self, absolute: str) -> Optional[os.stat_result]:
        """What stands at a path, a link followed as far as it stays inside; None for nothing (or a dangling
        link)."""
        try:
            found = os.lstat(absolute)
            if not stat.S_ISLNK(found.st_mode):
                return found
            real = os.path.realpath(absolute)
            if not any(_within(real, folder) for folder in self._real):
                raise self._outside(self.relative(absolute), real)
            return os.stat(real)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def refuse_foreign(self, folder: str) -> None:
        """Raises EnvironmentFault where `.mlorch` is a link that leads out of the project: a repository may bring one."""
        if folder == self.area and os.path.islink(folder):
            real = os.path.realpath(folder)
            if not any(_within(real, os.path.realpath(place)) for place in (self.root, *self.allow)):
                raise self._outside(AREA, real)

    @contextlib.contextmanager
    def pinned(self, absolute: str) -> Iterator[str]:
        """The same place by a name through a descriptor of its folder, which no swap of folders or links changes. Raises
        EnvironmentFault where the folder is not in the project (any more), OSError."""
        folder, base = os.path.split(absolute)
        with self.pin(folder) as pin:
            yield os.path.join(pin.name, base)

    @contextlib.contextmanager
    def pin(self, folder: str) -> Iterator[Pin]:
        """A folder by a descriptor: see `pinned`."""
        pin = self._pins.pop(folder, None)
        if pin is not None and not pin.stands(folder):
            pin.close()
            pin = None
        if pin is None:
            pin = self._opened(folder)
        try:
            yield pin
        finally:
            if (
                not self._keeping
                or len(self._pins) >= MOST_PINS
                or self._pins.setdefault(folder, pin) is not pin
            ):
                pin.close()

    def _opened(self, folder: str) -> Pin:
        pin = Pin(folder)
        if not self.contains(pin.real):
            pin.close()
            raise self._outside(self.relative(folder), pin.real)
        return pin

    @contextlib.contextmanager
    def keeping_pins(self) -> Iterator[None]:
        """Meanwhile folders stay open for the next who pins them, after a look at whether they still stand there: one for
        many outputs."""
        self._keeping = True
        try:
            yield
        finally:
            self._keeping = False
            while self._pins:
                self._pins.popitem()[1].close()

    def make_folders(self, absolute: str) -> None:
        """Make a folder of the project and those above it. Raises EnvironmentFault where a link leads out, OSError."""
        top = next((top for top in (self.root, *self.allow) if _within(absolute, top)), self.root)

        def check(real: str) -> None:
            if not self.contains(real):
                raise self._outside(self.relative(absolute), real)

        files.make_folders_below(absolute, top.rstrip("/"), check)

    def contains(self, real: str) -> bool:
        """Whether a resolved path lies in the root or an allowed folder."""
        return any(_within(real, folder) for folder in self._real)

    def temporary(self, absolute: str) -> Tuple[str, bool]:
        """The folder for temporaries on the file system of `absolute`, and whether it is the project's own
        `.mlorch/tmp`; elsewhere it is `.mlorch-tmp` in the topmost folder of that file system that we may
        write to."""
        own = os.path.join(self.area, "tmp")
        folder = os.path.dirname(absolute)
        try:
            mount = mount_of(folder)
        except (FileNotFoundError, NotADirectoryError):
            folder = _existing(folder)
            mount = mount_of(folder)
        if self.is_own(mount):
            return own, True
        folder = os.path.realpath(folder)
        tops = [top for top in self._real if _within(folder, top)]
        while folder not in tops:
            above = os.path.dirname(folder)
            if above == folder or mount_of(above) != mount:
                break
            folder = above
        return os.path.join(folder, ELSEWHERE), False

    def is_own(self, mount: Mount) -> bool:
        """Whether it is that of the project's own `.mlorch/tmp`."""
        if self._mount is None:
            self._mount = mount_of(_existing(os.path.join(self.area, "tmp")))
        return mount == self._mount

    def is_temporary(self, folder: str) -> bool:
        """Whether `temporary` could have named this folder for another file system."""
        real = os.path.realpath(folder)
        return os.path.basename(folder) == ELSEWHERE and real == folder and self.contains(real)

    def _inside(self, folder: str) -> bool:
        now = time.monotonic()
        if now > self._until:
            self._folders.clear()
            self._until = now + 1.0
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = self._is_real(folder) or self.contains(os.path.realpath(folder))
        return known

    def _is_real(self, folder: str) -> bool:
        """Whether this is a real folder in one that is inside: a look at each up to one that is known, instead of one
        from `/` on."""
        try:
            while folder.startswith(self.root + "/"):
                if self._folders.get(folder):
                    return True
                if not stat.S_ISDIR(os.lstat(folder).st_mode):
                    return False
                folder = folder.rpartition("/")[0]
        except OSError:
            return False
        return folder == self.root

    def _outside(self, path: str, where: str) -> EnvironmentFault:
        return EnvironmentFault(
            f"`{path}` leads out of the project, to `{where}`",
            "keep it in the project folder, or allow the target under [paths] allow in mlorch.toml",
        )


def read_inside(root: str, path: str) -> bytes:
    """A file of the project, by a root-relative path that a stored document names. Raises OSError; StrangeFile where it
    leads out of the root or is no file."""
    real = os.path.realpath(os.path.join(root, path))
    if not _within(real, os.path.realpath(root)):
        raise files.StrangeFile(errno.ELOOP, "leads out of the project", path)
    return files.read(real)


@lru_cache(maxsize=None)
def _names_descriptors() -> bool:
    return os.path.isdir("/proc/self/fd")


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder if folder.endswith("/") else folder + "/")


def mount_of(folder: str) -> Mount:
    """What a rename can't leave: the file system, and the mount of it, as the same one may be bound in several places."""
    fd = os.open(folder, getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _mount_of_open(fd)
    finally:
        os.close(fd)


def _mount_of_open(fd: int) -> Mount:
    mount = b""
    with contextlib.suppress(OSError):
        info = os.open(f"/proc/self/fdinfo/{fd}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            mount = next(
                (line for line in os.read(info, 4096).splitlines() if line.startswith(b"mnt_id:")), b""
            )
        finally:
            os.close(info)
    return os.fstat(fd).st_dev, mount


def _existing(folder: str) -> str:
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder
