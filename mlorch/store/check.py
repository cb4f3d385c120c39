"""Whether a store can live in a folder: local file system, working locks, a known format."""

from __future__ import annotations

import errno
import os
import re
from typing import List, Optional

from mlorch.asking import each_time
from mlorch.errors import StoreError
from mlorch.store import files

FORMAT = "mlorch.store/1"
REMOTE = frozenset(["nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "fuse.sshfs"])
FOREIGN = frozenset(["quarantine", "kept"])
"""Folders that hold what others made."""
HINT = 'put the store on a local disk: `path = "/a/local/folder"` under [store] in mlorch.toml ([store] path)'


def check_format(path: str) -> bool:
    """Whether the folder holds a store of our format. Raises StoreError for an unknown one."""
    try:
        found = files.read(os.path.join(path, "format")).decode("utf-8", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if found != FORMAT:
        raise StoreError(
            f"the store `{path}` has the format `{found[:80]}`, and this mlorch knows `{FORMAT}`",
            "use the mlorch that made it, or name another folder as [store] path in mlorch.toml",
        )
    return True


@each_time
def refuse_links(path: str) -> None:
    """Raises StoreError where a folder of the store is a link: what a repository brings along must not lead elsewhere.

    Folders of the first two levels are looked at; what lies deeper is opened, made and removed without following.
    """
    for entry in _scan(path):
        if entry.is_symlink():
            raise _linked(entry.path)
        if entry.name not in FOREIGN and entry.is_dir(follow_symlinks=False):
            for inner in _scan(entry.path):
                if inner.is_symlink() and os.path.isdir(inner.path):
                    raise _linked(inner.path)


def _scan(path: str) -> List[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _linked(path: str) -> StoreError:
    return StoreError(
        f"`{path}` is a symbolic link, and a store has none",
        "remove it if you did not make it; to keep the store elsewhere name a folder as [store] path in mlorch.toml",
    )


def prepare(path: str) -> None:
    """Make the folder a store. It tells git to ignore itself. Raises StoreError, OSError."""
    check_local(path)
    if check_format(path):
        return
    files.make_folders(os.path.join(path, "tmp"))
    token = os.path.join(path, "tmp", f"format-{os.getpid()}")
    if not os.path.lexists(os.path.join(path, ".gitignore")):
        files.write_atomic(os.path.join(path, ".gitignore"), b"*\n", token, sync=False)
    files.write_atomic(os.path.join(path, "format"), FORMAT.encode() + b"\n", token)


def check_local(path: str) -> None:
    """Raises StoreError on a network file system, where locks and renames can't be relied on."""
    try:
        mounts = files.read("/proc/self/mounts").decode("utf-8", "surrogateescape")
    except OSError:
        return
    kind = mount_kind(os.path.realpath(path), mounts)
    if kind in REMOTE:
        raise StoreError(
            f"the store `{path}` is on a network file system ({kind}), which is not supported", HINT
        )


def mount_kind(path: str, mounts: str) -> Optional[str]:
    """File system type of the mount that a real path lies on, from the text of /proc/self/mounts."""
    best, kind = -1, None
    for line in mounts.splitlines():
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), parts[1])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:
            best, kind = len(point), parts[2]
    return kind


def lock_error(path: str, error: OSError) -> Optional[StoreError]:
    """What an error of flock means, where it means that the file system has no locks."""
    if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
        return StoreError(f"the file system of `{path}` has no working locks (flock)", HINT)
    return None
