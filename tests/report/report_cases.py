"""What the golden files show: each case is named like its file in `golden/`."""

from __future__ import annotations

import io
from typing import Callable, Dict

from report_fakes import (
    NOW,
    FakeLogs,
    digest_of,
    make_artifact,
    make_decision,
    make_outcome,
    make_pipeline,
    make_plan,
    make_record,
    make_summary,
    make_view,
)

from mlorch.model import UNKNOWN, Event, Place, Problem, Reason, Row, SourceFile
from mlorch.report import frames
from mlorch.report.graph import draw_ascii, draw_dot, draw_mermaid, draw_svg, view
from mlorch.report.lines import JsonLinesListener, LineListener
from mlorch.report.plans import render_plan
from mlorch.report.style import ASCII, PLAIN, Style
from mlorch.report.summary import render_summary, render_warnings
from mlorch.report.why import Context, render_why

CASES: Dict[str, Callable[[], str]] = {}


def case(function: Callable[[], str]) -> Callable[[], str]:
    CASES[function.__name__] = function
    return function


# ------------------------------------------------------------------------------------------------- frames

TEXT = "\n".join(
    [
        "version: 1",
        "name: churn",
        "steps:",
        "  load: {run: a > b}",
        "",
        "  clean:",
        "    run: python clean.py",
        "    outputs: {x: x.csv}",
        "    neds: [load]",
        "\trun: a\x1b[31mb",
        "  漢字: [x, lo\u202ead] # caf\u00e9",
        "    long: " + "x" * 100 + " `here` " + "y" * 100,
        "",
    ]
)
SOURCES = [SourceFile("mlorch.yaml", TEXT)]


def problem(line: int, column: int, length: int, hint: str = "", **more: object) -> Problem:
    message = "unknown key `neds` in step `clean`"
    return Problem("E102", message, Place("mlorch.yaml", line, column), length, hint, **more)  # type: ignore[arg-type]


PROBLEMS = [
    problem(9, 5, 4, "did you mean `needs`?"),
    problem(10, 2, 3, "a tab is as wide as it looks"),
    problem(11, 9, 1, "wide characters take two columns"),
    problem(11, 12, 3, "hidden ones are shown → as escapes"),
    problem(12, 112, 6, "a hint that is too long for the line stands below " + "and goes on " * 5),
    problem(12, 11, 200),
    problem(12, 300, 1, "beyond the line's end"),
    problem(5, 1, 1, "an empty line"),
    problem(13, 1, 1, "the end of the file"),
    problem(99, 1, 1, "no such line"),
    problem(9, 5, 4, "use `needs`", severity="warning"),
    Problem("E104", "\x1b]0;owned\x07no such file\nhere", Place("a\x1b[31mb.yaml", 1, 1)),
    Problem(
        "E201",
        "the steps form a cycle: clean -> load -> clean",
        Place("mlorch.yaml", 9, 12),
        4,
        "`clean` needs `load` here",
        notes=((Place("mlorch.yaml", 4, 3), 4, "`load` needs `clean` here"),),
    ),
]


@case
def frames_unicode() -> str:
    return frames.render(PROBLEMS, SOURCES)


@case
def frames_ascii() -> str:
    return frames.render(PROBLEMS, SOURCES, style=ASCII)


@case
def frames_color() -> str:
    return frames.render([PROBLEMS[0], PROBLEMS[10]], SOURCES, style=Style(color=True)).replace("\x1b", "ESC")


@case
def frames_concise() -> str:
    return frames.render_concise(PROBLEMS)


@case
def frames_github() -> str:
    return frames.to_github([*PROBLEMS[:3], PROBLEMS[10], PROBLEMS[11]]) + frames.to_github(
        [Problem("E1", "100% wrong: a,b::error::x\r\ny", Place("a,b:c%.yaml", 2, 3))]
    )


# -------------------------------------------------------------------------------------------------- plans

WINDOW = Reason("param", "window", 7, 14, "param window: 7 → 14")


