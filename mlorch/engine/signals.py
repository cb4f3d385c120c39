"""The signals that end a run, and that they reach a main thread that waits.

The interpreter calls handlers only in its main thread, between two of its instructions. A signal that comes when that thread is
just about to wait for a queue, or that the system gives to another thread, would be noticed only when the wait ends: with the
step that runs, in hours perhaps. What the interpreter does at once, in whichever thread, is to write to a descriptor.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager, suppress
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_END = b"\0"
"""No signal has this number."""


class Inbox:
    """Signals wait here until there is a hub to take them."""

    def __init__(self) -> None:
        self._waiting: List[int] = []
        self._target: Optional[Callable[[int], None]] = None

    def attach(self, target: Callable[[int], None]) -> None:
        self._target = target
        for number in self._waiting:
            target(number)

    def put(self, number: int) -> None:
        if self._target is not None:
            self._target(number)
        else:
            self._waiting.append(number)

    def __call__(self, number: int, frame: object) -> None:
        del frame
        if self._target is not None:
            self._target(number)
            return
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)


@contextmanager
def receiving() -> Iterator[Inbox]:
    """The signals that end a run, from now on; not so outside of the main thread."""
    inbox = Inbox()
    before: Dict[int, Any] = {}
    try:
        for number in SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # under nohup a run outlives its terminal
            before[number] = signal.signal(number, inbox)
    except ValueError:
        # Not the main thread: whoever called from there keeps the signals.
        before = {}
    try:
        yield inbox
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


@contextmanager
def waking(wake: Callable[[], None]) -> Iterator[None]:
    """Within, `wake` is called (in a thread of its own) after each signal that has a handler: it is to give the main thread
    something to do, and the handler runs. In another than the main thread, which signals don't concern, it does nothing; nor
    where the machine gives no pipe or no thread: it is a help that a run does without."""
    pipe = _pipe() if threading.current_thread() is threading.main_thread() else None
    if pipe is None:
        yield
        return
    reader, writer = pipe
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread = threading.Thread(target=_watch, args=(reader, before, wake), name="mlorch-signals", daemon=True)
    try:
        with suppress(RuntimeError):
            thread.start()
        yield
    finally:
        signal.set_wakeup_fd(before)
        if thread.ident is not None:
            os.write(writer, _END)
            thread.join()
        os.close(reader)
        os.close(writer)


def _pipe() -> Optional[Tuple[int, int]]:
    try:
        reader, writer = os.pipe()
    except OSError:
        return None
    os.set_blocking(writer, False)  # a handler must not wait
    return reader, writer


def _watch(reader: int, before: int, wake: Callable[[], None]) -> None:
    """Until the end. Who was told of signals before (`asyncio` is) is told of these too."""
    while True:
        told = os.read(reader, 512)
        if told.endswith(_END):
            return
        if before >= 0:
            os.write(before, told)
        wake()
