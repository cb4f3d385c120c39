"""What a run tells of itself when it starts, so that a screen can say how far it is: the steps that may run."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Sequence, Set

from mlorch.model import Decision, Outcome
from mlorch.plan.frontier import Frontier
from mlorch.plan.graph import Graph
from mlorch.plan.world import World

AHEAD = ("run", "maybe")
FEW = 10
"""A step with more instances has one line on a screen (`FOLD` in `report/lines.py`)."""


def expected_steps(decisions: Iterable[Decision], graph: Graph) -> Dict[str, Dict[str, Any]]:
    """Step -> how many `instances` it has and how many of them may `run`, the expected `seconds` of one (absent
    without history), `open` where its instances are not known yet, and its `upstream` among these steps."""
    counts: Dict[str, int] = {}
    found: Dict[str, Dict[str, Any]] = {}
    for decision in decisions:
        step = decision.instance.step.id
        counts[step] = counts.get(step, 0) + 1
        if decision.action not in AHEAD:
            continue
        entry = found.setdefault(step, {"run": 0})
        entry["run"] += 1
        if decision.seconds is not None:
            entry["seconds"] = max(entry.get("seconds", 0.0), round(decision.seconds, 3))
        if not decision.instance.known:
            entry["open"] = True
    for step, entry in found.items():
        entry["instances"] = counts[step]
        upstream = [other for other in graph.upstream(step) if other in found]
        if upstream:
            entry["upstream"] = upstream
    return found


def widest(decisions: Sequence[Decision]) -> int:
    """Letters of the longest name that a screen will show in a line of its own, or with a step's many instances."""
    counts: Dict[str, int] = {}
    for decision in decisions:
        counts[decision.instance.step.id] = counts.get(decision.instance.step.id, 0) + 1
    return max(
        (
            len(item.instance.name if counts[item.instance.step.id] <= FEW else item.instance.step.id)
            for item in decisions
        ),
        default=0,
    )


class Opened:
    """How many instances the steps have whose axes were not known at the start, once they are."""

    def __init__(self, decisions: Iterable[Decision], frontier: Frontier) -> None:
        self._open: Set[str] = {item.instance.step.id for item in decisions if not item.instance.known}
        self._frontier = frontier
        self._sizes: Dict[str, int] = {}

    def __call__(self, step: str) -> int:
        """0 where it was known all along, or is not known yet."""
        if step not in self._open:
            return 0
        if not self._sizes.get(step):
            self._sizes[step] = self._frontier.size(step)
        return self._sizes[step]


def in_order(outcomes: Mapping[str, Outcome], world: World) -> List[Outcome]:
    """Outcomes in the pipeline's order, upstream first, instances as their matrix lists them."""
    places: Dict[str, int] = {}
    for step in world.graph.order:
        expansion = world.expansions.get(step)
        places.setdefault(step, len(places))
        for instance in expansion.instances if expansion is not None else ():
            places.setdefault(instance.name, len(places))
    last = len(places)
    return sorted(outcomes.values(), key=lambda item: places.get(item.instance, last))