@case
def plan_small() -> str:
    decisions = [
        make_decision("load", "cached"),
        make_decision("clean", "run", "never ran"),
        make_decision("features", "run", reasons=(WINDOW, Reason("code", "features.py")), seconds=8.8),
        make_decision("train", "maybe", "features would run", seconds=45.0),
        make_decision("deploy", "skipped"),
        make_decision("page", "blocked", causes=("select",)),
        make_decision(
            "select",
            "cached",
            reasons=(Reason("check", text="metrics.auc >= 0.65 does not hold: auc is 0.61"),),
        ),
        make_decision("long", "run", *[f"input changed: number {index}" for index in range(8)]),
    ]
    return render_plan(
        make_plan(decisions, seconds=53.8, complete=False, moved=("old/a.csv",), kept=("out/b.csv",))
    )


@case
def plan_ascii() -> str:
    decisions = [
        make_decision("features", "run", reasons=(WINDOW,), seconds=8.8),
        make_decision("train", "maybe"),
    ]
    return render_plan(make_plan(decisions, seconds=8.8), ASCII)


@case
def plan_up_to_date() -> str:
    return render_plan(make_plan([make_decision("load", "cached"), make_decision("clean", "cached")]))


@case
def plan_script_gone() -> str:
    """A row for all code that went with a script, and one for all packages; what came alone keeps its sentence."""
    gone = [Reason("code", name, old=digest_of("a")) for name in ("lib/__init__.py", "lib/a.py", "train.py")]
    gone += [
        Reason("package", name, old="1.0") for name in ("joblib", "numpy", "scikit-learn", "scipy", "six")
    ]
    come = (Reason("code", "new.py", new=digest_of("b")), Reason("package", "torch", new="2.0"), WINDOW)
    waits = [f"train@{index} would run" for index in range(3)]
    decisions = [
        make_decision("train", "run", reasons=tuple(gone)),
        make_decision("fit", "run", reasons=come),
        make_decision("choose", "maybe", *waits, "and 9 more"),
        make_decision("page", "blocked", causes=tuple(f"train@{index}" for index in range(12))),
    ]
    return render_plan(make_plan(decisions))


@case
def plan_folded() -> str:
    decisions = [make_decision(f"train@{index}", "cached") for index in range(240)]
    decisions += [
        make_decision(f"train@{index}", "run", "never ran", seconds=4.0) for index in range(240, 250)
    ]
    decisions += [make_decision("select", "maybe", "train@240 would run")]
    return render_plan(make_plan(decisions, seconds=20.0))


# ------------------------------------------------------------------------------------------------ summary

TRACEBACK = """epoch 1/20
\rbar 10%\rbar 100%
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    main()
RuntimeError: CUDA out of memory (tried to allocate 2.00 GiB)
"""


@case
def summary_finished() -> str:
    outcomes = [
        make_outcome("load", "cached", saved=40.0),
        make_outcome("clean", "cached", saved=3.0),
        make_outcome(
            "train",
            "succeeded",
            seconds=30.0,
            metrics={"val_auc": 0.8962, "epochs": 20, "loss": {"$float": "nan"}},
        ),
        *[make_outcome(f"score@{index}", "succeeded", metrics={"val_auc": 0.5}) for index in range(5)],
    ]
    previous = {"train.val_auc": 0.8911, "train.epochs": 18, "train.loss": 0.25, "gone.x": 1}
    return render_summary(make_summary(outcomes, previous=previous))


@case
def summary_up_to_date() -> str:
    outcomes = [make_outcome(f"s{index}", "cached", saved=13.25) for index in range(8)]
    return render_summary(make_summary(outcomes, seconds=0.1))


@case
def summary_nothing_selected() -> str:
    return render_summary(make_summary([make_outcome("deploy", "skipped")], seconds=0.04))


