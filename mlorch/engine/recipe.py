"""What an attempt was told beside the parts of its key: kept with its record, so that it can be executed again elsewhere.

A recipe is plain JSON, and opaque to everybody else: records are read by the thousand, recipes one at a time. It holds
names of secrets and of variables that are let through, never their values.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Optional, Tuple

from mlorch.digest import tag_floats, untag_floats
from mlorch.model import (
    ArgvCommand,
    BoundOutput,
    Command,
    Content,
    FunctionCommand,
    Instance,
    Invocation,
    Needs,
    Place,
    Record,
    ShellCommand,
    Step,
    Timeout,
    Value,
)
from mlorch.plan.code import Reach
from mlorch.plan.context import context_of
from mlorch.values import dataclass

VERSION = 1


@dataclass(frozen=True)
class RecipeInput:
    """One path that the step read: root-relative, or absolute where it lies outside the root."""

    name: str
    path: str
    content: Content
    producer: str = ""
    """The instance that made it; empty for a source."""
    exclude: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """A record's recipe, read."""

    invocation: Invocation
    inputs: Tuple[RecipeInput, ...]
    python: str
    """The interpreter whose folder came first on PATH; relative to the root where it lies inside. Empty for none."""
    interpreter: str
    """The one that ran the step's Python, named in the same way; empty where none did."""
    executable: Tuple[str, ...]
    """Code files that were executable."""
    outside: Mapping[str, str]
    """Digests of code files outside the project (editable installs), by absolute path. Their content is not kept."""
    root: str
    """Where the project stood."""

    @property
    def uses_python(self) -> bool:
        return bool(self.interpreter)


def write_recipe(invocation: Invocation, root: str, python: str, reach: Optional[Reach]) -> Dict[str, Value]:
    """The recipe of an attempt that is about to start.

    Args:
        python: absolute path of the pipeline's interpreter, empty for none.
    """
    step = invocation.instance.step
    interpreter = reach.interpreter if reach is not None and reach.uses_python else None
    executable = interpreter.executable if interpreter is not None else python
    uses_python = reach is not None and reach.uses_python
    recipe: Dict[str, Value] = {
        "version": VERSION,
        "command": _write_command(invocation.command),
        "inputs": _write_inputs(invocation),
        "context": dict(context_of(invocation)),
        "root": root,
        "python": _named(python, root),
        "interpreter": _named(executable, root) if uses_python else "",
    }
    optional = {
        "pass_env": list(step.pass_env),
        "secrets": list(step.secrets),
        "checkpoint": invocation.checkpoint,
        "timeout": [step.timeout.after, step.timeout.grace] if step.timeout is not None else None,
    }
    recipe.update({name: value for name, value in optional.items() if value})
    tagged: Dict[str, Value] = tag_floats(recipe)
    return tagged


def _write_command(command: Command) -> Dict[str, Value]:
    if isinstance(command, ShellCommand):
        return {"script": command.script, "shell": command.shell}
    if isinstance(command, ArgvCommand):
        return {"argv": list(command.argv)}
    arguments = dict(command.arguments)
    return {"module": command.module, "function": command.function, "arguments": arguments}


def _write_inputs(invocation: Invocation) -> List[Value]:
    found: List[Value] = []
    for item in invocation.inputs:
        for path, content, producer in zip(item.paths, item.contents, item.producers):
            if content is None:
                continue
            entry: Dict[str, Value] = {"name": item.name, "path": str(path), "digest": content.digest}
            entry["bytes"] = content.bytes
            if content.kind != "file":
                entry.update({"kind": content.kind, "files": content.files})
            if content.executable:
                entry["executable"] = True
            if producer:
                entry["producer"] = producer
            if item.exclude:
                entry["exclude"] = list(item.exclude)
            found.append(entry)
    return found


def _named(path: str, root: str) -> str:
    """A path inside the root relative to it: the project may stand elsewhere by then."""
    return os.path.relpath(path, root) if path.startswith(root + os.sep) else path


def read_recipe(record: Record) -> Recipe:
    """Raises ValueError: there is none, it is of another version, or it is not what it should be."""
    recipe: Any = untag_floats(dict(record.recipe))
    if not recipe:
        raise ValueError("it has none")
    if recipe.get("version") != VERSION:
        raise ValueError(f"it is of version {recipe.get('version')!r}, and this mlorch reads {VERSION}")
    try:
        return _read(record, recipe)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is damaged: {error!r}") from None


def _read(record: Record, recipe: Mapping[str, Any]) -> Recipe:
    timeout = recipe.get("timeout")
    step = Step(
        record.step,
        Place(record.pipeline),
        pass_env=tuple(recipe.get("pass_env", ())),
        secrets=tuple(recipe.get("secrets", ())),
        timeout=Timeout(*timeout) if timeout else None,
    )
    needs = record.needs
    invocation = Invocation(
        instance=Instance(record.instance, step),
        manifest=record.manifest,
        key=record.key,
        command=_read_command(recipe["command"]),
        outputs=_read_outputs(record, recipe["context"]["outputs"]),
        env=dict(record.env),
        context=recipe["context"],
        needs=Needs(needs.get("cpus", 1), needs.get("memory", 0), needs.get("gpus", 0)),
        effect=record.effect,
        checkpoint=str(recipe.get("checkpoint", "")),
    )
    return Recipe(
        invocation,
        tuple(_read_input(item) for item in recipe["inputs"]),
        str(recipe["python"]),
        str(recipe["interpreter"]),
        tuple(recipe.get("executable", ())),
        dict(recipe.get("outside", {})),
        str(recipe["root"]),
    )


def _read_command(data: Mapping[str, Any]) -> Command:
    if "script" in data:
        return ShellCommand(str(data["script"]), str(data["shell"]))
    if "argv" in data:
        return ArgvCommand(tuple(str(item) for item in data["argv"]))
    return FunctionCommand(str(data["module"]), str(data["function"]), dict(data["arguments"]))


def _read_outputs(record: Record, staging: Mapping[str, str]) -> Tuple[BoundOutput, ...]:
    """As the manifest declares them. An output that another path than its own is written to is staged."""
    found = []
    for row in record.manifest.rows:
        if row.kind == "output":
            value = row.value
            found.append(
                BoundOutput(
                    row.name,
                    str(value["path"]),
                    bool(value["folder"]),
                    bool(value["staged"]),
                    str(staging[row.name]),
                    exclude=tuple(value["exclude"]),
                )
            )
    return tuple(found)


def _read_input(data: Mapping[str, Any]) -> RecipeInput:
    content = Content(
        str(data["digest"]),
        str(data.get("kind", "file")),
        int(data["bytes"]),
        int(data.get("files", 1)),
        bool(data.get("executable", False)),
    )
    exclude = tuple(str(item) for item in data.get("exclude", ()))
    return RecipeInput(str(data["name"]), str(data["path"]), content, str(data.get("producer", "")), exclude)
