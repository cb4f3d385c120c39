"""What people see who write a pipeline in VS Code, or wherever yaml-language-server helps: asked of that server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List, Set

import pytest
from language_server import ROOT, LanguageServer

from mlorch.cli import main
from mlorch.cli.init import SCHEMA

Start = Callable[[Path, Dict[str, Any]], LanguageServer]
CASES = ROOT / "tests" / "cases"
OF_SCHEMA = ("E102", "E103", "E104", "E105", "E106", "E115", "E118")
"""Codes of mistakes that a schema may see."""
UNSEEN = {
    "E104-input-without-path",  # `path` and `from` exclude each other, which takes `oneOf`
    "E105-axis-not-a-list",  # it might be an expression that gives a list,
    "E105-cpus-in-quotes",  # or a number
    "E105-comment-only",  # there is nothing to underline
    "E105-params-file-list",  # that stands in another file
    "E106-zero-timeout",
    "E115-number-as-key",
}
"""Those that it can't, though they have such a code."""
HEAD = "version: 1\nname: x\nsteps:\n  load:\n    "


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, start: Start) -> Dict[str, Any]:
    """A project from `init --editor vscode`, and the server with the settings that stand there."""
    folder = tmp_path_factory.mktemp("project")
    assert main(["init", str(folder), "--editor", "vscode", "-q"]) == 0
    settings = json.loads((folder / ".vscode" / "settings.json").read_text(encoding="utf-8"))
    return {"folder": folder, "server": start(folder, settings)}


@pytest.fixture(scope="module")
def plain(start: Start) -> LanguageServer:
    """The server without a setting, as other editors start it: it has the first line of each file only."""
    return start(ROOT, {})


@pytest.fixture(scope="module")
def told(start: Start) -> LanguageServer:
    """The server with our schema for every file of the repository."""
    return start(ROOT, {"yaml.schemas": {"schemas/pipeline.schema.json": ["*.yaml"]}})


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# ------------------------------------------------------------------------------------------------ what is underlined


def test_nothing_that_is_valid_is_underlined(told: LanguageServer) -> None:
    files = [*CASES.glob("valid/*.yaml"), *CASES.glob("run/*.yaml"), *ROOT.glob("pipelines/*.yaml")]
    assert len(files) > 15
    found = {path.name: lines for path, lines in zip(files, told.diagnostics(*files)) if lines}
    # the server does not know the tag of a float, which is YAML all the same
    assert found == {"scalars.yaml": ["7: Unresolved tag: tag:yaml.org,2002:float"]}


def test_whatever_the_schema_can_see_is_underlined(told: LanguageServer) -> None:
    files = sorted(path for path in CASES.glob("invalid/*.yaml") if path.name[:4] in OF_SCHEMA)
    assert len(files) > 45
    silent = {path.stem for path, lines in zip(files, told.diagnostics(*files)) if not lines}
    assert silent == UNSEEN


def test_it_is_underlined_where_it_stands_with_words_to_mend_it(told: LanguageServer) -> None:
    files = [
        CASES / "invalid" / f"{name}.yaml" for name in ("E102-unknown-key", "E106-goal", "E105-retry-number")
    ]
    assert told.diagnostics(*files) == [
        ["9: Property neds is not allowed."],
        ['7: Value is not accepted. Valid values: "max", "min".'],
        ['3: Incorrect type. Expected "a mapping such as `{max_attempts: 3, delay: 5s}`".'],
    ]


# ------------------------------------------------------------------------------------------ where the schema is found


def test_the_first_line_of_the_examples_names_the_schema(plain: LanguageServer, tmp_path: Path) -> None:
    text = (ROOT / "pipelines" / "digits.yaml").read_text(encoding="utf-8")
    shutil.copytree(str(ROOT / "schemas"), str(tmp_path / "schemas"))
    path = write(tmp_path, "pipelines/digits.yaml", text.replace("\nsteps:", "\nstepz:"))
    (lines,) = plain.diagnostics(path)
    assert any("stepz is not allowed" in line for line in lines)


@pytest.mark.parametrize("template", ["minimal", "shell", "sklearn"])
def test_the_first_line_of_a_template_names_the_schema(
    plain: LanguageServer, tmp_path: Path, template: str
) -> None:
    assert main(["init", str(tmp_path), "--template", template, "-q"]) == 0
    path = tmp_path / "mlorch.yaml"
    assert plain.diagnostics(path) == [[]]
    path.write_text(path.read_text(encoding="utf-8").replace("name:", "nam:", 1), encoding="utf-8")
    (lines,) = plain.diagnostics(path)
    assert [line.split(": ", 1)[1] for line in lines] == [
        'Missing property "name".',
        "Property nam is not allowed.",
    ]