@case
def summary_failed() -> str:
    outcomes = [
        make_outcome("load", "cached", saved=12.0),
        make_outcome("clean", "cached", saved=12.0),
        *[make_outcome(name, "succeeded", seconds=2.0) for name in ("features", "split", "stats")],
        make_outcome(
            "train",
            "failed",
            seconds=9.8,
            attempts=2,
            exit_code=1,
            error="exit 1",
            command="python train.py --lr 0.1 --window 14",
            log=".mlorch/runs/c09d44/train.2.log",
        ),
        make_outcome("evaluate", "blocked", causes=("train",)),
        make_outcome("report", "blocked", causes=("evaluate",)),
    ]
    pipeline = make_pipeline(
        [item.step for item in outcomes],
        max_attempts=2,
        params={"window": 14, "name": "a b", "deep": {"on": True, "text": "1"}},
        param_places={
            "window": Place("-p window"),
            "name": Place("-p name"),
            "deep.on": Place("-p deep.on"),
            "deep.text": Place("-p deep.text"),
            "seed": Place("mlorch.yaml", 3, 1),
        },
    )
    logs = FakeLogs(train__2__log=TRACEBACK + "\n" * 306)
    return render_summary(make_summary(outcomes, pipeline=pipeline, run="c09d44", seconds=25.0), logs=logs)


@case
def summary_failed_ascii() -> str:
    outcomes = [
        make_outcome("train", "failed", seconds=1.0, attempts=1, exit_code=2, error="exit 2: värde saknas")
    ]
    return render_summary(make_summary(outcomes), ASCII)


@case
def summary_several_failed() -> str:
    outcomes = [
        make_outcome("late", "failed", error="exit 3", exit_code=3, attempts=1, causes=("train@0",)),
        *[
            make_outcome(
                f"train@{index}",
                "failed",
                error="exit 1",
                exit_code=1,
                attempts=1,
                seconds=1.0,
                log=f"r/t{index}.1.log",
            )
            for index in range(12)
        ],
        *[make_outcome(f"score@{index}", "blocked", causes=(f"train@{index}",)) for index in range(12)],
    ]
    logs = FakeLogs(t0__1__log="first\nno such file: a.csv\n")
    return render_summary(
        make_summary(outcomes, pipeline=make_pipeline(("train", "score", "late"), file="pipelines/a b.yaml")),
        logs=logs,
    )


@case
def summary_exit_codes() -> str:
    texts = []
    cases = [
        (137, "killed by SIGKILL (probably for want of memory)", "", 3_100_000_000),
        (139, "killed by SIGSEGV", "Segmentation fault", 0),
        (127, "exit 127: a command was not found", "/x/train.sh: line 3: pyhton: command not found", 0),
        (127, "exit 127: a command was not found", "nothing of use", 0),
        (126, "exit 126", "", 0),
    ]
    for code, error, log, peak in cases:
        outcome = make_outcome(
            "fit",
            "failed",
            error=error,
            exit_code=code,
            attempts=1,
            seconds=2.0,
            log="fit.1.log",
            peak_rss=peak,
        )
        texts.append(render_summary(make_summary([outcome]), logs=FakeLogs(fit__1__log=log)))
    outcome = make_outcome(
        "fit",
        "failed",
        error="timed out after 30s",
        exit_code=137,
        attempts=1,
        seconds=30.2,
        hint="raise `timeout`",
    )
    texts.append(render_summary(make_summary([outcome])))
    return "\n".join(texts)


@case
def summary_failed_check() -> str:
    outcome = make_outcome(
        "select",
        "failed",
        error="check did not hold: metrics.auc >= 0.65 (auc is 0.61)",
        hint="look at what it made: mlorch get select/best -o best.joblib",
        outputs={
            "best": make_artifact("models/my best.joblib"),
            "metrics": make_artifact("models/metrics.json"),
        },
        metrics={"auc": 0.61},
    )
    return render_summary(make_summary([outcome, make_outcome("publish", "blocked", causes=("select",))]))


