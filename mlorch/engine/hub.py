"""The hub: sends an attempt as soon as its upstream is done and its resources fit. One thread, no polling, no barrier."""

# Over 400 lines because the loop and what each message leads to are one thing, and read as one.

from __future__ import annotations

import contextlib
import heapq
import queue
import random
import time
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch.engine import checkpoint
from mlorch.engine.commits import Commits, Committed
from mlorch.engine.failure import exit_sentence, full_disk_hint, log_hint, retryable
from mlorch.engine.foresight import in_order
from mlorch.engine.outcomes import attempt_outcome, looks_at_failures, not_started, retry_delay, unused_cpus
from mlorch.engine.parts import (
    HubOptions,
    Parts,
    check_start,
    collector,
    is_stale,
    new_work,
    prepare,
    started_data,
)
from mlorch.engine.publish import Collected
from mlorch.engine.resources import Grant
from mlorch.engine.settle import Finished, Work
from mlorch.engine.waiting import Waiting
from mlorch.errors import CorruptObject, MlorchError
from mlorch.model import Attempt, Decision, Ended, Instance, Outcome, Result
from mlorch.plan.declare import BindError
from mlorch.timing import enter, timed

GRACE = 10.0


class Hub:
    """Runs everything that the frontier hands out, to one outcome per instance.

    Args:
        planned: decisions of the dry run that came before, used again where they were whole.
    """

    def __init__(self, parts: Parts, options: HubOptions, planned: Mapping[str, Decision]) -> None:
        self._parts = parts
        self._options = options
        self._planned = dict(planned)
        self._inbox: queue.SimpleQueue[Tuple[str, Any]] = queue.SimpleQueue()
        self._undecided: List[Tuple[float, int, Instance]] = []
        self._waiting = Waiting(parts.pool, parts.priority)
        self._running: Dict[str, Tuple[Work, Grant, Attempt]] = {}
        self._commits = Commits(parts.settler.record, lambda value: self._inbox.put(("committed", value)))
        self._sequence = 0
        self._declared = 0
        self._stopping = ""
        self._random = random.Random()
        self.outcomes: Dict[str, Outcome] = {}
        self.signal: Optional[int] = None
        self.busy = 0.0
        """Seconds for which slots were taken."""

    @property
    def retired(self) -> List[str]:
        """Sentences about what was moved aside."""
        return self._parts.retirer.kept

    # ------------------------------------------------------------------------------------------------- from outside

    def interrupt(self, number: int) -> None:
        """A signal has come (called from a signal handler): the first ends with grace, the second at once."""
        self._inbox.put(("signal", number))

    def wake(self) -> None:
        """Let the hub's own thread do something: a handler waits for it to."""
        self._inbox.put(("woken", None))

    def deliver(self, attempt: Attempt, ended: Ended) -> None:
        """Called in the agent's thread when a process has ended: collect what it left."""
        entry = self._running.get(attempt.id)
        collected: Optional[Collected] = None
        error: Optional[BaseException] = None
        begin = time.monotonic()
        if entry is not None:
            work = entry[0]
            try:
                collected = collector(self._parts, work, attempt).collect(ended)
            except BaseException as caught:  # a bug must end the run in the hub's thread, not hang an agent
                error = caught
        self._inbox.put(("ended", (attempt, ended, collected, error, time.monotonic() - begin)))

    # --------------------------------------------------------------------------------------------------------- loop

    @timed("schedule", span=True)
    def run(self) -> List[Outcome]:
        """Until every instance has an outcome; these in the pipeline's order. Raises StoreError, EnvironmentFault."""
        self._parts.launcher.start(self._options.jobs, self.deliver)
        try:
            self._absorb()
            while self._step():
                pass
            self._parts.hooks.run_ended(self.outcomes, self.signal is not None, self._parts.launcher)
            while self._step():
                pass
        except BaseException:
            # The store or a bug ends the run: what runs must not go on without it.
            self._parts.launcher.cancel(None)
            with contextlib.suppress(MlorchError, OSError):
                self._cancel_rest()
            raise
        finally:
            self._parts.launcher.close()
            self._commits.close()
        self._cancel_rest()
        return in_order(self.outcomes, self._parts.frontier.world)

    def _cancel_rest(self) -> None:
        """The run is over: what has no outcome gets this one, and nothing follows from it."""
        for instance in self._parts.frontier.unfinished():
            if instance.name not in self.outcomes:
                self._emit_cancelled(instance)

    def _emit_cancelled(self, instance: Instance, attempts: int = 0) -> None:
        outcome = Outcome(instance.name, instance.step.id, "cancelled", attempts=attempts)
        self.outcomes[instance.name] = outcome
        self._parts.emit("step.cancelled", instance, outcome=outcome)

    def _step(self) -> bool:
        """One turn: dispatch what fits, record what has ended, take what has come, else decide one more instance, else
        wait."""
        self._dispatch()
        if self._commit():
            return True
        try:
            message = self._inbox.get_nowait()
        except queue.Empty:
            if self._undecided:
                self._decide(heapq.heappop(self._undecided)[2])
                return True
            if not self._busy and self._waiting.due is None:
                return False
            self._parts.maker.log.flush()
            before = enter("")
            try:
                message = self._inbox.get(timeout=self._pause())
            except queue.Empty:
                return True
            finally:
                enter(before)
        self._take(message)
        return True

    @property
    def _busy(self) -> bool:
        """Whether a message is still to come."""
        return bool(self._running or self._commits.open or self._parts.hooks.running)

    def _commit(self) -> bool:
        """Have what has gathered recorded, where it need not wait for more to share its sync: it may while all slots
        are taken and other work is there for them. Returns whether anything was concluded."""
        patient = len(self._running) >= self._options.jobs and bool(self._waiting or self._undecided)
        batch = self._commits.take(patient)
        if not batch:
            return False
        if self._running or self._undecided:
            self._commits.start(batch)
            return False
        self._committed(self._commits.now(batch))
        return True

    def _pause(self) -> Optional[float]:
        due = [moment for moment in (self._waiting.due, self._commits.due) if moment is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _take(self, first: Tuple[str, Any]) -> None:
        """Handle a message and all that came with it."""
        message: Optional[Tuple[str, Any]] = first
        while message is not None:
            kind, value = message
            if kind == "signal":
                self._interrupted(value)
            elif kind == "committed":
                self._commits.ended()
                self._committed(value)
            elif kind == "ended":
                self._ended(value)
            try:
                message = self._inbox.get_nowait()
            except queue.Empty:
                message = None

    def _committed(self, value: Committed) -> None:
        """Conclude a batch that is durable."""
        batch, records, error = value
        if error is not None:
            raise error
        now = round(time.time(), 6)
        for item in batch:
            item.work.timings["recorded"] = now
        for item, outcome, result in self._parts.settler.succeeded(batch, records):
            if item.work.invocation.checkpoint:
                checkpoint.discard(self._parts.store, item.work.invocation.checkpoint)
            self._executed(item.work, outcome, result)

    def _absorb(self) -> None:
        """Take over what has become ready; newly expanded steps declare their outputs first."""
        frontier = self._parts.frontier
        while self._declared < len(frontier.expanded):
            step = frontier.expanded[self._declared]
            self._declared += 1
            self._parts.retirer.expanded(step)
        for instance in frontier.take():
            self._sequence += 1
            priority = -self._parts.priority.get(instance.step.id, 0.0)
            heapq.heappush(self._undecided, (priority, self._sequence, instance))

    # ----------------------------------------------------------------------------------------------------- decisions

    def _decide(self, instance: Instance) -> None:
        try:
            collisions = (
                self._parts.declarations.declare(instance, self._parts.frontier.world)
                if instance.known
                else []
            )
            if collisions:
                raise BindError(collisions[0])
            decision = self._decision(instance)
            check_start(self._parts, decision)
        except (BindError, MlorchError) as error:
            self._cannot_start(instance, error)
            return
        if decision.action == "cached":
            self._cached(decision)
        elif decision.action in ("skipped", "blocked"):
            self._not_run(decision)
        elif self._stopping and not (self.signal is None and looks_at_failures(instance)):
            self._cancel(instance)
        else:
            self._enqueue(new_work(self._parts, instance, decision))

    def _decision(self, instance: Instance) -> Decision:
        """The dry run's decision where it was whole, else a new one."""
        planned = self._planned.pop(instance.name, None)
        whole = planned is not None and planned.invocation is not None and bool(planned.invocation.key)
        usable = whole and planned is not None and planned.action in ("cached", "run")
        decision = self._parts.decider.decide(instance, planned if usable else None)
        if decision.action == "maybe":
            raise AssertionError(f"`{instance.name}` is ready, but undecided: {decision.reasons}")
        return decision

    def _cached(self, decision: Decision) -> None:
        try:
            outcome, result = self._parts.settler.cached(decision)
        except CorruptObject as error:
            self._parts.emit("warning", decision.instance, text=error.message)
            # What comes after was planned with the content that is lost.
            self._planned.clear()
            again = self._parts.decider.decide(decision.instance)
            if again.action == "cached":
                self._cannot_start(decision.instance, error)
                return
            self._enqueue(Work(decision.instance, again))
            return
        except MlorchError as error:
            self._planned.clear()
            self._cannot_start(decision.instance, error)
            return
        self._parts.emit("step.cached", decision.instance, outcome=outcome)
        self._conclude(outcome, result)

    def _not_run(self, decision: Decision) -> None:
        instance, status = decision.instance, decision.action
        cancelled = [self._was_cancelled(name) for name in decision.causes]
        if status == "blocked" and cancelled and all(cancelled):
            status = "cancelled"
        warnings = self._parts.retirer.skipped(instance) if status == "skipped" else ()
        outcome = Outcome(
            instance.name, instance.step.id, status, causes=decision.causes, warnings=tuple(warnings)
        )
        self._parts.emit("step." + status, instance, outcome=outcome)
        self._conclude(outcome, Result(instance, status, causes=decision.causes))

    def _was_cancelled(self, name: str) -> bool:
        outcome = self.outcomes.get(name)
        return outcome is not None and outcome.outcome == "cancelled"

    def _cannot_start(self, instance: Instance, error: Exception) -> None:
        self._failed(instance, not_started(instance, error), ())

    # ------------------------------------------------------------------------------------------------------ attempts

    def _enqueue(self, work: Work) -> None:
        if self._options.adopt and self._adopted(work):
            return
        self._waiting.add(work)

    def _adopted(self, work: Work) -> bool:
        record = self._parts.settler.adopt(work)
        if record is None:
            return False
        self._cached(replace(work.decision, action="cached", record=record))
        return True

    def _dispatch(self) -> None:
        """Send what fits, as long as slots are free."""
        while len(self._running) < self._options.jobs:
            found = self._waiting.offer()
            if found is None:
                break
            self._send(*found)

    @timed("spawn")
    def _send(self, work: Work, grant: Grant) -> None:
        try:
            attempt = None if is_stale(self._parts, work) else prepare(self._parts, work, grant)
        except (BindError, MlorchError) as error:
            self._parts.pool.release(grant)
            self._cannot_start(work.instance, error)
            return
        if attempt is None:
            self._parts.pool.release(grant)
            self._parts.decider.binder.forget()
            self._decide(work.instance)
            return
        self._running[attempt.id] = (work, grant, attempt)
        self._parts.emit("step.started", work.instance, **started_data(work))
        self._parts.launcher.send(attempt)

    def _ended(
        self,
        message: Tuple[Attempt, Ended, Optional[Collected], Optional[BaseException], float],
    ) -> None:
        attempt, ended, collected, error, seconds = message
        self.busy += ended.seconds + seconds
        if error is not None:
            raise error
        if attempt.id not in self._running:
            self._parts.hooks.ended(attempt, ended)
            return
        work, grant, _ = self._running.pop(attempt.id)
        spent = {"started": ended.started, "spawn": ended.spawn, "collect": seconds}
        work.timings.update({name: round(value, 6) for name, value in spent.items()}, slot=ended.slot)
        self._parts.pool.release(grant)
        assert collected is not None
        others = [entry[0] for entry in self._running.values()]
        work.warnings += unused_cpus(work, ended, others, int(self._parts.pool.capacity.cpus))
        if ended.lingering:
            work.warnings.append(f"it left {len(ended.lingering)} process(es) running, which were ended")
        self._parts.settler.note(work, collected)
        if ended.cause == "exit" and ended.exit_code == 0 and not collected.error:
            self._commits.add(Finished(work, ended, collected))
            return
        self._attempt_failed(work, attempt, ended, collected)

    def _attempt_failed(self, work: Work, attempt: Attempt, ended: Ended, collected: Collected) -> None:
        error, hint = exit_sentence(ended, work.instance.step)
        if ended.cause == "exit" and ended.exit_code == 0:
            error, hint = collected.error, collected.hint
        full = full_disk_hint(attempt)
        environment = collected.environment or ended.environment or bool(full)
        hint = full or hint or log_hint(attempt)
        work.attempt_ids.append(attempt.id)
        retry = work.instance.step.retry
        if ended.cause == "cancelled" or self.signal is not None:
            self._parts.store.workspace.unstage(work.invocation.outputs)
            outcome = attempt_outcome(work, "cancelled", ended, error, hint)
            self._parts.emit("step.cancelled", work.instance, outcome=outcome, timings=work.timings)
            self._conclude(outcome, Result(work.instance, "cancelled"))
        elif work.number < retry.max_attempts and retryable(ended, retry):
            delay = retry_delay(retry, work.number, self._random.uniform(-1, 1))
            self._parts.emit(
                "step.retried", work.instance, attempt=work.number, error=error, delay=delay, log=work.log
            )
            self._waiting.delay(work, delay)
        else:
            self._parts.maker.keep_by_hand(attempt, work.invocation)
            kept = self._parts.store.workspace.unstage(work.invocation.outputs)
            work.warnings += [f"what it left is kept in `{path}`" for path in kept]
            outcome = replace(attempt_outcome(work, "failed", ended, error, hint), environment=environment)
            self._failed(work.instance, outcome, tuple(work.attempt_ids), work)

    # ------------------------------------------------------------------------------------------------------ outcomes

    def _executed(self, work: Work, outcome: Outcome, result: Result) -> None:
        if outcome.outcome == "failed":
            self._failed(work.instance, outcome, result.attempt_ids, work, result)
            return
        self._parts.emit("step.finished", work.instance, outcome=outcome, timings=work.timings)
        self._conclude(outcome, result)
        self._parts.hooks.step(work, outcome, self._parts.launcher)

    def _failed(
        self,
        instance: Instance,
        outcome: Outcome,
        attempt_ids: Sequence[str],
        work: Optional[Work] = None,
        result: Optional[Result] = None,
    ) -> None:
        timings = {"timings": work.timings} if work is not None and work.timings else {}
        self._parts.emit("step.finished", instance, outcome=outcome, **timings)
        if not outcome.tolerated and not self._options.keep_going:
            self._stopping = self._stopping or instance.name
            self._hold_back()
        self._conclude(
            outcome,
            result
            or Result(
                instance,
                "failed",
                attempt_ids=tuple(attempt_ids),
                tolerated=outcome.tolerated,
                causes=(instance.name,),
            ),
        )
        if work is not None:
            self._parts.hooks.step(work, outcome, self._parts.launcher)

    def _hold_back(self) -> None:
        """After a failure nothing new starts; what runs finishes."""
        for work in self._waiting.drain():
            if self.signal is None and looks_at_failures(work.instance):
                self._enqueue(work)
                continue
            if work.number:
                self._parts.store.workspace.unstage(work.invocation.outputs)
            self._cancel(work.instance, work.number)

    def _cancel(self, instance: Instance, attempts: int = 0) -> None:
        """It does not run any more; others learn of it."""
        self._emit_cancelled(instance, attempts)
        self._conclude(self.outcomes[instance.name], Result(instance, "cancelled"))

    def _conclude(self, outcome: Outcome, result: Result) -> None:
        self.outcomes[outcome.instance] = outcome
        self._parts.frontier.finish(result)
        self._absorb()

    def _interrupted(self, number: int) -> None:
        first = self.signal is None
        self.signal = self.signal or number
        self._stopping = self._stopping or "signal"
        self._parts.launcher.cancel(GRACE if first else None)
        if first:
            self._hold_back()
