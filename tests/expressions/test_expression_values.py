"""What expressions evaluate to."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any, Dict, Iterator, List, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlorch.errors import ExpressionError
from mlorch.expressions import SecretName, evaluate, references
from mlorch.model import ArtifactPath

NAMES: Dict[str, Any] = {
    "params": {
        "a": 1,
        "f": 0.5,
        "yes": True,
        "none": None,
        "text": "abc",
        "list": [3, 1, 2],
        "nested": {"learning-rate": 0.1, "from": "x", "class": {"if": 7}},
        "paths": ["a/b.csv", "c.tar.gz"],
        "many": [0] * 300_000,
    },
    "matrix": {"depth": 3},
    "inputs": {"raw": ArtifactPath("data/raw.csv", "extract")},
    "secrets": {"KEY": SecretName("KEY")},
    "with": {"model": "m"},
    "checkpoint": "ck/",
}

VALUES = [
    ("params.a", 1),
    ("params.nested['learning-rate']", 0.1),
    ("params.nested.from", "x"),
    ("params.nested.class.if", 7),
    ('params["nested"]["class"]["if"]', 7),
    ("params . list [ 1 ]", 1),
    ("params.list[-1]", 2),
    ("params.list[params.a]", 1),
    ("params.text[0]", "a"),
    ("with.model", "m"),
    ("checkpoint", "ck/"),
    ("true", True),
    ("False", False),
    ("null", None),
    ("[1, 'a', [true]]", [1, "a", [True]]),
    ("[]", []),
    ("1 + 2 * 3", 7),
    ("7 // 2 + 7 % 2 - 7 / 2", 0.5),
    ("2 ** 10", 1024),
    ("2 ** -1", 0.5),
    ("-params.a", -1),
    ("+params.f", 0.5),
    ("'a' + 'b'", "ab"),
    ("[1] + params.list", [1, 3, 1, 2]),
    ("1 < 2 <= 2 != 3", True),
    ("1 == 1.0 and True == 1", True),
    ("'b' in params.text and 3 in params.list", True),
    ("'a' in params", True),
    ("'q' not in params", True),
    ("params.none == null", True),
    ("not params.list", False),
    ("params.none or 'fallback'", "fallback"),
    ("0 and 1", 0),
    ("'x' if params.yes else params.missing", "x"),
    ("true or params.missing", True),
    ("len(params.list) + len('abc') + len(params.nested)", 9),
    ("min(params.list)", 1),
    ("max(1, 2.5)", 2.5),
    ("min('b', 'a')", "a"),
    ("round(2.567, 2)", 2.57),
    ("round(2.5)", 2),
    ("abs(-3)", 3),
    ("str(1) + str(true) + str(0.5)", "1true0.5"),
    ("int('42') + int(3.9)", 45),
    ("float('1e-4')", 0.0001),
    ("join(params.list)", "3,1,2"),
    ("join(params.list, ' ')", "3 1 2"),
    ("join([], ' ')", ""),
    ("basename('a/b.csv')", "b.csv"),
    ("basename('a/b/')", "b"),
    ("stem('a/b.tar.gz')", "b.tar"),
    ("dirname('a/b/c')", "a/b"),
    ("dirname('c')", "."),
    ("dirname('a/b/')", "a"),
    ("dirname('/')", "/"),
    ("stem(params.paths)", ["b", "c.tar"]),
    ("stem(inputs.raw)", "raw"),
    ("range(3)", [0, 1, 2]),
    ("range(1, 3)", [1, 2]),
    ("range(3, 0, -2)", [3, 1]),
    ("range(0)", []),
    ("sorted(params.list)", [1, 2, 3]),
    ("sorted(params.nested.class)", ["if"]),
    ("first(params.none, params.a)", 1),
    ("first(params.none, null)", None),
    ("first(params.none.deeper.still, 2)", 2),
    ("first(false, 1)", False),
    ("env_or('HOME', 'x')", "HOME/x"),
    ("1_000", 1000),
    ("'\\u00e9\\n\\\\'", "\u00e9\n\\"),
    ("\n1\n+ 1\n", 2),
]


@pytest.mark.parametrize(("source", "expected"), VALUES)
def test_values(source: str, expected: Any) -> None:
    value = evaluate(source, NAMES, {"env_or": lambda name, other: f"{name}/{other}"})
    assert value == expected and type(value) is type(expected)


ERRORS = [
    ("params.aa", "`params` has no `aa`", "did you mean `a`?"),
    ("params.nested.z", "`params.nested` has no `z`", "it has: learning-rate, from, class"),
    ("params.a.b", "`params.a` is a number, so it has no `b`", ""),
    ("params.none.b", "`params.none` is null, so it has no `b`", "`first(params.none, …)` gives a fallback"),
    ("params.list.b", "a list is indexed by whole numbers, found text", ""),
    ("params.list[3]", "index 3 is out of range: there are 3 elements", ""),
    ("params.list[true]", "a list is indexed by whole numbers, found a boolean", ""),
    ("params[[1]]", "`params` has no `[1]`", ""),
    ("metrics.auc", "`metrics` can't be used here", ""),
    ("success()", "`success()` can't be used here", ""),
    ("1 + 'a'", "`+` takes two numbers, two texts or two lists, found a number and text", "`str(…)` makes"),
    ("'a' * 3", "`*` takes numbers, found text and a number", ""),
    ("[1] * 3", "`*` takes numbers, found a list and a number", ""),
    ("'%s' % 3", "`%` takes numbers, found text and a number", ""),
    ("-'a'", "`-` takes a number, found text", ""),
    ("1 // 0", "division by zero", ""),
    ("2 ** 0.5 ** 'a'", "`**` takes numbers, found a number and text", ""),
    ("(-8) ** 0.5", "the result is not a real number", ""),
    ("9**9**9", "the number is too large: whole numbers may have 256 bits", ""),
    ("1.5 ** 9999", "the number is too large", ""),
    ("2**255 * 2**255", "the number is too large: whole numbers may have 256 bits", ""),
    ("null < 1", "`<` can't compare null with a number", "`first(…, 0)`"),
    ("1 < 'a'", "`<` can't compare a number with text", ""),
    ("1 in 2", "`in` can't look for a number in a number", ""),
    ("1 in 'a'", "`in` can't look for a number in text", ""),
    ("min([])", "`min` of an empty list", ""),
    ("min(1)", "`min` takes a list, or two and more values, found a number", ""),
    ("max([1, 2], ['a', 0])", "`max` can't put these lists in an order: their elements differ in kind", ""),
    ("max([1, 'a'])", "`max` can't put a number and text in an order", ""),
    ("sorted([1, null])", "`sorted` can't put a number and null in an order", ""),
    ("len(1)", "`len` takes text, a list or a mapping, found a number", ""),
    ("int('3.5')", "`int` can't read `3.5` as a whole number", ""),
    ("int([])", "`int` takes a number or text, found a list", ""),
    ("float('nan')", "`nan` is not a finite number", ""),
    ("str([])", "a list can't become text outside `run`", "join"),
    ("join('a', [1])", "`join` takes a list and a separator, found text", ""),
    ("join([[1]], '')", "a list can't become text outside `run`", ""),
    ("basename(1)", "`basename` takes a path or a list of paths, found a number", ""),
    ("range(1.5)", "`range` takes whole numbers, found a number", ""),
    ("range(0, 1, 0)", "`range` takes a step other than 0", ""),
    ("range(10 ** 30)", "a list may have 1,000,000 elements, this would have 1" + ",000" * 10, ""),
    ("round(1, 'a')", "`round` takes a small whole number of digits, found text", ""),
    ("abs('a')", "`abs` takes a number, found text", ""),
    ("secrets.KEY + 'x'", "`+` takes two numbers, two texts or two lists, found a secret and text", ""),
    ("secrets.KEY == 'x'", "a secret can't be compared", ""),
    ("str(secrets.KEY)", "a secret can't become part of other text", "the step has it in its environment"),
    ("join([secrets.KEY], '')", "a secret can't become part of other text", ""),
    ("secrets.KEY[0]", "`secrets.KEY` is a secret, so it has no `0`", ""),
    ("secrets.KEYS", "`secrets` has no `KEYS`", "did you mean `KEY`?"),
]


@pytest.mark.parametrize(("source", "message", "hint"), ERRORS)
def test_errors_of_evaluation(source: str, message: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, NAMES)
    error = caught.value
    assert error.message == message
    assert error.hint.startswith(hint) or hint in error.hint
    assert 0 <= error.column < len(source) and error.length >= 1


def test_a_value_keeps_its_type() -> None:
    assert evaluate("inputs.raw", NAMES) is NAMES["inputs"]["raw"]
    assert evaluate("first(params.none, inputs.raw)", NAMES) is NAMES["inputs"]["raw"]
    assert evaluate("[inputs.raw]", NAMES)[0] is NAMES["inputs"]["raw"]
    assert evaluate("sorted([inputs.raw])", NAMES)[0] is NAMES["inputs"]["raw"]
    assert type(evaluate("inputs.raw + '.gz'", NAMES)) is str
    assert isinstance(evaluate("secrets.KEY", NAMES), SecretName)


class NotYetError(Exception):
    pass


class Lazy(Mapping[str, Any]):
    """Values are made when asked for, and each question is noted."""

    def __init__(self) -> None:
        self.asked: List[str] = []

    def __getitem__(self, name: str) -> Any:
        self.asked.append(name)
        if name == "later":
            raise NotYetError
        if name == "bad":
            raise ExpressionError("it is bad", 99, "mend it")
        if name not in ("a", "b"):
            raise KeyError(name)
        return name.upper()

    def __iter__(self) -> Iterator[str]:
        return iter(["a", "b"])

    def __len__(self) -> int:
        return 2


def test_lazy_mappings() -> None:
    lazy = Lazy()
    assert evaluate("first(steps.a, steps.b)", {"steps": lazy}) == "A"
    assert lazy.asked == ["a"]
    assert evaluate("steps", {"steps": lazy}) == {"a": "A", "b": "B"}
    with pytest.raises(NotYetError):
        evaluate("steps.later", {"steps": lazy})
    with pytest.raises(ExpressionError, match="has no `c`") as missing:
        evaluate("1 + steps.c", {"steps": lazy})
    assert (missing.value.column, missing.value.length) == (4, 7)
    with pytest.raises(ExpressionError, match="it is bad") as bad:
        evaluate("1 + steps.bad", {"steps": lazy})
    assert (bad.value.column, bad.value.length, bad.value.hint) == (4, 9, "mend it")


BOMBS = [
    "+".join(["params.many"] * 20),
    "[" + ",".join(["params.many"] * 100) + "]",
    " and ".join(["params.many == params.many + [1]"] * 20),
    " or ".join(["1 in params.many"] * 30),
    "join(range(1000000), join(range(1000000)))",
    "[sorted(range(1000000))" + ",sorted(range(1000000))" * 20 + "]",
    "len(" + "str(9**80) + " * 50 + "'')",
]


@pytest.mark.parametrize("source", BOMBS)
def test_bombs_end_soon(source: str) -> None:
    began = time.process_time()
    try:
        evaluate(source, NAMES)
    except ExpressionError as error:
        assert "too" in error.message or "may have" in error.message or "can't" in error.message
    assert time.process_time() - began < 5


def test_a_doubled_list_does_not_grow_without_end() -> None:
    source = "params.many"
    for _ in range(3):
        source = f"[{source}, {source}, {source}]"
    with pytest.raises(ExpressionError, match="too large"):
        evaluate(source, NAMES)


numbers = st.one_of(st.integers(-50, 50), st.floats(-50, 50, allow_nan=False).map(lambda x: round(x, 3)))
atoms = st.one_of(
    numbers.map(lambda x: f"({x!r})"), st.sampled_from(["True", "False", "'ab'", "'b'", "[1, 2]"])
)


def combine(inner: Any) -> Any:
    binary = st.sampled_from(
        ["+", "-", "*", "/", "//", "%", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in", "not in"]
    )
    return st.one_of(
        st.tuples(inner, binary, inner).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        st.tuples(inner, inner, inner).map(lambda x: f"({x[0]} if {x[1]} else {x[2]})"),
        inner.map(lambda x: f"(not {x})"),
        st.tuples(inner, inner).map(lambda x: f"[{x[0]}, {x[1]}]"),
        st.tuples(inner, inner).map(lambda x: f"max({x[0]}, {x[1]})"),
    )


@settings(max_examples=200, deadline=None)
@given(st.recursive(atoms, combine, max_leaves=8))
def test_what_evaluates_is_what_python_says(source: str) -> None:
    try:
        value = evaluate(source, {})
    except ExpressionError:
        return
    expected = eval(source, {"__builtins__": {}}, {"max": max})
    assert value == expected and type(value) is type(expected)


def test_what_is_remembered_of_expressions_stays_small() -> None:
    """A file may hold thousands of long ones; the syntax tree of one takes up to a megabyte."""
    tracemalloc.start()
    try:
        for number in range(300):
            source = f"[{number}{', 1' * 400}]"
            assert references(source) == () and len(evaluate(source, {})) == 401
        assert tracemalloc.get_traced_memory()[0] < 4_000_000
    finally:
        tracemalloc.stop()
