"""The command of an instance with its values filled in: a script, an argv, or a function with its arguments."""

from __future__ import annotations

from collections import abc
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch import expressions, shell
from mlorch.errors import ExpressionError, did_you_mean
from mlorch.expressions import SecretName
from mlorch.model import (
    UNKNOWN,
    ArgvCommand,
    ArtifactPath,
    Command,
    Expression,
    FunctionCommand,
    Instance,
    Pipeline,
    Problem,
    Row,
    ShellCommand,
    Step,
    Template,
    Value,
)
from mlorch.plan.code import Signature
from mlorch.plan.declare import BindError, step_place
from mlorch.plan.inputs import PathText
from mlorch.plan.names import Names
from mlorch.plan.world import NotYetKnown
from mlorch.values import dataclass


@dataclass(frozen=True)
class BoundCommand:
    """The command of one instance with the rows that it adds to the manifest."""

    command: Command
    rows: Tuple[Row, ...]
    text: Optional[str] = None
    """Of a script: values substituted as quoted words, for finding the files that words name."""
    argv: Optional[Tuple[str, ...]] = None
    known: bool = True


def value_rows(expression: Expression, value: Value) -> List[Row]:
    """The manifest rows of one evaluated expression; declared inputs and outputs have rows of their own."""
    references = expressions.references(expression.source)
    pure = len(references) == 1 and expression.source.strip() == ".".join(references[0].path)
    if pure:
        path = references[0].path
        if path[0] in ("inputs", "outputs", "secrets") or (path[0] == "steps" and "outputs" in path):
            return []
        if path[0] == "params" and len(path) > 1:
            return [Row("param", ".".join(path[1:]), plain_value(value))]
    if isinstance(value, SecretName):
        return []
    name = f"{expression.scope}.{expression.source}" if expression.scope else expression.source
    return [Row("value", name.strip(), plain_value(value))]


