"""The schema is the one place where keys are declared, and teaches the language by itself."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Dict, Iterator, List, Set, Tuple, Type

import jsonschema
import pytest

from mlorch import model
from mlorch.spec import schema
from mlorch.spec.schema import schema_path

RENAMED = {
    "if": "condition",
    "with": "arguments",
    "finally": "finally_",
    "assert": "condition",
    "from": "path",
}
HOOKS = {"on_success", "on_failure", "finally_"}


def keys(part: Any) -> Set[str]:
    return {RENAMED.get(name, name) for name in part["properties"]}


def fields(type_: Type[Any], *without: str) -> Set[str]:
    return {field.name for field in dataclasses.fields(type_)} - set(without)


def definition(name: str) -> Any:
    return schema()["definitions"][name]


def test_it_is_a_draft_07_schema() -> None:
    jsonschema.Draft7Validator.check_schema(dict(schema()))
    with open(schema_path(), encoding="utf-8") as file:
        assert json.load(file) == schema()


def test_keys_of_a_step_are_the_fields_of_a_step() -> None:
    expected = (fields(model.Step, "id", "place", "places", "scope", "hooks")) | HOOKS
    assert keys(definition("step")) == expected


def test_keys_of_a_pipeline_are_the_fields_of_a_pipeline() -> None:
    made = ("file", "root", "place", "param_places", "sources", "warnings", "hooks", "includes")
    merged = {"version", "defaults", "include"}
    assert keys(schema()) - merged == (fields(model.Pipeline, *made)) | HOOKS | {"on_recovery"}


@pytest.mark.parametrize(
    ("name", "type_", "without"),
    [
        ("input", model.InputSpec, ()),
        ("output", model.OutputSpec, ()),
        ("retry", model.Retry, ()),
        ("timeout", model.Timeout, ()),
        ("cache", model.CachePolicy, ("enabled",)),
        ("check", model.Check, ()),
        ("hook", model.Hook, ("place",)),
        ("matrix", model.Matrix, ("axes", "borrow")),
    ],
)
def test_keys_of_parts_are_the_fields_of_their_types(
    name: str, type_: Type[Any], without: Tuple[str, ...]
) -> None:
    beside = {"notify"} if name == "hook" else set()  # a hook that notifies becomes a channel of the pipeline
    assert keys(definition(name)) - beside == fields(type_, *without)


def test_keys_of_a_channel_are_its_ways_and_the_fields_of_its_type() -> None:
    made = ("kind", "target", "place", "step", "failures", "lasting")
    ways = {"webhook", "email", "command", "apprise"}
    assert keys(definition("channel")) == fields(model.Channel, *made) | ways | {"after"}
    assert keys(definition("hookChannel")) == keys(definition("channel")) - {"on", "after"}


def test_defaults_are_keys_of_a_step_with_the_same_meaning() -> None:
    step, defaults = definition("step")["properties"], definition("defaults")["properties"]
    for name, part in defaults.items():
        assert part == step[name]


def parts(part: Any, path: str = "") -> Iterator[Tuple[str, Dict[str, Any]]]:
    """Every key's schema with its dotted name."""
    if isinstance(part, dict):
        for name, inner in part.get("properties", {}).items():
            yield path + name, inner
        for name, inner in part.items():
            if isinstance(inner, (dict, list)) and name != "examples":
                yield from parts(inner, path + name + ".")
    elif isinstance(part, list):
        for inner in part:
            yield from parts(inner, path)


def test_every_key_has_a_description_and_an_example_that_fits() -> None:
    found: List[str] = []
    for name, part in parts(schema()):
        found.append(name)
        assert part.get("description", "").endswith("."), name
        whole = {**part, "definitions": schema()["definitions"]}
        examples = {**referred(part), **part}.get("examples")
        assert examples, name
        for example in examples:
            jsonschema.Draft7Validator(whole).validate(example)
    assert len(found) > 90


def referred(part: Dict[str, Any]) -> Dict[str, Any]:
    """The definition that a part takes its meaning from; empty where it has none."""
    for reference in part.get("allOf", ()):
        name = reference["$ref"].rsplit("/", 1)[1]
        found: Dict[str, Any] = schema()["definitions"][name]
        return found
    return {}


def test_definitions_have_examples_that_fit() -> None:
    for name, part in schema()["definitions"].items():
        assert part.get("title"), "the title is what errors say was expected: " + name
        for example in part["examples"]:
            jsonschema.Draft7Validator({**part, "definitions": schema()["definitions"]}).validate(example)


def users(part: Any) -> Iterator[Dict[str, Any]]:
    """Every part that refers to a definition."""
    if isinstance(part, dict):
        if "allOf" in part:
            yield part
        for inner in part.values():
            yield from users(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from users(inner)


def test_what_is_said_of_a_key_is_said_in_one_place() -> None:
    """Editors show the description that stands deepest, and the examples of all."""
    found = list(users(schema()))
    for part in found:
        definition = referred(part)
        assert ("description" in part) != ("description" in definition), part
        assert part.get("examples") != definition["examples"], part
    assert len(found) > 60


def test_it_has_nothing_whose_errors_no_person_can_read() -> None:
    text = json.dumps(schema())
    for keyword in ('"oneOf"', '"anyOf"', '"not"', '"if": {"properties"', '"then"', '"dependencies"'):
        assert keyword not in text
