"""Orders to compare: each gives every step a number, and of what may start the largest starts first."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from mlorch.engine.priority import tails

Order = Callable[[Sequence[str], Mapping[str, Sequence[str]], Callable[[str], float]], dict[str, float]]
"""(steps upstream first, step -> downstream steps, step -> expected seconds) -> step -> priority."""
ERROR = 0.3


def as_it_comes(
    order: Sequence[str], below: Mapping[str, Sequence[str]], _: Callable[[str], float]
) -> dict[str, float]:
    """What became ready first starts first."""
    del below
    return dict.fromkeys(order, 0.0)


def most_dependants(
    order: Sequence[str], below: Mapping[str, Sequence[str]], _: Callable[[str], float]
) -> dict[str, float]:
    """How many steps come after it, in all."""
    number = {step: place for place, step in enumerate(order)}
    after: dict[str, int] = {}
    for step in reversed(order):
        found = 0
        for child in below.get(step, ()):
            found |= after[child] | (1 << number[child])
        after[step] = found
    return {step: float(bin(found).count("1")) for step, found in after.items()}


def longest_first(
    order: Sequence[str], _: Mapping[str, Sequence[str]], duration: Callable[[str], float]
) -> dict[str, float]:
    """The one that takes longest itself."""
    return {step: duration(step) for step in order}


def chain_alone(
    order: Sequence[str], below: Mapping[str, Sequence[str]], duration: Callable[[str], float]
) -> dict[str, float]:
    """The longest chain; those of one length as they come."""
    found: dict[str, float] = {}
    for step in reversed(order):
        found[step] = duration(step) + max((found[child] for child in below.get(step, ())), default=0.0)
    return found


def by_mlorch(
    order: Sequence[str], below: Mapping[str, Sequence[str]], duration: Callable[[str], float]
) -> dict[str, float]:
    """What the engine does: the longest chain, then who has more dependants."""
    return dict(tails(order, below, duration))


Known = Callable[[Mapping[str, float], int], dict[str, float]]
"""(true seconds, seed) -> what history knows."""


def nothing(true: Mapping[str, float], seed: int) -> dict[str, float]:
    del true, seed
    return {}


def exactly(true: Mapping[str, float], seed: int) -> dict[str, float]:
    del seed
    return dict(true)


def roughly(true: Mapping[str, float], seed: int) -> dict[str, float]:
    """Each off by up to 30 %, either way."""
    draw = random.Random(seed)
    return {step: seconds * draw.uniform(1 - ERROR, 1 + ERROR) for step, seconds in true.items()}


POLICIES: dict[str, tuple[Order, Known]] = {
    "order of appearance": (as_it_comes, nothing),
    "most dependants": (most_dependants, nothing),
    "longest step first, times known": (longest_first, exactly),
    "critical path, no times known, ties as they come": (chain_alone, nothing),
    "critical path, no times known": (by_mlorch, nothing),
    "critical path, times known": (by_mlorch, exactly),
    "critical path, times 30 % off": (by_mlorch, roughly),
}
ENGINE = "critical path, times known"
"""What mlorch does from the second run on."""
