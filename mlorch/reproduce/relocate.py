"""Commands that name the project by an absolute path name the scratch place instead: else they would read today's files,
and write over them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Callable, Mapping, Sequence

from mlorch.model import ArgvCommand, Command, FunctionCommand, Invocation, ShellCommand
from mlorch.plan.context import context_of

BEHIND = r"(?=[/\s\"'`:;,)\]}&|<>]|\Z)"
"""What may follow the path of a folder where it ends."""


def moved(invocation: Invocation, roots: Sequence[str], scratch: str) -> Invocation:
    """The same invocation in another place.

    Args:
        roots: where the project stood, and where it stands. One that is not at least two folders deep (`/app`) is left
            alone: what looks like it may be something else.
    """
    deep = sorted({root for root in roots if root.count("/") > 1}, key=len, reverse=True)
    if not deep:
        return invocation
    pattern = re.compile("(?:" + "|".join(map(re.escape, deep)) + ")" + BEHIND)

    def move(text: str) -> str:
        return pattern.sub(lambda _: scratch, text)

    return replace(
        invocation,
        command=_command(invocation.command, move),
        env={name: move(value) for name, value in invocation.env.items()},
        context=_tree(context_of(invocation), move),
    )


def _command(command: Command, move: Callable[[str], str]) -> Command:
    if isinstance(command, ShellCommand):
        return ShellCommand(move(command.script), command.shell)
    if isinstance(command, ArgvCommand):
        return ArgvCommand(tuple(move(item) for item in command.argv))
    return FunctionCommand(command.module, command.function, _tree(command.arguments, move))


def _tree(value: Any, move: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return move(value)
    if isinstance(value, Mapping):
        return {name: _tree(item, move) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_tree(item, move) for item in value]
    return value
