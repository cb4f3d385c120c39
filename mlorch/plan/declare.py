"""Declared outputs of instances: their paths, who writes what, and that no two write the same."""

from __future__ import annotations

import os
import posixpath
from typing import Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from mlorch import expressions
from mlorch.errors import ExpressionError, SpecError
from mlorch.model import BoundOutput, Decision, Instance, Place, Problem, Step, Template
from mlorch.plan import paths
from mlorch.plan.manifest import STAGING_TOKEN
from mlorch.plan.names import Names
from mlorch.plan.references import expressions_of
from mlorch.plan.world import NotYetKnown, World

STAGING = ".mlorch/tmp/staging/" + STAGING_TOKEN
CHECKPOINTS = ".mlorch/checkpoints/" + STAGING_TOKEN


class BindError(Exception):
    """An instance can't be bound: a problem of the pipeline or of its sources, with its place."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def step_place(step: Step, *keys: str) -> Place:
    """The place of the first of these keys that is known, else the step's own."""
    for key in keys:
        if key in step.places:
            return step.places[key]
    return step.place


class Declarations:
    """Who writes what, at the level of instances."""

    def __init__(
        self, world: World, parameters: Callable[[Step], Iterable[str]], allowed: Sequence[str] = ()
    ) -> None:
        self._world = world
        self._parameters = parameters
        self._allowed = tuple(allowed)
        self._writers: Dict[str, Tuple[Instance, str]] = {}
        self._around: Dict[str, Set[str]] = {}
        self._problems: Dict[str, List[Problem]] = {}
        self._folders: Dict[str, str] = {}
        self._made_folders: Set[str] = set()
        """Declared paths that are folders."""
        self._staged: Dict[str, Set[str]] = {}
        """Step -> those of its outputs whose path it is told."""

    def outputs_of(self, instance: Instance) -> Optional[Tuple[BoundOutput, ...]]:
        """An instance's outputs (staging paths still with STAGING_TOKEN); None where not all are known."""
        step, known = instance.step, self._world.declared.get(instance.name)
        if known is None or len(known) < len(step.outputs):
            return None
        if step.id not in self._staged:
            self._staged[step.id] = staged_outputs(step, self._parameters(step))
        written = {name: path + "/" if path in self._made_folders else path for name, path in known.items()}
        return bound_outputs(step, written, self._staged[step.id])

    def declare(self, instance: Instance, world: Optional[World] = None) -> List[Problem]:
        """Evaluate an instance's output paths; problems where they collide with another's or are refused.

        Args:
            world: what is known by now; paths may depend on what upstream made.
        """
        before = self._world.declared.get(instance.name)
        if before is not None and len(before) == len(instance.step.outputs):
            return self._problems.get(instance.name, [])
        problems: List[Problem] = []
        names = Names(world or self._world, instance)
        known: Dict[str, str] = {}
        for name, spec in instance.step.outputs.items():
            try:
                known[name] = self._path(names, instance, name, spec.path)
            except NotYetKnown:
                continue
            except BindError as error:
                problems.append(error.problem)
        problems += [problem for name, path in known.items() for problem in self._claim(instance, name, path)]
        self._world.declared[instance.name] = {name: path.rstrip("/") for name, path in known.items()}
        self._made_folders.update(path[:-1] for path in known.values() if path.endswith("/"))
        if len(known) == len(instance.step.outputs) and problems:
            self._problems[instance.name] = problems
        return problems

    def writer(self, path: str) -> Optional[Tuple[Instance, str]]:
        """The instance and output that declare exactly this path."""
        return self._writers.get(path)

    def writer_around(self, path: str) -> Optional[Tuple[Instance, str, str]]:
        """The instance, output and path of a declared folder around this path."""
        while "/" in path:
            path = path.rsplit("/", 1)[0]
            if path in self._writers:
                return (*self._writers[path], path)
        return None

    def written_inside(self, path: str) -> List[str]:
        """Declared paths inside this folder."""
        return sorted(self._around.get(path, ()))

    def declared_paths(self) -> Set[str]:
        return set(self._writers)

    def _path(self, names: Names, instance: Instance, name: str, template: Template) -> str:
        place = step_place(instance.step, "outputs." + name, "outputs")
        try:
            value = names.render(template)
        except ExpressionError as error:
            raise BindError(Problem("E501", error.message, place, hint=error.hint)) from None
        if not isinstance(value, str):
            message = f"output `{name}` of `{instance.name}` must be a path, not {value!r}"
            raise BindError(Problem("E401", message, place))
        reason = paths.refusal(value) or self._absolute(value) or self._through_link(paths.normal(value))
        if reason:
            message = f"output `{name}` of `{instance.name}`: the path `{value}` {reason}"
            raise BindError(Problem("E401", message, place, hint="use a path inside the project root"))
        return paths.normal(value) + ("/" if value.endswith("/") else "")

    def _absolute(self, path: str) -> str:
        if not path.startswith("/"):
            return ""
        if any(paths.inside(paths.normal(path), folder.rstrip("/")) for folder in self._allowed):
            return ""
        return "is absolute"

    def _through_link(self, path: str) -> str:
        """Whether a folder above is a link to what lies outside the root and is not allowed."""
        folder = posixpath.dirname(path)
        known = self._folders.get(folder)
        if known is None:
            root = os.path.realpath(self._world.pipeline.root)
            real = os.path.realpath(os.path.join(root, folder))
            inside = any(paths.inside(real, os.path.realpath(top)) for top in (root, *self._allowed))
            known = "" if inside else f"leads out of the project root, to `{real}`"
            self._folders[folder] = known
        return known

    def _claim(self, instance: Instance, name: str, path: str) -> List[Problem]:
        path = path.rstrip("/")
        other = self._writers.get(path)
        if other is None:
            around = self.writer_around(path)
            other = around[:2] if around is not None else None
        if other is None or other[0].name == instance.name:
            inner = [
                item for item in self._around.get(path, ()) if self._writers[item][0].name != instance.name
            ]
            other = self._writers[inner[0]] if inner else None
        self._writers.setdefault(path, (instance, name))
        folder = path
        while "/" in folder:
            folder = folder.rsplit("/", 1)[0]
            self._around.setdefault(folder, set()).add(path)
        return [self._collision(instance, name, path, other)] if other is not None else []

    def _collision(self, instance: Instance, name: str, path: str, other: Tuple[Instance, str]) -> Problem:
        theirs = self._world.declared.get(other[0].name, {}).get(other[1], path)
        relation = "the same path" if theirs == path else "paths inside one another"
        place, same = step_place(instance.step, "outputs." + name), instance.step.id == other[0].step.id
        there = step_place(other[0].step, "outputs." + other[1])
        hint = "give each its own path"
        if same:
            apart = posixpath.join(posixpath.dirname(path), "${{ step.instance }}", posixpath.basename(path))
            hint = f"write `{apart}`, and give the command that path as `${{{{ outputs.{name} }}}}`"
        return Problem(
            code="E402",
            message="`{}` and `{}` write {}: `{}`{}".format(
                other[0].name, instance.name, relation, theirs, "" if theirs == path else f" and `{path}`"
            ),
            place=place,
            hint=hint,
            notes=((there, 1, "the other one is here"),) if there != place else (),
        )


