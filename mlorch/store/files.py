"""The one module that changes files: everything that mlorch writes, renames, copies or removes goes through
here.

Paths are absolute `str` (surrogateescape). Functions raise OSError; the facade turns it into an
`EnvironmentFault`.
"""

# Over 400 lines because nothing else may change files: that is easy to see only while it is one module.

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import stat
import sys
from typing import Any, Callable, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from blake3 import blake3

from mlorch.digest import CHUNK, PREFIX
from mlorch.model import Digest
from mlorch.store.faults import cut, cutting, fault

SMALL = 1 << 16
"""Up to this many bytes a file is copied by one read and one write."""

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_FICLONE = 0x40049409
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_umask = os.umask(0o022)
os.umask(_umask)


def _symbol(name: str) -> Optional[Callable[..., int]]:
    try:
        return getattr(ctypes.CDLL(None, use_errno=True), name)  # type: ignore[no-any-return]
    except (AttributeError, OSError):
        return None


_renameat2 = _symbol("renameat2") if sys.platform == "linux" else None
_syncfs = _symbol("syncfs") if sys.platform == "linux" else None


class StrangeFile(OSError):
    """What stands where a file of ours belongs is none: a link, a pipe, a device, a folder."""


class ReadError(OSError):
    """A source that was opened can't be read (a bad block): told apart from trouble with what is written."""


# ---------------------------------------------------------------------------------------------------- writing


def write_all(fd: int, data: Union[bytes, memoryview]) -> None:
    fault("write")
    view = memoryview(data)
    while view:
        view = view[os.write(fd, cut(view)) :]


def write_new(path: str, data: bytes, mode: int = 0o644, sync: bool = False) -> None:
    """Write a file that must not exist yet."""
    fault("create")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        write_all(fd, data)
        if sync:
            fault("sync")
            os.fsync(fd)
    finally:
        os.close(fd)


def write_atomic(path: str, data: bytes, temporary: str, sync: bool = True, mode: int = 0o644) -> None:
    """Replace `path` by a whole new version; `temporary` is a free name on the same file system."""
    try:
        write_new(temporary, data, mode, sync)
        rename(temporary, path)
    except OSError:
        remove(temporary)
        raise
    if sync:
        sync_folder(os.path.dirname(path))


def append(path: str, data: bytes, sync: bool = False) -> None:
    """Append in one write; after a torn last line it begins with a line end."""
    fault("open")
    fd = open_own(path, append=True)
    try:
        end = os.fstat(fd).st_size
        if end and os.pread(fd, 1, end - 1) != b"\n":
            data = b"\n" + data
        write_all(fd, data)
        if sync:
            fault("sync")
            os.fsync(fd)
    finally:
        os.close(fd)


def read(path: str, follow: bool = False) -> bytes:
    """A whole file. Never waits at a FIFO; raises StrangeFile for a link (unless `follow`) and for what is no file."""
    with open(open_regular(path, follow), "rb", buffering=0) as file:
        return file.readall()


def make_folders(path: str) -> None:
    """Make a folder and those above it; mostly it is there, or only the last of them is missing."""
    fault("mkdir")
    try:
        os.mkdir(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)


def make_folder(path: str) -> bool:
    """Make one folder in one that is there; False where something has its name."""
    fault("mkdir")
    try:
        os.mkdir(path)
    except FileExistsError:
        return False
    return True


def remove_folder(path: str) -> bool:
    """Remove an empty folder; False where it is none."""
    fault("remove")
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.ENOENT):
            return False
        raise
    return True


# --------------------------------------------------------------------------------------------------- renaming


def rename(source: str, target: str) -> None:
    fault("rename")
    os.rename(source, target)


def rename_new(source: str, target: str) -> None:
    """Rename to a name that must be free. Raises FileExistsError where something stands there."""
    fault("rename")
    if _renameat2 is None or not _rename_flags(source, target, _RENAME_NOREPLACE):
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        os.rename(source, target)