@case
def summary_cancelled_and_large() -> str:
    outcomes = [make_outcome("load", "succeeded"), make_outcome("train", "cancelled")]
    summary = make_summary(
        outcomes,
        exit_code=130,
        warnings=("what stood at an output is kept in `.mlorch/kept/a`", "told before"),
        store_bytes=12_300_000_000,
        reclaimable_bytes=4_100_000_000,
    )
    return render_warnings(summary, told={"told before"}) + render_summary(summary)


# ---------------------------------------------------------------------------------------------------- why


@case
def why_changed() -> str:
    old = [
        Row("code", "features.py", digest_of("1")),
        Row("code", "util.py", digest_of("2")),
        Row("command", "run", {"run": "python features.py", "shell": "bash"}),
        Row("input", "raw", ["data/raw.csv", digest_of("3")]),
        Row("input", "parts", [["a", "x"], ["b", "y"], ["c", "z"]]),
        Row("package", "numpy", "1.26.0"),
        Row("param", "window", 7),
        Row("param", "gone", "x"),
    ]
    new = [
        Row("code", "features.py", digest_of("9")),
        Row("code", "util.py", digest_of("2")),
        Row("command", "run", {"run": "python features.py --fast", "shell": "bash"}),
        Row("input", "raw", UNKNOWN),
        Row("input", "parts", [["a", "x2"], ["b", "y"], ["d", "z"]]),
        Row("package", "numpy", "1.26.0"),
        Row("param", "window", 14),
        Row("param", "fresh", [1, 2.5, "x"]),
    ]
    record = make_record("features", rows=old, sources={"features.py": digest_of("5")})
    decision = make_decision("features", "run", rows=new, record=record)
    context = Context(
        places={"window": Place("mlorch.yaml", 5, 11)},
        current={"features.py": "import pandas\n\n\ndef f(x):\n\treturn x + 2\n"}.get,
        now=NOW,
    )
    return render_why(
        decision, {digest_of("5"): "import pandas\n\n\ndef f(x):\n\treturn x + 1\n"}.get, PLAIN, context
    )


@case
def why_long_texts() -> str:
    command = "python train.py data/split.csv --depth 6 --rate {} -o model.bin\nls -l model.bin"
    old = [
        Row("command", "run", {"run": command.format("0.1"), "shell": "bash"}),
        Row("param", "features", ["age", "income", "distance", "weekday", "holiday"]),
        Row("code", "train.py", digest_of("1")),
    ]
    new = [
        Row("command", "run", {"run": command.format("0.2"), "shell": "bash"}),
        Row("param", "features", ["age", "income", "distance", "weekday", "month"]),
        Row("code", "train.py", digest_of("2")),
    ]
    decision = make_decision("train", "run", rows=new, record=make_record("train", rows=old))
    return render_why(
        decision, None, ASCII, Context(places={"features": Place("mlorch.yaml", 5, 11)}, now=NOW)
    )


@case
def why_others() -> str:
    row = [Row("param", "window", 7)]
    lost = make_decision(
        "a",
        "run",
        reasons=(Reason("lost", "model", text="output lost: model"),),
        rows=row,
        record=make_record("a", rows=row),
    )
    texts = [
        make_decision("a", "cached", rows=row, record=make_record("a", rows=row)),
        make_decision("a", "run", "never ran", rows=row),
        lost,
        make_decision(
            "a",
            "maybe",
            rows=[Row("code", "?", UNKNOWN)],
            record=make_record("a", rows=[Row("code", "a.py", digest_of("1"))]),
        ),
        make_decision("a", "skipped"),
        make_decision("a", "blocked", causes=("b",)),
    ]
    return "\n".join(render_why(decision, None, ASCII, Context(now=NOW)) for decision in texts)


# -------------------------------------------------------------------------------------------------- lines


def event(kind: str, instance: str = "", **data: object) -> Event:
    return Event(kind, NOW, "7f3a91", instance, instance.split("@")[0], data)


