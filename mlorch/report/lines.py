"""Progress where nothing may move: a line per event, a sign of life now and then; or JSON lines."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, TextIO, Tuple

from mlorch.model import Event, Value
from mlorch.report.plainjson import iso_time, line
from mlorch.report.reasons import listed
from mlorch.report.style import Style, seconds_text, style_of
from mlorch.report.tally import CACHED, DONE, Tally, number, outcome_of, whole

FIRST_BEAT = 30.0
NEXT_BEATS = 60.0
FOLD = 10
"""So many cached steps in a row, and one line stands for all of them."""
SHOWN_RUNNING = 5

COLORS = {"failed": "red", "blocked": "yellow", "cancelled": "yellow"}


class Output:
    """A text stream that is written to until it fails; then silence."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._broken = False
        self._unread = False

    def write(self, text: str) -> None:
        if self._broken or not text:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._broken = True
            self._unread = isinstance(error, BrokenPipeError)

    def check(self) -> None:
        """Raises BrokenPipeError, once, where whoever read this has gone."""
        unread, self._unread = self._unread, False
        if unread:
            raise BrokenPipeError("nobody reads the progress any more")


class LineListener:
    """`[4/8] features: ok 8.8s`, a line per event, and every minute which steps still run.

    Args:
        total: instances of the run; `run.started` tells it where it is not given.
        beats: seconds of silence before the first sign of life, and between those that follow.
    """

    def __init__(
        self,
        stream: TextIO,
        style: Optional[Style] = None,
        total: int = 0,
        *,
        quiet: bool = False,
        beats: Tuple[float, float] = (FIRST_BEAT, NEXT_BEATS),
    ) -> None:
        self._output = Output(stream)
        self._style = style if style is not None else style_of(stream)
        self._quiet = quiet
        self._tally = Tally(total)
        self._running: Dict[str, float] = {}
        self._cached: List[Tuple[str, float]] = []
        self._lock = threading.Lock()
        self._pulse = Pulse(self._beat, beats)
        self.told: Set[str] = set()
        """Warnings that were shown, so that the summary does not repeat them."""

    def __call__(self, event: Event) -> None:
        try:
            with self._lock:
                self._take(event)
        except Exception as error:
            # A listener must not raise, and a fault in the display must not end a run.
            self._output.write(f"warning: an event could not be shown: {type(error).__name__}\n")
        self._output.check()

    def close(self) -> None:
        """End the timer. Safe to call twice."""
        self._pulse.stop()

    # -------------------------------------------------------------------------------------------- events

    def _take(self, event: Event) -> None:
        data = event.data
        outcome = "cached" if event.kind == CACHED else outcome_of(event)
        if outcome != "cached" and event.kind != "run.finished":
            self._flush()
        self._tally.take(event)
        if event.kind == "run.started":
            self._say(header(event, self._tally, self._style))
        elif event.kind == "warning":
            self._warn(str(data.get("text", "")))
        elif event.kind == "step.started":
            self._running[event.instance] = time.monotonic()
            self._say(self._counted(event.instance, started_text(data)))
            if not self._quiet:
                self._pulse.start()
        elif event.kind == "step.retried":
            self._running.pop(event.instance, None)
            self._say(self._counted(event.instance, retried_text(data)))
        elif event.kind == "step.cached" and outcome != "failed":
            self._cached.append((event.instance, number(data.get("saved"))))
        elif event.kind == CACHED:
            self._cached.extend(data["steps"])
        elif event.kind in DONE:
            self._running.pop(event.instance, None)
            self._say_ended(event, ended_text(outcome, data), COLORS.get(outcome, ""))
        elif event.kind == "run.finished":
            self._finish(data)

    def _say_ended(self, event: Event, text: str, color: str) -> None:
        self._say(self._counted(event.instance, text), color)

    def _finish(self, data: Mapping[str, Value]) -> None:
        totals = data.get("totals")
        others = [totals[name] for name in totals if name != "cached"] if isinstance(totals, Mapping) else [1]
        if any(others):
            self._flush()
        self._cached.clear()
        self._running.clear()
        self._pulse.end()

    def _flush(self) -> None:
        """Cached steps come many at once: a few get their lines, many share one."""
        waiting, self._cached = self._cached, []
        if len(waiting) > FOLD:
            saved = sum(seconds for _, seconds in waiting)
            self._say(self._counted(f"{len(waiting)} steps", f"cached{saved_text(saved)}"))
            return
        first = self._tally.done - len(waiting) + 1
        for at, (name, seconds) in enumerate(waiting, first):
            self._say(self._counted(name, f"cached{saved_text(seconds)}", at))

    def _warn(self, text: str) -> None:
        if text in self.told:
            return
        self.told.add(text)
        label = self._style.paint("warning", "yellow")
        self._output.write(label + ": " + self._style.own(text) + "\n")

    def _counted(self, name: str, text: str, at: Optional[int] = None) -> str:
        return f"[{self._tally.text(-1 if at is None else at)}] {name}: {text}"

    def _say(self, text: str, color: str = "") -> None:
        if not self._quiet:
            line_ = self._style.own(text)
            self._output.write((self._style.paint(line_, color) if color else line_) + "\n")
            self._pulse.heard()

    def _beat(self) -> None:
        with self._lock:
            now = time.monotonic()
            longest = sorted(self._running.items(), key=lambda item: item[1])
            names = [f"{name} {seconds_text(now - since)}" for name, since in longest[:SHOWN_RUNNING]]
            if len(longest) > SHOWN_RUNNING:
                names.append(f"and {len(longest) - SHOWN_RUNNING} more")
            if names:
                text = f"[{self._tally.text()}] still running: {', '.join(names)}"
                self._output.write(self._style.own(text) + "\n")


