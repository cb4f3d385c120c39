"""One look at a pipeline: its parts wired together, for a dry run or a real one."""

from __future__ import annotations

import fnmatch
from dataclasses import field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Callable, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from mlorch.asking import for_step
from mlorch.errors import SpecError, UsageError
from mlorch.lastused import LastUsed
from mlorch.model import (
    Artifact,
    Decision,
    Instance,
    Pipeline,
    Problem,
    Reason,
    Result,
    Settings,
)
from mlorch.partly import Part
from mlorch.plan.declare import BindError, Declarations, check_effects, distinct, step_place
from mlorch.plan.frontier import Frontier, Wanted
from mlorch.plan.graph import Graph, build
from mlorch.plan.known import patterns_of, static_expansions
from mlorch.plan.references import References
from mlorch.plan.select import Selection, instance_closure, select
from mlorch.plan.signatures import Signatures
from mlorch.plan.world import Expansion, World
from mlorch.ports import Publication, Store
from mlorch.timing import timed
from mlorch.values import dataclass

if TYPE_CHECKING:
    from mlorch.engine.decider import Decider
    from mlorch.plan.bind import Binder
    from mlorch.plan.code import CodeReader, Interpreter

# What only a decision needs is imported when one is made: `validate` makes none.


@dataclass(frozen=True)
class Choice:
    """What a command is about, and how."""

    selectors: Tuple[str, ...] = ()
    only: bool = False
    force: bool = False
    force_steps: Tuple[str, ...] = ()


@dataclass
class Session:
    """A pipeline with its graph, its static instances and its code, over one store."""

    settings: Settings
    pipeline: Pipeline
    store: Store
    environ: Mapping[str, str]
    references: References
    graph: Graph
    world: World
    declarations: Declarations
    code: Callable[[], CodeReader]
    """Gives the reader of sources, always the same one."""
    signatures: Signatures
    publications: Dict[str, Publication]
    static: Mapping[str, Expansion] = field(default_factory=dict)
    part: Optional[Part] = None
    """Where only some steps are looked at."""

    def interpreter(self) -> Interpreter:
        """Raises EnvironmentFault."""
        from mlorch.plan.code import find_interpreter

        return find_interpreter(self.pipeline.root, self.pipeline.python, self.environ)

    def frontier(self, choice: Choice) -> Tuple[World, Frontier]:
        """A fresh world and its frontier for a choice of steps. Raises UsageError, SpecError."""
        if self.part is not None:
            world, result = self._world(), self.part.result
            wanted: Wanted = dict.fromkeys(step for step in self.graph.order if step in self.part.wanted)
            return world, Frontier(world, self.store, wanted, lambda instance: result(self.store, instance))
        selection = select(self.pipeline, self.graph, choice.selectors, closure=not choice.only)
        wanted = self._wanted(selection, choice)
        world = self._world()
        outside = _Outside(self.store, world, self.declarations)
        return world, Frontier(world, self.store, wanted, outside)

    def _world(self) -> World:
        return World(
            self.pipeline,
            self.graph,
            self.references,
            self.environ,
            dict(self.static),
            declared=self.world.declared,
        )

    def _wanted(self, selection: Selection, choice: Choice) -> Wanted:
        if not selection.patterns or choice.only:
            return {step: selection.test(step) for step in selection.steps}
        # Instances were named: what they need is found at the level of instances, as far as these are known.
        everything = Frontier(
            self._world(),
            self.store,
            dict.fromkeys(selection.steps),
            _Outside(self.store, self._world(), self.declarations),
        )
        start = []
        named = set(self._targets(choice))
        for step in named:
            test = selection.test(step)
            expansion = everything.world.expansions.get(step)
            if expansion is not None and expansion.known:
                chosen = [item.name for item in expansion.instances if test is None or test(item)]
                if not chosen:
                    names = ", ".join(item.name for item in expansion.instances[:10])
                    raise UsageError(f"no instance of `{step}` matches", f"there are: {names}")
                start += chosen
        needed = instance_closure(everything.upstream_instances, start)
        wanted: Dict[str, Optional[Callable[[Instance], bool]]] = {}
        known = {step for step, expansion in everything.world.expansions.items() if expansion.known}
        unknown = [step for step in selection.steps if step not in known]
        above = {upstream for step in unknown for upstream in self.graph.ancestors(step)}
        for step in selection.steps:
            if step in unknown or step in above:
                # Which instances they need shows only when they are expanded.
                wanted[step] = selection.test(step)
                continue
            expansion = everything.world.expansions[step]
            names_here = frozenset(item.name for item in expansion.instances if item.name in needed)
            if names_here:
                wanted[step] = _is_one_of(names_here)
        return wanted

    def unmatched(self, choice: Choice, instances: Sequence[str]) -> List[str]:
        """Sentences about selectors that none of these instances matches: it showed only when their axes were known."""
        selection = select(self.pipeline, self.graph, choice.selectors, closure=False)
        return [
            f"no instance of `{step}` matches `{pattern}`"
            for step, patterns in selection.patterns.items()
            for pattern in patterns
            if not fnmatch.filter(instances, pattern)
        ]

    def _targets(self, choice: Choice) -> Tuple[str, ...]:
        return select(self.pipeline, self.graph, choice.selectors, closure=False).steps

    def binder(self, world: World, settled: bool) -> Binder:
        from mlorch.plan.bind import Binder

        return Binder(
            world,
            self.store,
            self.code(),
            self.declarations,
            self.signatures,
            settled=settled,
            created_of=self._created,
        )

    def decider(self, choice: Choice, world: World, frontier: Frontier, settled: bool) -> Decider:
        from mlorch.engine.decider import Decider

        last_used = LastUsed(self.store, self.pipeline.file)
        binder = self.binder(world, settled)
        forced, policy = self._forced(choice), self.settings.undeclared
        return Decider(world, frontier, binder, self.store, self.code(), last_used, forced, policy)

    def _created(self, instance: Instance) -> FrozenSet[str]:
        return self.store.created(self.pipeline.file, instance.step.id)

    def _forced(self, choice: Choice) -> Callable[[Instance], bool]:
        if choice.force:
            return lambda _: True
        if not choice.force_steps:
            return lambda _: False
        selection = select(self.pipeline, self.graph, choice.force_steps, closure=False)

        def forced(instance: Instance) -> bool:
            if instance.step.id not in selection.steps:
                return False
            test = selection.test(instance.step.id)
            return test is None or test(instance)

        return forced

    def moved_aside(self) -> Tuple[str, ...]:
        """What a run would move aside. What was edited since it was published is the user's now, and stays."""
        unedited = [
            item.path for item in self.stale() if self.store.content(item.path, item.exclude) == item.content
        ]
        return tuple(sorted(unedited))

    def stale(self) -> List[Publication]:
        """What was published and nothing declares any more."""
        from mlorch.engine.retire import by_step, stale_of_removed, stale_of_step

        found = stale_of_removed(self.world, self.declarations, self.publications, self.store)
        published = by_step(self.publications.values())
        for step in self.static:
            found += stale_of_step(step, self.world, self.declarations, published.get(step, ()))
        return found


