"""OSError -> EnvironmentFault around methods of the store."""

from __future__ import annotations

import functools
from typing import Any, Callable, TypeVar, cast

from mlorch.errors import fault_of

F = TypeVar("F", bound=Callable[..., Any])


def translated(function: F) -> F:
    """Let a method raise EnvironmentFault for any OSError, MachineFault for those that are no step's doing."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except OSError as error:
            raise fault_of(error) from error

    return cast(F, wrapper)
