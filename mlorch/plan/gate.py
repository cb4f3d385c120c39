"""Whether an instance goes ahead: its `if`, and what became of its upstream."""

from __future__ import annotations

from typing import Dict, List, Set, Tuple

from mlorch import expressions
from mlorch.model import Instance, Result
from mlorch.plan.names import Names
from mlorch.plan.world import Group, NotYetKnown, World
from mlorch.values import dataclass

_STATUS_FUNCTIONS = {"success", "failure", "always"}


@dataclass(frozen=True)
class Gate:
    """`go`, `skipped`, `blocked` or `unknown` (a dry run can't tell), and the instances behind it."""

    verdict: str
    causes: Tuple[str, ...] = ()
    tolerant: bool = False
    """The condition looks over failed and skipped upstream, whose outputs are then null."""
    failed_attempts: Tuple[str, ...] = ()
    """Under `failure()`: what the key must hold, so that each new failure is told."""


@dataclass(frozen=True)
class _Upstream:
    """An upstream step as a gate sees it."""

    group: Group
    data: bool
    """Its outputs or metrics are used (else: order only)."""
    guarded: bool


def judge(world: World, instance: Instance, names: Names) -> Gate:
    """Raises ExpressionError where the condition can't be evaluated."""
    upstream = _upstream(world, instance)
    condition = instance.step.condition
    called = {call.name for call in expressions.calls(condition.source)} if condition else set()
    standing = _standing(world, upstream)
    if condition is None or not called & _STATUS_FUNCTIONS:
        if standing.verdict != "go" or condition is None:
            return standing
        return _evaluate(names, instance, standing)
    names.tolerant = True
    names.functions.update(
        success=lambda: _known(standing).verdict == "go",
        failure=lambda: _any_failed(world, upstream),
        always=lambda: True,
    )
    # `if: success() and …` that is false because of a failure blocks, as the default condition does.
    gate = _evaluate(names, instance, Gate("go", tolerant=called != {"success"}))
    if gate.verdict == "skipped" and called == {"success"} and standing.verdict != "go":
        return standing
    if gate.verdict == "go" and "failure" in called:
        return Gate("go", tolerant=True, failed_attempts=_failed_attempts(world, upstream))
    return gate


def upstream_steps(world: World, instance: Instance) -> Dict[str, Tuple[bool, bool]]:
    """Upstream step -> (its data is used, every reference to it is guarded by `first`)."""
    found: Dict[str, Tuple[bool, bool]] = {}
    for where, reference in world.references.of_step(instance.step):
        data = reference.path[:1] in (("outputs",), ("metrics",)) and where not in ("if",)
        guarded = reference.guarded
        before = found.get(reference.step)
        if before is not None:
            data, guarded = data or before[0], guarded and before[1]
        found[reference.step] = (data, guarded)
    for needed in instance.step.needs:
        found[needed] = (found.get(needed, (False, False))[0], False)
    for needed, edge in world.graph.edges[instance.step.id].items():
        if edge.by_path:
            found[needed] = (True, found.get(needed, (True, False))[1])
        found.setdefault(needed, (False, False))
    return found


def _upstream(world: World, instance: Instance) -> List[_Upstream]:
    return [
        _Upstream(world.agreeing(instance, step), data, guarded)
        for step, (data, guarded) in upstream_steps(world, instance).items()
    ]


def _results(world: World, group: Group) -> List[Result]:
    return [world.results[item.name] for item in group.instances if item.name in world.results]


def _standing(world: World, upstream: List[_Upstream]) -> Gate:
    """The default condition, `success()`."""
    blocked: List[str] = []
    skipped: List[str] = []
    unknown = False
    guarded: List[Result] = []
    for item in upstream:
        results = _results(world, item.group)
        for result in results:
            if _stands_in_the_way(result, item.data):
                blocked.extend(result.causes or (result.instance.name,))
        if item.guarded:
            guarded.extend(results)
            continue
        unknown = unknown or any(result.status == "unknown" and _may_vanish(result) for result in results)
        gone = [result for result in results if result.status == "skipped"]
        if (gone and len(gone) == len(results)) or (gone and not item.group.is_list):
            skipped.extend(result.instance.name for result in gone)
    if guarded and all(result.status == "skipped" for result in guarded):
        skipped.extend(result.instance.name for result in guarded)
    if blocked:
        return Gate("blocked", _unique(blocked))
    if skipped:
        return Gate("skipped", _unique(skipped))
    return Gate("unknown") if unknown else Gate("go")


def _may_vanish(result: Result) -> bool:
    """A dry run does not know whether this one will be skipped."""
    return "condition" in result.causes


def _stands_in_the_way(result: Result, data: bool) -> bool:
    if result.status in ("blocked", "cancelled"):
        return True
    return result.status == "failed" and (data or not result.tolerated)


def _any_failed(world: World, upstream: List[_Upstream]) -> bool:
    results = [result for item in upstream for result in _results(world, item.group)]
    if any(result.status in ("failed", "blocked") for result in results):
        return True
    if any(result.status == "unknown" for result in results):
        raise NotYetKnown
    return False


def _failed_attempts(world: World, upstream: List[_Upstream]) -> Tuple[str, ...]:
    found: Set[str] = set()
    for item in upstream:
        for result in _results(world, item.group):
            # What is blocked has not failed itself: those behind it have.
            behind = [world.results.get(name) for name in result.causes] if result.status == "blocked" else []
            for failed in (result, *behind):
                found.update(failed.attempt_ids if failed is not None else ())
    return tuple(sorted(found))


def _known(gate: Gate) -> Gate:
    if gate.verdict == "unknown":
        raise NotYetKnown
    return gate


def _evaluate(names: Names, instance: Instance, go: Gate) -> Gate:
    condition = instance.step.condition
    assert condition is not None
    try:
        return go if names.evaluate(condition.source, condition.scope) else Gate("skipped")
    except NotYetKnown:
        return Gate("unknown")


def _unique(items: List[str]) -> Tuple[str, ...]:
    return tuple(dict.fromkeys(items))
