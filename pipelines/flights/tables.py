"""Tables of columns in `.npz` files: a zip whose bytes depend on its contents alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

WORDS = ":words"
"""Ends the name of an array that holds the words of a column."""


def save(table: pd.DataFrame, path: Path) -> None:
    """Write each column as an array; text (all of it ASCII) as numbers of words and the words, so without pickle."""
    columns = {}
    for name in table.columns:
        values = table[name].to_numpy()
        if values.dtype.kind not in "biuf":
            codes, words = pd.factorize(values, sort=True)
            columns[name + WORDS] = np.char.encode(words.astype(str), "ascii")
            values = codes.astype("uint16" if len(words) <= 1 << 16 else "uint32")
        columns[name] = values
    np.savez(str(path), **columns)


def load(path: Path) -> pd.DataFrame:
    """Read what `save` wrote. Raises ValueError for a file that holds objects rather than plain arrays."""
    with np.load(str(path), allow_pickle=False) as columns:
        arrays = {name: columns[name] for name in columns.files}
    table = {}
    for name, values in arrays.items():
        words = arrays.get(name + WORDS)
        if words is not None:
            table[name] = np.char.decode(words, "ascii").astype(object)[values]
        elif not name.endswith(WORDS):
            table[name] = values
    return pd.DataFrame(table)
