"""What stands where an output belongs: which of it is safe to delete, and keeping the rest.

Safe is what the store holds by digest, or what mlorch last published there unedited. A survey is made before
something is moved out of the way, and compared with what was really moved, so that an edit in between is
kept too.
"""

from __future__ import annotations

import os
import stat
from typing import Dict, List, NamedTuple, Optional, Tuple

from mlorch.errors import EnvironmentFault, MlorchError
from mlorch.model import Content, Digest
from mlorch.ports import Publication
from mlorch.store import files
from mlorch.store.contents import Contents
from mlorch.store.kept import Kept
from mlorch.store.objects import Objects
from mlorch.store.paths import Paths

Mark = Tuple[int, int, int]
"""inode, size and mtime: what stays the same when a file or a folder above it is renamed."""


class Survey(NamedTuple):
    """The files (relative to what was surveyed, `` for itself) that are safe to delete, and the links
    likewise."""

    files: Dict[str, Mark]
    links: Dict[str, str]


NOTHING = Survey({}, {})


class Displacer:
    """Judges and disposes of what stood in the way."""

    def __init__(self, paths: Paths, objects: Objects, contents: Contents, kept: Kept) -> None:
        self._paths = paths
        self._objects = objects
        self._contents = contents
        self._kept = kept

    def survey(self, path: str, publication: Optional[Publication]) -> Survey:
        """Judge what stands at a root-relative path. Never raises for odd things there: those are not
        safe."""
        absolute = self._paths.absolute(path)
        try:
            found = os.lstat(absolute)
            if stat.S_ISREG(found.st_mode):
                content = self._contents.content(path)
                safe = content is not None and self._is_safe(content, publication)
                return Survey({"": _mark(found)}, {}) if safe else NOTHING
            if stat.S_ISDIR(found.st_mode):
                return self._survey_folder(path, publication)
        except (OSError, EnvironmentFault):
            pass
        return NOTHING

    def has_strange(self, path: str, publication: Optional[Publication]) -> bool:
        """Whether some of what stands at a root-relative path would be kept, were it replaced now."""
        absolute = self._paths.absolute(path)
        if not os.path.lexists(absolute):
            return False
        survey = self.survey(path, publication)
        return not all(safe for _, safe in self._judge(absolute, survey))

    def dispose(self, absolute: str, path: str, survey: Survey) -> Tuple[str, ...]:
        """Delete what was moved to `absolute`, except what the survey does not call safe: that moves to
        `kept/`, named after `path`. Returns what was kept."""
        strange = [name for name, safe in self._judge(absolute, survey) if not safe]
        if not strange:
            files.remove(absolute)
            return ()
        if not survey.files and not survey.links:
            return (self._kept.take(absolute, path),)
        folder = self._kept.fresh()
        kept = [
            self._kept.into(folder, os.path.join(absolute, name), os.path.join(path, name))
            for name in strange
        ]
        files.remove(absolute)
        return tuple(kept)

    def dispose_unsurveyed(self, absolute: str, path: str) -> Tuple[str, ...]:
        """The same for what a killed run left: judged by content, now."""
        survey = Survey({}, {})
        for name, _ in self._judge(absolute, NOTHING):
            member = os.path.join(absolute, name) if name else absolute
            found = os.lstat(member)
            if stat.S_ISREG(found.st_mode) and self._in_store(member):
                survey.files[name] = _mark(found)
        return self.dispose(absolute, path, survey)

    def _survey_folder(self, path: str, publication: Optional[Publication]) -> Survey:
        published, links = self._published(publication)
        walked, digests = self._contents.entries(path)
        safe: Dict[str, Mark] = {}
        for item in walked:
            if item.kind != "file":
                continue
            digest = digests[item.path]
            if self._objects.size(digest) == item.stat.st_size or published.get(item.path) == digest:
                safe[item.path] = _mark(item.stat)
        return Survey(safe, links)

    def _published(self, publication: Optional[Publication]) -> Tuple[Dict[str, Digest], Dict[str, str]]:
        """Files and links of the folder that was last published here."""
        if publication is None or publication.content.kind != "folder":
            return {}, {}
        try:
            entries = self._objects.members(publication.content.digest)
        except MlorchError:
            return {}, {}
        held = {entry.path: entry.digest for entry in entries if entry.kind == "file"}
        return held, {entry.path: entry.digest for entry in entries if entry.kind == "link"}

    def _is_safe(self, content: Content, publication: Optional[Publication]) -> bool:
        if publication is not None and publication.content.digest == content.digest:
            return True
        return self._objects.has(content)

    def _in_store(self, absolute: str) -> bool:
        try:
            fd = files.open_regular(absolute, follow=False)
            try:
                size = os.fstat(fd).st_size
                return self._objects.size(files.digest_fd(fd, size)) == size
            finally:
                os.close(fd)
        except OSError:
            return False

    def _judge(self, absolute: str, survey: Survey) -> List[Tuple[str, bool]]:
        """Each file, link or other thing with whether it is safe to delete; a lone thing has the name ``."""
        found = os.lstat(absolute)
        if not stat.S_ISDIR(found.st_mode):
            return [("", self._safe("", absolute, found, survey))]
        judged = []
        for folder, names, others in os.walk(absolute):
            links = [name for name in names if os.path.islink(os.path.join(folder, name))]
            for name in [*others, *links]:
                member = os.path.join(folder, name)
                path = member[len(absolute) + 1 :]
                judged.append((path, self._safe(path, member, os.lstat(member), survey)))
        return sorted(judged)

    @staticmethod
    def _safe(path: str, absolute: str, found: os.stat_result, survey: Survey) -> bool:
        if stat.S_ISLNK(found.st_mode):
            return path in survey.links and survey.links[path] == os.readlink(absolute)
        return stat.S_ISREG(found.st_mode) and survey.files.get(path) == _mark(found)


def _mark(found: os.stat_result) -> Mark:
    return (found.st_ino, found.st_size, found.st_mtime_ns)
