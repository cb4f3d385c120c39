"""Folders as objects: walking them, and the versioned listing that is a folder's content."""

from __future__ import annotations

import json
import os
import re
import stat
from functools import lru_cache
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from mlorch.digest import digest_bytes
from mlorch.errors import EnvironmentFault
from mlorch.model import Content, Entry

SCHEMA = "mlorch.folder/1"
DIGEST = re.compile(r"blake3:[0-9a-f]{64}\Z")


class Found(NamedTuple):
    """One member seen in a walk: `kind` as in Entry, `stat` of files, `target` of links."""

    path: str
    kind: str
    stat: os.stat_result
    target: str = ""

    @property
    def executable(self) -> bool:
        return self.kind == "file" and bool(self.stat.st_mode & 0o100)


Outside = Callable[[str, str], Optional[str]]
"""Takes the absolute path of a link that is absolute or leaves the folder, and its target; returns the real
path to follow, or raises."""


def refuse_outside(link: str, target: str) -> Optional[str]:
    """What outputs get: links in a folder are relative and stay inside."""
    raise EnvironmentFault(
        f"the link `{link}` points to `{target}`, out of its folder",
        "links in a folder output must be relative and stay inside it; copy the file instead",
    )


def leave_outside(link: str, target: str) -> Optional[str]:  # noqa: ARG001
    """What a look at foreign folders gets: a link is a link, wherever it points."""
    return None


def walk(top: str, exclude: Sequence[str], outside: Outside) -> List[Found]:
    """All members of a folder, sorted by path; of folders only the empty ones (what is excluded does not
    count)."""
    walker = _Walker(matcher(tuple(exclude)), outside)
    walker.walk(top, "")
    walker.found.sort()
    return walker.found


class _Walker:
    """One walk. `above` are the folders that followed links stand in: following one of those again never
    ends."""

    def __init__(self, skip: Callable[[str], bool], outside: Outside) -> None:
        self.found: List[Found] = []
        self._skip = skip
        self._outside = outside
        self._above: List[str] = []

    def walk(self, folder: str, prefix: str) -> int:
        """Walk a folder whose members are named with a prefix; returns how many direct members count."""
        count = 0
        with os.scandir(folder) as entries:
            for entry in entries:
                path = prefix + entry.name
                if self._skip(path):
                    continue
                count += 1
                seen = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(seen.st_mode):
                    self.found.append(Found(path, "file", seen))
                elif stat.S_ISDIR(seen.st_mode):
                    self._folder(entry.path, path, seen)
                elif stat.S_ISLNK(seen.st_mode):
                    self._link(entry.path, path, seen)
                else:
                    raise _odd(entry.path)
        return count

    def _folder(self, folder: str, path: str, seen: os.stat_result) -> None:
        if not self.walk(folder, path + "/"):
            self.found.append(Found(path, "folder", seen))

    def _link(self, link: str, path: str, seen: os.stat_result) -> None:
        target = os.readlink(link)
        # in a followed folder a link's place is not what its path says, so all of them are resolved
        inside = not self._above and stays_inside(path, target)
        real = None if inside else self._outside(link, target)
        if real is None:
            self.found.append(Found(path, "link", seen, target))
            return
        behind = os.stat(real)
        if stat.S_ISREG(behind.st_mode):
            self.found.append(Found(path, "file", behind, real))
            return
        if not stat.S_ISDIR(behind.st_mode):
            raise _odd(link)
        here = os.path.realpath(os.path.dirname(link))
        if any((folder + "/").startswith(real + "/") for folder in (here, *self._above)):
            raise EnvironmentFault(f"the link `{link}` leads back to a folder that holds it", "remove it")
        self._above.append(here)
        self._folder(real, path, behind)
        self._above.pop()


def _odd(path: str) -> EnvironmentFault:
    return EnvironmentFault(f"`{path}` is neither file nor folder", "remove it, or name it under `exclude`")