def exchange(first: str, second: str) -> bool:
    """Let two paths change places atomically; False where the system can't (nothing has changed then)."""
    fault("exchange")
    return _renameat2 is not None and _rename_flags(first, second, _RENAME_EXCHANGE)


def _rename_flags(source: str, target: str, flags: int) -> bool:
    assert _renameat2 is not None
    if _renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flags) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), source, None, target)


def move(source: str, target: str, temporary: str) -> None:
    """Rename, or across file systems copy whole (to `temporary`, beside `target`'s file system), rename,
    then remove."""
    try:
        rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        if os.path.isdir(source) and not os.path.islink(source):
            shutil.copytree(source, temporary, symlinks=True)
        else:
            shutil.copy2(source, temporary, follow_symlinks=False)
        rename(temporary, target)
        remove(source)


def remove(path: str) -> None:
    """Remove a file, link or whole folder, read-only folders in it too; what is not there is fine."""
    try:
        fault("remove")
        os.unlink(path)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        if not os.path.isdir(path) or os.path.islink(path):
            raise
        try:
            os.rmdir(path)  # mostly an empty one: a whole search of it takes ten times as long
        except OSError:
            shutil.rmtree(path, onerror=_open_up)


def _open_up(function: Callable[..., Any], path: str, info: Any) -> None:
    """A folder without write permission (a step may leave one) is opened, then removed."""
    if isinstance(info[1], FileNotFoundError):
        return
    for folder in (os.path.dirname(path), path):
        if os.path.isdir(folder) and not os.path.islink(folder):
            os.chmod(folder, 0o700)
    if function is os.unlink or function is os.rmdir:
        function(path)
    else:
        shutil.rmtree(path)


def remove_empty_parents(path: str, top: str) -> None:
    """Remove the folders between `path` and `top` that are empty, through no link."""
    parts = os.path.dirname(path)[len(top) + 1 :].split("/") if path.startswith(top + "/") else []
    with contextlib.suppress(OSError), _descended(top, list(filter(None, parts)), None) as opened:
        for fd, name in zip(opened[-2::-1], reversed(parts)):
            fault("remove")
            os.rmdir(name, dir_fd=fd)


# --------------------------------------------------------------------------------------- folders by descriptors


Check = Callable[[str], None]
"""Gets the real path of a folder that a link led to; raises where it must not be used."""


def make_folders_below(folder: str, top: str, check: Check) -> None:
    """Make a folder and those between it and `top`, each in the one above as it was opened: a folder that is swapped for a
    link meanwhile leads nowhere else."""
    if not os.path.isdir(top):
        make_folders(top)
    with _descended(top, folder[len(top) + 1 :].split("/") if folder != top else [], check):
        return


@contextlib.contextmanager
def _descended(top: str, parts: Sequence[str], check: Optional[Check]) -> Iterator[List[int]]:
    """Descriptors of `top` and of the folders below it; with a `check` they are made, and links followed."""
    opened = [os.open(top, _FOLDER)]
    try:
        for name in parts:
            opened.append(_into(opened[-1], name, check))
        yield opened
    finally:
        for fd in opened:
            os.close(fd)


def _into(above: int, name: str, check: Optional[Check]) -> int:
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
    except FileNotFoundError:
        if check is None:
            raise
        fault("mkdir")
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=above)
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
    except OSError as error:
        if check is None or error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
    fd = os.open(name, _FOLDER, dir_fd=above)
    try:
        check(os.readlink(f"/proc/self/fd/{fd}"))
    except BaseException:
        os.close(fd)
        raise
    return fd


# ---------------------------------------------------------------------------------------------------- copying


def hasher(size: int) -> Any:
    """A BLAKE3 state; large content is digested on all cores."""
    return blake3(max_threads=blake3.AUTO) if size > 1 << 26 else blake3()


def open_regular(path: str, follow: bool = True) -> int:
    """A descriptor of a regular file for reading. Never waits at a FIFO; raises StrangeFile for what is no file."""
    fault("open")
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    return _regular(path, flags, 0)[0]