def distinct(problems: Iterable[Problem]) -> List[Problem]:
    """Each problem once. Of instances of a step that all write one path, the first two stand for all."""
    found: Dict[Tuple[str, Place], Problem] = {}
    for item in problems:
        alike = item.code == "E402" and not item.notes
        found.setdefault((item.code if alike else item.message, item.place), item)
    return list(found.values())


def check_effects(decisions: Sequence[Decision]) -> None:
    """No two instances may have one effect's name. Raises SpecError."""
    seen: Dict[str, Instance] = {}
    problems: List[Problem] = []
    for item in decisions:
        effect = item.invocation.effect if item.invocation is not None else ""
        first = seen.setdefault(effect, item.instance)
        if effect and first is not item.instance:
            text = f"`{first.name}` and `{item.instance.name}` have the same effect `{effect}`"
            place = step_place(item.instance.step, "effect")
            problems.append(Problem("E702", text, place, hint="add `${{ step.instance }}` to its name"))
    if problems:
        raise SpecError(problems)


def bound_outputs(step: Step, known: Mapping[str, str], staged: Set[str]) -> Tuple[BoundOutput, ...]:
    """Outputs with their staging paths; one that lies in another of the same step is written in its outer one's way."""
    made: Dict[str, BoundOutput] = {}
    folders: Dict[str, BoundOutput] = {}
    for name in sorted(known, key=lambda item: (known[item].count("/"), known[item])):
        declared = known[name]
        path = declared.rstrip("/")
        spec = step.outputs[name]
        parts = path.split("/")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1)) if folders else ()
        outer = next((folders[folder] for folder in above if folder in folders), None)
        if outer is not None:
            is_staged, staging = outer.staged, outer.staging + path[len(outer.path) :]
        else:
            is_staged = name in staged
            staging = f"{STAGING}/{name}/{posixpath.basename(path)}" if is_staged else path
        made[name] = BoundOutput(
            name, path, declared.endswith("/"), is_staged, staging, spec.store, tuple(spec.exclude)
        )
        if made[name].folder:
            folders.setdefault(path, made[name])
    return tuple(made[name] for name in step.outputs)


def staged_outputs(step: Step, parameters: Iterable[str]) -> Set[str]:
    """The outputs whose path the step is told: by `${{ outputs.x }}`, or as a parameter of its function. (`metrics` of a
    function always: what it returns is written there for it.)"""
    used: Set[str] = set()
    for where, expression in expressions_of(step):
        if where in ("run", "with", "env"):
            for reference in expressions.references(expression.source):
                if reference.path[0] == "outputs" and len(reference.path) > 1:
                    used.add(reference.path[1])
    if step.call is not None:
        used |= set(parameters) | {"metrics"}
    return used & set(step.outputs)


def output_patterns(step: Step) -> List[str]:
    """What a step may write when its instances are not known: its paths with `*` for each expression."""
    return [
        paths.normal("".join(part if isinstance(part, str) else "*" for part in spec.path.parts))
        for spec in step.outputs.values()
    ]
