"""OSError -> EnvironmentFault: one sentence that names the thing, and what to do about it."""

from __future__ import annotations

import errno
import functools
from typing import Any, Callable, TypeVar, cast

from mlorch.errors import EnvironmentFault, MachineFault

F = TypeVar("F", bound=Callable[..., Any])

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
    what = error.strerror or str(error)
    name = error.filename2 if error.errno == errno.EXDEV and error.filename2 else error.filename
    where = f"`{_shown(name)}`: " if name is not None else ""
    hint = HINTS.get(error.errno or 0, "see that the file system is in order, then run again")
    kind = MachineFault if error.errno in HINTS else EnvironmentFault
    return kind(f"{where}{what[:1].lower() + what[1:]}", hint)


def _shown(name: object) -> str:
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)


def translated(function: F) -> F:
    """Let a method raise EnvironmentFault for any OSError, MachineFault for those that are no step's doing."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except OSError as error:
            raise fault_of(error) from error

    return cast(F, wrapper)
