"""The live screen's parts: ten thousand instances, estimates, a terminal that takes nothing."""

from __future__ import annotations

import os
import threading
from typing import List

import pytest
from report_cases import event

from mlorch.report.live import draw, listener
from mlorch.report.live.board import Board
from mlorch.report.live.estimate import remaining
from mlorch.report.live.listener import LiveListener
from mlorch.report.live.peek import Seen
from mlorch.report.style import PLAIN


def board_of(**steps: object) -> Board:
    board = Board()
    count = sum(entry["instances"] for entry in steps.values())  # type: ignore[index]
    board.start(event("run.started", jobs=2, instances=count, steps=steps), 0.0)
    return board


def test_an_estimate_is_the_longest_chain_or_all_work_over_the_slots() -> None:
    board = board_of(
        a={"run": 1, "instances": 1, "seconds": 4.0},
        b={"run": 1, "instances": 1, "seconds": 6.0, "upstream": ["a"]},
    )
    assert remaining(board, 0.0) == (10.0, False)
    board.take(event("step.started", "a", attempt=1), 0.0)
    assert remaining(board, 3.0) == (7.0, False)
    board.take(event("step.finished", "a", outcome="succeeded"), 3.5)
    assert remaining(board, 3.5) == (6.0, False)
    wide = board_of(a={"run": 40, "instances": 40, "seconds": 1.0})
    assert remaining(wide, 0.0) == (20.0, False)


def test_an_estimate_is_a_lower_bound_without_history_and_none_without_any() -> None:
    known = {"run": 1, "instances": 1, "seconds": 4.0}
    assert remaining(board_of(a=known, b={"run": 1, "instances": 1}), 0.0) == (4.0, True)
    assert remaining(board_of(a=known, b={**known, "open": True}), 0.0) == (4.0, True)
    assert remaining(board_of(b={"run": 1, "instances": 1}), 0.0) == (None, True)


def test_ten_thousand_instances_are_one_line() -> None:
    board = board_of(sweep={"run": 10_000, "instances": 10_000, "seconds": 1.0})
    due: List[object] = []
    look = draw.Look(PLAIN, 80, 24, 1.0, lambda _: Seen())
    for index in range(10_000):
        due += board.take(event("step.started", f"sweep@{index}", attempt=1), 0.0)
        if index == 5000:
            assert len(draw.block(board, look)) == 2
        due += board.take(event("step.finished", f"sweep@{index}", outcome="succeeded", seconds=1.0), 1.0)
    assert [line.name for line in due] == ["sweep ×10000"]  # type: ignore[attr-defined]
    assert not board.running


def test_what_follows_names_stands_in_a_column() -> None:
    board = Board()
    board.start(event("run.started", jobs=2, instances=2, steps={}, widest=len("score@10-0.001")), 0.0)
    board.take(event("step.started", "score@10-0.001", attempt=1, reasons=[{"kind": "new"}]), 0.0)
    board.take(event("step.started", "a", attempt=1, log="x", reasons=[{"kind": "new"}]), 0.0)
    look = draw.Look(PLAIN, 80, 24, 1.0, lambda log: Seen("said" if log else "", None), board.widest)
    lines = draw.block(board, look)
    assert [line.index("first run") for line in lines[:2]] == [17, 17]
    assert lines[2].index("said") == 17
    narrow = draw.Look(PLAIN, 30, 24, 1.0, lambda _: Seen(), board.widest)
    assert all(len(line) < 30 for line in draw.block(board, narrow))


def test_what_a_line_says_is_not_said_again_below_it() -> None:
    board = board_of(a={"run": 1, "instances": 1})
    data = {"outcome": "failed", "attempts": 1, "log": "a.log"}
    (line,) = board.take(event("step.finished", "a", error="exit 1: KeyError: 'x'", **data), 1.0)
    look = draw.Look(PLAIN, 80, 24, 1.0, lambda _: Seen())
    assert draw.line_texts(line, look, lambda _: ["KeyError: 'x'"]) == ["✗ a           exit 1: KeyError: 'x'"]
    assert len(draw.line_texts(line, look, lambda _: ["other"])) == 2


def test_many_causes_are_counted() -> None:
    board = board_of(a={"run": 1, "instances": 1})
    for causes, text in (
        (["x"], "cancelled, as is x"),
        (["x", "y"], "cancelled, as are x, y"),
        (["x", "y", "z", "q"], "cancelled, as are x, y, z and 1 more"),
    ):
        (line,) = board.take(event("step.cancelled", "a", outcome="cancelled", causes=causes), 1.0)
        assert line.text == text


@pytest.mark.parametrize("rows", [2, 3, 5, 24])
@pytest.mark.parametrize("columns", [2, 10, 20, 40, 80, 200])
def test_a_block_fits_any_screen(columns: int, rows: int) -> None:
    board = board_of(sweep={"run": 100, "instances": 100, "seconds": 1.0})
    for name in ("sweep@1", "漢字" * 20, *(f"s{index}" for index in range(30))):
        board.take(event("step.started", name, attempt=1, log="x", reasons=[{"text": "é" * 99}]), 0.0)
    look = draw.Look(PLAIN, columns, rows, 1.0, lambda _: Seen("漢" * 99, 0.5))
    lines = draw.block(board, look)
    assert 1 <= len(lines) <= max(1, rows - 1)
    if columns >= 20:
        assert all(draw.cells_of(line) < columns for line in lines), lines


def test_a_terminal_that_takes_nothing_holds_up_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after Ctrl-S: its buffer is full, and every write blocks."""
    monkeypatch.setattr(listener, "SHORTEST", 0.001)
    read, write = os.pipe()
    with os.fdopen(write, "w", encoding="utf-8") as stream:
        screen = LiveListener(stream, PLAIN)
        screen(event("run.started", name="churn", instances=2))
        screen(event("step.started", "a", attempt=1))
        for index in range(3000):
            screen(event("step.finished", f"step-{index}" * 9, outcome="succeeded", seconds=1.0))
        reader = threading.Thread(target=drain, args=(read,))
        reader.start()
        screen.close()
    reader.join()


def drain(descriptor: int) -> None:
    while os.read(descriptor, 1 << 16):
        pass
    os.close(descriptor)


def test_a_stream_that_broke_is_silence() -> None:
    read, write = os.pipe()
    os.close(read)
    stream = os.fdopen(os.dup(os.open(os.devnull, os.O_RDONLY)), "r")
    os.close(write)
    screen = LiveListener(stream, PLAIN)  # it can't be written to at all
    for kind in ("run.started", "step.started", "step.finished", "run.finished", "strange", "step.odd"):
        screen(event(kind, "a"))
    screen.close()
    screen.close()
    stream.close()
