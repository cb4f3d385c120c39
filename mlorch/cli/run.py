"""`run`: do it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, List, Optional

import typer

from mlorch.cli.common import Options, at_least, print_document, print_text, say
from mlorch.cli.look import show_plan
from mlorch.cli.request import make_request
from mlorch.cli.words import FORCE, FORCE_STEP, ONLY, PARAM, PARAMS_FILE, WORDS
from mlorch.errors import EnvironmentFault, MlorchError, UsageError

if TYPE_CHECKING:
    from mlorch.app import Request
    from mlorch.model import RunSummary


class Progress(str, Enum):
    auto = "auto"
    tty = "tty"
    plain = "plain"
    quiet = "quiet"
    jsonl = "jsonl"


JOBS = typer.Option(None, "-j", "--jobs", metavar="N", help="Attempts at once. Default: the cores.")
DRY_RUN = typer.Option(False, "--dry-run", help="The same as `plan`.")
ADOPT = typer.Option(False, "--adopt", help="Record outputs that are there as the results, without running.")
KEEP_GOING = typer.Option(
    False, "-k", "--keep-going", help="After a failure go on with what does not need it."
)
PROGRESS = typer.Option(
    None, "--progress", help="How to show it, on stderr. Default: auto.", show_default=False
)
EVENTS = typer.Option(None, "--events", metavar="FILE", help="Write events to a file as JSON lines.")
REPORT = typer.Option(None, "--report", metavar="FILE", help="Write an HTML report of the run to a file.")
WAIT = typer.Option(
    True,
    "--wait/--no-wait",
    help="Wait for a run that holds what this one needs, or exit 4.",
    show_default=False,
)


def run(
    options: Options,
    words: Optional[List[str]] = WORDS,
    jobs: Optional[int] = JOBS,
    param: Optional[List[str]] = PARAM,
    params_file: Optional[str] = PARAMS_FILE,
    only: bool = ONLY,
    dry_run: bool = DRY_RUN,
    force: bool = FORCE,
    force_step: Optional[List[str]] = FORCE_STEP,
    adopt: bool = ADOPT,
    keep_going: bool = KEEP_GOING,
    progress: Optional[Progress] = PROGRESS,
    events: Optional[str] = EVENTS,
    report: Optional[str] = REPORT,
    wait: bool = WAIT,
) -> int:
    """Execute what is not up to date, in parallel."""
    request = make_request(
        options,
        words,
        param,
        params_file,
        only=only,
        force=force,
        force_steps=force_step,
        jobs=at_least(jobs, 1, "--jobs"),
        keep_going=keep_going,
        adopt=adopt,
        wait=wait,
    )
    if adopt and (force or force_step):
        raise UsageError(
            "--adopt and --force contradict each other", "one takes what is there, the other makes it anew"
        )
    if dry_run:
        return show_plan(options, request)
    from mlorch import app
    from mlorch.cli.ending import Ending
    from mlorch.cli.idle import remember_run, take_touched, watching, whole_document
    from mlorch.cli.screens import listening, summary_text, tell_github, warnings_text
    from mlorch.report.github import is_github

    if report is not None:
        check_target(report)
    ending = Ending()
    with listening(options, progress.value if progress else None, events) as screen:
        witness = watching() if screen.screen is not None and events is None and report is None else None
        github = is_github(os.environ)
        known = take_touched()
        if witness is None or github:
            known = None
        summary = app.run(replace(request, witness=witness, answer=known), [*screen.listeners, ending])
    if github:
        tell_github(summary)
    elif witness is not None:
        remember_run(witness, summary, options, screen.quiet, known)
    try:
        if options.json:
            print_document(whole_document(summary, known))
        else:
            with suppress(OSError):  # its terminal may have gone
                sys.stderr.write(warnings_text(summary, options, screen.told))
                sys.stderr.flush()
            if not options.quiet:
                print_text(summary_text(summary, sys.stdout, options))
            elif summary.exit_code:
                # quiet is for cron: nothing at all unless something is wrong
                sys.stderr.write(summary_text(summary, sys.stderr, options))
    except SystemExit:
        if not summary.exit_code:
            raise  # else that stands, though the answer could not be written (say, as the terminal has gone)
    return summary.exit_code if report is None else write_report_of(request, summary, report, options)


def check_target(path: str) -> None:
    """Whether a report can be written there, asked before anything runs. Raises EnvironmentFault."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path) or not os.access(folder, os.W_OK):
        what = "is a folder" if os.path.isdir(path) else f"`{folder}` is no folder that can be written to"
        raise EnvironmentFault(f"--report: {path}: {what}", "name a file in a folder that is there")


def write_report_of(request: Request, summary: RunSummary, path: str, options: Options) -> int:
    """The report of a run that has ended; what goes wrong with it is a warning, and never hides the run's own exit
    code."""
    from mlorch import app
    from mlorch.cli.report import write_report
    from mlorch.history import resolve_run

    try:
        store = app.open_store(request)
        write_report(store, resolve_run(store, summary.run), os.path.abspath(path))
    except MlorchError as error:
        sys.stderr.write(f"warning: the report was not written: {error.message}\n")
        return summary.exit_code or int(error.exit_code)
    say(f"report: {path}", options)
    return summary.exit_code
