"""Plain scalars by YAML 1.2's core schema, with `0777` as text (mlorch has no octal numbers to misread)."""

from __future__ import annotations

import math
import re

from mlorch.model import Value

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_UNFIT = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_FIRST = frozenset("+-.0123456789")
LOOKS_BOOLEAN = re.compile(r"(?:yes|Yes|YES|on|On|ON)|(?:no|No|NO|off|Off|OFF)")
DIGITS = 300


class UnfitError(ValueError):
    """A scalar that is no value of ours: NaN, an infinity, or a number of more than 300 digits."""


def resolve(text: str) -> Value:
    """The value of a plain scalar. Raises UnfitError."""
    first = text[:1]
    if first in _FIRST and text:
        return _number(text)
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    return None if text in _NULLS else text


def _number(text: str) -> Value:
    if _INT.fullmatch(text):
        return int(_short(text))
    if _FLOAT.fullmatch(text):
        number = float(_short(text))
        if not math.isfinite(number):
            raise UnfitError(f"`{text}` is larger than a number can be")
        return number
    if _OCTAL.fullmatch(text):
        return int(_short(text[2:]), 8)
    if _HEX.fullmatch(text):
        return int(_short(text[2:]), 16)
    if _UNFIT.fullmatch(text):
        raise UnfitError(f"`{text}` is not a value that can be compared or kept")
    return text


def _short(text: str) -> str:
    if len(text) > DIGITS:
        raise UnfitError(f"a number of {len(text)} digits is longer than the {DIGITS} that are read")
    return text


def tagged(tag: str, text: str) -> Value:
    """The value of a scalar under an explicit tag of the core schema.

    Raises UnfitError where text and tag do not fit, KeyError for a tag that the core schema does not have.
    """
    kind = _TAGS[tag]
    if kind is str:
        return text
    value = resolve(text)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise UnfitError("`{}` is no {}".format(text, tag.rsplit(":", 1)[1]))
    return value


_TAGS = {
    "!": str,
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": float,
    "tag:yaml.org,2002:bool": bool,
    "tag:yaml.org,2002:null": type(None),
}
