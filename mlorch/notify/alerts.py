"""Listens to a run and alerts people: what failed, what is well again, what takes too long."""

from __future__ import annotations

import contextlib
import json
import queue
import shlex
import socket
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch.model import Channel, Event, Pipeline
from mlorch.notify.delivery import Delivery, deliver
from mlorch.notify.message import Alert, Failed
from mlorch.notify.standing import Standing
from mlorch.report.failures import overrides, run_command
from mlorch.report.logs import Logs, telling
from mlorch.report.plainjson import iso_time

LONGEST = 45.0
"""Seconds that a run waits at its end for alerts to be sent."""
SLOW, LEAST = 3.0, 60.0
"""A step is slow from so many times its usual seconds on, and from so many seconds more on."""

AT_ONCE = ("slow", "timeout")
"""What the pipeline's channels hear of one step, as soon as it happens."""

Usual = Callable[[str], Optional[float]]
"""Instance -> the seconds that it usually takes; None where nothing is known."""
Keep = Callable[[str], None]
"""Keeps the lines of what was sent with the run."""


class Alerts:
    """A listener. `close` waits for what is under way and returns a sentence for each channel that did not work."""

    def __init__(
        self,
        pipeline: Pipeline,
        logs: Logs,
        standing: Standing,
        usual: Usual,
        environ: Mapping[str, str],
    ) -> None:
        self._pipeline = pipeline
        self._logs = logs
        self._standing = standing
        self._usual = usual
        self._environ = dict(environ)
        self._meta: Mapping[str, Any] = {}
        self._failed: Dict[str, Failed] = {}
        self._blocked: List[str] = []
        self._started = time.time()
        self._timers: Dict[str, threading.Timer] = {}
        self._queue: queue.Queue[Optional[Tuple[Channel, Alert]]] = queue.Queue()
        self._deliveries: List[Tuple[float, str, Delivery]] = []
        self._worker: Optional[threading.Thread] = None
        self._starting = threading.Lock()

    # ------------------------------------------------------------------------------------------------- events

    def __call__(self, event: Event) -> None:
        handle = _HANDLERS.get(event.kind)
        if handle is not None:
            handle(self, event, event.data)

    def _run_started(self, event: Event, data: Mapping[str, Any]) -> None:
        self._meta, self._started = data, event.time

    def _step_started(self, event: Event, data: Mapping[str, Any]) -> None:
        del data
        usual = self._usual(event.instance) if self._wanted("slow") else None
        if usual is None or event.instance in self._timers:
            return
        wait = max(SLOW * usual, usual + LEAST)
        note = f"{event.instance} has run for {wait:.0f} s; it usually takes {usual:.0f} s"
        timer = threading.Timer(wait, self._tell, ("slow", event.run, event.instance, event.step, note))
        timer.daemon = True
        with contextlib.suppress(RuntimeError):  # no thread to be had: nobody is told that it is slow
            timer.start()
            self._timers[event.instance] = timer

    def _step_retried(self, event: Event, data: Mapping[str, Any]) -> None:
        self._look_for_timeout(event, str(data.get("error") or ""))

    def _step_ended(self, event: Event, data: Mapping[str, Any]) -> None:
        timer = self._timers.pop(event.instance, None)
        if timer is not None:
            timer.cancel()
        if event.kind == "step.blocked":
            self._blocked.append(event.instance)
        elif data.get("outcome") == "failed" and not data.get("tolerated"):
            self._failed[event.instance] = self._failure(event, data)
            self._look_for_timeout(event, str(data.get("error") or ""))
            self._tell("failure", event.run, event.instance, event.step)
        elif data.get("outcome") == "succeeded":
            self._tell("success", event.run, event.instance, event.step)

    def _look_for_timeout(self, event: Event, error: str) -> None:
        if error.startswith("timed out"):
            self._tell("timeout", event.run, event.instance, event.step, error)

    def _run_finished(self, event: Event, data: Mapping[str, Any]) -> None:
        status, seconds = data.get("status"), float(data.get("seconds") or 0.0)
        if status == "failed":
            # the sentence is there where no step failed, but the machine: a full disk
            self._tell("failure", event.run, note=str(data.get("error") or ""), seconds=seconds)
        elif status == "succeeded":
            if self._standing.failures:
                count = self._standing.failures
                note = f"the {f'{count} runs' if count > 1 else 'run'} before had failed"
                self._tell("recovery", event.run, note=note, seconds=seconds)
            self._tell("success", event.run, seconds=seconds)

    def _failure(self, event: Event, data: Mapping[str, Any]) -> Failed:
        log = str(data.get("log") or "")
        target = shlex.quote(event.instance)
        command = f"{run_command(self._pipeline)} {target} --force-step {target}{overrides(self._pipeline)}"
        said = tuple(telling(self._logs.tail(log))) if log and data.get("attempts") else ()
        error = str(data.get("error") or "failed")
        return Failed(event.instance, error, said, int(data.get("attempts") or 0), log, command)

    # ------------------------------------------------------------------------------------------------ telling

    def _wanted(self, kind: str) -> bool:
        return any(kind in channel.on for channel in self._pipeline.notify)

    def _tell(
        self, kind: str, run: str, instance: str = "", step: str = "", note: str = "", seconds: float = 0.0
    ) -> None:
        """Queue an alert for each channel that wants it; `instance` and `step` where it is about one step."""
        now = time.time()
        for channel in self._pipeline.notify:
            # A channel of a step's hook hears of that step; the pipeline's hear of the run, and of slow steps at once.
            about = (
                channel.step == step and bool(instance) if channel.step else not instance or kind in AT_ONCE
            )
            if kind in channel.on and about and self._reaches(kind, channel, now):
                self._send(channel, self._alert(kind, run, instance, note, seconds, now))

    def _reaches(self, kind: str, channel: Channel, now: float) -> bool:
        if kind == "failure":
            return self._standing.failed_too(self._started).reaches(channel, now)
        # Who was never told of the failure need not hear that it is over.
        return kind != "recovery" or self._standing.reaches(channel, now)

    def _alert(self, kind: str, run: str, instance: str, note: str, seconds: float, now: float) -> Alert:
        failing = kind in ("failure", "timeout")
        standing = self._standing.failed_too(self._started) if failing else self._standing
        failed = [self._failed[instance]] if instance in self._failed else list(self._failed.values())
        return Alert(
            kind=kind,
            name=self._pipeline.name,
            file=self._pipeline.file,
            run=run,
            time=now,
            owner=self._owner([item.instance for item in failed] if failing else [instance]),
            instance=instance,
            note=note,
            failed=tuple(failed) if failing else (),
            blocked=tuple(self._blocked) if failing else (),
            failures=standing.failures,
            since=standing.since,
            seconds=seconds,
            host=str(self._meta.get("host") or socket.gethostname()),
            link=str(self._meta.get("ci") or ""),
        )

    def _owner(self, instances: Sequence[str]) -> str:
        """Of the steps that it is about, each once; the pipeline's for those without one, and for the run."""
        steps = [self._pipeline.steps.get(name.split("@", 1)[0]) for name in instances]
        owners = [step.owner if step is not None and step.owner else self._pipeline.owner for step in steps]
        return ", ".join(dict.fromkeys(owner for owner in owners or [self._pipeline.owner] if owner))

    def _send(self, channel: Channel, alert: Alert) -> None:
        with self._starting:  # a timer may send beside the run's own thread
            if self._worker is None:
                worker = threading.Thread(target=self._work, name="mlorch-alerts", daemon=True)
                # where no thread is to be had now: perhaps for the next, else at the end
                with contextlib.suppress(RuntimeError):
                    worker.start()
                    self._worker = worker
        self._queue.put((channel, alert))

    def _work(self) -> None:
        while True:
            item = self._queue.get()
            if item is None:
                return
            channel, alert = item
            done = deliver(channel, alert, self._environ, self._pipeline.root)
            self._deliveries.append((alert.time, alert.kind, done))

    def close(self, keep: Optional[Keep] = None) -> List[str]:
        """Wait, but not for long, until all is sent; `keep` gets the lines of `alerts.jsonl`."""
        for timer in self._timers.values():
            timer.cancel()
        unsent = 0
        if self._worker is not None:
            self._queue.put(None)
            self._worker.join(LONGEST)
            unsent = self._queue.qsize() if self._worker.is_alive() else 0
        elif not self._queue.empty():
            self._queue.put(None)
            self._work()
        done = list(self._deliveries)
        if keep is not None and done:
            keep("".join(json.dumps(_line(*item)) + "\n" for item in done))
        told = [
            f"no alert was sent through {item.channel}: {item.error}" for _, _, item in done if not item.sent
        ]
        if unsent:
            told.append(f"alerts were not all sent within {LONGEST:g} s")
        return list(dict.fromkeys(told))


def _line(when: float, kind: str, done: Delivery) -> Dict[str, Any]:
    return {
        "time": iso_time(when),
        "alert": kind,
        "channel": done.channel,
        "sent": done.sent,
        "tries": done.tries,
        "error": done.error or None,
    }


_HANDLERS: Dict[str, Callable[[Alerts, Event, Mapping[str, Any]], None]] = {
    "run.started": Alerts._run_started,
    "step.started": Alerts._step_started,
    "step.retried": Alerts._step_retried,
    "step.finished": Alerts._step_ended,
    "step.blocked": Alerts._step_ended,
    "step.cancelled": Alerts._step_ended,
    "run.finished": Alerts._run_finished,
}
