"""What the words of a command may name: files that are not there yet, and what can be read without values."""

from __future__ import annotations

import os
import re
from typing import Dict, List, Optional, Tuple

from mlorch import expressions
from mlorch.errors import ExpressionError
from mlorch.model import Instance, Step, Template
from mlorch.plan import paths
from mlorch.plan.code import CodeQuery
from mlorch.plan.code.shellwords import read_commands
from mlorch.plan.names import Names
from mlorch.plan.world import NotYetKnown, World

_PATH_LIKE = re.compile(r"[\w./+@%,-]+\Z")


def absent_words(root: str, query: CodeQuery) -> Tuple[str, ...]:
    """Words that may name a project file which is not there now: should an attempt make one, it is data, not code."""
    words: List[str] = list(query.argv or ())
    for command in read_commands(query.text or ""):
        words += [word.text for word in command.words[1:]]
    found: Dict[str, None] = {}
    for word in words:
        for text in (word, word.partition("=")[2]):
            path = paths.normal(text)
            if (
                not _PATH_LIKE.match(text)
                or text[0] in "-/"
                or paths.refusal(path)
                or path in query.own_outputs
                or path in query.inputs
            ):
                continue
            if not os.path.lexists(os.path.join(root, path)):
                found[path] = None
    return tuple(found)


def static_text(world: World, step: Step) -> Tuple[Optional[str], Optional[Tuple[str, ...]]]:
    """A command with what is known without running anything: params filled in, everything else blank."""
    names = Names(world, Instance(step.id, step, known=False))

    def text_of(template: Template) -> str:
        parts = []
        for part in template.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            try:
                parts.append(expressions.to_text(names.evaluate(part.source, part.scope)))
            except (ExpressionError, NotYetKnown, KeyError):
                parts.append(" ")
        return "".join(parts)

    if isinstance(step.run, Template):
        return text_of(step.run), None
    if step.run is not None:
        return None, tuple(text_of(item) for item in step.run)
    return None, None
