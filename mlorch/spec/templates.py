"""Text with expressions in it, and where exactly each expression stands."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import List, Optional, Tuple

from mlorch import expressions
from mlorch.errors import ExpressionError
from mlorch.model import Expression, Template, Tree
from mlorch.spec.nodes import Map, Node, Scalar, Seq
from mlorch.spec.problems import Problems, UnreadableError
from mlorch.spec.text import Spot
from mlorch.values import dataclass

OPENING = "${{"
MAX_EXPRESSIONS = 50_000
MAX_IN_ONE_TEXT = 5_000
_NAME = r"(?P<{}>(?:params|matrix|inputs|outputs|steps|secrets|env|step)\.[\w.]+)"
_ALMOST = re.compile(
    r"(?<![${])\{\{\s*" + _NAME.format("double") + r"\s*\}\}|\$\{\s*" + _NAME.format("single") + r"\s*\}"
)
"""What templates elsewhere look like, around a name of ours."""


@dataclass(frozen=True)
class Use:
    """An expression with what it is used for: `where` is `run`, `inputs`, `if` … of a step, or of none."""

    expression: Expression
    node: Scalar
    origin: Optional[int]
    """Offset of the expression's first character in its file; None where escapes hide it."""
    where: str
    owner: str = ""
    """Id of the step, empty at the top."""

    def spot(self, column: int = 0, length: int = 0) -> Spot:
        """Where a part of the expression stands; the whole expression without arguments."""
        source = self.expression.source
        if self.origin is None:
            return self.node.spot
        start = _follow(self.node.source.text, self.origin, source, column)
        end = _follow(self.node.source.text, self.origin, source, column + (length or len(source)))
        return self.node.source.spot(start, max(end, start + 1))


def _follow(text: str, origin: int, source: str, column: int) -> int:
    """The offset in `text` of `source[column]`: equal but for white space, which YAML folds."""
    if text.startswith(source[:column], origin):
        return origin + column
    at = origin
    for character in source[:column]:
        if character.isspace():
            continue
        while at < len(text) and text[at].isspace():
            at += 1
        at += 1
    while at < len(text) and column < len(source) and not source[column].isspace() and text[at].isspace():
        at += 1
    return min(at, len(text))


class Templates:
    """Makes templates of scalars, and keeps every expression with its use for the checks that come later."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.uses: List[Use] = []

    def text(self, node: Scalar, where: str, owner: str = "") -> Template:
        words = node.words
        place = node.place
        if "{" in words and _ALMOST.search(words):
            self._almost(node)
        if OPENING not in words:
            return Template((words,) if words else (), place)
        count = words.count(OPENING)
        if count > MAX_IN_ONE_TEXT or len(self.uses) + count > MAX_EXPRESSIONS:
            hint = "let a `matrix` repeat what differs in a value only"
            most = f"a text may have {MAX_IN_ONE_TEXT:,} expressions and a pipeline {MAX_EXPRESSIONS:,}"
            self.problems.error("E108", most + "; here are more", node.spot, hint)
            raise UnreadableError
        try:
            template = expressions.split(words, place, node.source.scope)
        except ExpressionError as error:
            self._unterminated(node, error)
            return Template((words,), place)
        return self._located(template, node, where, owner)

    def whole(self, node: Scalar, where: str, owner: str = "") -> Optional[Template]:
        """A template that is one expression and nothing else; a problem and None for any other text."""
        template = self.text(node, where, owner)
        if template.whole is not None:
            return template
        if template.expressions:
            message = f"`{where}` takes one whole expression, without text around it"
            self.problems.error(
                "E516", message, node.spot, "put the text into the expression: `${{ 'a' + b }}`"
            )
        return None

    def condition(self, node: Scalar, where: str, owner: str = "") -> Optional[Expression]:
        """The expression of `if` and `assert`, whose `${{ }}` may be left out."""
        if OPENING in node.words:
            template = self.whole(node, where, owner)
            return None if template is None else template.whole
        source = node.words.strip()
        quoted = 1 if node.style in ("'", '"') else 0
        origin = node.start + quoted + len(node.text) - len(node.text.lstrip())
        expression = Expression(source, node.source.place(origin), node.source.scope)
        self.uses.append(
            Use(expression, node, origin if node.style not in ("|", ">") else None, where, owner)
        )
        return expression

    def tree(self, node: Node, where: str, owner: str = "") -> Tree:
        """A value whose texts may hold expressions."""
        if isinstance(node, Map):
            return {name: self.tree(item, where, owner) for name, _, item in node.items()}
        if isinstance(node, Seq):
            return [self.tree(item, where, owner) for item in node.items]
        assert isinstance(node, Scalar)
        if isinstance(node.value, str) and OPENING in node.value:
            return self.text(node, where, owner)
        return node.value

    def literal(self, node: Scalar, key: str) -> str:
        """A text in which expressions have no meaning."""
        if OPENING in node.words:
            message = f"no expression is evaluated in `{key}`"
            at = node.source.text.find(OPENING, node.start, node.end)
            spot = node.spot if at < 0 else node.source.spot(at, at + 3)
            self.problems.error("E514", message, spot, "write the value itself")
        return node.words

    def _almost(self, node: Scalar) -> None:
        """`{{ params.x }}` and `${params.x}`: meant as an expression, and given to the command as they stand."""
        text = node.source.text
        for match in _ALMOST.finditer(text, node.start, node.end):
            hint = f"write `${{{{ {match.group('double') or match.group('single')} }}}}`"
            message = f"`{match.group()}` is text here, and no expression"
            self.problems.warn("W102", message, node.source.spot(match.start(), match.end()), hint)

    def _unterminated(self, node: Scalar, error: ExpressionError) -> None:
        origin = _openings(node)
        before = node.words[: error.column + len(OPENING)].count(OPENING)
        spot = node.spot
        if origin is not None and 0 < before <= len(origin):
            spot = node.source.spot(origin[before - 1], origin[before - 1] + len(OPENING))
        hint = error.hint or "close it with `}}`"
        if not node.style and node.source.text[node.end :].lstrip(" ").startswith("#"):
            hint = "quote the whole value, because YAML cuts a plain one at ` #`"
        self.problems.error("E511", error.message, spot, hint)

    def _located(self, template: Template, node: Scalar, where: str, owner: str) -> Template:
        openings = _openings(node)
        parts: List[object] = []
        count = 0
        for part in template.parts:
            if isinstance(part, Expression):
                origin = _origin(node, openings, count, part.source)
                part = replace(part, place=node.place if origin is None else node.source.place(origin))
                self.uses.append(Use(part, node, origin, where, owner))
                count += 1
            parts.append(part)
        return Template(tuple(parts), template.place)  # type: ignore[arg-type]


def _openings(node: Scalar) -> Optional[Tuple[int, ...]]:
    """Offsets of every `${{` of a scalar in its file; None where an escape hides some."""
    text, found = node.source.text, []
    at = text.find(OPENING, node.start, node.end)
    while at >= 0:
        found.append(at)
        at = text.find(OPENING, at + len(OPENING), node.end)
    return tuple(found) if len(found) == node.words.count(OPENING) else None


def _origin(node: Scalar, openings: Optional[Tuple[int, ...]], number: int, source: str) -> Optional[int]:
    if openings is None or number >= len(openings):
        return None
    at = openings[number] + len(OPENING)
    text = node.source.text
    if not source[:1].isspace():
        while at < node.end and text[at].isspace():
            at += 1
    return at
