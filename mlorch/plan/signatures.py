"""The parameters of the functions that `call` steps name, read from source, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, Optional, Tuple, Union

from mlorch.model import Problem, Step
from mlorch.plan.declare import BindError

if TYPE_CHECKING:
    from mlorch.plan.code import CodeReader, Signature


class Signatures:
    """
    Args:
        reader: gives the reader of sources; it is asked only where there is a `call`.
    """

    def __init__(self, reader: Callable[[], CodeReader]) -> None:
        self._reader = reader
        self._known: Dict[str, Union[Signature, Problem]] = {}

    def of(self, step: Step) -> Optional[Signature]:
        """None for a `run` step. Raises BindError where the function can't be found."""
        if step.call is None:
            return None
        name = str(step.call)
        if name not in self._known:
            from mlorch.plan.code import call_parameters  # most of what a look at code needs

            self._known[name] = call_parameters(self._reader(), step.call)
        found = self._known[name]
        if isinstance(found, Problem):
            raise BindError(found)
        return found

    def names(self, step: Step) -> Tuple[str, ...]:
        """The parameters' names; empty where the function can't be found, which is reported when it is bound."""
        try:
            found = self.of(step)
        except BindError:
            return ()
        return tuple(found.names) if found is not None else ()
