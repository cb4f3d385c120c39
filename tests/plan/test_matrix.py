"""Combinations as GitHub Actions makes them, and names that tell typed values apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlorch.model import ArtifactPath
from mlorch.plan.matrix import combinations, counted_axes, suffix_of, typed

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1000, 1000),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(max_size=12),
    st.sampled_from(["1", "1.0", "true", "null", "a-b", "-1", "", "."]),
)


def test_product_keeps_the_order_of_axes_and_values() -> None:
    assert combinations({"a": [1, 2], "b": ["x", "y"]}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]


def test_exclude_matches_in_all_its_keys_and_by_type() -> None:
    axes = {"depth": [3, 9], "fold": [0, 1]}
    assert {"depth": 9, "fold": 0} not in combinations(axes, exclude=[{"depth": 9, "fold": 0}])
    assert len(combinations(axes, exclude=[{"depth": 9}])) == 2
    assert len(combinations(axes, exclude=[{"depth": "9"}])) == 4
    assert len(combinations(axes, exclude=[{"depth": True}])) == 4


def test_include_extends_what_it_does_not_contradict_else_stands_alone() -> None:
    axes = {"fruit": ["apple", "pear"], "animal": ["cat"]}
    made = combinations(
        axes,
        include=[
            {"color": "green"},
            {"fruit": "apple", "shape": "circle"},
            {"fruit": "banana"},
            {"fruit": "banana", "animal": "cat"},
        ],
    )
    assert made == [
        {"fruit": "apple", "animal": "cat", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


def test_an_axis_counts_only_if_every_combination_has_it() -> None:
    items = combinations({"a": [1, 2]}, include=[{"a": 3, "b": 1}])
    assert counted_axes(items, ["a"]) == ("a",)
    assert counted_axes([], ["a"]) == ("a",)


def test_names_read_like_the_values() -> None:
    assert suffix_of({"depth": 3, "fold": 0}) == "3-0"
    assert suffix_of({"kernel": "squared"}) == "squared"
    assert suffix_of({"lr": 0.1}) == "0.1"
    assert suffix_of({"part": ArtifactPath("data/parts/a-1.csv")}) == "a-1.csv"


@given(st.lists(st.tuples(SCALARS, SCALARS), min_size=2, max_size=8))
def test_different_typed_values_never_share_a_name(pairs: list) -> None:
    names = {}
    for left, right in pairs:
        signature = (typed(left), typed(right))
        name = suffix_of({"a": left, "b": right})
        assert names.setdefault(name, signature) == signature
        assert name.strip(".") and "/" not in name and "\n" not in name


@given(SCALARS, SCALARS)
def test_one_axis_likewise(left: object, right: object) -> None:
    if typed(left) != typed(right):
        assert suffix_of({"a": left}) != suffix_of({"a": right})
