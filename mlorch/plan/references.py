"""Which steps an expression refers to, with include scopes and `with` resolved."""

from __future__ import annotations

from typing import Dict, Iterator, List, Optional, Tuple

from mlorch import expressions
from mlorch.model import Expression, Pipeline, Place, Step, Template, Tree
from mlorch.values import dataclass


@dataclass(frozen=True)
class StepReference:
    """`steps.<step>.<path>` as it stands in an expression."""

    step: str
    path: Tuple[str, ...]
    place: Place
    length: int
    guarded: bool
    """Inside `first(…)`, where a skipped step is no obstacle."""


def resolve_step(
    steps: Dict[str, Step], scope: str, path: Tuple[str, ...]
) -> Optional[Tuple[str, Tuple[str, ...]]]:
    """`("steps", "eval", "score", "outputs")` -> `("eval.score", ("outputs",))`; None where no such step is."""
    if len(path) < 2:
        return None
    if scope and f"{scope}.{path[1]}" in steps:
        return f"{scope}.{path[1]}", path[2:]
    if path[1] in steps:
        return path[1], path[2:]
    if len(path) > 2 and f"{path[1]}.{path[2]}" in steps:
        return f"{path[1]}.{path[2]}", path[3:]
    return None


def templates_of(tree: Tree) -> Iterator[Template]:
    """All templates in a tree of lists and mappings."""
    if isinstance(tree, Template):
        yield tree
    elif isinstance(tree, (list, tuple)):
        for item in tree:
            yield from templates_of(item)
    elif hasattr(tree, "values"):
        for item in tree.values():
            yield from templates_of(item)


_KNOWN: Dict[int, Tuple[Step, Tuple[Tuple[str, Expression], ...]]] = {}
"""By identity, as steps hold mappings; the step beside it keeps the identity from being given away."""
REMEMBERED = 20_000


def expressions_of(step: Step) -> Tuple[Tuple[str, Expression], ...]:
    """Every expression that is evaluated for a step (hooks aside), with the key that it stands under."""
    known = _KNOWN.get(id(step))
    if known is None:
        if len(_KNOWN) >= REMEMBERED:
            _KNOWN.clear()
        known = _KNOWN[id(step)] = (step, tuple(_expressions_of(step)))
    return known[1]


def _expressions_of(step: Step) -> Iterator[Tuple[str, Expression]]:
    trees: List[Tuple[str, Tree]] = [("run", step.run), ("with", step.arguments)]
    trees += [("inputs", item.path) for item in step.inputs.values()]
    trees += [("outputs", item.path) for item in step.outputs.values()]
    trees += [("env", step.env), ("resources", step.resources), ("effect", step.effect)]
    if step.matrix is not None:
        trees += [
            ("matrix", step.matrix.axes),
            ("matrix", step.matrix.include),
            ("matrix", step.matrix.exclude),
        ]
    for where, tree in trees:
        for template in templates_of(tree):
            for expression in template.expressions:
                yield where, expression
    if step.condition is not None:
        yield "if", step.condition
    for check in step.checks:
        yield "checks", check.condition
        if check.message is not None:
            for expression in check.message.expressions:
                yield "checks", expression


class References:
    """The references of a pipeline's expressions; each expression is looked at once."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._steps = dict(pipeline.steps)
        self._known: Dict[Tuple[str, str], Tuple[StepReference, ...]] = {}
        self._of_step: Dict[str, Tuple[Step, List[Tuple[str, StepReference]]]] = {}

    def of(self, expression: Expression) -> Tuple[StepReference, ...]:
        """The steps that an expression refers to, also through the `with` of its include."""
        identity = (expression.source, expression.scope)
        found = self._known.get(identity)
        if found is None:
            found = tuple(self._find(expression))
            self._known[identity] = found
        return found

    def of_step(self, step: Step) -> List[Tuple[str, StepReference]]:
        known = self._of_step.get(step.id)
        if known is None or known[0] is not step:
            found = [
                (where, item) for where, expression in expressions_of(step) for item in self.of(expression)
            ]
            known = self._of_step[step.id] = (step, found)
        return known[1]

    def _find(self, expression: Expression) -> Iterator[StepReference]:
        for reference in expressions.references(expression.source):
            root = reference.path[0]
            if root == "steps":
                resolved = resolve_step(self._steps, expression.scope, reference.path)
                if resolved is not None:
                    place = Place(
                        expression.place.file,
                        expression.place.line,
                        expression.place.column + reference.column,
                    )
                    yield StepReference(resolved[0], resolved[1], place, reference.length, reference.guarded)
            elif root == "with" and len(reference.path) > 1:
                values = self._pipeline.includes.get(expression.scope, {})
                for template in templates_of(values.get(reference.path[1])):
                    for inner in template.expressions:
                        yield from self.of(inner)
