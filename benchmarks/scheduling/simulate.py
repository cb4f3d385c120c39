"""The real hub over a trace, with a virtual clock: no process runs, and an hour of work takes moments.

Real are the spec, the plan, the frontier, the decider, the hub, its queue and its pool of resources. Only what would take
time is not: the store is in memory, the launcher counts seconds, and waiting for a message moves the clock to when the
next attempt ends.
"""

from __future__ import annotations

import heapq
import json
import os
import queue
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Optional
from unittest import mock

from benchmarks.scheduling.policies import Known, Order
from benchmarks.scheduling.traces import Trace
from mlorch import execute, spec
from mlorch.app import Options
from mlorch.engine.commits import Batch, Commits
from mlorch.model import Attempt, Ended, Settings
from mlorch.session import Choice, DryRun, Session, dry_run, open_session

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from fakes import FakeLog, FakeStore

DRAWN = 5
"""Seed of the errors in what history knows."""


class KnowingStore(FakeStore):
    """Knows nothing but how long each step took before."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.history: Mapping[str, float] = {}

    def durations(self, pipeline: str, instance: str, step: str) -> list[float]:
        del pipeline, instance
        return [self.history[step]] if step in self.history else []

    def latest(self, pipeline: str, instance: str) -> None:
        del pipeline, instance

    def family(self, family: str, limit: int = 64) -> list[Any]:
        del family, limit
        return []


def _nowhere(*_: object) -> None:
    raise AssertionError("nothing was started yet")


class Clock:
    """Virtual seconds, and what ends when. The hub's inbox and its launcher in one.

    Args:
        seconds: step -> how long it takes.
    """

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self.now = 0.0
        self.started: dict[str, float] = {}
        self.ended: dict[str, float] = {}
        self._seconds = seconds
        self._coming: list[tuple[float, int, Attempt]] = []
        self._messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._deliver: Callable[[Attempt, Ended], None] = _nowhere

    # ------------------------------------------------------------------------------------------------- the launcher

    def start(self, slots: int, deliver: Callable[[Attempt, Ended], None]) -> None:
        del slots
        self._deliver = deliver

    def send(self, attempt: Attempt) -> None:
        name = attempt.instance
        self.started[name] = self.now
        heapq.heappush(self._coming, (self.now + self._seconds[name], len(self.started), attempt))

    def cancel(self, *_: object) -> None:
        """A bug ends the run: nothing is to be ended here."""

    def close(self) -> None:
        return None

    # ---------------------------------------------------------------------------------------------------- the inbox

    def put(self, message: Any) -> None:
        self._messages.put(message)

    def get_nowait(self) -> Any:
        return self._messages.get_nowait()

    def get(self, block: bool = True, timeout: Optional[float] = None) -> Any:
        """Time passes only here: until the next attempt ends, or the timeout. Raises queue.Empty at the timeout."""
        del block
        if self._messages.empty():
            due = self.now + timeout if timeout is not None else float("inf")
            if not self._coming or self._coming[0][0] > due:
                if due == float("inf"):
                    raise AssertionError("the hub waits for ever: nothing runs")
                self.now = due
                raise queue.Empty
            self._end_all_of_now()
        return self._messages.get_nowait()

    def _end_all_of_now(self) -> None:
        self.now = self._coming[0][0]
        while self._coming and self._coming[0][0] == self.now:
            _, _, attempt = heapq.heappop(self._coming)
            self.ended[attempt.instance] = self.now
            self._deliver(attempt, Ended("exit", 0, seconds=self.now - self.started[attempt.instance]))

    def monotonic(self) -> float:
        return self.now


class Graph:
    """A trace as an opened pipeline.

    Args:
        slots: what `capacity` declares of cores, with 2 GiB of memory each; 0 declares nothing.
    """

    def __init__(self, trace: Trace, slots: int = 0) -> None:
        self.names = {piece.id: f"s{number}" for number, piece in enumerate(trace.pieces)}
        self.seconds = {self.names[piece.id]: piece.seconds for piece in trace.pieces}
        self.trace = trace
        self._folder = tempfile.TemporaryDirectory(prefix="trace")
        root = self._folder.name
        path = os.path.join(root, "trace.yaml")
        with open(path, "w") as file:
            # what is JSON is YAML too, and is written faster
            json.dump(self._document(slots), file, indent=0)
        self.store = KnowingStore(root)
        self.pipeline = spec.load(path, root)
        self._opened: Optional[tuple[Session, DryRun]] = None

    def _document(self, slots: int) -> dict[str, Any]:
        document: dict[str, Any] = {"version": 1, "name": "trace", "steps": {}}
        if slots:
            document["capacity"] = {"cpus": slots, "memory": slots * 2 * 2**30}
        for piece in self.trace.pieces:
            step: dict[str, Any] = {"run": ["true"]}
            if piece.parents:
                step["needs"] = [self.names[parent] for parent in piece.parents]
            if slots:
                step["resources"] = {"cpus": piece.cores, "memory": piece.memory}
            document["steps"][self.names[piece.id]] = step
        return document

    def opened(self) -> tuple[Session, DryRun]:
        """The same for every run: neither depends on what history knows."""
        if self._opened is None:
            settings = Settings(self.store.root, self.store.path)
            session = open_session(self.pipeline, settings, self.store, os.environ)
            self._opened = session, dry_run(session, Choice())
        return self._opened

    def close(self) -> None:
        self._folder.cleanup()


def play(graph: Graph, slots: int, order: Order, known: Known) -> Clock:
    """One run; returns its clock, which stands at the makespan."""
    graph.store.history = known(graph.seconds, DRAWN)
    graph.store.by_key.clear()
    clock = Clock(graph.seconds)
    with _virtual(clock, order):
        session, dry = graph.opened()
        journal = execute.Journal("run", FakeLog(graph.store.root), graph.pipeline, ())
        hub = execute.make_hub(session, Choice(), Options(slots), dry, journal, clock, ())
        hub._inbox = clock
        hub._commits.start = partial(_at_once, hub._commits)
        outcomes = hub.run()
    assert all(item.outcome == "succeeded" for item in outcomes) and len(outcomes) == len(graph.seconds)
    return clock


def _at_once(commits: Commits, batch: Batch) -> None:
    """Recording takes no virtual time, and a thread would make the order of messages a matter of luck."""
    commits.busy = True
    commits._deliver(commits.now(batch))


@contextmanager
def _virtual(clock: Clock, order: Order) -> Iterator[None]:
    with mock.patch("time.monotonic", clock.monotonic), mock.patch.object(execute, "tails", order):
        yield


def bound(trace: Trace, slots: int, resources: bool = False) -> float:
    """What no order can be quicker than: the longest chain, and all the work at once on all slots (with resources:
    of the scarcest)."""
    longest: dict[str, float] = {}
    for piece in _in_order(trace):
        before = max((longest[parent] for parent in piece.parents), default=0.0)
        longest[piece.id] = before + piece.seconds
    shares = [sum(piece.seconds for piece in trace.pieces) / slots]
    if resources:
        shares.append(sum(piece.seconds * piece.cores for piece in trace.pieces) / slots)
        shares.append(sum(piece.seconds * piece.memory for piece in trace.pieces) / (slots * 2 * 2**30))
    return max(max(longest.values(), default=0.0), *shares)


def _in_order(trace: Trace) -> Sequence[Any]:
    """Upstream first."""
    pieces = {piece.id: piece for piece in trace.pieces}
    waiting = {piece.id: len(set(piece.parents)) for piece in trace.pieces}
    below: dict[str, list[str]] = {}
    for piece in trace.pieces:
        for parent in set(piece.parents):
            below.setdefault(parent, []).append(piece.id)
    ready = [name for name, count in waiting.items() if not count]
    for name in ready:
        for child in below.get(name, ()):
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    return [pieces[name] for name in ready]
