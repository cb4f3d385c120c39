"""From an instance to an invocation: every expression evaluated, every input digested, and the key that names it."""

from __future__ import annotations

import sys
from typing import Any, Callable, Dict, FrozenSet, List, Sequence, Set, Tuple

from mlorch import expressions
from mlorch.errors import ExpressionError
from mlorch.expressions import SecretName
from mlorch.model import (
    UNKNOWN,
    BoundInput,
    BoundOutput,
    Instance,
    Invocation,
    Needs,
    Problem,
    Row,
    Step,
)
from mlorch.plan.code import CodeQuery, CodeReader, Interpreter, Reach, asks_upstream
from mlorch.plan.command import BoundCommand, bind_command
from mlorch.plan.common import Commons
from mlorch.plan.declare import CHECKPOINTS, BindError, Declarations, step_place
from mlorch.plan.expand import Contents
from mlorch.plan.gate import Gate
from mlorch.plan.inputs import InputBinder, PathText, row_of, touched_inputs, value_of
from mlorch.plan.names import Names
from mlorch.plan.seal import output_row, seal
from mlorch.plan.signatures import Signatures
from mlorch.plan.words import absent_words, static_text
from mlorch.plan.world import NotYetKnown, World
from mlorch.small import keep


class Binder:
    """Makes invocations. One for a plan or a run; what it reads of code is read once.

    Args:
        settled: upstream outputs are really in place (a real run).
        created_of: data files that earlier attempts of a step created beside its outputs.
    """

    def __init__(
        self,
        world: World,
        contents: Contents,
        reader: CodeReader,
        declarations: Declarations,
        signatures: Signatures,
        *,
        settled: bool,
        created_of: Callable[[Instance], FrozenSet[str]] = lambda _: frozenset(),
    ) -> None:
        self._world = world
        self._reader = reader
        self._declarations = declarations
        self._inputs = InputBinder(world, declarations, contents, settled, world.pipeline.root)
        self._created_of = created_of
        self._static: Dict[str, Reach] = {}
        self._above: Dict[str, Tuple[Reach, ...]] = {}
        self._signatures = signatures
        self._commons = Commons(world.pipeline)
        self.reaches: Dict[str, Reach] = {}
        """Instance -> the code that it reaches, where there is any."""
        self.absent_words: Dict[str, Tuple[str, ...]] = {}
        """Instance -> words of its command that could name a file, but do not yet; where there are any."""

    def names(self, instance: Instance) -> Names:
        return Names(self._world, instance)

    def forget(self) -> None:
        """Look anew at the code: something has changed it."""
        self._reader.forget()
        self._static.clear()
        self._above.clear()

    def code_paths(self, instance: Instance) -> Set[str]:
        """The files whose content is code of an instance or, as values may name functions, of what is above it."""
        above = self._above.get(instance.step.id, ())
        reaches = [item for item in (self.reaches.get(instance.name), *above) if item is not None]
        return {path for reach in reaches for path in (*reach.files, *(unit.path for unit in reach.silent))}

    def bind(self, instance: Instance, names: Names, gate: Gate) -> Invocation:
        """Raises BindError: a problem of the pipeline or its sources."""
        step = instance.step
        names.tolerant = gate.tolerant
        try:
            return self._bind(instance, names, gate)
        except ExpressionError as error:
            hint = error.hint or "correct the expression, or guard it with `… if … else …`"
            raise BindError(
                Problem("E501", f"`{instance.name}`: {error.message}", step.place, hint=hint)
            ) from None

    def _bind(self, instance: Instance, names: Names, gate: Gate) -> Invocation:
        step = instance.step
        outputs = self._declarations.outputs_of(instance)
        if outputs is None:
            self._raise_first(self._declarations.declare(instance, self._world))
            outputs = self._declarations.outputs_of(instance) or ()
        names.outputs = {item.name: PathText(item.staging) for item in outputs}
        if step.checkpoint:
            names.checkpoint = PathText(CHECKPOINTS)
        rows: List[Row] = [row for output in outputs for row in [output_row(output)]]
        if len(outputs) < len(step.outputs):
            rows.append(Row("output", "?", UNKNOWN))
        declared, input_rows = self._bind_inputs(instance, names)
        rows += input_rows
        env, env_rows = self._env(names, step)
        rows += env_rows
        needs = self._needs(names, step)
        common = self._commons.of(step)
        signature = self._signatures.of(step)
        bound = bind_command(self._world.pipeline, names, instance, signature, common.command)
        touched = touched_inputs(names.touched, declared)
        inputs = (*declared.values(), *touched)
        rows += [row_of(item) for item in touched]
        rows += bound.rows
        rows += (Row("env", "threads", needs.cpus), *common.rows)
        if gate.failed_attempts:
            rows.append(Row("upstream", "failed attempts", list(gate.failed_attempts)))
        pythonpath = tuple(item for item in env.get("PYTHONPATH", "").split(":") if item)
        reach = self._code(instance, bound, inputs, outputs, pythonpath)
        says = reach.uses_python or reach.files or reach.silent
        keep(self.reaches, instance.name, reach if says else None)
        rows += self._code_rows(step, bound, reach, inputs)
        one = self._commons.rows.one
        rows = [row if row is common.command else one(row) for row in rows]
        effect = self._effect(names, step)
        return seal(instance, rows, bound, inputs, outputs, env, common, needs, effect, reach)

    # ------------------------------------------------------------------------------------------------------- parts

    def _raise_first(self, problems: Sequence[Problem]) -> None:
        if problems:
            raise BindError(problems[0])

    def _bind_inputs(self, instance: Instance, names: Names) -> Tuple[Dict[str, BoundInput], List[Row]]:
        declared: Dict[str, BoundInput] = {}
        rows: List[Row] = []
        for name, spec in instance.step.inputs.items():
            try:
                bound = self._inputs.bind(names, instance, name, spec)
            except NotYetKnown:
                rows.append(Row("input", name, UNKNOWN))
                continue
            declared[name] = bound
            names.inputs[name] = value_of(bound)
            rows.append(row_of(bound))
        return declared, rows

    def _env(self, names: Names, step: Step) -> Tuple[Dict[str, str], List[Row]]:
        env: Dict[str, str] = {}
        rows: List[Row] = []
        for name, template in step.env.items():
            try:
                value = names.render(template)
            except NotYetKnown:
                rows.append(Row("env", name, UNKNOWN))
                continue
            if isinstance(value, SecretName):
                raise ExpressionError(f"env `{name}` can't hold a secret; the step has it as ${value}")
            env[name] = expressions.to_text(value)
            names.env[name] = env[name]
            rows.append(Row("env", name, env[name]))
        return env, rows

    def _needs(self, names: Names, step: Step) -> Needs:
        values: Dict[str, Any] = {}
        for name, tree in step.resources.items():
            try:
                values[name] = names.tree(tree)
            except NotYetKnown:
                values[name] = 1
            if (
                isinstance(values[name], bool)
                or not isinstance(values[name], (int, float))
                or values[name] < 0
            ):
                raise ExpressionError(f"resource `{name}` must be a number, not {values[name]!r}")
        tokens = {
            name: int(value) for name, value in values.items() if name not in ("cpus", "memory", "gpus")
        }
        needs = Needs(
            max(1, int(values.get("cpus", 1))),
            int(values.get("memory", 0)),
            int(values.get("gpus", 0)),
            tokens,
        )
        return self._commons.needs(needs)

    def _effect(self, names: Names, step: Step) -> str:
        if step.effect is None:
            return ""
        try:
            return expressions.to_text(names.render(step.effect))
        except NotYetKnown:
            return str(step.effect)

    # -------------------------------------------------------------------------------------------------------- code

    def _code(
        self,
        instance: Instance,
        bound: BoundCommand,
        inputs: Sequence[BoundInput],
        outputs: Sequence[BoundOutput],
        pythonpath: Tuple[str, ...],
    ) -> Reach:
        query = CodeQuery(
            call=instance.step.call,
            text=bound.text if bound.known else None,
            argv=bound.argv if bound.known else None,
            globs=instance.step.code,
            own_outputs=frozenset(path for item in outputs for path in (item.path, item.staging)),
            inputs=frozenset(str(path) for item in inputs for path in item.paths),
            created=self._created_of(instance),
            pythonpath=pythonpath,
            place=step_place(instance.step, "call" if instance.step.call is not None else "run"),
        )
        keep(self.absent_words, instance.name, absent_words(self._world.pipeline.root, query))
        reach = self._reader.reach(query)
        self._raise_first(reach.problems)
        return reach

    def _code_rows(
        self, step: Step, bound: BoundCommand, reach: Reach, inputs: Sequence[BoundInput]
    ) -> List[Row]:
        if not bound.known and step.call is None:
            return [Row("code", "?", UNKNOWN)]
        sources = any(not producer for item in inputs for producer in item.producers)
        above = self._upstream_reaches(step.id) if asks_upstream(reach) else ()
        rows = list(self._reader.rows(reach, above, pickles=sources))
        if reach.uses_python and reach.interpreter is not None:
            rows.append(Row("interpreter", "python", interpreter_text(reach.interpreter)))
        return rows

    def _upstream_reaches(self, step: str) -> Tuple[Reach, ...]:
        """What the steps above reach, looked at without values, so that it never depends on what ran in this run."""
        if step in self._above:
            return self._above[step]
        todo = [step]  # no recursion: a chain may be longer than the interpreter's stack
        while todo:
            above = self._world.graph.upstream(todo[-1])
            unseen = [item for item in above if item not in self._above]
            if unseen:
                todo += unseen
                continue
            found: Dict[int, Reach] = {}
            for upstream in above:
                for reach in (*self._above[upstream], self._static_reach(upstream)):
                    if reach.files or reach.silent:
                        found[id(reach)] = reach
            self._above[todo.pop()] = tuple(found.values())
        return self._above[step]

    def _static_reach(self, step_id: str) -> Reach:
        reach = self._static.get(step_id)
        if reach is None:
            step = self._world.pipeline.steps[step_id]
            text, argv = static_text(self._world, step)
            declared = step.env.get("PYTHONPATH")
            pythonpath = tuple((declared.literal or "").split(":")) if declared is not None else ()
            query = CodeQuery(call=step.call, text=text, argv=argv, globs=step.code, pythonpath=pythonpath)
            reach = self._reader.reach(query)
            self._static[step_id] = reach
        return reach


def interpreter_text(interpreter: Interpreter) -> str:
    """`cpython 3.11 linux x86_64`: what compiled and numeric results may depend on."""
    import platform

    return f"{interpreter.implementation} {interpreter.version} {sys.platform} {platform.machine()}"
