"""Inputs of an instance: which paths, from whom, with what content."""

from __future__ import annotations

import os
from typing import AbstractSet, Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch.errors import ExpressionError, MlorchError
from mlorch.model import (
    UNKNOWN,
    Artifact,
    ArtifactPath,
    BoundInput,
    Content,
    Digest,
    Entry,
    InputSpec,
    Instance,
    Place,
    Problem,
    Row,
    Step,
    Value,
)
from mlorch.plan import paths
from mlorch.plan.declare import BindError, Declarations, output_patterns, step_place
from mlorch.plan.expand import Contents
from mlorch.plan.names import Names, usable
from mlorch.plan.world import NotYetKnown, World
from mlorch.small import nothing

_SOURCE: Tuple[str, ...] = ("",)
_SOURCE_AXES: Tuple[Mapping[str, Value], ...] = (nothing(),)


class PathText(str):
    """A path of this step's own (a source file, a staging path): a `Path` for a function."""


class InputBinder:
    """Binds declared inputs.

    Args:
        settled: whether upstream outputs are really in place (a real run); a dry run looks through records instead, and
            says unknown where only the disk could tell.
    """

    def __init__(
        self, world: World, declarations: Declarations, contents: Contents, settled: bool, root: str
    ) -> None:
        self._world = world
        self._declarations = declarations
        self._contents = contents
        self._settled = settled
        self._unknown = [step for step in world.pipeline.steps.values() if step.matrix is not None]
        """Steps whose instances may not be known yet; it only shrinks, as this is asked for each input."""
        self._root = root
        self._members: Dict[Digest, Tuple[Mapping[str, Entry], AbstractSet[str]]] = {}
        """Folder -> (its files by path, the folders in it)."""

    def bind(self, names: Names, instance: Instance, name: str, spec: InputSpec) -> BoundInput:
        """Raises BindError, NotYetKnown, ExpressionError."""
        place = step_place(instance.step, "inputs." + name, "inputs")
        value = self._where(names, instance, spec) if spec.where else names.render(spec.path)
        if value is None:
            if names.tolerant:
                return BoundInput(name, (), (), False, store=spec.store, exclude=spec.exclude)
            message = f"input `{name}` of `{instance.name}` is null: a step was skipped, or a value is null"
            hint = 'give a fallback: `first(…, "…")`'
            raise BindError(Problem("E403", message, place, hint=hint))
        is_list = isinstance(value, list)
        texts = value if is_list else [value]
        for text in texts:
            self._check(instance, name, text, place)
        if not is_list and not isinstance(value, ArtifactPath) and paths.is_glob(value):
            texts, is_list = self._glob(instance, name, spec, value), True
        return self._bound(instance, name, spec, texts, is_list)

    def _bound(
        self, instance: Instance, name: str, spec: InputSpec, texts: Sequence[str], is_list: bool
    ) -> BoundInput:
        place = step_place(instance.step, "inputs." + name, "inputs")
        clean = [text if isinstance(text, ArtifactPath) else paths.normal(text) for text in texts]
        contents: List[Optional[Content]] = []
        producers: List[str] = []
        axes: List[Mapping[str, Value]] = []
        for path in clean:
            producer = self._producer(path)
            content = self._content(instance, path, spec.exclude)
            if content is None and (self._settled or not (producer or self._pending(instance, path))):
                raise self._missing(instance, name, path, place)
            contents.append(content)
            producers.append(producer)
            axes.append(self._axes(path, producer))
        is_source = producers == [""]  # as most are where there are many
        return BoundInput(
            name,
            tuple(clean),
            tuple(contents),
            is_list,
            (_SOURCE_AXES if is_source else tuple(axes)),
            (_SOURCE if is_source else tuple(producers)),
            spec.store,
            tuple(spec.exclude),
        )

    def _where(self, names: Names, instance: Instance, spec: InputSpec) -> Value:
        whole = spec.path.whole
        found = self._world.references.of(whole) if whole is not None else ()
        if len(found) != 1 or len(found[0].path) != 2 or found[0].path[0] != "outputs":
            raise ExpressionError("`where` needs `from` to be one `steps.X.outputs.Y`")
        where = {axis: names.tree(value) for axis, value in spec.where.items()}
        group = self._world.agreeing(instance, found[0].step, where)
        return names.output_of(group, found[0].path[1])

    def _check(self, instance: Instance, name: str, value: Value, place: Place) -> None:
        if not isinstance(value, str):
            message = f"input `{name}` of `{instance.name}` must be a path, not {value!r}"
            raise BindError(Problem("E408", message, place, hint="name a file, a folder or a glob"))
        if isinstance(value, ArtifactPath):
            return
        reason = paths.refusal(value)
        if reason:
            message = f"input `{name}` of `{instance.name}`: the path `{value}` {reason}"
            raise BindError(Problem("E401", message, place, hint="use a path inside the project root"))

    def _glob(self, instance: Instance, name: str, spec: InputSpec, pattern: str) -> List[str]:
        found = set(paths.expand_glob(self._root, pattern))
        matcher = paths.glob_pattern(pattern)
        pending = False
        for path in self._declarations.declared_paths():
            writer = self._declarations.writer(path)
            assert writer is not None
            if writer[0].name == instance.name or not paths.glob_overlaps(pattern, path):
                continue
            if paths.excluded(path, pattern, spec.exclude):
                continue
            result = self._world.results.get(writer[0].name)
            present = result is not None and writer[1] in result.outputs and usable(result)
            if result is None or result.status == "unknown":
                pending = True
            elif present and matcher.match(path):
                found.add(path)
            elif not present:
                found.discard(path)
            elif not self._settled and not self._in_place(result.outputs[writer[1]]):
                pending = True
        if pending or self._may_come(instance, pattern):
            raise NotYetKnown
        found = {
            path for path in found if not (paths.excluded(path, pattern, spec.exclude) or self._is_gone(path))
        }
        if not found:
            place = step_place(instance.step, "inputs." + name, "inputs")
            message = f"input `{name}` of `{instance.name}`: no file matches `{pattern}`"
            raise BindError(
                Problem("E404", message, place, hint="check the pattern; it is relative to the project root")
            )
        return sorted(found)

    def _producer(self, path: str) -> str:
        if isinstance(path, ArtifactPath):
            return path.producer
        writer = self._declarations.writer(path)
        if writer is not None:
            return writer[0].name
        around = self._declarations.writer_around(path)
        return around[0].name if around is not None else ""

    def _axes(self, path: str, producer: str) -> Mapping[str, Value]:
        if isinstance(path, ArtifactPath):
            return path.axes
        writer = self._declarations.writer(path) if producer else None
        return writer[0].axes if writer is not None else nothing()

    def _pending(self, instance: Instance, path: str) -> bool:
        """Whether something that has not run may still write this, or inside this folder."""
        return self._may_come(instance, path) or any(
            self._status_of(inner) in ("", "unknown") for inner in self._declarations.written_inside(path)
        )

    def _may_come(self, instance: Instance, pattern: str) -> bool:
        """Whether a step whose instances become known only during the run may write what a path or glob names."""
        if self._settled:
            return False
        self._unknown = [step for step in self._unknown if not self._is_expanded(step)]
        return any(
            step.id != instance.step.id and paths.overlap(pattern, other)
            for step in self._unknown
            for other in output_patterns(step)
        )

    def _is_expanded(self, step: Step) -> bool:
        expansion = self._world.expansions.get(step.id)
        return expansion is not None and expansion.known

    def _status_of(self, path: str) -> str:
        writer = self._declarations.writer(path)
        result = self._world.results.get(writer[0].name) if writer is not None else None
        return result.status if result is not None else ""

    def _content(self, instance: Instance, path: str, exclude: Sequence[str]) -> Optional[Content]:
        """Content of one path; None where it is unknown or nothing is there."""
        if isinstance(path, ArtifactPath):
            return self._of_artifact(path.artifact, path, exclude)
        writer = self._declarations.writer(path)
        if writer is not None and writer[0].name != instance.name:
            artifact = self._artifact(writer[0].name, writer[1])
            return self._of_artifact(artifact, path, exclude)
        around = self._declarations.writer_around(path)
        if around is not None and not self._settled:
            artifact = self._artifact(around[0].name, around[1])
            return self._member(artifact, path[len(around[2]) + 1 :]) if artifact is not None else None
        if not self._settled and (
            self._is_gone(path) or self._may_come(instance, path) or not self._stands(path)
        ):
            return None
        return self._contents.content(str(path), exclude)

    def _is_gone(self, path: str) -> bool:
        """Whether a run would have moved it aside by now. What was another step's then and is declared now is put back."""
        gone = self._world.gone
        if not gone or self._declarations.writer(path) is not None:
            return False
        return path in gone or any(paths.inside(path, folder) for folder in gone)

    def _stands(self, path: str) -> bool:
        """Whether all that steps make inside a folder is done. Raises NotYetKnown where the disk does not yet show it as
        the run will."""
        if any(paths.inside(inner, path) for inner in self._world.gone):
            raise NotYetKnown
        for inner in self._declarations.written_inside(path):
            writer = self._declarations.writer(inner)
            assert writer is not None
            artifact = self._artifact(writer[0].name, writer[1])
            status = self._status_of(inner)
            if artifact is None and status in ("", "unknown"):
                return False
            if artifact is not None and not self._in_place(artifact):
                raise NotYetKnown
            if artifact is None and status != "skipped" and os.path.lexists(os.path.join(self._root, inner)):
                raise NotYetKnown
        return True

    def _artifact(self, instance: str, output: str) -> Optional[Artifact]:
        result = self._world.results.get(instance)
        return result.outputs.get(output) if result is not None and usable(result) else None

    def _of_artifact(
        self, artifact: Optional[Artifact], path: str, exclude: Sequence[str]
    ) -> Optional[Content]:
        if artifact is None:
            return None
        if not exclude or artifact.content.kind == "file":
            return artifact.content
        if self._settled or self._in_place(artifact):
            return self._contents.content(str(path), exclude)
        return None

    def _in_place(self, artifact: Artifact) -> bool:
        try:
            there = self._contents.content(artifact.path, artifact.exclude)
        except MlorchError:
            return False
        return there is not None and there.identity == artifact.content.identity

    def _member(self, artifact: Artifact, member: str) -> Optional[Content]:
        digest = artifact.content.digest
        known = self._members.get(digest)
        if known is None:  # a glob asks for each of many members
            entries = self._contents.members(digest)
            files = {entry.path: entry for entry in entries if entry.kind == "file"}
            known = self._members[digest] = (
                files,
                {above for entry in entries for above in _folders(entry.path)},
            )
        entry = known[0].get(member)
        if entry is not None:
            return Content(entry.digest, "file", entry.bytes, 1, entry.executable)
        return self._contents.subfolder(digest, member) if member in known[1] else None

    def _missing(self, instance: Instance, name: str, path: str, place: Place) -> BindError:
        message = (
            f"input `{name}` of `{instance.name}` is missing: no step makes `{path}`, and no such file exists"
        )
        near = _near(path, sorted(self._declarations.declared_paths()))
        hint = f"did you mean `{near}`?" if near else "make the file, or correct the path"
        return BindError(Problem("E404", message, place, hint=hint))


