"""What is known so far, in a dry run or a real one: expansions, results, and which instances agree."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Dict, List, Mapping, Sequence, Set, Tuple

from mlorch.model import Instance, Pipeline, Result, Value
from mlorch.plan.graph import Graph
from mlorch.plan.matrix import typed
from mlorch.plan.references import References
from mlorch.values import dataclass


class NotYetKnown(Exception):
    """A value depends on a step that has not run."""


@dataclass(frozen=True)
class Expansion:
    """A step's instances."""

    step: str
    axes: Tuple[str, ...]
    """The axes that count: those that every combination has."""
    instances: Tuple[Instance, ...]
    known: bool = True


@dataclass(frozen=True)
class Group:
    """The instances of another step that a reference takes, and whether it takes them as a list."""

    step: str
    instances: Tuple[Instance, ...]
    is_list: bool
    whole: bool = False
    """These are all of the step's instances."""


@dataclass
class World:
    """Grows while steps are expanded and finish; nothing that is in it changes."""

    pipeline: Pipeline
    graph: Graph
    references: References
    environ: Mapping[str, str]
    expansions: Dict[str, Expansion] = field(default_factory=dict)
    results: Dict[str, Result] = field(default_factory=dict)
    declared: Dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Instance -> output name -> declared path, as far as it is known."""
    gone: Set[str] = field(default_factory=set)
    """In a dry run: paths that still stand there, but that the run would have moved aside by now."""
    _index: Dict[Tuple[str, Tuple[str, ...]], Dict[Any, Tuple[Instance, ...]]] = field(default_factory=dict)

    def agreeing(self, instance: Instance, step: str, where: Mapping[str, Value] = {}) -> Group:
        """The instances of `step` that agree with this one on every shared axis (typed comparison).

        A list if the step has an axis that neither this one's step nor `where` fixes, else a single one; never by count.
        """
        other = self.expansions[step]
        own = (
            self.expansions[instance.step.id].axes
            if instance.step.id in self.expansions
            else tuple(instance.axes)
        )
        fixed = {name: instance.axes[name] for name in own if name in instance.axes and name in other.axes}
        fixed.update(where)
        is_list = any(axis not in fixed for axis in other.axes)
        if not other.known or not instance.known or not fixed:
            return Group(step, other.instances, is_list, whole=True)
        shared = tuple(sorted(fixed))
        return Group(step, self._find(other, shared, fixed), is_list)

    def _find(
        self, other: Expansion, shared: Tuple[str, ...], fixed: Mapping[str, Value]
    ) -> Tuple[Instance, ...]:
        index = self._index.get((other.step, shared))
        if index is None:
            lists: Dict[Any, List[Instance]] = {}
            for item in other.instances:
                lists.setdefault(_signature(item.axes, shared), []).append(item)
            index = {key: tuple(items) for key, items in lists.items()}
            self._index[(other.step, shared)] = index
        return index.get(_signature(fixed, shared), ())

    def result(self, instance: Instance) -> Result:
        return self.results[instance.name]


def _signature(axes: Mapping[str, Value], names: Sequence[str]) -> Tuple[Any, ...]:
    return tuple(typed(axes[name]) if name in axes else None for name in names)
