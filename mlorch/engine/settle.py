"""From a cached decision or a finished attempt to records, checks, outputs in place, and an outcome."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import field, replace
from typing import AbstractSet, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch.engine import checkpoint
from mlorch.engine.attempts import command_text
from mlorch.engine.checks import evaluate_checks, problem_of
from mlorch.engine.decider import plain_metrics
from mlorch.engine.masker import mask
from mlorch.engine.publish import Collected, OutputError, metrics_problem, read_metrics
from mlorch.errors import NO_STEPS_DOING, MlorchError
from mlorch.model import (
    Artifact,
    Decision,
    Ended,
    Instance,
    Invocation,
    Outcome,
    Record,
    Result,
    Value,
)
from mlorch.plan.bind import Binder
from mlorch.plan.seal import family_of
from mlorch.ports import Publication, Store
from mlorch.small import Folded
from mlorch.timing import timed
from mlorch.values import dataclass


@dataclass
class Work:
    """An instance on its way through a run."""

    instance: Instance
    decision: Decision
    number: int = 0
    attempt_ids: List[str] = field(default_factory=list)
    started: float = 0.0
    code_before: Mapping[str, str] = field(default_factory=dict)
    absent_words: Tuple[str, ...] = ()
    log: str = ""
    timings: Dict[str, float] = field(default_factory=dict)
    """Of its last attempt: `sent`, `started` and `recorded` (since the epoch), `spawn` and `collect` (seconds), `slot`."""
    warnings: List[str] = field(default_factory=list)
    recipe: Mapping[str, Value] = field(default_factory=dict)
    """Of the attempt that runs; empty where nothing was executed."""
    secrets: Tuple[str, ...] = ()
    """Values to mask, of the attempt that runs."""

    @property
    def invocation(self) -> Invocation:
        assert self.decision.invocation is not None
        return self.decision.invocation

    @property
    def command(self) -> str:
        """As executed, for people, secrets masked."""
        return mask(command_text(self.invocation), self.secrets)


@dataclass(frozen=True)
class Finished:
    """An attempt that has succeeded, ready to be recorded."""

    work: Work
    ended: Ended
    collected: Collected


class Settler:
    """Records successes and puts outputs in place. Called from the hub's thread only, but for `record`."""

    def __init__(
        self,
        store: Store,
        binder: Binder,
        pipeline: str,
        run: str,
        steps: Optional[AbstractSet[str]] = None,
    ) -> None:
        self._store = store
        self._binder = binder
        self._pipeline = pipeline
        self._run = run
        self._sources: Dict[Tuple[str, str], Tuple[str, bool]] = {}
        """(path, identity) of a code file -> its object, and whether it is executable."""
        self.publications: Dict[str, Publication] = dict(store.workspace.publications(pipeline, steps))

    # ---------------------------------------------------------------------------------------------------- cached

    @timed("publish")
    def cached(self, decision: Decision) -> Tuple[Outcome, Result]:
        """Checks, then the outputs from the store. Raises CorruptObject: the caller makes it anew."""
        record = decision.record
        assert record is not None
        outcome = Outcome(
            decision.instance.name,
            decision.instance.step.id,
            "cached",
            saved=record.seconds,
            outputs=record.outputs,
            metrics=record.metrics,
            log=record.log,
            record=record.id,
            undeclared=record.undeclared,
        )
        return self._conclude(decision.instance, record, outcome)

    def _conclude(self, instance: Instance, record: Record, outcome: Outcome) -> Tuple[Outcome, Result]:
        """Checks on stored metrics, then outputs in place."""
        metrics = plain_metrics(record)
        problem: Optional[str] = None
        warned: List[str] = []
        if instance.step.checks:
            outcome = replace(
                outcome, checks=evaluate_checks(self._binder.names(instance), instance, metrics)
            )
            problem, warned = problem_of(outcome.checks)
        warnings = [*outcome.warnings, *warned]
        if problem is not None:
            warnings += self._withdraw(record.outputs)
            outcome = replace(
                outcome,
                outcome="failed",
                error=problem,
                hint=_get_hint(record),
                tolerated=instance.step.continue_on_error,
                warnings=tuple(warnings),
            )
            ids = (f"check {instance.name} {record.id}",)
            return outcome, Result(
                instance,
                "failed",
                metrics=metrics,
                attempt_ids=ids,
                tolerated=outcome.tolerated,
                causes=(instance.name,),
            )
        changed, kept = self._place(instance, record.outputs)
        restored = changed if outcome.outcome == "cached" else ()
        return replace(outcome, warnings=(*warnings, *kept), restored=restored), Result(
            instance, "succeeded", record.outputs, metrics
        )

    def _place(
        self, instance: Instance, outputs: Mapping[str, Artifact]
    ) -> Tuple[Tuple[str, ...], List[str]]:
        """(the paths where something else stood, or nothing; a sentence for each thing that was kept)"""
        changed: List[str] = []
        kept: List[str] = []
        # A folder before what lies in it.
        for name, artifact in sorted(outputs.items(), key=lambda item: item[1].path.count("/")):
            publication = Publication(
                artifact.path,
                artifact.content,
                self._pipeline,
                instance.step.id,
                name,
                self._run,
                artifact.exclude,
            )
            placed = self._store.workspace.place(artifact, publication)
            self.publications[artifact.path] = publication
            changed += [artifact.path] if placed.changed else []
            kept += [f"what stood at `{artifact.path}` is kept in `{path}`" for path in placed.kept]
        return tuple(changed), kept

    def _withdraw(self, outputs: Mapping[str, Artifact]) -> List[str]:
        """The very content that fails a check does not stay where it was published; other versions do."""
        kept = []
        for artifact in outputs.values():
            publication = self.publications.get(artifact.path)
            if publication is None or publication.content.identity != artifact.content.identity:
                continue
            where = self._store.workspace.retire(publication, keep_content=not artifact.stored)
            self.publications.pop(artifact.path, None)
            if where:
                kept.append(f"`{artifact.path}` is kept in `{where}`")
        return kept

    # ------------------------------------------------------------------------------------------------- attempts

    def note(self, work: Work, collected: Collected) -> None:
        """What is remembered of any attempt, a failed one too."""
        if work.invocation.checkpoint:
            checkpoint.note_modules(self._store, work.invocation.checkpoint, collected.modules)
        if collected.created:
            self._store.note_created(self._pipeline, work.instance.step.id, collected.created)

    # ------------------------------------------------------------------------------------------------- succeeded

    def record(self, batch: Sequence[Finished]) -> Sequence[Record]:
        """Make a batch durable, with one commit for all of it. Raises StoreError, EnvironmentFault."""
        records = [self._record(item) for item in batch]
        self._store.commit(records)
        return records

    @timed("publish")
    def succeeded(
        self, batch: Sequence[Finished], records: Sequence[Record]
    ) -> List[Tuple[Finished, Outcome, Result]]:
        """Conclude each of a batch that was recorded."""
        with self._store.workspace.together():
            return [self._succeeded(item, record) for item, record in zip(batch, records)]

    def _succeeded(self, item: Finished, record: Record) -> Tuple[Finished, Outcome, Result]:
        invocation = item.work.invocation
        if invocation.effect:
            self._store.write_receipt(invocation.effect, invocation.key, self._run, True, record.id)
        outcome = self._outcome(item, record)
        try:
            outcome, result = self._conclude(item.work.instance, record, outcome)
        except MlorchError as error:
            machine = isinstance(error, NO_STEPS_DOING)
            outcome = replace(
                outcome, outcome="failed", error=error.message, hint=error.hint, environment=machine
            )
            result = Result(item.work.instance, "failed", causes=(item.work.instance.name,))
        kept = self._store.workspace.settle(invocation.outputs)
        if kept:
            sentences = [f"what the step did not make is kept in `{path}`" for path in kept]
            outcome = replace(outcome, warnings=(*outcome.warnings, *sentences))
        return item, outcome, result

    def _outcome(self, item: Finished, record: Record) -> Outcome:
        warnings = list(item.work.warnings)
        if item.collected.code_changed:
            changed = ", ".join(f"`{path}`" for path in item.collected.code_changed)
            warnings.append(
                f"{changed} changed while `{item.work.instance.name}` ran: its result is kept, but never "
                "taken for the new code's "
                "(if the step itself writes it, declare it as an output)"
            )
        if item.collected.undeclared:
            warnings.append(item.collected.advice)
        for word in item.collected.created:
            warnings.append(f"`{word}` was created by the step and is not declared: add it to `outputs`")
        return Outcome(
            item.work.instance.name,
            item.work.instance.step.id,
            "succeeded",
            reasons=item.work.decision.reasons,
            seconds=item.ended.seconds,
            attempts=item.work.number,
            exit_code=item.ended.exit_code,
            log=item.work.log,
            command=item.work.command,
            outputs=record.outputs,
            metrics=record.metrics,
            warnings=tuple(warnings),
            record=record.id,
            peak_rss=item.ended.peak_rss,
            cpu_seconds=item.ended.cpu_seconds,
            undeclared=item.collected.undeclared,
        )

    def _record(self, item: Finished) -> Record:
        work, invocation = item.work, item.work.invocation
        code = {**item.collected.modules, **work.code_before}
        return Record(
            id=new_record_id(),
            key=invocation.key,
            manifest=invocation.manifest,
            family=family_of(invocation),
            pipeline=self._pipeline,
            step=work.instance.step.id,
            instance=work.instance.name,
            run=self._run,
            started=item.ended.started or work.started,
            seconds=item.ended.seconds,
            outputs=item.collected.outputs,
            metrics=item.collected.metrics,
            modules=item.collected.modules,
            code_changed=bool(item.collected.code_changed),
            peak_rss=item.ended.peak_rss,
            cpu_seconds=item.ended.cpu_seconds,
            attempts=work.number,
            effect=invocation.effect,
            sources={**self.sources(code), **item.collected.sources},
            env=dict(invocation.env),
            log=work.log,
            needs={
                "cpus": invocation.needs.cpus,
                "memory": invocation.needs.memory,
                "gpus": invocation.needs.gpus,
            },
            created=tuple(sorted(set(item.collected.created))),
            undeclared=tuple(item.collected.undeclared),
            recipe=Folded(self._recipe(work, code)),
        )

    def _recipe(self, work: Work, code: Mapping[str, str]) -> Mapping[str, Value]:
        """With the code files that are executable, and the digests of those outside the project, which are not kept."""
        known = ((path, self._sources.get((path, identity))) for path, identity in code.items())
        executable = [path for path, found in known if found is not None and found[1]]
        outside = {path: identity for path, identity in code.items() if path.startswith("/")}
        added = {"executable": executable, "outside": outside}
        found = {name: value for name, value in added.items() if value} if work.recipe else {}
        return {**work.recipe, **found} if found else work.recipe

    def sources(self, code: Mapping[str, str]) -> Dict[str, str]:
        """Code files as objects, each put into the store once per run."""
        found: Dict[str, str] = {}
        for path, identity in code.items():
            if path.startswith("/") or not identity:
                continue
            if (path, identity) not in self._sources:
                try:
                    with open(os.path.join(self._store.root, path), "rb") as file:
                        executable = bool(os.fstat(file.fileno()).st_mode & 0o100)
                        self._sources[(path, identity)] = (self._store.put(file.read()), executable)
                except OSError:
                    continue
            found[path] = self._sources[(path, identity)][0]
        return found

    # ----------------------------------------------------------------------------------------------------- adopt

    def adopt(self, work: Work) -> Optional[Record]:
        """A record of what stands at the declared paths, where all of it does; else None."""
        invocation = work.invocation
        outputs: Dict[str, Artifact] = {}
        for output in invocation.outputs:
            content = self._store.content(output.path, output.exclude)
            if content is None or (content.kind == "folder") != output.folder:
                return None
            content = self._store.ingest(output.path, output.exclude, store=output.store)
            outputs[output.name] = Artifact(output.path, content, output.store, output.exclude)
        if not outputs or invocation.effect:
            return None
        ended = Ended("exit", 0, started=time.time())
        record = self._record(Finished(work, ended, Collected(outputs, self._adopted_metrics(invocation))))
        record = replace(record, adopted=True, attempts=0)
        self._store.commit([record])
        return record

    def _adopted_metrics(self, invocation: Invocation) -> Mapping[str, Value]:
        output = next(
            (item for item in invocation.outputs if item.name == "metrics" and not item.folder), None
        )
        if output is None:
            return {}
        try:
            metrics = read_metrics(os.path.join(self._store.root, output.path), output.path)
        except OutputError:
            return {}
        return {} if metrics_problem(metrics) else metrics


def new_record_id() -> str:
    return uuid.uuid4().hex[:12]


def _get_hint(record: Record) -> str:
    """How to fetch what a failed check keeps from the workspace."""
    names = [name for name in record.outputs if name not in ("metrics", "history")] or list(record.outputs)
    if not names:
        return ""
    target = record.outputs[names[0]].path
    return f"look at what it made: mlorch get {record.instance}/{names[0]} -o {os.path.basename(target)}"


Emit = Callable[..., None]
"""`emit(kind, instance=None, **data)`: one event to the run file and the listeners."""
