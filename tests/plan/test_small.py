"""Objects of which there are many: small, and still what a dataclass is."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Dict

from mlorch.model import BoundOutput, Content, Needs, Row
from mlorch.small import Folded, Shared, keep


def test_a_slotted_type_has_no_dictionary() -> None:
    content = Content("blake3:00", "file", 3)
    assert not hasattr(content, "__dict__")
    assert repr(content).startswith("Content(digest='blake3:00', kind='file', bytes=3")


def test_a_slotted_type_is_compared_replaced_copied_and_pickled() -> None:
    output = BoundOutput("o", "out/a", False, True, "staging/a")
    assert dataclasses.replace(output, staging="out/a") == BoundOutput("o", "out/a", False, True, "out/a")
    for again in (copy.copy(output), copy.deepcopy(output), pickle.loads(pickle.dumps(output))):
        assert again == output and again is not output
    assert Row("a", "b", 1) != Row("a", "b", 2)


def test_defaults_of_a_slotted_type_are_those_that_are_written() -> None:
    assert Needs() == Needs(1, 0, 0, {})
    assert Content("blake3:00", "file", 3).files == 1


def test_folded_data_reads_as_the_mapping_that_it_was() -> None:
    data = {"a": [1, 2.5, None, {"b": "ü\udcff"}], "c": {}}
    folded = Folded(data)
    assert folded == data and data == folded and dict(folded) == data
    assert folded["a"][3] == {"b": "ü\udcff"} and len(folded) == 2 and folded.get("d") is None
    assert not Folded({}) and Folded({}) == {}
    assert list(folded.items()) == list(data.items()) and list(folded) == list(folded.keys()) == list(data)
    assert list(folded.values()) == list(data.values())
    turned = dict(reversed(list(data.items())))
    for other in (data, turned, Folded(data), Folded(turned)):
        assert folded == other and not (folded != other)  # noqa: SIM202
    for other in ({}, Folded({}), Folded({**data, "more": 1}), None, []):
        assert folded != other


def test_equal_items_become_one_and_memory_is_bounded() -> None:
    shared: Shared[Row] = Shared()
    first = Row("env", "threads", 1)
    assert shared.one(("env", "threads", 1), first) is first
    assert shared.one(("env", "threads", 1), Row("env", "threads", 1)) is first
    for number in range(2 * Shared.MOST):
        shared.one(number, first)
    assert len(shared._known) <= Shared.MOST


def test_only_what_says_something_is_kept() -> None:
    known: Dict[str, str] = {}
    keep(known, "a", "x")
    keep(known, "b", "")
    assert known == {"a": "x"}
    keep(known, "a", None)
    assert known == {}