def stays_inside(path: str, target: str) -> bool:
    """Whether a link at `path` (relative to its folder) with this target is relative and stays in the
    folder."""
    if not target or target.startswith("/"):
        return False
    parts = [part for part in target.split("/") if part not in ("", ".")]
    ups = 0
    while ups < len(parts) and parts[ups] == "..":
        ups += 1
    # `..` after a name could climb out through another link, so it is allowed only in front
    return ups <= path.count("/") and ".." not in parts[ups:]


def signature(walked: Iterable[Found]) -> bytes:
    """Digest of all that a look without reading can tell of a folder."""
    lines: List[Tuple[Any, ...]] = []
    for path, kind, found, target in walked:
        if kind == "file":
            mode = found.st_mode & 0o100
            lines.append(
                (path, target, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, mode)
            )
        else:
            lines.append((path, kind, target, 0, 0, 0, 0))
    return digest_bytes(repr(lines).encode("utf-8", "surrogateescape")).encode()


# --------------------------------------------------------------------------------------------------- excludes


@lru_cache(maxsize=64)
def matcher(patterns: Tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a path (relative to the folder) is excluded. A pattern without `/` fits base names anywhere,
    `*` stays within a part, `**` crosses parts; an excluded folder takes all that is in it along."""
    if not patterns:
        return lambda _path: False
    expression = re.compile(
        "|".join("(?:{})".format(_regex(pattern.rstrip("/"))) for pattern in patterns), re.DOTALL
    )
    return lambda path: expression.fullmatch(path) is not None


def _regex(pattern: str) -> str:
    if "/" not in pattern:
        pattern = "**/" + pattern
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^\]]+\])", pattern.lstrip("/"))
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(_piece(piece, known) for piece in pieces)


def _piece(piece: str, known: Dict[str, str]) -> str:
    if piece in known:
        return known[piece]
    if len(piece) > 2 and piece[0] == "[" and piece[-1] == "]":
        negated, inner = ("^", piece[2:-1]) if piece[1] == "!" else ("", piece[1:-1])
        return "[{}{}]".format(negated, inner.replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^"))
    return re.escape(piece)


# --------------------------------------------------------------------------------------------------- listings


def listing(entries: Iterable[Entry]) -> bytes:
    """The bytes of a folder object: canonical, so that equal folders have equal digests."""
    rows = [[e.path, e.kind, e.digest, e.bytes, int(e.executable)] for e in entries]
    return json.dumps({"schema": SCHEMA, "entries": rows}, separators=(",", ":")).encode("ascii")


def folder_content(entries: Sequence[Entry]) -> Tuple[Content, bytes]:
    """Content of a folder with these members, and its listing."""
    data = listing(entries)
    held = [entry for entry in entries if entry.kind == "file"]
    size = sum(entry.bytes for entry in held)
    return Content(digest_bytes(data), "folder", size, len(held)), data


def parse_listing(data: bytes) -> Tuple[Entry, ...]:
    """The members of a folder object. Raises ValueError for what is no listing of ours, or names a path
    outside."""
    try:
        document = json.loads(data.decode("ascii"))
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise ValueError(f"not a folder listing of format {SCHEMA}")
        rows = document["entries"]
        entries = tuple(Entry(str(p), str(k), str(d), int(b), bool(x)) for p, k, d, b, x in rows)
    except (TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ValueError(f"not a folder listing of format {SCHEMA}") from error
    paths = {entry.path for entry in entries}
    if len(paths) != len(entries) or any(not _sound(entry, paths) for entry in entries):
        raise ValueError("a folder listing names a path that can't be")
    return entries


def _sound(entry: Entry, paths: Iterable[str]) -> bool:
    parts = entry.path.split("/")
    if "\0" in entry.path or any(part in ("", ".", "..") for part in parts):
        return False
    if any(above in paths for above in parents(entry.path)):
        return False
    if entry.kind == "link":
        return stays_inside(entry.path, entry.digest)
    return entry.kind == "folder" or (entry.kind == "file" and DIGEST.match(entry.digest) is not None)


def parents(path: str) -> Iterator[str]:
    """`a/b`, `a` for `a/b/c`."""
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        yield path
