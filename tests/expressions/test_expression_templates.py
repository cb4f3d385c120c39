"""Text with expressions in it."""

from __future__ import annotations

from typing import Any, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlorch.errors import ExpressionError
from mlorch.expressions import SecretName, render, render_tree, split, to_text
from mlorch.model import ArtifactPath, Place, Template

PLACE = Place("mlorch.yaml", 10, 5)
NAMES = {
    "params": {
        "a": 1,
        "yes": True,
        "no": False,
        "f": 1e16,
        "none": None,
        "list": [1],
        "t": "x",
        "m": {"k": 1},
    }
}


def sources(text: str) -> List[str]:
    return [expression.source for expression in split(text, PLACE).expressions]


def test_splitting() -> None:
    assert split("", PLACE).literal == ""
    assert split("plain $ { text }}", PLACE).literal == "plain $ { text }}"
    template = split("a ${{ params.a }} b ${{params.b}}", PLACE, "eval")
    assert [str(part) for part in template.parts] == ["a ", "${{ params.a }}", " b ", "${{ params.b }}"]
    assert {expression.scope for expression in template.expressions} == {"eval"}
    assert split("${{ x }}", PLACE).whole is not None
    assert split(" ${{ x }}", PLACE).whole is None


def test_an_end_inside_quotes_is_none() -> None:
    assert sources("${{ '}}' + \"}}\" }} and ${{ 'it\\'s }}' }}") == ["'}}' + \"}}\"", "'it\\'s }}'"]
    assert sources("${{ params.a } }}") == ["params.a }"]
    assert sources("${{ '${{' }}") == ["'${{'"]
    assert sources("${{ a }}}") == ["a"]
    assert sources("${{}}") == [""]


def test_places_of_expressions() -> None:
    template = split("ab ${{  params.a }}\n  ${{ params.b }}${{\nparams.c }}", PLACE)
    assert [expression.place for expression in template.expressions] == [
        Place("mlorch.yaml", 10, 5 + 8),
        Place("mlorch.yaml", 11, 7),
        Place("mlorch.yaml", 12, 1),
    ]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("a ${{ params.a", 2, "unterminated `${{`"),
        ("${{ a }} ${{ b }", 9, "unterminated `${{`"),
        ("x${{ it's }}", 1, "unterminated string in `${{`"),
    ],
)
def test_unterminated(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        split(text, PLACE)
    assert (caught.value.column, caught.value.message) == (column, message)
    assert caught.value.hint


@settings(deadline=None)
@given(st.text(alphabet="a${}'\"\\ \n", max_size=40))
def test_parts_put_together_are_the_text(text: str) -> None:
    try:
        template = split(text, PLACE)
    except ExpressionError as error:
        assert text[error.column : error.column + 3] == "${{"
        return
    position = 0
    for part in template.parts:
        if isinstance(part, str):
            assert text[position : position + len(part)] == part
            position += len(part)
        else:
            position = text.index(part.source, position + 3) + len(part.source)
            position = text.index("}}", position) + 2
    assert position == len(text)


def test_rendering() -> None:
    assert render(split("${{ params.list }}", PLACE), NAMES) == [1]
    assert render(split("${{ params.none }}", PLACE), NAMES) is None
    assert render(split("", PLACE), NAMES) == ""
    assert render(split("a${{ params.a }}-${{ params.yes }}${{ params.no }}", PLACE), NAMES) == "a1-truefalse"
    assert render(split("${{ params.f }}${{ params.t }}", PLACE), NAMES) == "1e+16x"
    path = ArtifactPath("a", "s")
    assert render(split("${{ params.p }}", PLACE), {"params": {"p": path}}) is path
    text = render(split("${{ params.p }}b", PLACE), {"params": {"p": path}})
    assert text == "ab" and type(text) is str


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("params.none", "`params.none`: null can't become text"),
        ("params.list", "`params.list`: a list can't become text outside `run`"),
        ("params.m", "`params.m`: a mapping can't become text"),
        ("params.s", "`params.s`: a secret can't become part of other text"),
    ],
)
def test_what_text_can_not_hold(source: str, message: str) -> None:
    names = {"params": {**NAMES["params"], "s": SecretName("KEY")}}
    with pytest.raises(ExpressionError) as caught:
        render(split(f"x ${{{{ {source} }}}}", PLACE), names)
    assert caught.value.message == message
    assert caught.value.hint


def test_trees() -> None:
    tree: Any = {
        "a": [split("${{ params.a }}", PLACE), "b"],
        "c": {"d": split("x${{ params.a }}", PLACE)},
        "e": 1,
    }
    assert render_tree(tree, NAMES) == {"a": [1, "b"], "c": {"d": "x1"}, "e": 1}
    assert isinstance(tree["a"][0], Template)


def test_scalars_as_text() -> None:
    values = [True, False, 1, 0.1, 1e-7, -3, "x", ArtifactPath("p"), float("inf")]
    assert [to_text(value) for value in values] == [
        "true",
        "false",
        "1",
        "0.1",
        "1e-07",
        "-3",
        "x",
        "p",
        "inf",
    ]
    assert type(to_text(ArtifactPath("p"))) is str
