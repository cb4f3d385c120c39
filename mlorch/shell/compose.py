"""Putting a script and its values together."""

from __future__ import annotations

import math
import re
import shlex
from typing import Any, Callable, List, Mapping, Sequence, Tuple

from mlorch.errors import ExpressionError
from mlorch.model import Expression, Template, Value
from mlorch.shell.analysis import slots_of
from mlorch.shell.findings import ARITHMETIC, COMMENT, DOUBLE, FORBIDDEN, ONE, WORD, Slot
from mlorch.shell.rules import UNSAFE_COMMANDS
from mlorch.values import dataclass

PREFIX = "mlorch_v"
"""Beginning of the variables' names: no environment and no script has such ones."""
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LARGEST = 2**63


@dataclass(frozen=True)
class Secret:
    """A value that stands for the environment variable of this name: it becomes `"$NAME"`."""

    name: str


def compose(template: Template, values: Sequence[Value], shell: str) -> str:
    """The whole script: variables that hold the values, then the text with quoted expansions of them.

    Args:
        values: one per expression of the template: scalars, lists of them, Secret.
        shell: `bash` or `sh`.

    Raises ExpressionError for a value that is not allowed where it stands.
    """
    preamble: List[str] = []
    texts: List[str] = []
    slots = slots_of(template)
    index = 0
    for part in template.parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        try:
            texts.append(_placed(slots[index], values[index], PREFIX + str(index), shell, preamble))
        except ExpressionError as error:
            raise _told(part, error) from None
        index += 1
    return "".join((*preamble, *texts))


def _told(expression: Expression, error: ExpressionError) -> ExpressionError:
    message = f"`{expression}` {error.message}"
    return ExpressionError(message, 0, error.hint, max(1, len(expression.source)))


def _placed(slot: Slot, value: Any, name: str, shell: str, preamble: List[str]) -> str:
    """The expansion that stands for a value; its assignment goes to the preamble."""
    if slot.kind == FORBIDDEN:
        raise ExpressionError(slot.message, hint=slot.hint)
    if slot.kind == COMMENT:
        return "${" + name + "}"
    if isinstance(value, Secret):
        return _secret(slot, value)
    if isinstance(value, (list, tuple)):
        return _list(slot, value, name, shell, preamble)
    text = _scalar(slot, value)
    _check_command(slot, text)
    _check_commanding(slot, text)
    preamble.append(f"{name}={quote(text)}\n")
    if slot.kind == ARITHMETIC:
        # `3-${{ x }}` with -2 would read `3--2`.
        return f"(${{{name}}})" if text.startswith("-") else f"${{{name}}}"
    return _expansion(slot.kind, name)


def _secret(slot: Slot, secret: Secret) -> str:
    if not _IDENTIFIER.match(secret.name):
        raise ExpressionError(f"names a secret that can't be an environment variable: {secret.name!r}")
    if slot.numbers or slot.kind == ARITHMETIC:
        raise ExpressionError("is a secret, but only numbers can stand here")
    if slot.command:
        raise ExpressionError("is a secret in the place of a command's name", hint="name the command")
    return _expansion(slot.kind, secret.name)


def _list(slot: Slot, values: Sequence[Any], name: str, shell: str, preamble: List[str]) -> str:
    if slot.single or slot.kind in (ONE, ARITHMETIC):
        raise ExpressionError(
            "is a list where a single value was expected", hint="take one element, or `join(…)` them"
        )
    if slot.command and not values and slot.command == ("", ""):
        raise ExpressionError("is an empty list in the place of a command's name", hint="write the command")
    texts = [_scalar(slot, value) for value in values]
    for text in texts[:1]:
        _check_command(slot, text)
    for text in texts:
        _check_commanding(slot, text)
    if shell == "bash":
        preamble.append("{}=({})\n".format(name, " ".join(map(quote, texts))))
        return _array(slot.kind, name, bool(texts))
    if slot.kind == WORD:
        names = [f"{name}_{number}" for number in range(len(texts))]
        preamble += [f"{each}={quote(text)}\n" for each, text in zip(names, texts)]
        return " ".join(_expansion(WORD, each) for each in names)
    preamble.append("{}={}\n".format(name, quote(" ".join(texts))))
    return _expansion(slot.kind, name)


