"""Critical-path priorities: how long the longest chain from a step to the end is, by known or estimated durations."""

from __future__ import annotations

import heapq
import math
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch.engine.settle import Work
from mlorch.ports import Store
from mlorch.timing import median

TIE = 1e-6
"""Seconds that a direct dependant counts: only among chains of one length, as all are of which nothing is known."""


def tails(
    order: Sequence[str], downstream: Mapping[str, Sequence[str]], duration: Callable[[str], float]
) -> Dict[str, float]:
    """Step -> seconds from its start to the end of the longest chain below it, and then who sets more others free.

    List scheduling by the longest path (Hu 1961; "upward rank" in HEFT, Topcuoglu et al. 2002).
    `docs/decisions/order-of-steps.md` has what else was measured.
    """
    found: Dict[str, float] = {}
    for step in reversed(order):
        below = max((found[item] for item in downstream.get(step, ())), default=0.0)
        found[step] = duration(step) + below
    return {step: seconds + TIE * len(downstream.get(step, ())) for step, seconds in found.items()}


def estimates(store: Store, pipeline: str, order: Sequence[str]) -> Dict[str, float]:
    """Step -> expected seconds of one instance: the median of what is known; for the others the median over all."""
    known: Dict[str, float] = {}
    for step in order:
        seconds: List[float] = store.durations(pipeline, step, step)
        if seconds:
            known[step] = median(seconds)
    default = median(known.values()) if known else 1.0
    return {step: known.get(step, default) for step in order}


def let_first(runnable: List[Tuple[float, int, Work]], name: Optional[str]) -> None:
    """Put an instance, if it is there, at the top of a heap of runnable ones: it has waited longest for its resources."""
    for index, (priority, order, work) in enumerate(runnable if name is not None else ()):
        if work.instance.name == name and priority != -math.inf:
            runnable[index] = (-math.inf, order, work)
            heapq.heapify(runnable)
            return