def test_an_included_file_names_its_part_of_the_schema(plain: LanguageServer, tmp_path: Path) -> None:
    shutil.copyfile(str(ROOT / "schemas" / "pipeline.schema.json"), str(tmp_path / SCHEMA))
    first = f"# yaml-language-server: $schema=../{SCHEMA}#/definitions/included\n"
    text = (CASES / "valid" / "parts" / "evaluate.yaml").read_text(encoding="utf-8")
    right = write(tmp_path, "parts/right.yaml", first + text)
    wrong = write(tmp_path, "parts/wrong.yaml", first + text.replace("expects:", "expect:"))
    assert plain.diagnostics(right, wrong) == [[], ["2: Property expect is not allowed."]]


@pytest.mark.parametrize("name", ["mlorch.yaml", "pipeline.yml", "pipelines/nightly.yaml"])
def test_settings_give_the_schema_to_files_without_such_a_line(project: Dict[str, Any], name: str) -> None:
    path = write(project["folder"], name, "version: 1\nname: x\nstepz: {}\n")
    expected = ['1: Missing property "steps".', "3: Property stepz is not allowed."]
    assert project["server"].diagnostics(path) == [expected]


def test_settings_leave_other_files_alone(project: Dict[str, Any]) -> None:
    path = write(project["folder"], "compose.yaml", "services: {}\n")
    assert project["server"].diagnostics(path) == [[]]


# ------------------------------------------------------------------------------------------------ what is offered


def labels(project: Dict[str, Any], text: str) -> List[str]:
    found = project["server"].completion(project["folder"] / "mlorch.yaml", text)
    return [item["label"] for item in found]


def test_keys_are_offered_with_what_they_mean(project: Dict[str, Any]) -> None:
    found = project["server"].completion(project["folder"] / "mlorch.yaml", HEAD + "|\n")
    offered = {item["label"]: item.get("documentation", "") for item in found}
    schema = json.loads((ROOT / "schemas" / "pipeline.schema.json").read_text(encoding="utf-8"))
    keys = schema["definitions"]["step"]["properties"]
    assert offered == {name: about["description"] for name, about in keys.items()}


def test_keys_that_are_there_are_not_offered_again(project: Dict[str, Any]) -> None:
    found = labels(project, HEAD + "run: ./load\n    o|\n")
    assert "outputs" in found and "run" not in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shell: |\n", {"bash", "sh"}),
        ("undeclared: |\n", {"ignore", "warn", "error"}),
        ("goal:\n      auc: |\n", {"max", "min"}),
        ("continue_on_error: |\n", {"true", "false"}),
        ("retry:\n      |\n", {"max_attempts", "delay", "backoff", "max_delay", "jitter", "on"}),
    ],
)
def test_values_and_inner_keys_are_offered(project: Dict[str, Any], text: str, expected: Set[str]) -> None:
    assert set(labels(project, HEAD + text)) == expected


def test_keys_of_the_pipeline_are_offered(project: Dict[str, Any]) -> None:
    assert {"version", "name", "params", "steps", "notify"} <= set(labels(project, "|\n"))


# ---------------------------------------------------------------------------------------------------- what is told


def hover(project: Dict[str, Any], text: str) -> str:
    return project["server"].hover(project["folder"] / "mlorch.yaml", HEAD + text)


def test_a_key_is_told_with_title_meaning_and_each_example_once(project: Dict[str, Any]) -> None:
    found = hover(project, "run: ./load\n    matr|ix: {fold: [1]}\n")
    assert found.startswith("#### a mapping from axes to lists of values\n")
    assert "One instance of the step per combination of the axes' values." in found
    assert found.count("Example:") == 2 and "fold: ${{ range(5) }}" in found


def test_an_inner_key_is_told(project: Dict[str, Any]) -> None:
    found = hover(project, "run: ./load\n    retry: {max_at|tempts: 3}\n")
    assert "How often the step is tried in all." in found and "from 1 to 1000" in found


def test_every_key_of_a_step_is_told_with_an_example_and_none_twice(project: Dict[str, Any]) -> None:
    schema = json.loads((ROOT / "schemas" / "pipeline.schema.json").read_text(encoding="utf-8"))
    for name, about in schema["definitions"]["step"]["properties"].items():
        found = hover(project, f"{name[0]}|{name[1:]}:\n")
        examples = found.split("Example:")[1:]
        assert examples and len(set(examples)) == len(examples), (name, found)
        first = about["description"].split("`")[0].split("$")[0]
        assert first.strip() in found, (name, found)
