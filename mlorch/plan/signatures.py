"""The parameters of the functions that `call` steps name, read from source, each once."""

from __future__ import annotations

from typing import Dict, Optional, Tuple, Union

from mlorch.model import Problem, Step
from mlorch.plan.code import CodeReader, Signature, call_parameters
from mlorch.plan.declare import BindError


class Signatures:
    def __init__(self, reader: CodeReader) -> None:
        self._reader = reader
        self._known: Dict[str, Union[Signature, Problem]] = {}

    def of(self, step: Step) -> Optional[Signature]:
        """None for a `run` step. Raises BindError where the function can't be found."""
        if step.call is None:
            return None
        name = str(step.call)
        if name not in self._known:
            self._known[name] = call_parameters(self._reader, step.call)
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
