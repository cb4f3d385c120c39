"""The launcher on this host: agents that joblib hosts, fed by a queue. The only user of joblib."""

from __future__ import annotations

import queue
import sys
import threading
from typing import Any, Callable, Dict, Optional, Set

from mlorch.engine.agent import Agent, Tools
from mlorch.engine.control import Alarms, Control
from mlorch.engine.failure import REMEDY
from mlorch.engine.guardian import Guardian
from mlorch.engine.lingering import Orphans
from mlorch.engine.process import Starter, is_refusal
from mlorch.errors import MachineFault
from mlorch.model import Attempt, Ended

Deliver = Callable[[Attempt, Ended], None]


def _joblib() -> Any:
    """What hosts the agents, imported only when something runs: 0.1 s. It would import numpy too, which takes several times
    as long and starts threads, only to recognise arrays among the arguments; agents get none."""
    hidden = "numpy" not in sys.modules
    if hidden:
        sys.modules["numpy"] = None  # type: ignore[assignment]
    try:
        import joblib
    finally:
        if hidden:
            del sys.modules["numpy"]
    return joblib


class JoblibLauncher:
    """Implements `ports.Launcher`: one public `Parallel` call per run, in a thread; each slot is an
    agent that takes one attempt after the other.

    Args:
        run: the run's id, as in MLORCH_RUN_ID of its attempts.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._queue: queue.SimpleQueue[Optional[Attempt]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._controls: Dict[str, Control] = {}
        self._alarms = Alarms()
        self._host: Optional[threading.Thread] = None
        self._own: Set[int] = set()
        self._slots = 0
        self._to: Optional[Deliver] = None
        self.failure: Optional[BaseException] = None
        """What an agent or `deliver` raised: a bug."""

    def start(self, slots: int, deliver: Deliver) -> None:
        """Agents, guardian and joblib come with the first attempt: most runs have nothing to do."""
        self._slots = max(1, slots)
        self._to = deliver

    def _begin(self, deliver: Deliver) -> None:
        starter = Starter()
        guardian = Guardian(self._run, starter)
        if guardian.pid is not None:
            self._own.add(guardian.pid)
        self._tools = Tools(starter, guardian, Orphans(self._own.__contains__), self._alarms)
        host = threading.Thread(target=self._run_agents, args=(deliver,), name="mlorch-agents", daemon=True)
        try:
            host.start()
        except RuntimeError as error:
            self._close_tools()
            raise MachineFault(f"no thread can be started: {error}", REMEDY) from error
        self._host = host

    def send(self, attempt: Attempt) -> None:
        if self._host is None and self._to is not None:
            self._begin(self._to)
        with self._lock:
            self._controls[attempt.id] = Control(self._alarms)
        self._queue.put(attempt)

    def cancel(self, grace: Optional[float], only: Optional[str] = None) -> None:
        with self._lock:
            controls = [control for name, control in self._controls.items() if only in (None, name)]
        for control in controls:
            control.end("cancelled", grace)

    def check(self) -> None:
        """Raise what an agent or `deliver` raised, if anything."""
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        if self._host is None:
            return
        self.cancel(None)
        for _ in range(self._slots):
            self._queue.put(None)
        self._host.join()
        self._host = None
        self._close_tools()

    def _close_tools(self) -> None:
        tools = self._tools
        tools.orphans.end_run(self._run)
        tools.orphans.bury()
        tools.orphans.close()
        tools.alarms.close()
        tools.guardian.close()
        tools.starter.close()

    # ----------------------------------------------------------------------------------------------- the host

    def _run_agents(self, deliver: Deliver) -> None:
        """In a thread of its own, as `Parallel` returns only when all agents have."""
        try:
            joblib = _joblib()
            # Threads: they only supervise processes. `parallel_config` holds for this thread.
            with joblib.parallel_config(backend="threading"):
                joblib.Parallel(n_jobs=self._slots, batch_size=1, pre_dispatch="all")(
                    joblib.delayed(self._agent)(deliver, slot) for slot in range(self._slots)
                )
        except BaseException as error:
            self.failure = self.failure or error
            self._refuse(deliver, error)

    def _agent(self, deliver: Deliver, slot: int) -> None:
        """Take attempts until the end. Never raises."""
        agent = Agent(self._tools, slot)
        try:
            while True:
                attempt = self._queue.get()
                if attempt is None:
                    return
                self._deliver(deliver, attempt, self._execute(agent, attempt))
        finally:
            agent.close()

    def _execute(self, agent: Agent, attempt: Attempt) -> Ended:
        with self._lock:
            control = self._controls[attempt.id]
        try:
            return agent.execute(attempt, control)
        except BaseException as error:  # a bug; its step fails, the agent goes on
            self.failure = self.failure or error
            return Ended("spawn", exit_code=126, error=f"mlorch failed to run it: {error!r}")
        finally:
            with self._lock:
                self._controls.pop(attempt.id, None)

    def _deliver(self, deliver: Deliver, attempt: Attempt, ended: Ended) -> None:
        try:
            deliver(attempt, ended)
        except BaseException as error:
            self.failure = self.failure or error

    def _refuse(self, deliver: Deliver, error: BaseException) -> None:
        """joblib can't host agents: every attempt ends at once, so that the run does too."""
        for _ in range(self._slots):
            while True:
                attempt = self._queue.get()
                if attempt is None:
                    break
                self._controls.pop(attempt.id, None)
                told = f"joblib could not host agents: {error!r}"
                ended = Ended("spawn", exit_code=126, error=told, environment=is_refusal(error))
                self._deliver(deliver, attempt, ended)
