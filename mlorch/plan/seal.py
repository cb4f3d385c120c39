"""The last step of binding: the manifest gets its key, and the key goes into the paths that depend on it."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping, Sequence, Tuple

from mlorch.model import (
    ArgvCommand,
    BoundInput,
    BoundOutput,
    Command,
    Digest,
    FunctionCommand,
    Instance,
    Invocation,
    Needs,
    Row,
    ShellCommand,
    Value,
)
from mlorch.plan import manifest as manifests
from mlorch.plan.code import Reach
from mlorch.plan.command import BoundCommand
from mlorch.plan.common import Common
from mlorch.plan.declare import CHECKPOINTS
from mlorch.small import nothing


def output_row(output: BoundOutput) -> Row:
    value = {
        "path": output.path,
        "folder": output.folder,
        "staged": output.staged,
        "exclude": list(output.exclude),
    }
    return Row("output", output.name, value)


def seal(
    instance: Instance,
    rows: Sequence[Row],
    bound: BoundCommand,
    inputs: Tuple[BoundInput, ...],
    outputs: Tuple[BoundOutput, ...],
    env: Mapping[str, str],
    common: Common,
    needs: Needs,
    effect: str,
    reach: Reach,
) -> Invocation:
    # More than five parameters: these are the parts that one invocation is made of, and only the binder calls this.
    manifest = manifests.make(rows)
    key = manifests.key_of(manifest)
    folder = manifests.key_folder(key) if key else manifests.STAGING_TOKEN
    fill = _Filler(folder)
    return Invocation(
        instance=instance,
        manifest=manifest,
        key=key,
        command=_fill_command(bound.command, fill),
        inputs=inputs,
        outputs=tuple(dataclasses.replace(item, staging=fill(item.staging)) for item in outputs),
        env={name: fill(value) for name, value in env.items()} if env else nothing(),
        params=common.params,
        needs=needs,
        effect=effect,
        checkpoint=fill(CHECKPOINTS) if instance.step.checkpoint else "",
        code_files=tuple(reach.files),
        warnings=reach.warnings,
    )


def family_of(invocation: Invocation) -> Digest:
    """What all versions of one instance share. Made when it is asked for: what is cached needs none."""
    written = next(row.value for row in invocation.manifest.rows if row.kind == "command")
    return manifests.family_of(written, [output_row(item).value for item in invocation.outputs])


class _Filler:
    """Puts the key into the paths that depend on it."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __call__(self, text: str) -> str:
        return text.replace(manifests.STAGING_TOKEN, self._folder)

    def tree(self, value: Value) -> Any:
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {name: self.tree(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.tree(item) for item in value]
        return value


def _fill_command(command: Command, fill: _Filler) -> Command:
    if isinstance(command, ShellCommand):
        return ShellCommand(fill(command.script), command.shell, fill(command.text))
    if isinstance(command, ArgvCommand):
        return ArgvCommand(tuple(fill(item) for item in command.argv))
    return FunctionCommand(command.module, command.function, fill.tree(dict(command.arguments)))
