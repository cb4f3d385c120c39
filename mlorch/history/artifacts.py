"""What was made: lists of artifacts, and one of them fetched by name or digest."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Callable, Iterator, List, Optional, Sequence

from mlorch.digest import PREFIX
from mlorch.errors import UsageError, did_you_mean
from mlorch.history.detail import OutputView, RunView, StepView, view_run
from mlorch.model import Artifact, Content
from mlorch.ports import RunInfo, Store
from mlorch.values import dataclass

SHORTEST_DIGEST = 4


@dataclass(frozen=True)
class Made:
    """One artifact: an output of an instance as a run left it."""

    run: str
    step: str
    instance: str
    outcome: str
    output: OutputView
    available: bool
    """Whether the store still holds it."""

    @property
    def name(self) -> str:
        return f"{self.instance}/{self.output.name}"


def list_artifacts(store: Store, view: RunView, step: Optional[str] = None) -> List[Made]:
    """The artifacts of one run, in its order. Raises UsageError for a step that the run does not have."""
    steps: Sequence[StepView] = view.steps
    if step is not None:
        steps = view.step(step)
        if not steps:
            names = sorted({item.step for item in view.steps})
            hint = did_you_mean(step, names) or "steps of it: " + ", ".join(names[:12])
            raise UsageError(f"run {view.info.id} has no step `{step}`", hint)
    return list(_made(store, view, steps))


def _made(store: Store, view: RunView, steps: Sequence[StepView]) -> Iterator[Made]:
    for step in steps:
        for output in step.outputs.values():
            available = store.retrievable(artifact_of(output))
            yield Made(view.info.id, step.step, step.instance, step.outcome, output, available)


def content_of(output: OutputView) -> Content:
    return Content(output.digest, output.kind, output.bytes, executable=output.executable)


def find_artifact(store: Store, name: str, run: Optional[RunInfo] = None) -> Made:
    """The artifact behind `STEP/NAME`, `STEP@INSTANCE/NAME`, a digest (its beginning will do), an output's path or,
    where only one step has such an output, its name.

    Without a run, the newest run that has it counts; a failed check's outputs are found as well.
    Raises UsageError: no such artifact, or several.
    """
    digest = digest_start(name)
    known: List[str] = []
    for info in [run] if run else store.runs():
        view = view_run(store, info)
        for meant in _meanings(name, digest):
            found = [step for step in (_narrowed(step, meant) for step in view.steps) if step.outputs]
            if found:
                return _only(list(_made(store, view, found)), name)
        known += [f"{step.instance}/{output}" for step in view.steps for output in step.outputs]
    its = [item for item in dict.fromkeys(known) if name in (item.split("/")[0], item.split("@")[0])]
    hint = "one of " + ", ".join(its[:5]) if its else did_you_mean(name, sorted(set(known)))
    hint = hint or "write STEP/OUTPUT, a path or a digest; see `mlorch artifacts`"
    where = f"in run {run.id} (of `{run.name}`)" if run else "in any run"
    raise UsageError(f"there is no artifact `{name}` {where}", hint)


def digest_start(name: str) -> Optional[str]:
    """`blake3:…` with as many letters as were given, or None if it is not a digest."""
    text = name[len(PREFIX) :] if name.startswith(PREFIX) else name
    if re.fullmatch(rf"[0-9a-f]{{{SHORTEST_DIGEST},64}}", text):
        return PREFIX + text
    return None


Meaning = Callable[[StepView, OutputView], bool]


def _meanings(name: str, digest: Optional[str]) -> Sequence[Meaning]:
    """What a name may mean, the strictest first."""
    if digest is not None:
        return (lambda _, output: output.digest.startswith(digest),)
    owner, _, short = name.rpartition("/")
    path = os.path.normpath(name)
    return (
        lambda step, output: output.name == short and owner in (step.step, step.instance),
        lambda _, output: output.path == path,
        lambda _, output: output.name == name,
    )


def _narrowed(step: StepView, meant: Meaning) -> StepView:
    """What leaves of a step only the outputs that are meant."""
    return replace(step, outputs={name: item for name, item in step.outputs.items() if meant(step, item)})


def _only(found: Sequence[Made], name: str) -> Made:
    if len({item.output.digest for item in found}) > 1:
        names = ", ".join(item.name for item in found[:5])
        raise UsageError(f"`{name}` means {len(found)} artifacts", f"one of {names}")
    return found[0]


def artifact_of(output: OutputView) -> Artifact:
    """The output as an artifact that the store can bring out."""
    return Artifact(output.path, content_of(output), output.stored)
