"""Staging: making an output's place ready before an attempt, and putting it in order afterwards, whatever
happened."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from mlorch.model import BoundOutput, Content
from mlorch.ports import Publication
from mlorch.store import files, session
from mlorch.store.aside import AsideEntry, Asides, Owner
from mlorch.store.displace import NOTHING, Survey
from mlorch.store.ground import Ground, is_empty_folder, outer
from mlorch.store.paths import AREA

STAGING = os.path.join("tmp", "staging")
OWNER = ".owner"
_TOP = f"{AREA}/{STAGING}/"
"""What the staging of every output begins with."""


class Staging:
    """The first half of `mlorch.ports.Workspace`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._parts = ground.parts
        self._paths = ground.paths
        self._asides = Asides(ground.paths, ground.parts.temporaries.own)
        self._surveys: Dict[str, Survey] = {}
        self._spare: Dict[Tuple[str, ...], List[str]] = {}
        """Empty folders of keys that are done, by the names in them, in the session's own folder: two renames take much
        less than making and removing the folders and the owner's file for each step, all the more while a sync goes on."""

    def stage(
        self, outputs: Sequence[BoundOutput], publications: Mapping[str, Publication]
    ) -> Tuple[str, ...]:
        self._ground.writable()
        if self._stage_whole(outputs):
            return ()
        for output in outer(outputs):
            if output.staged:
                self._stage_private(output)
            else:
                self._take_away(output, publications.get(output.path))
        for output in outputs:
            home = self._paths.absolute(output.staging if output.staged else output.path)
            files.make_folders(home if output.folder else os.path.dirname(home))
        return ()

    def _stage_whole(self, outputs: Sequence[BoundOutput]) -> bool:
        """Give a spare folder, or one made out of sight, the name of a new key; False where there is one already, or the
        outputs need more than a folder each."""
        shape = _shape(outputs)
        key = self._staging_key(outputs[0]) if shape else None
        if key is None or os.path.lexists(key):
            return False
        spare = self._spare.get(shape)
        place = spare.pop() if spare else self._make(shape)
        try:
            files.rename(place, key)
        except FileNotFoundError:
            files.make_folders(os.path.dirname(key))
            files.rename(place, key)
        return True

    def _make(self, shape: Sequence[str]) -> str:
        place = self._parts.temporaries.own()
        files.make_folder(place)
        self._own(place)
        for name in shape:
            files.make_folder(os.path.join(place, name))
        return place

    def _retire(self, outputs: Sequence[BoundOutput]) -> bool:
        """Make the folder of a key that is done a spare one; False where something is left in it."""
        shape = _shape(outputs)
        key = self._staging_key(outputs[0]) if shape else None
        if key is None or not _is_as_made(key, (OWNER, *shape)):
            return False
        if not all(_is_as_made(os.path.join(key, name), ()) for name in shape):
            return False
        place = self._parts.temporaries.own()
        files.rename(key, place)
        self._spare.setdefault(shape, []).append(place)
        return True

    def close(self) -> None:
        """Remove the spare folders."""
        for places in self._spare.values():
            for place in places:
                files.remove(place)
        self._spare.clear()

    def _stage_private(self, output: BoundOutput) -> None:
        folder = os.path.dirname(self._paths.absolute(output.staging))
        files.remove(folder)
        files.make_folders(folder)
        key = self._staging_key(output)
        if key is not None and not os.path.exists(os.path.join(key, OWNER)):
            with contextlib.suppress(FileExistsError):
                self._own(key)

    def _own(self, key: str) -> None:
        files.write_new(os.path.join(key, OWNER), "\n".join(self._parts.owner()).encode())

    def _staging_key(self, output: BoundOutput) -> Optional[str]:
        """The folder of the key, above the output's own: `.mlorch/tmp/staging/<key>`."""
        name = output.staging[len(_TOP) :].partition("/")[0] if output.staging.startswith(_TOP) else ""
        return None if name in ("", ".", "..") else self._paths.absolute(_TOP + name)

    def _take_away(self, output: BoundOutput, publication: Optional[Publication]) -> None:
        absolute = self._ground.fresh(output.path)
        entry = self._asides.get(output.path)
        if entry is not None and entry.owner.session == self._parts.owner().session:
            files.remove(absolute)  # the attempt before left it
            return
        if entry is not None:
            self._restore(entry)
        if os.path.lexists(absolute):
            self._surveys[output.path] = self._ground.displacer.survey(output.path, publication)
        self._asides.add(output.path, absolute, self._parts.owner())

    def unstage(self, outputs: Sequence[BoundOutput]) -> Tuple[str, ...]:
        kept: List[str] = self._clear_staging(outputs)
        for output in outer(outputs):
            entry = None if output.staged else self._asides.get(output.path)
            if entry is not None:
                self._surveys.pop(output.path, None)
                kept += self._restore(entry)
        return tuple(kept)

    def settle(self, outputs: Sequence[BoundOutput]) -> Tuple[str, ...]:
        kept: List[str] = self._clear_staging(outputs)
        for output in outer(outputs):
            entry = None if output.staged else self._asides.get(output.path)
            if entry is None:
                continue
            survey = self._surveys.pop(output.path, NOTHING)
            if entry.has_content:
                # out of the journal's sight first: from here on a kill must not bring it back
                displaced = self._parts.temporaries.displaced(self._paths.absolute(output.path))
                files.rename(entry.content, displaced)
                self._asides.done(entry)
                kept += self._ground.dispose(displaced, output.path, survey)
            else:
                self._asides.done(entry)
        return tuple(kept)

    def _clear_staging(self, outputs: Sequence[BoundOutput]) -> List[str]:
        """Remove staging; contents that it alone holds (`store: false`) are kept by digest."""
        kept = []
        for output in outputs:
            if output.staged and not output.store:
                absolute = self._paths.absolute(output.staging)
                content = self._ground.loose.take_at(absolute)
                if content is not None and os.path.lexists(absolute) and not self._held(output, content):
                    kept.append(self._parts.kept.take(absolute, output.path, content))
        if self._retire(outputs):
            return kept
        for output in outer(outputs):
            if output.staged:
                folder = os.path.dirname(self._paths.absolute(output.staging))
                if not files.remove_folder(folder):  # something was left in it
                    files.remove(folder)
                key = self._staging_key(output)
                if key is not None and os.path.isdir(key) and not set(os.listdir(key)) - {OWNER}:
                    self._drop_key(key)
        return kept

    def _held(self, output: BoundOutput, content: Content) -> bool:
        """Whether a content stands at its output already, or the store has it by another step."""
        if self._parts.objects.has(content):
            return True
        return self._ground.standing(output.path, output.exclude) == content

    def _drop_key(self, key: str) -> None:
        """Remove a key's folder. Out of sight first: without its owner nobody could tell that a kill left it."""
        gone = self._parts.temporaries.own()
        files.rename(key, gone)
        files.remove(os.path.join(gone, OWNER))
        files.remove(gone)

    def _restore(self, entry: AsideEntry) -> Tuple[str, ...]:
        """Undo one `stage`: what stands at the path is unfinished and moves away, what was there before
        comes back."""
        absolute = self._ground.fresh(entry.path)
        kept: Tuple[str, ...] = ()
        untouched = entry.present and not entry.has_content
        if not untouched and os.path.lexists(absolute) and not is_empty_folder(absolute):
            kept = self._ground.put_away(entry.path, absolute)
        elif not untouched:
            files.remove(absolute)
        if entry.has_content:
            files.make_folders(os.path.dirname(absolute))
            with self._paths.pinned(absolute) as pinned:
                files.rename_new(entry.content, pinned)
        self._asides.done(entry)
        return kept

    def recover(self) -> Tuple[str, ...]:
        if self._parts.readonly() or not os.path.isdir(self._paths.area):
            return ()
        kept: List[str] = []
        with self._alone():
            for entry in list(self._asides.all()):
                if not self._parts.is_alive(entry.owner):
                    kept += self._restore(entry)
            return (*kept, *self._sweep())

    def sweep(self) -> Tuple[str, ...]:
        """Remove the temporaries of the dead. Returns what was kept of them."""
        with self._alone():
            return self._sweep()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Two runs may start at once: one of them undoes what a third left, the other waits."""
        folder = os.path.join(self._paths.area, "locks")
        files.make_folders(folder)
        fd = session.hold(os.path.join(folder, "recover"))
        try:
            yield
        finally:
            os.close(fd)

    def _sweep(self) -> Tuple[str, ...]:
        kept: List[str] = []
        for displaced, name in self._parts.temporaries.leftovers():
            kept += self._ground.displacer.dispose_unsurveyed(displaced, name)
        self._parts.temporaries.sweep()
        for folder in self.dead_staging():
            files.remove(folder)
        return tuple(kept)

    def dead_staging(self) -> List[str]:
        """Staging folders whose run (and every step of it) is gone."""
        dead = []
        top = os.path.join(self._paths.area, STAGING)
        for name in os.listdir(top) if os.path.isdir(top) else ():
            folder = os.path.join(top, name)
            try:
                owner = Owner(*files.read(os.path.join(folder, OWNER)).decode().split("\n"))
            except (OSError, TypeError, ValueError):
                owner = None
            if (owner is None and session.is_old(folder)) or (owner and not self._parts.is_alive(owner)):
                dead.append(folder)
        return dead


def _is_as_made(folder: str, names: Sequence[str]) -> bool:
    """Whether a folder is a real and open one with just these names in it."""
    try:
        found = os.lstat(folder)
        whole = stat.S_ISDIR(found.st_mode) and found.st_mode & 0o700 == 0o700
        return whole and sorted(os.listdir(folder)) == sorted(names)
    except OSError:
        return False


def _shape(outputs: Sequence[BoundOutput]) -> Tuple[str, ...]:
    """The names of the outputs, if all are staged files with a folder of their own; else nothing."""
    if any(not item.staged or item.folder for item in outputs):
        return ()
    names = tuple(item.name for item in outputs)
    homes = {os.path.dirname(item.staging) for item in outputs}
    fits = len(homes) == len(names) and all(
        item.staging.endswith(f"/{item.name}/{os.path.basename(item.staging)}") for item in outputs
    )
    return names if fits else ()
