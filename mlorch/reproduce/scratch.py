"""A scratch place: the project as a recorded step saw it, in a folder of its own outside the project."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Dict, List, Mapping, Optional, Tuple

from mlorch import store as stores
from mlorch.engine.recipe import Recipe, RecipeInput
from mlorch.errors import EnvironmentFault, StoreError
from mlorch.model import Artifact, Content, Event, Record, Settings
from mlorch.plan.code import Interpreter
from mlorch.plan.code.editable import read_editable
from mlorch.store import files
from mlorch.store.local import LocalStore
from mlorch.store.session import hold, is_locked
from mlorch.values import dataclass

PREFIX = "mlorch-reproduce-"
LOCK = "lock"


@dataclass
class ScratchLog:
    """Implements `ports.RunLog`: scripts, contexts and logs of one execution."""

    path: str

    def append(self, event: Event) -> None:
        del event

    def extend(self, lines: bytes) -> None:
        del lines

    def flush(self) -> None:
        pass

    def write(self, name: str, text: str, executable: bool = False) -> str:
        target = os.path.join(self.path, name)
        with open(target, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        if executable:
            os.chmod(target, 0o755)
        return target

    def close(self) -> None:
        pass


class Places:
    """Folders for scratch places. A temporary one is used again by executions of the same number: what is warm for its path
    (a process that has imported packages already) is warm for the next.

    Args:
        keep: folder in which each execution has a place of its own that stays; None for temporary ones.
    """

    def __init__(self, keep: Optional[str]) -> None:
        self.keep = keep
        self._free: Dict[int, List[str]] = {}
        self._made: Dict[str, int] = {}
        """Folder -> the descriptor of its held lock, which tells that this process lives."""
        if keep is None:
            _sweep(tempfile.gettempdir())

    def take(self, instance: str, number: int) -> str:
        if self.keep is not None:
            top = os.path.join(self.keep, f"{instance.replace('/', '_')}-{number}")
            os.makedirs(top)
            return top
        free = self._free.get(number)
        if free:
            return free.pop()
        top = os.path.realpath(tempfile.mkdtemp(prefix=PREFIX))
        self._made[top] = hold(os.path.join(top, LOCK))
        return top

    def give_back(self, top: str, number: int) -> None:
        """Empty it, but for what is kept."""
        if self.keep is None:
            for name in set(os.listdir(top)) - {LOCK}:
                files.remove(os.path.join(top, name))
            self._free.setdefault(number, []).append(top)

    def close(self) -> None:
        for top, descriptor in self._made.items():
            files.remove(top)
            os.close(descriptor)


def _sweep(folder: str) -> None:
    """Remove what killed ones left."""
    for name in os.listdir(folder):
        top = os.path.join(folder, name)
        lock = os.path.join(top, LOCK)
        try:
            own = name.startswith(PREFIX) and os.lstat(top).st_uid == os.geteuid() and os.path.isfile(lock)
            if own and not os.path.islink(top) and not is_locked(lock):
                files.remove(top)
        except OSError:
            continue


class Scratch:
    """The place of one execution; each number of an execution has a path of another length."""

    def __init__(self, store: LocalStore, record: Record, recipe: Recipe, number: int, top: str) -> None:
        self._store = store
        self._record = record
        self._recipe = recipe
        self.number = number
        self.top = top
        self.root = os.path.join(self.top, "project" + "-again" * min(number - 1, 9))
        self.log = ScratchLog(os.path.join(self.top, "log"))
        for folder in (self.root, self.log.path):
            os.makedirs(folder)

    def build(self) -> None:
        """Put inputs and code in their places, and make room for outputs. Raises StoreError, EnvironmentFault."""
        # A folder before what lies in it.
        for item in sorted(self._recipe.inputs, key=lambda item: item.path.count("/")):
            if not os.path.isabs(item.path):
                self._input(item)
        for path, digest in self._record.sources.items():
            target = self._inside(path)
            if os.path.lexists(target) or self._is_input(path):
                continue
            files.make_folders(os.path.dirname(target))
            mode = files.normal_mode(path in self._recipe.executable)
            self._store.objects.copy_to(digest, target, mode)
        self._environment()
        for output in self._recipe.invocation.outputs:
            place = self._inside(output.staging if output.staged else output.path)
            files.make_folders(place if output.folder else os.path.dirname(place))
        if self._recipe.invocation.checkpoint:
            files.make_folders(self._inside(self._recipe.invocation.checkpoint))

    def contents(self) -> LocalStore:
        """What stands in it, by digest; nothing is written."""
        return LocalStore(Settings(self.root, os.path.join(self.top, "store")), create=False)

    def _input(self, item: RecipeInput) -> None:
        target = self._inside(item.path)
        if os.path.lexists(target):
            return  # it came with the folder around it
        artifact = Artifact(item.path, item.content, False, item.exclude)
        loose = not self._store.has(item.content)
        stores.export(self._store, artifact, target)
        if loose and self.contents().content(item.path, item.exclude) != item.content:
            raise StoreError(f"input `{item.path}` changed while it was copied", "reproduce it again")

    def _is_input(self, path: str) -> bool:
        return any(path == item.path for item in self._recipe.inputs)

    def _environment(self) -> None:
        """A virtual environment inside the project stands here too, since commands may name it."""
        for path in {self._recipe.python, self._recipe.interpreter}:
            if not path or os.path.isabs(path):
                continue
            home = os.path.dirname(os.path.dirname(path))
            there = os.path.join(self._store.root, home)
            if (
                home
                and os.path.exists(os.path.join(there, "pyvenv.cfg"))
                and not os.path.lexists(self._inside(home))
            ):
                files.make_folders(os.path.dirname(self._inside(home)))
                os.symlink(there, self._inside(home))

    def _inside(self, path: str) -> str:
        """Raises StoreError for a path that can't be: a record may come from elsewhere."""
        parts = path.split("/")
        if os.path.isabs(path) or ".." in parts or "\0" in path or parts[0] == ".git":
            raise StoreError(
                f"the record of `{self._record.instance}` names the path `{path}`, which can't be"
            )
        return os.path.join(self.root, path)


