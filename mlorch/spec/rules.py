"""What the schema can't say of a step: keys that exclude each other, other steps' names, capacity."""

from __future__ import annotations

from itertools import islice
from typing import Dict, Mapping, Optional, Sequence

from mlorch import expressions, shell
from mlorch.errors import ExpressionError
from mlorch.model import InputSpec, Pipeline, Step, Template
from mlorch.spec.inputs import named
from mlorch.spec.names import Names
from mlorch.spec.nodes import Map, Node, Scalar, Seq
from mlorch.spec.problems import Problems, suggest
from mlorch.spec.raw import Document, RawStep
from mlorch.spec.schema import keys
from mlorch.spec.templates import Use
from mlorch.spec.text import Spot
from mlorch.spec.wording import meant

MACHINE = ("cpus", "memory", "gpus")


class Rules:
    """Checks each step by itself and against the others."""

    def __init__(self, pipeline: Pipeline, document: Document, problems: Problems, names: Names) -> None:
        self.pipeline = pipeline
        self.document = document
        self.problems = problems
        self.names = names
        self.lookup = names.lookup

    def check(self, uses: Sequence[Use]) -> None:
        for raw in self.document.steps.values():
            step = self.pipeline.steps[raw.id]
            if self.problems.full:
                return
            self._kind(raw)
            self._needs(raw)
            self._where(raw, step)
            self._borrow(raw, step)
            self._capacity(raw)
            self._env(raw.own.map("env"))
            self.names.listed_params(step, _spots(raw.node.get("params")))
        self._env(self.document.top.map("env"))
        self._env(self.document.top.map("defaults").map("env"))
        self._shell_texts(uses)

    def _error(self, code: str, message: str, node: Optional[Node], raw: RawStep, hint: str) -> None:
        self.problems.error(code, message, raw.spot if node is None else node.spot, hint)

    def _kind(self, raw: RawStep) -> None:
        run, call = raw.own.key("run"), raw.own.key("call")
        if not raw.has("run") and not raw.has("call"):
            if not any(meant(name, keys("step")) in ("run", "call") for name in islice(raw.broken, 20)):
                hint = "add `run: COMMAND` or `call: module:function`"
                self._error("E210", f"step `{raw.id}` has neither `run` nor `call`", None, raw, hint)
        elif run is not None and call is not None:
            first, second = sorted((run, call), key=lambda key: key.start)
            notes = ((first.place, first.spot.length, "the other is here"),)
            message = f"step `{raw.id}` has both `run` and `call`"
            self.problems.error("E210", message, second.spot, "keep one of them, or make two steps", notes)
        elif call is None and raw.own.key("with") is not None and raw.has("run"):
            hint = "write the value into the command: `${{ … }}`, or use `call`"
            self._error("E211", "`with` goes with `call` only", raw.own.key("with"), raw, hint)
        shell_key = raw.own.key("shell")
        if shell_key is not None and isinstance(raw.own.get("run"), Seq):
            hint = "write `run` as text to use a shell, or take `shell` out"
            self._error("E211", "a `run` that is a list has no shell", shell_key, raw, hint)
        elif shell_key is not None and call is not None:
            self._error("E211", "a step with `call` has no shell", shell_key, raw, "take `shell` out")

    def _needs(self, raw: RawStep) -> None:
        for name, spot in _spots(raw.node.get("needs")).items():
            full = f"{raw.scope}.{name}" if raw.scope else name
            if self.lookup.knows(full):
                continue
            if full in self.document.includes:
                inner = [item for item in self.pipeline.steps if item.startswith(full + ".")]
                hint = suggest(full, inner, what="steps of this include")
                self.problems.error("E202", f"`{name}` is an include, not a step", spot, hint)
                continue
            hint = self.lookup.near_step(name, raw.scope)
            self.problems.error("E202", f"there is no step `{name}`", spot, hint)

    def _where(self, raw: RawStep, step: Step) -> None:
        for name, node in named(raw.node.get("inputs")):
            spec = step.inputs.get(name or "")
            if spec is None or not isinstance(node, Map) or node.get("from") is None:
                continue
            source = self._source_of(spec)
            if source is None:
                if spec.path.whole is not None and not spec.where:
                    continue
                if spec.path.whole is not None:
                    hint = "write `from: ${{ steps.train.outputs.model }}`"
                    message = f"`from` of input `{name}` must name one step's output"
                    self._error("E516", message, node.get("from"), raw, hint)
                continue
            other = self.pipeline.steps.get(source)
            if other is None:
                continue
            axes = self.lookup.axes(source)
            for axis, key, _ in node.map("where").items():
                if axis not in axes and "matrix" not in self.document.steps[source].broken:
                    hint = suggest(
                        axis, axes, f"step `{source}` has no matrix; take `where` out", "axes there"
                    )
                    self._error("E205", f"step `{source}` has no axis `{axis}`", key, raw, hint)

    def _source_of(self, spec: InputSpec) -> Optional[str]:
        """The one step that `from` names."""
        whole = spec.path.whole
        if whole is None:
            return None
        try:
            references = expressions.references(whole.source)
        except ExpressionError:
            return None
        steps = [item.path for item in references if item.path[0] == "steps" and len(item.path) > 1]
        if len(steps) != 1 or len(references) != 1:
            return None
        return self.names.resolve(steps[0][1:], whole.scope)[0]

    def _borrow(self, raw: RawStep, step: Step) -> None:
        if step.matrix is None or step.matrix.borrow is None:
            return
        other = step.matrix.borrow
        node = raw.node.get("matrix")
        if other not in self.pipeline.steps:
            if not self.lookup.knows(other):
                shown = other[len(raw.scope) + 1 :] if raw.scope else other
                hint = self.lookup.near_step(shown, raw.scope)
                self._error("E202", f"there is no step `{shown}`", node, raw, hint)
        elif self.pipeline.steps[other].matrix is None:
            if "matrix" not in self.document.steps[other].broken:
                hint = "give it one, or write the axes here: `{depth: [3, 6]}`"
                self._error("E208", f"step `{other}` has no matrix to borrow", node, raw, hint)
        elif not self.lookup.axes(raw.id) and raw.id in self.lookup.circular:
            hint = "write the axes in one of the steps: `{depth: [3, 6]}`"
            self._error("E208", "these steps borrow the matrix from each other", node, raw, hint)

    def _capacity(self, raw: RawStep) -> None:
        capacity = self.pipeline.capacity
        if "capacity" in self.document.broken:
            return
        for name, key, node in raw.node.map("resources").items():
            amount = self.pipeline.steps[raw.id].resources.get(name)
            if name not in MACHINE and name not in capacity:
                hint = suggest(name, [*capacity, *MACHINE], "") or f"declare it: `capacity: {{{name}: 1}}`"
                self._error("E209", f"the resource `{name}` is not declared in `capacity`", key, raw, hint)
            elif name in capacity and isinstance(amount, (int, float)) and amount > capacity[name]:
                have = self.document.top.map("capacity").get(name)
                assert isinstance(node, Scalar) and isinstance(have, Scalar)
                message = f"step `{raw.id}` needs {node.words} of `{name}`, and `capacity` has {have.words}"
                self._error("E209", message, node, raw, f"lower the need or raise `capacity.{name}`")

    def _env(self, node: Map) -> None:
        for name, key, _ in node.items():
            if name.startswith("MLORCH_"):
                message = f"`{name}` is one of the variables that mlorch sets"
                self.problems.error(
                    "E211", message, key.spot, "choose a name that does not begin with `MLORCH_`"
                )

    def _shell_texts(self, uses: Sequence[Use]) -> None:
        """Where a value would stand in shell text; told at its expression."""
        by_place: Dict[object, Use] = {(use.expression.place, use.owner): use for use in uses}
        for step in self.pipeline.steps.values():
            if isinstance(step.run, Template):
                self._shell(step.run, step.shell, step.id, by_place)
            for hook in step.hooks.all:
                if isinstance(hook.run, Template):
                    self._shell(hook.run, hook.shell, step.id, by_place)
        for hook in self.pipeline.hooks.all:
            if isinstance(hook.run, Template):
                self._shell(hook.run, hook.shell, "", by_place)

    def _shell(self, template: Template, name: str, owner: str, uses: Mapping[object, Use]) -> None:
        if not template.expressions:
            return
        for problem in shell.check(template, name):
            expression = template.expressions[problem.expression]
            use = uses.get((expression.place, owner))
            spot = Spot(expression.place) if use is None else use.spot()
            self.problems.error("E515", problem.message, spot, problem.hint)


def _spots(node: Optional[Node]) -> Dict[str, Spot]:
    items = node.items if isinstance(node, Seq) else [node] if isinstance(node, Scalar) else []
    return {str(item.plain): item.spot for item in items}
