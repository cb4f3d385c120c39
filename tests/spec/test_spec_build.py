"""What a valid pipeline becomes."""

from __future__ import annotations

import os
from typing import Any

from mlorch import spec
from mlorch.model import (
    CachePolicy,
    FunctionRef,
    Matrix,
    Pipeline,
    Place,
    Retry,
    Step,
    Template,
    Timeout,
)

CASES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cases", "valid")


def case(name: str) -> Pipeline:
    return spec.load(os.path.join(CASES, name + ".yaml"), CASES)


def shown(template: Any) -> str:
    assert isinstance(template, Template)
    return str(template)


def test_everything_at_the_top() -> None:
    pipeline = case("everything")
    assert (pipeline.name, pipeline.file, pipeline.root) == ("flights", "everything.yaml", CASES)
    assert (pipeline.description, pipeline.owner, pipeline.python) == ("d", "o", ".venv/bin/python")
    assert pipeline.params["gate"] == {"min_auc": 0.65}
    assert pipeline.param_places["gate.min_auc"] == Place("everything.yaml", 7, 70)
    assert pipeline.capacity == {"cpus": 8, "memory": 16 << 30, "gpus": 1, "db": 2}
    assert list(pipeline.steps) == [
        "version",
        "extract",
        "train",
        "select",
        "publish",
        "eval.score",
        "eval.show",
    ]
    assert [source.path for source in pipeline.sources] == ["everything.yaml", "parts/evaluate.yaml"]
    assert pipeline.hooks and pipeline.hooks.on_failure[0].shell == "bash"
    assert pipeline.place == Place("everything.yaml", 2, 1)


def test_a_step_with_everything() -> None:
    step = case("everything").steps["train"]
    assert isinstance(step.run, Template) and len(step.run.expressions) == 5
    assert isinstance(step.matrix, Matrix)
    assert step.matrix.axes["depth"] == [3, 6, 9]
    assert shown(step.matrix.axes["fold"]) == "${{ range(params.folds) }}"
    assert step.matrix.exclude == ({"depth": 9, "fold": 0},)
    assert shown(step.outputs["model"].path) == "models/${{ step.instance }}/model.joblib"
    assert step.params == ("features",)
    assert step.code == ("pipelines/flights/**/*.sql",)
    assert {name: shown(value) for name, value in step.env.items()} == {
        "TZ": "Europe/Paris",
        "OMP_NUM_THREADS": "2",
    }
    assert step.resources == {"cpus": 2, "memory": 4 << 30, "gpus": 0}
    assert step.retry == Retry(3, 5.0, 2.0, 60.0, 0.1, ("timeout", "killed", 75))
    assert step.timeout == Timeout(1800.0, 30.0)
    assert step.checkpoint is True
    assert step.tags == ("nightly",)
    assert step.pass_env == ("AWS_*", "WANDB_MODE")


def test_undeclared_is_merged_like_any_default() -> None:
    steps = case("undeclared").steps
    assert (steps["strict"].undeclared, steps["loose"].undeclared) == ("error", "ignore")
    assert case("everything").steps["train"].undeclared == "", "then the settings say it"


def test_secrets_of_pipeline_and_step_are_united() -> None:
    assert case("everything").steps["version"].secrets == ("DB_URL",)
    assert case("everything").steps["version"].cache == CachePolicy(True, 86400.0, None)


def test_call_where_checks_effect_and_condition() -> None:
    pipeline = case("everything")
    select, publish = pipeline.steps["select"], pipeline.steps["publish"]
    assert select.call == FunctionRef("pipelines.flights.steps", "select", select.places["call"])
    assert str(select.call) == "pipelines.flights.steps:select"
    assert select.inputs["deep"].where == {"depth": 9}
    assert shown(select.inputs["deep"].path) == "${{ steps.train.outputs.model }}"
    assert select.checks[0].condition.source == "metrics.auc >= params.gate.min_auc"
    assert [check.severity for check in select.checks] == ["error", "warn"]
    assert publish.condition is not None and publish.condition.source == "params.month > 0"
    assert shown(publish.effect) == "production/flights"
    assert pipeline.steps["extract"].inputs["airports"].store is True


def test_steps_of_an_include_have_its_scope() -> None:
    pipeline = case("include")
    step = pipeline.steps["eval.show"]
    assert (step.id, step.scope, step.needs) == ("eval.show", "eval", ("eval.score",))
    assert step.condition is not None and step.condition.scope == "eval"
    assert step.inputs["m"].path.expressions[0].scope == "eval"
    assert step.place.file == "parts/evaluate.yaml"
    assert step.timeout == Timeout(3600.0)
    assert step.env["DEPTH"].expressions[0].scope == "", "a default belongs to the file in which it stands"
    assert pipeline.steps["again.show"].needs == ("again.score",)
    assert shown(pipeline.includes["eval"]["model"]) == "${{ steps.train.outputs.model }}"
    assert pipeline.includes["again"] == {"model": "old/model.bin", "test": "data/test.csv"}
    assert [source.path for source in pipeline.sources].count("parts/evaluate.yaml") == 1


