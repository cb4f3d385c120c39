"""From the table of verbs to the typer application, and from its errors to exit codes.

Only the verb that the command line names is built: all of them, with their options, would slow each start.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from importlib import import_module
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

import typer

from mlorch.cli.common import Options, adapt, root_parameters, tell, tell_bug
from mlorch.cli.idle import take_long_path
from mlorch.cli.tab import Tab, asked
from mlorch.errors import UsageError


class Verb(NamedTuple):
    """Where a verb lives: module of `mlorch.cli`, and its function; and that function's docstring, for the list of
    verbs, which imports none of them (a test compares)."""

    module: str
    function: str
    help: str


VERBS: Dict[str, Verb] = {
    "init": Verb("init", "init", "A project from a template, or CI and an editor's files for one."),
    "validate": Verb(
        "look", "validate", "Check YAML, schema, references and cycles. Runs and imports nothing."
    ),
    "schema": Verb("look", "schema", "Print the JSON schema of pipelines, for editors."),
    "graph": Verb("look", "graph", "Draw the pipeline."),
    "plan": Verb("look", "plan", "What a run would do, and why; nothing is executed."),
    "why": Verb("look", "why", "Each part of a step's key, old and new, with what differs."),
    "run": Verb("run", "run", "Execute what is not up to date, in parallel."),
    "logs": Verb("history", "logs", "A step's output."),
    "runs": Verb("history", "runs", "The history of runs, newest first."),
    "show": Verb("history", "show", "One run: steps, params, metrics, environment, git commit."),
    "compare": Verb("compare", "compare", "Params and metrics of runs, or of instances, side by side."),
    "report": Verb("report", "report", "One run as one HTML file that needs nothing else."),
    "artifacts": Verb("history", "artifacts", "What a run made."),
    "get": Verb("history", "get", "Fetch an artifact by name or digest."),
    "notify": Verb("notify", "notify", "Send a test alert through every channel of the pipeline."),
    "reproduce": Verb("reproduce", "reproduce", "Execute a recorded step again and compare its outputs."),
    "verify": Verb(
        "care", "verify", "Digest the whole store again. Sees, too, that what records promise is there."
    ),
    "gc": Verb("care", "gc", "Delete what nothing refers to. Without --yes, only say what that would be."),
    "doctor": Verb("care", "doctor", "Versions, settings, disk, file system, locks, interpreter."),
}

TAKES_VALUE = ("-C", "--color")

DESCRIPTION = """Declarative machine learning pipelines: one YAML file, run in parallel, every artifact kept.

PIPELINE may be left out where there is mlorch.yaml or pipeline.yaml. Selectors: STEP, STEP@INSTANCE,
+STEP (and upstream), STEP+ (and downstream), tag:x, globs. Runs: an id's first letters, last, last~1."""


def build(verbs: Sequence[str], listed: bool = False) -> typer.Typer:
    """The application with these verbs; `listed`: only to be listed with their first line of help."""
    app = typer.Typer(
        name="mlorch",
        help=DESCRIPTION,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(root_parameters)
    for name in verbs:
        if listed:
            app.command(name, help=VERBS[name].help)(only_listed)
        else:
            app.command(name)(adapt(function_of(name)))
    return app


def function_of(verb: str) -> Callable[..., int]:
    module = import_module(f"mlorch.cli.{VERBS[verb].module}")
    function: Callable[..., int] = getattr(module, VERBS[verb].function)
    return function


def only_listed() -> None:
    raise AssertionError("this verb was built to be listed only")


def needed(arguments: Sequence[str]) -> List[str]:
    """The verb that a command line names, or all where it names none (help, a mistake)."""
    skip = False
    for word in arguments:
        if skip:
            skip = False
        elif word in TAKES_VALUE:
            skip = True
        elif word in ("-h", "--help"):
            return list(VERBS)
        elif not word.startswith("-"):
            return [word] if word in VERBS else list(VERBS)
    return list(VERBS)


def dispatch(arguments: Sequence[str]) -> int:
    """Run one command line. Raises BrokenPipeError where nobody reads stdout any more."""
    json = "--json" in arguments
    take_long_path(arguments)
    try:
        tab = Tab(os.environ) if asked(os.environ) else None
        verbs = needed(arguments if tab is None else tab.words)
        command = typer.main.get_command(build(verbs, listed=len(verbs) > 1))
        with tab or nullcontext():
            result = command.main(args=list(arguments), prog_name="mlorch", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except typer.Abort:
        return 130
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):
            raise BrokenPipeError from error
        return error.code if isinstance(error.code, int) else 0
    except BrokenPipeError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None:
            raise  # a help text that could not be written
        usage = usage_error(error)
        return tell(usage, Options(json=json)) if usage else tell_bug(error, Options(json=json))


def usage_error(error: Exception) -> Optional[UsageError]:
    """The parser's own error as one of ours, else None.

    Told by its shape: typer 0.26 and later bring a Click of their own, earlier ones use the package.
    """
    format_message = getattr(error, "format_message", None)
    if format_message is None:
        return None
    message = str(format_message()).strip().rstrip(".")
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", "mlorch")
    return UsageError(message[:1].lower() + message[1:], f"see `{path} --help`")
