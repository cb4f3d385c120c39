"""Which namespaces and functions an expression may use, by the place where it stands."""

from __future__ import annotations

from typing import FrozenSet, Mapping

STEP_NAMES = ("id", "instance", "name")
RUN_NAMES = ("id", "status", "name")
CONDITIONS = frozenset(("success", "failure", "always"))

_ALWAYS = frozenset(("params", "steps", "with"))
_BOUND = _ALWAYS | {"matrix", "step", "inputs", "outputs", "env", "checkpoint", "run"}

ALLOWED: Mapping[str, FrozenSet[str]] = {
    "matrix": _ALWAYS,
    "inputs": _ALWAYS | {"matrix", "step", "env"},
    "outputs": _ALWAYS | {"matrix", "step", "inputs", "env"},
    "resources": _ALWAYS | {"matrix", "step", "env"},
    "if": _ALWAYS | {"matrix", "step", "env"},
    "env": _ALWAYS | {"matrix", "step", "inputs", "outputs", "checkpoint", "run"},
    "effect": _ALWAYS | {"matrix", "step", "inputs", "env"},
    "run": _BOUND | {"secrets"},
    "run list": _BOUND,
    "with": _BOUND,
    "checks": _ALWAYS | {"matrix", "step", "env", "metrics"},
    "hook": _BOUND | {"secrets"},
    "hook list": _BOUND,
    "top hook": frozenset(("params", "steps", "run", "env", "secrets")),
    "top hook list": frozenset(("params", "steps", "run", "env")),
    "include": frozenset(("params", "steps")),
}

TITLES: Mapping[str, str] = {
    "run list": "a `run` that is a list",
    "hook": "a hook",
    "hook list": "a hook's list",
    "top hook": "a hook of the pipeline",
    "top hook list": "a hook's list",
    "include": "the `with` of an include",
}


def title(where: str) -> str:
    return TITLES.get(where, f"`{where}`")


REMEDIES: Mapping[str, str] = {
    "metrics": "only `checks` see the step's own metrics; elsewhere write `steps.….metrics.…`",
    "secrets": "only the text of `run` can hold a secret; the step has it as an environment variable",
    "matrix": "axes are known only inside their own step",
    "run": "`run.…` is there in hooks, and in steps with `cache: false`",
    "outputs": "use the name where the step is told what to do: in `run`, `with` or `env`",
    "inputs": "write the path or the `steps.….outputs.…` that the input stands for",
    "with": "`with.…` is there in included files only",
    "env": "write the value itself, or a param",
    "checkpoint": "use it where the step is told what to do: in `run`, `with` or `env`",
    "step": "it is known only inside a step",
}