def test_lists_and_single_paths_are_mappings_by_base_name() -> None:
    steps = case("shapes").steps
    assert list(steps["one"].inputs) == ["raw"] and list(steps["one"].outputs) == ["clean"]
    assert list(steps["list"].inputs) == ["clean", "extra"]
    assert steps["list"].inputs["extra"].store is True
    assert list(steps["list"].outputs) == ["plots", "model"]
    run = steps["list"].run
    assert isinstance(run, tuple)
    assert [str(part) for part in run[:4]] == ["python", "prog.py", "3", "true"]
    assert steps["glob"].inputs["all"].exclude == ("*.tmp.csv",)
    assert (steps["glob"].shell, steps["glob"].needs) == ("sh", ("list",))


def test_conditions_may_leave_the_braces_out() -> None:
    steps = case("conditions").steps
    sources = {name: step.condition.source if step.condition else None for name, step in steps.items()}
    assert sources == {
        "a": "params.on",
        "b": "always()",
        "c": "failure()",
        "d": "false",
        "e": "not failure() and steps.a.status != 'skipped'",
        "f": None,
    }
    assert steps["f"].cache == CachePolicy(enabled=False)


def test_a_borrowed_matrix_and_typed_values() -> None:
    steps = case("matrix").steps
    assert steps["score"].matrix == Matrix(borrow="train")
    assert steps["train"].matrix is not None
    values = steps["train"].matrix.axes["depth"]
    assert [type(value) for value in values] == [int, str, float, list]


def test_defaults_are_merged_key_by_key_and_the_step_wins(load: Any) -> None:
    pipeline = load(
        """
        version: 1
        name: x
        secrets: [A]
        env: {X: "1", Y: "1"}
        defaults:
          shell: sh
          retry: {max_attempts: 2, delay: 5s}
          timeout: 1h
          env: {Y: "2", Z: "2"}
          tags: [a]
        steps:
          plain: {run: "true"}
          own:
            run: "true"
            shell: bash
            retry: {max_attempts: 3}
            timeout: {after: 5s, grace: 1s}
            env: {Z: "3"}
            secrets: [B]
            tags: []
          list: {run: ["true"]}
          call: {call: "m:f"}
        """
    )
    plain, own = pipeline.steps["plain"], pipeline.steps["own"]
    assert (plain.shell, plain.retry, plain.timeout) == ("sh", Retry(2, 5.0), Timeout(3600.0))
    assert (own.shell, own.retry, own.timeout) == ("bash", Retry(3, 5.0), Timeout(5.0, 1.0))
    assert {name: str(value) for name, value in plain.env.items()} == {"X": "1", "Y": "2", "Z": "2"}
    assert {name: str(value) for name, value in own.env.items()} == {"X": "1", "Y": "2", "Z": "3"}
    assert (plain.tags, own.tags) == (("a",), ())
    assert (plain.secrets, own.secrets) == (("A",), ("A", "B"))
    assert pipeline.steps["list"].shell == "bash"
    assert pipeline.steps["call"].shell == "bash"


def test_a_grace_period_joins_the_default_timeout(load: Any) -> None:
    pipeline = load(
        """
        version: 1
        name: x
        defaults: {timeout: {after: 1h, grace: 30s}}
        steps: {a: {run: "true", timeout: 5m}}
        """
    )
    assert pipeline.steps["a"].timeout == Timeout(300.0, 30.0)


def test_places_name_every_value() -> None:
    step: Step = case("everything").steps["train"]
    text = {source.path: source.text.split("\n") for source in case("everything").sources}
    expected = {
        "run": ">",
        "matrix.depth": "[3, 6, 9]",
        "matrix.exclude.0.depth": "9",
        "inputs.raw": "${{ steps.extract",
        "outputs.model": "models/",
        "params.0": "features",
        "env.OMP_NUM_THREADS": '"2"',
        "resources.cpus": "2",
        "retry.on.2": "75",
        "timeout.after": "30m",
        "tags.0": "nightly",
    }
    for name, beginning in expected.items():
        place = step.places[name]
        assert text[place.file][place.line - 1][place.column - 1 :].startswith(beginning), name
    assert case("everything").steps["publish"].places["if"].line > step.place.line
    shapes = case("shapes").steps["list"]
    assert shapes.places["inputs.extra"].line == shapes.places["inputs.1"].line


def test_numbers_in_commands_and_variables_stay_as_written(load: Any) -> None:
    step = load(
        """
        version: 1
        name: x
        steps:
          a: {run: [prog, 1.50, 0x1F, True, 1e3], env: {A: 1.50, B: FALSE, C: 007}}
        """
    ).steps["a"]
    assert [str(part) for part in step.run] == ["prog", "1.50", "0x1F", "true", "1e3"]
    assert [str(value) for value in step.env.values()] == ["1.50", "false", "007"]


def test_the_same_file_twice_in_the_root_gives_the_same_pipeline_from_any_folder(
    load: Any, tmp_path: Any
) -> None:
    first = load("version: 1\nname: x\nsteps: {a: {run: 'true'}}\n")
    os.makedirs(str(tmp_path / "sub"))
    before = os.getcwd()
    os.chdir(str(tmp_path / "sub"))
    try:
        assert load("version: 1\nname: x\nsteps: {a: {run: 'true'}}\n") == first
    finally:
        os.chdir(before)
