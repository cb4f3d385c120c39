"""What every verb shares: global options, the answer on stdout, errors as text or documents, exit codes."""

from __future__ import annotations

import errno
import inspect
import json as json_module
import sys
from enum import Enum
from typing import Any, Callable, Mapping, Optional, get_type_hints

import typer

from mlorch import __version__
from mlorch.cli import tell_unwritten
from mlorch.cli.complete import complete_folders
from mlorch.errors import EnvironmentFault, ExitCode, MlorchError, UsageError, fault_of
from mlorch.values import dataclass

MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOMEM}
MACHINE |= {
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
}
"""Errors of the machine that reach us unexplained; any other OSError is a bug."""


class Color(str, Enum):
    auto = "auto"
    always = "always"
    never = "never"


@dataclass(frozen=True)
class Options:
    """The global options, as given before or after the verb."""

    root: Optional[str] = None
    color: Optional[str] = None
    quiet: bool = False
    verbose: bool = False
    json: bool = False


def print_version(value: Optional[bool]) -> None:
    if value:
        typer.echo(f"mlorch {__version__}")
        raise typer.Exit(0)


ROOT = typer.Option(
    None,
    "-C",
    metavar="DIR",
    help="The project root (else found from the pipeline).",
    autocompletion=complete_folders,
)
COLOR = typer.Option(None, "--color", help="When to colour.", show_default=False)
QUIET = typer.Option(
    None, "-q", "--quiet", help="Nothing on stderr but warnings and errors.", show_default=False
)
VERBOSE = typer.Option(None, "-v", "--verbose", help="Say more.", show_default=False)
JSON = typer.Option(None, "--json", help="One JSON document on stdout.", show_default=False)
VERSION = typer.Option(
    None,
    "--version",
    help="Print the version and stop.",
    callback=print_version,
    is_eager=True,
    show_default=False,
)


def root_parameters(
    ctx: typer.Context,
    C: Optional[str] = ROOT,  # noqa: N803 - named like its flag
    color: Optional[Color] = COLOR,
    quiet: Optional[bool] = QUIET,
    verbose: Optional[bool] = VERBOSE,
    json: Optional[bool] = JSON,
    version: Optional[bool] = VERSION,  # noqa: ARG001 - its callback does all
) -> None:
    ctx.obj = options_of(Options(), C=C, color=color, quiet=quiet, verbose=verbose, json=json)
    if ctx.invoked_subcommand is None and not ctx.resilient_parsing:
        typer.echo(ctx.get_help(), err=True)
        raise typer.Exit(int(ExitCode.USAGE))


GLOBAL_NAMES = ("C", "color", "quiet", "verbose", "json")


def options_of(base: Options, **given: Any) -> Options:
    """`base` with what was given over it; None is not given."""
    color = given.get("color")
    return Options(
        root=given.get("C") if given.get("C") is not None else base.root,
        color=getattr(color, "value", color) or base.color,
        quiet=bool(given.get("quiet") or base.quiet),
        verbose=bool(given.get("verbose") or base.verbose),
        json=bool(given.get("json") or base.json),
    )


def adapt(function: Callable[..., int]) -> Callable[..., int]:
    """A command for typer from `function(options, **own)`: with the global options, and our errors told."""
    hints = get_type_hints(function)
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "options"
    ]
    root_hints = get_type_hints(root_parameters)
    shared = [
        parameter.replace(annotation=root_hints[name])
        for name, parameter in inspect.signature(root_parameters).parameters.items()
        if name in GLOBAL_NAMES
    ]
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)

    def command(**values: Any) -> int:
        ctx = values.pop("ctx")
        given = {name: values.pop(name) for name in GLOBAL_NAMES}
        options = options_of(ctx.obj or Options(), **given)
        return guard(options, lambda: function(options, **values))

    parameters = [context, *own, *shared]
    command.__name__ = function.__name__
    command.__doc__ = function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def guard(options: Options, body: Callable[[], int]) -> int:
    """Run a command's body; whatever it raises becomes a sentence (or a document) and an exit code."""
    try:
        return body()
    except MlorchError as error:
        return tell(error, options)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        return int(ExitCode.SIGINT)
    except MemoryError:
        return tell(EnvironmentFault("out of memory", "close something, or give the machine more"), options)
    except OSError as error:
        if error.errno in MACHINE:
            return tell(fault_of(error), options)
        return tell_bug(error, options)
    except Exception as error:
        return tell_bug(error, options)


# ------------------------------------------------------------------------------------------ answers


def print_document(document: Mapping[str, Any]) -> None:
    """The one document of `--json`."""
    print_text(document_text(document))


def document_text(document: Mapping[str, Any]) -> str:
    """JSON in ASCII only: a file name of any bytes survives, whatever the encoding of stdout."""
    from mlorch.report.plainjson import plain

    return json_module.dumps(plain(document), ensure_ascii=True, allow_nan=False, indent=1) + "\n"


def print_text(text: str) -> None:
    """Raises BrokenPipeError where nobody reads it, SystemExit (told already) where it can't be written."""
    try:
        sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SystemExit(tell_unwritten(error)) from error


def say(text: str, options: Options) -> None:
    """A remark on stderr, for people."""
    if not options.quiet:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


# ------------------------------------------------------------------------------------------ errors


def tell(error: MlorchError, options: Options) -> int:
    """Tell an error to whoever asked; returns its exit code."""
    from mlorch.cli.failures import error_document, error_text

    if options.json:
        print_document(error_document(error))
    else:
        sys.stderr.write(error_text(error, options))
    return int(error.exit_code)


def tell_bug(error: BaseException, options: Options) -> int:
    """One line on the screen and the traceback, without any variable's value, in a file."""
    from mlorch.cli.failures import write_traceback

    path = write_traceback(error)
    where = f"the traceback is in {path}" if path else "the traceback could not be written"
    fault = MlorchError(
        f"a bug in mlorch: {type(error).__name__} ({where})", "please report it with that file"
    )
    return tell(fault, options)


def at_least(value: Optional[int], least: int, option: str) -> Optional[int]:
    """Checked here, as older typer needs rich (50 ms) to show a range in a help text. Raises UsageError."""
    if value is not None and value < least:
        raise UsageError(f"{option}: expected a number of at least {least}, got {value}")
    return value
