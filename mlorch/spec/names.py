"""Every name in every expression: whether it may stand there, and whether there is such a thing."""

from __future__ import annotations

from typing import Callable, Collection, Mapping, Optional, Sequence, Tuple

from mlorch import expressions
from mlorch.errors import ExpressionError, did_you_mean
from mlorch.model import Pipeline, Step, Value
from mlorch.spec import scopes
from mlorch.spec.lookup import Lookup
from mlorch.spec.problems import Problems, near_names, suggest
from mlorch.spec.raw import Document
from mlorch.spec.templates import Use
from mlorch.spec.text import Spot

Reference = expressions.Reference


class Names:
    """Checks the uses of expressions against a pipeline.

    `params_known` is False where params could not be read, so that no param is called unknown.
    """

    def __init__(
        self, pipeline: Pipeline, document: Document, problems: Problems, params_known: bool
    ) -> None:
        self.pipeline = pipeline
        self.document = document
        self.problems = problems
        self.params_known = params_known
        self.lookup = Lookup(pipeline, document)
        self.checks: Mapping[str, Callable[[Use, Reference], None]] = {
            "params": self._params,
            "matrix": self._matrix,
            "inputs": self._inputs,
            "outputs": self._outputs,
            "steps": self._steps,
            "step": self._step,
            "run": self._run,
            "env": self._env,
            "secrets": self._secrets,
            "with": self._with,
            "checkpoint": self._checkpoint,
            "metrics": self._metrics,
        }

    def check(self, use: Use) -> None:
        source = use.expression.source
        try:
            expressions.parse(source)
            references = expressions.references(source)
            calls = expressions.calls(source)
        except ExpressionError as error:
            self._refused(use, error)
            return
        for call in calls:
            if call.name in scopes.CONDITIONS and use.where != "if":
                spot = use.spot(call.column, call.length)
                message = f"`{call.name}()` has a meaning in `if` only"
                self.problems.error("E517", message, spot, "move it to the step's `if`")
        for reference in references:
            self._reference(use, reference)

    def _refused(self, use: Use, error: ExpressionError) -> None:
        """An expression that can't be read; unknown names and functions in it get a code of their own."""
        spot = use.spot(error.column, error.length)
        word = use.expression.source[error.column : error.column + error.length]
        if error.message.startswith("unknown name") and word.isidentifier():
            self._unknown_root(use, word, spot)
        elif error.message.startswith("unknown function"):
            self.problems.error("E513", error.message, spot, error.hint)
        else:
            self.problems.error("E512", error.message, spot, error.hint or _SYNTAX)

    def _reference(self, use: Use, reference: Reference) -> None:
        root = reference.path[0]
        where = use.where if use.owner or not use.where.startswith("hook") else "top " + use.where
        spot = self._spot(use, reference)
        if root in scopes.ALLOWED[where]:
            self.checks[root](use, reference)
        else:
            message = "`{}` can't be used in {}".format(".".join(reference.path), scopes.title(where))
            self.problems.error("E207", message, spot, scopes.REMEDIES.get(root, ""))

    def _unknown_root(self, use: Use, root: str, spot: Spot) -> None:
        step = self._owner(use)
        hint = ""
        if step is not None and root in step.inputs:
            hint = f"did you mean `inputs.{root}`?"
        elif step is not None and root in step.outputs:
            hint = f"did you mean `outputs.{root}`?"
        elif root in self.pipeline.params:
            hint = f"did you mean `params.{root}`?"
        elif step is not None and root in self.lookup.axes(step.id):
            hint = f"did you mean `matrix.{root}`?"
        elif root in self.pipeline.steps:
            hint = f"did you mean `steps.{root}`?"
        elif root in expressions.FUNCTIONS:
            hint = f"write `{root}(…)` to call the function"
        hint = hint or suggest(root, expressions.NAMESPACES, what="names that an expression can begin with")
        self.problems.error("E206", f"there is no `{root}` here", spot, hint)

    def _owner(self, use: Use) -> Optional[Step]:
        return self.pipeline.steps.get(use.owner)

    def _spot(self, use: Use, reference: Reference) -> Spot:
        return use.spot(reference.column, reference.length)

    def _fail(self, use: Use, reference: Reference, code: str, message: str, hint: str) -> None:
        self.problems.error(code, message, self._spot(use, reference), hint)

    # --------------------------------------------------------------------------------------------- namespaces

    def _params(self, use: Use, reference: Reference) -> None:
        if self.params_known:
            self._param(reference.path[1:], self._spot(use, reference))

    def _param(self, path: Sequence[str], spot: Spot) -> None:
        value: Value = self.pipeline.params
        for depth, name in enumerate(path):
            dotted = ".".join(path[: depth + 1])
            if not isinstance(value, dict):
                above = ".".join(path[:depth])
                message = f"the param `{above}` is not a mapping, so there is no `{dotted}`"
                self.problems.error("E204", message, spot, f"use `params.{above}`")
                return
            if name not in value:
                known = self.lookup.params
                hint = suggest(dotted, known, "add it under `params`", "params")
                self.problems.error("E204", f"there is no param `{dotted}`", spot, hint)
                return
            value = value[name]

    def listed_params(self, step: Step, spots: Mapping[str, Spot]) -> None:
        """The names under a step's `params`."""
        for name in step.params:
            if self.params_known and name in spots:
                self._param(name.split("."), spots[name])

    def _matrix(self, use: Use, reference: Reference) -> None:
        step = self._owner(use)
        if step is not None:
            self._named(use, reference, "E205", self.lookup.axes(step.id), ("axis", "axes", "`matrix`"))

    def _inputs(self, use: Use, reference: Reference) -> None:
        step = self._owner(use)
        if step is not None and not self.lookup.broken(step.id, "inputs"):
            names = self.lookup.declared(step.id, "inputs")
            self._named(use, reference, "E206", names, ("input", "inputs", "`inputs`"))

    def _outputs(self, use: Use, reference: Reference) -> None:
        step = self._owner(use)
        if step is not None and not self.lookup.broken(step.id, "outputs"):
            names = self.lookup.declared(step.id, "outputs")
            self._named(use, reference, "E206", names, ("output", "outputs", "`outputs`"))

    def _step(self, use: Use, reference: Reference) -> None:
        self._named(use, reference, "E206", scopes.STEP_NAMES, ("`step` value", "names under `step`", ""))

    def _run(self, use: Use, reference: Reference) -> None:
        step = self._owner(use)
        if step is not None and not use.where.startswith("hook") and step.cache.enabled:
            message = "`{}` differs in each run, so a step that is cached can't use it".format(
                ".".join(reference.path)
            )
            self._fail(use, reference, "E207", message, "use it in a hook, or say `cache: false`")
            return
        self._named(use, reference, "E206", scopes.RUN_NAMES, ("`run` value", "names under `run`", ""))

    def _env(self, use: Use, reference: Reference) -> None:
        step = self._owner(use)
        names: Collection[str] = step.env if step is not None else self.document.top.map("env").entries
        if len(reference.path) == 2 and reference.path[1] not in names:
            hint = suggest(
                reference.path[1], names, "add it under `env`; `env_or('NAME', 'x')` reads the caller's", ""
            )
            hint = hint or "add it under `env`; `env_or('NAME', 'x')` reads the caller's"
            self._fail(use, reference, "E206", f"`env` has no `{reference.path[1]}`", hint)
            return
        self._named(use, reference, "E206", names, ("variable", "variables", "`env`"))

    def _secrets(self, use: Use, reference: Reference) -> None:
        step = self._owner(use)
        listed = self.document.top.get("secrets")
        names: Sequence[str] = (
            step.secrets if step is not None else (listed.plain if listed is not None else [])
        )
        if use.expression.source.strip() != ".".join(reference.path):
            message = "a secret can't be part of a larger expression"
            self._fail(use, reference, "E207", message, "write `${{ secrets.NAME }}` by itself")
        elif len(reference.path) == 2 and reference.path[1] not in names:
            hint = suggest(reference.path[1], names, f"add it: `secrets: [{reference.path[1]}]`")
            self._fail(use, reference, "E206", f"the secret `{reference.path[1]}` is not declared", hint)
        else:
            self._named(use, reference, "E206", names, ("secret", "secrets", "`secrets`"))

    def _with(self, use: Use, reference: Reference) -> None:
        scope = use.expression.scope
        if not scope:
            message = "`{}` can't be used in the pipeline's own file".format(".".join(reference.path))
            self._fail(use, reference, "E207", message, scopes.REMEDIES["with"])
            return
        names = self.document.expects.get(scope, ())
        if len(reference.path) == 1 or reference.path[1] not in names:
            self._named(use, reference, "E206", names, ("name", "names it expects", "`expects` of this file"))

    def _checkpoint(self, use: Use, reference: Reference) -> None:
        step = self._owner(use)
        if step is not None and not step.checkpoint and not self.lookup.broken(step.id, "checkpoint"):
            message = f"step `{step.id}` has no checkpoint"
            self._fail(use, reference, "E206", message, "add `checkpoint: true` to the step")
        elif len(reference.path) > 1:
            message = "`checkpoint` is a path and has no `{}`".format(".".join(reference.path[1:]))
            self._fail(use, reference, "E206", message, "write `${{ checkpoint }}/NAME`")

    def _metrics(self, use: Use, reference: Reference) -> None:
        step = self._owner(use)
        if step is not None:
            self._has_metrics(use, reference, step)

    def _has_metrics(self, use: Use, reference: Reference, step: Step) -> None:
        if (
            step.run is not None
            and "metrics" not in step.outputs
            and not self.lookup.broken(step.id, "outputs")
        ):
            message = f"step `{step.id}` makes no metrics"
            hint = "add an output `metrics: PATH.json` to it, or use `call` with a function that returns them"
            self._fail(use, reference, "E203", message, hint)

    # -------------------------------------------------------------------------------------------------- steps

    def _steps(self, use: Use, reference: Reference) -> None:
        path, scope = reference.path[1:], use.expression.scope
        if not path:
            self._fail(use, reference, "E206", "`steps` alone is no value", "write `steps.NAME.outputs.NAME`")
            return
        name, rest = self.resolve(path, scope)
        step = self.pipeline.steps.get(name)
        if step is None:
            if not self.lookup.knows(name):
                shown = name[len(scope) + 1 :] if scope else name
                self._fail(
                    use,
                    reference,
                    "E202",
                    f"there is no step `{shown}`",
                    self.lookup.near_step(shown, scope),
                )
            return
        self._of_step(use, reference, step, rest)

    def resolve(self, path: Sequence[str], scope: str) -> Tuple[str, Sequence[str]]:
        """The full id that a path under `steps` names, and what follows it."""
        if scope:
            return f"{scope}.{path[0]}", path[1:]
        if path[0] in self.document.includes and len(path) > 1:
            return f"{path[0]}.{path[1]}", path[2:]
        return path[0], path[1:]

    def _of_step(self, use: Use, reference: Reference, step: Step, rest: Sequence[str]) -> None:
        kinds = ("outputs", "metrics", "status")
        if not rest or rest[0] not in (*kinds, "matrix"):
            what = f"`{step.id}` has no `{rest[0]}`" if rest else f"`steps.{step.id}` alone is no value"
            near = (
                did_you_mean(rest[0], near_names(rest[0], step.outputs), "`steps." + step.id + ".outputs.{}`")
                if rest
                else None
            )
            hint = near or suggest(rest[0] if rest else "", kinds, what="names under a step")
            self._fail(use, reference, "E203", what, hint)
        elif rest[0] == "matrix":
            hint = f"write `matrix: ${{{{ steps.{step.id}.matrix }}}}` to borrow it"
            self._fail(use, reference, "E207", "a step's matrix can be used as another's `matrix` only", hint)
        elif rest[0] == "status":
            if len(rest) > 1:
                self._fail(
                    use, reference, "E203", "`status` is a text and has no parts", "compare it: `== 'failed'`"
                )
        elif rest[0] == "metrics":
            self._has_metrics(use, reference, step)
        elif not self.lookup.broken(step.id, "outputs"):
            self._output_of(use, reference, step, rest)

    def _output_of(self, use: Use, reference: Reference, step: Step, rest: Sequence[str]) -> None:
        names = self.lookup.declared(step.id, "outputs")
        if len(rest) == 1:
            hint = "write `steps.{}.outputs.{}`".format(step.id, next(iter(names), "NAME"))
            self._fail(use, reference, "E203", f"`outputs` of step `{step.id}` alone is no value", hint)
        elif rest[1] not in names:
            hint = suggest(
                rest[1], names, f"step `{step.id}` has no outputs; declare it there", "outputs there"
            )
            self._fail(use, reference, "E203", f"step `{step.id}` has no output `{rest[1]}`", hint)
        elif len(rest) > 2:
            message = f"the output `{rest[1]}` of step `{step.id}` is a path and has no `{rest[2]}`"
            hint = (
                f"metrics are values: `steps.{step.id}.metrics.{rest[2]}`"
                if rest[1] == "metrics"
                else "end the name here"
            )
            self._fail(use, reference, "E203", message, hint)

    # ------------------------------------------------------------------------------------------------ helpers

    def _named(
        self, use: Use, reference: Reference, code: str, known: Collection[str], words: Tuple[str, str, str]
    ) -> None:
        """`NAMESPACE.NAME` and no more, with a known name."""
        one, many, where = words
        path = reference.path
        if len(path) == 1:
            message = f"`{path[0]}` alone is no value"
            example = next(iter(known), "NAME")
            self._fail(use, reference, code, message, f"write `{path[0]}.{example}`")
        elif path[1] not in known:
            hint = suggest(path[1], known, f"declare it under {where}", many)
            self._fail(use, reference, code, f"there is no {one} `{path[1]}`", hint)
        elif len(path) > 2 and path[0] in ("inputs", "outputs"):
            message = f"the {one} `{path[1]}` is a path and has no `{path[2]}`"
            self._fail(use, reference, code, message, "end the name here")


_SYNTAX = "expressions are names, numbers, texts in quotes, operators and the functions of mlorch"
