"""Evaluation: a checked tree becomes closures once, which then run for each instance."""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping as MappingType
from typing import Any, Callable, Dict, List, Mapping, Tuple, Type

from mlorch.errors import ExpressionError, did_you_mean
from mlorch.expressions.functions import (
    BUILTIN,
    MAX_BITS,
    MAX_ELEMENTS,
    MAX_TEXT,
    SecretName,
    check_number,
    kind_of,
)
from mlorch.expressions.syntax import WORDS, parse, remembered, subscript_index
from mlorch.model import Value

MAX_WORK = 4_000_000
"""Elements (or sixteen characters) that one evaluation may copy, compare or sort."""

_SCALARS = frozenset([str, int, float, bool, type(None)])


class Frame:
    """What one evaluation sees, and how much it may still do."""

    __slots__ = ("functions", "names", "work")

    def __init__(self, names: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> None:
        self.names = names
        self.functions = functions
        self.work = MAX_WORK

    def spend(self, *values: Any) -> None:
        for value in values:
            if isinstance(value, (list, tuple)):
                self.work -= len(value)
            elif isinstance(value, str):
                self.work -= len(value) >> 4
        if self.work < 0:
            raise ExpressionError("the expression does too much work", hint="do it in a step")


Program = Callable[[Frame], Any]

_NOTHING: Mapping[str, Callable[..., Any]] = {}


def evaluate(
    source: str,
    names: Mapping[str, Any],
    functions: Mapping[str, Callable[..., Any]] = _NOTHING,
    beside: Tuple[str, ...] = (),
) -> Value:
    """The value of an expression.

    Args:
        names: namespace -> mapping or value; mappings may be lazy: what they raise beside KeyError passes.
        functions: `success failure always env_or`, as far as they are there in this context.
        beside: names in `names` that are no namespaces of the language.

    Raises ExpressionError with a column of `source`.
    """
    value = _program(source, beside)(Frame(names, functions))
    return value if value.__class__ in _SCALARS else finished(value)


def finished(value: Any) -> Value:
    """A result whose lazy mappings are dicts and whose size is within bounds. Raises ExpressionError."""
    if isinstance(value, str):
        return value
    return _plain(value, [MAX_ELEMENTS], 0)


def _plain(value: Any, left: List[int], depth: int) -> Any:
    if value.__class__ in _SCALARS or not isinstance(value, (list, tuple, MappingType)):
        return value
    left[0] -= len(value)
    if left[0] < 0 or depth > 200:
        raise ExpressionError(f"the result is too large: a value may have {MAX_ELEMENTS:,} elements")
    if isinstance(value, MappingType):
        return {str(key): _plain(value[key], left, depth + 1) for key in value}
    return [item if item.__class__ in _SCALARS else _plain(item, left, depth + 1) for item in value]


@remembered(1024)
def _program(source: str, beside: Tuple[str, ...] = ()) -> Program:
    return _Compiler(source).compile(parse(source, beside))


class _Compiler:
    """Makes one closure for each node. `lenient` inside `first(…)`: a member of null is null."""

    def __init__(self, source: str, lenient: bool = False) -> None:
        self.source = source
        self.lenient = lenient

    def compile(self, node: ast.expr) -> Program:
        if isinstance(node, ast.Constant):
            constant = node.value
            return lambda _: constant
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.Attribute):
            key = node.attr
            return self._member(node, self.compile(node.value), lambda _: key)
        if isinstance(node, ast.Subscript):
            return self._member(node, self.compile(node.value), self.compile(subscript_index(node)))
        if isinstance(node, ast.Call):
            return self._call(node)
        return self._operation(node)

    def _operation(self, node: ast.expr) -> Program:
        if isinstance(node, ast.BoolOp):
            return self._boolean(node)
        if isinstance(node, ast.IfExp):
            test, body, orelse = self.compile(node.test), self.compile(node.body), self.compile(node.orelse)
            return lambda frame: body(frame) if test(frame) else orelse(frame)
        if isinstance(node, ast.List):
            items = [self.compile(item) for item in node.elts]
            return lambda frame: [item(frame) for item in items]
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        assert isinstance(node, ast.BinOp)
        return self._binary(node)

    def _here(self, node: ast.expr, error: ExpressionError) -> ExpressionError:
        """An error of some deeper part, told at this node."""
        length = max(1, (node.end_col_offset or 0) - node.col_offset)
        return ExpressionError(error.message, node.col_offset, error.hint, length)

    def _text(self, node: ast.expr) -> str:
        return self.source[node.col_offset : node.end_col_offset]

    def _name(self, node: ast.Name) -> Program:
        name = node.id
        if name in WORDS:
            word = WORDS[name]
            return lambda _: word

        def look_up(frame: Frame) -> Any:
            try:
                return frame.names[name]
            except KeyError:
                raise self._here(node, ExpressionError(f"`{name}` can't be used here")) from None

        return look_up

    def _member(self, node: ast.expr, container: Program, index: Program) -> Program:
        lenient = self.lenient

        def member(frame: Frame) -> Any:
            value, key = container(frame), index(frame)
            if value is None and lenient:
                return None
            try:
                if isinstance(value, MappingType):
                    return value[key]
                return _element(value, key)
            except (KeyError, TypeError):
                raise self._here(node, self._missing(node, value, key)) from None
            except ExpressionError as error:
                raise self._here(node, error) from None

        return member

    def _missing(self, node: ast.expr, value: Any, key: Any) -> ExpressionError:
        assert isinstance(node, (ast.Attribute, ast.Subscript))
        what = self._text(node.value)
        if isinstance(value, MappingType):
            hint = did_you_mean(str(key), [str(name) for name in value]) or _known(value)
            return ExpressionError(f"`{what}` has no `{key}`", hint=hint)
        if value is None:
            return ExpressionError(
                f"`{what}` is null, so it has no `{key}`",
                hint=f"`first({what}, …)` gives a fallback",
            )
        return ExpressionError(f"`{what}` is {kind_of(value)}, so it has no `{key}`")

    def _call(self, node: ast.Call) -> Program:
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        if name == "first":
            return self._first(node)
        arguments = [self.compile(argument) for argument in node.args]
        builtin = BUILTIN.get(name)

        def call(frame: Frame) -> Any:
            values = [argument(frame) for argument in arguments]
            function = builtin or frame.functions.get(name)
            try:
                if function is None:
                    raise ExpressionError(f"`{name}()` can't be used here")
                frame.spend(*values)
                result = function(*values)
                frame.spend(result)
                return result
            except ExpressionError as error:
                raise self._here(node, error) from None
            except (OverflowError, ValueError):
                raise self._here(node, ExpressionError(f"`{name}` has no result for this")) from None

        return call

    def _first(self, node: ast.Call) -> Program:
        inner = _Compiler(self.source, lenient=True)
        arguments = [inner.compile(argument) for argument in node.args]

        def first(frame: Frame) -> Any:
            for argument in arguments:
                value = argument(frame)
                if value is not None:
                    return value
            return None

        return first

    def _boolean(self, node: ast.BoolOp) -> Program:
        values = [self.compile(value) for value in node.values]
        until = isinstance(node.op, ast.Or)

        def boolean(frame: Frame) -> Any:
            result = None
            for value in values:
                result = value(frame)
                if bool(result) is until:
                    break
            return result

        return boolean

    def _unary(self, node: ast.UnaryOp) -> Program:
        operand = self.compile(node.operand)
        if isinstance(node.op, ast.Not):
            return lambda frame: not operand(frame)
        negative = isinstance(node.op, ast.USub)

        def unary(frame: Frame) -> Any:
            value = operand(frame)
            if not isinstance(value, (int, float)):
                sign = "-" if negative else "+"
                raise self._here(node, ExpressionError(f"`{sign}` takes a number, found {kind_of(value)}"))
            return -value if negative else +value

        return unary

    def _binary(self, node: ast.BinOp) -> Program:
        left, right = self.compile(node.left), self.compile(node.right)
        sign, function = _ARITHMETIC[type(node.op)]

        def binary(frame: Frame) -> Any:
            a, b = left(frame), right(frame)
            try:
                if isinstance(a, (int, float)) and isinstance(b, (int, float)):
                    return check_number(_power(a, b) if sign == "**" else function(a, b))
                return _concatenate(frame, sign, a, b)
            except ExpressionError as error:
                raise self._here(node, error) from None
            except ZeroDivisionError:
                raise self._here(node, ExpressionError("division by zero")) from None
            except OverflowError:
                raise self._here(node, ExpressionError("the number is too large")) from None

        return binary

    def _compare(self, node: ast.Compare) -> Program:
        first = self.compile(node.left)
        rest = [
            (_COMPARISONS[type(op)], self.compile(value)) for op, value in zip(node.ops, node.comparators)
        ]

        def compare(frame: Frame) -> Any:
            left = first(frame)
            for (sign, function), program in rest:
                right = program(frame)
                try:
                    frame.spend(left, right)
                    if isinstance(left, SecretName) or isinstance(right, SecretName):
                        raise ExpressionError("a secret can't be compared")
                    good = function(left, right)
                except TypeError:
                    raise self._here(node, _incomparable(sign, left, right)) from None
                except ExpressionError as error:
                    raise self._here(node, error) from None
                if not good:
                    return False
                left = right
            return True

        return compare


