"""What staging and placing share: the neighbours, looking at what stands somewhere, and putting it away."""

from __future__ import annotations

import os
import stat
import threading
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from mlorch.errors import EnvironmentFault
from mlorch.model import BoundOutput, Content, Digest
from mlorch.store import files
from mlorch.store.aside import Owner
from mlorch.store.contents import Contents
from mlorch.store.displace import Displacer, Survey
from mlorch.store.kept import Kept
from mlorch.store.ledger import Publications
from mlorch.store.objects import Objects
from mlorch.store.paths import Paths
from mlorch.store.temporaries import Temporaries


class Parts(NamedTuple):
    """The neighbours of a workspace."""

    paths: Paths
    objects: Objects
    contents: Contents
    publications: Publications
    kept: Kept
    temporaries: Temporaries
    owner: Callable[[], Owner]
    is_alive: Callable[[Owner], bool]
    readonly: Callable[[], bool]


class Ground:
    """The workspace's ground: parts, and careful moves on them."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.paths = parts.paths
        self.displacer = Displacer(parts.paths, parts.objects, parts.contents, parts.kept)
        self.loose = Loose()

    def standing(self, path: str, exclude: Sequence[str]) -> Optional[Content]:
        """What stands at a path; None also for what can't be an output of ours."""
        try:
            return self.parts.contents.content(path, exclude)
        except (EnvironmentFault, OSError):
            return None

    def fresh(self, path: str) -> str:
        """Absolute path, its folders looked at anew (a step may have put a link in the way)."""
        self.paths.forget(path)
        return self.paths.absolute(path)

    def writable(self) -> None:
        """Raises EnvironmentFault where the store was opened for reading only."""
        if self.parts.readonly():
            raise EnvironmentFault("the store was opened for reading only, so the workspace can't be changed")

    def put_away(self, path: str, absolute: str) -> Tuple[str, ...]:
        """Remove what the store holds whole, move anything else to `kept/`. Returns what was kept."""
        content = self.standing(path, ())
        with self.paths.pinned(absolute) as pinned:
            if content is not None and self.parts.objects.has(content):
                files.remove(pinned)
                return ()
            return (self.parts.kept.take(pinned, path, content),)

    def dispose(self, displaced: str, path: str, survey: Survey) -> Tuple[str, ...]:
        """Dispose of what was moved to a path of `Temporaries.displaced`, and of its folder."""
        kept = self.displacer.dispose(displaced, path, survey)
        files.remove(os.path.dirname(displaced))
        return kept


class Loose:
    """Contents whose only copy is a staged file or folder (`store: false`), by digest."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._found: Dict[Digest, Tuple[str, Content]] = {}

    def add(self, absolute: str, content: Content) -> None:
        with self._guard:
            self._found[content.digest] = (absolute, content)

    def take(self, digest: Digest) -> str:
        """Absolute path of a content, which is forgotten then; empty where none is known."""
        with self._guard:
            return self._found.pop(digest, ("", None))[0]

    def take_at(self, absolute: str) -> Optional[Content]:
        """The content known at a path, which is forgotten then."""
        with self._guard:
            for digest, (path, content) in self._found.items():
                if path == absolute:
                    del self._found[digest]
                    return content
        return None


def outer(outputs: Sequence[BoundOutput]) -> List[BoundOutput]:
    """Without those that lie in another output of the list: they are handled with it."""
    paths = [output.path for output in outputs]
    return [output for output in outputs if not any(output.path.startswith(path + "/") for path in paths)]


def is_empty_folder(absolute: str) -> bool:
    return stat.S_ISDIR(os.lstat(absolute).st_mode) and not os.listdir(absolute)