def plain_value(value: Value) -> Value:
    """Paths and such as plain JSON."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, abc.Mapping):
        return {str(name): plain_value(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value]
    return value


def command_row(step: Step) -> Row:
    """The command as written, without values: what all instances and versions of it share."""
    if isinstance(step.run, Template):
        return Row("command", "run", {"run": str(step.run), "shell": step.shell})
    if step.run is not None:
        return Row("command", "run", {"run": [str(template) for template in step.run]})
    return Row("command", "call", {"call": str(step.call), "with": sorted(step.arguments)})


def bind_command(
    pipeline: Pipeline, names: Names, instance: Instance, signature: Optional[Signature], written: Row
) -> BoundCommand:
    """Raises ExpressionError, BindError. Unknown values give `known=False` and rows that say so.

    Args:
        written: see `command_row`.
    """
    step = instance.step
    if isinstance(step.run, Template):
        return _script(names, step, step.run, written)
    if step.run is not None:
        return _argv(names, step.run, written)
    assert step.call is not None and signature is not None
    return _function(pipeline, names, instance, signature, written)


def _script(names: Names, step: Step, template: Template, written: Row) -> BoundCommand:
    values: List[Value] = []
    rows: List[Row] = [written]
    known = True
    for expression in template.expressions:
        try:
            value = names.evaluate(expression.source, expression.scope)
        except NotYetKnown:
            known = False
            rows.append(Row("value", expression.source, UNKNOWN))
            continue
        rows += value_rows(expression, value)
        values.append(shell.Secret(str(value)) if isinstance(value, SecretName) else value)
    if not known:
        return BoundCommand(ShellCommand("", step.shell), tuple(rows), known=False)
    script = shell.compose(template, values, step.shell)
    text = shell.plain(template, values)
    return BoundCommand(ShellCommand(script, step.shell, text), tuple(rows), text=text)


def _argv(names: Names, items: Sequence[Template], written: Row) -> BoundCommand:
    argv: List[str] = []
    rows: List[Row] = [written]
    known = True
    for template in items:
        try:
            value = names.render(template)
            for expression in template.expressions:
                rows += value_rows(expression, names.evaluate(expression.source, expression.scope))
        except NotYetKnown:
            known = False
            rows.append(Row("value", str(template), UNKNOWN))
            continue
        if isinstance(value, SecretName):
            raise ExpressionError(
                "a secret can't stand in an argument list; the step has it in its environment"
            )
        if isinstance(value, list):
            argv += [expressions.to_text(item) for item in value]
        else:
            argv.append(expressions.to_text(value))
    return BoundCommand(ArgvCommand(tuple(argv)), tuple(rows), argv=tuple(argv), known=known)


def _function(
    pipeline: Pipeline, names: Names, instance: Instance, signature: Signature, written: Row
) -> BoundCommand:
    step = instance.step
    assert step.call is not None
    arguments: Dict[str, Value] = {}
    rows: List[Row] = [written]
    known = True
    for parameter in argument_names(step, signature):
        try:
            source, value = _argument(pipeline, names, instance, parameter)
        except NotYetKnown:
            known = False
            rows.append(Row("value", "argument " + parameter, UNKNOWN))
            continue
        if source == "":
            if parameter in signature.required:
                raise _unbound(step, parameter)
            continue
        if isinstance(value, SecretName):
            raise ExpressionError("a secret can't be an argument; the step has it in its environment")
        arguments[parameter] = as_argument(value)
        if source == "params" and parameter == "params":
            rows += [Row("param", name, plain_value(item)) for name, item in pipeline.params.items()]
        elif source == "params":
            rows.append(Row("param", parameter, plain_value(value)))
        elif source in ("with", "matrix"):
            rows.append(Row("value", "argument " + parameter, plain_value(value)))
    command = FunctionCommand(step.call.module, step.call.function, arguments)
    return BoundCommand(command, tuple(rows), known=known)


def argument_names(step: Step, signature: Signature) -> List[str]:
    """Every parameter that may get a value, and what `with` gives beyond them to a function that takes `**kwargs`."""
    found = list(signature.names)
    for name in step.arguments:
        if name not in found:
            if not signature.variable_keyword:
                raise _unknown_argument(step, name, signature)
            found.append(name)
    return found


def _argument(pipeline: Pipeline, names: Names, instance: Instance, parameter: str) -> Tuple[str, Value]:
    """(where it was found, value): `with` wins; else inputs, outputs, matrix, params, of which only one may have it."""
    step = instance.step
    if parameter in step.arguments:
        return "with", names.tree(step.arguments[parameter])
    if parameter == "params":
        return "params", pipeline.params
    found: List[Tuple[str, Any]] = []
    if parameter in step.inputs:
        found.append(("inputs", names.inputs[parameter]))
    if parameter in step.outputs:
        found.append(("outputs", PathText(names.outputs.get(parameter, ""))))
    if parameter in instance.axes:
        found.append(("matrix", instance.axes[parameter]))
    if parameter in pipeline.params:
        found.append(("params", pipeline.params[parameter]))
    if len(found) > 1:
        places = " and ".join(f"`{source}.{parameter}`" for source, _ in found)
        raise BindError(
            Problem(
                "E304",
                f"parameter `{parameter}` of `{step.call}` is ambiguous: {places}",
                step_place(step, "call"),
                hint="say which under `with:`",
            )
        )
    if found and isinstance(found[0][1], ArtifactPath):
        names.touched.append(found[0][1])
    return found[0] if found else ("", None)


def as_argument(value: Value) -> Value:
    """Paths wrapped as {"$path": …}, which the process turns into pathlib.Path."""
    if isinstance(value, (ArtifactPath, PathText)):
        return {"$path": str(value)}
    if isinstance(value, Mapping):
        return {str(name): as_argument(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_argument(item) for item in value]
    return value


def _unbound(step: Step, parameter: str) -> BindError:
    message = f"parameter `{parameter}` of `{step.call}` has no value: no input, output, axis or param has this name"
    return BindError(
        Problem("E303", message, step_place(step, "call"), hint="give it under `with:`, or a default")
    )


def _unknown_argument(step: Step, name: str, signature: Signature) -> BindError:
    message = f"`{step.call}` has no parameter `{name}`"
    hint = did_you_mean(name, signature.names) or "its parameters are: {}".format(
        ", ".join(signature.names) or "none"
    )
    return BindError(Problem("E306", message, step_place(step, "with." + name, "with", "call"), hint=hint))
