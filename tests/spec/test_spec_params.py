"""Params: files, `--params-file`, `-p`."""

from __future__ import annotations

from typing import Any

import pytest

from mlorch.errors import UsageError
from mlorch.model import Place

TEXT = """
version: 1
name: x
params: {window: 7, gate: {min_auc: 0.65, max: 1}, names: [a], empty: {}, text: hello}
steps: {a: {run: "echo ${{ params.window }}"}}
"""


@pytest.mark.parametrize(
    ("override", "name", "value"),
    [
        ("window=14", "window", 14),
        ("window=1e-4", "window", 1e-4),
        ("window='14'", "window", "14"),
        ("window=yes", "window", "yes"),
        ("window=", "window", None),
        ("window=a=b", "window", "a=b"),
        ("names=[b, c]", "names", ["b", "c"]),
        ("gate.min_auc=0.7", "gate", {"min_auc": 0.7, "max": 1}),
        ("gate={min_auc: 0.7}", "gate", {"min_auc": 0.7, "max": 1}),
        ("gate=off", "gate", "off"),
        ("empty={new: 1}", "empty", {"new": 1}),
        (" window =1", "window", 1),
    ],
)
def test_overrides(load: Any, override: str, name: str, value: Any) -> None:
    assert load(TEXT, overrides=[override]).params[name] == value


@pytest.mark.parametrize(
    ("override", "message", "hint"),
    [
        ("windw=1", "there is no param `windw`", "did you mean `window`?"),
        ("gate.min_acc=1", "there is no param `gate.min_acc`", "did you mean `gate.min_auc`?"),
        ("gate={other: 1}", "there is no param `gate.other`", "the params are `gate.max`, `gate.min_auc`"),
        ("window.days=1", "`window` in `-p window.days=1` is not a mapping", "set `window` as a whole"),
        ("window", "`-p window` says no value", "write `-p name=value`"),
        ("=1", "`-p =1` says no value", "write `-p name=value`"),
        ("window=[1", None, None),
        ("window=${{ params.text }}", None, None),
        ("window=.nan", None, None),
        ("window=1\n---\n2", None, None),
    ],
)
def test_odd_overrides_are_usage_errors(load: Any, override: str, message: Any, hint: Any) -> None:
    with pytest.raises(UsageError) as caught:
        load(TEXT, overrides=[override])
    assert message is None or caught.value.message == message
    assert hint is None or caught.value.hint == hint
    assert caught.value.hint


def test_a_pipeline_without_params_says_so(load: Any) -> None:
    with pytest.raises(UsageError) as caught:
        load("version: 1\nname: x\nsteps: {a: {run: 'true'}}\n", overrides=["a=1"])
    assert caught.value.hint == "the pipeline has no `params`"


def test_problems_of_the_file_are_told_before_odd_overrides(refuse: Any) -> None:
    problems = refuse(TEXT + "odd: 1\n", overrides=["windw=1"])
    assert [problem.code for problem in problems] == ["E102"]


def test_overrides_apply_in_order_and_have_places(load: Any) -> None:
    pipeline = load(TEXT, overrides=["window=1", "gate={min_auc: 0}", "window=2"])
    assert pipeline.params["window"] == 2
    assert pipeline.param_places["window"] == Place("-p window")
    assert pipeline.param_places["gate.min_auc"].file == "-p gate"
    assert pipeline.param_places["gate.max"].file == "pipeline.yaml"


def test_a_params_file_is_merged_deeply_and_overrides_win(load: Any, tmp_path: Any) -> None:
    more = tmp_path / "more.yaml"
    more.write_text("gate: {max: 2}\nextra: 1\nwindow: 8\n")
    pipeline = load(TEXT, params_file=str(more), overrides=["window=9"])
    assert pipeline.params["gate"] == {"min_auc": 0.65, "max": 2}
    assert (pipeline.params["extra"], pipeline.params["window"]) == (1, 9)
    assert pipeline.param_places["gate.max"] == Place("more.yaml", 1, 13)


def test_a_missing_params_file_is_a_usage_error(load: Any) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        load(TEXT, params_file="/nowhere/params.yaml")


def test_a_broken_params_file_is_told_at_its_place(refuse: Any, tmp_path: Any) -> None:
    (tmp_path / "more.yaml").write_text("a: ${{ params.b }}\na: 1\n")
    problems = refuse(TEXT, params_file=str(tmp_path / "more.yaml"))
    assert [(problem.code, str(problem.place)) for problem in problems] == [
        ("E514", "more.yaml:1:4"),
        ("E107", "more.yaml:2:1"),
    ]


def test_params_of_a_file_in_the_pipeline(load: Any, refuse: Any) -> None:
    text = "version: 1\nname: x\nparams: conf/p.yaml\nsteps: {a: {run: 'echo ${{ params.a.b }}'}}\n"
    pipeline = load(text, {"conf/p.yaml": "a: {b: 1}\n"})
    assert pipeline.params == {"a": {"b": 1}}
    assert pipeline.param_places["a.b"] == Place("conf/p.yaml", 1, 8)
    assert [source.path for source in pipeline.sources] == ["pipeline.yaml", "conf/p.yaml"]
    problems = refuse(text, {"conf/p.yaml": "# nothing\n"})
    assert [problem.code for problem in problems] == ["E204"]


def test_a_params_file_behind_a_symlink_that_leaves_the_root_is_refused(
    refuse: Any, load: Any, tmp_path: Any
) -> None:
    outside = tmp_path.parent / (tmp_path.name + "-outside")
    outside.mkdir()
    (outside / "p.yaml").write_text("a: 1\n")
    (tmp_path / "p.yaml").symlink_to(outside / "p.yaml")
    text = "version: 1\nname: x\nparams: p.yaml\nsteps: {a: {run: 'echo ${{ params.a }}'}}\n"
    assert [problem.code for problem in refuse(text)] == ["E401"]
    assert load(text, allow=[str(outside)]).params == {"a": 1}
