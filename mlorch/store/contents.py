"""What stands at a path, by digest. Digests are remembered by (size, mtime, ctime, inode) and distrusted
while a change could have gone unseen: when the file was last touched too short a time before it was digested
(git's "racily clean")."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
import time
from operator import index
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from mlorch.errors import EnvironmentFault
from mlorch.model import Content, Digest, Entry
from mlorch.store import files, serial, tree
from mlorch.store.index import Index, blob, insert, text
from mlorch.store.paths import AREA, Paths
from mlorch.store.seen import FILES, Seen, SeenFolder, file_row, folded, pack, seen_now, unfolded, unpack
from mlorch.store.witness import racy
from mlorch.timing import timed

SETTLE = 1 << 22
"""Files (and folders of up to SETTLEFILES) up to this size are digested again at the end of a run rather
than at the start of the next."""
SETTLEFILES = 1000
FEW = 200
"""So many files are looked up one by one; then all that is known is loaded at once."""


class Contents:
    """Digests of what stands in the workspace. Thread-safe; what it learns is written by `flush`."""

    def __init__(self, paths: Paths, index: Index, clock: Callable[[], int] = time.time_ns) -> None:
        self._paths = paths
        self._index = index
        self._clock = clock
        self._guard = threading.RLock()
        self._files: Optional[Dict[str, bytes]] = None
        """Path -> what was seen there, folded."""
        self._few: Dict[str, Optional[bytes]] = {}
        """What was asked for one by one or learned, until that was more than `FEW`."""
        self._folders: Optional[Dict[str, SeenFolder]] = None
        self._new_files: Dict[str, bytes] = {}
        self._new_folders: Dict[str, SeenFolder] = {}

    @timed("stat")
    def content(self, path: str, exclude: Sequence[str] = ()) -> Optional[Content]:
        """What stands at a root-relative path; None where nothing does. Raises EnvironmentFault for what is
        neither file nor folder, or out of the project; OSError where it can't be read."""
        absolute = self._paths.absolute(path)
        for _ in range(5):
            found = self._paths.stat(absolute)
            if found is None:
                return None
            try:
                if stat.S_ISREG(found.st_mode):
                    return self._file(path, absolute, found)
                if stat.S_ISDIR(found.st_mode):
                    return self._folder(path, absolute, exclude)
            except FileNotFoundError:
                continue  # it changed while we looked: look again
            raise EnvironmentFault(
                f"`{path}` is neither file nor folder",
                "remove it (a socket, pipe or device can't be kept)",
            )
        raise EnvironmentFault(
            f"`{path}` keeps changing while it is read", "wait for what writes it, run again"
        )

    def known(self, path: str, exclude: Sequence[str] = ()) -> Optional[Content]:
        """What was last seen at a path, if its stat still fits, raciness aside; a hint, digests nothing."""
        absolute = self._paths.absolute(path)
        found = self._paths.stat(absolute)
        if found is not None and stat.S_ISREG(found.st_mode):
            seen = self._seen(path)
            if seen is not None and seen._replace(taken=1 << 62).holds(found):
                return _file_content(found, seen.digest)
        elif found is not None and stat.S_ISDIR(found.st_mode):
            folder = self._load_folders().get(_name(path, exclude))
            return folder.content if folder else None
        return None

    def moment(self) -> int:
        """Now, for `note`."""
        return self._clock()

    def note(
        self,
        path: str,
        content: Content,
        exclude: Sequence[str],
        entries: Sequence[Entry],
        taken: int,
        walked: Optional[Sequence[tree.Found]] = None,
    ) -> None:
        """Learn what was put at a path after the moment `taken`. An edit that came between that and this look shows a
        later time, and is not believed to be what was put there.

        Args:
            walked: the members of a folder, seen just before it was put there.
        """
        absolute = self._paths.absolute(path)
        found = self._paths.stat(absolute)
        if found is None:
            return
        if content.kind == "file":
            self._learn_file(path, seen_now(found, content.digest, taken))
            return
        if walked is None:
            walked = tree.walk(absolute, exclude, self._follow)
        digests = {entry.path: entry.digest for entry in entries}
        detail = {
            item.path: seen_now(item.stat, digests.get(item.path, ""), taken)
            for item in walked
            if item.kind == "file"
        }
        self._learn_folder(
            _name(path, exclude), SeenFolder(tree.signature(walked), taken, content, pack(detail))
        )

    def listing(self, path: str, exclude: Sequence[str]) -> Tuple[Content, bytes]:
        """A folder's content with its listing; nothing is taken from memory but unchanged members."""
        absolute = self._paths.absolute(path)
        walked = tree.walk(absolute, exclude, tree.refuse_outside)
        digested = self._digest_members(path, absolute, exclude, walked)
        return tree.folder_content([_entry(item, digested) for item in walked])

    def entries(self, path: str) -> Tuple[List[tree.Found], Dict[str, Digest]]:
        """The members of a folder as walked (a link is a link, wherever it points), and the digest of each
        file."""
        absolute = self._paths.absolute(path)
        walked = tree.walk(absolute, (), tree.leave_outside)
        return walked, {
            name: seen.digest for name, seen in self._digest_members(path, absolute, (), walked).items()
        }

    # -------------------------------------------------------------------------------------------------- files

    def _file(self, path: str, absolute: str, found: os.stat_result) -> Content:
        seen = self._seen(path)
        if seen is None or not seen.holds(found):
            seen, found = self._digest(absolute)
            self._learn_file(path, seen)
        return _file_content(found, seen.digest)

    @timed("digest")
    def _digest(self, absolute: str) -> Tuple[Seen, os.stat_result]:
        """Digest a file that may be changing: the stat is that of the descriptor, before and after."""
        fd = files.open_regular(absolute)
        try:
            for _ in range(5):
                before, taken = os.fstat(fd), self._clock()
                os.lseek(fd, 0, os.SEEK_SET)
                digest = files.digest_fd(fd, before.st_size)
                after = os.fstat(fd)
                if (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
                    after.st_size,
                    after.st_mtime_ns,
                    after.st_ctime_ns,
                ):
                    break
            # still changing: a `taken` of 0 is never believed again
            else:
                taken = 0
            return seen_now(after, digest, taken), after
        finally:
            os.close(fd)

    def _learn_file(self, path: str, seen: Seen) -> None:
        if not _private(path):
            with self._guard:
                data = folded(seen)
                self._new_files[path] = data
                (self._few if self._files is None else self._files)[path] = data

    # ------------------------------------------------------------------------------------------------ folders

    def _folder(self, path: str, absolute: str, exclude: Sequence[str]) -> Content:
        walked = tree.walk(absolute, exclude, self._follow)
        signature, name = tree.signature(walked), _name(path, exclude)
        seen = self._load_folders().get(name)
        if seen is not None and seen.signature == signature and not _any_racy(walked, seen.taken):
            return seen.content
        taken = self._clock()
        digested = self._digest_members(path, absolute, exclude, walked)
        content, _ = tree.folder_content([_entry(item, digested) for item in walked])
        if not _private(path):
            self._learn_folder(name, SeenFolder(signature, taken, content, pack(digested)))
        return content

    def _digest_members(
        self, path: str, absolute: str, exclude: Sequence[str], walked: Sequence[tree.Found]
    ) -> Dict[str, Seen]:
        """A Seen for each file; those of the last look serve again where their stat is the same."""
        old = self._detail(_name(path, exclude))
        result = {}
        for item in walked:
            if item.kind != "file":
                continue
            seen = old.get(item.path)
            if seen is None or not seen.holds(item.stat):
                seen, _ = self._digest(item.target or os.path.join(absolute, item.path))
            result[item.path] = seen
        return result

    def _detail(self, name: str) -> Dict[str, Seen]:
        with self._guard:
            new = self._new_folders.get(name)
        if new is not None:
            return unpack(new.detail)
        rows = self._index.load("select detail from folders where name=?", (blob(name),), unpack)
        return rows[0] if rows else {}

    def _learn_folder(self, name: str, seen: SeenFolder) -> None:
        with self._guard:
            self._load_folders()[name] = seen._replace(detail=b"")
            self._new_folders[name] = seen

    def _follow(self, link: str, target: str) -> Optional[str]:
        """Links of an input folder that lead out of it are followed as far as they stay in the project."""
        real = os.path.realpath(link)
        if not self._paths.contains(real):
            raise EnvironmentFault(
                f"the link `{self._paths.relative(link)}` leads out of the project, to `{target}`",
                "allow the target under [paths] allow in mlorch.toml, or exclude the link",
            )
        return real if os.path.exists(real) else None

    # ------------------------------------------------------------------------------------------------ storage

    def flush(self) -> None:
        """Write what was learned into the index, in one transaction."""
        with self._guard:
            new_files, self._new_files = self._new_files, {}
            new_folders, self._new_folders = self._new_folders, {}
        if not (new_files or new_folders):
            return
        folders = [
            (blob(name), seen.signature, seen.taken, json.dumps(serial.to_json(seen.content)), seen.detail)
            for name, seen in new_folders.items()
        ]

        def work(db: Any) -> None:
            insert(db, "files", _file_rows(new_files))
            insert(db, "folders", folders)

        self._index.write(work)

    def settle(self) -> None:
        """Digest small files anew that were digested too soon after they were written, so that the next run
        need not."""
        now = self._clock()
        with self._guard:
            new = ((path, unfolded(data)) for path, data in self._new_files.items())
            fresh = [(path, seen) for path, seen in new if racy(seen.mtime, seen.ctime, seen.taken)]
            folders = [
                name
                for name, folder in self._new_folders.items()
                if folder.content.bytes <= SETTLE and folder.content.files <= SETTLEFILES
            ]
        for name in folders:
            path, *exclude = name.split("\0")
            with contextlib.suppress(OSError, EnvironmentFault):
                self.content(path, exclude)
        for path, seen in fresh:
            if seen.size <= SETTLE and not racy(seen.mtime, seen.ctime, now):
                with contextlib.suppress(OSError, EnvironmentFault):
                    self.content(path)

    def prune(self) -> None:
        """Forget paths where nothing stands any more."""
        gone = [
            path for path in self._load_files() if not os.path.lexists(os.path.join(self._paths.root, path))
        ]
        names = [
            name
            for name in self._load_folders()
            if not os.path.isdir(os.path.join(self._paths.root, name.split("\0")[0]))
        ]

        def work(db: Any) -> None:
            db.executemany("delete from files where path=?", [(blob(path),) for path in gone])
            db.executemany("delete from folders where name=?", [(blob(name),) for name in names])

        self._index.write(work)

    def _seen(self, path: str) -> Optional[Seen]:
        """What is known of one file. A command that looks at few files does not load what is known of all."""
        if self._files is None:
            with self._guard:
                if self._files is None and (path in self._few or len(self._few) < FEW):
                    if path not in self._few:
                        rows = self._index.load(FILES + " where path=?", (blob(path),), file_row)
                        self._few[path] = rows[0][1] if rows else None
                    return _unfolded(self._few[path])
        return _unfolded(self._load_files().get(path))

    def _load_files(self) -> Dict[str, bytes]:
        if self._files is None:
            with self._guard:
                if self._files is None:
                    found = dict(self._index.load(FILES, (), file_row))
                    found.update((path, seen) for path, seen in self._few.items() if seen is not None)
                    self._files = found
        return self._files

    def _load_folders(self) -> Dict[str, SeenFolder]:
        if self._folders is None:
            with self._guard:
                if self._folders is None:
                    sql = "select name, signature, taken, content from folders"
                    self._folders = dict(self._index.load(sql, (), _folder_row))
        return self._folders


