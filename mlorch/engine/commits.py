"""Successes on their way to their records: a batch gathers while the one before is being made durable."""

from __future__ import annotations

import queue
import threading
import time
from typing import Callable, List, Optional, Sequence, Tuple

from mlorch.engine.settle import Finished
from mlorch.model import Record

GATHER = 0.1
"""Seconds for which a success may wait for others while the slots have other work: a batch costs two syncs, each some 0.4 ms
of system time and far more where others write to the same file system."""

Batch = Sequence[Finished]
Committed = Tuple[Batch, Sequence[Record], Optional[BaseException]]


class Commits:
    """Group commit, at most one at a time. All but the thread's own work is called from the hub's thread.

    Args:
        record: makes a batch durable and returns its records. Called in a thread of its own, so that a sync holds up
            nothing but what waits for it.
        deliver: takes what became of a batch, from that thread.
    """

    def __init__(
        self, record: Callable[[Batch], Sequence[Record]], deliver: Callable[[Committed], None]
    ) -> None:
        self._record = record
        self._deliver = deliver
        self._gathered: List[Finished] = []
        self._since = 0.0
        self._queue: queue.SimpleQueue[Optional[Batch]] = queue.SimpleQueue()
        self._thread: Optional[threading.Thread] = None
        self.busy = False
        """Whether a batch is on its way; `ended` must be called when it was delivered."""

    def add(self, finished: Finished) -> None:
        if not self._gathered:
            self._since = time.monotonic()
        self._gathered.append(finished)

    @property
    def open(self) -> bool:
        """Whether any success is not concluded yet."""
        return self.busy or bool(self._gathered)

    @property
    def due(self) -> Optional[float]:
        """When what has gathered may wait no longer (monotonic clock); None where nothing waits for a time."""
        return self._since + GATHER if self._gathered and not self.busy else None

    def take(self, patient: bool) -> Batch:
        """What is to be recorded now: nothing while a batch is on its way, or while the patient may still wait."""
        if self.busy or (patient and self._gathered and time.monotonic() < self._since + GATHER):
            return ()
        batch, self._gathered = self._gathered, []
        return batch

    def start(self, batch: Batch) -> None:
        """Record a batch in the thread; here where the machine gives no thread."""
        self.busy = True
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="mlorch-commits", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                self._deliver(self.now(batch))
                return
            self._thread = thread
        self._queue.put(batch)

    def ended(self) -> None:
        self.busy = False

    def close(self) -> None:
        """Wait for the batch that is on its way."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def now(self, batch: Batch) -> Committed:
        """Record a batch here: where nothing else goes on, a thread would only cost time."""
        try:
            return batch, self._record(batch), None
        except BaseException as error:  # raised again in the hub's thread
            return batch, (), error

    def _run(self) -> None:
        while True:
            batch = self._queue.get()
            if batch is None:
                return
            self._deliver(self.now(batch))
