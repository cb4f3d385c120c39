"""The listener behind the live screen: a thread that takes events from a queue and paints, at most ten times a second."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from types import FrameType
from typing import List, Optional, Set, TextIO, Union

from mlorch.model import Event
from mlorch.report.lines import header
from mlorch.report.live import draw
from mlorch.report.live.board import Board, Line
from mlorch.report.live.peek import Peeks
from mlorch.report.live.terminal import Terminal
from mlorch.report.logs import FileLogs
from mlorch.report.style import Style, style_of

SHORTEST = 0.1
"""Seconds between two paintings, at least; more where one takes long, so that a tenth of the time is spent on them."""
IDLE = 0.25
"""Seconds between two paintings while nothing happens: clocks and last lines move."""
YIELD = 1.0
"""Seconds that Ctrl-Z waits for the screen to be cleared."""

Item = Union[Event, threading.Event, None]
"""An event; a request to clear the screen, set when that is done; or the end."""


class LiveListener:
    """Shows a run on a terminal. Takes events from any thread, never blocks, never raises."""

    def __init__(self, stream: TextIO, style: Optional[Style] = None) -> None:
        self._terminal = Terminal(stream)
        self._style = style if style is not None else style_of(stream)
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._board = Board()
        self._peeks = Peeks("")
        self._logs = FileLogs("")
        self._due: List[Line] = []
        self._texts: List[str] = []
        self._ended = False
        self._thread: Optional[threading.Thread] = None
        self._suspended = threading.Event()
        self._wake = threading.Event()
        self._over = False
        self.told: Set[str] = set()
        """Warnings that were shown, so that the summary does not repeat them."""

    # ------------------------------------------------------------------------------------------------ from outside

    def __call__(self, event: Event) -> None:
        self._queue.put(event)
        if self._thread is not None:
            return
        if event.kind == "step.started":
            self._begin()
        elif event.kind in ("run.started", "warning", "run.finished"):
            self._drain()  # a run that only looks needs no thread
            self._write()

    def close(self) -> None:
        """Show what is due, and leave the cursor below it. Safe to call twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            self._wake.set()
            thread.join()
            self._restore()
        else:
            self._drain()
            self._write()
        self._terminal.clear()

    def _begin(self) -> None:
        thread = threading.Thread(target=self._run, name="mlorch-screen", daemon=True)
        # where no thread is to be had, what there is to say is said at the end
        with contextlib.suppress(RuntimeError):
            thread.start()
            self._thread = thread
            self._catch()

    # ---------------------------------------------------------------------------------------------------- Ctrl-Z

    def _catch(self) -> None:
        """Clear the screen before the shell gets it back."""
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL:
            signal.signal(signal.SIGTSTP, self._stop)

    def _restore(self) -> None:
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGTSTP) == self._stop:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)

    def _stop(self, number: int, frame: Optional[FrameType]) -> None:
        """In the main thread: stop as if nobody had caught the signal, with a clean screen, and go on after `fg`."""
        del frame
        cleared = threading.Event()
        self._queue.put(cleared)
        self._wake.set()
        cleared.wait(YIELD)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)  # stopped here, by this thread: only then is it caught again
        signal.signal(number, self._stop)
        self._suspended.clear()

    # ------------------------------------------------------------------------------------------ in the screen's thread

    def _run(self) -> None:
        pause, painted = SHORTEST, 0.0
        while True:
            self._wake.wait(pause)
            self._wake.clear()
            changed = self._drain()
            if self._over:
                break
            began = time.monotonic()
            if (changed or began - painted >= IDLE) and not self._suspended.is_set():
                self._paint()
                painted = time.monotonic()
                pause = min(1.0, max(SHORTEST, 9 * (painted - began)))
        self._write()

    def _drain(self) -> bool:
        """Take what has come; whether there was anything."""
        changed = False
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return changed
            changed = True
            if item is None:
                self._over = True
            elif isinstance(item, threading.Event):
                self._yield(item)
            else:
                self._guarded(item)

    def _yield(self, cleared: threading.Event) -> None:
        self._suspended.set()
        self._texts.append("suspended: what runs goes on, nothing new starts; `fg` to return")
        self._write()
        cleared.set()

    def _guarded(self, event: Event) -> None:
        try:
            self._take(event)
        except Exception as error:  # a fault in the display must not end a run
            self._texts.append(f"warning: an event could not be shown: {type(error).__name__}")

    def _take(self, event: Event) -> None:
        now = time.monotonic()
        if event.kind == "run.started":
            self._board.start(event, now)
            root = str(event.data.get("root") or "")
            self._peeks, self._logs = Peeks(root), FileLogs(root)
            self._texts.append(self._style.own(header(event, self._board.tally, self._style)))
        elif event.kind == "warning":
            self._warn(str(event.data.get("text", "")))
        elif event.kind == "run.finished":
            self._finish(event)
        elif event.kind.startswith("step"):
            for line in self._board.take(event, now):
                self._texts += draw.line_texts(line, self._look(), self._logs.tail)

    def _finish(self, event: Event) -> None:
        totals = event.data.get("totals")
        others = [totals[name] for name in totals if name != "cached"] if isinstance(totals, dict) else [1]
        if not any(others):
            self._board.drop_cached()
        for line in self._board.flush():
            self._texts += draw.line_texts(line, self._look(), self._logs.tail)
        self._ended = True

    def _warn(self, text: str) -> None:
        if text not in self.told:
            self.told.add(text)
            self._texts.append(self._style.paint("warning", "yellow") + ": " + self._style.own(text))

    def _look(self) -> draw.Look:
        columns, rows = self._terminal.size()
        return draw.Look(self._style, columns, rows, time.monotonic(), self._peeks, self._board.widest)

    def _paint(self) -> None:
        in_front = self._terminal.in_front()
        if not in_front:
            self._terminal.lose()
        if self._ended or not in_front:
            self._write()
            return
        above, self._texts = self._texts, []
        self._terminal.show(above, draw.block(self._board, self._look()))

    def _write(self) -> None:
        """What is due, without the block."""
        above, self._texts = self._texts, []
        self._terminal.show(above, ())
