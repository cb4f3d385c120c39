"""What lies in `.mlorch/cache/` and is trusted only if this user's own mlorch wrote it.

A repository may bring a prepared store: entries are sealed with a key that lies in the user's own folder, outside of
any project. Light on purpose: the idle path imports it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Mapping, Optional, Union

from blake3 import blake3

KEY_BYTES = 32
SEAL = 64
"""Characters of a seal."""


def seal(key: bytes, name: str, body: Union[bytes, memoryview]) -> bytes:
    """The seal of an entry. It covers the name too, so that no entry serves for what else was asked."""
    hasher = blake3(key=key)
    hasher.update(name.encode("ascii"))
    hasher.update(body)
    return hasher.hexdigest().encode("ascii")


def keyed(key: bytes, *parts: str) -> str:
    """What stands for texts that must not be read from an entry (a variable may hold a secret)."""
    hasher = blake3(key=key)
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        hasher.update(b"%d:" % len(data))
        hasher.update(data)
    return hasher.hexdigest()


def user_key(root: str, environ: Mapping[str, str], make: bool) -> Optional[bytes]:
    """The user's own key; None where there is none (and can't be one), or others could know it. Raises OSError."""
    folder = user_folder(environ)
    if folder is None or _within(os.path.realpath(folder), os.path.realpath(root)):
        return None
    path = os.path.join(folder, "key")
    if make and not os.path.lexists(path):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        temporary = os.path.join(folder, f"new-{os.urandom(8).hex()}")
        create(temporary, os.urandom(KEY_BYTES), 0o600)
        # Of two processes that make a key at once, the first wins.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        os.unlink(temporary)
    found = os.lstat(path)
    private = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    key = read(path, KEY_BYTES, follow=False) if private else b""
    return key if len(key) == KEY_BYTES else None


def user_folder(environ: Mapping[str, str]) -> Optional[str]:
    """The user's folder for what mlorch may lose; None without a home."""
    top = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(top):
        home = environ.get("HOME", "")
        if not os.path.isabs(home):
            return None
        top = os.path.join(home, ".cache")
    return os.path.join(top, "mlorch")


def read(path: str, largest: int, follow: bool = True) -> bytes:
    """A regular file's bytes. Raises OSError, ValueError for what is none or is larger."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    with os.fdopen(fd, "rb", buffering=0) as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("not a file")
        data = file.read() if found.st_size <= largest else b""
    if max(found.st_size, len(data)) > largest:
        raise ValueError("too large")
    return data


def is_own_folder(store: str, root: str, folder: str) -> bool:
    """Whether an entry may be written to a folder of the store: a repository's `.mlorch` may lead anywhere."""
    if os.path.islink(store) and os.path.dirname(store) == root:
        return False
    whole = os.path.join(store, folder)
    return os.path.isdir(store) and os.path.realpath(whole) == os.path.join(os.path.realpath(store), folder)


def replace(folder: str, name: str, data: bytes, most: int) -> None:
    """Put an entry in a folder, and of its entries keep the newest. Not synced: one that a power cut leaves torn has
    no right seal. Raises OSError."""
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f"new-{os.urandom(8).hex()}")
    try:
        create(temporary, data)
        os.replace(temporary, os.path.join(folder, name))
    finally:
        _unlink(temporary)
    entries = []
    for entry in os.scandir(folder):
        if entry.name.startswith("new-") or len(entry.name.split(".")[0]) == SEAL:
            entries.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path))
    for _, path in sorted(entries)[:-most]:
        _unlink(path)


def create(path: str, data: bytes, mode: int = 0o644) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        file.write(data)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
