"""Rows of manifests that many instances have in common, kept once."""

from __future__ import annotations

from mlorch.digest import canonical
from mlorch.model import Row
from mlorch.small import Shared

OWN = frozenset(["input", "output", "value"])
"""Kinds that mostly differ from instance to instance."""


class Rows:
    """Remembers the rows that were met."""

    def __init__(self) -> None:
        self._known: Shared[Row] = Shared()

    def one(self, row: Row) -> Row:
        """The row, or an earlier one that is equal (`1`, `1.0` and `true` are not)."""
        kind, value = row.kind, row.value
        if kind in OWN:
            return row
        return self._known.one((kind, row.name, value if type(value) is str else canonical(value)), row)
