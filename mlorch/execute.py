"""A real run: locks, the dry run, the hub, signals, and the summary."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Tuple

from mlorch import __version__, timing
from mlorch.caller import caller
from mlorch.claims import touched_paths
from mlorch.closing import cut_off, exit_code, notes, status
from mlorch.engine.attempts import AttemptMaker
from mlorch.engine.events import outcome_data, reason_data
from mlorch.engine.foresight import Opened, expected_steps, widest
from mlorch.engine.hooks import HookRunner
from mlorch.engine.hub import Hub
from mlorch.engine.launch import JoblibLauncher
from mlorch.engine.parts import HubOptions, Parts
from mlorch.engine.priority import estimates, tails
from mlorch.engine.resources import Pool, detect_capacity
from mlorch.engine.retire import Retirer
from mlorch.engine.settle import Settler
from mlorch.engine.shape import FILE, shape_text
from mlorch.engine.signals import Inbox, receiving, waking
from mlorch.errors import EnvironmentFault, MlorchError, SpecError
from mlorch.lastused import previous_metrics
from mlorch.model import (
    Decision,
    Event,
    Instance,
    Outcome,
    Pipeline,
    Problem,
    Reason,
    RunSummary,
    Settings,
    Value,
)
from mlorch.partly import Part, Unsuited
from mlorch.plan.declare import step_place
from mlorch.ports import Launcher, Lease, Listener, RunLog, Store
from mlorch.session import Choice, DryRun, Session, dry_run, open_session
from mlorch.steady import looking, note_whether_steady
from mlorch.store import new_run_id, open_store
from mlorch.values import dataclass

if TYPE_CHECKING:
    from mlorch.app import Options


@dataclass
class Journal:
    """Events of one run: to its file and to every listener."""

    run: str
    log: RunLog
    pipeline: Pipeline
    listeners: Sequence[Listener]
    unread: Optional[Callable[[int], None]] = None
    """Told SIGPIPE where nobody reads a listener's stream any more."""
    size: Callable[[str], int] = lambda _: 0
    """See `foresight.Opened`."""

    def tell_of(self, part: Part) -> None:
        """Of what was not looked at."""
        now = time.time()
        self.log.extend(part.lines(self.run, now))
        for event in part.shown(self.run, now):
            self._tell(event)

    def __call__(self, kind: str, instance: Optional[Instance] = None, **data: Any) -> None:
        outcome = data.pop("outcome", None)
        if isinstance(outcome, Outcome) and instance is not None:
            data.update(outcome_data(outcome, instance, self.pipeline))
        if instance is not None and self.size(instance.step.id):
            data["instances"] = self.size(instance.step.id)
        if "reasons" in data and data["reasons"] and isinstance(data["reasons"][0], Reason):
            data["reasons"] = reason_data(data["reasons"])
        event = Event(
            kind,
            time.time(),
            self.run,
            instance.name if instance is not None else "",
            instance.step.id if instance is not None else "",
            data,
        )
        try:
            self.log.append(event)
        finally:  # on a full disk they are the only ones to hear of it
            self._tell(event)

    def _tell(self, event: Event) -> None:
        for listener in self.listeners:
            try:
                listener(event)
            except BrokenPipeError:
                if self.unread is not None:
                    self.unread(signal.SIGPIPE)