def _incomparable(sign: str, left: Any, right: Any) -> ExpressionError:
    if sign in ("in", "not in"):
        return ExpressionError(f"`{sign}` can't look for {kind_of(left)} in {kind_of(right)}")
    hint = "`first(…, 0)` gives a fallback for null" if left is None or right is None else ""
    return ExpressionError(f"`{sign}` can't compare {kind_of(left)} with {kind_of(right)}", hint=hint)


def _element(value: Any, key: Any) -> Any:
    """An element of a list or a character of text. Raises ExpressionError, TypeError."""
    if not isinstance(value, (list, tuple, str)) or isinstance(value, SecretName):
        raise TypeError
    if not isinstance(key, int) or isinstance(key, bool):
        raise ExpressionError(f"{kind_of(value)} is indexed by whole numbers, found {kind_of(key)}")
    try:
        return value[key]
    except IndexError:
        raise ExpressionError(f"index {key} is out of range: there are {len(value)} elements") from None


def _known(value: Mapping[str, Any]) -> str:
    names = [str(name) for name in value][:12]
    return "it has: {}".format(", ".join(names)) if names else "it is empty"


def _power(a: Any, b: Any) -> Any:
    if (
        isinstance(a, int)
        and isinstance(b, int)
        and b > 0
        and a not in (-1, 0, 1)
        and a.bit_length() * b > MAX_BITS * 2
    ):
        raise ExpressionError(f"the number is too large: whole numbers may have {MAX_BITS} bits")
    return a**b