class Pulse:
    """A thread that calls back after a silence, and again at intervals while it lasts."""

    def __init__(self, beat: Callable[[], None], beats: Tuple[float, float]) -> None:
        self._beat = beat
        self._first, self._next = beats
        self._changed = threading.Condition()
        self._due = 0.0
        self._stopped = False
        self._thread: Optional[threading.Thread] = None

    def start(self) -> None:
        """Begin with the first step that runs; a run that only looks needs no thread."""
        if self._thread is None and not self._stopped:
            self.heard()
            thread = threading.Thread(target=self._run, name="mlorch-heartbeat", daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread to be had: a run does without a heartbeat
                thread.start()
                self._thread = thread

    def heard(self) -> None:
        """Something was written just now."""
        self._due = time.monotonic() + self._first

    def end(self) -> None:
        """No more beats; does not wait for one that is under way."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def stop(self) -> None:
        """No more beats, and no thread."""
        self.end()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._stopped:
                left = self._due - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                    continue
                self._due = time.monotonic() + self._next
                self._changed.release()
                try:
                    self._beat()
                finally:
                    self._changed.acquire()


class JsonLinesListener:
    """Events as JSON lines, each `mlorch.event/1`, as `--progress jsonl` and `--events` write them."""

    def __init__(self, stream: TextIO) -> None:
        self._output = Output(stream)
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        try:
            text = line(event_document(event))
        except (TypeError, ValueError) as error:
            faulty = Event(
                event.kind, event.time, event.run, event.instance, event.step, {"fault": str(error)}
            )
            text = line(event_document(faulty))
        with self._lock:
            self._output.write(text)
        self._output.check()

    def close(self) -> None:
        """Nothing is held; the stream belongs to whoever opened it."""


def event_document(event: Event) -> Dict[str, Any]:
    """`mlorch.event/1`."""
    return {
        "schema": "mlorch.event/1",
        "event": event.kind,
        "time": iso_time(event.time),
        "run": event.run,
        "step": event.step or None,
        "instance": event.instance if event.instance != event.step else None,
        "data": dict(event.data),
    }


# ------------------------------------------------------------------------------------------------- wording


def header(event: Event, tally: Tally, style: Style) -> str:
    data, total = event.data, tally.total
    least = "at least " if tally.open else ""
    parts = [
        str(data.get("name") or data.get("pipeline") or "run"),
        f"{least}{total} step{'s' * (total != 1)}",
    ]
    jobs = whole(data.get("jobs"))
    if jobs:
        parts.append(f"{jobs} job{'s' * (jobs != 1)}")
    return f" {style.glyph('dot')} ".join([*parts, f"run {event.run}"])


def started_text(data: Mapping[str, Value]) -> str:
    attempt = whole(data.get("attempt"))
    if attempt > 1:
        return f"started (attempt {attempt})"
    reasons = data.get("reasons") or ()
    texts = [str(item.get("text", "")) for item in reasons if isinstance(item, Mapping)]
    return f"started ({more_text(texts)})" if texts and texts[0] else "started"


def more_text(texts: Sequence[str]) -> str:
    """The first reason, and how many others there are: `code changed: train.py, and 2 other changes`."""
    others = len(texts) - 1
    return texts[0] + (f", and {others} other change{'s' * (others > 1)}" if others else "")


def retried_text(data: Mapping[str, Value]) -> str:
    delay = number(data.get("delay"))
    when = f"in {seconds_text(delay)}" if delay >= 0.05 else "at once"
    return f"{data.get('error') or 'failed'} (attempt {whole(data.get('attempt'))}), again {when}"


def ended_text(outcome: str, data: Mapping[str, Value]) -> str:
    seconds = number(data.get("seconds"))
    if outcome == "succeeded":
        return f"ok {seconds_text(seconds)}"
    if outcome == "failed":
        took = f" after {seconds_text(seconds)}" if seconds else ""
        label = "failed (tolerated)" if data.get("tolerated") else "failed"
        return f"{label}{took}: {data.get('error') or 'no reason given'}"
    causes = data.get("causes") or ()
    if outcome == "blocked" and causes:
        return "blocked by " + listed([str(cause) for cause in causes])
    return outcome


def saved_text(seconds: float) -> str:
    return f" (saved {seconds_text(seconds)})" if seconds >= 0.05 else ""