def execute(
    pipeline: Pipeline,
    settings: Settings,
    choice: Choice,
    options: Options,
    listeners: Sequence[Listener],
    part: Optional[Part] = None,
) -> RunSummary:
    """Run a pipeline. Raises SpecError, UsageError, LockedError, StoreError, EnvironmentFault before anything executes.

    Args:
        part: look only at this; raises Unsuited, before anything is told, where that does not suffice.
    """
    began = time.time()
    there = os.path.isdir(settings.store)
    witness = options.witness
    with looking(witness):
        store = open_store(settings, create=there)
        environ = witness.environ if witness is not None else os.environ
        session = open_session(pipeline, settings, store, environ, part)
    dry: Optional[DryRun] = None
    if not there:
        # Whatever can be found wrong is found before anything is written.
        dry = dry_run(session, choice)
        if not store.create():
            dry, session = None, open_session(pipeline, settings, store, os.environ)
    run = new_run_id()
    with receiving() as inbox:
        waited: List[str] = []
        lease = _register(session, choice, run, options, waited)
        try:
            kept = store.workspace.recover()
            warnings = [f"an earlier run was cut off; what it left is kept in `{path}`" for path in kept]
            if part is not None and (waited or kept):
                raise Unsuited
            if waited or kept:
                # The run before may have changed anything.
                dry, session = None, open_session(pipeline, settings, store, os.environ)
            context = Context(run, lease, began, listeners, inbox, warnings)
            if dry is None:
                with looking(witness):
                    dry = dry_run(session, choice)
                    if there and not waited and not kept:
                        note_whether_steady(witness, session, dry, choice)
            return _locked(session, choice, options, context, dry)
        except FileNotFoundError as error:
            message = f"`{error.filename}` vanished while the run needed it"
            raise EnvironmentFault(
                message, "let no step and nobody else remove `.mlorch` while it runs"
            ) from error
        finally:
            lease.release()
            store.forget_caches()


@dataclass(frozen=True)
class Context:
    """What surrounds one run."""

    run: str
    lease: Lease
    began: float
    listeners: Sequence[Listener]
    inbox: Inbox
    warnings: List[str]


def _locked(session: Session, choice: Choice, options: Options, context: Context, dry: DryRun) -> RunSummary:
    capacity_problems = _capacity_problems(session, dry, options)
    if capacity_problems:
        raise SpecError(capacity_problems)
    store, pipeline, part = session.store, session.pipeline, session.part
    previous = previous_metrics(store, pipeline)
    log = store.begin_run(context.run)
    emit = Journal(context.run, log, pipeline, context.listeners, context.inbox.put)
    emit("run.started", **_meta(session, options, dry.decisions))
    hub: Optional[Hub] = None
    beside = part.beside() if part is not None else None
    try:
        try:
            instances = (item.instance for item in dry.decisions)
            log.write(
                FILE, part.shape if part is not None else shape_text(pipeline, session.graph, instances)
            )
            for warning in (*context.warnings, *dry.warnings):
                emit("warning", text=warning)
            if part is not None:
                emit.tell_of(part)
            hub = make_hub(
                session, choice, options, dry, emit, JoblibLauncher(context.run), tuple(context.lease.fds)
            )
            dry.release()
            with waking(hub.wake):
                context.inbox.attach(hub.interrupt)
                outcomes = hub.run()
            unmatched = session.unmatched(choice, [item.instance for item in outcomes])
            warnings = [*context.warnings, *dry.warnings, *notes(hub, pipeline), *unmatched]
            code = exit_code(outcomes, hub.signal)
            size, reclaimable = store.size()
        except (MlorchError, OSError, KeyboardInterrupt, SystemExit) as error:
            with suppress(MlorchError, OSError):
                emit("run.finished", **cut_off(error, hub, time.time() - context.began, beside))
            raise
        edges = {step: tuple(session.graph.upstream(step)) for step in session.graph.order}
        seconds = time.time() - context.began
        summary = RunSummary(
            context.run,
            pipeline,
            tuple(outcomes),
            seconds,
            code,
            tuple(dict.fromkeys(warnings)),
            previous,
            size,
            reclaimable,
            edges if part is None else part.edges(),
            beside,
        )
        emit(
            "run.finished",
            status=status(outcomes, hub.signal),
            seconds=seconds,
            exit_code=code,
            totals=summary.totals(),
            timings=timing.document(options.jobs, hub.busy),
        )
        return summary
    finally:
        log.close()


