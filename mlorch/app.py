"""What the verbs about pipelines do: load, validate, plan, run, why. The one place that wires the rooms together."""

from __future__ import annotations

import glob
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, AbstractSet, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from mlorch import spec, timing
from mlorch.errors import MlorchError, SpecError, UsageError, did_you_mean
from mlorch.in_the_way import in_the_way
from mlorch.model import (
    Explanation,
    Pipeline,
    Plan,
    Problem,
    Record,
    RunSummary,
    Settings,
    SourceFile,
)
from mlorch.ports import Store
from mlorch.session import Choice, DryRun, Session, dry_run, open_session
from mlorch.settings import read_settings
from mlorch.steady import looking, note_whether_steady
from mlorch.store import open_store as open_store_of
from mlorch.store.plans import Asked, Plans
from mlorch.timing import timed
from mlorch.values import dataclass

if TYPE_CHECKING:
    from mlorch.ports import Listener
    from mlorch.store.answers import Answer
    from mlorch.store.witness import Witness

# What only one verb needs is imported when it is called: looking is to be quick.
DEFAULT_NAMES = ("mlorch.yaml", "mlorch.yml", "pipeline.yaml", "pipeline.yml")


@dataclass(frozen=True)
class Request:
    """What a verb about a pipeline was asked."""

    pipeline: Optional[str] = None
    """As given; None looks for one."""
    root: Optional[str] = None
    selectors: Tuple[str, ...] = ()
    params: Tuple[str, ...] = ()
    params_file: Optional[str] = None
    only: bool = False
    force: bool = False
    force_steps: Tuple[str, ...] = ()
    jobs: Optional[int] = None
    keep_going: bool = False
    adopt: bool = False
    wait: bool = True
    witness: Optional[Witness] = None
    answer: Optional[Answer] = None
    """What was remembered, if anything: see `partly`."""

    @property
    def choice(self) -> Choice:
        return Choice(self.selectors, self.only, self.force, self.force_steps)


@dataclass(frozen=True)
class GraphAnswer:
    """What `mlorch graph` draws."""

    plan: Plan
    states: Mapping[str, str]
    """Instance -> outcome in a run, empty without one."""


# ----------------------------------------------------------------------------------------------------- finding, loading


def find_pipeline(request: Request, cwd: Optional[str] = None) -> str:
    """Absolute path of the pipeline: as given, else looked for at or above the current folder, else the only one in
    `pipelines/`. Raises UsageError."""
    here = os.path.abspath(request.root or cwd or os.getcwd())
    if request.pipeline is not None:
        base = os.path.abspath(cwd or os.getcwd())
        path = os.path.join(base, request.pipeline)
        if not os.path.isfile(path) and request.root is not None:
            path = os.path.join(here, request.pipeline)
        if not os.path.isfile(path):
            near = did_you_mean(request.pipeline, _pipelines_near(here))
            raise UsageError(
                f"there is no pipeline `{request.pipeline}`", near or "give the path of a YAML file"
            )
        return os.path.normpath(path)
    folder = here
    while True:
        for name in DEFAULT_NAMES:
            if os.path.isfile(os.path.join(folder, name)):
                return os.path.join(folder, name)
        parent = os.path.dirname(folder)
        if parent == folder or request.root is not None:
            break
        folder = parent
    found = sorted(glob.glob(os.path.join(glob.escape(here), "pipelines", "*.y*ml")))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(os.path.relpath(path, here) for path in found)
        raise UsageError(
            f"several pipelines: {names}", f"name one: mlorch run {os.path.relpath(found[0], here)}"
        )
    raise UsageError(
        "there is no pipeline here",
        "make one with `mlorch init`, or give the path of a YAML file as the first argument",
    )


def _pipelines_near(folder: str) -> List[str]:
    names = [name for name in DEFAULT_NAMES if os.path.isfile(os.path.join(folder, name))]
    return names + [
        os.path.relpath(path, folder)
        for path in glob.glob(os.path.join(glob.escape(folder), "pipelines", "*.y*ml"))
    ]


def settings_of(request: Request, root: str) -> Settings:
    return read_settings(root, flags={"jobs": request.jobs})


def root_of(request: Request, pipeline: str) -> str:
    """The project root: `-C`, else what lies around the pipeline."""
    return os.path.abspath(request.root) if request.root is not None else spec.find_root(pipeline)


@dataclass(frozen=True)
class Loaded:
    """A pipeline with the settings around it, and what it was asked with."""

    pipeline: Pipeline
    settings: Settings
    asked: Asked
    remembered: bool
    """Whether it came from the store's memory, so that no YAML was read."""

    def remember(self) -> None:
        """Spare the next command the reading. A store that can't remember is no error."""
        if not self.remembered:
            Plans(self.settings.store, os.environ).remember(self.asked, self.pipeline)


