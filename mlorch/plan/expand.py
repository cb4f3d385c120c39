"""From a step to its instances, as soon as the steps behind its axes are done."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Optional, Protocol, Sequence, Set, Tuple

from mlorch.errors import ExpressionError, MlorchError
from mlorch.model import Artifact, ArtifactPath, Content, Entry, Instance, Step, Template, Tree, Value
from mlorch.plan.matrix import combinations, counted_axes, instances
from mlorch.plan.names import Names
from mlorch.plan.world import Expansion, NotYetKnown, World

LONGEST_AXIS = 1_000_000
MOST_INSTANCES = 100_000
"""Of one step: more would not fit into the memory that `validate` and `plan` may take."""


class Contents(Protocol):
    """What the plan needs of the store: digests of what stands somewhere, and looks into objects."""

    def content(self, path: str, exclude: Sequence[str] = ()) -> Optional[Content]: ...

    def members(self, digest: str) -> Tuple[Entry, ...]: ...

    def subfolder(self, digest: str, path: str) -> Content:
        """The content of a folder inside a folder object, as `content` would give it once it stands on disk."""

    def read(self, digest: str) -> bytes: ...


def axis_steps(world: World, step: Step) -> Set[str]:
    """The steps whose results an axis of this step (or of the one that it borrows from) needs."""
    if step.matrix is None:
        return set()
    found = {reference.step for where, reference in world.references.of_step(step) if where == "matrix"}
    return found - {step.matrix.borrow or ""}


def expand(world: World, step: Step, contents: Contents) -> Expansion:
    """A step's instances. Raises ExpressionError where an axis is not a list."""
    if step.matrix is None:
        return Expansion(step.id, (), (Instance(step.id, step),))
    if step.matrix.borrow is not None:
        return _borrowed(step, world.expansions[step.matrix.borrow])
    stand_in = Instance(step.id, step, {}, "", known=False)
    names = Names(world, stand_in, tolerant=True)
    try:
        axes = {name: _axis(names, tree, contents) for name, tree in step.matrix.axes.items()}
        include = [_mapping(names.tree(item)) for item in step.matrix.include]
        exclude = [_mapping(names.tree(item)) for item in step.matrix.exclude]
    except NotYetKnown:
        return Expansion(step.id, tuple(step.matrix.axes), (stand_in,), known=False)
    size = 1
    for values in axes.values():
        size *= len(values)
    if size > MOST_INSTANCES:
        raise ExpressionError(
            f"the matrix has {size:,} combinations, at most {MOST_INSTANCES:,} are allowed",
            hint="let one instance work through many values",
        )
    items = combinations(axes, include, exclude)
    return Expansion(step.id, counted_axes(items, list(axes)), instances(step, items))


def _borrowed(step: Step, other: Expansion) -> Expansion:
    if not other.known:
        return Expansion(step.id, other.axes, (Instance(step.id, step, {}, "", known=False),), known=False)
    items: List[Dict[str, Value]] = [dict(item.axes) for item in other.instances]
    return Expansion(step.id, other.axes, instances(step, items))


def _axis(names: Names, tree: Tree, contents: Contents) -> List[Value]:
    if not isinstance(tree, Template):
        return list(names.tree(tree))
    value = names.render(tree)
    if value is None:
        raise NotYetKnown
    if isinstance(value, ArtifactPath):
        if value.artifact is None:
            raise NotYetKnown
        return _members(value, value.artifact, contents)
    if isinstance(value, list):
        if any(isinstance(item, ArtifactPath) and item.artifact is None for item in value):
            raise NotYetKnown
        return value
    raise ExpressionError(
        f"an axis must be a list, a folder or a .json file of a step, not {value!r}",
        hint="write a list, or `range(n)`",
    )


def _members(path: ArtifactPath, artifact: Artifact, contents: Contents) -> List[Value]:
    if artifact.content.kind == "folder":
        return list(_direct_members(path, artifact, contents))
    if not path.endswith(".json"):
        raise ExpressionError(f"`{path}` can't be an axis: it must be a folder or a .json file")
    return _elements(path, artifact, contents)


def _direct_members(path: ArtifactPath, artifact: Artifact, contents: Contents) -> List[ArtifactPath]:
    digest = artifact.content.digest
    found: Dict[str, Content] = {}
    for entry in contents.members(digest):
        name = entry.path.split("/", 1)[0]
        if name in found:
            continue
        if entry.kind == "file" and entry.path == name:
            found[name] = Content(entry.digest, "file", entry.bytes, 1, entry.executable)
        elif entry.kind != "link" or "/" in entry.path:
            found[name] = contents.subfolder(digest, name)
    made = []
    for name in sorted(found):
        member = f"{path}/{name}"
        made.append(
            ArtifactPath(member, path.producer, Artifact(member, found[name], artifact.stored), path.axes)
        )
    return made


def _elements(path: str, artifact: Artifact, contents: Contents) -> List[Value]:
    try:
        elements: Any = json.loads(contents.read(artifact.content.digest).decode("utf-8"))
    except (ValueError, MlorchError) as error:
        raise ExpressionError(f"`{path}` can't be read as an axis: {error}") from None
    if not isinstance(elements, list):
        raise ExpressionError(f"`{path}` can't be an axis: it holds {type(elements).__name__}, not a list")
    return elements


def _mapping(value: Value) -> Mapping[str, Value]:
    if not isinstance(value, dict):
        raise ExpressionError(f"an `include` or `exclude` of a matrix must be a map of axes, not {value!r}")
    return value
