"""Comparisons: rows, orders, means over an axis, and the condition of --fail-if."""

from __future__ import annotations

import pytest

from mlorch.cli.compare import Format, compare_text
from mlorch.errors import UsageError
from mlorch.history.compare import (
    compare_instances,
    compare_runs,
    find_row,
    flatten,
    only_changed,
    same,
    sort_columns,
)
from mlorch.history.detail import RunView, StepView
from mlorch.history.fail_if import holds
from mlorch.history.folding import over_axis
from mlorch.ports import RunInfo
from mlorch.report.style import ESCAPES, PLAIN, Style

NAN = float("nan")


def view(name: str, *steps: StepView, goals=None, **params) -> RunView:
    meta = {"params": params, "goals": goals or {}}
    return RunView(RunInfo(name, "mlorch.yaml", "demo", 0.0, 1.0, "succeeded", {}, meta), steps)


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


def test_without_metrics_there_is_no_mean():
    bare = view("eee", *(step(f"copy@{fold}", {"fold": fold}) for fold in (0, 1)))
    with pytest.raises(UsageError, match="no metrics to take the mean of") as caught:
        over_axis(compare_instances(bare), "fold")
    assert "output `metrics`" in caught.value.hint


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
        ("metrics.auc < baseline.metrics.auc - 0.01", True),
        ("metrics.auc < baseline.metrics.auc - 0.1", False),
        ("params.depth != baseline.params.depth", True),
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


# ------------------------------------------------------------------------------------------------------------- goals

GOALS = {"fit": {"auc": "max", "loss": "min"}}
LEADERS = view(
    "ddd",
    *(
        step(
            f"fit@{depth}-{fold}",
            {"depth": depth, "fold": fold},
            depth=depth,
            loss=1 / (depth + fold),
            auc=depth / 10 + fold / 100,
        )
        for depth in (3, 6)
        for fold in (0, 1)
    ),
    step("fit@9-0", {"depth": 9, "fold": 0}, depth=9, auc=0.4, loss=NAN),
    StepView("fit@9-1", "fit", "failed", axes={"depth": 9, "fold": 1}),
    goals=GOALS,
)


def test_instances_stand_best_first_and_the_best_of_each_goal_is_known():
    comparison = compare_instances(LEADERS)
    names = [column.name for column in comparison.columns]
    assert names == ["fit@6-1", "fit@6-0", "fit@9-0", "fit@3-1", "fit@3-0", "fit@9-1"]
    found = {row.name: row for row in comparison.rows if row.kind == "metric"}
    assert list(found) == ["auc", "loss", "depth"], "in the order of the goals"
    assert (found["auc"].goal, found["auc"].best) == ("max", (0,))
    assert (found["loss"].goal, found["loss"].best) == ("min", (0,)), "NaN is never the best"


def test_folds_say_of_how_many_they_are_the_mean():
    comparison = over_axis(compare_instances(LEADERS), "fold")
    found = rows(comparison)
    assert [column.name for column in comparison.columns] == ["fit@6", "fit@9", "fit@3"]
    assert found[("count", "n")] == (2, 1, 2), "the one that failed has no metrics"
    assert found[("metric", "auc")] == (pytest.approx(0.605), 0.4, pytest.approx(0.305))
    assert found[("metric", "auc.sd")] == (
        pytest.approx(0.00707, abs=1e-5),
        0.0,
        pytest.approx(0.00707, abs=1e-5),
    )


def test_the_best_is_bold_or_has_a_star():
    comparison = over_axis(compare_instances(LEADERS), "fold")
    assert compare_text(comparison, Format.table, Style(unicode=False)).splitlines() == [
        "instance  depth  n                 auc                loss",
        "fit@6         6  2  0.6050 +/- 0.0071*  0.1548 +/- 0.0168*",
        "fit@9         9  1  0.4000 +/- 0.0000         nan +/- nan",
        "fit@3         3  2  0.3050 +/- 0.0071   0.2917 +/- 0.0589",
    ]
    painted = compare_text(comparison, Format.table, Style(color=True))
    assert "\x1b[1m0.6050 ± 0.0071\x1b[0m" in painted
    assert ESCAPES.sub("", painted).splitlines() == [
        "instance  depth  n              auc             loss",
        "fit@6         6  2  0.6050 ± 0.0071  0.1548 ± 0.0168",
        "fit@9         9  1  0.4000 ± 0.0000        nan ± nan",
        "fit@3         3  2  0.3050 ± 0.0071  0.2917 ± 0.0589",
    ], "what makes text bold takes no room"
    assert "| **0.6050 ± 0.0071** |" in compare_text(comparison, Format.md, PLAIN)
    assert (
        compare_text(comparison, Format.csv, PLAIN).splitlines()[0]
        == "instance,depth,n,auc,auc.sd,loss,loss.sd,depth,depth.sd"
    )


def test_a_difference_says_whether_it_is_better():
    old = view("aaa", step("train", auc=0.8, loss=0.5, n=1), goals={"train": {"auc": "max", "loss": "min"}})
    new = view("bbb", step("train", auc=0.7, loss=0.4, n=2), goals={"train": {"auc": "max", "loss": "min"}})
    lines = compare_text(compare_runs([old, new]), Format.table, PLAIN).splitlines()
    assert [line.split()[-2:] for line in lines[1:3]] == [["-0.1000", "worse"], ["-0.1000", "better"]]
    assert lines[3].endswith("+1")


def test_steps_that_disagree_on_a_goal_have_none():
    torn = view(
        "eee",
        step("a@1", {"n": 1}, x=1),
        step("b@1", {"n": 1}, x=2),
        goals={"a": {"x": "max"}, "b": {"x": "min"}},
    )
    assert all(not row.goal for row in compare_instances(torn).rows)


def test_hostile_names_stay_cells():
    comparison = compare_runs([view("aaa", step("t", **{"a|b": 1})), view("bbb", step("t", **{"a|b": 2}))])
    assert "a\\|b" in compare_text(comparison, Format.md, PLAIN)
