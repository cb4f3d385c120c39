"""What a hub works with, and what each attempt needs before it starts."""

from __future__ import annotations

import os
import time
from dataclasses import field
from typing import Any, Dict, Mapping

from mlorch.engine import checkpoint
from mlorch.engine.attempts import AttemptMaker
from mlorch.engine.decider import Decider
from mlorch.engine.hooks import HookRunner
from mlorch.engine.publish import Collector
from mlorch.engine.recipe import write_recipe
from mlorch.engine.resources import Grant, Pool
from mlorch.engine.retire import Retirer
from mlorch.engine.settle import Emit, Settler, Work
from mlorch.errors import MlorchError
from mlorch.model import Artifact, Attempt, Decision, Instance, Problem
from mlorch.plan.declare import BindError, Declarations, step_place
from mlorch.plan.frontier import Frontier
from mlorch.ports import Launcher, Store
from mlorch.values import dataclass

MOST_REMADE = 10
"""How often a key is made anew before it is taken for what never ends."""


@dataclass(frozen=True)
class HubOptions:
    """How a hub treats slots and failures."""

    jobs: int
    keep_going: bool = False
    adopt: bool = False
    force: bool = False


@dataclass(frozen=True)
class Parts:
    """The neighbours that a hub works with."""

    frontier: Frontier
    decider: Decider
    declarations: Declarations
    store: Store
    launcher: Launcher
    maker: AttemptMaker
    pool: Pool
    settler: Settler
    retirer: Retirer
    hooks: HookRunner
    emit: Emit
    priority: Mapping[str, float] = field(default_factory=dict)
    """Step -> seconds of the longest chain from its start to the end."""
    effects: Dict[str, str] = field(default_factory=dict)
    """Effect -> the instance that has it."""
    remade: Dict[str, int] = field(default_factory=dict)
    """Instance -> how often its key was made anew because something had changed."""
    attempted: Dict[str, Work] = field(default_factory=dict)
    """Instance -> the attempts it had under its old key: they count."""


def new_work(parts: Parts, instance: Instance, decision: Decision) -> Work:
    """An instance that is to run, with the attempts that it had before its key was made anew."""
    before = parts.attempted.pop(instance.name, None)
    if before is None:
        return Work(instance, decision)
    return Work(
        instance, decision, before.number, before.attempt_ids, log=before.log, warnings=before.warnings
    )


def check_start(parts: Parts, decision: Decision) -> None:
    """What shows for an instance of a newly known axis only now. Raises BindError: it could never start, or another
    instance has the same effect."""
    invocation, instance = decision.invocation, decision.instance
    if invocation is None:
        return
    problem = parts.pool.check(invocation.needs) if decision.action == "run" else None
    if problem:
        place = step_place(instance.step, "resources")
        raise BindError(Problem("E703", problem, place, hint="lower the need, or raise `capacity`"))
    if invocation.effect:
        other = parts.effects.setdefault(invocation.effect, instance.name)
        if other != instance.name:
            message = f"`{other}` and `{instance.name}` have the same effect `{invocation.effect}`"
            place = step_place(instance.step, "effect")
            raise BindError(Problem("E702", message, place, hint="add `${{ step.instance }}` to its name"))


def prepare(parts: Parts, work: Work, grant: Grant) -> Attempt:
    """Staging, checkpoint, receipt and the attempt itself. Raises EnvironmentFault, StoreError."""
    invocation = work.invocation
    alone = parts.pool.warning(invocation.needs) if not work.number else None
    if alone:
        work.warnings.append(alone)
    work.number += 1
    if invocation.effect:
        parts.store.write_receipt(invocation.effect, invocation.key, parts.maker.run, False)
    kept = parts.store.workspace.stage(invocation.outputs, parts.settler.publications)
    work.warnings += [f"what stood at an output is kept in `{path}`" for path in kept]
    if invocation.checkpoint:
        forced = any(reason.kind == "forced" for reason in work.decision.reasons)
        checkpoint.prepare(parts.store, invocation.checkpoint, fresh=forced and work.number == 1)
    reach = parts.decider.binder.reaches.get(work.instance.name)
    work.code_before = parts.decider.snapshots.get(work.instance.name, {})
    work.absent_words = parts.decider.binder.absent_words.get(work.instance.name, ())
    work.recipe = write_recipe(invocation, parts.store.root, parts.maker.python, reach)
    attempt = parts.maker.make(invocation, work.number, grant, reach is not None and reach.uses_python)
    work.log = _relative(attempt.log, parts.store.root)
    work.secrets = attempt.secrets
    work.started = time.time()
    work.timings = {"sent": round(work.started, 6)}
    return attempt


