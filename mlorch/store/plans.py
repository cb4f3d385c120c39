"""Pipelines remembered as they were read, so that a run with nothing to do need not read YAML.

    cache/pipelines/<digest of what was asked>.json:  `mlorch.plan/2 <seal>`, then a line of JSON for the pipeline, and one
    for each step, so that a command about a few steps need not read the others

An entry holds the text of every file that it was made from, and serves only while each of them stands there unchanged.
A repository may bring a prepared store: entries are sealed with a key that lies in the user's own folder, outside of
any project, and one without a right seal is not looked into. Anything odd counts as nothing remembered.
"""

from __future__ import annotations

import json
import os
import sys
from typing import AbstractSet, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch import __version__
from mlorch.digest import digest_value
from mlorch.model import Pipeline, SourceFile
from mlorch.store import compact, seals
from mlorch.values import dataclass

FORMAT = "mlorch.plan/2"
FOLDER = "cache/pipelines"
ENTRIES = 16
"""Entries kept; another `-p` is another entry."""
LARGEST = 64 << 20
"""Bytes of an entry; a pipeline of 10,000 steps takes 7 MB."""
LARGEST_SOURCE = 4 << 20
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

    def recall(self, asked: Asked, only: Optional[AbstractSet[str]] = None) -> Optional[Pipeline]:
        """The pipeline as it would be read now; None where that is not known for sure. Writes nothing.

        Args:
            only: the steps that are wanted; by default all.
        """
        try:
            name, key = _name(asked), seals.user_key(asked.root, self._environ, make=False)
            data = seals.read(os.path.join(self._folder, name), LARGEST, follow=False)
            line, _, body = data.partition(b"\n")
            # no secret is compared here: whoever tries seals at random could read the key as well
            if key is None or line != _seal(key, name, body):
                return None
            document = _document(body, only)
            pipeline = compact.decode(document)
            if document["real"] != _real(pipeline.sources, asked.root):
                return None
            return pipeline if _unchanged(pipeline.sources, asked.root) else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError):
            return None

    def remember(self, asked: Asked, pipeline: Pipeline) -> bool:
        """Remember a pipeline that has just been read; whether that was possible."""
        try:
            if not seals.is_own_folder(self._store, asked.root, FOLDER):
                return False
            name, key = _name(asked), seals.user_key(asked.root, self._environ, make=True)
            if key is None:
                return False
            document = {**compact.encode(pipeline), "real": _real(pipeline.sources, asked.root)}
            body = _body(document)
            if len(body) >= LARGEST:
                return False
            seals.replace(self._folder, name, _seal(key, name, body) + b"\n" + body, ENTRIES)
            return True
        except (OSError, ValueError, RecursionError, MemoryError):
            return False


def _name(asked: Asked) -> str:
    schema = seals.read(asked.schema, LARGEST_SOURCE).hex()
    made_by = [__version__, sys.version, sys.prefix, _code(), schema]
    parts = [asked.path, asked.root, list(asked.overrides), asked.params_file, list(asked.allow), made_by]
    return digest_value(FORMAT, parts)[7:] + ".json"


def _body(document: Dict[str, Any]) -> bytes:
    pipeline = dict(document["pipeline"])
    steps = pipeline.pop("steps")
    encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
    rows = [encode({**document, "pipeline": pipeline, "steps": list(steps)}), *map(encode, steps.values())]
    return "\n".join(rows).encode("ascii")


def _document(body: bytes, only: Optional[AbstractSet[str]]) -> Dict[str, Any]:
    head, *rows = body.split(b"\n")
    document: Dict[str, Any] = json.loads(head)
    named = zip(document["steps"], rows)
    steps = {name: json.loads(row) for name, row in named if only is None or name in only}
    document["pipeline"]["steps"] = steps
    return document


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
    """The first line of an entry."""
    return FORMAT.encode("ascii") + b" " + seals.seal(key, name, body)


def _real(sources: Sequence[SourceFile], root: str) -> List[str]:
    """Where the files really lie, since a link that changes may lead out of the project."""
    return [os.path.realpath(os.path.join(root, source.path)) for source in sources]


def _unchanged(sources: Sequence[SourceFile], root: str) -> bool:
    return bool(sources) and all(_text(os.path.join(root, source.path)) == source.text for source in sources)


def _text(path: str) -> str:
    """A file's text, with line ends as pipelines are read."""
    text = seals.read(path, LARGEST_SOURCE).decode("utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")
