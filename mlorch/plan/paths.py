"""Root-relative paths: normal form, globs, and whether two of them can overlap."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Iterator, List, Pattern, Sequence, Tuple

_MAGIC = re.compile(r"[*?\[]")


@lru_cache(maxsize=256)  # one instance asks several times of the same
def normal(path: str) -> str:
    """`./a//b/` -> `a/b`. `..` stays: who reads it refuses it."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    text = "/".join(parts)
    return "/" + text if path.startswith("/") else text


@lru_cache(maxsize=256)
def refusal(path: str) -> str:
    """Why a path can't be declared, or an empty string. Absolute paths are left to whoever knows what is allowed."""
    parts = path.split("/")
    if not normal(path):
        return "is empty"
    if "\x00" in path:
        return "holds a NUL byte"
    if ".." in parts:
        return "leaves the project root with `..`"
    if parts[0] in (".mlorch", ".git") or normal(path).split("/")[0] in (".mlorch", ".git"):
        return "lies in `{}/`, which belongs to the tool".format(normal(path).split("/")[0])
    return ""


def is_glob(path: str) -> bool:
    return _MAGIC.search(path) is not None


@lru_cache(maxsize=4096)
def glob_pattern(pattern: str) -> Pattern[str]:
    """A pattern as a regular expression over whole paths: `*` and `?` stay within a name, `**` crosses folders."""
    out: List[str] = []
    parts = normal(pattern).split("/")
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            out.append(".*" if last else "(?:.*/)?")
            continue
        out.append(_name_pattern(part))
        if not last:
            out.append("/")
    return re.compile("".join(out) + r"\Z", re.DOTALL)


def _name_pattern(part: str) -> str:
    """One name's pattern as a regular expression; a leading dot must be written out."""
    out = ["" if part.startswith(".") else r"(?!\.)"]
    position = 0
    while position < len(part):
        letter = part[position]
        position += 1
        if letter == "*":
            out.append("[^/]*")
        elif letter == "?":
            out.append("[^/]")
        elif letter == "[" and part.find("]", position + 1) > 0:
            end = part.find("]", position + 1)
            members = part[position:end].replace("\\", "\\\\")
            negated = members[0] in "!^"
            members = members[1:] if negated else members
            out.append("[{}{}]".format("^/" if negated else "", members.replace("[", "\\[")))
            position = end + 1
        else:
            out.append(re.escape(letter))
    return "".join(out)


def expand_glob(root: str, pattern: str) -> List[str]:
    """Files and folders under `root` that match, sorted. Hidden names only where the pattern names them; symlinked folders
    are not walked into by `**`. Raises OSError."""
    return sorted(set(_expand(root, "", normal(pattern).split("/"))))


def _expand(root: str, folder: str, parts: Sequence[str]) -> Iterator[str]:
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if not is_glob(part):
        path = _join(folder, part)
        if os.path.lexists(os.path.join(root, path)):
            yield from _expand(root, path, rest)
        return
    matcher = re.compile(_name_pattern(part) + r"\Z", re.DOTALL)
    if part == "**" and rest:
        yield from _expand(root, folder, rest)
    for name, is_folder in _members(root, folder):
        path = _join(folder, name)
        if part == "**":
            if not rest:
                yield path
            if is_folder and not name.startswith("."):
                yield from _expand(root, path, parts)
        elif matcher.match(name) and (is_folder or not rest or os.path.isdir(os.path.join(root, path))):
            yield from _expand(root, path, rest)


def _members(root: str, folder: str) -> List[Tuple[str, bool]]:
    try:
        with os.scandir(os.path.join(root, folder) if folder else root) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return found if folder else [item for item in found if item[0] not in (".mlorch", ".git")]


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def excluded(path: str, pattern: str, excludes: Sequence[str]) -> bool:
    """Whether a path that a glob finds does not count. Patterns are relative to the longest folder that the glob names
    in full; one without `/` fits any name, and a folder that fits takes all that is in it along."""
    folder = _prefix(pattern).rpartition("/")[0]
    parts = path[len(folder) + 1 if folder else 0 :].split("/")
    for exclude in excludes:
        matcher = glob_pattern(exclude)
        for depth in range(len(parts)):
            if matcher.match("/".join(parts[: depth + 1]) if "/" in normal(exclude) else parts[depth]):
                return True
    return False


def inside(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies in it."""
    return path == folder or path.startswith(folder + "/")


def overlap(one: str, other: str) -> bool:
    """Whether two patterns (`*` for any unknown part, crossing folders; `**` likewise) can name the same path, or one of
    them something inside the other."""
    if not is_glob(one) and not is_glob(other):
        return inside(one, other) or inside(other, one)
    a, b = _prefix(one), _prefix(other)
    if not (a.startswith(b) or b.startswith(a)):
        return False
    if not is_glob(one):
        return _loose(other).match(one) is not None or _inside_pattern(one, other)
    if not is_glob(other):
        return _loose(one).match(other) is not None or _inside_pattern(other, one)
    return _globs_meet(one, other)


def _prefix(pattern: str) -> str:
    found = _MAGIC.search(pattern)
    return pattern[: found.start()] if found else pattern


@lru_cache(maxsize=4096)
def _loose(pattern: str) -> Pattern[str]:
    """Any path that matches, or lies inside something that does."""
    body = "".join(".*" if piece == "*" else "." if piece == "?" else re.escape(piece) for piece in pattern)
    return re.compile(body + r"(/.*)?\Z", re.DOTALL)


def _inside_pattern(path: str, pattern: str) -> bool:
    """Whether something that the pattern names may lie inside the folder `path`."""
    prefix = _prefix(pattern)
    if inside(prefix.rstrip("/"), path) and prefix:
        return True
    depth = path.count("/") + 1
    head = "/".join(pattern.split("/")[:depth])
    return _loose(head).match(path) is not None and pattern.count("/") >= depth


def _globs_meet(one: str, other: str) -> bool:
    """Two patterns: suffixes must be compatible too, where both end in fixed text."""
    tail_one, tail_other = _suffix(one), _suffix(other)
    return tail_one.endswith(tail_other) or tail_other.endswith(tail_one)


def _suffix(pattern: str) -> str:
    position = max(pattern.rfind("*"), pattern.rfind("?"), pattern.rfind("]"))
    return pattern[position + 1 :]


def glob_overlaps(pattern: str, output: str) -> bool:
    """Whether a glob names an exact output, something inside it, or a folder around it."""
    if glob_pattern(pattern).match(output):
        return True
    wanted, given = normal(pattern).split("/"), output.split("/")
    if "**" in wanted:
        return overlap(pattern, output)
    if len(given) < len(wanted):
        # The output may be a folder whose members the glob names.
        return glob_pattern("/".join(wanted[: len(given)])).match(output) is not None
    return glob_pattern(pattern).match("/".join(given[: len(wanted)])) is not None