def _unfolded(data: Optional[bytes]) -> Optional[Seen]:
    return unfolded(data) if data is not None else None


def _file_content(found: os.stat_result, digest: Digest) -> Content:
    return Content(digest, "file", found.st_size, 1, bool(found.st_mode & 0o100))


def _file_rows(new: Mapping[str, bytes]) -> Iterator[Tuple[Any, ...]]:
    for path, data in new.items():
        seen = unfolded(data)
        yield (blob(path), *seen[:5], bytes.fromhex(seen.digest[7:]))


def _folder_row(name: bytes, signature: bytes, taken: int, content: str) -> Tuple[str, SeenFolder]:
    found = serial.from_json(Content, json.loads(content))
    if not tree.DIGEST.match(found.digest):
        raise ValueError("not a digest")
    return text(name), SeenFolder(bytes(signature), index(taken), found, b"")


def _entry(item: tree.Found, digested: Dict[str, Seen]) -> Entry:
    if item.kind != "file":
        return Entry(item.path, item.kind, item.target if item.kind == "link" else "")
    seen = digested[item.path]
    return Entry(item.path, "file", seen.digest, seen.size, item.executable)


def _name(path: str, exclude: Sequence[str]) -> str:
    return "\0".join((path, *sorted(exclude)))


def _private(path: str) -> bool:
    return path.startswith(AREA + "/tmp/")


def _any_racy(walked: Sequence[tree.Found], taken: int) -> bool:
    return any(
        racy(item.stat.st_mtime_ns, item.stat.st_ctime_ns, taken) for item in walked if item.kind == "file"
    )
