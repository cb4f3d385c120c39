"""What all instances of a step have in common, made once for them."""

from __future__ import annotations

from typing import Dict, Mapping, Tuple

from mlorch.model import Needs, Pipeline, Row, Step, Value
from mlorch.plan.command import command_row, plain_value
from mlorch.plan.params import param, referred_params
from mlorch.rows import Rows
from mlorch.small import Shared
from mlorch.values import dataclass


@dataclass(frozen=True)
class Common:
    """Of one step."""

    command: Row
    """The command as written, without values: what all its versions share."""
    rows: Tuple[Row, ...]
    """Those of `params` and `cache`."""
    params: Mapping[str, Value]
    """The params that it names, or its expressions, by dotted name."""


class Commons:
    """Of all steps of a pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._steps: Dict[str, Common] = {}
        self._needs: Shared[Needs] = Shared()
        self.rows = Rows()

    def of(self, step: Step) -> Common:
        known = self._steps.get(step.id)
        if known is None:
            known = self._steps[step.id] = self._make(step)
        return known

    def _make(self, step: Step) -> Common:
        names = (*step.params, *referred_params(step))
        values = {dotted: plain_value(param(self._pipeline.params, dotted)) for dotted in names}
        rows = [Row("param", dotted, values[dotted]) for dotted in step.params]
        if step.cache.version is not None:
            rows.append(Row("cache", "version", step.cache.version))
        return Common(command_row(step), tuple(rows), values)

    def needs(self, needs: Needs) -> Needs:
        """One object for all that need the same."""
        key = (needs.cpus, needs.memory, needs.gpus, *sorted(needs.tokens.items()))
        return self._needs.one(key, needs)
