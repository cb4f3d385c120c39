"""The graph of steps: edges, order, cycles. The only user of graphlib."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

import graphlib

from mlorch.errors import SpecError
from mlorch.model import Pipeline, Place, Problem, Step, Template
from mlorch.plan import paths
from mlorch.plan.references import References
from mlorch.values import dataclass

LONGEST_CYCLE = 20
"""Steps of a cycle that a message names, and frames that it shows."""


@dataclass(frozen=True)
class Edge:
    """`step` needs `upstream`, because of what stands at `place`."""

    step: str
    upstream: str
    place: Place
    length: int = 1
    by_path: bool = False
    """An input path overlaps an output of the upstream step, with no reference."""


@dataclass(frozen=True)
class Graph:
    """Which step needs which."""

    edges: Mapping[str, Mapping[str, Edge]]
    """Step -> upstream step -> the first edge between them."""
    order: Tuple[str, ...]
    """Upstream first; otherwise the order of the file."""

    def upstream(self, step: str) -> Tuple[str, ...]:
        return tuple(self.edges.get(step, {}))

    def downstream(self) -> Dict[str, List[str]]:
        below: Dict[str, List[str]] = {step: [] for step in self.order}
        for step in self.order:
            for upstream in self.edges[step]:
                below[upstream].append(step)
        return below

    def ancestors(self, step: str) -> Set[str]:
        """All steps that a step transitively needs."""
        return reachable(self.edges, step)


def build(pipeline: Pipeline, references: References, outputs: Mapping[str, Sequence[str]]) -> Graph:
    """The graph of a pipeline's steps.

    Args:
        outputs: step -> patterns of what it may write, exact where it is known (`*` for each unknown part).

    Raises SpecError (E201) where the steps form a cycle, with a frame per edge.
    """
    edges = {step.id: _edges(step, references) for step in pipeline.steps.values()}
    _add_overlaps(pipeline, edges, outputs)
    order = _order(edges)
    return Graph(edges, order)


def _edges(step: Step, references: References) -> Dict[str, Edge]:
    found: Dict[str, Edge] = {}
    for _, reference in references.of_step(step):
        found.setdefault(reference.step, Edge(step.id, reference.step, reference.place, reference.length))
    for index, needed in enumerate(step.needs):
        place = step.places.get(f"needs.{index}", step.places.get("needs", step.place))
        found.setdefault(needed, Edge(step.id, needed, place, len(needed)))
    if step.matrix is not None and step.matrix.borrow is not None:
        place = step.places.get("matrix", step.place)
        found.setdefault(step.matrix.borrow, Edge(step.id, step.matrix.borrow, place, 6))
    return found


class OutputPaths:
    """Finds the steps that may write what a path or pattern names, without comparing each with each."""

    def __init__(self, outputs: Mapping[str, Sequence[str]]) -> None:
        self._exact: Dict[str, str] = {}
        self._folders: Dict[str, Set[str]] = {}
        self._patterns: List[Tuple[str, str]] = []
        for step, patterns in outputs.items():
            for pattern in patterns:
                if paths.is_glob(pattern):
                    self._patterns.append((pattern, step))
                    continue
                self._exact[pattern] = step
                for folder in _parents(pattern):
                    self._folders.setdefault(folder, set()).add(step)

    def declares(self, path: str) -> Optional[str]:
        """The step that declares exactly this path or a folder around it."""
        if path in self._exact:
            return self._exact[path]
        for folder in _parents(path):
            if folder in self._exact:
                return self._exact[folder]
        return None

    def writers(self, pattern: str) -> Set[str]:
        """All steps whose outputs may overlap; an exact declaration takes the only edge."""
        if not paths.is_glob(pattern):
            exact = self._exact.get(pattern)
            if exact is not None:
                return {exact}
            found = set(self._folders.get(pattern, ()))
            around = self.declares(pattern)
            if around is not None:
                found.add(around)
        else:
            prefix = pattern[: min(pattern.find(mark) for mark in "*?[" if mark in pattern)]
            folder = prefix.rsplit("/", 1)[0] if "/" in prefix else ""
            near = self._folders.get(folder, set()) if folder else set(self._exact.values())
            found = {step for step in near if self._meets(pattern, step)}
            around = self.declares(folder) if folder else None
            if around is not None:
                found.add(around)
        found.update(step for other, step in self._patterns if paths.overlap(pattern, other))
        return found

    def _meets(self, pattern: str, step: str) -> bool:
        return any(paths.glob_overlaps(pattern, path) for path in self._by_step()[step])

    def _by_step(self) -> Dict[str, List[str]]:
        made: Optional[Dict[str, List[str]]] = getattr(self, "_grouped", None)
        if made is None:
            made = {}
            for path, step in self._exact.items():
                made.setdefault(step, []).append(path)
            self._grouped = made
        return made


def _parents(path: str) -> List[str]:
    found = []
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        found.append(path)
    return found


def _add_overlaps(
    pipeline: Pipeline, edges: Dict[str, Dict[str, Edge]], outputs: Mapping[str, Sequence[str]]
) -> None:
    index = OutputPaths(outputs)
    for step in pipeline.steps.values():
        for name, item in step.inputs.items():
            pattern = input_pattern(item.path)
            if pattern is None:
                continue
            place = step.places.get(f"inputs.{name}", step.place)
            for writer in sorted(index.writers(pattern)):
                if writer != step.id:
                    edge = Edge(step.id, writer, place, max(1, len(str(item.path))), by_path=True)
                    edges[step.id].setdefault(writer, edge)


def input_pattern(template: Template) -> Optional[str]:
    """What an input's path may be: its text with `*` for each expression; None where it is one whole expression."""
    if template.whole is not None:
        return None
    return paths.normal("".join(part if isinstance(part, str) else "*" for part in template.parts))


def _order(edges: Mapping[str, Mapping[str, Edge]]) -> Tuple[str, ...]:
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for step, upstream in edges.items():
        sorter.add(step, *upstream)
    position = {step: index for index, step in enumerate(edges)}
    try:
        return tuple(sorter.static_order())
    except graphlib.CycleError as error:
        cycle = list(error.args[1])[:-1]
        first = min(range(len(cycle)), key=lambda index: position[cycle[index]])
        raise SpecError([_cycle(edges, [*cycle[first:], *cycle[: first + 1]])]) from None


def _cycle(edges: Mapping[str, Mapping[str, Edge]], cycle: List[str]) -> Problem:
    """graphlib gives each step before the one that needs it, the first again at the end."""
    frames = []
    shown = cycle
    if len(cycle) > LONGEST_CYCLE:
        shown = [*cycle[: LONGEST_CYCLE - 2], f"(… {len(cycle) - LONGEST_CYCLE} more)", *cycle[-2:]]
    for upstream, step in zip(cycle, cycle[1:]):
        edge = edges[step][upstream]
        frames.append((edge.place, edge.length, f"`{step}` needs `{upstream}` here"))
    frames = frames[-1:] + frames[:-1]
    first = frames[0]
    return Problem(
        code="E201",
        message="the steps form a cycle: {}".format(" -> ".join(shown)),
        place=first[0],
        length=first[1],
        hint=first[2],
        notes=tuple(frames[1:LONGEST_CYCLE]),
    )


def reachable(neighbours: Mapping[str, Iterable[str]], start: str) -> Set[str]:
    """What can be reached from `start`, without it."""
    found: Set[str] = set()
    waiting = list(neighbours.get(start, ()))
    while waiting:
        step = waiting.pop()
        if step not in found:
            found.add(step)
            waiting.extend(neighbours.get(step, ()))
    return found
