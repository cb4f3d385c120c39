"""Whatever a file holds: a pipeline, or problems with a place and a remedy; never another exception."""

from __future__ import annotations

import os
import random
import tempfile
from typing import Any, List

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlorch import spec
from mlorch.errors import SpecError
from mlorch.model import Pipeline
from mlorch.spec.schema import schema

CASES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cases")
QUICK = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def survive(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as root:
        path = os.path.join(root, "p.yaml")
        with open(path, "wb") as file:
            file.write(data)
        try:
            assert isinstance(spec.load(path, root), Pipeline)
        except SpecError as error:
            assert error.problems
            lines = data.decode("utf-8", "replace").count("\n") + data.count(b"\r") + 1
            for problem in error.problems:
                assert problem.message and problem.hint, problem
                assert 1 <= problem.place.line <= lines and problem.place.column >= 1


@QUICK
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    survive(data)


@QUICK
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    survive(text.encode("utf-8", "replace"))


@QUICK
@given(st.text(alphabet=" \n\t-:{}[]&*!|>'\"%@`#,?<$ab01.~=", max_size=80))
def test_any_text_of_yaml_signs(text: str) -> None:
    survive(text.encode())


def known_keys(part: Any) -> List[str]:
    found = list(part.get("properties", {})) if isinstance(part, dict) else []
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        found.extend(known_keys(inner))
    return sorted(set(found))


KEYS = st.sampled_from([*known_keys(schema()), "a", "train", "x-y", "B", "0"])
TEXTS = st.sampled_from(
    [
        "${{ steps.a.outputs.b }}",
        "${{ params.a }}",
        "${{ matrix.a + }}",
        "${{",
        "a/b.csv",
        "/etc",
        "../x",
        "*.csv",
        "",
        "m:f",
        "bash",
        "5s",
        "1GiB",
        "${{ steps.a.matrix }}",
        "echo '${{ params.a }}'",
        "x" * 50,
        "é\u2028\x85",
        "{{ a }}",
    ]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=15,
)
STEPS = st.dictionaries(
    st.sampled_from(["a", "b", "train", "Bad"]), st.dictionaries(KEYS, TREES, max_size=6), max_size=4
)


@QUICK
@given(st.fixed_dictionaries({"version": st.just(1), "name": st.just("x"), "steps": STEPS}), TREES)
def test_any_document_of_known_keys(document: Any, more: Any) -> None:
    document = {**(more if isinstance(more, dict) else {}), **document}
    survive(yaml.safe_dump(document, allow_unicode=True, sort_keys=False).encode())


def test_valid_files_with_one_thing_changed() -> None:
    """Delete, double, swap or replace a piece of a pipeline that uses every key."""
    chosen = random.Random(7)
    with open(os.path.join(CASES, "valid", "everything.yaml"), encoding="utf-8") as file:
        text = file.read().replace("parts/evaluate.yaml", "missing.yaml")
    lines = text.split("\n")
    for _ in range(80):
        changed = list(lines)
        at = chosen.randrange(len(changed))
        kind = chosen.randrange(5)
        if kind == 0:
            del changed[at]
        elif kind == 1:
            changed.insert(at, chosen.choice(lines))
        elif kind == 2:
            changed[at] = changed[at][: chosen.randrange(len(changed[at]) + 1)]
        elif kind == 3:
            changed[at] = " " * chosen.randrange(6) + changed[at].lstrip()
        else:
            column = chosen.randrange(len(changed[at]) + 1)
            changed[at] = changed[at][:column] + chosen.choice("{}[]:#&*'\"\t-${") + changed[at][column:]
        survive("\n".join(changed).encode())
