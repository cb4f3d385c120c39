"""Verbs about the past: logs, runs, show, artifacts, get."""

from __future__ import annotations

import json
import os
import sys
import time
from enum import Enum
from typing import TYPE_CHECKING, List, Optional, Sequence, cast

import typer

from mlorch.cli.common import Options, at_least, print_document, print_text, say
from mlorch.cli.complete import (
    complete_artifacts,
    complete_runs,
    complete_runs_and_steps,
    complete_statuses,
    complete_steps,
)
from mlorch.errors import UsageError

if TYPE_CHECKING:
    from mlorch.history import RunView
    from mlorch.history.logs import Log, Wanted
    from mlorch.ports import Store
    from mlorch.store.local import LocalStore

LOGS_WORDS = typer.Argument(
    None,
    metavar="[RUN] [STEP]",
    help="Default: the last run, all its steps.",
    autocompletion=complete_runs_and_steps,
    show_default=False,
)
FOLLOW = typer.Option(False, "-f", "--follow", help="Go on as more is written.")
LINES = typer.Option(None, "-n", "--lines", metavar="N", help="Only the last N lines.")
ATTEMPT = typer.Option(None, "--attempt", metavar="N", help="Of this attempt (0: of all); default: the last.")
FAILED = typer.Option(False, "--failed", help="Only of failed steps.")
PATH = typer.Option(False, "--path", help="Print where the logs are.")
LIMIT = typer.Option(20, "--limit", metavar="N", help="At most so many. Default: 20.", show_default=False)
STATUS = typer.Option(
    None,
    "--status",
    metavar="STATUS",
    help="succeeded, failed, cancelled, running or crashed.",
    autocompletion=complete_statuses,
    show_default=False,
)
SINCE = typer.Option(None, "--since", metavar="AGE", help="Started within 7d, 12h, 90m.")
RUN_ARGUMENT = typer.Argument(
    None, metavar="[RUN]", help="Default: the last.", autocompletion=complete_runs, show_default=False
)
TIMINGS = typer.Option(False, "--timings", help="Where the time went: by phase, and by step, longest first.")
TIMING_FORMAT = typer.Option(
    None,
    "--format",
    help="Of --timings: trace is for chrome://tracing and ui.perfetto.dev.",
    show_default=False,
)
STEP_ARGUMENT = typer.Argument(None, metavar="[STEP]", autocompletion=complete_steps, show_default=False)
OF_RUN = typer.Option(None, "--run", metavar="RUN", help="Of this run.", autocompletion=complete_runs)
ARTIFACT = typer.Argument(
    None,
    metavar="ARTIFACT",
    help="STEP/OUTPUT, a path or a digest.",
    autocompletion=complete_artifacts,
    show_default=False,
)
TARGET = typer.Option(
    None, "-o", "--output", metavar="PATH", help="Where to; - is stdout. Default: its name, here."
)


PAUSE = 0.2
"""Seconds between two looks at a log that is followed."""


class TimingFormat(str, Enum):
    table = "table"
    json = "json"
    trace = "trace"


def open_store(options: Options) -> Store:
    from mlorch import app

    return app.open_store(app.Request(root=options.root))


# -------------------------------------------------------------------------------- logs


def logs(
    options: Options,
    words: Optional[List[str]] = LOGS_WORDS,
    follow: bool = FOLLOW,
    lines: Optional[int] = LINES,
    attempt: Optional[int] = ATTEMPT,
    failed: bool = FAILED,
    path: bool = PATH,
) -> int:
    """A step's output."""
    from mlorch.history import resolve_run, view_run
    from mlorch.history.logs import Wanted, choose_steps, find_logs

    at_least(lines, 0, "--lines")
    at_least(attempt, 0, "--attempt")
    store = open_store(options)
    run, step = which_logs(store, list(words or ()))
    info = resolve_run(store, run)
    if follow and info.status == "running" and not (options.json or path):
        follow_logs(store, info.id, Wanted(step, failed, attempt, lines))
        return 0
    view = view_run(store, info)
    chosen = choose_steps(view, step, failed)
    found = find_logs(store, view, chosen, attempt)
    if failed and not options.json:
        logged = {log.instance for log in found}
        for item in chosen:
            if item.instance not in logged:
                say(f"{item.instance} has no log: {item.error or 'it was not started'}", options)
    if not (chosen if failed else found) and not options.json:
        what = "no failed step" if failed else f"no log of `{step}`" if step else "no log"
        say(f"run {view.info.id} has {what}", options)
    if options.json:
        print_logs_document(view, found, lines)
    elif path:
        print_text("".join(log.path + "\n" for log in found))
    else:
        print_logs(found, lines, options)
    return 0


