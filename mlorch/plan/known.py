"""What is known of a pipeline's instances before anything runs: static axes expanded, outputs declared."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from mlorch.errors import ExpressionError
from mlorch.model import Problem, Step
from mlorch.plan.declare import Declarations, output_patterns, step_place
from mlorch.plan.expand import axis_steps, expand
from mlorch.plan.world import Expansion, World
from mlorch.ports import Store


def static_expansions(
    world: World, declarations: Declarations, store: Store
) -> Tuple[Dict[str, Expansion], List[Problem]]:
    """Expand and declare every step whose axes are known without running anything."""
    problems: List[Problem] = []
    waiting = list(world.pipeline.steps.values())
    while waiting:
        later: List[Step] = []
        for step in waiting:
            if axis_steps(world, step):
                continue
            borrow = step.matrix.borrow if step.matrix is not None else None
            if borrow is not None and borrow not in world.expansions:
                later.append(step)
                continue
            problems += _expand_one(world, declarations, store, step)
        if len(later) == len(waiting):
            break
        waiting = later
    return dict(world.expansions), problems


def _expand_one(world: World, declarations: Declarations, store: Store, step: Step) -> List[Problem]:
    try:
        expansion = expand(world, step, store)
    except ExpressionError as error:
        message = f"matrix of `{step.id}`: {error.message}"
        return [Problem("E502", message, step_place(step, "matrix"), hint=error.hint)]
    world.expansions[step.id] = expansion
    return [problem for item in expansion.instances for problem in declarations.declare(item)]


def patterns_of(world: World) -> Dict[str, Sequence[str]]:
    """Step -> exact paths where all are known, else patterns."""
    found: Dict[str, Sequence[str]] = {}
    for step in world.pipeline.steps.values():
        expansion = world.expansions.get(step.id)
        if expansion is None:
            found[step.id] = output_patterns(step)
            continue
        known = [world.declared.get(item.name, {}) for item in expansion.instances]
        if all(len(item) == len(step.outputs) for item in known):
            found[step.id] = [path for item in known for path in item.values()]
        else:
            found[step.id] = output_patterns(step)
    return found
