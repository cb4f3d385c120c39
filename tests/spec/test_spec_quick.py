"""The quick test of a document never says yes where jsonschema finds something."""

from __future__ import annotations

import copy
import os
import random
from typing import Any, Iterator, List, Tuple

import pytest
import yaml

from mlorch.spec import quick
from mlorch.spec.schema import _stripped, _validator, resolved

CASES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cases")
LARGEST = 3_000
ODD: List[Any] = [
    None,
    True,
    0,
    -1,
    1,
    1.5,
    1e400,
    "",
    "x",
    "a b",
    [],
    [None],
    ["a", 1],
    {},
    {"a": 1},
    {1: 2},
]


def documents() -> Iterator[Any]:
    for folder in ("valid", "planned"):
        for top, _, names in sorted(os.walk(os.path.join(CASES, folder))):
            for name in sorted(names):
                if name.endswith((".yaml", ".yml")):
                    with open(os.path.join(top, name), encoding="utf-8", errors="replace") as file:
                        try:
                            found = yaml.load(
                                file.read(LARGEST), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
                            )
                        except (yaml.YAMLError, ValueError):
                            continue
                    if isinstance(found, dict):
                        yield found


def places(value: Any) -> Iterator[Tuple[Any, Any]]:
    """(container, key) of everything in a document."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(pairs):
        yield value, key
        yield from places(item)


def test_it_says_yes_exactly_where_nothing_is_found() -> None:
    test = quick.compiled(_stripped(resolved()))
    assert test is not None, "the schema has a keyword that is not known to the quick test"
    full, chance = _validator(""), random.Random(7)
    answers = {True: 0, False: 0}
    for document in documents():
        for turn in range(8):
            changed = copy.deepcopy(document)
            if turn:
                container, key = chance.choice(list(places(changed)))
                container[key] = copy.deepcopy(chance.choice(ODD))
                if turn == 2 and isinstance(container, dict):
                    container[chance.choice(["x-y", "needs", "neds", "a b"])] = container.pop(key)
            fits = full.is_valid(changed)
            answers[fits] += 1
            assert test(changed) == fits, changed
    assert min(answers.values()) > 50, answers


@pytest.mark.parametrize(
    "part", [{"oneOf": []}, {"items": {"format": "x"}}, {"properties": {"a": {"$ref": "#"}}}]
)
def test_an_unknown_keyword_leaves_it_to_jsonschema(part: Any) -> None:
    assert quick.compiled(part) is None