@timed("plan", span=True)
def open_session(
    pipeline: Pipeline,
    settings: Settings,
    store: Store,
    environ: Mapping[str, str],
    part: Optional[Part] = None,
) -> Session:
    """Wire the parts. Raises SpecError: a cycle, colliding outputs, a matrix that can't be expanded."""
    references = References(pipeline)
    world = World(pipeline, Graph({}, ()), references, environ)
    declarations: Optional[Declarations] = None

    def producer_of(path: str) -> Optional[str]:
        assert declarations is not None
        writer = declarations.writer(path) or declarations.writer_around(path)
        if writer is None and part is not None:
            return part.producer(path)
        return writer[0].step.id if writer is not None else None

    def digest_of(path: str) -> Optional[str]:
        content = store.content(path)
        return content.digest if content is not None and content.kind == "file" else None

    @lru_cache(maxsize=1)
    def code() -> CodeReader:
        from mlorch.plan.code import CodeReader, find_interpreter

        return CodeReader(
            pipeline.root,
            lambda: find_interpreter(pipeline.root, pipeline.python, environ),
            producer_of,
            digest_of,
            store.workspace.is_tracked,
        )

    signatures = Signatures(code)
    declarations = Declarations(world, signatures.names, settings.allow)
    static, problems = static_expansions(world, declarations, store)
    if problems:
        raise SpecError(distinct(problems))
    world.graph = build(pipeline, references, patterns_of(world))
    wanted = part.wanted if part is not None else None
    publications = dict(store.workspace.publications(pipeline.file, wanted))
    return Session(
        settings, pipeline, store, environ, references, world.graph, world, declarations, code, signatures,
        publications, static, part,
    )  # fmt: skip


