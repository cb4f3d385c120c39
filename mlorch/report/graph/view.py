"""What is drawn of a plan: nodes with a state and a count, and the edges between them."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch.model import Decision, Plan
from mlorch.report.plans import shown_action
from mlorch.report.style import GLYPHS as STYLE_GLYPHS
from mlorch.values import dataclass

WORST_FIRST = (
    "failed",
    "running",
    "run",
    "maybe",
    "blocked",
    "cancelled",
    "succeeded",
    "cached",
    "skipped",
    "",
)
"""The state of a node that stands for several instances is the first of these that one of them has."""

WORDS = {"succeeded": "ran", "run": "to run", "failed": "failed", "": ""}
GLYPHS = {"succeeded": "ok", "": "dot"}
"""Names of `Style` glyphs where they differ from the state's own."""


@dataclass(frozen=True)
class Node:
    """One step (or instance). `group` is the step of an instance, or the include's prefix of a step."""

    id: str
    label: str
    count: int = 1
    state: str = ""
    """An action of a plan or an outcome of a run; empty where nothing is known."""
    group: str = ""
    states: Tuple[Tuple[str, int], ...] = ()
    """State -> instances, where several are behind it."""
    seconds: Optional[float] = None
    """What it took, or should take, all its instances together."""

    @property
    def glyph(self) -> str:
        """Name of a `Style` glyph; a run file may hold a state that is none of ours."""
        name = GLYPHS.get(self.state, self.state)
        return name if name in STYLE_GLYPHS else "dot"

    @property
    def word(self) -> str:
        """`cached`, or for a mixture `2 failed, 10 ran`."""
        if len(self.states) > 1:
            return ", ".join(
                f"{count} {WORDS.get(state, state) or 'unknown'}" for state, count in self.states
            )
        return WORDS.get(self.state, self.state)


@dataclass(frozen=True)
class GraphView:
    """Nodes in an order in which upstream comes first; edges from upstream to downstream, by node id."""

    name: str
    nodes: Tuple[Node, ...]
    edges: Tuple[Tuple[str, str], ...]


def view(plan: Plan, grouped: bool = True, states: Optional[Mapping[str, str]] = None) -> GraphView:
    """The graph of a plan.

    Args:
        grouped: one node per step with a count; else one per instance.
        states: instance -> outcome in a run; without it the plan's actions are the states.
    """
    members: Dict[str, List[Decision]] = {}
    owner: Dict[str, str] = {}
    for decision in plan.decisions:
        key = decision.instance.step.id if grouped else decision.instance.name
        members.setdefault(key, []).append(decision)
        owner[decision.instance.name] = key
    nodes = tuple(_node(key, found, grouped, states) for key, found in members.items())
    edges: Dict[Tuple[str, str], None] = {}
    for instance, upstream in plan.edges.items():
        for source in upstream:
            if source in owner and instance in owner and owner[source] != owner[instance]:
                edges[(owner[source], owner[instance])] = None
    return GraphView(plan.pipeline.name, _sorted(nodes, list(edges)), tuple(edges))


def _node(key: str, found: Sequence[Decision], grouped: bool, states: Optional[Mapping[str, str]]) -> Node:
    counts: Dict[str, int] = {}
    seconds: Optional[float] = None
    for decision in found:
        state = shown_action(decision) if states is None else states.get(decision.instance.name, "")
        counts[state] = counts.get(state, 0) + 1
        took = _seconds(decision)
        if took is not None:
            seconds = (seconds or 0.0) + took
    ordered = sorted(counts.items(), key=lambda item: _rank(item[0]))
    step = found[0].instance.step
    known = all(decision.instance.known for decision in found)
    group = step.scope if grouped else step.id
    return Node(key, key if known else key + "@?", len(found), ordered[0][0], group, tuple(ordered), seconds)


def _rank(state: str) -> int:
    return WORST_FIRST.index(state) if state in WORST_FIRST else len(WORST_FIRST)


def _seconds(decision: Decision) -> Optional[float]:
    if decision.action == "cached" and decision.record is not None:
        return decision.record.seconds
    return decision.seconds


def _sorted(nodes: Sequence[Node], edges: Sequence[Tuple[str, str]]) -> Tuple[Node, ...]:
    """Upstream first, and as deep as possible before the next branch: that keeps lanes few."""
    by_id = {node.id: node for node in nodes}
    children: Dict[str, List[str]] = {node.id: [] for node in nodes}
    waiting = dict.fromkeys(by_id, 0)
    for source, target in edges:
        children[source].append(target)
        waiting[target] += 1
    ready = [node.id for node in reversed(nodes) if not waiting[node.id]]
    found: List[Node] = []
    while ready:
        current = ready.pop()
        found.append(by_id[current])
        fresh = []
        for child in children[current]:
            waiting[child] -= 1
            if not waiting[child]:
                fresh.append(child)
        ready += reversed(fresh)
    return tuple(found)
