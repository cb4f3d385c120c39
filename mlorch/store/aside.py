"""The journal of `stage`: what was taken away from an in-place output, so that it comes back after a failure
or a kill.

One file per path, `tmp/aside/<id>.json`, whole before anything moves; `tmp/aside/<id>` is what was taken.
What a kill leaves of each stage: no entry: nothing moved; an entry whose content is not there: not moved yet
(or dealt with already); both: to be undone.
"""

from __future__ import annotations

import os
from typing import Callable, Iterator, NamedTuple, Optional

from mlorch.digest import digest_bytes
from mlorch.store import files, lines, serial
from mlorch.store.index import blob
from mlorch.store.paths import Paths

SCHEMA = "mlorch.aside/1"


class Owner(NamedTuple):
    """Who staged: a session and the lease's registration file (names, not paths). Alive while either is
    held."""

    session: str
    lease: str


class AsideEntry(NamedTuple):
    path: str
    """The output's root-relative path."""
    content: str
    """Absolute path of what was taken away."""
    present: bool
    """Whether something stood there at all."""
    owner: Owner

    @property
    def has_content(self) -> bool:
        return self.present and os.path.lexists(self.content)


class Asides:
    """The journal of one project.

    Args:
        temporary: gives a free name on the project's file system.
    """

    def __init__(self, paths: Paths, temporary: Callable[[], str]) -> None:
        self._paths = paths
        self._temporary = temporary
        self.folder = os.path.join(paths.area, "tmp", "aside")

    def add(self, path: str, absolute: str, owner: Owner) -> AsideEntry:
        """Journal and take away what stands at an output's path, if anything does."""
        present = os.path.lexists(absolute)
        name = _id(path)
        temporaries, own = self._paths.temporary(absolute)
        content = os.path.join(self.folder, name) if own else os.path.join(temporaries, "aside-" + name)
        entry = AsideEntry(path, content, present, owner)
        files.make_folders(self.folder)
        document = {"schema": SCHEMA, **serial.to_json(entry._asdict()), "owner": list(owner)}
        files.write_atomic(self._entry(path), lines.encode(document), self._temporary(), sync=present)
        if present:
            files.make_folders(os.path.dirname(content))
            with self._paths.pinned(absolute) as pinned:
                files.rename(pinned, content)
        return entry

    def get(self, path: str) -> Optional[AsideEntry]:
        return self._load(self._entry(path))

    def all(self) -> Iterator[AsideEntry]:
        try:
            names = sorted(os.listdir(self.folder))
        except FileNotFoundError:
            return
        for name in names:
            entry = self._load(os.path.join(self.folder, name)) if name.endswith(".json") else None
            if entry is not None:
                yield entry

    def done(self, entry: AsideEntry) -> None:
        """Forget an entry whose content has been dealt with."""
        files.remove(self._entry(entry.path))

    def _load(self, name: str) -> Optional[AsideEntry]:
        """An entry; None where there is none. Raises StoreError for one of another version."""
        try:
            document = serial.load(frozenset([SCHEMA]), files.read(name), f"`{name}`")
            session, lease = document["owner"]
            owner = Owner(str(session), str(lease))
            entry = AsideEntry(
                str(document["path"]), str(document["content"]), bool(document["present"]), owner
            )
        except (FileNotFoundError, NotADirectoryError, files.StrangeFile, ValueError, KeyError, TypeError):
            return None
        return entry if self._is_ours(entry) else None

    def _is_ours(self, entry: AsideEntry) -> bool:
        """Whether `add` could have made it: a journal that a repository brings could name any file to be moved in."""
        folder, base = os.path.split(entry.content)
        name = _id(entry.path)
        own = (folder, base) == (self.folder, name)
        return own or (base == "aside-" + name and self._paths.is_temporary(folder))

    def _entry(self, path: str) -> str:
        return os.path.join(self.folder, _id(path) + ".json")


def _id(path: str) -> str:
    return digest_bytes(blob(path))[7:39]
