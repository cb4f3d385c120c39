"""Work that may start: by the longest chain below it, as soon as its resources fit; and work that is to be tried again."""

from __future__ import annotations

import heapq
import time
from typing import List, Mapping, Optional, Tuple

from mlorch.engine.priority import let_first
from mlorch.engine.resources import Grant, Pool
from mlorch.engine.settle import Work

MOST_PASSED = 64
"""How many that do not fit are looked at before the others wait too."""


class Waiting:
    """What is runnable, and what is delayed by a retry.

    Args:
        priority: step -> seconds of the longest chain from its start to the end.
    """

    def __init__(self, pool: Pool, priority: Mapping[str, float]) -> None:
        self._pool = pool
        self._priority = priority
        self._runnable: List[Tuple[float, int, Work]] = []
        self._delayed: List[Tuple[float, int, Work]] = []
        self._sequence = 0

    def add(self, work: Work) -> None:
        """It may start when its resources fit."""
        self._sequence += 1
        priority = -self._priority.get(work.instance.step.id, 0.0)
        heapq.heappush(self._runnable, (priority, self._sequence, work))

    def delay(self, work: Work, seconds: float) -> None:
        """It may start after some seconds."""
        self._sequence += 1
        heapq.heappush(self._delayed, (time.monotonic() + seconds, self._sequence, work))

    def __bool__(self) -> bool:
        """Whether anything waits for a slot or for its resources."""
        return bool(self._runnable)

    @property
    def due(self) -> Optional[float]:
        """When the next delayed one may start (monotonic clock); None where there is none."""
        return self._delayed[0][0] if self._delayed else None

    def offer(self) -> Optional[Tuple[Work, Grant]]:
        """The first that fits, longest chain first; what does not fit holds nothing back unless it was overtaken too
        often."""
        while self._delayed and self._delayed[0][0] <= time.monotonic():
            self.add(heapq.heappop(self._delayed)[2])
        let_first(self._runnable, self._pool.favoured())
        passed: List[Tuple[float, int, Work]] = []
        found: Optional[Tuple[Work, Grant]] = None
        while self._runnable and found is None and len(passed) < MOST_PASSED:
            entry = heapq.heappop(self._runnable)
            grant = self._pool.try_acquire(entry[2].invocation.needs, entry[2].instance.name)
            if grant is None:
                passed.append(entry)
            else:
                found = entry[2], grant
        for entry in passed:
            heapq.heappush(self._runnable, entry)
        return found

    def drain(self) -> List[Work]:
        """Everything that waits; nothing is kept for it any more."""
        waiting = [entry[2] for entry in (*self._runnable, *self._delayed)]
        self._runnable, self._delayed = [], []
        for work in waiting:
            self._pool.forget(work.instance.name)
        return waiting
