"""Selectors: which steps and instances a command is about."""

from __future__ import annotations

import fnmatch
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple

from mlorch.errors import UsageError, did_you_mean
from mlorch.model import Instance, Pipeline
from mlorch.plan.graph import Graph, reachable
from mlorch.values import dataclass


@dataclass(frozen=True)
class Selection:
    """Steps by name, and for some of them the pattern that their instances must match."""

    steps: Tuple[str, ...]
    patterns: Dict[str, Tuple[str, ...]]
    """Step -> patterns of instance names; absent means all."""

    def test(self, step: str) -> Optional[Callable[[Instance], bool]]:
        patterns = self.patterns.get(step)
        if patterns is None:
            return None
        return lambda item: any(fnmatch.fnmatchcase(item.name, pattern) for pattern in patterns)


def select(pipeline: Pipeline, graph: Graph, selectors: Sequence[str], closure: bool) -> Selection:
    """What selectors name; with `closure`, what they need too.

    `STEP`, `STEP@INSTANCE`, `+STEP` (and upstream), `STEP+` (and downstream), `tag:x`, globs. None at all is everything.
    Raises UsageError with a suggestion.
    """
    if not selectors:
        return Selection(tuple(graph.order), {})
    chosen: Dict[str, Optional[Set[str]]] = {}
    for selector in selectors:
        for step, pattern in _one(pipeline, graph, selector):
            _add(chosen, step, pattern)
    if closure:
        for step in list(chosen):
            for upstream in graph.ancestors(step):
                _add(chosen, upstream, None)
    steps = tuple(step for step in graph.order if step in chosen)
    patterns = {step: tuple(sorted(found)) for step, found in chosen.items() if found is not None}
    return Selection(steps, patterns)


def _add(chosen: Dict[str, Optional[Set[str]]], step: str, pattern: Optional[str]) -> None:
    if pattern is None or (step in chosen and chosen[step] is None):
        chosen[step] = None
    else:
        before = chosen.setdefault(step, set())
        assert before is not None
        before.add(pattern)


def _one(pipeline: Pipeline, graph: Graph, selector: str) -> List[Tuple[str, Optional[str]]]:
    upstream, downstream = selector.startswith("+"), selector.endswith("+")
    core = selector[1:] if upstream else selector
    core = core[:-1] if downstream else core
    found = _named(pipeline, core, selector)
    more: Set[str] = set()
    for step, _ in found:
        if upstream:
            more |= graph.ancestors(step)
        if downstream:
            more |= reachable(graph.downstream(), step)
    return found + [(step, None) for step in sorted(more)]


def _named(pipeline: Pipeline, core: str, selector: str) -> List[Tuple[str, Optional[str]]]:
    if core.startswith("tag:"):
        tag = core[4:]
        found = [step.id for step in pipeline.steps.values() if tag in step.tags]
        if not found:
            tags = sorted({item for step in pipeline.steps.values() for item in step.tags})
            raise _unknown("tag", tag, tags)
        return [(step, None) for step in found]
    name, at, instance = core.partition("@")
    matched = [step for step in pipeline.steps if fnmatch.fnmatchcase(step, name)]
    if not name or not matched:
        raise _unknown("step", name or selector, list(pipeline.steps))
    if not at:
        return [(step, None) for step in matched]
    bare = [step for step in matched if pipeline.steps[step].matrix is None]
    if bare:
        raise UsageError(
            f"`{selector}` names an instance, but step `{bare[0]}` has no matrix",
            f"say `{bare[0]}`",
        )
    return [(step, f"{step}@{instance}") for step in matched]


def _unknown(what: str, name: str, known: Sequence[str]) -> UsageError:
    hint = did_you_mean(name, known)
    return UsageError(
        f"no {what} is called `{name}`",
        hint or ("there are: {}".format(", ".join(known[:20])) if known else "the pipeline has none"),
    )


def instance_closure(upstream_of: Callable[[str], Sequence[str]], start: Sequence[str]) -> Set[str]:
    """These instances and all that they transitively need."""
    found: Set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(upstream_of(name))
    return found