def _relative(path: str, root: str) -> str:
    return path[len(root) + 1 :] if path.startswith(root + "/") else os.path.relpath(path, root)


def started_data(work: Work) -> Dict[str, Any]:
    """What `step.started` tells."""
    return {"reasons": work.decision.reasons, "attempt": work.number, "log": work.log}


def collector(parts: Parts, work: Work, attempt: Attempt) -> Collector:
    """What looks at an attempt's results when it has ended."""
    strict = parts.maker.policy(work.instance.step) == "error"
    return Collector(
        parts.store,
        work.invocation,
        work.code_before,
        work.absent_words,
        attempt.secrets,
        strict,
        lambda path: _reference(parts.declarations, work.instance, path),
    )


def _reference(declarations: Declarations, instance: Instance, path: str) -> str:
    """How an input names what another step makes at a path (or around it); empty where none does."""
    found = declarations.writer(path)
    around = declarations.writer_around(path) if found is None else None
    maker, output = found or (around[:2] if around is not None else (None, ""))
    if maker is None or maker.name == instance.name:
        return ""
    return "${{ steps." + f"{maker.step.id}.outputs.{output}" + " }}"


def is_stale(parts: Parts, work: Work) -> bool:
    """Whether a source or a code file differs from what the key was made of: then the key is made anew.

    What a step made is put right instead: its content is known. Raises MlorchError where this does not come to an end,
    StoreError where the content is lost.
    """
    name = work.instance.name
    changed = _changed(parts, work)
    if not changed:
        return False
    if work.number:
        parts.store.workspace.unstage(work.invocation.outputs)
        parts.attempted[name] = work
    parts.remade[name] = parts.remade.get(name, 0) + 1
    if parts.remade[name] > MOST_REMADE:
        message = f"`{changed}`, which `{name}` reads, changes all the time"
        hint = "let nothing write it while the pipeline runs"
        raise MlorchError(message, hint)  # no problem of the pipeline: it has no code
    return True


def _changed(parts: Parts, work: Work) -> str:
    """The first code file or input that has changed."""
    invocation, store = work.invocation, parts.store
    before = parts.decider.snapshots.get(work.instance.name) or {}
    now = parts.decider.code_now(invocation)
    if now != before:
        return next((path for path in now if now[path] != before.get(path)), "its code")
    for item in invocation.inputs:
        for path, content, producer in zip(item.paths, item.contents, item.producers):
            there = store.content(str(path), item.exclude)
            if content is None or (there is not None and there.identity == content.identity):
                continue
            if not (producer and _restored(parts, work, str(path))):
                return str(path)
    return ""


def _restored(parts: Parts, work: Work, path: str) -> bool:
    """Put what a step made back where it was published; an edit is kept aside. Raises CorruptObject."""
    while path not in parts.settler.publications and "/" in path:
        path = path.rpartition("/")[0]
    publication = parts.settler.publications.get(path)
    if publication is None:
        return False
    artifact = Artifact(publication.path, publication.content, True, publication.exclude)
    placed = parts.store.workspace.place(artifact, publication)
    work.warnings.append(f"`{path}` was changed while the pipeline ran, and is restored")
    work.warnings += [f"what stood at `{path}` is kept in `{kept}`" for kept in placed.kept]
    return True
