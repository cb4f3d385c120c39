"""A project folder with a store in it, and short ways to say what the tests of this room say often."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from typing import Any, Dict, Optional, Sequence

from mlorch.digest import digest_bytes
from mlorch.model import Artifact, BoundOutput, Content, Manifest, Record, Row, Settings
from mlorch.ports import Publication
from mlorch.store import open_store
from mlorch.store.local import LocalStore

PIPELINE = "p.yaml"
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Project:
    """A root with its store; `reopen` is what the next run sees."""

    def __init__(self, root: str, allow: Sequence[str] = (), path: Optional[str] = None) -> None:
        self.root = str(root)
        self.settings = Settings(self.root, path or os.path.join(self.root, ".mlorch"), tuple(allow))
        self.store: LocalStore = open_store(self.settings, create=True)

    def reopen(self, create: bool = True) -> LocalStore:
        self.store.forget_caches()
        self.store = open_store(self.settings, create=create)
        return self.store

    def path(self, *parts: str) -> str:
        return os.path.join(self.root, *parts)

    def write(self, path: str, data: Any = "x") -> str:
        full = self.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        return full

    def read(self, path: str) -> str:
        with open(self.path(path), "rb") as file:
            return file.read().decode()

    def object_path(self, digest: str) -> str:
        return os.path.join(self.settings.store, "objects", digest[7:9], digest[9:])

    def ingested(self, path: str, data: Any = "x", **options: Any) -> Artifact:
        """Content written to staging, ingested and committed, as the output `path`."""
        staged = ".mlorch/tmp/staging/{}/{}".format("0" * 32, os.path.basename(path))
        if isinstance(data, dict):
            os.makedirs(self.path(staged), exist_ok=True)
            for name, text in data.items():
                self.write(staged + "/" + name, text)
        else:
            self.write(staged, data)
        content = self.store.ingest(staged, move=True, **options)
        self.store.commit([])
        # what these tests put in place is to come from the objects, as in a later run
        for digest in list(self.store.objects.twins._found):
            self.store.objects.twins.drop(digest)
        for digest in list(self.store.objects.wholes._found):
            self.store.objects.wholes.drop(digest)
        if os.path.isdir(self.path(staged)):
            for name, _, _ in os.walk(self.path(staged), topdown=False):
                os.rmdir(name)
        return Artifact(path, content, options.get("store", True))

    def put_in_place(self, path: str, data: Any = "x") -> Artifact:
        artifact = self.ingested(path, data)
        self.store.workspace.place(artifact, publication(artifact))
        return artifact

    def files(self) -> Dict[str, str]:
        """Everything in the root outside `.mlorch/`: path -> content."""
        found = {}
        for folder, folders, names in os.walk(self.root):
            if folder == self.root and ".mlorch" in folders:
                folders.remove(".mlorch")
            for name in names:
                full = os.path.join(folder, name)
                with open(full, "rb") as file:
                    found[os.path.relpath(full, self.root)] = file.read().decode("utf-8", "surrogateescape")
        return found

    def leftovers(self) -> Sequence[str]:
        """What lies in `.mlorch/tmp/` beside empty folders."""
        found = []
        for folder, _, names in os.walk(self.path(".mlorch", "tmp")):
            found += [os.path.join(folder, name) for name in names]
        return found


def publication(artifact: Artifact, step: str = "s", run: str = "r") -> Publication:
    return Publication(artifact.path, artifact.content, PIPELINE, step, "out", run, artifact.exclude)


def record(number: int, outputs: Dict[str, Artifact], **more: Any) -> Record:
    """A record of instance `s` with key number `number`."""
    fields: Dict[str, Any] = {
        "id": f"r-{number}",
        "key": digest_bytes(str(number).encode()),
        "manifest": Manifest((Row("param", "n", number),)),
        "family": digest_bytes(b"family"),
        "pipeline": PIPELINE,
        "step": "s",
        "instance": "s",
        "run": "r",
        "started": 1_000_000.0 + number,
        "seconds": 1.5,
    }
    fields.update(more)
    return Record(outputs=outputs, **fields)


def in_place(path: str, folder: bool = False, **more: Any) -> BoundOutput:
    return BoundOutput("out", path, folder, False, path, **more)


def staged(
    path: str, folder: bool = False, name: str = "out", key: str = "a" * 32, **more: Any
) -> BoundOutput:
    staging = f".mlorch/tmp/staging/{key}/{name}/{os.path.basename(path)}"
    return BoundOutput(name, path, folder, True, staging, **more)


def python(
    code: str, *argv: str, env: Optional[Dict[str, str]] = None, stdin: Optional[int] = None
) -> subprocess.Popen[str]:
    """A process that runs code with this package on its path."""
    here = os.path.dirname(os.path.abspath(__file__))
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join((TOP, here)), **(env or {})}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *argv],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=variables,
        text=True,
    )


def calm() -> None:
    """Wait until what was just written is no longer racily clean."""
    time.sleep(0.08)


def small(text: str) -> Content:
    return Content(digest_bytes(text.encode()), "file", len(text))
