"""From the table of verbs to the typer application, and from its errors to exit codes.

Only the verb that the command line names is built: all of them, with their options, would slow each start.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

import typer

from mlorch.cli.common import Options, adapt, root_parameters, tell, tell_bug
from mlorch.cli.idle import take_long_path
from mlorch.errors import UsageError

COMPLETION = "_MLORCH_COMPLETE"


class Verb(NamedTuple):
    """Where a verb lives: module of `mlorch.cli`, and its function."""

    module: str
    function: str


VERBS: Dict[str, Verb] = {
    "init": Verb("init", "init"),
    "validate": Verb("look", "validate"),
    "schema": Verb("look", "schema"),
    "graph": Verb("look", "graph"),
    "plan": Verb("look", "plan"),
    "why": Verb("look", "why"),
    "run": Verb("run", "run"),
    "logs": Verb("history", "logs"),
    "runs": Verb("history", "runs"),
    "show": Verb("history", "show"),
    "compare": Verb("compare", "compare"),
    "report": Verb("report", "report"),
    "artifacts": Verb("history", "artifacts"),
    "get": Verb("history", "get"),
    "notify": Verb("notify", "notify"),
    "reproduce": Verb("reproduce", "reproduce"),
    "verify": Verb("care", "verify"),
    "gc": Verb("care", "gc"),
    "doctor": Verb("care", "doctor"),
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
        module = import_module(f"mlorch.cli.{VERBS[name].module}")
        function = getattr(module, VERBS[name].function)
        app.command(name)(without_options(function) if listed else adapt(function))
    return app


def without_options(function: Callable[..., int]) -> Callable[[], None]:
    """What the list of verbs in `--help` needs of one."""

    def command() -> None:
        raise AssertionError(f"`{function.__name__}` was built to be listed only")

    command.__doc__ = function.__doc__
    return command


def needed(arguments: Sequence[str]) -> List[str]:
    """The verb that a command line names, or all where it names none (help, completion, a mistake)."""
    if COMPLETION in os.environ:
        return list(VERBS)
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
        verbs = needed(arguments)
        listed = len(verbs) > 1 and COMPLETION not in os.environ
        command = typer.main.get_command(build(verbs, listed))
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
