"""The error tree and the exit codes.

A failing *step* is an outcome, not an exception: these are raised when mlorch itself can't go on.
"""

from __future__ import annotations

import errno
from enum import IntEnum
from typing import TYPE_CHECKING, Optional, Sequence, Tuple

if TYPE_CHECKING:
    # `mlorch --help` needs errors, and the types of model.py take 20 ms
    from mlorch.model import Problem, SourceFile


class ExitCode(IntEnum):
    """What a caller can rely on; the table in `docs/interface.md` is made of the same words."""

    DONE = 0
    STEP_FAILED = 1
    USAGE = 2
    INVALID = 3
    LOCKED = 4
    WOULD_RUN = 5
    DRIFT = 6
    CORRUPT = 7
    ENVIRONMENT = 8
    WAITING_FOR_APPROVAL = 9
    BUG = 70
    SIGHUP = 129
    SIGINT = 130
    SIGPIPE = 141
    SIGTERM = 143


class MlorchError(Exception):
    """Something that ends the command, told to a person in one sentence and a remedy.

    Args:
        message: begins lower case, names the thing and what was expected.
        hint: what to do next; empty if there is nothing to say.
    """

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(MlorchError):
    """Arguments of the command line that fit nothing (exit 2)."""

    exit_code = ExitCode.USAGE


class SpecError(MlorchError):
    """A pipeline or a configuration file is invalid, or a source file is missing (exit 3).

    Holds all problems at once, sorted by place, and the texts that their frames show as far as they could be read.
    """

    exit_code = ExitCode.INVALID

    def __init__(self, problems: Sequence[Problem], sources: Sequence[SourceFile] = ()) -> None:
        ordered = sorted(problems, key=lambda problem: problem.order)
        super().__init__(ordered[0].message if ordered else "the pipeline is invalid")
        self.problems: Tuple[Problem, ...] = tuple(ordered)
        self.sources: Tuple[SourceFile, ...] = tuple(sources)


class LockedError(MlorchError):
    """Another run holds what this one needs, and `--no-wait` was given (exit 4)."""

    exit_code = ExitCode.LOCKED


class StoreError(MlorchError):
    """The store can't be read or written as it is, for instance a format of another version (exit 8)."""

    exit_code = ExitCode.ENVIRONMENT


class CorruptObject(StoreError):
    """An object whose content is not what its digest says; it has been quarantined (exit 7)."""

    exit_code = ExitCode.CORRUPT

    def __init__(self, digest: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.digest = digest


class EnvironmentFault(MlorchError):
    """The machine: disk full, no permission, a missing interpreter (exit 8)."""

    exit_code = ExitCode.ENVIRONMENT


class MachineFault(EnvironmentFault):
    """The system refused: no space, no permission, no descriptor, a bad disk. No step's doing: a run in which a step
    failed for it exits 8."""


NO_STEPS_DOING = (MachineFault, StoreError)
"""Errors that are not the fault of the step that they strike."""


HINTS = {
    errno.ENOSPC: "free some space (`mlorch gc` shows what it would free), then run again",
    errno.EDQUOT: "your quota is used up: free some space, then run again",
    errno.EROFS: "make the file system writable, or put the store elsewhere with [store] path",
    errno.EACCES: "check the owner and the permissions",
    errno.EPERM: "check the owner and the permissions",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`), or use fewer jobs",
    errno.ENFILE: "the system has too many open files; close some programs",
    errno.ENOMEM: "the machine is out of memory; use fewer jobs",
    errno.EFBIG: "raise the limit of a file's size (`ulimit -f`)",
    errno.EIO: "the disk reports an error: check it (`dmesg`) before you go on",
}


def fault_of(error: OSError) -> EnvironmentFault:
    """One sentence that names the thing, and what to do about it."""
    what = error.strerror or str(error)
    name = error.filename2 if error.errno == errno.EXDEV and error.filename2 else error.filename
    where = f"`{_shown(name)}`: " if name is not None else ""
    hint = HINTS.get(error.errno or 0, "see that the file system is in order, then run again")
    kind = MachineFault if error.errno in HINTS else EnvironmentFault
    return kind(f"{where}{what[:1].lower() + what[1:]}", hint)


def _shown(name: object) -> str:
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)


_BLIND = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ENOSPC, errno.EDQUOT))


def unless_blind(error: BaseException) -> None:
    """Raise MachineFault where the machine can't tell what stands somewhere: no descriptor, no memory, a bad disk. Keys
    are made of what is there, so nothing may be taken for absent, or for another thing, on such a day."""
    if isinstance(error, OSError) and error.errno in _BLIND:
        raise fault_of(error) from error


class ExpressionError(Exception):
    """An expression that can't be parsed or evaluated.

    Args:
        message: begins lower case.
        column: 0-based offset into the expression's source where it went wrong.
        hint: what to do next.
    """

    def __init__(self, message: str, column: int = 0, hint: str = "", length: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.column = column
        self.hint = hint
        self.length = length


def did_you_mean(name: str, known: Sequence[str], format_: str = "`{}`") -> Optional[str]:
    """`did you mean `x`?` for the nearest known name, or None where nothing is near."""
    import difflib

    near = difflib.get_close_matches(name, [str(item) for item in known], n=1, cutoff=0.6)
    return f"did you mean {format_.format(near[0])}?" if near else None
