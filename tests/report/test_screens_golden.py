"""Each screen as each kind of stream shows it, compared with the files in `golden/screens/`.

A file has one screen in all modes, one below the other. UPDATE_GOLDEN=1 rewrites them, for review.
"""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping

import pytest
from report_cases import PROBLEMS, SOURCES, TRACEBACK, WINDOW, event
from report_fakes import (
    NOW,
    FakeLogs,
    digest_of,
    make_decision,
    make_outcome,
    make_plan,
    make_record,
    make_summary,
    make_view,
)

from mlorch.cli.compare import Format, compare_text
from mlorch.cli.tables import run_text, runs_table, timings_table
from mlorch.history.compare import Column, Comparison
from mlorch.history.compare import Row as Row_
from mlorch.history.detail import RunView, StepView
from mlorch.model import Event, Row, RunSummary
from mlorch.ports import RunInfo
from mlorch.report import frames
from mlorch.report.github import GitHubListener, failure_annotations, harmless
from mlorch.report.graph import draw_ascii
from mlorch.report.job_summary import job_summary
from mlorch.report.lines import LineListener
from mlorch.report.live import draw
from mlorch.report.live.board import Board
from mlorch.report.live.peek import Seen, last_seen
from mlorch.report.plans import render_plan
from mlorch.report.style import Style, style_of
from mlorch.report.summary import render_summary
from mlorch.report.why import Context, render_why

GOLDEN = Path(__file__).parent / "golden" / "screens"


class Stream(io.StringIO):
    """A stream of an encoding, terminal or not."""

    def __init__(self, terminal: bool, encoding: str) -> None:
        super().__init__()
        self.terminal = terminal
        self.code = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.code

    def isatty(self) -> bool:
        return self.terminal


MODES: Dict[str, tuple] = {
    # terminal, encoding, environment, columns
    "terminal": (True, "utf-8", {"TERM": "xterm"}, 80),
    "no colour": (True, "utf-8", {"TERM": "xterm", "NO_COLOR": "1"}, 80),
    "40 columns": (True, "utf-8", {"TERM": "xterm", "NO_COLOR": "1"}, 40),
    "200 columns": (True, "utf-8", {"TERM": "xterm", "NO_COLOR": "1"}, 200),
    "ascii": (True, "ascii", {"TERM": "xterm", "NO_COLOR": "1"}, 80),
    "pipe": (False, "utf-8", {"FORCE_COLOR": "1", "TERM": "xterm"}, 80),
    "github": (False, "utf-8", {"FORCE_COLOR": "1", "GITHUB_ACTIONS": "true", "CI": "true"}, 80),
}


def style_in(mode: str, monkeypatch: pytest.MonkeyPatch) -> Style:
    terminal, encoding, environ, columns = MODES[mode]
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((columns, 24)))
    return style_of(Stream(terminal, encoding), "auto", environ)


# ------------------------------------------------------------------------------------------------------ a run's events

STEPS: Mapping[str, object] = {
    "features": {"run": 1, "instances": 1, "seconds": 8.8},
    "train": {"run": 1, "instances": 1, "seconds": 45.0, "upstream": ["features"]},
    "sweep": {"run": 240, "instances": 240, "seconds": 2.0, "upstream": ["features"]},
    "open": {"run": 1, "instances": 1, "upstream": ["train"], "open": True},
}
BEGUN = [
    event("run.started", name="churn", jobs=4, instances=246, steps=STEPS),
    event("step.cached", "load", outcome="cached", saved=12.0),
    event("step.cached", "clean", outcome="cached", saved=31.0),
    event("step.cached", "select", outcome="failed", error="check did not hold: auc is 0.61"),
    event("step.started", "features", attempt=1, reasons=[{"text": "param window: 7 → 14"}], log="f.log"),
    event(
        "step.finished",
        "features",
        outcome="succeeded",
        seconds=8.8,
        reasons=[{"text": "param window: 7 → 14"}],
    ),
    event("step.started", "train", attempt=1, reasons=[{"text": "input changed: split"}], log="train.log"),
]
GOING = [
    *[event("step.started", f"sweep@{index}", attempt=1) for index in range(3)],
    *[event("step.finished", f"sweep@{index}", outcome="succeeded", seconds=2.0) for index in range(2)],
    event("step.started", "a-step-with-a-rather-long-name", attempt=2, log="bar.log"),
]
ENDED = [
    event("step.retried", "train", attempt=1, error="exit 1", delay=5.0),
    event(
        "step.finished", "train", outcome="failed", seconds=9.8, error="exit 1", attempts=2, log="train.log"
    ),
    event("step.blocked", "report", outcome="blocked", causes=["train"]),
]
PRINTED = {
    "train.log": b"start\nepoch 9/20 val_auc=0.891\n",
    "bar.log": b"\r 10%|#     | 1/10\r 45%|#### | 9/20 [00:12<00:15,  1.31s/it, loss=\x1b[31m0.3\x1b[0m]",
}


