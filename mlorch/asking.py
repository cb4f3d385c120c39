"""On whose behalf the file system is asked just now, for a witness that notes who depends on an answer.

One name for the process, as one command decides in its main thread: a step's id, `CODE` while code is read (what was
read once serves many steps), `AGAIN` for what every command asks again that does anything, and nothing for what concerns
everybody.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import Any, Callable, Iterator, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

EVERYBODY = ""
CODE = "\0code"
AGAIN = "\0again"

_asker = EVERYBODY


def asker() -> str:
    return _asker


@contextmanager
def for_step(step: str) -> Iterator[None]:
    """What is asked meanwhile is asked for this step alone."""
    before = _set(step)
    try:
        yield
    finally:
        _set(before)


def for_code(function: F) -> F:
    """A function that reads code: what it asks is owed by all whose code it turns out to be."""
    return _wrapped(function, CODE)


def each_time(function: F) -> F:
    """A function that looks at what every command looks at itself before it does anything."""
    return _wrapped(function, AGAIN)


def _wrapped(function: F, name: str) -> F:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        before = _set(name)
        try:
            return function(*args, **kwargs)
        finally:
            _set(before)

    return cast(F, wrapper)


def _set(name: str) -> str:
    global _asker
    before, _asker = _asker, name
    return before