def make_hub(
    session: Session,
    choice: Choice,
    options: Options,
    dry: DryRun,
    emit: Journal,
    launcher: Launcher,
    lock_fds: Tuple[int, ...],
) -> Hub:
    """Everything that a run is made of. (More than five parameters: this is where the rooms meet.)"""
    store, pipeline = session.store, session.pipeline
    world, frontier = session.frontier(choice)
    decider = session.decider(choice, world, frontier, settled=True)
    decider.snapshots.update(dry.decider.snapshots)
    decider.binder.reaches.update(dry.decider.binder.reaches)
    decider.binder.absent_words.update(dry.decider.binder.absent_words)
    wanted = session.part.wanted if session.part is not None else None
    settler = Settler(store, decider.binder, pipeline.file, emit.run, wanted)
    undeclared, environ = session.settings.undeclared, dict(os.environ)
    maker = AttemptMaker(emit.run, pipeline.root, emit.log, environ, _python(session), lock_fds, undeclared)
    retirer = Retirer(world, session.declarations, store, settler.publications)
    retirer.start()
    estimated = estimates(store, pipeline.file, session.graph.order)
    parts = Parts(
        frontier=frontier,
        decider=decider,
        declarations=session.declarations,
        store=store,
        launcher=launcher,
        maker=maker,
        pool=Pool(detect_capacity(pipeline.capacity, options.jobs, os.environ), options.jobs),
        settler=settler,
        retirer=retirer,
        hooks=HookRunner(decider.binder, maker, pipeline, emit, lambda: last_failed(store, pipeline.file)),
        emit=emit,
        priority=tails(session.graph.order, session.graph.downstream(), estimated.__getitem__),
    )
    planned = {decision.instance.name: decision for decision in dry.decisions}
    emit.size = Opened(dry.decisions, frontier)
    return Hub(parts, HubOptions(options.jobs, options.keep_going, options.adopt, options.force), planned)


def _python(session: Session) -> str:
    """The interpreter's path, whose folder comes first on PATH; empty where there is none, which ends only a step that
    needs it (when it is bound)."""
    try:
        return session.interpreter().executable
    except EnvironmentFault:
        return ""


# --------------------------------------------------------------------------------------------------------------- locks


def _register(session: Session, choice: Choice, run: str, options: Options, waited: List[str]) -> Lease:
    writes, reads = touched_paths(session, choice)

    def on_wait(text: str) -> None:
        waited.append(text)
        print(f"waiting: {text}", file=sys.stderr, flush=True)

    ancestor = os.environ.get("MLORCH_RUN_ID", "")
    return session.store.register(
        run,
        sorted(writes),
        sorted(reads),
        wait=options.wait,
        on_wait=on_wait,
        ancestors=(ancestor,) if ancestor else (),
    )


# ------------------------------------------------------------------------------------------------------------- summary


def last_failed(store: Store, pipeline: str) -> bool:
    """Whether the last run of a pipeline that came to an end of its own failed."""
    from mlorch.notify.standing import standing_of  # asked only where a pipeline has `on_recovery`

    return standing_of(store.runs(), pipeline).failures > 0


def _meta(session: Session, options: Options, decisions: Sequence[Decision]) -> Dict[str, Value]:
    """Who, host, commit and whether dirty, command line, CI address."""
    pipeline = session.pipeline
    steps = expected_steps(decisions, session.graph)
    if session.part is not None:
        return {**session.part.started, **caller(pipeline.root), "steps": steps}
    return {
        "pipeline": pipeline.file,
        "name": pipeline.name,
        **caller(pipeline.root),
        "params": dict(pipeline.params),
        "goals": {step.id: dict(step.goal) for step in pipeline.steps.values() if step.goal},
        "jobs": options.jobs,
        "root": pipeline.root,
        "secrets": sorted({name for step in pipeline.steps.values() for name in step.secrets}),
        "instances": len(decisions),
        "steps": steps,
        "widest": widest(decisions),
        "python": sys.version.split()[0],
        "version": __version__,
    }


def _capacity_problems(session: Session, dry: DryRun, options: Options) -> List[Problem]:
    pool = Pool(detect_capacity(session.pipeline.capacity, options.jobs, os.environ))
    problems = []
    for decision in dry.decisions:
        problem = pool.check(decision.invocation.needs) if decision.invocation is not None else None
        if problem:
            place = step_place(decision.instance.step, "resources")
            sentence = f"`{decision.instance.name}`: {problem}"
            problems.append(Problem("E703", sentence, place, hint="lower the need, or raise `capacity`"))
    return problems