def open_folder(path: str) -> int:
    """A descriptor of a folder, for `open_member`; not of what a link leads to."""
    return os.open(path, _FOLDER | os.O_NOFOLLOW)


def open_member(name: str, folder: int) -> Tuple[int, os.stat_result]:
    """As `open_regular`, of a file in an open folder, not through a link; with what it is."""
    fault("open")
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    return _regular(name, flags, 0, folder)


def _regular(path: str, flags: int, mode: int, folder: Optional[int] = None) -> Tuple[int, os.stat_result]:
    try:
        fd = os.open(path, flags, mode, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise StrangeFile(error.errno, "is a link or a socket, not a regular file", path) from error
        raise
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        os.close(fd)
        raise StrangeFile(errno.EINVAL, "is not a regular file", path)
    return fd, found


def open_own(path: str, append: bool = False) -> int:
    """A descriptor of a file of ours for reading and writing, made if need be. Raises StrangeFile for what is none."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    return _regular(path, flags | (os.O_APPEND if append else 0), 0o644)[0]


def digest_fd(fd: int, size: int) -> Digest:
    """Digest from the descriptor's position to its end; memory does not grow with the size."""
    if size <= SMALL:
        return PREFIX + str(blake3(read_whole(fd, size)).hexdigest())
    state = hasher(size)
    for view in views(fd, size):
        state.update(view)
    return PREFIX + str(state.hexdigest())


def views(fd: int, size: int) -> Iterator[memoryview]:
    """What is read, in one buffer: each view holds only until the next is asked for."""
    buffer = bytearray(CHUNK * 4 if size > 1 << 26 else CHUNK)
    view = memoryview(buffer)
    while True:
        try:
            fault("read")
            count = os.readv(fd, [buffer])
        except OSError as error:
            raise ReadError(error.errno, error.strerror) from error
        if not count:
            return
        yield view[:count]


def read_whole(fd: int, size: int) -> bytes:
    """What a small file holds from the descriptor's position on, mostly by one read: one that brings as much as the file is
    long, and no more, was the last. Raises ReadError."""
    try:
        fault("read")
        data = os.read(fd, size + 1)
    except OSError as error:
        raise ReadError(error.errno, error.strerror) from error
    return data if len(data) == size else data + b"".join(blocks(fd))


def blocks(fd: int) -> Iterator[bytes]:
    while True:
        try:
            fault("read")
            block = os.read(fd, CHUNK)
        except OSError as error:
            raise ReadError(error.errno, error.strerror) from error
        if not block:
            return
        yield block


def copy_digested(source: str, target: str, mode: int, follow: bool = True) -> Tuple[Digest, int]:
    """Copy a file (by reflink where the file system has it) to a new path; returns digest and size of what
    was written, so that a source which changes meanwhile can't give content under a false digest."""
    fd = open_regular(source, follow)
    try:
        return copy_open(fd, target, mode)
    finally:
        os.close(fd)


def copy_open(fd: int, target: str, mode: int) -> Tuple[Digest, int]:
    """As `copy_digested`, from a descriptor. Raises ReadError where the source can't be read."""
    fault("copy")
    out = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode | 0o200)
    try:
        size = os.fstat(fd).st_size
        if size > SMALL and _reflink(fd, out):
            copied = digest_fd(out, size), os.fstat(out).st_size
        else:
            copied = _copy_blocks(fd, out, size)
        if mode != (mode | 0o200) & ~_umask:
            os.fchmod(out, mode)
        return copied
    except BaseException:
        remove(target)
        raise
    finally:
        os.close(out)


