"""One decision per instance, the same in a dry run and in a real one: gate, invocation, records, verdict."""

from __future__ import annotations

import time
from dataclasses import field, replace
from typing import Callable, Dict, List, Mapping, Optional

from mlorch.digest import untag_floats
from mlorch.engine import rebuild
from mlorch.engine.rebuild import Recalled
from mlorch.errors import EnvironmentFault, ExpressionError
from mlorch.model import Decision, Instance, Invocation, Problem, Reason, Record, Result
from mlorch.plan.bind import Binder
from mlorch.plan.code import CodeReader
from mlorch.plan.declare import BindError
from mlorch.plan.frontier import Frontier
from mlorch.plan.gate import judge, upstream_steps
from mlorch.plan.seal import family_of
from mlorch.plan.world import World
from mlorch.ports import Store
from mlorch.small import Folded, keep, nothing
from mlorch.timing import median
from mlorch.values import dataclass


@dataclass
class Decider:
    """Decides instances as they become ready.

    Args:
        forced: instances that run whatever is remembered.
        last_used: the record that an instance had in its last run, which reasons compare with. Asked only for what is
            not cached.
    """

    world: World
    frontier: Frontier
    binder: Binder
    store: Store
    reader: CodeReader
    last_used: Callable[[Instance], Optional[Record]]
    forced: Callable[[Instance], bool] = lambda _: False
    undeclared: str = "warn"
    """For steps that do not say: what comes of reading a file that is not declared."""
    snapshots: Dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Instance -> digest of each code file as its key was made of it, where there is any."""

    def decide(self, instance: Instance, planned: Optional[Decision] = None) -> Decision:
        """Raises BindError: the instance can't be bound.

        Args:
            planned: a whole decision of the dry run, taken over where the instance goes ahead now too.
        """
        failure = self.frontier.failures.get(instance.step.id)
        names = self.binder.names(instance)
        try:
            gate = judge(self.world, instance, names)
        except ExpressionError as error:
            place = instance.step.places.get("if", instance.step.place)
            raise BindError(Problem("E501", f"`if` of `{instance.name}`: {error.message}", place)) from None
        if gate.verdict in ("skipped", "blocked"):
            return Decision(instance, gate.verdict, causes=gate.causes)
        if failure is not None:
            place = instance.step.places.get("matrix", instance.step.place)
            message = f"matrix of `{instance.step.id}`: {failure.message}"
            raise BindError(Problem("E502", message, place, hint=failure.hint))
        if gate.verdict == "unknown":
            return Decision(
                instance,
                "maybe",
                (Reason("upstream", text="its condition is not yet known"),),
                causes=("condition",),
            )
        if not instance.known:
            return Decision(instance, "maybe", (Reason("upstream", text="its instances are not yet known"),))
        if planned is not None and not gate.failed_attempts:
            return planned
        invocation = self.binder.bind(instance, names, gate)
        return self._decide(instance, invocation)

    def _decide(self, instance: Instance, invocation: Invocation) -> Decision:
        step = instance.step
        code = {path: self.reader.raw_digest(path) for path in invocation.code_files}
        keep(self.snapshots, instance.name, code)
        if self.forced(instance):
            verdict = rebuild.Verdict("run", (Reason("forced", text="forced"),), self.last_used(instance))
        elif not invocation.key:
            family = self.store.family(family_of(invocation), rebuild.FAMILY_LIMIT)
            nearest = self.last_used(instance)
            verdict = rebuild.decide_partly(step, invocation, family, nearest, self._pending(instance))
        elif invocation.effect:
            verdict = self._effect(instance, invocation, self.last_used(instance))
        else:
            recalled = self._recall(instance, invocation)
            holds = step.cache.enabled and any(item.obstacle is None for item in recalled)
            verdict = rebuild.decide(step, invocation, recalled, None if holds else self.last_used(instance))
        return Decision(
            instance,
            verdict.action,
            verdict.reasons,
            _held(verdict.record, invocation),
            invocation,
            self._expected(instance, verdict.action),
        )

    def code_now(self, invocation: Invocation) -> Dict[str, str]:
        """Digest of each code file as it is now, to be compared with `snapshots`."""
        found = {}
        for path in invocation.code_files:
            content = self.store.content(path) if not path.startswith("/") else None
            found[path] = content.digest if content is not None else self.reader.raw_digest(path)
        return found

    def _recall(self, instance: Instance, invocation: Invocation) -> List[Recalled]:
        """Records of the key, newest first; looking stops at the first that holds."""
        found: List[Recalled] = []
        now = time.time()
        strict = (instance.step.undeclared or self.undeclared) == "error"
        for record in self.store.records(invocation.key):
            if not _fits(record, invocation):
                continue
            changed = self._changed_modules(record)
            problem = rebuild.obstacle(record, now, instance.step.cache.ttl, changed, strict)
            if problem is None:
                problem = self._lost(record)
            found.append(Recalled(record, problem))
            if problem is None:
                break
        return found

    def _changed_modules(self, record: Record) -> List[str]:
        changed = []
        for path, digest in record.modules.items():
            try:
                content = self.store.content(path)
            except EnvironmentFault:
                content = None  # out of the project: no step of ours loaded it from there
            if content is None or content.digest != digest:
                changed.append(path)
        return changed

    def _lost(self, record: Record) -> Optional[Reason]:
        for name, artifact in record.outputs.items():
            if not self.store.retrievable(artifact):
                return Reason("lost", name, text=f"output lost: {name}")
        return None

    def _effect(
        self, instance: Instance, invocation: Invocation, nearest: Optional[Record]
    ) -> rebuild.Verdict:
        receipt = self.store.receipt(invocation.effect)
        if receipt is None:
            return rebuild.Verdict(
                "run", (Reason("effect", text=f"no receipt for {invocation.effect}"),), nearest
            )
        if receipt["key"] != invocation.key:
            reasons = rebuild.why(invocation.manifest, nearest)
            return rebuild.Verdict(
                "run",
                reasons or (Reason("effect", text=f"{invocation.effect} was last given something else"),),
                nearest,
            )
        if not receipt["finished"]:
            return rebuild.Verdict("run", (Reason("effect", text="its receipt is unfinished"),), nearest)
        for item in self._recall(instance, invocation):
            if item.obstacle is None:
                return rebuild.Verdict("cached", (), item.record)
        message = (
            f"`{instance.name}` has a finished receipt for `{invocation.effect}`, but its outputs are lost"
        )
        hint = f"run it a second time on purpose with `--force-step {instance.name}`"
        raise BindError(
            Problem("E701", message, instance.step.places.get("effect", instance.step.place), hint=hint)
        )

    def _pending(self, instance: Instance) -> List[str]:
        found: List[str] = []
        for step in upstream_steps(self.world, instance):
            for item in self.world.agreeing(instance, step).instances:
                result = self.world.results.get(item.name)
                if result is not None and result.status == "unknown":
                    found.append(item.name)
        return found

    def _expected(self, instance: Instance, action: str) -> Optional[float]:
        if action == "cached":
            return 0.0
        known = self.store.durations(self.world.pipeline.file, instance.name, instance.step.id)
        return median(known) if known else None


def _fits(record: Record, invocation: Invocation) -> bool:
    """Whether a record has just the outputs that its key declares. One that came with a repository may name any path."""
    found = {name: artifact.path for name, artifact in record.outputs.items()}
    return found == {output.name: output.path for output in invocation.outputs}


def _held(record: Optional[Record], invocation: Invocation) -> Optional[Record]:
    """A record of the very key has the same manifest, which is kept once. How it was executed only `reproduce` asks, which
    reads it again."""
    if record is None or record.key != invocation.key:
        return record
    return replace(record, key=invocation.key, manifest=invocation.manifest, recipe=_UNREAD)


_UNREAD = Folded({})


def result_of(decision: Decision, failed: bool = False) -> Result:
    """What downstream sees of a decision in a dry run."""
    if decision.action == "cached" and decision.record is not None:
        status = "failed" if failed else "succeeded"
        return Result(decision.instance, status, decision.record.outputs, plain_metrics(decision.record))
    if decision.action in ("skipped", "blocked"):
        return Result(decision.instance, decision.action, causes=decision.causes)
    return Result(decision.instance, "unknown", causes=decision.causes)


def plain_metrics(record: Record) -> Mapping[str, object]:
    """A record's metrics with NaN and infinities as floats."""
    if not record.metrics:
        return nothing()
    metrics: Mapping[str, object] = untag_floats(dict(record.metrics))
    return metrics
