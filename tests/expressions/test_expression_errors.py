"""What is no expression: the exact message, column and length, the same on every Python."""

from __future__ import annotations

from typing import Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlorch.errors import ExpressionError
from mlorch.expressions import FUNCTIONS, NAMESPACES, calls, parse, references

CASES = [
    ("", 0, 1, "an expression was expected between `${{` and `}}`"),
    ("1 +", 2, 1, "the expression ends where a value was expected"),
    ("(1", 0, 1, "`(` is never closed"),
    ("1)", 1, 1, "`)` closes nothing"),
    ("[1)", 2, 1, "`)` closes nothing"),
    ("1, 2", 1, 1, "`,` stands outside brackets"),
    ("params a", 7, 1, "an operator was expected before `a`"),
    ("prams.a", 0, 5, "unknown name `prams`"),
    ("1 + leen(3)", 4, 4, "unknown function `leen`"),
    ("len", 0, 3, "`len` is a function"),
    ("len()", 0, 3, "`len` takes 1 argument, found 0"),
    ("join(1, 2, 3)", 0, 4, "`join` takes 1 to 2 arguments, found 3"),
    ("always(1)", 0, 6, "`always` takes no arguments, found 1"),
    ("first()", 0, 5, "`first` takes at least 1 argument, found 0"),
    ("params.x.upper()", 0, 14, "only functions can be called, not values"),
    ("len(x=1)", 5, 1, "`=` is not part of the language"),
    ("len(*params)", 4, 1, "a value was expected, found `*`"),
    ("params.a && true", 9, 2, "`&&` is not part of the language"),
    ("!true", 0, 1, "`!` is not part of the language"),
    ("params[1:2]", 8, 1, "`:` is not part of the language"),
    ("params[1, 2]", 0, 1, "one index was expected in `[ ]`"),
    ("{}", 0, 1, "`{` is not part of the language"),
    ("lambda", 0, 6, "`lambda` is not part of the language"),
    ("[x for x in params]", 3, 3, "an operator was expected before `for`"),
    ("a if b", 5, 1, "`if` without `else`"),
    ("1 else 2", 2, 4, "`else` without `if`"),
    ("1 not 2", 2, 3, "`not` stands where an operator was expected"),
    ("1 + not 2", 0, 1, "this is not an expression"),
    ("1 is 2", 0, 6, "`is` is not part of the language"),
    ("(1, 2)", 0, 6, "a list in round brackets is not part of the language"),
    ("()", 0, 2, "a list in round brackets is not part of the language"),
    ("'abc", 0, 1, "the string that begins here has no end"),
    ("'a\nb'", 0, 1, "the string that begins here has no end"),
    ("f'x'", 1, 1, "a string after `f` is not part of the language"),
    ("'a''b'", 3, 1, "a string after `'a'` is not part of the language"),
    ("'a' 'b'", 4, 3, "an operator was expected before `'b'`"),
    ("'\\d'", 1, 2, "`\\d` means nothing in a string"),
    ("'\\ud800'", 1, 6, "`\\ud800` means nothing in a string"),
    ("0777", 0, 4, "`0777` is not a number: it begins with 0"),
    ("1__0", 0, 4, "`1__0` is not a number"),
    ("1j", 0, 2, "`1j` is not a number"),
    ("3params", 0, 7, "`3params` is not a number"),
    ("1e999", 0, 5, "a number as large as this is not part of the language"),
    ("params.", 6, 1, "the expression ends where a value was expected"),
    ("params.1", 6, 2, "an operator was expected before `.1`"),
    ("params. 1", 8, 1, "a name was expected after `.`"),
    ("\u00e9", 0, 1, "`\u00e9` is not part of the language"),
    ("__import__('os')", 0, 10, "unknown function `__import__`"),
    ("params.__class__.x()", 0, 18, "only functions can be called, not values"),
    ("-" * 200 + "1", 64, 1, "an expression may be nested 64 deep"),
    ("(" * 31 + "1" + ")" * 31, 30, 1, "brackets may be nested 30 deep"),
    ("1" * 4_001, 0, 1, "an expression may have 4,000 characters, this has 4,001"),
    ("1+" * 600 + "1", 0, 1, "an expression may have 1,000 words and signs"),
]


@pytest.mark.parametrize(("source", "column", "length", "message"), CASES)
def test_errors(source: str, column: int, length: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(source)
    error = caught.value
    assert (error.message, error.column, error.length) == (message, column, length)


HINTS = [
    ("prams.a", "did you mean `params`?"),
    ("leen(1)", "did you mean `len`?"),
    ("params.learning-rate", 'a key with a dash is written `params["learning-rate"]`'),
    ("success", "call it: `success(…)`"),
    ("a.b", "names begin with one of: checkpoint, env,"),
    ("a || b", "write `or`"),
    ("1 ? 2", "write `a if condition else b`"),
    ("1 is 2", "write `==` or `!=`"),
]


@pytest.mark.parametrize(("source", "hint"), HINTS)
def test_hints(source: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(source)
    assert caught.value.hint.startswith(hint)


@settings(deadline=None)
@given(st.text(alphabet="params.ab12 ()[],'\"+-*/%<>=!&|notifelse\\\n\u00e9{}:#@", max_size=30))
def test_any_text_is_an_expression_or_an_error_with_a_place(source: str) -> None:
    try:
        parse(source)
    except ExpressionError as error:
        assert 0 <= error.column <= len(source)
        assert error.message[0] in "`abcdefghijklmnopqrstuvwxyz"


Path = Tuple[str, ...]

REFERENCES = [
    ("steps.train.outputs.model", [("steps", "train", "outputs", "model")]),
    ('params["a-b"].c', [("params", "a-b", "c")]),
    ("params[matrix.k].c", [("params",), ("matrix", "k")]),
    ("params.list[0].x", [("params", "list")]),
    ("with.model", [("with", "model")]),
    ("params.from.if.None", [("params", "from", "if", "None")]),
    ("checkpoint", [("checkpoint",)]),
    ("len(inputs.a) + inputs.b if success() else -inputs.c", [("inputs", c) for c in "abc"]),
    ("[params.a, [params.b]] != params . c", [("params", c) for c in "abc"]),
    ("(params.a)", [("params", "a")]),
    ("(params).a", [("params", "a")]),
    ("true and null", []),
    ("'params.a'", []),
    ("'\u00e9\u00e9' + params.a", [("params", "a")]),
]


@pytest.mark.parametrize(("source", "paths"), REFERENCES)
def test_references(source: str, paths: list[Path]) -> None:
    assert [reference.path for reference in references(source)] == paths


def test_places_of_references() -> None:
    source = "'\u00e9' + first(steps.a.outputs.x, [params.b]) + params.c"
    found = references(source)
    assert [source[item.column : item.column + item.length] for item in found] == [
        "steps.a.outputs.x",
        "params.b",
        "params.c",
    ]
    assert [item.guarded for item in found] == [True, True, False]


def test_places_of_calls() -> None:
    source = "not failure() and len( join(['a'], 'len(') ) > 0"
    assert [(call.name, source[call.column : call.column + call.length]) for call in calls(source)] == [
        ("failure", "failure"),
        ("len", "len"),
        ("join", "join"),
    ]


def test_the_names_of_the_language() -> None:
    functions = "len min max round abs str int float join basename stem dirname range sorted first env_or"
    assert set(functions.split()) | {"success", "failure", "always"} == FUNCTIONS
    namespaces = "params matrix inputs outputs steps step run env secrets with checkpoint metrics"
    assert set(namespaces.split()) == set(NAMESPACES)