EVENTS = [
    event("run.started", name="churn", jobs=4, instances=8),
    event("step.cached", "load", outcome="cached", saved=12.0),
    event("step.cached", "clean", outcome="cached"),
    event("step.started", "features", attempt=1, reasons=[{"text": "param window: 7 → 14"}, {"text": "b"}]),
    event("step.finished", "features", outcome="succeeded", seconds=8.8),
    event("step.started", "train", attempt=1, reasons=[]),
    event("step.retried", "train", attempt=1, error="exit 1", delay=5.0),
    event("step.started", "train", attempt=2, reasons=[{"text": "never ran"}]),
    event("warning", text="hook of `train` \x1b[31mfailed"),
    event("step.finished", "train", outcome="failed", seconds=9.8, error="exit 1\n::error::x"),
    event("step.finished", "extra", outcome="failed", error="exit 2", tolerated=True),
    event("step.skipped", "deploy", outcome="skipped"),
    event("step.blocked", "report", outcome="blocked", causes=["train"]),
    event("step.cancelled", "slow", outcome="cancelled"),
    event("run.finished", status="failed", totals={"failed": 1, "cached": 2}),
]


def heard(events: object, **more: object) -> str:
    stream = io.StringIO()
    listener = LineListener(stream, **more)  # type: ignore[arg-type]
    for item in events:  # type: ignore[attr-defined]
        listener(item)
    listener.close()
    return stream.getvalue()


@case
def lines_plain() -> str:
    return heard(EVENTS)


@case
def lines_ascii_quiet_color() -> str:
    return "".join(
        [
            heard(EVENTS[:5], style=ASCII),
            "-- quiet\n",
            heard(EVENTS, quiet=True),
            "-- color\n",
            heard(EVENTS[8:11], style=Style(color=True)).replace("\x1b", "ESC"),
        ]
    )


@case
def lines_many_cached() -> str:
    cached = [event("step.cached", f"train@{index}", saved=2.0) for index in range(240)]
    return heard(
        [
            event("run.started", name="churn", instances=241),
            *cached,
            event("step.started", "select", attempt=1),
        ]
    )


@case
def lines_json() -> str:
    stream = io.StringIO()
    listener = JsonLinesListener(stream)
    for item in [*EVENTS[:4], event("step.finished", "a\udcff@1", metrics={"loss": float("nan")})]:
        listener(item)
    return stream.getvalue()


# -------------------------------------------------------------------------------------------------- graph

EDGES = [
    ("load", "clean"),
    ("load", "validate"),
    ("clean", "features"),
    ("clean", "report"),
    ("validate", "report"),
    ("features", "train"),
    ("train", "report"),
]
NODES = ("load", "clean", "validate", "features", "train", "report")
STATES = {
    "load": "cached",
    "clean": "cached",
    "validate": "succeeded",
    "features": "succeeded",
    "train": "failed",
    "report": "blocked",
}


@case
def graph_ascii() -> str:
    shown = make_view(EDGES, NODES, **STATES)
    return draw_ascii(shown) + "\n" + draw_ascii(shown, ASCII)


@case
def graph_fan() -> str:
    middle = [f"m{index:02}" for index in range(10)]
    return draw_ascii(make_view([("a", name) for name in middle] + [(name, "z") for name in middle]))


@case
def graph_grouped() -> str:
    folds = [f"train@{index}" for index in range(240)]
    decisions = [make_decision("load", "cached")]
    decisions += [make_decision(name, "run" if index < 3 else "cached") for index, name in enumerate(folds)]
    decisions += [make_decision("select", "maybe", seconds=4.0)]
    edges = {**dict.fromkeys(folds, ("load",)), "select": tuple(folds), "load": ()}
    return draw_ascii(view(make_plan(decisions, edges)))


@case
def graph_mermaid() -> str:
    return draw_mermaid(make_view(EDGES, NODES, **STATES))


@case
def graph_dot() -> str:
    return draw_dot(make_view(EDGES, NODES, **STATES))


@case
def graph_svg() -> str:
    return draw_svg(make_view(EDGES, NODES, **STATES))