@timed("parse", span=True)
def read_pipeline(request: Request, recall: bool = True, only: Optional[AbstractSet[str]] = None) -> Loaded:
    """The pipeline as its file says, not yet looked at as a graph; of one from memory `only` these steps. Raises SpecError,
    UsageError."""
    path = find_pipeline(request)
    root = root_of(request, path)
    settings = settings_of(request, root)
    params_file = os.path.abspath(request.params_file) if request.params_file is not None else None
    asked = Asked(path, root, request.params, params_file, settings.allow, spec.schema_path())
    pipeline = Plans(settings.store, os.environ).recall(asked, only) if recall else None
    if pipeline is not None:
        return Loaded(pipeline, settings, asked, True)
    pipeline = spec.load(
        path, root, overrides=request.params, params_file=request.params_file, allow=settings.allow
    )
    return Loaded(pipeline, settings, asked, False)


def load_only(request: Request) -> Tuple[Pipeline, Settings]:
    """As `read_pipeline`, without what only a run needs."""
    loaded = read_pipeline(request)
    return loaded.pipeline, loaded.settings


def session_of(request: Request, create: bool = False, recall: bool = True) -> Session:
    """Raises SpecError, UsageError, StoreError."""
    loaded = read_pipeline(request, recall)
    pipeline, settings = loaded.pipeline, loaded.settings
    store = open_store_of(settings, create=create)
    environ = request.witness.environ if request.witness is not None else os.environ
    with _sources(pipeline):
        return open_session(pipeline, settings, store, environ)


@contextmanager
def _sources(pipeline: Pipeline) -> Iterator[None]:
    """Problems found after loading carry the texts too, so that they are shown with their frames."""
    try:
        yield
    except SpecError as error:
        raise SpecError(error.problems, error.sources or pipeline.sources) from None


def _dry_run(session: Session, choice: Choice) -> DryRun:
    with _sources(session.pipeline):
        return dry_run(session, choice)


def load(request: Request) -> Pipeline:
    """The validated pipeline, its graph included. Raises SpecError."""
    return session_of(request).pipeline


def open_store(request: Request, create: bool = False) -> Store:
    """The store around the current folder (or `-C`, or the pipeline that is named)."""
    if request.root is not None or request.pipeline is None:
        start = os.path.abspath(request.root or os.getcwd())
        root = start if request.root is not None else _store_root(request, start)
    else:
        root = root_of(request, find_pipeline(request))
    return open_store_of(settings_of(request, root), create=create)


def _store_root(request: Request, start: str) -> str:
    try:
        return root_of(request, find_pipeline(request))
    except UsageError:
        return spec.find_root(os.path.join(start, "mlorch.yaml"))


# -------------------------------------------------------------------------------------------------------------- verbs


def validate(paths: Sequence[str], request: Request) -> Tuple[List[Problem], List[SourceFile]]:
    """All problems (and warnings) of these pipelines; runs and imports nothing. Raises UsageError."""
    problems: List[Problem] = []
    sources: Dict[str, SourceFile] = {}
    for path in paths or (None,):
        single = Request(path, request.root, params=request.params, params_file=request.params_file)
        try:
            session = session_of(single, recall=False)
        except SpecError as error:
            problems += error.problems
            for source in getattr(error, "sources", ()):
                sources[source.path] = source
            continue
        problems += session.pipeline.warnings
        for source in session.pipeline.sources:
            sources[source.path] = source
    return sorted(problems, key=lambda problem: problem.order), list(sources.values())


def plan(request: Request) -> Plan:
    """A dry run. Raises SpecError, UsageError, StoreError."""
    with looking(request.witness):
        session = session_of(request)
        dry = _dry_run(session, request.choice)
        note_whether_steady(request.witness, session, dry)
    return plan_of(session, dry, session.settings)


def plan_of(session: Session, dry: DryRun, settings: Settings) -> Plan:
    edges = {
        decision.instance.name: tuple(dry.frontier.upstream_instances(decision.instance.name))
        for decision in dry.decisions
    }
    seconds, complete = _expected(dry, edges, settings.jobs or os.cpu_count() or 1)
    return Plan(
        session.pipeline,
        tuple(dry.decisions),
        edges,
        seconds,
        complete,
        tuple(dry.warnings),
        session.moved_aside(),
        in_the_way(session, dry.decisions),
    )


