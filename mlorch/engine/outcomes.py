"""Outcomes and delays of attempts, as plain functions."""

from __future__ import annotations

from typing import Iterable, List

from mlorch.engine.settle import Work
from mlorch.errors import NO_STEPS_DOING
from mlorch.model import Ended, Instance, Outcome, Retry
from mlorch.plan.declare import BindError


def attempt_outcome(work: Work, name: str, ended: Ended, error: str, hint: str) -> Outcome:
    """The outcome of an instance whose last attempt did not succeed."""
    return Outcome(
        work.instance.name,
        work.instance.step.id,
        name,
        reasons=work.decision.reasons,
        seconds=ended.seconds,
        attempts=work.number,
        exit_code=ended.exit_code,
        error=error,
        hint=hint,
        log=work.log,
        command=work.command,
        tolerated=name == "failed" and work.instance.step.continue_on_error,
        warnings=tuple(work.warnings),
        peak_rss=ended.peak_rss,
        cpu_seconds=ended.cpu_seconds,
    )


def not_started(instance: Instance, error: Exception) -> Outcome:
    """The outcome of an instance that could not be started at all."""
    message = error.problem.message if isinstance(error, BindError) else getattr(error, "message", str(error))
    hint = error.problem.hint if isinstance(error, BindError) else getattr(error, "hint", "")
    return Outcome(
        instance.name,
        instance.step.id,
        "failed",
        error=message,
        hint=hint,
        tolerated=instance.step.continue_on_error,
        environment=isinstance(error, NO_STEPS_DOING),
    )


def retry_delay(retry: Retry, attempt: int, chance: float) -> float:
    """Seconds before the attempt after this one; `chance` in -1..1 is where the jitter falls."""
    seconds: float = retry.delay * retry.backoff ** (attempt - 1)
    if retry.max_delay is not None:
        seconds = min(seconds, retry.max_delay)
    return seconds * (1 + retry.jitter * chance)


def unused_cpus(work: Work, ended: Ended, running: Iterable[Work], total: int) -> List[str]:
    """A long step at its limit of cpus while others were idle."""
    cpus = work.invocation.needs.cpus
    busy = cpus + sum(item.invocation.needs.cpus for item in running)
    if ended.seconds < 10 or busy >= total or ended.cpu_seconds < 0.9 * cpus * ended.seconds:
        return []
    return [f"used {cpus} of {total} cpus: set resources.cpus"]


def looks_at_failures(instance: Instance) -> bool:
    """Whether its condition looks at failures: such a step still runs after one."""
    condition = instance.step.condition
    return condition is not None and ("failure(" in condition.source or "always(" in condition.source)
