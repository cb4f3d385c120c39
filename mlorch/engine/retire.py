"""Moving aside what earlier runs published and the pipeline no longer declares, so that no glob finds it."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, Sequence, Set

from mlorch.model import Instance
from mlorch.plan import paths
from mlorch.plan.declare import Declarations
from mlorch.plan.graph import input_pattern
from mlorch.plan.world import World
from mlorch.ports import Publication, Store


def by_step(publications: Iterable[Publication]) -> Dict[str, List[Publication]]:
    found: Dict[str, List[Publication]] = {}
    for item in publications:
        found.setdefault(item.step, []).append(item)
    return found


def stale_of_step(
    step: str, world: World, declarations: Declarations, published: Sequence[Publication]
) -> List[Publication]:
    """What of all that was published for this step is declared by nobody now. Empty while an output path is unknown."""
    expansion = world.expansions.get(step)
    if expansion is None or not expansion.known:
        return []
    wanted = len(world.pipeline.steps[step].outputs)
    if any(len(world.declared.get(item.name, {})) < wanted for item in expansion.instances):
        return []
    return [item for item in published if declarations.writer(item.path) is None]


def stale_of_removed(
    world: World, declarations: Declarations, publications: Mapping[str, Publication], store: Store
) -> List[Publication]:
    """What steps published that are no longer in the pipeline, where only a glob or a folder input would find it.

    What an input names exactly, or git tracks, stays: it is a source now.
    """
    exact: Set[str] = set()
    loose: List[str] = []
    for step in world.pipeline.steps.values():
        for spec in step.inputs.values():
            pattern = input_pattern(spec.path)
            if pattern is not None:
                exact.add(pattern)
                loose.append(pattern)
    found = []
    for item in publications.values():
        if item.step in world.pipeline.steps or declarations.writer(item.path) is not None:
            continue
        if item.path in exact or store.workspace.is_tracked(item.path):
            continue
        if any(_finds(pattern, item.path) for pattern in loose):
            found.append(item)
    return found


def _finds(pattern: str, path: str) -> bool:
    if paths.is_glob(pattern):
        return paths.glob_overlaps(pattern, path)
    return paths.inside(path, pattern)


class Retirer:
    """Retires in a real run, under its locks."""

    def __init__(
        self, world: World, declarations: Declarations, store: Store, publications: Dict[str, Publication]
    ) -> None:
        self._world = world
        self._declarations = declarations
        self._store = store
        self._publications = publications
        self._by_step = by_step(publications.values())
        self.kept: List[str] = []
        """Sentences about copies that were kept."""

    def start(self) -> None:
        """What removed steps left."""
        for item in stale_of_removed(self._world, self._declarations, self._publications, self._store):
            self._retire(item)

    def expanded(self, step: str) -> None:
        """A step's instances are known: what it published for others goes. Declares the outputs of all of them."""
        for instance in self._world.expansions[step].instances:
            if instance.known:
                # Collisions are reported when the instance is decided.
                self._declarations.declare(instance, self._world)
        published = [item for item in self._by_step.get(step, ()) if item.path in self._publications]
        for item in stale_of_step(step, self._world, self._declarations, published):
            self._retire(item)

    def skipped(self, instance: Instance) -> List[str]:
        """The old outputs of a skipped step are moved aside."""
        before = len(self.kept)
        declared = set(self._world.declared.get(instance.name, {}).values())
        for item in self._by_step.get(instance.step.id, ()):
            # Of a step whose axes never became known: whatever it published.
            if item.path in self._publications and (item.path in declared or not instance.known):
                self._retire(item)
        return self.kept[before:]

    def _retire(self, item: Publication) -> None:
        where = self._store.workspace.retire(item)
        self._publications.pop(item.path, None)
        if where:
            self.kept.append(f"`{item.path}`, which nothing declares any more, is kept in `{where}`")


class Foreseer(Retirer):
    """Notes in a dry run what a real one would have moved aside: unedited files, so that no input finds them."""

    _seen = 0

    def follow(self, expanded: Sequence[str]) -> None:
        """Take over the steps that were expanded since the last call."""
        for step in expanded[self._seen :]:
            self.expanded(step)
        self._seen = len(expanded)

    def _retire(self, item: Publication) -> None:
        self._publications.pop(item.path, None)
        there = self._store.content(item.path, item.exclude)
        if there is not None and there.identity == item.content.identity:
            self._world.gone.add(item.path)
