"""The moving edge of a run: which instances are ready, given what has finished.

The same object serves a dry run and a real one. In-degrees count instances, or a whole step where all its instances are
needed; a step whose axes are results of others is expanded when these are done, so that the graph may grow.
"""

from __future__ import annotations

from collections import deque
from typing import Callable, Deque, Dict, List, Mapping, Optional, Set

from mlorch.errors import ExpressionError
from mlorch.model import Instance, Result
from mlorch.plan.expand import Contents, axis_steps, expand
from mlorch.plan.world import Expansion, World

Wanted = Mapping[str, Optional[Callable[[Instance], bool]]]
"""Step -> which of its instances are wanted (None: all). Steps that are absent stay outside."""


class Frontier:
    """Hands out instances in topological order.

    Args:
        wanted: the steps (and instances) to go through.
        outside: for steps that are not wanted but read by wanted ones, what stands in for their results.
    """

    def __init__(
        self,
        world: World,
        contents: Contents,
        wanted: Wanted,
        outside: Optional[Callable[[Instance], Result]] = None,
    ) -> None:
        self.world = world
        self.upstream: Dict[str, List[str]] = {}
        """Instance -> names of its upstream instances, or of a step where all of it is needed."""
        self.failures: Dict[str, ExpressionError] = {}
        """Steps whose matrix could not be expanded; each has one stand-in instance."""
        self.expanded: List[str] = []
        """Wanted steps in the order of their expansion; who needs news takes them from here."""
        self._contents = contents
        self._wanted = wanted
        self._outside = outside
        self._scope = self._needed_steps()
        self._waiting: Dict[str, int] = {}
        self._children: Dict[str, List[Instance]] = {}
        self._open: Dict[str, int] = {}
        self._closed: Set[str] = set()
        self._on_close: Dict[str, List[str]] = {}
        self._on_expand: Dict[str, List[str]] = {}
        self._ready: List[Instance] = []
        self._expanded: Set[str] = set()
        self._linked: Set[str] = set()
        self._in_play: Set[str] = set()
        self._queue: Deque[str] = deque(step for step in world.graph.order if step in self._scope)
        self._pump()

    def take(self) -> List[Instance]:
        """The instances that have become ready since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def finish(self, result: Result) -> None:
        """Note how an instance ended; others may become ready, steps may expand."""
        self._settle(result)
        self._pump()

    def unfinished(self) -> List[Instance]:
        """Every wanted instance without a result; one stand-in for each step that is not expanded."""
        found: List[Instance] = []
        for step in self.world.graph.order:
            if step not in self._wanted or step in self._closed:
                continue
            expansion = self.world.expansions.get(step) if step in self._expanded else None
            if expansion is None:
                found.append(Instance(step, self.world.pipeline.steps[step], known=False))
            else:
                found.extend(item for item in self._chosen(expansion) if item.name not in self.world.results)
        return found

    def size(self, step: str) -> int:
        """How many instances of a step were chosen; 0 as long as its axes are not known."""
        expansion = self.world.expansions.get(step) if step in self._expanded else None
        return len(self._chosen(expansion)) if expansion is not None and expansion.known else 0

    def _needed_steps(self) -> Set[str]:
        scope = set(self._wanted)
        waiting = [upstream for step in self._wanted for upstream in self.world.graph.upstream(step)]
        while waiting:
            step = waiting.pop()
            if step in scope:
                continue
            scope.add(step)
            definition = self.world.pipeline.steps[step]
            waiting.extend(axis_steps(self.world, definition))
            if definition.matrix is not None and definition.matrix.borrow:
                waiting.append(definition.matrix.borrow)
        return scope

    def _pump(self) -> None:
        while self._queue:
            step = self._queue.popleft()
            if step not in self._expanded:
                self._try_expand(step)
            elif step not in self._linked:
                self._try_link(step)

    def _try_expand(self, step: str) -> None:
        definition = self.world.pipeline.steps[step]
        for needed in axis_steps(self.world, definition):
            if needed in self._scope and needed not in self._closed:
                self._on_close.setdefault(needed, []).append(step)
                return
        borrow = definition.matrix.borrow if definition.matrix is not None else None
        if borrow is not None and borrow not in self._expanded:
            self._on_expand.setdefault(borrow, []).append(step)
            return
        try:
            expansion = self.world.expansions.get(step) or expand(self.world, definition, self._contents)
        except ExpressionError as error:
            self.failures[step] = error
            stand_in = Instance(step, definition, known=False)
            expansion = Expansion(step, (), (stand_in,), known=False)
        self.world.expansions[step] = expansion
        self._expanded.add(step)
        if step in self._wanted:
            self.expanded.append(step)
        self._queue.extendleft(reversed([step, *self._on_expand.pop(step, [])]))

    def _try_link(self, step: str) -> None:
        needed = [item for item in self.world.graph.upstream(step) if item in self._scope]
        if step not in self._wanted:
            needed = []
        for upstream in needed:
            if upstream not in self._linked:
                self._on_expand.setdefault("linked " + upstream, []).append(step)
                return
        self._linked.add(step)
        chosen = self._chosen(self.world.expansions[step])
        self._open[step] = len(chosen)
        self._in_play.update(item.name for item in chosen)
        for instance in chosen:
            self._link(instance, needed)
        self._queue.extend(self._on_expand.pop("linked " + step, []))
        if not chosen:
            self._close(step)

    def _link(self, instance: Instance, needed: List[str]) -> None:
        if instance.step.id not in self._wanted:
            assert self._outside is not None
            self._settle(self._outside(instance))
            return
        tokens: List[str] = []
        for step in needed:
            group = self.world.agreeing(instance, step)
            if group.whole:
                if step not in self._closed:
                    tokens.append("step " + step)
                self.upstream.setdefault(instance.name, []).append("step " + step)
                continue
            for item in group.instances:
                if item.name not in self._in_play:
                    continue
                self.upstream.setdefault(instance.name, []).append(item.name)
                if item.name not in self.world.results:
                    tokens.append(item.name)
        for token in tokens:
            self._children.setdefault(token, []).append(instance)
        if tokens:
            self._waiting[instance.name] = len(tokens)
        else:
            self._ready.append(instance)

    def _chosen(self, expansion: Expansion) -> List[Instance]:
        test = self._wanted.get(expansion.step)
        if test is None or not expansion.known:
            return list(expansion.instances)
        return [item for item in expansion.instances if test(item)]

    def _settle(self, result: Result) -> None:
        name, step = result.instance.name, result.instance.step.id
        self.world.results[name] = result
        self._release(name)
        self._open[step] -= 1
        if self._open[step] == 0:
            self._close(step)

    def _close(self, step: str) -> None:
        self._closed.add(step)
        self._release("step " + step)
        self._queue.extend(self._on_close.pop(step, []))

    def _release(self, token: str) -> None:
        for child in self._children.pop(token, []):
            self._waiting[child.name] -= 1
            if self._waiting[child.name] == 0:
                del self._waiting[child.name]
                self._ready.append(child)

    def upstream_instances(self, instance: str) -> List[str]:
        """Names of the instances that this one needs, whole steps spelt out."""
        found: List[str] = []
        for token in self.upstream.get(instance, []):
            if token.startswith("step "):
                found.extend(item.name for item in self.world.expansions[token[5:]].instances)
            else:
                found.append(token)
        return found
