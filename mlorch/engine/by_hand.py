"""A script by which a person runs a failed attempt again: the same folder, environment and command, and no mlorch."""

from __future__ import annotations

import json
import os
import re
import shlex
from typing import Dict, List, Mapping, Sequence, Set

from mlorch.engine.environment import MODULES, passed_variables
from mlorch.engine.masker import SHORTEST, contains_secret
from mlorch.model import Attempt, BoundOutput, Invocation
from mlorch.shell import INVOCATION

INSIDE = os.path.dirname(MODULES)
PROXIES = re.compile(r"(?i)(http|https|all)_proxy\Z")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
CALL = (
    "import sys; sys.path.insert(0, sys.argv[1]); import mlorch_call; "
    "sys.path.remove(sys.argv.pop(1)); sys.exit(mlorch_call.by_hand(sys.argv.pop(1)))"
)


def hand_script(attempt: Attempt, invocation: Invocation, environ: Mapping[str, str]) -> str:
    """What `sh SCRIPT` does again. It may be sourced too: everything happens in a subshell.

    Values of secrets, and of what is let through by name, are not written: they come from whoever runs it.

    Args:
        environ: the caller's environment, of which the attempt was given a part.
    """
    step = invocation.instance.step
    secrets = [name for name in step.secrets if name in attempt.env]
    named = {*passed_variables(step.pass_env, environ), *(name for name in environ if PROXIES.match(name))}
    borrowed = {name for name in named if attempt.env.get(name) == environ.get(name)}.difference(secrets)
    lines = [
        "#!/bin/sh",
        f"# Runs `{_comment(attempt.instance)}` as run {attempt.run} did (attempt {attempt.number}): the same folder,",
        "# environment and command. mlorch takes no note of it, and what it writes is not published.",
        "(",
        f"cd {shlex.quote(attempt.cwd)} || exit",
    ]
    lines += [f': "${{{name}?is a secret of this step: export it first}}"' for name in secrets]
    lines += folder_lines(invocation.outputs)
    lines.append("exec env -i \\")
    lines += [f"  {word} \\" for word in _variables(attempt, secrets, borrowed)]
    return "\n".join([*lines, "  " + _command(attempt), ")", ""])


def folder_lines(outputs: Sequence[BoundOutput]) -> List[str]:
    """Shell lines that make the folders of staging where they are gone, as they are when a script is run by hand."""
    staged = [output for output in outputs if output.staged]
    places = {output.staging if output.folder else os.path.dirname(output.staging) for output in staged}
    return [f"[ -d {place} ] || mkdir -p {place}" for place in map(shlex.quote, sorted(places))]


def _variables(attempt: Attempt, secrets: Sequence[str], borrowed: Set[str]) -> List[str]:
    """`NAME=value`, each as one word of the shell."""
    hidden = {name: attempt.env[name] for name in secrets if len(attempt.env[name]) >= SHORTEST}
    words: List[str] = []
    for name, value in sorted(attempt.env.items()):
        if name in secrets or (name in borrowed and NAME.match(name)):
            words.append(f'"{name}=${{{name}-}}"')
        elif name not in borrowed and name != "MLORCH_LOADED":
            words.append(_spliced(f"{name}={_without_hook(name, value)}", hidden))
    return words


def _without_hook(name: str, value: str) -> str:
    """PYTHONPATH without the folder of ours that notes what a step loads."""
    if name != "PYTHONPATH":
        return value
    return os.pathsep.join(path for path in value.split(os.pathsep) if path != MODULES)


def _spliced(text: str, hidden: Dict[str, str]) -> str:
    """Text as a word of the shell, in which the value of a secret is the variable that holds it."""
    for name, value in hidden.items():
        if value in text:
            before, _, after = text.partition(value)
            return _spliced(before, hidden) + f'"${{{name}}}"' + _spliced(after, hidden)
    return "'***'" if contains_secret(text, tuple(hidden.values())) else shlex.quote(text)


def _command(attempt: Attempt) -> str:
    argv: Sequence[str] = attempt.argv
    function = attempt.function
    if function is not None:
        request = {
            "module": function.module,
            "function": function.function,
            "arguments": dict(function.arguments),
            "metrics_file": attempt.metrics_file,
        }
        argv = [attempt.python, "-c", CALL, INSIDE, json.dumps(request)]
    elif argv and "=" in argv[0]:  # `env` would take it for a variable
        argv = [*INVOCATION["sh"], "-c", 'exec "$@"', "sh", *argv]
    return " ".join(shlex.quote(word) for word in argv)


def _comment(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
