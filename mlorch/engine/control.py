"""Ending running attempts from outside: timeouts and cancellation, without polling."""

from __future__ import annotations

import heapq
import signal
import threading
import time
from typing import Callable, Dict, List, Optional, Tuple

PAUSE = 0.02
"""Seconds between looks at a group that was asked to end."""

Action = Callable[[], None]
Signaller = Callable[[int], None]


class Alarms:
    """Actions at later times, in one thread that sleeps until the next is due. The thread starts with
    the first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: List[Tuple[float, int]] = []
        self._actions: Dict[int, Action] = {}
        self._count = 0
        self._thread: Optional[threading.Thread] = None
        self._closed = False

    def after(self, seconds: float, action: Action) -> int:
        """Do something after a time; returns a ticket for `drop`."""
        with self._changed:
            self._count += 1
            self._actions[self._count] = action
            heapq.heappush(self._due, (time.monotonic() + seconds, self._count))
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="mlorch-alarms", daemon=True)
                thread.start()  # RuntimeError where the machine gives none: the attempt has no limit, so it must not start
                self._thread = thread
            elif self._due[0][1] == self._count:
                self._changed.notify()
            return self._count

    def drop(self, ticket: int) -> None:
        """It is not wanted any more; nothing if it was done."""
        with self._changed:
            self._actions.pop(ticket, None)
            if len(self._due) > 2 * len(self._actions) + 64:
                self._due = [item for item in self._due if item[1] in self._actions]
                heapq.heapify(self._due)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            action = self._next()
            if action is None:
                return
            action()

    def _next(self) -> Optional[Action]:
        """Sleep until the next action is due; None at the end."""
        with self._changed:
            while not self._closed:
                pause = self._due[0][0] - time.monotonic() if self._due else threading.TIMEOUT_MAX
                if pause > 0:
                    self._changed.wait(min(pause, threading.TIMEOUT_MAX))
                    continue
                action = self._actions.pop(heapq.heappop(self._due)[1], None)
                if action is not None:
                    return action
            return None


class Control:
    """The handle of one attempt by which its timeout, or the hub, ends it: TERM to its group, KILL after
    the grace."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._lock = threading.Lock()
        self._signal: Optional[Signaller] = None
        self._tickets: List[int] = []
        self._hard = False
        self.cause = ""
        """`timeout` or `cancelled` once it is being ended."""

    def attach(self, send: Signaller) -> None:
        """From now on there is a process: `send` signals its group. What was asked for before is sent at
        once."""
        with self._lock:
            self._signal = send
            if self.cause:
                send(signal.SIGKILL if self._hard else signal.SIGTERM)

    def detach(self) -> None:
        """The process is about to be reaped: its number means nothing any more."""
        with self._lock:
            self._signal = None
            tickets, self._tickets = self._tickets, []
        for ticket in tickets:
            self._alarms.drop(ticket)

    def limit(self, timeout: Optional[float], grace: float) -> None:
        """Arrange its timeout."""
        if timeout is not None:
            self._tickets.append(self._alarms.after(timeout, lambda: self.end("timeout", grace)))

    def end(self, cause: str, grace: Optional[float]) -> None:
        """TERM now and KILL after `grace` seconds; None is KILL at once. The first cause given stands."""
        with self._lock:
            self.cause = self.cause or cause
            if grace is None:
                self._hard = True
            else:
                self._tickets.append(self._alarms.after(grace, self._kill))
            if self._signal is not None:
                self._signal(signal.SIGKILL if grace is None else signal.SIGTERM)

    def drain(self, lives: Callable[[], bool]) -> None:
        """After the leader ended while being ended: let the rest of its group have the grace too."""
        while self.cause and not self._hard and lives():
            time.sleep(PAUSE)

    def _kill(self) -> None:
        with self._lock:
            self._hard = True
            if self._signal is not None:
                self._signal(signal.SIGKILL)
