"""Steps of the model from steps as written. What does not fit the schema was taken out before."""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Union

from mlorch import expressions
from mlorch.errors import ExpressionError
from mlorch.model import Channel, Check, Expression, FunctionRef, Hook, Hooks, Pipeline, Place, Step, Template
from mlorch.spec.channels import build_channel
from mlorch.spec.inputs import Files, named, path_of
from mlorch.spec.matrix import build_matrix
from mlorch.spec.nodes import Map, Node, Scalar, Seq
from mlorch.spec.params import Params
from mlorch.spec.policies import build_cache, build_capacity, build_resources, build_retry, build_timeout
from mlorch.spec.problems import Problems
from mlorch.spec.raw import Document, RawStep
from mlorch.spec.templates import Templates

_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_NAME = re.compile(r"[A-Za-z_]\w*")


class Builder:
    """Builds steps, noting problems, and leaves every expression's use in `templates`."""

    def __init__(self, document: Document, problems: Problems) -> None:
        self.document = document
        self.problems = problems
        self.templates = Templates(problems)
        self.files = Files(self.templates, problems)
        self.channels: List[Channel] = []
        """Those of hooks."""

    def pipeline(self, file: str, root: str, params: Params) -> Pipeline:
        """The pipeline of the file called `file`, with all of its steps."""
        top = self.document.top
        return Pipeline(
            name=self._text(top, "name"),
            file=file,
            root=root,
            place=top.place,
            steps={name: self.step(raw) for name, raw in self.document.steps.items()},
            params=params.values,
            param_places=params.places,
            description=self._text(top, "description"),
            owner=self._text(top, "owner"),
            python=self._text(top, "python") or None,
            capacity=build_capacity(top.map("capacity"), self.problems),
            includes={
                scope: {name: self.templates.tree(item, "include") for name, _, item in node.items()}
                for scope, node in self.document.includes.items()
            },
            hooks=self.hooks(top),
            env=self._shared_env(top),
            pass_env=self._texts(top, "pass_env"),
            secrets=self._texts(top, "secrets"),
            notify=(*self._notify(top), *self.channels),
        )

    def _notify(self, top: Map) -> List[Channel]:
        node = top.get("notify")
        items = node.items if isinstance(node, Seq) else ()
        found = [build_channel(item, self.problems) for item in items]
        return [channel for channel in found if channel is not None]

    def _shared_env(self, top: Map) -> Dict[str, Template]:
        """The pipeline's `env` for its hooks. Its expressions are checked in each step, where they may say more."""
        found: Dict[str, Template] = {}
        for name, _, item in top.map("env").items():
            try:
                if isinstance(item, Scalar):
                    found[name] = expressions.split(item.words, item.place)
            except ExpressionError:
                continue  # told where the steps have it
        return found

    def step(self, raw: RawStep) -> Step:
        node, owner = raw.node, raw.id
        run = self._command(node.get("run"), owner)
        call = node.get("call")
        return Step(
            id=owner,
            place=raw.key.place,
            places=places_of(raw),
            scope=raw.scope,
            description=self._text(node, "description"),
            run=run,
            shell=self._text(node, "shell") or "bash",
            call=self._function(call, owner) if isinstance(call, Scalar) else None,
            arguments={
                name: self.templates.tree(item, "with", owner) for name, _, item in node.map("with").items()
            },
            inputs=self.files.inputs(raw),
            outputs=self.files.outputs(raw),
            needs=self._needs(raw),
            params=self._texts(node, "params"),
            code=self._texts(node, "code"),
            env={name: self._template(item, "env", owner) for name, _, item in node.map("env").items()},
            pass_env=self._texts(node, "pass_env"),
            secrets=self._texts(node, "secrets"),
            matrix=build_matrix(raw, self.templates, self.problems),
            condition=self._condition(node, owner),
            checks=self._checks(node, owner),
            continue_on_error=flag(node, "continue_on_error", False),
            retry=build_retry(node.get("retry"), self.problems),
            timeout=build_timeout(node.get("timeout"), self.problems),
            checkpoint=flag(node, "checkpoint", False),
            effect=self._effect(node, owner),
            cache=build_cache(node.get("cache"), self.problems),
            resources=build_resources(node.map("resources"), owner, self.templates, self.problems),
            hooks=self.hooks(node, owner),
            owner=self._text(node, "owner"),
            goal={name: str(item.plain) for name, _, item in node.map("goal").items()},
            report=self._texts(node, "report"),
            tags=self._texts(node, "tags"),
            undeclared=self._text(node, "undeclared"),
        )

    def hooks(self, node: Map, owner: str = "") -> Hooks:
        """The hooks of a step, or of the pipeline where there is no owner."""
        on_success, on_failure, finally_, on_recovery = (
            self._hooks(name, node.get(name), owner)
            for name in ("on_success", "on_failure", "finally", "on_recovery")
        )
        return Hooks(on_success, on_failure, finally_, on_recovery)

    def _hooks(self, name: str, node: Optional[Node], owner: str) -> Tuple[Hook, ...]:
        hooks: List[Hook] = []
        for item in node.items if isinstance(node, Seq) else ():
            if not isinstance(item, Map) or not self._one_of_both(item):
                continue
            channel = build_channel(item.get("notify"), self.problems, name, owner)
            self.channels += [channel] if channel is not None else []
            run = self._command(item.get("run"), owner, "hook")
            if run is not None:
                if isinstance(run, tuple) and "shell" in item.entries:
                    self._no_shell(item)
                hooks.append(Hook(run, item.place, self._text(item, "shell") or "bash"))
        return tuple(hooks)

    def _one_of_both(self, node: Map) -> bool:
        run, notify = node.key("run"), node.key("notify")
        if (run is None) == (notify is None):
            if run is None and self.problems.told_within(node.place, node.source.place(node.end)):
                return False
            message = "a hook has both `run` and `notify`" if run else "a hook has neither `run` nor `notify`"
            hint = "make two hooks of them" if run else "add `run: COMMAND`"
            self.problems.error("E210", message, node.spot if notify is None else notify.spot, hint)
            return False
        return True

    def _no_shell(self, node: Map) -> None:
        key = node.key("shell")
        assert key is not None
        hint = "write `run` as text to use a shell, or take `shell` out"
        self.problems.error("E211", "a `run` that is a list has no shell", key.spot, hint)

    def _command(
        self, node: Optional[Node], owner: str, where: str = "run"
    ) -> Union[None, Template, Tuple[Template, ...]]:
        if isinstance(node, Scalar):
            return self.templates.text(node, where, owner)
        if isinstance(node, Seq):
            return tuple(self._template(item, where + " list", owner) for item in node.items)
        return None

    def _template(self, node: Node, where: str, owner: str) -> Template:
        assert isinstance(node, Scalar)
        return self.templates.text(node, where, owner)

    def _function(self, node: Scalar, owner: str) -> Optional[FunctionRef]:
        text = self.templates.literal(node, "call")
        module, colon, function = text.partition(":")
        if colon and _MODULE.fullmatch(module) and _NAME.fullmatch(function):
            return FunctionRef(module, function, node.place)
        if "${{" not in text:
            hint = "write `package.module:function`"
            if module.endswith(".py"):
                hint = "did you mean `{}:{}`?".format(module[:-3].replace("/", "."), function or "function")
            elif not colon and "." in text and _MODULE.fullmatch(text):
                hint = "did you mean `{}`?".format(":".join(text.rsplit(".", 1)))
            message = f"`call` of step `{owner}` must be `module:function`, not `{text}`"
            self.problems.error("E212", message, node.spot, hint)
        return None

    def _needs(self, raw: RawStep) -> Tuple[str, ...]:
        node = raw.node.get("needs")
        items = node.items if isinstance(node, Seq) else [node] if isinstance(node, Scalar) else []
        found: List[str] = []
        for item in items:
            name = str(item.plain)
            found.append(f"{raw.scope}.{name}" if raw.scope else name)
        return tuple(dict.fromkeys(found))

    def _text(self, node: Map, name: str) -> str:
        found = node.get(name)
        return self.templates.literal(found, name) if isinstance(found, Scalar) else ""

    def _texts(self, node: Map, name: str) -> Tuple[str, ...]:
        found = node.get(name)
        items = found.items if isinstance(found, Seq) else []
        return tuple(self.templates.literal(item, name) for item in items if isinstance(item, Scalar))

    def _condition(self, node: Map, owner: str) -> Optional[Expression]:
        found = node.get("if")
        return self.templates.condition(found, "if", owner) if isinstance(found, Scalar) else None

    def _effect(self, node: Map, owner: str) -> Optional[Template]:
        found = node.get("effect")
        return self.templates.text(found, "effect", owner) if isinstance(found, Scalar) else None

    def _checks(self, node: Map, owner: str) -> Tuple[Check, ...]:
        found = node.get("checks")
        checks: List[Check] = []
        for item in found.items if isinstance(found, Seq) else ():
            condition = (
                item if isinstance(item, Scalar) else item.get("assert") if isinstance(item, Map) else None
            )
            if not isinstance(condition, Scalar):
                continue
            expression = self.templates.condition(condition, "checks", owner)
            message = item.get("message") if isinstance(item, Map) else None
            text = self.templates.text(message, "checks", owner) if isinstance(message, Scalar) else None
            severity = self._text(item, "severity") if isinstance(item, Map) else ""
            if expression is not None:
                checks.append(Check(expression, text, severity or "error"))
        return tuple(checks)


def flag(node: Map, name: str, default: bool) -> bool:
    found = node.get(name)
    return found.value if isinstance(found, Scalar) and isinstance(found.value, bool) else default


def places_of(raw: RawStep) -> Mapping[str, Place]:
    """`run`, `needs.0`, `inputs.raw`, `retry.on.1` …: where the values of a step stand."""
    places: Dict[str, Place] = {}
    _note(raw.node, "", places)
    for key in ("inputs", "outputs"):
        for name, node in named(raw.node.get(key)):
            if name is not None:
                places[f"{key}.{name}"] = (path_of(node) or node).place
    return places


def _note(node: Node, prefix: str, places: Dict[str, Place]) -> None:
    pairs: Sequence[Tuple[object, Node]] = ()
    if isinstance(node, Map):
        pairs = [(name, item) for name, _, item in node.items()]
    elif isinstance(node, Seq):
        pairs = list(enumerate(node.items))
    for name, item in pairs:
        dotted = f"{prefix}{name}"
        places[dotted] = item.place
        if not isinstance(item, Scalar):
            _note(item, dotted + ".", places)
