"""Arrays of numpy by element. numpy is imported only here, and nothing is ever unpickled."""

from __future__ import annotations

import importlib
from typing import Any, Optional

from mlorch.reproduce.differ.located import Located, counted, shown

NOTE = "with numpy (pip install 'mlorch[reproduce]') the array and the element are told"


def npy(old: str, new: str, name: str) -> Optional[Located]:
    """The index of the first element that differs."""
    del name
    numpy = load_numpy()
    if numpy is None:
        from mlorch.reproduce.differ.kinds import by_bytes

        found = by_bytes(old, new)
        return Located("npy", found.where, found.text, note=NOTE)
    try:
        first, second = (numpy.load(path, mmap_mode="r", allow_pickle=False) for path in (old, new))
    except (ValueError, OSError, EOFError):
        return None
    return compare(numpy, first, second)


def load_numpy() -> Any:
    try:
        return importlib.import_module("numpy")
    except ImportError:
        return None


def compare(numpy: Any, first: Any, second: Any) -> Optional[Located]:
    """None where all elements are equal (their bytes may differ: order in memory, NaN with another payload)."""
    if first.dtype != second.dtype:
        return Located("npy", "dtype", f"{first.dtype} → {second.dtype}")
    if first.shape != second.shape:
        return Located("npy", "shape", f"{first.shape} → {second.shape}")
    unequal = first != second
    if first.dtype.kind in "fc":
        unequal = unequal & ~(numpy.isnan(first) & numpy.isnan(second))
    flat = numpy.flatnonzero(unequal)
    if not len(flat):
        return None
    index = tuple(int(part) for part in numpy.unravel_index(flat[0], first.shape))
    told = f"{shown(str(first[index]))} → {shown(str(second[index]))}"
    if len(flat) > 1:
        told += f"; {len(flat):,} of {counted(first.size, 'element')} differ"
    if first.dtype.kind in "fc" and len(flat) > 1:
        largest = numpy.nanmax(numpy.abs(first[unequal] - second[unequal]))
        told += f", by at most {float(largest):.3g}"
    return Located("npy", "[" + ", ".join(map(str, index)) + "]", told)
