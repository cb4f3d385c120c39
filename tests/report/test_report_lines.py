"""Listeners: they count, they give signs of life, and nothing but a closed pipe can make them raise."""

from __future__ import annotations

import io
import threading
import time
from typing import List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_cases import EVENTS, event

from mlorch.model import Event
from mlorch.report.lines import JsonLinesListener, LineListener

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = plain | st.lists(plain, max_size=2) | st.dictionaries(st.text(), plain, max_size=2)
KEYS = [
    "outcome",
    "seconds",
    "saved",
    "reasons",
    "attempt",
    "causes",
    "error",
    "instances",
    "totals",
    "text",
    "delay",
]
events = st.builds(
    Event,
    st.sampled_from(sorted({item.kind for item in EVENTS})),
    st.floats(0, 2e9),
    st.text(),
    st.text(),
    st.text(),
    st.dictionaries(st.sampled_from(KEYS), values),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(events, max_size=6))
def test_no_event_makes_a_listener_raise_or_write_a_control_character(found: List[Event]) -> None:
    stream, lines = io.StringIO(), io.StringIO()
    listener, jsonl = LineListener(stream), JsonLinesListener(lines)
    for item in found:
        listener(item)
        jsonl(item)
    listener.close()
    assert not [char for char in stream.getvalue() if ord(char) < 32 and char != "\n"]
    assert lines.getvalue().count("\n") == len(found)


class Broken(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError("nobody reads " + text[:5])


def test_a_broken_stream_is_told_once_and_then_is_silence() -> None:
    for listener in (LineListener(Broken()), JsonLinesListener(Broken())):
        with pytest.raises(BrokenPipeError):
            listener(EVENTS[0])
        for item in EVENTS:
            listener(item)
        listener.close()


class Signal(io.StringIO):
    """Tells when a line with a word was written."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word
        self.seen = threading.Event()

    def write(self, text: str) -> int:
        if self.word in text:
            self.seen.set()
        return super().write(text)


def test_a_heartbeat_names_what_runs() -> None:
    stream = Signal("still running")
    listener = LineListener(stream, total=9, beats=(0.02, 0.02))
    for index in range(7):
        listener(event("step.started", f"train@{index}", attempt=1))
    assert stream.seen.wait(10)
    listener.close()
    beat = next(text for text in stream.getvalue().splitlines() if "still running" in text)
    assert beat.startswith("[0/9] still running: train@0 ")
    assert beat.endswith("and 2 more")
    written = stream.getvalue()
    time.sleep(0.1)
    assert stream.getvalue() == written


def test_no_heartbeat_when_quiet_or_when_nothing_runs() -> None:
    before = threading.active_count()
    for listener in (LineListener(io.StringIO(), quiet=True), LineListener(io.StringIO())):
        listener(event("step.started" if listener._quiet else "step.cached", "a"))
        assert threading.active_count() == before
        listener.close()


def test_the_end_of_a_run_ends_the_heartbeat() -> None:
    stream = Signal("still running")
    listener = LineListener(stream, beats=(0.05, 0.05))
    listener(event("step.started", "a", attempt=1))
    listener(event("run.finished", totals={"cancelled": 1}))
    assert not stream.seen.wait(0.2)
    listener.close()
    listener.close()


def test_a_run_that_only_looked_prints_no_line_per_step() -> None:
    stream = io.StringIO()
    listener = LineListener(stream)
    listener(event("run.started", name="churn", instances=3))
    for index in range(3):
        listener(event("step.cached", f"s{index}"))
    listener(event("run.finished", totals={"cached": 3, "failed": 0}))
    assert stream.getvalue() == "churn · 3 steps · run 7f3a91\n"


def test_told_warnings_are_remembered() -> None:
    listener = LineListener(io.StringIO(), quiet=True)
    listener(event("warning", text="something\nodd"))
    assert listener.told == {"something\nodd"}


def lines_of(*events_: Event) -> List[str]:
    stream = io.StringIO()
    listener = LineListener(stream)
    for item in events_:
        listener(item)
    listener.close()
    return stream.getvalue().splitlines()


def test_the_total_is_a_lower_bound_until_all_axes_are_known() -> None:
    steps = {"split": {"run": 1, "instances": 1}, "train": {"run": 1, "instances": 1, "open": True}}
    lines = lines_of(
        event("run.started", name="churn", instances=2, steps=steps),
        event("step.finished", "split", outcome="succeeded", seconds=1.0),
        event("step.finished", "train@0", outcome="succeeded", seconds=1.0, instances=3),
        event("step.finished", "train@1", outcome="succeeded", seconds=1.0, instances=3),
    )
    assert lines[0].startswith("churn · at least 2 steps")
    assert [line.split()[0] for line in lines[1:]] == ["[1/2+]", "[2/4]", "[3/4]"]


def test_a_cached_step_whose_check_does_not_hold_is_a_failure() -> None:
    lines = lines_of(
        event("run.started", instances=2),
        event("step.cached", "load", outcome="cached"),
        event("step.cached", "select", outcome="failed", error="check did not hold: auc is 0.61"),
    )
    assert lines[1:] == ["[1/2] load: cached", "[2/2] select: failed: check did not hold: auc is 0.61"]


def test_a_warning_is_told_once() -> None:
    lines = lines_of(event("warning", text="odd"), event("warning", text="odd"))
    assert lines == ["warning: odd"]