def _concatenate(frame: Frame, sign: str, a: Any, b: Any) -> Any:
    """`+` of two texts or two lists. Raises ExpressionError."""
    if sign == "+":
        if (
            isinstance(a, str)
            and isinstance(b, str)
            and not isinstance(a, SecretName)
            and not isinstance(b, SecretName)
        ):
            frame.spend(a, b)
            if len(a) + len(b) > MAX_TEXT:
                raise ExpressionError(f"the text is too long: at most {MAX_TEXT:,} characters")
            return str(a) + str(b)
        if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
            frame.spend(a, b)
            if len(a) + len(b) > MAX_ELEMENTS:
                raise ExpressionError(f"the list is too long: at most {MAX_ELEMENTS:,} elements")
            return [*a, *b]
    hint = ""
    if sign == "+" and isinstance(a, str) != isinstance(b, str):
        hint = "`str(…)` makes text of a number, `int(…)` a number of text"
    return _bad_operands(sign, a, b, hint)


def _bad_operands(sign: str, a: Any, b: Any, hint: str) -> Any:
    wanted = "two numbers, two texts or two lists" if sign == "+" else "numbers"
    raise ExpressionError(f"`{sign}` takes {wanted}, found {kind_of(a)} and {kind_of(b)}", hint=hint)


_ARITHMETIC: Dict[Type[ast.operator], Any] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
    ast.Pow: ("**", operator.pow),
}
_COMPARISONS: Dict[Type[ast.cmpop], Any] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.In: ("in", lambda item, items: item in items),
    ast.NotIn: ("not in", lambda item, items: item not in items),
}
