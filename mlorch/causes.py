"""Where the reason of a decision began: through the chain of instances above it, in this plan and in earlier runs."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple, cast

from mlorch.errors import MlorchError
from mlorch.model import Cause, Decision, Invocation, Reason, Record
from mlorch.ports import Store

Upstream = Callable[[str], Sequence[str]]
"""Instance -> the instances that it needs."""

PASSED_ON = ("upstream", "input")
"""Reasons that something further up has brought about."""


class Causes:
    """Finds what began it. `decisions` are those of the plan, by instance."""

    def __init__(self, decisions: Mapping[str, Decision], upstream: Upstream, store: Store) -> None:
        self._decisions = decisions
        self._upstream = upstream
        self._store = store
        self._runs: Dict[str, Mapping[str, Tuple[Reason, ...]]] = {}

    def of(self, instance: str, previous: Optional[Record]) -> Tuple[Cause, ...]:
        """The first causes, the furthest first: instances that would run for reasons of their own, and instances that
        ran since `previous` and gave an input another content."""
        found = [*self._to_come(instance), *self._since(instance, previous)]
        return tuple(sorted(found, key=lambda cause: -len(cause.path)))

    def _to_come(self, instance: str) -> List[Cause]:
        """Breadth first, so that each cause has its shortest path."""
        found: List[Cause] = []
        seen: Set[str] = {instance}
        paths: List[Tuple[str, ...]] = [(instance,)]
        for path in paths:
            for name in self._upstream(path[0]):
                decision = self._decisions.get(name)
                if name in seen or decision is None or decision.action not in ("run", "maybe"):
                    continue
                seen.add(name)
                paths.append((name, *path))
                own = tuple(reason for reason in decision.reasons if reason.kind not in PASSED_ON)
                if own:
                    found.append(Cause(name, decision.instance.step.id, own, (name, *path)))
        return found

    def _since(self, instance: str, previous: Optional[Record]) -> List[Cause]:
        decision = self._decisions[instance]
        if previous is None or decision.invocation is None:
            return []
        found: List[Cause] = []
        seen: Set[str] = {instance}
        for producer in changed_producers(decision.invocation, previous):
            found += self._in_the_past(producer, (instance,), seen)
        return found

    def _in_the_past(self, producer: str, path: Tuple[str, ...], seen: Set[str]) -> List[Cause]:
        decision = self._decisions.get(producer)
        if producer in seen or decision is None or decision.action != "cached" or decision.record is None:
            return []
        seen.add(producer)
        run, path = decision.record.run, (producer, *path)
        reasons = self._reasons(run).get(producer, ())
        own = tuple(reason for reason in reasons if reason.kind not in PASSED_ON)
        found = [Cause(producer, decision.instance.step.id, own, path, run)] if own else []
        for reason in reasons:
            if reason.kind == "input" and decision.invocation is not None:
                for name in producers_of(decision.invocation, reason.name):
                    found += self._in_the_past(name, path, seen)
        return found

    def _reasons(self, run: str) -> Mapping[str, Tuple[Reason, ...]]:
        """Instance -> why it ran in a run."""
        if run not in self._runs:
            found: Dict[str, Tuple[Reason, ...]] = {}
            try:
                for event in self._store.events(run):
                    if event.kind == "step.started":
                        found[event.instance] = tuple(
                            map(_reason, cast(List[Any], event.data.get("reasons") or ()))
                        )
            except MlorchError:
                pass  # a run that gc has deleted explains nothing any more
            self._runs[run] = found
        return self._runs[run]


def _reason(item: Any) -> Reason:
    return Reason(item["kind"], item["name"], item.get("old"), item.get("new"), item.get("text") or "")


def producers_of(invocation: Invocation, name: str) -> List[str]:
    """The instances that make an input."""
    return [maker for item in invocation.inputs if item.name == name for maker in item.producers if maker]


def changed_producers(invocation: Invocation, previous: Record) -> List[str]:
    """The instances whose output, as an input here, differs from what `previous` was made of."""
    before = previous.manifest.as_mapping()
    after = invocation.manifest.as_mapping()
    found: List[str] = []
    for item in invocation.inputs:
        row = ("input", item.name)
        if row in before and row in after and before[row] != after[row]:
            found += [maker for maker in item.producers if maker]
    return list(dict.fromkeys(found))


def touched(decision: Decision, root: str) -> Tuple[str, ...]:
    """Sources and code of a cached instance that were written since its record was made: the content is the same."""
    record, invocation = decision.record, decision.invocation
    if decision.action != "cached" or record is None or invocation is None:
        return ()
    sources = [
        path for item in invocation.inputs for path, maker in zip(item.paths, item.producers) if not maker
    ]
    return tuple(
        path
        for path in dict.fromkeys([*invocation.code_files, *sources])
        if _written(os.path.join(root, path)) > record.started + record.seconds
    )


def _written(path: str) -> float:
    """When, in seconds since the epoch; 0 for what is not there. Of a folder, when a member came or went."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