def python_path(root: str, scratch: str, interpreter: Optional[Interpreter], env: Mapping[str, str]) -> str:
    """PYTHONPATH that shows the scratch place's code where an editable install shows the project's own of today.

    Empty where there is nothing to show.
    """
    found: List[str] = [item for item in env.get("PYTHONPATH", "").split(os.pathsep) if item]
    if interpreter is not None:
        editable = read_editable(interpreter)
        homes = [*editable.folders, *(os.path.dirname(path) for path in editable.modules.values())]
        for home in homes:
            if home == root or home.startswith(root + os.sep):
                place = os.path.normpath(os.path.join(scratch, os.path.relpath(home, root)))
                if place not in found:
                    found.append(place)
    return os.pathsep.join(found)


def unkept(store: LocalStore, record: Record, recipe: Recipe) -> List[Tuple[RecipeInput, str]]:
    """Inputs whose recorded content is nowhere any more, each with how to keep it."""
    found: List[Tuple[RecipeInput, str]] = []
    seen = set()
    for item in recipe.inputs:
        if item.path in seen:
            continue
        seen.add(item.path)
        if os.path.isabs(item.path):
            if not _stands(store, item.path, item.content, item.exclude):
                found.append((item, "it lies outside the project: copy it into the project to have it kept"))
        elif not store.retrievable(Artifact(item.path, item.content, False, item.exclude)):
            found.append((item, _how_to_keep(store, record, item)))
    return found


def _stands(store: LocalStore, path: str, content: Content, exclude: Tuple[str, ...]) -> bool:
    try:
        return store.content(path, exclude) == content
    except EnvironmentFault:
        return False


def _how_to_keep(store: LocalStore, record: Record, item: RecipeInput) -> str:
    if not item.producer:
        return f"keep it from the next run on: inputs: {{{item.name}: {{path: {item.path}, store: true}}}}"
    made = store.latest(record.pipeline, item.producer)
    outputs = made.outputs if made is not None else {}
    name = next((name for name, artifact in outputs.items() if artifact.path == item.path), "")
    if name and not outputs[name].stored:
        return f"`{item.producer}` makes it with `store: false`: take that out of its output `{name}`"
    return f"`{item.producer}` made it, and the store has lost it since (gc?): run the pipeline again"


def disk_full(error: OSError) -> EnvironmentFault:
    """A scratch place needs room where temporary files go."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free >> 20
    message = f"the scratch place can't be made in `{folder}`: {(error.strerror or 'failed').lower()} ({free} MiB free)"
    return EnvironmentFault(
        message, "free some space, or name another folder: TMPDIR=/path mlorch reproduce …"
    )
