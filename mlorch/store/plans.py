"""Pipelines remembered as they were read, so that a run with nothing to do need not read YAML.

    cache/pipelines/<digest of what was asked>.json:  `mlorch.plan/1 <seal>` and, on the next line, JSON

An entry holds the text of every file that it was made from, and serves only while each of them stands there unchanged.
A repository may bring a prepared store: entries are sealed with a key that lies in the user's own folder, outside of
any project, and one without a right seal is not looked into. Anything odd counts as nothing remembered.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import re
import secrets
import stat
import sys
from dataclasses import dataclass
from typing import List, Mapping, Optional, Sequence, Tuple

from blake3 import blake3

from mlorch import __version__
from mlorch.digest import digest_value
from mlorch.model import Pipeline, SourceFile
from mlorch.store import compact

FORMAT = "mlorch.plan/1"
FOLDER = "cache/pipelines"
ENTRIES = 16
"""Entries kept; another `-p` is another entry."""
LARGEST = 64 << 20
"""Bytes of an entry; a pipeline of 10,000 steps takes 7 MB."""
LARGEST_SOURCE = 4 << 20
KEY_BYTES = 32
_NAME = re.compile(r"[0-9a-f]{64}\.json\Z")
_CODE = ("model.py", "errors.py", "spec", "expressions", "shell")
"""What of mlorch decides on how a pipeline is read."""


@dataclass(frozen=True)
class Asked:
    """What a pipeline is read with, besides the files' content."""

    path: str
    """Absolute, as all paths here."""
    root: str
    overrides: Tuple[str, ...] = ()
    params_file: Optional[str] = None
    allow: Tuple[str, ...] = ()
    schema: str = ""
    """Path of the JSON schema."""


class Plans:
    """The pipelines that a store remembers.

    Args:
        store: the store's folder; it is never made here.
        environ: names the user's folder (`XDG_CACHE_HOME`, `HOME`).
    """

    def __init__(self, store: str, environ: Mapping[str, str]) -> None:
        self._store = store
        self._folder = os.path.join(store, FOLDER)
        self._environ = environ

    def recall(self, asked: Asked) -> Optional[Pipeline]:
        """The pipeline as it would be read now; None where that is not known for sure. Writes nothing."""
        try:
            name, key = _name(asked), self._key(asked.root, make=False)
            data = _read(os.path.join(self._folder, name), LARGEST, follow=False)
            line, _, body = data.partition(b"\n")
            if key is None or not hmac.compare_digest(line, _seal(key, name, body)):
                return None
            document = json.loads(body.decode("ascii"))
            pipeline = compact.decode(document)
            if document["real"] != _real(pipeline.sources, asked.root):
                return None
            return pipeline if _unchanged(pipeline.sources, asked.root) else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError):
            return None

    def remember(self, asked: Asked, pipeline: Pipeline) -> bool:
        """Remember a pipeline that has just been read; whether that was possible."""
        try:
            if os.path.islink(self._store) and os.path.dirname(self._store) == asked.root:
                return False  # a repository's own `.mlorch` may lead anywhere
            if os.path.realpath(self._folder) != os.path.join(os.path.realpath(self._store), FOLDER):
                return False
            name, key = _name(asked), self._key(asked.root, make=True)
            if key is None or not os.path.isdir(self._store):
                return False
            document = {**compact.encode(pipeline), "real": _real(pipeline.sources, asked.root)}
            body = json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")
            if len(body) >= LARGEST:
                return False
            os.makedirs(self._folder, exist_ok=True)
            self._write(name, _seal(key, name, body) + b"\n" + body)
            return True
        except (OSError, ValueError, RecursionError, MemoryError):
            return False

    def _write(self, name: str, data: bytes) -> None:
        temporary = os.path.join(self._folder, f"new-{secrets.token_hex(8)}")
        try:
            # Not synced: an entry that a power cut leaves torn has no right seal.
            _create(temporary, data)
            os.replace(temporary, os.path.join(self._folder, name))
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
        self._prune()

    def _prune(self) -> None:
        entries = []
        for entry in os.scandir(self._folder):
            if _NAME.match(entry.name) or entry.name.startswith("new-"):
                entries.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path))
        for _, path in sorted(entries)[:-ENTRIES]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def _key(self, root: str, make: bool) -> Optional[bytes]:
        """The user's own key; None where there is none (and can't be one), or others could know it."""
        folder = user_folder(self._environ)
        if folder is None or _within(os.path.realpath(folder), os.path.realpath(root)):
            return None
        path = os.path.join(folder, "key")
        if make and not os.path.lexists(path):
            os.makedirs(folder, mode=0o700, exist_ok=True)
            temporary = os.path.join(folder, f"new-{secrets.token_hex(8)}")
            _create(temporary, secrets.token_bytes(KEY_BYTES), 0o600)
            # Of two processes that make a key at once, the first wins.
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
            os.unlink(temporary)
        found = os.lstat(path)
        private = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
        key = _read(path, KEY_BYTES, follow=False) if private else b""
        return key if len(key) == KEY_BYTES else None


def user_folder(environ: Mapping[str, str]) -> Optional[str]:
    """The user's folder for what mlorch may lose; None without a home."""
    top = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(top):
        home = environ.get("HOME", "")
        if not os.path.isabs(home):
            return None
        top = os.path.join(home, ".cache")
    return os.path.join(top, "mlorch")


def _name(asked: Asked) -> str:
    schema = _read(asked.schema, LARGEST_SOURCE).hex()
    made_by = [__version__, sys.version, sys.prefix, _code(), schema]
    parts = [asked.path, asked.root, list(asked.overrides), asked.params_file, list(asked.allow), made_by]
    return digest_value(FORMAT, parts)[7:] + ".json"


def _code() -> List[Tuple[str, int, int]]:
    """(name, size, mtime) of every file that decides on how a pipeline is read: an edit of mlorch forgets pipelines too."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = []
    for name in _CODE:
        path = os.path.join(package, name)
        members = (
            [path] if name.endswith(".py") else [os.path.join(path, member) for member in os.listdir(path)]
        )
        for member in members:
            if member.endswith(".py"):
                status = os.stat(member)
                found.append((os.path.relpath(member, package), status.st_size, status.st_mtime_ns))
    return sorted(found)


def _seal(key: bytes, name: str, body: bytes) -> bytes:
    """The first line of an entry. It covers the name too, so that no entry serves for what else was asked."""
    hasher = blake3(key=key)
    hasher.update(name.encode("ascii"))
    hasher.update(body)
    return FORMAT.encode("ascii") + b" " + hasher.hexdigest().encode("ascii")


def _real(sources: Sequence[SourceFile], root: str) -> List[str]:
    """Where the files really lie, since a link that changes may lead out of the project."""
    return [os.path.realpath(os.path.join(root, source.path)) for source in sources]


def _unchanged(sources: Sequence[SourceFile], root: str) -> bool:
    return bool(sources) and all(_text(os.path.join(root, source.path)) == source.text for source in sources)


def _text(path: str) -> str:
    """A file's text, with line ends as pipelines are read."""
    text = _read(path, LARGEST_SOURCE).decode("utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read(path: str, largest: int, follow: bool = True) -> bytes:
    """A regular file's bytes. Raises OSError, ValueError for what is none or is larger."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("not a file")
        data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError("too large")
    return data


def _create(path: str, data: bytes, mode: int = 0o644) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        file.write(data)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