def live(style: Style, mode: str) -> str:
    """The lines that scrolled away, and what is painted, after the start and in the middle."""
    board, now = Board(), 100.0
    columns = MODES[mode][3]
    peek = lambda log: last_seen(PRINTED.get(log, b"")) or Seen()  # noqa: E731
    texts: List[str] = []
    for index, item in enumerate([*BEGUN, *GOING, *ENDED]):
        look = draw.Look(style, columns, 24, now, peek)
        if item.kind == "run.started":
            board.start(item, now)
        for line in board.take(item, now) if index else ():
            texts += draw.line_texts(line, look, lambda _: TRACEBACK.split("\n"))
        now += 2.25
        if index in (len(BEGUN) - 1, len(BEGUN) + len(GOING) - 1):
            painted = draw.block(board, draw.Look(style, columns, 24, now + 6, peek))
            texts += ["┌ painted", *painted, "└"]
            assert all(len(line) < columns for line in painted) or style.color
    return "\n".join(texts) + "\n"


def plain(style: Style, mode: str) -> str:
    stream = Stream(False, MODES[mode][1])
    listener: LineListener = LineListener(stream, style)
    if mode == "github":
        listener = GitHubListener(stream, style, environ={})
    for item in [*BEGUN, *GOING, *ENDED]:
        listener(item)
    listener.close()
    return stream.getvalue()


def run(style: Style, mode: str) -> str:
    return live(style, mode) if MODES[mode][0] else plain(style, mode)


# ------------------------------------------------------------------------------------------------------------- answers


def failed_run(count: int = 1) -> RunSummary:
    outcomes = [make_outcome("load", "cached", saved=12.0)]
    outcomes += [
        make_outcome(
            f"train@{index}" if count > 1 else "train",
            "failed",
            seconds=9.8,
            attempts=1,
            exit_code=1,
            error="exit 1",
            command="python train.py --lr 0.1 --window 14",
            log=f".mlorch/runs/c09d44/train_{index}.1.log",
        )
        for index in range(count)
    ]
    outcomes += [make_outcome("evaluate", "blocked", causes=(outcomes[1].instance,))]
    return make_summary(
        outcomes, run="c09d44", seconds=25.0, upstream={"train": ("load",), "evaluate": ("train",)}
    )


def with_github(summary: RunSummary, style: Style, mode: str) -> str:
    logs = FakeLogs(
        train_0__1__log=TRACEBACK + "::error::x\n", train_1__1__log=TRACEBACK, train_2__1__log="other\n"
    )
    text = render_summary(summary, style, logs)
    if mode != "github":
        return text
    return (
        failure_annotations(summary, logs, {})
        + harmless(text)
        + "┌ job summary\n"
        + job_summary(summary, logs)
        + "└\n"
    )


def finished(style: Style, mode: str) -> str:
    outcomes = [make_outcome("load", "cached", saved=40.0), make_outcome("clean", "cached", saved=3.0)]
    outcomes += [make_outcome("train", "succeeded", seconds=30.0, metrics={"val_auc": 0.8962, "epochs": 20})]
    previous = {"train.val_auc": 0.8911, "train.epochs": 18}
    return with_github(make_summary(outcomes, previous=previous, upstream={"train": ("clean",)}), style, mode)


def up_to_date(style: Style, mode: str) -> str:
    outcomes = [make_outcome(f"s{index}", "cached", saved=13.25) for index in range(8)]
    return with_github(make_summary(outcomes, seconds=0.1), style, mode)


def plan(style: Style, mode: str) -> str:
    del mode
    decisions = [
        make_decision("load", "cached"),
        make_decision("features", "run", reasons=(WINDOW,), seconds=8.8),
        make_decision("train", "maybe", "features would run", seconds=45.0),
        make_decision("deploy", "skipped"),
    ]
    return render_plan(make_plan(decisions, seconds=53.8, complete=False), style)


def why(style: Style, mode: str) -> str:
    del mode
    old, new = [Row("param", "window", 7)], [Row("param", "window", 14)]
    decision = make_decision("features", "run", rows=new, record=make_record("features", rows=old))
    return render_why(decision, None, style, Context(now=NOW))


def why_code(style: Style, mode: str) -> str:
    """A code file that differs, with the difference."""
    del mode
    before, after = (f"import csv\n\nlimit = {limit}\nrows = 1\n" for limit in (10, 20))
    old, new = ([Row("code", "features.py", digest_of(letter)), Row("param", "window", 7)] for letter in "12")
    record = make_record("features", rows=old, sources={"features.py": digest_of("5")})
    decision = make_decision("features", "run", rows=new, record=record)
    context = Context(now=NOW, current={"features.py": after}.get)
    return render_why(decision, {digest_of("5"): before}.get, style, context)


