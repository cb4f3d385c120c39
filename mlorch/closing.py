"""What is said of a run that has ended: how, and what is to be looked at."""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Set

from mlorch.engine.hub import Hub
from mlorch.errors import ExitCode, MlorchError, did_you_mean
from mlorch.model import Beside, Outcome, Pipeline, Value, totals_of


def status(outcomes: Sequence[Outcome], number: Optional[int]) -> str:
    if number is not None:
        return "cancelled"
    return "failed" if exit_code(outcomes, number) else "succeeded"


def exit_code(outcomes: Sequence[Outcome], number: Optional[int]) -> int:
    if number is not None:
        return 128 + number
    if any(item.environment for item in outcomes):
        return int(ExitCode.ENVIRONMENT)
    failed = any(item.outcome == "failed" and not item.tolerated for item in outcomes)
    return int(ExitCode.STEP_FAILED if failed else ExitCode.DONE)


def cut_off(
    error: BaseException, hub: Optional[Hub], seconds: float, beside: Optional[Beside] = None
) -> Dict[str, Value]:
    """The last event's data of a run that an error of the machine, or a signal before its first step, has ended."""
    code = int(ExitCode.ENVIRONMENT)
    if isinstance(error, MlorchError):
        code = int(error.exit_code)
    elif not isinstance(error, OSError):
        code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 130
    signalled = isinstance(error, (KeyboardInterrupt, SystemExit)) or (hub is not None and hub.signal)
    told = str(getattr(error, "message", "")) or str(error)
    return {
        "status": "cancelled" if signalled else "failed",
        "seconds": seconds,
        "exit_code": code,
        "totals": totals_of(hub.outcomes.values() if hub is not None else (), beside),
        "error": told,
    }


def notes(hub: Hub, pipeline: Pipeline) -> List[str]:
    """The warnings of a run's instances, and of its steps."""
    found = list(hub.retired)
    for outcome in hub.outcomes.values():
        found += [f"{outcome.instance}: {text}" for text in outcome.warnings]
    return found + _goals_of_nothing(pipeline, hub.outcomes.values())


def _goals_of_nothing(pipeline: Pipeline, outcomes: Iterable[Outcome]) -> List[str]:
    """A sentence for each `goal` of a metric that no instance of its step made: nothing would ever be marked by it."""
    made: Dict[str, Set[str]] = {step.id: set() for step in pipeline.steps.values() if step.goal}
    ended = set()
    for outcome in outcomes:
        if outcome.step in made and outcome.outcome in ("succeeded", "cached"):
            ended.add(outcome.step)
            made[outcome.step].update(_names(outcome.metrics))
    found = []
    for step in (pipeline.steps[name] for name in made if name in ended):
        names = sorted(made[step.id])
        for missing in (name for name in step.goal if name not in made[step.id]):
            hint = did_you_mean(missing, names) or (
                f"its metrics are {', '.join(names[:6])}" if names else "it makes no metrics at all"
            )
            found.append(f"{step.id}: `goal` names `{missing}`, which it does not make: {hint}")
    return found


def _names(metrics: Mapping[str, Value], prefix: str = "") -> Iterator[str]:
    """Dotted names, of mappings too."""
    for name, value in metrics.items():
        yield prefix + name
        if isinstance(value, Mapping):
            yield from _names(value, f"{prefix}{name}.")
