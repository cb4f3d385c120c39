"""After an attempt: are its outputs all there and right, were its inputs left alone, and what is to be recorded."""

from __future__ import annotations

import contextlib
import json
import math
import os
import posixpath
import stat
from dataclasses import field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch.digest import tag_floats, tagged_float
from mlorch.engine.masker import contains_secret, mask
from mlorch.engine.undeclared import Producer, undeclared_reads, undeclared_sentences
from mlorch.errors import NO_STEPS_DOING, MlorchError
from mlorch.model import Artifact, BoundOutput, Content, Ended, Invocation, Value
from mlorch.plan.paths import inside
from mlorch.ports import Store
from mlorch.timing import timed
from mlorch.values import dataclass

LARGEST_METRICS = 4 << 20
_CLOCK = 0.02
"""Seconds by which a file system's clock may lag behind ours."""
_INSIDE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "inside") + os.sep
"""What mlorch itself brings into a step's process is no module of the project's."""


class OutputError(Exception):
    """An output is missing, of the wrong kind or can't be read: the attempt has failed."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Collected:
    """What an attempt left, digested; `error` makes it a failure."""

    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    metrics: Mapping[str, Value] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    code_changed: Tuple[str, ...] = ()
    created: Tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    """Inputs with `store: true` as objects: path -> digest."""
    undeclared: Tuple[str, ...] = ()
    """Project files that it read though it does not declare them."""
    advice: str = ""
    """What to say of them."""
    error: str = ""
    hint: str = ""
    environment: bool = False
    """The error is the machine's, not the step's."""


@dataclass(frozen=True)
class Collector:
    """Runs in the agent's thread when a process has ended.

    Args:
        code_before: digest of each code file as the key was made of it.
        absent_words: words of the command that named no file before the attempt.
    """

    store: Store
    invocation: Invocation
    code_before: Mapping[str, str]
    absent_words: Sequence[str] = ()
    secrets: Sequence[str] = ()
    strict: bool = False
    """Whether reading a file that is not declared is a failure."""
    producer_of: Producer = lambda _: ""

    @timed("digest")
    def collect(self, ended: Ended) -> Collected:
        """Never raises what a step can cause."""
        created = tuple(
            word for word in self.absent_words if os.path.isfile(os.path.join(self.store.root, word))
        )
        if ended.cause != "exit" or ended.exit_code != 0:
            return Collected(created=created, modules=self._modules(ended))
        try:
            changed_input = self._changed_input()
            if changed_input:
                return Collected(
                    error=f"input `{changed_input}` changed while it ran",
                    hint="run it again; a step must not write its own inputs",
                    created=created,
                )
            undeclared = self._undeclared(ended)
            told, advice = undeclared_sentences(undeclared, self.producer_of) if undeclared else ("", "")
            if undeclared and self.strict:
                return Collected(error=told, hint=f"{advice}, or allow it: undeclared: warn", created=created)
            metrics = self._metrics(ended)
            self._history(ended)
            sources = self._stored_inputs()
            outputs = self._ingest(ended)
        except OutputError as error:
            return Collected(error=str(error), hint=error.hint, created=created)
        except MlorchError as error:
            machine = isinstance(error, NO_STEPS_DOING)
            return Collected(error=error.message, hint=error.hint, created=created, environment=machine)
        modules = self._modules(ended)
        changed = (*self._changed_code(), *self._saved_since(modules, ended.started))
        advised = f"{told} ({advice})"
        return Collected(outputs, metrics, modules, changed, created, sources, tuple(undeclared), advised)

    def _undeclared(self, ended: Ended) -> List[str]:
        root, modules = self.store.root, ended.modules or ()
        found = undeclared_reads(root, self.invocation, ended.reads, modules, self.producer_of)
        return [mask(path, self.secrets) for path in found]

    # --------------------------------------------------------------------------------------------------- outputs

    def _ingest(self, ended: Ended) -> Dict[str, Artifact]:
        found: Dict[str, Artifact] = {}
        # Inner outputs first. What lies apart from the others may be moved into the store instead of copied.
        for output in sorted(self.invocation.outputs, key=lambda item: -item.path.count("/")):
            self._require(output, ended)
            alone = not any(
                other is not output and (inside(output.path, other.path) or inside(other.path, output.path))
                for other in self.invocation.outputs
            )
            content = self.store.ingest(
                output.staging, output.exclude, store=output.store, move=output.staged and alone
            )
            found[output.name] = Artifact(output.path, content, output.store, output.exclude)
        return {output.name: found[output.name] for output in self.invocation.outputs}

    def _unwritten(self, output: BoundOutput, ended: Ended) -> OutputError:
        wanted = "folder" if output.folder else "file"
        told = f" (the step was told to write `{output.staging}`)" if output.staged else ""
        message = f"output `{output.name}` was not written: no {wanted} at `{output.path}`{told}"
        if output.staged:
            return OutputError(message)
        stray = self._strays(output, ended.started) if ended.started and not output.folder else []
        wrote = f"instead there is a new {', '.join(f'`{name}`' for name in stray)}; " if stray else ""
        return OutputError(
            message,
            f"{wrote}let the command write that path, or give it the path as `${{{{ outputs.{output.name} }}}}`",
        )

    def _strays(self, output: BoundOutput, since: float) -> List[str]:
        """At most three files like this output that were written since then, in the root or where it belongs."""
        declared = {item.path for item in self.invocation.outputs}
        suffix = os.path.splitext(output.path)[1]
        found = []
        for folder in sorted({"", posixpath.dirname(output.path)}):
            try:
                entries = list(os.scandir(os.path.join(self.store.root, folder)))
            except OSError:
                continue
            for entry in entries:
                path = posixpath.join(folder, entry.name)
                like = entry.name.endswith(suffix) and not entry.name.startswith(".") and path not in declared
                with contextlib.suppress(OSError):  # another step's may be gone by now
                    if like and entry.is_file() and entry.stat().st_mtime >= since - _CLOCK:
                        found.append(path)
        return sorted(found)[:3]

    def _require(self, output: BoundOutput, ended: Ended) -> None:
        path = os.path.join(self.store.root, output.staging)
        wanted = "folder" if output.folder else "file"
        try:
            found = os.lstat(path)
        except OSError:
            raise self._unwritten(output, ended) from None
        is_folder = stat.S_ISDIR(found.st_mode)
        if is_folder != output.folder:
            raise OutputError(
                "output `{}` must be a {}, but the step made a {}{}".format(
                    output.name,
                    wanted,
                    "folder" if is_folder else "file",
                    "; declare it with a trailing slash" if is_folder else "",
                )
            )
        if not is_folder and not stat.S_ISREG(found.st_mode) and not os.path.isfile(path):
            raise OutputError(f"output `{output.name}` is neither a file nor a folder")
        for secret in self.secrets:
            if len(secret) >= 4 and contains_secret(output.path, [secret]):
                raise OutputError(f"the path of output `{output.name}` holds the value of a secret")
        if is_folder and self.secrets:
            self._names_inside(path, output)

    def _names_inside(self, path: str, output: BoundOutput) -> None:
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                if contains_secret(posixpath.join(folder, name)[len(path) :], self.secrets):
                    raise OutputError(f"a file name in output `{output.name}` holds the value of a secret")

    def _changed_input(self) -> str:
        for item in self.invocation.inputs:
            for path, content in zip(item.paths, item.contents):
                there = self.store.content(str(path), item.exclude)
                if content is not None and (there is None or there.identity != content.identity):
                    return str(path)
        return ""

    def _stored_inputs(self) -> Dict[str, str]:
        """Copies of the sources that are to be kept, as the key was made of them."""
        found: Dict[str, str] = {}
        for item in self.invocation.inputs:
            for path, content in zip(item.paths, item.contents) if item.store else ():
                kept = self.store.ingest(str(path), item.exclude)
                if content is not None and kept.identity != content.identity:
                    raise OutputError(f"input `{path}` changed while it ran")
                found[str(path)] = kept.digest
        return found

    # --------------------------------------------------------------------------------------------------- metrics

    def _metrics(self, ended: Ended) -> Mapping[str, Value]:
        output = next((item for item in self.invocation.outputs if item.name == "metrics"), None)
        metrics: Any = ended.metrics or {}
        if output is not None and not output.folder:
            path = os.path.join(self.store.root, output.staging)
            if not os.path.isfile(path):
                raise self._unwritten(output, ended)
            metrics = read_metrics(path, output.path)
        problem = metrics_problem(metrics)
        if problem:
            raise OutputError(f"metrics: {problem}")
        if self.secrets and contains_secret(
            json.dumps(tag_floats(metrics), ensure_ascii=False), self.secrets
        ):
            raise OutputError("metrics hold the value of a secret")
        tagged: Mapping[str, Value] = tag_floats(metrics)
        return tagged

    def _history(self, ended: Ended) -> None:
        output = next((item for item in self.invocation.outputs if item.name == "history"), None)
        if output is None or output.folder:
            return
        path = os.path.join(self.store.root, output.staging)
        if not os.path.isfile(path):
            raise self._unwritten(output, ended)
        with open(path, encoding="utf-8", errors="surrogateescape") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    row = json.loads(line) if line.strip() else {}
                except (ValueError, RecursionError):
                    row = None
                if not isinstance(row, dict):
                    raise OutputError(f"output `history`, line {number}: expected one JSON mapping per line")

    # ------------------------------------------------------------------------------------------------------ code

    def _changed_code(self) -> Tuple[str, ...]:
        changed = []
        for path, before in self.code_before.items():
            if path.startswith("/"):
                continue
            there: Optional[Content] = self.store.content(path)
            if (there.digest if there is not None else "") != before:
                changed.append(path)
        return tuple(changed)

    def _modules(self, ended: Ended) -> Dict[str, str]:
        """Project modules that were loaded though the static code did not reach them, by digest."""
        found: Dict[str, str] = {}
        if not ended.modules:
            return found
        reached, top = set(self.invocation.code_files), self.store.root + "/"
        loaded = [
            path for path in ended.modules if not (path.startswith(top) and path[len(top) :] in reached)
        ]
        if not loaded:
            return found
        root = os.path.realpath(self.store.root) + "/"
        outputs = [path for item in self.invocation.outputs for path in (item.path, item.staging)]
        for path in loaded:
            real = os.path.realpath(path)
            if not real.startswith(root) or real.startswith(_INSIDE):
                continue
            relative = real[len(root) :]
            if relative in reached or relative.startswith(".mlorch/") or _foreign(relative):
                continue
            if any(inside(relative, output) for output in outputs):
                continue
            content = self.store.content(relative)
            if content is not None and content.kind == "file":
                found[relative] = content.digest
        return found

    def _saved_since(self, modules: Mapping[str, str], started: float) -> List[str]:
        """Of modules that no static look found only the digest at the end is known: one that was saved after the start
        may not be the one that was loaded. (ctime, since a file moved into place keeps its mtime.)"""
        found = []
        for path in modules:
            try:
                saved = os.stat(os.path.join(self.store.root, path)).st_ctime
            except OSError:
                saved = math.inf
            if saved > started:
                found.append(path)
        return found


def _foreign(path: str) -> bool:
    """Installed packages in a virtual environment inside the project: they count by version."""
    return "/site-packages/" in "/" + path or "/dist-packages/" in "/" + path


def read_metrics(path: str, shown: str) -> Any:
    """A metrics file as JSON. Raises OutputError."""
    if os.path.getsize(path) > LARGEST_METRICS:
        raise OutputError(f"metrics file `{shown}` is over 4 MB; metrics are a mapping of numbers")
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except ValueError as error:
        raise OutputError(f"metrics file `{shown}` is not JSON: {error}") from None
    except RecursionError:
        raise OutputError(
            f"metrics file `{shown}` is nested too deeply; metrics are a mapping of numbers"
        ) from None


def metrics_problem(metrics: Any) -> str:
    """What is wrong with a mapping of metrics, or an empty string."""
    if not isinstance(metrics, Mapping):
        return f"expected a mapping of names to numbers, strings or booleans, not {type(metrics).__name__}"
    waiting: List[Tuple[str, Any]] = list(metrics.items())
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, Mapping):
            if tagged_float(value) is not None:
                continue
            waiting.extend((f"{name}.{inner}", item) for inner, item in value.items())
        elif not isinstance(value, (int, float, str, bool)):
            return f"`{name}` must be a number, a string or a boolean, not {type(value).__name__}"
        elif isinstance(value, float) and not math.isfinite(value):
            continue
    return ""
