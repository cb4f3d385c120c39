"""`.mlorch/kept/`: what mlorch moved out of the way and did not make, or could not make again without
work."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Optional, Sequence

from mlorch.errors import EnvironmentFault
from mlorch.model import Content
from mlorch.store import files, lines, serial
from mlorch.store.contents import Contents
from mlorch.store.paths import AREA, Paths
from mlorch.store.session import Session
from mlorch.store.tree import DIGEST

SCHEMA = "mlorch.kept/1"
BY_DIGEST = "by-digest"


class Kept:
    """Moves things to `kept/<UTC time>-<n>/<original path>` and finds them again by digest."""

    def __init__(self, paths: Paths, session: Session, contents: Contents) -> None:
        self.folder = os.path.join(paths.area, "kept")
        self._paths = paths
        self._session = session
        self._contents = contents

    def take(self, absolute: str, path: str, content: Optional[Content] = None) -> str:
        """Move what stands at `absolute`; `path` is how its place is named. With `content` it is found by
        digest later. Returns the new root-relative path."""
        return self.into(self.fresh(), absolute, path, content)

    def fresh(self) -> str:
        """A new, empty folder for things that are kept together."""
        files.make_folders(self.folder)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        number = 1
        while True:
            folder = os.path.join(self.folder, f"{stamp}-{number}")
            try:
                os.mkdir(folder)
                return folder
            except FileExistsError:
                number += 1

    def into(self, folder: str, absolute: str, path: str, content: Optional[Content] = None) -> str:
        target = os.path.join(folder, path.lstrip("/"))
        files.make_folders(os.path.dirname(target))
        files.move(absolute, target, self._session.name())
        place = self._paths.relative(target)
        if content is not None:
            self._remember(content, place)
        return place

    def find(self, content: Content, exclude: Sequence[str]) -> Optional[str]:
        """Root-relative path of something kept with this content, verified; None where there is none."""
        path = self._hint(content)
        if path is None or not path.startswith(AREA + "/kept/") or ".." in path.split("/"):
            return None
        try:
            return path if self._contents.content(path, exclude) == content else None
        except (OSError, EnvironmentFault):
            return None

    def forget(self, content: Content) -> None:
        files.remove(self._note(content))

    def _remember(self, content: Content, place: str) -> None:
        note = self._note(content)
        files.make_folders(os.path.dirname(note))
        files.write_atomic(
            note, lines.encode({"schema": SCHEMA, "path": place}), self._session.name(), sync=False
        )

    def _hint(self, content: Content) -> Optional[str]:
        if not DIGEST.match(content.digest):
            return None
        with contextlib.suppress(OSError, ValueError):
            note = self._note(content)
            document = serial.load(frozenset([SCHEMA]), files.read(note), f"`{note}`")
            return str(document.get("path"))
        return None

    def _note(self, content: Content) -> str:
        return os.path.join(self.folder, BY_DIGEST, content.digest[7:])
