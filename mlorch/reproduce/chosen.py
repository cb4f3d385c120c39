"""Which recorded instances are meant: a step of the newest run that has one, a run, or a step of a run."""

from __future__ import annotations

import fnmatch
from typing import Dict, List, Optional, Sequence, Set

from mlorch.errors import UsageError, did_you_mean
from mlorch.history.detail import RunView, StepView, view_run
from mlorch.history.records import record_behind
from mlorch.history.runs import is_run, resolve_run
from mlorch.history.shapes import read_shape, texts_of
from mlorch.model import Record
from mlorch.plan.graph import reachable
from mlorch.ports import Store
from mlorch.values import dataclass

WORDS = {
    "failed": "it failed",
    "skipped": "it was skipped",
    "blocked": "it was blocked",
    "cancelled": "it was cancelled",
    "running": "it is still running",
}


@dataclass(frozen=True)
class Chosen:
    """One instance of one run, with its record; else why there is none."""

    instance: str
    step: str
    run: str
    record: Optional[Record]
    reason: str = ""
    hint: str = ""
    harmless: bool = False
    """Whether it is as it should be that there is none."""


def choose(store: Store, words: Sequence[str], pipeline: Optional[str] = None) -> List[Chosen]:
    """What `[RUN] [STEP]` means; a single word is a step if the newest runs have one of that name, else a run.

    Args:
        pipeline: root-relative path of the pipeline file that the runs are of; None for any.

    Raises:
        UsageError: no such run or step, or no words at all.
    """
    if not words:
        raise UsageError(
            "expected a step or a run", "for instance mlorch reproduce train, or mlorch reproduce last"
        )
    if len(words) > 2:
        raise UsageError(
            f"expected a run and a step, got `{words[2]}` too", "for instance mlorch reproduce last train"
        )
    if len(words) == 2:
        view = view_run(store, resolve_run(store, words[0]))
        found = _selected(store, view, words[1])
        if not found:
            raise _unknown(view, words[1])
        return _chosen(store, view, found)
    newest = _newest_with(store, words[0], pipeline)
    if newest is not None:
        return _chosen(store, newest, _selected(store, newest, words[0]))
    if not is_run(store, words[0]):
        last = view_run(store, resolve_run(store, "last"))
        raise _unknown(last, words[0])
    view = view_run(store, resolve_run(store, words[0]))
    return _chosen(store, view, view.steps, whole=True)


def _newest_with(store: Store, name: str, pipeline: Optional[str]) -> Optional[RunView]:
    """The newest run in which a step of this name left a record."""
    fallback: Optional[RunView] = None
    for info in store.runs():
        if pipeline is not None and info.pipeline != pipeline:
            continue
        view = view_run(store, info)
        found = _selected(store, view, name)
        if any(step.record for step in found):
            return view
        fallback = fallback or (view if found else None)
    return fallback


def _selected(store: Store, view: RunView, selector: str) -> Sequence[StepView]:
    """As the selectors of other verbs, by the graph of the run itself: `STEP`, `STEP@INSTANCE`, globs, `+STEP` (and
    upstream), `STEP+` (and downstream), `tag:x`."""
    if not selector.startswith(("+", "tag:")) and not selector.endswith("+"):
        return _matching(view, selector)
    upward, downward = selector.startswith("+"), selector.endswith("+")
    core = selector[upward : len(selector) - downward]
    shape = read_shape(store, view.info.id)
    if core.startswith("tag:"):
        tags = texts_of(shape, "tags")
        named = [step for step in view.steps if core[4:] in tags.get(step.step, ())]
    else:
        named = _matching(view, core)
    upstream = texts_of(shape, "upstream")
    downstream: Dict[str, List[str]] = {}
    for step, above in upstream.items():
        for other in above:
            downstream.setdefault(other, []).append(step)
    whole: Set[str] = set()
    for step in {item.step for item in named}:
        whole |= reachable(upstream, step) if upward else set()
        whole |= reachable(downstream, step) if downward else set()
    names = {item.instance for item in named}
    return [item for item in view.steps if item.instance in names or item.step in whole]


def _matching(view: RunView, name: str) -> List[StepView]:
    """Instances by name, by their step's, or by a glob over either."""
    exact = view.step(name)
    if exact or not any(letter in name for letter in "*?["):
        return exact
    return [
        step
        for step in view.steps
        if fnmatch.fnmatchcase(step.instance, name) or fnmatch.fnmatchcase(step.step, name)
    ]


def _unknown(view: RunView, name: str) -> UsageError:
    if name.strip("+").startswith("tag:"):
        return UsageError(
            f"run {view.info.id} has no step with `{name}`", "tags stand in the pipeline: `tags: […]`"
        )
    names = sorted({item.step for item in view.steps} | {item.instance for item in view.steps})
    hint = did_you_mean(name, names) or "steps of it: " + ", ".join(names[:12])
    return UsageError(f"run {view.info.id} has no step `{name}`", hint)


def _chosen(store: Store, view: RunView, steps: Sequence[StepView], whole: bool = False) -> List[Chosen]:
    if not steps:
        raise UsageError(f"run {view.info.id} has no steps", "see `mlorch runs`")
    found = []
    for step in steps:
        record = record_behind(store, view.info.pipeline, step)
        if record is not None:
            found.append(Chosen(step.instance, step.step, view.info.id, record))
            continue
        reason = WORDS.get(step.outcome, "its record is gone")
        hint = f"see `mlorch logs {step.instance}`" if step.outcome == "failed" else "run it first"
        if not step.record and step.outcome in WORDS:
            found.append(Chosen(step.instance, step.step, view.info.id, None, reason, hint, harmless=whole))
        else:
            found.append(
                Chosen(
                    step.instance, step.step, view.info.id, None, "its record is gone (gc?)", "run it again"
                )
            )
    return found
