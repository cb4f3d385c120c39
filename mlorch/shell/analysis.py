"""The analysis of a script, once per text."""

from __future__ import annotations

from functools import lru_cache
from typing import List, Tuple

from mlorch.model import Template
from mlorch.shell.cursor import MAX_DEPTH
from mlorch.shell.findings import FORBIDDEN, MARK, MAX_MARKS, Findings, Slot, Word
from mlorch.shell.lexer import untold
from mlorch.shell.parser import Parser
from mlorch.shell.rules import apply_rules
from mlorch.values import dataclass

SHELL_NAMES = ("bash", "sh")


@dataclass(frozen=True)
class ShellProblem:
    """An expression that stands where its value can't be passed safely."""

    expression: int
    """Index into `template.expressions`."""
    message: str
    hint: str


def check(template: Template, shell: str) -> List[ShellProblem]:
    """What is wrong with a script whatever the values are, in the order of the text.

    Raises ValueError for a shell that is not `bash` or `sh`.
    """
    if shell not in SHELL_NAMES:
        raise ValueError(f"unknown shell {shell!r}")
    expressions = template.expressions
    return [
        ShellProblem(index, f"`{expressions[index]}` {slot.message}", slot.hint)
        for index, slot in enumerate(slots_of(template))
        if slot.kind == FORBIDDEN
    ]


def slots_of(template: Template) -> Tuple[Slot, ...]:
    """Where each expression of a script stands."""
    texts: List[str] = []
    count = 0
    for part in template.parts:
        if isinstance(part, str):
            texts.append(part)
        else:
            texts.append(chr(MARK + min(count, MAX_MARKS)))
            count += 1
    return _slots("".join(texts), count, tuple(part for part in template.parts if isinstance(part, str)))


@lru_cache(maxsize=4_096)
def _slots(marked: str, count: int, texts: Tuple[str, ...]) -> Tuple[Slot, ...]:
    if count > MAX_MARKS or any(MARK <= ord(char) <= MARK + MAX_MARKS for text in texts for char in text):
        slot = Slot(FORBIDDEN, message="stands in a script that is too odd", hint="move it to a file")
        return (slot,) * count
    found = Findings()
    Parser(marked, found).commands()
    apply_rules(found)
    for index in range(count):
        if index not in found.slots:
            slot = Slot(FORBIDDEN)
            slot.message, slot.hint = untold("too deeply nested")
            found.slots[index] = slot
    return tuple(found.slots[index] for index in range(count))


def words(text: str) -> List[Word]:
    """The words of a script, those of commands in `$( )`, backticks and literal `sh -c '…'` among them.

    Never raises, whatever the text is.
    """
    return list(_words(text, 0))


@lru_cache(maxsize=4_096)
def _words(text: str, depth: int) -> Tuple[Word, ...]:
    found = Findings()
    Parser(text, found, depth, marks=False).commands()
    scripts = apply_rules(found) if depth < MAX_DEPTH else []
    more = [word for script in scripts for word in _words(script, depth + 10)]
    return (*found.words, *more)