def _expected(dry: DryRun, edges: Mapping[str, Sequence[str]], slots: int) -> Tuple[Optional[float], bool]:
    """Wall time: the longer of the critical path and the work over the slots. None where nothing is known of what runs."""
    ends: Dict[str, float] = {}
    work, known, complete = 0.0, False, True
    for decision in dry.decisions:
        seconds = decision.seconds if decision.action in ("run", "maybe") else 0.0
        if seconds is None:
            complete, seconds = False, 0.0
        elif decision.action in ("run", "maybe"):
            known = True
        work += seconds
        ends[decision.instance.name] = seconds + max(
            (ends.get(name, 0.0) for name in edges.get(decision.instance.name, ())), default=0.0
        )
    if not known:
        return (0.0, True) if complete else (None, False)
    return max(max(ends.values(), default=0.0), work / slots), complete


def run(request: Request, listeners: Sequence[Listener] = ()) -> RunSummary:
    """Execute. Raises SpecError, UsageError, LockedError, StoreError, EnvironmentFault: then nothing was executed."""
    from mlorch.alerting import with_alerts
    from mlorch.execute import execute
    from mlorch.partly import run_partly

    timing.reset()
    summary = run_partly(request, listeners)
    if summary is not None:
        return summary
    with looking(request.witness):
        loaded = read_pipeline(request)
    pipeline, settings = loaded.pipeline, loaded.settings
    options = Options.of(request, settings)

    def go(heard: Sequence[Listener]) -> RunSummary:
        return execute(pipeline, settings, request.choice, options, heard)

    with _sources(pipeline):
        summary = with_alerts(pipeline, settings, listeners, go)
    loaded.remember()
    return summary


def why(request: Request, step: str, against: Optional[str] = None) -> List[Explanation]:
    """Why the instances of a step would run or not. `against` compares with what a run recorded. Raises UsageError."""
    from mlorch.causes import Causes, touched

    session = session_of(request)
    choice = Choice((step,), request.only, request.force, request.force_steps)
    dry = _dry_run(session, choice)
    targets = set(_targeted(session, dry, step))
    by_name = {decision.instance.name: decision for decision in dry.decisions}
    causes = Causes(by_name, dry.frontier.upstream_instances, session.store)
    answers = []
    for decision in dry.decisions:
        if decision.instance.name in targets:
            previous = decision.record
            if against is not None:
                previous = _record_in(session, against, decision.instance.name)
            behind = causes.of(decision.instance.name, previous)
            newer = touched(decision, session.pipeline.root) if previous is decision.record else ()
            answers.append(Explanation(decision, previous, behind, newer))
    return answers


def _targeted(session: Session, dry: DryRun, selector: str) -> List[str]:
    from mlorch.plan.select import select

    selection = select(session.pipeline, session.graph, (selector,), closure=False)
    found = []
    for decision in dry.decisions:
        if decision.instance.step.id in selection.steps:
            test = selection.test(decision.instance.step.id)
            if test is None or test(decision.instance) or not decision.instance.known:
                found.append(decision.instance.name)
    return found


def _record_in(session: Session, run: str, instance: str) -> Optional[Record]:
    """The record behind an instance's outcome in a run."""
    from mlorch.history.records import record_of

    return record_of(session.store, run, session.pipeline.file, instance)


def text_of(request: Request, digest: str) -> Optional[str]:
    """A stored source as text; None where it is not kept (or no text)."""
    store = open_store(request)
    try:
        return store.read(digest).decode("utf-8")
    except (MlorchError, UnicodeDecodeError):
        return None


def graph(request: Request, state_run: Optional[str] = None) -> GraphAnswer:
    """The plan as a graph, with the states of a run where one is named. Raises SpecError, UsageError."""
    session = session_of(request)
    answer = plan_of(session, _dry_run(session, request.choice), session.settings)
    states: Dict[str, str] = {}
    if state_run is not None:
        from mlorch.history.detail import view_run
        from mlorch.history.runs import resolve_run

        view = view_run(session.store, resolve_run(session.store, state_run))
        states = {item.instance: item.outcome for item in view.steps}
    return GraphAnswer(answer, states)


@dataclass(frozen=True)
class Options:
    """How a run is executed."""

    jobs: int
    keep_going: bool = False
    adopt: bool = False
    force: bool = False
    wait: bool = True
    params: Tuple[str, ...] = ()
    witness: Optional[Witness] = None

    @staticmethod
    def of(request: Request, settings: Settings) -> Options:
        jobs = request.jobs or settings.jobs or len(os.sched_getaffinity(0))
        return Options(
            jobs,
            request.keep_going,
            request.adopt,
            request.force,
            request.wait,
            request.params,
            request.witness,
        )
