"""docs/cli.md names every verb, option, setting and exit code, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from mlorch.cli.build import VERBS, build
from mlorch.errors import ExitCode
from mlorch.settings import KEYS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
COMMAND = typer.main.get_command(build(list(VERBS)))


def options(command):
    return {
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name[0] == "-"
    }


def section(verb: str) -> str:
    """What the document says of a verb (a heading may name two)."""
    found = re.search(rf"^### [^\n]*`mlorch {verb}\b.*?(?=^##)", TEXT, re.S | re.M)
    assert found, verb
    return found.group()


SHARED = options(COMMAND)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_each_option_of_each_verb_is_told(verb):
    own = options(COMMAND.commands[verb]) - SHARED - {"--help", "-h"}
    text = section(verb)
    for option in own:
        assert re.search(rf"`{re.escape(option)}\b", text), (verb, option)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_no_option_is_told_that_is_not_there(verb):
    told = set(re.findall(r"`(--?[a-z][a-z-]*)", section(verb)))
    known = set().union(*(options(COMMAND.commands[name]) for name in VERBS)) | SHARED
    assert told <= known


def test_the_options_of_every_verb():
    text = TEXT[TEXT.index("## Options of every verb") : TEXT.index("## Verbs")]
    for option in SHARED | {"-h", "--help"}:
        assert f"`{option}" in text, option


def test_every_setting_and_variable_is_told():
    for key in KEYS:
        assert f"| `[{key.section}] {key.name}` | `{key.variable}` |" in TEXT


def test_every_exit_code_is_told():
    table = TEXT[TEXT.index("## Exit codes") :]
    for code in ExitCode:
        assert re.search(rf"\b{int(code)}\b", table), code
