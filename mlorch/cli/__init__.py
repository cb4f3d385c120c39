"""The command line. `main` is kept light: what a command needs is imported when it runs."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import Optional, Sequence

SIGINT = 130
SIGPIPE = 141
ENVIRONMENT = 8


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command line and return its exit code (see `mlorch.errors.ExitCode`)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    prepare_streams()
    # A command makes many small values and few circles: the default looks for circles a hundred times as often.
    gc.set_threshold(50_000, 20, 50)
    try:
        code = answer_version() if arguments == ["--version"] else answer_or_dispatch(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return SIGINT  # before any command took over
    except BrokenPipeError:
        silence_stdout()
        return SIGPIPE
    except OSError as error:
        # only the last flush gets here: what commands raise is told by `common.guard`
        return tell_unwritten(error)
    finally:
        forget_unwritten()


def answer_version() -> int:
    from mlorch import __version__

    sys.stdout.write(f"mlorch {__version__}\n")
    return 0


def answer_or_dispatch(arguments: Sequence[str]) -> int:
    if "_MLORCH_COMPLETE" not in os.environ:
        from mlorch.cli.idle import answer

        try:
            code = answer(arguments)
        except KeyboardInterrupt:
            return SIGINT
        if code is not None:
            return code
    return dispatch(arguments)


def dispatch(arguments: Sequence[str]) -> int:
    from mlorch.cli.build import dispatch as build_and_run

    return build_and_run(arguments)


def prepare_streams() -> None:
    """Make 0, 1 and 2 open and writable for any text, whatever the caller's encoding is."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - lives as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # a file name may hold any bytes, and an ASCII stream must not end a run
            reconfigure(errors="backslashreplace")


def tell_unwritten(error: OSError) -> int:
    """Tell that stdout took no answer; returns the exit code."""
    silence_stdout()
    with contextlib.suppress(OSError):  # stderr may be on the same full disk
        sys.stderr.write(
            f"error: the answer can't be written to stdout: {(error.strerror or 'failed').lower()}\n"
        )
    return ENVIRONMENT


def forget_unwritten() -> None:
    """What stderr could not take (its terminal has gone) must not end the interpreter with a code of its own."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        silence(2)


def silence_stdout() -> None:
    """After a failed write: let the interpreter's own last flush go nowhere."""
    silence(1)


def silence(descriptor: int) -> None:
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, descriptor)
    os.close(devnull)
