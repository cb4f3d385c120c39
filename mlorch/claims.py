"""What a run may write and read, for the registration by which runs wait for each other."""

from __future__ import annotations

from typing import Iterable, Set, Tuple

from mlorch.engine.retire import by_step, stale_of_removed, stale_of_step
from mlorch.model import Step
from mlorch.plan import paths
from mlorch.plan.declare import output_patterns
from mlorch.plan.graph import input_pattern
from mlorch.plan.select import select
from mlorch.session import Choice, Session


def touched_paths(session: Session, choice: Choice) -> Tuple[Set[str], Set[str]]:
    """(writes, reads) of the chosen steps; for what is not yet known, the longest constant folder. Each step's id and
    each effect counts as a path. Raises UsageError."""
    steps = select(session.pipeline, session.graph, choice.selectors, closure=not choice.only).steps
    writes: Set[str] = set()
    reads: Set[str] = set()
    for name in steps:
        step = session.pipeline.steps[name]
        writes.add(f"step:{session.pipeline.file}:{name}")
        writes.update(_outputs(session, step))
        if step.effect is not None:
            writes.add(f"effect:{step.effect.literal or _constant_folder(str(step.effect))}")
        for spec in step.inputs.values():
            pattern = input_pattern(spec.path)
            if pattern is not None:
                reads.add(_constant_folder(pattern) if paths.is_glob(pattern) else pattern)
        for upstream in session.graph.upstream(name):  # outside the choice only under `--only`
            reads.update(_outputs(session, session.pipeline.steps[upstream]))
    writes.update(_stale(session, steps))
    return writes, reads - writes


def _outputs(session: Session, step: Step) -> Set[str]:
    found: Set[str] = set()
    expansion = session.static.get(step.id)
    known = [session.world.declared.get(item.name, {}) for item in expansion.instances] if expansion else []
    if expansion is None or any(len(item) < len(step.outputs) for item in known):
        found.update(_constant_folder(pattern) for pattern in output_patterns(step))
    for declared in known:
        found.update(declared.values())
    return found


def _stale(session: Session, steps: Iterable[str]) -> Set[str]:
    """What the run would move aside."""
    world, publications = session.world, session.publications
    found = stale_of_removed(world, session.declarations, publications, session.store)
    published = by_step(publications.values())
    for step in steps:
        found += stale_of_step(step, world, session.declarations, published.get(step, ()))
    return {item.path for item in found}


def _constant_folder(pattern: str) -> str:
    position = min((pattern.find(mark) for mark in "*?[$" if mark in pattern), default=len(pattern))
    head = pattern[:position]
    return head[: head.rfind("/") + 1] if position < len(pattern) else pattern