def which_logs(store: Store, words: Sequence[str]) -> tuple[str, Optional[str]]:
    """(run, step) of `[RUN] [STEP]`: a single word is a step if one has that name, else a run."""
    from mlorch.history import resolve_run, view_run
    from mlorch.history.runs import is_run

    if len(words) > 2:
        raise UsageError(
            f"expected a run and a step, got `{words[2]}` too", "for instance mlorch logs last train"
        )
    if len(words) == 2:
        return words[0], words[1]
    if not words:
        return "last", None
    word = words[0]
    if view_run(store, resolve_run(store)).step(word) or not is_run(store, word):
        return "last", word
    return word, None


def print_logs_document(view: RunView, found: Sequence[Log], lines: Optional[int]) -> None:
    from mlorch.history.documents import logs_document
    from mlorch.history.logs import tail

    texts = [b"".join(tail(log.path, lines)).decode("utf-8", "replace") for log in found]
    print_document(logs_document(view.info.id, found, texts))


def print_logs(found: Sequence[Log], lines: Optional[int], options: Options) -> None:
    from mlorch.cli.bytes import LogWriter
    from mlorch.history.logs import tail

    writer = LogWriter(sys.stdout)
    for log in found:
        if len(found) > 1:
            writer.header(log_header(log))
        elif log.earlier:
            say(f"{log.instance} was cached: run {log.run} wrote this", options)
        for chunk in tail(log.path, lines):
            writer.write(chunk)
        writer.end()
        if len(found) == 1 and not log.bytes:
            say(f"{log.instance} printed nothing", options)


def log_header(log: Log) -> str:
    return f"==> {log.instance} (attempt {log.attempt}{f', run {log.run}' if log.earlier else ''}) <=="


def follow_logs(store: Store, run: str, wanted: Wanted) -> None:
    """What the wanted steps of a live run write, until it ends; where another one's output begins, its name."""
    from mlorch.cli.bytes import LogWriter
    from mlorch.history import resolve_run, view_run
    from mlorch.history.logs import Followed, choose_steps

    writer = LogWriter(sys.stdout)
    followed, last, alive = Followed(store, wanted), None, True
    while alive:
        began = time.monotonic()
        info = resolve_run(store, run)
        alive = info.status == "running"
        for log, chunk in followed.more(view_run(store, info)):
            if log != last:
                writer.end()
                if wanted.step != log.instance:
                    writer.header(log_header(log))
                last = log
            writer.write(chunk)
        if alive:  # a run of very many steps takes a while to look at, and needs the processor itself
            time.sleep(max(PAUSE, 4 * (time.monotonic() - began)))
    writer.end()
    choose_steps(view_run(store, resolve_run(store, run)), wanted.step, wanted.failed)


# -------------------------------------------------------------------------------- runs, show


def runs(
    options: Options,
    limit: int = LIMIT,
    status: Optional[List[str]] = STATUS,
    since: Optional[str] = SINCE,
) -> int:
    """The history of runs, newest first."""
    from mlorch.cli.screens import style_for
    from mlorch.cli.tables import runs_table
    from mlorch.history import select_runs
    from mlorch.history.documents import runs_document
    from mlorch.history.runs import duration

    at_least(limit, 0, "--limit")
    after = time.time() - duration(since, "--since") if since is not None else None
    store = open_store(options)
    found = select_runs(store, limit, status or (), after)
    if options.json:
        print_document(runs_document(found))
    else:
        if not found:
            say(_no_run(store), options)
        print_text(runs_table(found, style_for(sys.stdout, options), options.verbose))
    return 0