def _expansion(kind: str, name: str) -> str:
    return "${" + name + "}" if kind == DOUBLE else '"${' + name + '}"'


def _array(kind: str, name: str, filled: bool) -> str:
    """An expansion of a whole array. bash before 4.4 takes an empty one for unset under `-u`."""
    if kind == WORD:
        words = _expansion(WORD, name + "[@]")
        return words if filled else "${" + name + "[@]+" + words + "}"
    return _expansion(kind, name + ("[*]" if filled else "[*]-"))


def _scalar(slot: Slot, value: Any) -> str:
    """A value as text. Raises ExpressionError where it may not stand."""
    if isinstance(value, (Mapping, list, tuple)):
        kind = "a mapping" if isinstance(value, Mapping) else "a list inside a list"
        raise ExpressionError(f"is {kind}, which can't be passed to a shell", hint="name its members")
    if value is None:
        raise ExpressionError(
            "is null, which can't be passed to a shell", hint='give a fallback: `first(…, "")`'
        )
    if slot.numbers or slot.kind == ARITHMETIC:
        _check_number(slot, value)
    text = _text(value)
    if "\0" in text:
        raise ExpressionError("holds a NUL character, which can't be passed to a program")
    return text


def _check_command(slot: Slot, text: str) -> None:
    """A value in the place of a command's name may be no builtin that would evaluate what follows."""
    if slot.command and (slot.command[0] + text + slot.command[1]) in UNSAFE_COMMANDS:
        raise _unsafe(text)


def _check_commanding(slot: Slot, text: str) -> None:
    if slot.commanding and not UNSAFE_COMMANDS.isdisjoint(text.split()):
        raise _unsafe(text)


def _unsafe(text: str) -> ExpressionError:
    return ExpressionError(
        f"is `{text}` in the place of a command's name, which would run or evaluate its arguments",
        hint="write the command into the script",
    )


def _check_number(slot: Slot, value: Any) -> None:
    why = slot.numbers or "it stands in arithmetic"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        hint = slot.hint or "`int(…)` makes a number of text; texts are compared by [ … = … ]"
        raise ExpressionError(f"is not a number, but only numbers can stand here: {why}", hint=hint)
    if isinstance(value, float) and (slot.kind == ARITHMETIC or not math.isfinite(value)):
        raise ExpressionError(
            "is not a whole number: the shell knows no others", hint="use `int(…)` or `round(…)`"
        )
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise ExpressionError("is a number too large for the shell's arithmetic")


def quote(text: str) -> str:
    """A word that the shell reads as exactly this text."""
    return "'" + text.replace("'", "'\\''") + "'"


def plain(template: Template, values: Sequence[Value]) -> str:
    """The script as a person would have written it: values as quoted words in place. Never executed."""
    texts: List[str] = []
    slots = slots_of(template)
    index = 0
    for part in template.parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        slot, value = slots[index], values[index]
        inside = slot.kind == DOUBLE
        many = isinstance(value, (list, tuple))
        items: Tuple[Any, ...] = tuple(value) if many else (value,)
        show: Callable[[Any], str] = _shown_inside if inside else _shown_word
        texts.append(" ".join(show(item) for item in items))
        index += 1
    return "".join(texts)


def _shown_inside(value: Any) -> str:
    if isinstance(value, Secret):
        return "$" + value.name
    return re.sub(r'([\\"$`])', r"\\\1", _shown_text(value))


def _shown_word(value: Any) -> str:
    return f'"${value.name}"' if isinstance(value, Secret) else shlex.quote(_shown_text(value))


def _shown_text(value: Any) -> str:
    return "null" if value is None else _text(value)


def _text(value: Any) -> str:
    """Booleans as `true` and `false`, numbers as Python writes them."""
    if value is True or value is False:
        return "true" if value else "false"
    return str(value)
