"""Signals at the two ends of a run: before it can take them as usual, and after it, where its exit code stands."""

from __future__ import annotations

import atexit
import os
import signal
from types import FrameType
from typing import Optional

from mlorch.model import Event

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
USUAL = (signal.SIG_DFL, signal.default_int_handler)


class Ending:
    """A listener that knows when the run is over. A run that has ended is not taken back by a signal: the first of each
    kind is passed over while the answer is printed, and one more ends the process."""

    def __init__(self) -> None:
        self._over = False
        for number in SIGNALS:
            if signal.getsignal(number) in USUAL:  # what is ignored, as under nohup, stays ignored
                signal.signal(number, self._take)
        atexit.register(self._leave)

    def __call__(self, event: Event) -> None:
        self._over = self._over or event.kind == "run.finished"

    def _take(self, number: int, frame: Optional[FrameType]) -> None:
        del frame
        if not self._over and number == signal.SIGINT:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)
        if not self._over:
            os.kill(os.getpid(), number)

    def _leave(self) -> None:
        """The interpreter gives signals their default action back some milliseconds before it ends: the exit code stands."""
        for number in SIGNALS:
            if signal.getsignal(number) == self._take:
                signal.signal(number, signal.SIG_IGN)
