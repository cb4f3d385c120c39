"""The environment markers of requirements, as far as they can be told from an interpreter's files."""

from __future__ import annotations

import os
import re
import sys
from typing import FrozenSet, List, Mapping, Optional, Tuple

from mlorch.values import dataclass

_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_TOKEN = re.compile(r"""\s*(?:(\(|\))|'([^']*)'|"([^"]*)"|(===|==|!=|<=|>=|~=|<|>)|([A-Za-z_][\w.]*))""")
_SEPARATORS = re.compile(r"[-_.]+")


def normal_name(name: str) -> str:
    """A distribution's name as it is compared: `Typing_Extensions` and `typing-extensions` are one."""
    return _SEPARATORS.sub("-", name).lower()


@dataclass(frozen=True)
class Requirement:
    """One distribution that another needs."""

    name: str
    extras: FrozenSet[str]
    marker: str


def read_requirement(line: str) -> Optional[Requirement]:
    """One `Requires-Dist` line; None where it is none."""
    match = _REQUIREMENT.match(line)
    if not match:
        return None
    extras = frozenset(
        normal_name(extra.strip()) for extra in (match.group(2) or "").split(",") if extra.strip()
    )
    return Requirement(normal_name(match.group(1)), extras, line.partition(";")[2].strip())


def marker_values(version: str, implementation: str) -> Mapping[str, str]:
    """What the markers of an interpreter on this machine are."""
    machine = os.uname()
    names = {"cpython": "CPython", "pypy": "PyPy"}
    return {
        "python_version": version,
        "implementation_name": implementation,
        "platform_python_implementation": names.get(implementation, implementation),
        "os_name": os.name,
        "sys_platform": sys.platform,
        "platform_system": machine.sysname,
        "platform_machine": machine.machine,
    }


def holds(marker: str, values: Mapping[str, str], extras: FrozenSet[str]) -> bool:
    """Whether a marker holds; what can't be told holds, so that a version counts rather too often than not
    at all."""
    tokens = _scan(marker)
    if not tokens:
        return True
    try:
        return _Parser(tokens, values, extras).either()
    except IndexError:
        return True


Token = Tuple[str, str]


def _scan(marker: str) -> List[Token]:
    tokens: List[Token] = []
    for bracket, single, double, operator, word in _TOKEN.findall(marker):
        if bracket:
            tokens.append(("bracket", bracket))
        elif operator:
            tokens.append(("operator", operator))
        elif word in ("and", "or", "not", "in"):
            tokens.append(("operator", word))
        elif word:
            tokens.append(("name", word))
        else:
            tokens.append(("text", single or double))
    return tokens


class _Parser:
    """Recursive descent over `a == "b" and (c or d)`. Raises IndexError where the marker ends too early."""

    def __init__(self, tokens: List[Token], values: Mapping[str, str], extras: FrozenSet[str]) -> None:
        self._tokens = tokens
        self._values = values
        self._extras = extras
        self._at = 0

    def either(self) -> bool:
        result = self._both()
        while self._peek() == "or":
            self._at += 1
            other = self._both()
            result = result or other
        return result

    def _both(self) -> bool:
        result = self._one()
        while self._peek() == "and":
            self._at += 1
            other = self._one()
            result = result and other
        return result

    def _one(self) -> bool:
        if self._peek() == "(":
            self._at += 1
            result = self.either()
            self._at += 1
            return result
        left = self._next()
        operator = self._next()[1]
        if operator == "not":
            operator = "not " + self._next()[1]
        return self._compare(left, operator, self._next())

    def _compare(self, left: Token, operator: str, right: Token) -> bool:
        if ("name", "extra") in (left, right):
            wanted = right[1] if left == ("name", "extra") else left[1]
            return (normal_name(wanted) in self._extras) == (operator == "==")
        first, second = self._value(left), self._value(right)
        if first is None or second is None:
            return True
        if operator in ("in", "not in"):
            return (first in second) == (operator == "in")
        return _ordered(first, operator, second)

    def _value(self, token: Token) -> Optional[str]:
        return self._values.get(token[1]) if token[0] == "name" else token[1]

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _next(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]


def _ordered(first: str, operator: str, second: str) -> bool:
    one, other = _numbers(first), _numbers(second)
    if one is None or other is None:
        if operator == "!=":
            return first != second
        return first == second if operator in ("==", "===") else True
    length = max(len(one), len(other))
    if second.endswith(".*") or operator == "~=":
        length = len(other) - (operator == "~=")
        if operator == "~=" and one < other:
            return False
        operator = "==" if operator == "~=" else operator
    left, right = _padded(one, length), _padded(other, length)
    return {
        "==": left == right,
        "===": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }.get(operator, True)


def _numbers(version: str) -> Optional[Tuple[int, ...]]:
    text = version[:-2] if version.endswith(".*") else version
    parts = text.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else None


def _padded(version: Tuple[int, ...], length: int) -> Tuple[int, ...]:
    return (version + (0,) * length)[:length]
