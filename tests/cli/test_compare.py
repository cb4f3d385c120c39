"""Comparisons: rows, orders, means over an axis, and the condition of --fail-if."""

from __future__ import annotations

import pytest

from mlorch.errors import UsageError
from mlorch.history.compare import (
    compare_instances,
    compare_runs,
    find_row,
    flatten,
    only_changed,
    over_axis,
    same,
    sort_columns,
)
from mlorch.history.detail import RunView, StepView
from mlorch.history.fail_if import holds
from mlorch.ports import RunInfo

NAN = float("nan")


def view(name: str, *steps: StepView, **params) -> RunView:
    return RunView(RunInfo(name, "mlorch.yaml", "demo", 0.0, 1.0, "succeeded", {}, {"params": params}), steps)


def step(instance: str, axes=None, **metrics) -> StepView:
    return StepView(instance, instance.split("@")[0], "succeeded", axes=axes or {}, metrics=metrics)


OLD = view("aaa", step("train", auc=0.8, loss=NAN), step("load", rows=10), depth=3, model={"kind": "svm"})
NEW = view("bbb", step("train", auc=0.75, loss=NAN), depth=6, model={"kind": "svm"})
FOLDS = view(
    "ccc",
    *(
        step(f"fit@{depth}-{fold}", {"depth": depth, "fold": fold}, auc=depth / 10 + fold / 100, note="x")
        for depth in (3, 6)
        for fold in (0, 1)
    ),
    step("select", auc=0.61),
)


def rows(comparison):
    return {(row.kind, row.name): row.values for row in comparison.rows}


def test_runs_side_by_side():
    found = rows(compare_runs([OLD, NEW]))
    assert found[("param", "depth")] == (3, 6)
    assert found[("param", "model.kind")] == ("svm", "svm")
    assert found[("metric", "train.auc")] == (0.8, 0.75)
    assert found[("metric", "load.rows")] == (10, None)


def test_what_differs_and_by_how_much():
    comparison = only_changed(compare_runs([OLD, NEW]))
    differences = {row.name: row.difference for row in comparison.rows}
    assert differences == {"depth": None, "train.auc": pytest.approx(-0.05), "load.rows": None}


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1, True),
        (1, 1.0, False),
        (True, 1, False),
        (NAN, NAN, True),
        ("a", "a", True),
        ([1], [1], True),
        (None, 0, False),
    ],
)
def test_equal_means_equal_in_type_too(one, other, equal):
    assert same(one, other) is equal


def test_flat_names():
    assert flatten({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}


def test_instances_of_a_run():
    comparison = compare_instances(FOLDS)
    assert [column.name for column in comparison.columns] == ["fit@3-0", "fit@3-1", "fit@6-0", "fit@6-1"]
    assert rows(comparison)[("axis", "depth")] == (3, 3, 6, 6)
    assert rows(compare_instances(FOLDS, "select"))[("metric", "auc")] == (0.61,)
    with pytest.raises(UsageError) as caught:
        compare_instances(FOLDS, "fitt")
    assert caught.value.hint == "did you mean `fit`?"
    with pytest.raises(UsageError, match="no step with a matrix"):
        compare_instances(OLD)


def test_sorting_columns():
    comparison = sort_columns(compare_instances(FOLDS), "-auc")
    assert [column.name for column in comparison.columns] == ["fit@6-1", "fit@6-0", "fit@3-1", "fit@3-0"]
    comparison = sort_columns(compare_runs([NEW, OLD, view("ddd")]), "train.auc")
    assert [column.name for column in comparison.columns] == ["bbb", "aaa", "ddd"]


def test_mean_and_deviation_over_an_axis():
    comparison = over_axis(compare_instances(FOLDS), "fold")
    assert [column.name for column in comparison.columns] == ["fit@3", "fit@6"]
    found = rows(comparison)
    assert found[("metric", "auc")] == (pytest.approx(0.305), pytest.approx(0.605))
    assert found[("metric", "auc.sd")] == (pytest.approx(0.00707, abs=1e-5), pytest.approx(0.00707, abs=1e-5))
    assert found[("metric", "note")] == ("x", "x")
    assert ("axis", "fold") not in found
    with pytest.raises(UsageError) as caught:
        over_axis(compare_instances(FOLDS), "folds")
    assert caught.value.hint == "did you mean `fold`?"
    with pytest.raises(UsageError):
        over_axis(compare_runs([OLD, NEW]), "fold")


def test_names_of_rows():
    comparison = compare_runs([OLD, NEW])
    assert find_row(comparison, "auc", "--sort-by").name == "train.auc"
    with pytest.raises(UsageError, match="--sort-by"):
        find_row(comparison, "acu", "--sort-by")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("metrics.auc < 0.76", True),
        ("metrics.train.auc < 0.7", False),
        ("metrics.auc < with.metrics.auc - 0.01", True),
        ("metrics.auc < with.metrics.auc - 0.1", False),
        ("params.depth != with.params.depth", True),
        ('metrics["train.auc"] == 0.75', True),
    ],
)
def test_a_condition_on_the_second_run(source, expected):
    assert holds(source, compare_runs([OLD, NEW])) is expected


def test_a_condition_on_instances_asks_all_of_them():
    assert holds("metrics.auc > 0.6 and matrix.fold == 1", compare_instances(FOLDS))
    assert holds("metrics.auc < 0.305", compare_instances(FOLDS))
    assert not holds("metrics.auc > 0.9", compare_instances(FOLDS))


@pytest.mark.parametrize(
    "source", ["metrics.acu < 1", "metrics.auc <", "open('x')", "metrics.auc < 'a'", "nothing"]
)
def test_a_condition_that_can_not_be_told_is_a_usage_error(source):
    with pytest.raises(UsageError, match="--fail-if"):
        holds(source, compare_runs([OLD, NEW]))
