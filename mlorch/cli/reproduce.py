"""The verb that executes recorded steps again: reproduce."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, List, Optional, cast

import typer

from mlorch.cli.common import Options, at_least, print_document, print_text, say
from mlorch.cli.complete import complete_files, complete_runs_and_steps
from mlorch.cli.request import split_words
from mlorch.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from mlorch.store.local import LocalStore


def complete_words(ctx: typer.Context, incomplete: str) -> List[str]:
    return complete_runs_and_steps(ctx, incomplete) + complete_files(incomplete)


WORDS = typer.Argument(
    None,
    metavar="[PIPELINE] [RUN] [STEP]",
    help="A step of the newest run that has it, a whole run, or a step of a run.",
    autocompletion=complete_words,
    show_default=False,
)
TIMES = typer.Option(
    1,
    "--times",
    metavar="N",
    help="So many times, with other hash seeds, jobs and scratch paths. Default: 1.",
    show_default=False,
)
ACCEPT = typer.Option(
    False, "--accept-environment", help="Even if interpreter or packages are not the recorded ones."
)
KEEP = typer.Option(None, "--keep", metavar="DIR", help="Keep the scratch places in this new folder.")


def reproduce(
    options: Options,
    words: Optional[List[str]] = WORDS,
    times: int = TIMES,
    accept_environment: bool = ACCEPT,
    keep: Optional[str] = KEEP,
) -> int:
    """Execute a recorded step again and compare its outputs."""
    from mlorch import app
    from mlorch.cli.screens import style_for
    from mlorch.reproduce.chosen import choose
    from mlorch.reproduce.documents import reproduce_document, reproduce_text
    from mlorch.reproduce.execute import Options as Execution
    from mlorch.reproduce.execute import reproduce as execute

    at_least(times, 1, "--times")
    pipeline, rest = split_words(words)
    request = app.Request(pipeline=pipeline, root=options.root)
    reading = app.open_store(request)
    file = os.path.relpath(app.find_pipeline(request), reading.root) if pipeline is not None else None
    chosen = choose(reading, rest, file)
    if keep is not None:
        keep = make_folder(keep)
    # only a store that is there is opened for writing: a run has been found in it
    store = cast("LocalStore", app.open_store(request, create=True))
    try:
        how = Execution(times, accept_environment, keep, len(os.sched_getaffinity(0)))
        result = execute(store, chosen, how, os.environ, lambda text: say(text, options))
    finally:
        store.forget_caches()
    if options.json:
        print_document(reproduce_document(result))
    else:
        print_text(reproduce_text(result, style_for(sys.stdout, options)))
    codes = {"deterministic": ExitCode.DONE, "impossible": ExitCode.ENVIRONMENT}
    return int(codes.get(result.verdict, ExitCode.STEP_FAILED))


def make_folder(path: str) -> str:
    """A new folder, absolute. Raises UsageError for one that holds something."""
    target = os.path.abspath(path)
    os.makedirs(target, exist_ok=True)
    if os.listdir(target):
        raise UsageError(f"--keep: `{path}` is not empty", "name a new folder")
    return target
