"""The documentation that is made of the schema, the registry of codes and the cases is up to date."""

from __future__ import annotations

import importlib.util
import os
import re
from types import ModuleType

import pytest

from mlorch.spec import schema
from mlorch.spec.codes import CODES

DOCS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs")


@pytest.fixture
def generate() -> ModuleType:
    specification = importlib.util.spec_from_file_location("docs_generate", os.path.join(DOCS, "generate.py"))
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def page(name: str) -> str:
    with open(os.path.join(DOCS, name), encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("name", ["errors.md", "language.md", "schemas.md"])
def test_pages_are_up_to_date(generate: ModuleType, name: str) -> None:
    assert generate.PAGES[name]() == page(name), "run `python docs/generate.py`"


def test_every_code_is_shown_with_an_example() -> None:
    sections = dict(
        re.findall(r"^### ([EW]\d+): (.*?)(?=^##|\Z)", page("errors.md"), re.MULTILINE | re.DOTALL)
    )
    assert set(sections) == set(CODES)
    for code in CODES:
        kind = "warning" if code.startswith("W") else "error"
        assert f"{kind}[{code}]: " in sections[code], code


def test_every_key_stands_in_the_table() -> None:
    text = page("language.md")
    for part in (schema(), schema()["definitions"]["step"]):
        for name in part["properties"]:
            assert f"\n| `{name}` |" in text


def test_check_tells_a_page_that_differs(generate: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0
    generate.PAGES["errors.md"] = lambda: "odd"
    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().out == "differs: errors.md\n"
