"""The page of promises can't be out of date: its tests are there, and it is what its sources make."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from typing import List

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from promises import PROMISES, Promise
from write import PAGE, TESTS, counted, figures, page

ROOT = Path(TESTS).parent
SEALED = {"mlorch/store/answers.py"}
"""Unmarshals (texts, bytes and numbers, no code) what bears the seal of the user's own key, looked at before."""
EVALUATING = {"eval", "exec", "compile", "__import__"}
UNPICKLING = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "_pickle"}


def functions_of(path: str) -> List[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: str(promise.number))
def test_the_tests_of_a_promise_are_there(promise: Promise) -> None:
    assert promise.tests
    for test in promise.tests:
        path, _, name = test.partition("::")
        there = functions_of("tests/" + path)
        assert (name in there) if name else any(item.startswith("test_") for item in there), test


def test_the_promises_are_numbered_and_each_figure_belongs_to_one() -> None:
    numbers = [promise.number for promise in PROMISES]
    assert numbers == list(range(1, 16))
    named = [*figures("faults")["campaigns"].values(), *figures("mutants")["mutants"].values()]
    assert all(set(item["promises"]) <= set(numbers) and item["promises"] for item in named)


def test_the_page_is_what_its_sources_make() -> None:
    assert Path(PAGE).read_text(encoding="utf-8") == page(), "run `make promises`"


def test_the_figures_are_those_of_todays_campaigns_and_mutants() -> None:
    sys.path.insert(0, os.path.join(TESTS, "mutants"))
    from mutants import MUTANTS

    assert list(figures("mutants")["mutants"]) == [item.name for item in MUTANTS], "run `make mutants`"
    if sys.platform != "linux":
        return
    sys.path.insert(0, os.path.join(TESTS, "faults"))
    from bench import MEANT
    from suite import campaigns

    found = figures("faults")["campaigns"]
    faults, others = counted(found)
    assert sum(faults.values()) >= MEANT and len(faults) >= 6 and others["round"] >= 200
    for campaign in campaigns():
        there = found.get(campaign.name)
        if there is None:  # the page says that it has no figures yet
            continue
        assert list(there["faults"]) == list(campaign.kinds), f"run `make faults FAULTS='{campaign.name}'`"
        short = [kind for kind, meant in campaign.kinds.items() if there["faults"][kind] < meant]
        assert there["missing"] or not short, f"{campaign.name}: fewer than meant: {short}"


def test_nothing_is_unpickled_or_evaluated() -> None:
    """Of our own modules. (A step's own code, which `inside/` starts, is another matter.)"""
    found: List[str] = []
    for path in sorted((ROOT / "mlorch").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if "/inside/" in name or "/templates/" in name or name in SEALED:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            place = f"{name}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in EVALUATING:
                found.append(f"{place} {node.func.id}")
            if isinstance(node, ast.Import):
                found += [
                    f"{place} {item.name}" for item in node.names if item.name.split(".")[0] in UNPICKLING
                ]
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNPICKLING:
                found.append(f"{place} {node.module}")
    assert found == []
