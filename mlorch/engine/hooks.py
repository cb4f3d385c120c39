"""Hooks: commands at the end of a step or of the run. They never enter keys and never change the exit code."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from mlorch import expressions, shell
from mlorch.engine.attempts import AttemptMaker
from mlorch.engine.environment import step_environment
from mlorch.engine.failure import exit_sentence
from mlorch.engine.settle import Emit, Work
from mlorch.errors import ExpressionError, MlorchError
from mlorch.expressions import SecretName
from mlorch.model import Attempt, Ended, Hook, Instance, Needs, Outcome, Pipeline, Step, Template
from mlorch.plan.bind import Binder
from mlorch.plan.inputs import value_of
from mlorch.plan.names import Names
from mlorch.plan.world import NotYetKnown
from mlorch.ports import Launcher
from mlorch.values import dataclass


@dataclass(frozen=True)
class _Turn:
    """Hooks of one step (or of the run) that start one after another."""

    left: List[Hook]
    instance: Instance
    names: Names
    env: Mapping[str, str]
    launcher: Launcher


class HookRunner:
    """Sends hooks to the launcher beside the steps, those of one step in their order; the run waits for them at its end.

    In their order, since `finally` clears what `on_failure` may still need; and since what a hook leaves running is
    known, and ended, by the instance that it belongs to.
    """

    def __init__(
        self,
        binder: Binder,
        maker: AttemptMaker,
        pipeline: Pipeline,
        emit: Emit,
        recovers: Callable[[], bool],
    ) -> None:
        """`recovers` says whether the run before this one failed."""
        self._binder = binder
        self._maker = maker
        self._hooks = pipeline.hooks
        self._emit = emit
        self._recovers = recovers
        self._name = pipeline.name
        self._env = pipeline.env
        self._run = Step(
            "run", pipeline.place, pass_env=tuple(pipeline.pass_env), secrets=tuple(pipeline.secrets)
        )
        self._count = 0
        self._running: Dict[str, _Turn] = {}

    @property
    def running(self) -> bool:
        return bool(self._running)

    def step(self, work: Work, outcome: Outcome, launcher: Launcher) -> None:
        """After the last attempt of a step that was executed."""
        hooks = work.instance.step.hooks
        if not hooks:
            return
        names = self._binder.names(work.instance)
        names.tolerant = True
        names.inputs.update({item.name: value_of(item) for item in work.invocation.inputs})
        # Where they stand once they are in place; a failed step has old ones there, or none.
        names.outputs = {item.name: item.path for item in work.invocation.outputs}
        names.env = dict(work.invocation.env)
        names.checkpoint = work.invocation.checkpoint or None
        names.metrics = outcome.metrics
        names.run = {"id": self._maker.run, "status": outcome.outcome, "name": self._name}
        chosen = hooks.on_success if outcome.outcome == "succeeded" else hooks.on_failure
        env = dict(work.invocation.env)
        self._next(_Turn([*chosen, *hooks.finally_], work.instance, names, env, launcher))

    def run_ended(self, outcomes: Mapping[str, Outcome], cancelled: bool, launcher: Launcher) -> None:
        """Top-level hooks, once per run; a cancelled run has only its `finally`."""
        failed = any(item.outcome == "failed" and not item.tolerated for item in outcomes.values())
        status = "cancelled" if cancelled else "failed" if failed else "succeeded"
        chosen: Tuple[Hook, ...] = ()
        if not cancelled:
            chosen = self._hooks.on_failure if failed else self._hooks.on_success
            if self._hooks.on_recovery and not failed and self._recovers():
                chosen = (*chosen, *self._hooks.on_recovery)
        instance = Instance("run", self._run)
        names = self._binder.names(instance)
        names.tolerant = True
        names.run = {"id": self._maker.run, "status": status, "name": self._name}
        env = self._shared_env(names)
        names.env = dict(env)
        self._next(_Turn([*chosen, *self._hooks.finally_], instance, names, env, launcher))

    def _shared_env(self, names: Names) -> Dict[str, str]:
        """The pipeline's `env`, without what only a step can fill in."""
        found: Dict[str, str] = {}
        for name, template in self._env.items():
            try:
                found[name] = expressions.to_text(names.render(template))
            except (ExpressionError, NotYetKnown, KeyError):
                continue
        return found

    def ended(self, attempt: Attempt, ended: Ended) -> None:
        """A hook has ended; one that failed is a warning, and the next one starts all the same, unless the run is being ended."""
        turn = self._running.pop(attempt.id)
        if ended.cause != "exit" or ended.exit_code != 0:
            sentence, _ = exit_sentence(ended, self._run)
            self._emit("warning", text=f"hook `{attempt.instance}` failed: {sentence}; see {attempt.log}")
        if ended.cause != "cancelled":
            self._next(turn)

    def _next(self, turn: _Turn) -> None:
        """Start the first of the hooks that are left and can be started."""
        while turn.left:
            attempt = self._attempt(turn.left.pop(0), turn.instance, turn.names, turn.env)
            if attempt is not None:
                self._running[attempt.id] = turn
                turn.launcher.send(attempt)
                return

    def _attempt(
        self, hook: Hook, instance: Instance, names: Names, env: Mapping[str, str]
    ) -> Optional[Attempt]:
        """None, after a warning, where a hook can't be made."""
        self._count += 1
        name = f"{instance.name}.hook{self._count}"
        try:
            rendered = self._render(hook, names)
            whole = step_environment(
                surroundings=self._maker.surroundings,
                declared=env,
                pass_env=instance.step.pass_env,
                secrets=instance.step.secrets,
                needs=Needs(),
                gpus=(),
                identity=self._identity(instance),
                loaded_file="",
            )
            hidden = [whole[secret] for secret in instance.step.secrets]
            return self._maker.hook(hook, name, rendered, whole, hidden)
        except (ExpressionError, MlorchError, NotYetKnown) as error:
            text = getattr(error, "message", str(error))
            self._emit("warning", text=f"hook of `{instance.name}` was not run: {text}")
            return None

    def _identity(self, instance: Instance) -> Dict[str, str]:
        return {"MLORCH_RUN_ID": self._maker.run, "MLORCH_STEP": instance.name, "MLORCH_ATTEMPT": "0"}

    def _render(self, hook: Hook, names: Names) -> List[str]:
        if isinstance(hook.run, Template):
            values: List[Any] = [names.evaluate(item.source, item.scope) for item in hook.run.expressions]
            values = [
                shell.Secret(str(value)) if isinstance(value, SecretName) else value for value in values
            ]
            return [shell.compose(hook.run, values, hook.shell)]
        argv: List[str] = []
        for template in hook.run:
            value = names.render(template)
            argv += [expressions.to_text(item) for item in (value if isinstance(value, list) else [value])]
        return argv