def _no_run(store: Store) -> str:
    if store.runs(1):
        return "no run is like that: see `mlorch runs`"
    return f"no run yet in {os.path.dirname(store.path)}: start one with `mlorch run`, or name the project with -C"


def show(
    options: Options,
    run: Optional[str] = RUN_ARGUMENT,
    timings: bool = TIMINGS,
    form: Optional[TimingFormat] = TIMING_FORMAT,
) -> int:
    """One run: steps, params, metrics, environment, git commit."""
    from mlorch.cli.screens import style_for
    from mlorch.cli.tables import run_text
    from mlorch.history import resolve_run, view_run
    from mlorch.history.documents import show_document
    from mlorch.history.records import with_reproductions

    store = open_store(options)
    if timings or form is not None:
        show_timings(options, store, run or "last", form)
        return 0
    view = with_reproductions(store, view_run(store, resolve_run(store, run or "last")))
    if options.json:
        print_document(show_document(view))
    else:
        print_text(run_text(view, style_for(sys.stdout, options), options.verbose))
    return 0


def show_timings(options: Options, store: Store, run: str, form: Optional[TimingFormat]) -> None:
    from mlorch.cli.screens import style_for
    from mlorch.cli.tables import phases_table, timings_table
    from mlorch.history import resolve_run, view_run
    from mlorch.history.timings import run_timings, timings_document, trace

    info = resolve_run(store, run)
    found = run_timings(store, info)
    if form == TimingFormat.trace:
        print_text(json.dumps(trace(found), ensure_ascii=True, allow_nan=False) + "\n")
    elif options.json or form == TimingFormat.json:
        print_document(timings_document(found))
    else:
        style, view = style_for(sys.stdout, options), view_run(store, info)
        blocks = [phases_table(found)] if found.slots else []
        blocks += [timings_table(view, style)] if any(step.seconds for step in view.steps) else []
        if not found.slots:
            say(f"run {info.id} did not get to its end: it kept no times by phase", options)
        elif len(blocks) < 2:
            say(f"run {info.id} executed nothing", options)
        print_text("\n\n".join(blocks))


# -------------------------------------------------------------------------------- artifacts


def artifacts(options: Options, step: Optional[str] = STEP_ARGUMENT, run: Optional[str] = OF_RUN) -> int:
    """What a run made."""
    from mlorch.cli.screens import style_for
    from mlorch.cli.tables import artifacts_table
    from mlorch.history import resolve_run, view_run
    from mlorch.history.artifacts import list_artifacts
    from mlorch.history.documents import artifacts_document

    store = open_store(options)
    view = view_run(store, resolve_run(store, run or "last"))
    found = list_artifacts(store, view, step)
    if options.json:
        print_document(artifacts_document(view.info.id, found))
    else:
        print_text(artifacts_table(found, style_for(sys.stdout, options)))
    return 0


def get(
    options: Options,
    artifact: Optional[str] = ARTIFACT,
    output: Optional[str] = TARGET,
    run: Optional[str] = OF_RUN,
) -> int:
    """Fetch an artifact by name or digest."""
    from mlorch import store as stores
    from mlorch.cli.bytes import write_bytes
    from mlorch.history import resolve_run
    from mlorch.history.artifacts import artifact_of, find_artifact
    from mlorch.history.documents import get_document

    if artifact is None:
        raise UsageError("expected an artifact", "for instance mlorch get train/model -o model.joblib")
    store = open_store(options)
    made = find_artifact(store, artifact, resolve_run(store, run) if run else None)
    if output == "-":
        if made.output.kind == "folder" or options.json:
            what = "with --json the document goes there" if options.json else f"{made.name} is a folder"
            raise UsageError(f"it can't be written to stdout: {what}", "name a path with -o")
        write_bytes(sys.stdout, store.read(made.output.digest))
        return 0
    target = os.path.abspath(output or os.path.basename(made.output.path))
    if os.path.isdir(target) and output is not None and made.output.kind == "file":
        target = os.path.join(target, os.path.basename(made.output.path))
    stores.export(cast("LocalStore", store), artifact_of(made.output), target)
    if options.json:
        print_document(get_document(made, target))
    else:
        print_text(f"{made.name} -> {target}")
    return 0
