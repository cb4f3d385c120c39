"""Outputs in the project's own folders: put in place atomically, moved aside, never destroyed."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import AbstractSet, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from mlorch.errors import CorruptObject, EnvironmentFault, MachineFault
from mlorch.model import Artifact, BoundOutput, Content, Entry
from mlorch.ports import Placed, Publication
from mlorch.store import files, folders
from mlorch.store.git import GitIndex
from mlorch.store.ground import Ground, Parts
from mlorch.store.objects import Objects
from mlorch.store.paths import Mount
from mlorch.store.staging import STAGING, Staging
from mlorch.store.translate import translated
from mlorch.store.tree import Found


class Built(NamedTuple):
    """What was made to be put in place."""

    entries: Tuple[Entry, ...]
    """Of a folder."""
    taken: int
    """When it was known to be that."""
    walked: Optional[Sequence[Found]] = None
    """Its members as they were seen then."""


class LocalWorkspace:
    """See `mlorch.ports.Workspace`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._paths = parts.paths
        self._ground = Ground(parts)
        self._staging = Staging(self._ground)
        self._git = GitIndex(parts.paths.root)
        self._to_sync: Dict[int, str] = {}

    # ------------------------------------------------------------------------------------------------ staging

    @translated
    def stage(
        self, outputs: Sequence[BoundOutput], publications: Mapping[str, Publication]
    ) -> Tuple[str, ...]:
        return self._staging.stage(outputs, publications)

    @translated
    def unstage(self, outputs: Sequence[BoundOutput]) -> Tuple[str, ...]:
        return self._staging.unstage(outputs)

    @translated
    def settle(self, outputs: Sequence[BoundOutput]) -> Tuple[str, ...]:
        return self._staging.settle(outputs)

    @translated
    def recover(self) -> Tuple[str, ...]:
        return self._staging.recover()

    @translated
    def sweep(self) -> Tuple[str, ...]:
        """Remove the temporaries of the dead. Returns what was kept of them."""
        return self._staging.sweep()

    def dead_staging(self) -> List[str]:
        """Staging folders whose run (and every step of it) is gone."""
        return self._staging.dead_staging()

    # ------------------------------------------------------------------------------------------------ placing

    def loose(self, absolute: str, content: Content) -> None:
        """Learn that the only copy of a content (`store: false`) is a staged file or folder."""
        if absolute.startswith(os.path.join(self._paths.area, STAGING) + "/"):
            self._ground.loose.add(absolute, content)

    @translated
    def place(self, artifact: Artifact, publication: Publication) -> Placed:
        self._ground.writable()
        target = self._ground.fresh(artifact.path)
        if self._ground.standing(artifact.path, artifact.exclude) == artifact.content:
            self._parts.publications.add(publication)
            self._parts.objects.twins.drop(artifact.content.digest)
            self._parts.objects.wholes.drop(artifact.content.digest)
            return Placed(False)
        kept = self._make_parents(artifact.path, target)
        folder, base = os.path.split(target)
        with self._paths.pin(folder) as pin:
            temporary, built = self._build(artifact, target, pin.mount)
            kept += self._swap(temporary, os.path.join(pin.name, base), publication)
            self._to_sync.setdefault(pin.mount[0], folder)
        self._parts.contents.note(artifact.path, artifact.content, artifact.exclude, *built)
        self._parts.publications.add(publication)
        return Placed(True, kept)

    @translated
    def would_keep(self, path: str, publication: Optional[Publication]) -> bool:
        return self._ground.displacer.has_strange(path, publication)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        with self._parts.publications.together(), self._paths.keeping_pins():
            yield

    def _build(self, artifact: Artifact, target: str, mount: Mount) -> Tuple[str, Built]:
        """Make the content at a temporary path on the mount of its target, verified. Raises CorruptObject."""
        content = artifact.content
        if content.kind == "file" and self._parts.temporaries.shares(mount):
            twin = self._parts.objects.twins.hand(content.digest, files.normal_mode(content.executable))
            if twin is not None:
                return twin, Built((), self._parts.contents.moment())
        temporary = self._parts.temporaries.beside(target, mount)
        whole = self._parts.objects.wholes.take(content.digest)
        if whole is not None:
            taken = self._parts.contents.moment()
            walked = folders.put(whole, temporary)
            if walked is not None:
                return temporary, Built(whole.entries, taken, walked)
        entries = self._copy(artifact, temporary)
        return temporary, Built(entries, self._parts.contents.moment())

    def _copy(self, artifact: Artifact, temporary: str) -> Tuple[Entry, ...]:
        """Returns the members of a folder. Raises CorruptObject."""
        content, objects = artifact.content, self._parts.objects
        if not artifact.stored and not objects.has(content):
            self._take_loose(artifact, temporary)
            return objects.members(content.digest) if content.kind == "folder" else ()
        if content.kind == "file":
            objects.copy_to(content.digest, temporary, files.normal_mode(content.executable))
            return ()
        entries = objects.members(content.digest)
        build_folder(objects, entries, temporary)
        return entries

    def _take_loose(self, artifact: Artifact, temporary: str) -> None:
        """Move in what the store does not hold: from staging, or from `kept/`."""
        content = artifact.content
        between = self._parts.temporaries.beside(self._paths.absolute(artifact.path))
        absolute = self._ground.loose.take(content.digest)
        if absolute and self._ground.standing(self._paths.relative(absolute), artifact.exclude) == content:
            files.move(absolute, temporary, between)
            return
        path = self._parts.kept.find(content, artifact.exclude)
        if path is None:
            raise CorruptObject(
                content.digest,
                f"the content of `{artifact.path}` is not in the store (`store: false`) and stands nowhere",
                "run again: it is made anew",
            )
        files.move(self._paths.absolute(path), temporary, between)
        self._parts.kept.forget(content)

    def _swap(self, temporary: str, target: str, publication: Publication) -> Tuple[str, ...]:
        """Put a finished build under its name; what stood there is disposed of with care."""
        path = publication.path
        for _ in range(3):
            with contextlib.suppress(FileExistsError):
                files.rename_new(temporary, target)
                return ()
            earlier = self._parts.publications.get(publication.pipeline, path)
            survey = self._ground.displacer.survey(path, earlier)
            # from the exchange on, what lies here may be the user's: a place that is never just deleted
            real = os.path.join(os.path.realpath(os.path.dirname(target)), os.path.basename(target))
            displaced = self._parts.temporaries.displaced(real)
            try:
                self._exchange(temporary, target, displaced)
            except FileNotFoundError:
                continue  # it went away meanwhile
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                message = f"`{path}` is a mount point: it can't change places with what was made"
                raise MachineFault(
                    message, f"name a folder below it as the output, such as `{path}/made/`"
                ) from error
            return self._ground.dispose(displaced, path, survey)
        raise EnvironmentFault(
            f"`{path}` keeps changing while it is written", "end what writes it, run again"
        )

    @staticmethod
    def _exchange(temporary: str, target: str, displaced: str) -> None:
        files.rename(temporary, displaced)
        try:
            if files.exchange(displaced, target):
                return
        except OSError:
            files.rename(displaced, temporary)
            raise
        files.rename(displaced, temporary)
        files.rename(target, displaced)
        files.rename_new(temporary, target)

    def _make_parents(self, path: str, target: str) -> Tuple[str, ...]:
        """Make the folders above an output; a file that stands in for one is put away."""
        kept: Tuple[str, ...] = ()
        parts = path.split("/")
        if os.path.isdir(os.path.dirname(target)):
            return kept
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            absolute = os.path.join(self._paths.root, above)
            if os.path.lexists(absolute) and not os.path.isdir(absolute):
                kept += self._ground.put_away(above, absolute)
        self._paths.make_folders(os.path.dirname(target))
        return kept

    def close(self) -> None:
        """At the end of a run: nothing is staged any more."""
        self._staging.close()

    def sync(self) -> None:
        """Make all that was put in place durable."""
        folders, self._to_sync = list(self._to_sync.values()), {}
        for folder in folders:
            if os.path.isdir(folder):
                files.sync_system(folder)

    # -------------------------------------------------------------------------------------------- moving away

    def publications(
        self, pipeline: str, steps: Optional[AbstractSet[str]] = None
    ) -> Mapping[str, Publication]:
        """Those in folders that are not allowed (any more) are left out."""
        found = self._parts.publications.of(pipeline, steps)
        return {path: item for path, item in found.items() if path[0] != "/" or self._paths.is_allowed(path)}

    @translated
    def retire(self, publication: Publication, keep_content: bool = False) -> Optional[str]:
        self._ground.writable()
        path, content = publication.path, publication.content
        absolute = self._ground.fresh(path)
        kept: Tuple[str, ...] = ()
        if self._ground.standing(path, publication.exclude) == content:
            with self._paths.pinned(absolute) as pinned:
                kept = self._take_out(pinned, absolute, publication, keep_content)
            files.remove_empty_parents(absolute, self._paths.root)
        self._parts.publications.forget(publication)
        return kept[0] if kept else None

    def _take_out(
        self, pinned: str, absolute: str, publication: Publication, keep_content: bool
    ) -> Tuple[str, ...]:
        path, content = publication.path, publication.content
        if keep_content or not self._parts.objects.has(content):
            return (self._parts.kept.take(pinned, path, content),)
        survey = self._ground.displacer.survey(path, publication)
        displaced = self._parts.temporaries.displaced(absolute)
        files.rename(pinned, displaced)
        return self._ground.dispose(displaced, path, survey)

    @translated
    def keep(self, path: str, reason: str = "") -> Optional[str]:  # noqa: ARG002
        self._ground.writable()
        absolute = self._ground.fresh(path)
        if not os.path.lexists(absolute):
            return None
        try:
            content = self._parts.contents.known(path)
        except EnvironmentFault:
            content = None
        with self._paths.pinned(absolute) as pinned:
            return self._parts.kept.take(pinned, path, content)

    def is_tracked(self, path: str) -> bool:
        return self._git.is_tracked(path)


def build_folder(objects: Objects, entries: Sequence[Entry], top: str) -> None:
    """Make a folder from its members, every file verified. Raises CorruptObject."""
    os.mkdir(top)
    made = {""}
    for entry in entries:
        path = os.path.join(top, entry.path)
        folder = entry.path if entry.kind == "folder" else os.path.dirname(entry.path)
        if folder not in made:
            files.make_folders(os.path.join(top, folder))
            made.add(folder)
        if entry.kind == "file":
            objects.copy_to(entry.digest, path, files.normal_mode(entry.executable))
        elif entry.kind == "link":
            os.symlink(entry.digest, path)
