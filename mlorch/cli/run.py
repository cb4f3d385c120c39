"""`run`: do it."""

from __future__ import annotations

import signal
import sys
from enum import Enum
from types import FrameType
from typing import List, Optional

import typer

from mlorch.cli.common import Options, at_least, print_document, print_text
from mlorch.cli.look import show_plan
from mlorch.cli.request import make_request
from mlorch.cli.words import FORCE, FORCE_STEP, ONLY, PARAM, PARAMS_FILE, WORDS
from mlorch.errors import UsageError


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
    from mlorch.cli.screens import listening, summary_text
    from mlorch.report.documents import run_document

    with listening(options, progress.value if progress else None, events) as screen:
        summary = app.run(request, screen.listeners)
        let_exit_code_stand()
    if options.json:
        print_document(run_document(summary))
    elif not options.quiet:
        print_text(summary_text(summary, sys.stdout, options, screen.told))
    elif summary.exit_code:
        # quiet is for cron: nothing at all unless something is wrong
        sys.stderr.write(summary_text(summary, sys.stderr, options, screen.told))
    return summary.exit_code


def let_exit_code_stand() -> None:
    """A run that has ended is not taken back by a signal: the next of each kind is passed over while the answer is
    printed, and one more ends the process."""

    def pass_over(number: int, frame: Optional[FrameType]) -> None:
        del frame
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_over)