class _Outside:
    """Under `--only`, upstream outputs are taken as they stand."""

    def __init__(self, store: Store, world: World, declarations: Declarations) -> None:
        self._store = store
        self._world = world
        self._declarations = declarations

    def __call__(self, instance: Instance) -> Result:
        """Raises SpecError where an output is not there."""
        from mlorch.engine.decider import plain_metrics

        self._declarations.declare(instance)
        outputs: Dict[str, Artifact] = {}
        for output in self._declarations.outputs_of(instance) or ():
            content = self._store.content(output.path, output.exclude)
            if content is None:
                message = f"`{instance.name}` is not selected, and its output `{output.path}` does not exist"
                place = step_place(instance.step, "outputs." + output.name)
                raise SpecError(
                    [Problem("E405", message, place, hint="run without `--only`, or add it to the selection")]
                )
            outputs[output.name] = Artifact(output.path, content, output.store, output.exclude)
        record = self._store.latest(self._world.pipeline.file, instance.name)
        metrics = plain_metrics(record) if record is not None else {}
        return Result(instance, "succeeded", outputs, metrics)


def _is_one_of(names: FrozenSet[str]) -> Callable[[Instance], bool]:
    return lambda item: item.name in names


@dataclass
class DryRun:
    """Every decision in execution order, and what it rests on."""

    decisions: List[Decision]
    world: World
    frontier: Frontier
    decider: Decider
    warnings: List[str]

    def release(self) -> None:
        """Let go of all but the warnings: a run has decisions, each until it is used, and a world of its own."""
        self.decisions.clear()
        del self.world, self.frontier, self.decider


@timed("plan", span=True)
def dry_run(session: Session, choice: Choice) -> DryRun:
    """Decide everything without executing anything. Raises SpecError with all problems, UsageError."""
    from mlorch.engine.retire import Foreseer

    world, frontier = session.frontier(choice)
    decider = session.decider(choice, world, frontier, settled=False)
    foreseer = Foreseer(world, session.declarations, session.store, dict(session.publications))
    foreseer.start()
    decisions: List[Decision] = []
    problems: List[Problem] = []
    warned: Dict[str, Dict[str, None]] = {}
    ready = frontier.take()
    while ready:
        foreseer.follow(frontier.expanded)
        for instance in ready:
            with for_step(instance.step.id):
                try:
                    if instance.known:
                        problems += session.declarations.declare(instance, world)
                    decision = decider.decide(instance)
                except BindError as error:
                    problems.append(error.problem)
                    decision = Decision(instance, "maybe")
                decision, result = _look_at_checks(decider, decision)
            decisions.append(decision)
            if decision.action == "skipped":
                foreseer.skipped(instance)
            if decision.invocation is not None:
                for text in decision.invocation.warnings:
                    warned.setdefault(text, {})[instance.step.id] = None
            frontier.finish(result)
        ready = frontier.take()
    if problems:
        raise SpecError(distinct(problems))
    check_effects(decisions)
    warnings = [problem.sentence for problem in session.pipeline.warnings]
    warnings += [f"{_whose(list(steps))}: {text}" for text, steps in warned.items()]
    return DryRun(decisions, world, frontier, decider, warnings)


def _whose(steps: Sequence[str]) -> str:
    return steps[0] if len(steps) == 1 else f"{steps[0]} and {len(steps) - 1} more"


def _look_at_checks(decider: Decider, decision: Decision) -> Tuple[Decision, Result]:
    """A cached step whose check does not hold fails in every run: dependants are blocked."""
    from mlorch.engine.checks import evaluate_checks, problem_of
    from mlorch.engine.decider import plain_metrics, result_of

    if decision.action != "cached" or decision.record is None or not decision.instance.step.checks:
        return decision, result_of(decision)
    names = decider.binder.names(decision.instance)
    problem, _ = problem_of(evaluate_checks(names, decision.instance, plain_metrics(decision.record)))
    if problem is None:
        return decision, result_of(decision)
    reasons = (*decision.reasons, Reason("check", text=problem))
    result = replace(result_of(decision, failed=True), causes=(decision.instance.name,))
    return replace(decision, reasons=reasons), result
