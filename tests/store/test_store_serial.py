"""Types to JSON and back."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlorch.digest import digest_bytes
from mlorch.errors import StoreError
from mlorch.model import Artifact, Content, Event, Manifest, Outcome, Reason, Record, Row
from mlorch.ports import Publication, RunInfo
from mlorch.small import Folded
from mlorch.store import serial

digests = st.binary(max_size=3).map(digest_bytes)
names = st.text(max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
contents = st.builds(
    Content,
    digests,
    st.sampled_from(["file", "folder"]),
    st.integers(0, 1 << 50),
    st.integers(0, 10**6),
    st.booleans(),
)
artifacts = st.builds(Artifact, names, contents, st.booleans(), st.lists(names, max_size=2).map(tuple))
manifests = st.builds(Manifest, st.lists(st.builds(Row, names, names, values), max_size=3).map(tuple))
records = st.builds(
    Record,
    names,
    digests,
    manifests,
    digests,
    names,
    names,
    names,
    names,
    numbers,
    numbers,
    outputs=st.dictionaries(names, artifacts, max_size=2),
    metrics=st.dictionaries(names, values, max_size=2),
    modules=st.dictionaries(names, digests, max_size=2),
    code_changed=st.booleans(),
    peak_rss=st.integers(0, 1 << 40),
    sources=st.dictionaries(names, digests, max_size=2),
    needs=st.dictionaries(names, st.integers(), max_size=2),
    created=st.lists(names, max_size=2).map(tuple),
    recipe=st.dictionaries(names, values, max_size=2).map(Folded),
)
events = st.builds(Event, names, numbers, names, names, names, st.dictionaries(names, values, max_size=3))
outcomes = st.builds(
    Outcome,
    names,
    names,
    names,
    st.lists(st.builds(Reason, names, names, values, values, names), max_size=2).map(tuple),
    exit_code=st.none() | st.integers(),
    outputs=st.dictionaries(names, artifacts, max_size=2),
    causes=st.lists(names, max_size=2).map(tuple),
)
publications = st.builds(
    Publication, names, contents, names, names, names, names, st.lists(names, max_size=2).map(tuple)
)
infos = st.builds(RunInfo, names, names, names, numbers, st.none() | numbers, names)


@settings(max_examples=60, deadline=None)
@given(st.one_of(records, events, outcomes, publications, infos, manifests))
def test_what_is_written_is_read_back_equal(value: Any) -> None:
    text = json.dumps(serial.to_json(value), allow_nan=False)
    again = serial.from_json(type(value), json.loads(text))
    assert again == value
    names_of = [field.name for field in dataclasses.fields(value)]
    assert [type(getattr(again, name)) for name in names_of] == [
        type(getattr(value, name)) for name in names_of
    ]


@settings(max_examples=60, deadline=None)
@given(values)
def test_no_json_makes_reading_a_record_fail_in_another_way_than_value_error(data: object) -> None:
    try:
        serial.from_json(Record, data)
    except ValueError:
        return
    raise AssertionError("a random value was taken for a record")


def test_names_with_any_bytes_survive() -> None:
    artifact = Artifact("data/\udcff\n$(x)", Content(digest_bytes(b""), "file", 0))
    data = serial.dump("x/1", artifact)
    assert serial.from_json(Artifact, serial.load(frozenset(["x/1"]), data, "it")) == artifact


def test_nan_is_tagged_and_strict_json() -> None:
    event = Event("warning", 1.0, "r", data={"loss": math.nan, "top": [math.inf, -math.inf]})
    data = json.loads(json.dumps(serial.to_json(event), allow_nan=False))
    assert data["data"] == {"loss": {"$float": "nan"}, "top": [{"$float": "inf"}, {"$float": "-inf"}]}
    assert math.isnan(serial.from_json(Event, {**data, "time": {"$float": "nan"}}).time)


def test_fields_at_their_default_are_left_out_and_unknown_ones_ignored() -> None:
    event = Event("warning", 1.0, "r")
    assert serial.to_json(event) == {"kind": "warning", "time": 1.0, "run": "r"}
    assert serial.from_json(Event, {"kind": "warning", "time": 1, "run": "r", "later": 5}) == event


@pytest.mark.parametrize(
    "data", [[], {"kind": 1, "time": 1.0, "run": "r"}, {"kind": "x", "time": "1", "run": "r"}, {"kind": "x"}]
)
def test_what_does_not_fit_is_a_value_error(data: object) -> None:
    with pytest.raises(ValueError):
        serial.from_json(Event, data)


def test_an_unknown_version_is_refused_with_a_sentence() -> None:
    with pytest.raises(StoreError) as caught:
        serial.load(frozenset(["mlorch.record/1"]), b'{"schema":"mlorch.record/9"}', "the record `r`")
    assert str(caught.value) == (
        "the record `r` has the format `mlorch.record/9`, and this mlorch reads mlorch.record/1"
    )
    assert caught.value.hint == "use the mlorch that wrote it, or move the file away"