def digest_twin(fd: int, size: int, target: str, mode: int) -> Digest:
    """Digest a file that can't change from its begin to its end and write the same bytes to a new path, reading them once. Raises
    ReadError where the source can't be read, any other OSError where the copy can't be written (it is gone then)."""
    fault("copy")
    out = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode | 0o200)
    try:
        cloned = size > SMALL and _reflink(fd, out)
        digest = digest_fd(fd, size) if cloned else _copy_blocks(fd, out, size, settled=True)[0]
        if mode != (mode | 0o200) & ~_umask:
            os.fchmod(out, mode)
        return digest
    except BaseException:
        remove(target)
        raise
    finally:
        os.close(out)


def write_twin(data: bytes, target: str, mode: int) -> None:
    """As `digest_twin`, of a small file that was read and digested already."""
    fault("copy")
    try:
        write_new(target, data, mode)
    except BaseException:
        remove(target)
        raise


def _copy_blocks(fd: int, out: int, size: int, settled: bool = False) -> Tuple[Digest, int]:
    """
    Args:
        settled: nobody can change the source, so that what was digested is what stands there when it is copied.
    """
    state, written = hasher(size), 0
    if size > SMALL:
        for view in views(fd, size):
            state.update(view)
            write_all(out, view[_copied_within(fd, out, written, len(view)) if settled else 0 :])
            written += len(view)
        return PREFIX + str(state.hexdigest()), written
    for block in blocks(fd):
        state.update(block)
        write_all(out, block)
        written += len(block)
        if size and len(block) == size == written <= SMALL:
            break  # whole: no read needed to learn of its end
    return PREFIX + str(state.hexdigest()), written


def _copied_within(fd: int, out: int, offset: int, count: int) -> int:
    """Copy from an offset to the end of another file within the system, which takes half as long as a write of what was read;
    returns how much of it was, 0 where the system has no such call."""
    copied = 0
    if cutting() or not hasattr(os, "copy_file_range"):
        return 0
    while copied < count:
        try:
            done = os.copy_file_range(fd, out, count - copied, offset + copied)
        except OSError as error:
            if error.errno in (errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM):
                break
            raise
        if not done:
            break
        copied += done
    return copied


def _reflink(fd: int, out: int) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(out, _FICLONE, fd)
        return True
    except OSError:
        return False


def has_writer(fd: int) -> bool:
    """Whether somebody holds this file open for writing (a read lease is refused then). Unknown counts as
    no."""
    import fcntl

    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def normal_mode(executable: bool) -> int:
    """Mode of a file in the workspace."""
    return (0o777 if executable else 0o666) & ~_umask


# ---------------------------------------------------------------------------------------------------- syncing


def sync_batch(paths: Sequence[str], folder: str) -> None:
    """Make files (or folders) of one file system durable: one `syncfs` for several, `fsync` for one."""
    if not paths:
        return
    fault("sync")
    if len(paths) > 1 and _sync_all(folder):
        return
    for path in paths:
        _fsync(path)


def _sync_all(folder: str) -> bool:
    """Make the file system of a folder durable; False where the system can't do one alone."""
    if _syncfs is None:
        return False
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _syncfs(fd) == 0:
            return True
        code = ctypes.get_errno()
        if code != errno.ENOSYS:
            raise OSError(code, os.strerror(code), folder)
        return False
    finally:
        os.close(fd)


def sync_folder(path: str) -> None:
    fault("sync")
    _fsync(path)


def sync_folders(paths: Iterable[str], top: str) -> None:
    """Make names durable: of the given folders, and of those above them up to `top`."""
    paths = list(paths)
    if not paths:
        return
    fault("sync")
    if _sync_all(top):
        return
    wanted = set()
    for path in paths:
        while path.startswith(top) and path not in wanted:
            wanted.add(path)
            path = os.path.dirname(path)
    for path in sorted(wanted, reverse=True):
        _fsync(path)


def _fsync(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_system(folder: str) -> None:
    """Make everything on the file system of a folder durable."""
    fault("sync")
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _syncfs is None or _syncfs(fd) != 0:
            os.sync()
    finally:
        os.close(fd)


def utime_now(path: str) -> None:
    os.utime(path)
