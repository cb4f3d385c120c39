"""Objects: content by digest, at `objects/ab/cdef…`, read-only, whole or not there at all."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import Dict, Iterator, List, NamedTuple, NoReturn, Optional, Sequence, Tuple

from mlorch.digest import digest_bytes
from mlorch.errors import CorruptObject, EnvironmentFault, StoreError
from mlorch.model import Content, Digest, Entry
from mlorch.store import files, tree
from mlorch.store.session import Session, hold
from mlorch.store.twins import Twins, Wholes

MODE = 0o444
BUSY = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.ENOSPC)
"""Errors that say nothing about the object."""


class Pending(NamedTuple):
    """An object that is whole, but not yet durable and not yet under its name."""

    temporary: str
    bytes: int


class Objects:
    """The objects of a store. Thread-safe."""

    def __init__(self, path: str, session: Session, readonly: bool) -> None:
        self.path = os.path.join(path, "objects")
        self._quarantine = os.path.join(path, "quarantine")
        self._gc_lock = os.path.join(path, "locks", "gc")
        self._session = session
        self.readonly = readonly
        self._guard = threading.Lock()
        self._pending: Dict[Digest, Pending] = {}
        self._installing: Dict[Digest, Pending] = {}
        self.twins = Twins()
        self.wholes = Wholes()
        self._gc_fd: Optional[int] = None
        self._listings: Dict[Digest, Tuple[Entry, ...]] = {}

    # ------------------------------------------------------------------------------------------------ looking

    def place_of(self, digest: Digest) -> str:
        """Where an object belongs. Raises StoreError for what is no digest (it may come from a foreign
        record)."""
        if not tree.DIGEST.match(digest):
            raise StoreError(f"`{digest[:80]}` is not a digest; expected blake3: and 64 hexadecimal digits")
        return f"{self.path}/{digest[7:9]}/{digest[9:]}"

    def locate(self, digest: Digest) -> str:
        with self._guard:
            pending = self._pending.get(digest) or self._installing.get(digest)
        if pending is not None and os.path.exists(pending.temporary):
            return pending.temporary
        return self.place_of(digest)

    def size(self, digest: Digest) -> Optional[int]:
        """Bytes of an object; None where no regular file stands there."""
        try:
            found = os.lstat(self.locate(digest))
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def has(self, content: Content) -> bool:
        if content.kind == "file":
            return self.size(content.digest) == content.bytes
        if self.size(content.digest) is None:
            return False
        try:
            entries = self.members(content.digest)
        except StoreError:
            return False
        return all(entry.kind != "file" or self.size(entry.digest) == entry.bytes for entry in entries)

    def members(self, digest: Digest) -> Tuple[Entry, ...]:
        """Members of a folder object; the last few listings stay in memory. Raises CorruptObject."""
        with self._guard:
            known = self._listings.get(digest) or self.wholes.entries(digest)
        if known is not None and self.size(digest) is not None:
            return known
        data = self.read(digest)
        try:
            entries = tree.parse_listing(data)
        except (ValueError, TypeError, KeyError) as error:
            raise CorruptObject(digest, f"`{digest}` is not a folder: {error}") from error
        with self._guard:
            if len(self._listings) >= 16:
                self._listings.pop(next(iter(self._listings)))
            if len(entries) <= 10_000:
                self._listings[digest] = entries
        return entries

    def subfolder(self, digest: Digest, path: str) -> Content:
        """Content of a folder inside a folder object. Raises StoreError where it holds no such folder."""
        path = path.strip("/")
        entries = self.members(digest)
        inside = [entry for entry in entries if entry.path.startswith(path + "/")]
        if not inside and not any(entry.path == path and entry.kind == "folder" for entry in entries):
            raise StoreError(f"the folder `{digest}` holds no folder `{path}`")
        return tree.folder_content([replace(entry, path=entry.path[len(path) + 1 :]) for entry in inside])[0]

    def read(self, digest: Digest) -> bytes:
        """Bytes of an object, verified. Raises CorruptObject."""
        fd = self._open(digest)
        try:
            data = b"".join(files.blocks(fd))
        except files.ReadError as error:
            self._unreadable(digest, error)
        finally:
            os.close(fd)
        if digest_bytes(data) != digest:
            self.reject(digest, "does not hold what its digest says")
        return data

    def copy_to(self, digest: Digest, target: str, mode: int) -> None:
        """Copy an object to a new path, verified while it is read. Raises CorruptObject; `target` is gone
        then."""
        if self.twins.take(digest, target, mode):
            return
        fd = self._open(digest)
        try:
            found, _ = files.copy_open(fd, target, mode)
        except files.ReadError as error:
            self._unreadable(digest, error)
        finally:
            os.close(fd)
        if found != digest:
            files.remove(target)
            self.reject(digest, "does not hold what its digest says")

    def check(self, digest: Digest) -> Optional[str]:
        """What is wrong with an object, by a whole new digest of it; None if nothing is."""
        try:
            fd = files.open_regular(self.place_of(digest), follow=False)
        except OSError as error:
            return (
                "is missing" if isinstance(error, FileNotFoundError) else f"can't be read: {error.strerror}"
            )
        try:
            found = files.digest_fd(fd, os.fstat(fd).st_size)
        except OSError as error:
            return f"can't be read: {error.strerror}"
        finally:
            os.close(fd)
        return None if found == digest else "does not hold what its digest says"

    def _open(self, digest: Digest) -> int:
        path = self.locate(digest)
        try:
            return files.open_regular(path, follow=False)
        except FileNotFoundError as error:
            raise CorruptObject(
                digest,
                f"the object `{digest}` is missing from the store",
                "run again: it is made anew",
            ) from error
        except OSError as error:
            self._unreadable(digest, error)

    def _unreadable(self, digest: Digest, error: OSError) -> NoReturn:
        """An object that can't be read is as good as lost, unless the reason lies with this process."""
        if error.errno in BUSY:
            raise error
        self.reject(digest, f"can't be read: {error.strerror}", error)

    def reject(self, digest: Digest, what: str, cause: Optional[BaseException] = None) -> NoReturn:
        """Put an object out of reach and say so. Raises CorruptObject."""
        where = self.quarantine(digest)
        note = f"; it was moved to `{where}`" if where else ""
        raise CorruptObject(
            digest, f"the object `{digest}` {what}{note}", "run again: it is made anew"
        ) from cause

    def quarantine(self, digest: Digest) -> Optional[str]:
        """Move an object to `quarantine/`; returns where it is, None where nothing could be moved."""
        if self.readonly:
            return None
        with self._guard:
            self._pending.pop(digest, None)
            self._listings.pop(digest, None)
        target = os.path.join(self._quarantine, f"{digest[7:]}-{os.path.basename(self._session.name())}")
        try:
            files.make_folders(self._quarantine)
            target += "-" + self._session.token
            files.rename(self.locate(digest), target)
        except OSError:
            return None
        return target

    # ------------------------------------------------------------------------------------------------- adding

    def temporary(self) -> str:
        """A free path on the file system of the objects, of this session."""
        self._writable()
        return self._session.name()

    def add_bytes(self, data: bytes) -> Digest:
        self._writable()
        digest = digest_bytes(data)
        if not self._known(digest, len(data)):
            temporary = self._session.name()
            files.write_new(temporary, data, MODE)
            self._offer(digest, Pending(temporary, len(data)))
        return digest

    def add_open(self, fd: int, size: int) -> Tuple[Digest, int]:
        """Make a copy of an open file an object. Returns digest and bytes."""
        if size <= files.SMALL:
            data = files.read_whole(fd, size)
            return self.add_bytes(data), len(data)
        self._writable()
        temporary = self._session.name()
        digest, size = files.copy_open(fd, temporary, MODE)
        self._settle(digest, Pending(temporary, size))
        return digest, size

    def add_file(self, path: str, move: bool) -> Tuple[Digest, int]:
        """Make a file an object, by moving it where that is safe, else by a copy. Returns digest and
        bytes."""
        self._writable()
        temporary = self._session.name()
        taken = self._take(path, temporary) if move else None
        if taken is not None:
            return taken
        digest, size = files.copy_digested(path, temporary, MODE)
        self._settle(digest, Pending(temporary, size))
        return digest, size

    def _settle(self, digest: Digest, pending: Pending) -> None:
        if self._known(digest, pending.bytes):
            files.remove(pending.temporary)
        else:
            self._offer(digest, pending)

    def _take(self, path: str, temporary: str) -> Optional[Tuple[Digest, int]]:
        """Move a file in, unless another name, link or writer could still change it; returns its digest and bytes."""
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_uid != os.geteuid():
            return None
        try:
            files.rename(path, temporary)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return None
        os.chmod(temporary, MODE)
        fd = files.open_regular(temporary, follow=False)
        try:
            if not files.has_writer(fd):
                pending = Pending(temporary, os.fstat(fd).st_size)
                return self._digest(
                    fd, pending, files.normal_mode(bool(found.st_mode & 0o100))
                ), pending.bytes
        finally:
            os.close(fd)
        os.chmod(temporary, stat.S_IMODE(found.st_mode))
        files.rename(temporary, path)
        return None

    def _digest(self, fd: int, pending: Pending, mode: int) -> Digest:
        """Digest an object to be and offer it, with a copy of it. Where the store has that content already, a small file is
        its own copy: no other is made only to be removed."""
        if pending.bytes <= files.SMALL:
            data = files.read_whole(fd, pending.bytes)
            digest = digest_bytes(data)
            if self._known(digest, pending.bytes):
                os.chmod(pending.temporary, mode)
                self.twins.add(digest, pending.temporary, mode)
                return digest
            path = self._session.name()
            files.write_twin(data, path, mode)
            self.twins.add(digest, path, mode)
            self._offer(digest, pending)
            return digest
        path = self._session.name()
        digest = files.digest_twin(fd, pending.bytes, path, mode)
        self.twins.add(digest, path, mode)
        self._settle(digest, pending)
        return digest

    def _known(self, digest: Digest, size: int) -> bool:
        """Whether the object is there already. It is touched then, so that a `gc` under way spares it."""
        with self._guard:
            if digest in self._pending or digest in self._installing:
                return True
            place = self.place_of(digest)
            try:
                found = os.lstat(place)
                if found.st_size != size or not stat.S_ISREG(found.st_mode):
                    return False
                with self._sparing():
                    files.utime_now(place)
            except OSError:
                return False
        return True

    @contextmanager
    def _sparing(self) -> Iterator[None]:
        """Held against the sweep of `gc` (which holds the same lock alone)."""
        if self._gc_fd is None:
            files.make_folders(os.path.dirname(self._gc_lock))
            self._gc_fd = hold(self._gc_lock, shared=True)
        else:
            fcntl.flock(self._gc_fd, fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._gc_fd, fcntl.LOCK_UN)

    def _offer(self, digest: Digest, pending: Pending) -> None:
        with self._guard:
            earlier = self._pending.setdefault(digest, pending)
        if earlier is not pending:
            files.remove(pending.temporary)

    def _writable(self) -> None:
        if self.readonly:
            raise EnvironmentFault("the store was opened for reading only, so nothing can be added to it")
        self._session.folder()  # from here on a `gc` sees that this process lives

    # --------------------------------------------------------------------------------------------- committing

    def take(self) -> Dict[Digest, Pending]:
        """All that was added since the last commit. `install` or `give_back` must follow."""
        with self._guard:
            self._installing, self._pending = self._pending, {}
            return dict(self._installing)

    def give_back(self) -> None:
        with self._guard:
            self._pending.update(self._installing)
            self._installing = {}

    def install(self, taken: Dict[Digest, Pending]) -> List[str]:
        """Put synced objects under their names; returns the folders whose names changed."""
        folders = set()
        for digest, pending in taken.items():
            place = self.place_of(digest)
            folder = place.rpartition("/")[0]
            folders.add(folder)
            try:
                files.rename(pending.temporary, place)
            except FileNotFoundError:
                # the first of its folder; or it was put into quarantine meanwhile
                files.make_folders(folder)
                if os.path.exists(pending.temporary):
                    files.rename(pending.temporary, place)
        with self._guard:
            self._installing = {}
        return sorted(folders)

    def all(self) -> Iterator[Tuple[Digest, os.stat_result]]:
        """Every object under its name, in no order; strays are left out."""
        for first in _names(self.path):
            folder = os.path.join(self.path, first)
            for name in _names(folder):
                digest = "blake3:" + first + name
                if tree.DIGEST.match(digest):
                    try:
                        yield digest, os.lstat(os.path.join(folder, name))
                    except FileNotFoundError:
                        continue

    def drop_pending(self) -> None:
        """Forget what was added and not committed (its temporaries go with the session)."""
        with self._guard:
            self._pending.clear()
        self.twins.clear()
        self.wholes.clear()

    def close(self) -> None:
        if self._gc_fd is not None:
            os.close(self._gc_fd)
            self._gc_fd = None


def _names(folder: str) -> Sequence[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return ()