def _folders(path: str) -> List[str]:
    """`a/b`, `a` for `a/b/c`."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(len(parts) - 1, 0, -1)]


def _near(path: str, known: Sequence[str]) -> str:
    import difflib

    found = difflib.get_close_matches(path, known[:10_000], n=1, cutoff=0.75)
    return found[0] if found else ""


def value_of(bound: BoundInput) -> Value:
    """What `${{ inputs.x }}` gives."""
    wrapped: List[str] = [path if isinstance(path, ArtifactPath) else PathText(path) for path in bound.paths]
    if bound.is_list:
        return wrapped
    return wrapped[0] if wrapped else None


def row_of(bound: BoundInput) -> Row:
    """The row of one declared input: paths with identities of their contents."""
    if any(content is None for content in bound.contents):
        return Row("input", bound.name, UNKNOWN)
    pairs = [
        [str(path), content.identity]
        for path, content in zip(bound.paths, bound.contents)
        if content is not None
    ]
    return Row("input", bound.name, pairs if bound.is_list else (pairs[0] if pairs else None))


def touched_inputs(
    touched: Sequence[ArtifactPath], declared: Mapping[str, BoundInput]
) -> Tuple[BoundInput, ...]:
    """Artifacts that expressions used beside the declared inputs; each is an input named by its path."""
    known = {str(path) for bound in declared.values() for path in bound.paths}
    found: Dict[str, BoundInput] = {}
    for item in touched:
        if str(item) in known or str(item) in found:
            continue
        content = item.artifact.content if item.artifact is not None else None
        found[str(item)] = BoundInput(str(item), (item,), (content,), False, (item.axes,), (item.producer,))
    return tuple(found.values())