def why_cached(style: Style, mode: str) -> str:
    del mode
    rows = [Row("param", "window", 7)]
    decision = make_decision("features", "cached", rows=rows, record=make_record("features", rows=rows))
    return render_why(decision, None, style, Context(now=NOW))


def cancelled(style: Style, mode: str) -> str:
    outcomes = [make_outcome("load", "cached", saved=12.0), make_outcome("train", "cancelled")]
    return with_github(make_summary(outcomes, exit_code=130, run="c09d44"), style, mode)


def compare(style: Style, mode: str) -> str:
    """Two runs, and the instances of one."""
    form = Format.md if mode == "github" else Format.table
    runs = Comparison(
        (Column("c09d44", "c09d44"), Column("7f3a91", "7f3a91")),
        (
            Row_("param", "window", (7, 14)),
            Row_("metric", "train.auc", (0.8911, 0.8962), "max"),
            Row_("metric", "train.rows", (1000, 1000)),
        ),
    )
    folds = Comparison(
        tuple(Column(f"train@{fold}", "7f3a91", f"train@{fold}") for fold in (1, 0)),
        (Row_("axis", "fold", (1, 0)), Row_("metric", "auc", (0.91, 0.88), "max")),
    )
    return "\n\n".join(compare_text(one, form, style).rstrip("\n") for one in (runs, folds)) + "\n"


def runs(style: Style, mode: str) -> str:
    del mode
    shown = [RunInfo("7f3a91", "p.yaml", "churn", NOW, 60.0, "failed", totals={"succeeded": 6, "failed": 1})]
    shown.append(RunInfo("c09d44", "p.yaml", "churn", NOW - 90, 60.0, "succeeded", totals={"cached": 7}))
    return runs_table(shown, style) + "\n"


def show(style: Style, mode: str) -> str:
    """A run, and where its time went."""
    del mode
    steps = (
        StepView("load", "load", "cached", saved=12.0),
        StepView("fit@0", "fit", "succeeded", NOW, 3.2, attempts=1, metrics={"auc": 0.91}, cpu_seconds=1.5),
        StepView("fit@1", "fit", "failed", NOW + 1, 0.8, attempts=1, exit_code=1, error="exit 1"),
        StepView("report", "report", "blocked", causes=("fit@1",)),
    )
    meta = {"params": {"window": 7}, "argv": ["mlorch", "run"], "host": "here"}
    totals = {"cached": 1, "succeeded": 1, "failed": 1, "blocked": 1}
    view = RunView(RunInfo("7f3a91", "p.yaml", "churn", NOW, 4.5, "failed", totals, meta), steps)
    return run_text(view, style).rstrip("\n") + "\n\n" + timings_table(view, style).rstrip("\n") + "\n"


def error(style: Style, mode: str) -> str:
    if mode == "github":
        return frames.to_github(PROBLEMS[:1])
    return frames.render([PROBLEMS[0], PROBLEMS[-1]], SOURCES, style=style)


def graph(style: Style, mode: str) -> str:
    del mode
    edges = [("load", "clean"), ("load", "validate"), ("clean", "train"), ("validate", "train")]
    states = {"load": "cached", "clean": "succeeded", "validate": "failed", "train": "blocked"}
    return draw_ascii(make_view(edges, ("load", "clean", "validate", "train"), **states), style)


SCREENS: Dict[str, Callable[[Style, str], str]] = {
    "run": run,
    "finished": finished,
    "failed": lambda style, mode: with_github(failed_run(), style, mode),
    "several_failed": lambda style, mode: with_github(failed_run(12), style, mode),
    "up_to_date": up_to_date,
    "plan": plan,
    "why": why,
    "why_code": why_code,
    "why_cached": why_cached,
    "cancelled": cancelled,
    "compare": compare,
    "runs": runs,
    "show": show,
    "error": error,
    "graph": graph,
}


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """People are told local times."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize("screen", sorted(SCREENS))
def test_a_screen_is_as_its_golden_file_shows_in_every_mode(
    screen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlorch.report.github._stop_word", lambda: "f" * 32)
    parts = []
    for mode in MODES:
        style = style_in(mode, monkeypatch)
        text = SCREENS[screen](style, mode)
        if mode != "terminal":
            assert "\x1b" not in text, "no escape off a terminal, nor without colour"
        if mode == "ascii":
            assert [char for char in text if char not in "┌└" and ord(char) > 126] == []
        parts.append(f"---- {mode}\n" + text.replace("\x1b", "ESC").replace("\u200b", "ZWSP"))
    whole = "".join(parts)
    path = GOLDEN / f"{screen}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(whole, encoding="utf-8")
    assert whole == path.read_text(encoding="utf-8")


def test_every_golden_file_has_its_screen() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.txt")) == sorted(SCREENS)
    assert Event("run.started", 0.0, "r").kind  # the events above are of the kind that runs write
