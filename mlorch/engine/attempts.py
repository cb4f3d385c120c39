"""From an invocation to an attempt: its script, its context, its environment, its log."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
from dataclasses import replace
from functools import cached_property
from typing import Mapping, Sequence, Tuple

from mlorch.engine.by_hand import folder_lines, hand_script
from mlorch.engine.environment import Surroundings, step_environment
from mlorch.engine.resources import Grant
from mlorch.engine.undeclared import declared_paths
from mlorch.errors import MlorchError
from mlorch.model import ArgvCommand, Attempt, FunctionCommand, Hook, Invocation, ShellCommand, Step, Template
from mlorch.plan.context import context_of
from mlorch.ports import RunLog
from mlorch.shell import INVOCATION
from mlorch.values import dataclass

_UNSAFE = re.compile(r"[^A-Za-z0-9._@+=-]")
LONGEST = 30_000
"""Letters of a script that is handed over as an argument: Linux takes 128 KiB for one, and each letter may take four."""


@dataclass(frozen=True)
class AttemptMaker:
    """Builds attempts of one run.

    Args:
        environ: the caller's environment.
        python: absolute path of the pipeline's interpreter, asked for only where Python runs.
    """

    run: str
    root: str
    log: RunLog
    environ: Mapping[str, str]
    python: str
    lock_fds: Tuple[int, ...] = ()
    undeclared: str = "ignore"
    """For steps that do not say: what comes of reading a file that is not declared."""

    @cached_property
    def surroundings(self) -> Surroundings:
        return Surroundings(self.environ, os.path.dirname(self.python))

    def make(self, invocation: Invocation, number: int, grant: Grant, uses_python: bool) -> Attempt:
        """Raises EnvironmentFault (a secret that the caller's environment lacks)."""
        instance = invocation.instance
        step = instance.step
        base = file_name(instance.name)
        context = self.log.write(f"{base}.json", json.dumps(dict(context_of(invocation))) + "\n")
        loaded = os.path.join(self.log.path, f"{base}.{number}.modules")
        is_run = not isinstance(invocation.command, FunctionCommand)
        env = step_environment(
            surroundings=self.surroundings,
            declared=invocation.env,
            pass_env=step.pass_env,
            secrets=step.secrets,
            needs=invocation.needs,
            gpus=grant.gpus,
            identity={
                "MLORCH_RUN_ID": self.run,
                "MLORCH_STEP": instance.name,
                "MLORCH_ATTEMPT": str(number),
                "MLORCH_CONTEXT": context,
            },
            loaded_file=loaded if is_run and uses_python else "",
        )
        timeout = step.timeout
        metrics = next((item for item in invocation.outputs if item.name == "metrics"), None)
        return Attempt(
            id=f"{self.run}/{instance.name}/{number}",
            run=self.run,
            instance=instance.name,
            number=number,
            argv=self._argv(invocation, f"{base}.{number}"),
            function=invocation.command if isinstance(invocation.command, FunctionCommand) else None,
            cwd=self.root,
            env=env,
            log=os.path.join(self.log.path, f"{base}.{number}.log"),
            secrets=tuple(self.environ[name] for name in step.secrets if self.environ.get(name)),
            timeout=timeout.after if timeout is not None else None,
            grace=timeout.grace if timeout is not None else 10.0,
            python=self.python,
            metrics_file=os.path.join(self.root, metrics.staging)
            if metrics is not None and metrics.staged
            else "",
            loaded_file=loaded if uses_python else "",
            declared=declared_paths(invocation) if uses_python and self.policy(step) != "ignore" else None,
            lock_fds=self.lock_fds,
        )

    def policy(self, step: Step) -> str:
        """What comes of a step that reads a file which it does not declare: `ignore`, `warn`, `error`."""
        return step.undeclared or self.undeclared

    def _argv(self, invocation: Invocation, base: str) -> Tuple[str, ...]:
        """A script is an argument, with the name in `$0` that it has as a file: to make one takes as long as to start the
        shell does on some file systems."""
        command = invocation.command
        if isinstance(command, ArgvCommand):
            return command.argv
        if isinstance(command, ShellCommand):
            if len(command.script) <= LONGEST and "\0" not in command.script:
                script = os.path.join(self.log.path, f"{base}.sh")
                return (*INVOCATION[command.shell], "-c", command.script, script)
            return (*INVOCATION[command.shell], self._write_script(command, invocation, base))
        return ()

    def _write_script(self, command: ShellCommand, invocation: Invocation, base: str) -> str:
        folders = "".join(line + "\n" for line in folder_lines(invocation.outputs))
        return self.log.write(f"{base}.sh", folders + command.script, executable=True)

    def keep_by_hand(self, attempt: Attempt, invocation: Invocation) -> None:
        """Write the script that runs a failed attempt by hand, and the text that its shell was given. Only a help: that
        they can't be written is no error."""
        base, command = file_name(attempt.instance), invocation.command
        with contextlib.suppress(OSError, MlorchError):
            if isinstance(command, ShellCommand):
                script = self._write_script(command, invocation, f"{base}.{attempt.number}")
                attempt = replace(attempt, argv=(*INVOCATION[command.shell], script))
            text = hand_script(attempt, invocation, self.environ)
            self.log.write(f"{base}.sh", text, executable=True)

    def hook(
        self, hook: Hook, name: str, rendered: Sequence[str], env: Mapping[str, str], secrets: Sequence[str]
    ) -> Attempt:
        """A hook's command, with the environment (and what of it is secret) that the step or the run gives it."""
        base = file_name(name)
        if isinstance(hook.run, Template):
            script = self.log.write(f"{base}.sh", rendered[0], executable=True)
            argv: Tuple[str, ...] = (*INVOCATION[hook.shell], script)
        else:
            argv = tuple(rendered)
        return Attempt(
            id=f"{self.run}/{name}/hook",
            run=self.run,
            instance=name,
            number=0,
            argv=argv,
            cwd=self.root,
            env=env,
            log=os.path.join(self.log.path, f"{base}.log"),
            secrets=tuple(secrets),
            timeout=600.0,
        )


def file_name(name: str) -> str:
    """An instance's name as a file name."""
    return _UNSAFE.sub("_", name)


def command_text(invocation: Invocation) -> str:
    """The command with its values in place, for people; a script keeps its lines."""
    command = invocation.command
    if isinstance(command, FunctionCommand):
        return f"{command.module}:{command.function}"
    if isinstance(command, ArgvCommand):
        return " ".join(shlex.quote(item) for item in command.argv)
    return (command.text or str(invocation.instance.step.run)).strip()
