"""The functions of the language, and how values become text."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, Callable, Dict, List

from mlorch.errors import ExpressionError
from mlorch.model import Value

MAX_ELEMENTS = 1_000_000
MAX_TEXT = 10_000_000
MAX_BITS = 256


class SecretName(str):
    """The name of a secret, standing for its value, which never enters an expression.

    It may be the whole value of an expression; anything that would make text of it is refused.
    """


def kind_of(value: Value) -> str:
    """What a person calls it: `null`, `a boolean`, `a number`, `text`, `a list`, `a mapping`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, SecretName):
        return "a secret"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "a mapping" if isinstance(value, Mapping) else type(value).__name__


def to_text(value: Value) -> str:
    """A scalar inside text: booleans `true` and `false`, floats by repr.

    Raises ExpressionError for null, lists, mappings and secrets.
    """
    if value.__class__ is str:
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, SecretName):
        raise ExpressionError(
            "a secret can't become part of other text",
            hint="the step has it in its environment under its name",
        )
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    if value is None:
        raise ExpressionError("null can't become text", hint='give a fallback: `first(…, "")`')
    if isinstance(value, (list, tuple)):
        raise ExpressionError("a list can't become text outside `run`", hint='use `join(…, " ")`')
    raise ExpressionError(f"{kind_of(value)} can't become text", hint="name one of its members")


def check_number(value: Any) -> Any:
    """A result of arithmetic within bounds. Raises ExpressionError."""
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ExpressionError(f"the number is too large: whole numbers may have {MAX_BITS} bits")
    if isinstance(value, complex):
        raise ExpressionError("the result is not a real number")
    return value


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _expect(function: str, value: Any, good: bool, wanted: str) -> None:
    if not good:
        raise ExpressionError(f"`{function}` takes {wanted}, found {kind_of(value)}")


def _len(value: Any) -> int:
    good = isinstance(value, (str, list, tuple, Mapping)) and not isinstance(value, SecretName)
    _expect("len", value, good, "text, a list or a mapping")
    return len(value)


def _extreme(name: str, pick: Callable[..., Any]) -> Callable[..., Any]:
    def function(*values: Any) -> Any:
        items = list(values)
        if len(values) == 1:
            _expect(name, values[0], isinstance(values[0], (list, tuple)), "a list, or two and more values")
            items = list(values[0])
        if not items:
            raise ExpressionError(f"`{name}` of an empty list", hint="`x if len(…) else …` guards it")
        return _ordered(name, pick, items)

    return function


def _ordered(name: str, order: Callable[[List[Any]], Any], items: List[Any]) -> Any:
    """`order(items)` for what can be put in an order: all numbers, or all texts, or all lists of such."""
    kinds = {("a number" if is_number(item) else kind_of(item)) for item in items}
    if len(kinds) > 1 or kinds & {"null", "a mapping", "a secret"}:
        raise ExpressionError("`{}` can't put {} in an order".format(name, " and ".join(sorted(kinds))))
    try:
        return order(items)
    except TypeError:
        raise ExpressionError(
            f"`{name}` can't put these lists in an order: their elements differ in kind"
        ) from None


def _round(value: Any, digits: Any = None) -> Any:
    _expect("round", value, is_number(value), "a number")
    if digits is None:
        return round(value)
    _expect("round", digits, isinstance(digits, int) and abs(digits) <= 400, "a small whole number of digits")
    return round(value, int(digits))


def _abs(value: Any) -> Any:
    _expect("abs", value, is_number(value), "a number")
    return abs(value)


def _int(value: Any) -> int:
    if is_number(value):
        return int(check_number(int(value)))
    text = _number_text("int", value)
    try:
        return int(check_number(int(text, 10)))
    except ValueError:
        raise ExpressionError(f"`int` can't read `{text}` as a whole number") from None


def _float(value: Any) -> float:
    if is_number(value):
        return float(value)
    text = _number_text("float", value)
    try:
        number = float(text)
    except ValueError:
        raise ExpressionError(f"`float` can't read `{text}` as a number") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ExpressionError(f"`{text}` is not a finite number")
    return number


def _number_text(name: str, value: Any) -> str:
    _expect(name, value, isinstance(value, str) and not isinstance(value, SecretName), "a number or text")
    text = str(value).strip()
    if len(text) > 400 or not text.isascii():
        raise ExpressionError(f"`{name}` can't read this text as a number")
    return text


def _join(items: Any, separator: Any = ",") -> str:
    """`join(list, separator)`; the separator is a comma unless given, as in GitHub Actions."""
    _expect("join", items, isinstance(items, (list, tuple)), "a list and a separator")
    _expect("join", separator, isinstance(separator, str), "text as separator")
    texts = [to_text(item) for item in items]
    if sum(map(len, texts)) + len(separator) * len(texts) > MAX_TEXT:
        raise ExpressionError(f"the text is too long: at most {MAX_TEXT:,} characters")
    return to_text(separator).join(texts)


def _path_function(name: str, function: Callable[[str], str]) -> Callable[[Any], Any]:
    def apply(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [apply(item) for item in value]
        good = isinstance(value, str) and not isinstance(value, SecretName)
        _expect(name, value, good, "a path or a list of paths")
        return function(str(value))

    return apply


def _basename(path: str) -> str:
    return posixpath.basename(path.rstrip("/"))


def _stem(path: str) -> str:
    return posixpath.splitext(_basename(path))[0]


def _dirname(path: str) -> str:
    """`.` for a bare name, as the command says, so that `${{ dirname(x) }}/y` is never an absolute path."""
    return posixpath.dirname(path.rstrip("/") or path) or "."


def _range(*bounds: Any) -> List[int]:
    for bound in bounds:
        _expect("range", bound, isinstance(bound, int), "whole numbers")
    if len(bounds) == 3 and not bounds[2]:
        raise ExpressionError("`range` takes a step other than 0")
    start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    # Counted by hand: len() of a range over 2**63 raises.
    count = max(0, -((start - stop) // step))
    if count > MAX_ELEMENTS:
        raise ExpressionError(f"a list may have {MAX_ELEMENTS:,} elements, this would have {count:,}")
    return list(range(*bounds))


def _sorted(items: Any) -> List[Any]:
    _expect("sorted", items, isinstance(items, (list, tuple, Mapping)), "a list")
    ordered: List[Any] = _ordered("sorted", sorted, list(items))
    return ordered


BUILTIN: Dict[str, Callable[..., Any]] = {
    "len": _len,
    "min": _extreme("min", min),
    "max": _extreme("max", max),
    "round": _round,
    "abs": _abs,
    "str": to_text,
    "int": _int,
    "float": _float,
    "join": _join,
    "basename": _path_function("basename", _basename),
    "stem": _path_function("stem", _stem),
    "dirname": _path_function("dirname", _dirname),
    "range": _range,
    "sorted": _sorted,
}
