"""The launcher on this host: agents, fed by a queue, that joblib hosts where there are several. The only user of joblib."""

from __future__ import annotations

import queue
import sys
import threading
from typing import Any, Callable, Dict, List, Optional, Set

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
    """Implements `ports.Launcher`: each slot is an agent that takes one attempt after the other. One agent is a thread of our
    own; the others come with the first attempt that has to run beside another, hosted by one public `Parallel` call.

    Args:
        run: the run's id, as in MLORCH_RUN_ID of its attempts.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._queue: queue.SimpleQueue[Optional[Attempt]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._controls: Dict[str, Control] = {}
        self._alarms = Alarms()
        self._threads: List[threading.Thread] = []
        self._own: Set[int] = set()
        self._slots = 0
        self._to: Optional[Deliver] = None
        self._refusal: Optional[BaseException] = None
        """Why the other agents could not be had: nothing runs any more then."""
        self.failure: Optional[BaseException] = None
        """What an agent or `deliver` raised: a bug."""

    def start(self, slots: int, deliver: Deliver) -> None:
        """Agents and guardian come with the first attempt: most runs have nothing to do."""
        self._slots = max(1, slots)
        self._to = deliver

    def _begin(self) -> None:
        try:
            starter = Starter()
            guardian = Guardian(self._run, starter)
        except BlockingIOError as error:  # other refusals are told by what is short
            raise MachineFault(f"nothing can be started: {error}", REMEDY) from error
        if guardian.pid is not None:
            self._own.add(guardian.pid)
        self._tools = Tools(starter, guardian, Orphans(self._own.__contains__), self._alarms)
        try:
            self._thread(lambda: self._agent(0), "mlorch-agent")
        except MachineFault:
            self._close_tools()
            raise

    def _thread(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise MachineFault(f"no thread can be started: {error}", REMEDY) from error
        self._threads.append(thread)

    def send(self, attempt: Attempt) -> None:
        if not self._threads:
            self._begin()
        with self._lock:
            self._controls[attempt.id] = Control(self._alarms)
            at_once = len(self._controls)
        self._queue.put(attempt)
        if at_once > 1 and self._slots > 1 and len(self._threads) == 1:
            self._thread(self._run_agents, "mlorch-agents")

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
        if not self._threads:
            return
        self.cancel(None)
        for _ in range(self._slots):
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []
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

    def _run_agents(self) -> None:
        """In a thread of its own, as `Parallel` returns only when all its agents have."""
        others = range(1, self._slots)
        try:
            joblib = _joblib()
            # Threads: they only supervise processes. `parallel_config` holds for this thread.
            with joblib.parallel_config(backend="threading"):
                joblib.Parallel(n_jobs=len(others), batch_size=1, pre_dispatch="all")(
                    joblib.delayed(self._agent)(slot) for slot in others
                )
        except BaseException as error:
            self.failure = self.failure or error
            self._refusal = error

    def _agent(self, slot: int) -> None:
        """Take attempts until the end. Never raises."""
        agent = Agent(self._tools, slot)
        try:
            while True:
                attempt = self._queue.get()
                if attempt is None:
                    return
                self._deliver(attempt, self._execute(agent, attempt))
        finally:
            agent.close()

    def _execute(self, agent: Agent, attempt: Attempt) -> Ended:
        with self._lock:
            control = self._controls[attempt.id]
        try:
            return self._refused() or agent.execute(attempt, control)
        except BaseException as error:  # a bug; its step fails, the agent goes on
            self.failure = self.failure or error
            return Ended("spawn", exit_code=126, error=f"mlorch failed to run it: {error!r}")
        finally:
            with self._lock:
                self._controls.pop(attempt.id, None)

    def _refused(self) -> Optional[Ended]:
        """Where joblib can't host agents every attempt ends at once, so that the run does too."""
        error = self._refusal
        if error is None:
            return None
        told = f"joblib could not host agents: {error!r}"
        return Ended("spawn", exit_code=126, error=told, environment=is_refusal(error))

    def _deliver(self, attempt: Attempt, ended: Ended) -> None:
        assert self._to is not None
        try:
            self._to(attempt, ended)
        except BaseException as error:
            self.failure = self.failure or error
