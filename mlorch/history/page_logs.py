"""The ends of logs for a report: so much of each that all of them stay within the limits."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence

from mlorch.history.detail import RunView, StepView
from mlorch.history.logs import Log, find_logs
from mlorch.ports import Store
from mlorch.report.logs import FileLogs
from mlorch.report.page import limits
from mlorch.report.page.model import LogPart


class LogReader:
    """`share` first, with all instances that will be shown; then `read` each of them."""

    def __init__(self, store: Store, view: RunView) -> None:
        self._store = store
        self._view = view
        self._files = FileLogs("/")
        self._found: Dict[str, Log] = {}
        self._bytes = limits.LOG_BYTES

    def share(self, chosen: Sequence[StepView]) -> None:
        """Divide the room: failed ones have what they need, the rest is for all others alike."""
        for log in find_logs(self._store, self._view, chosen):
            if log.bytes:
                self._found[log.instance] = log
        failed = [item for item in chosen if item.outcome == "failed" and item.instance in self._found]
        others = len(self._found) - len(failed)
        needed = sum(min(limits.FAILED_LOG_BYTES, self._found[item.instance].bytes) for item in failed)
        room = max(0, limits.ALL_LOG_BYTES - needed) // max(1, others)
        self._bytes = max(limits.LEAST_LOG_BYTES, min(limits.LOG_BYTES, room))

    def read(self, item: StepView) -> Optional[LogPart]:
        log = self._found.get(item.instance)
        if log is None:
            return None
        failed = item.outcome == "failed"
        most = limits.FAILED_LOG_BYTES if failed else self._bytes
        count = limits.FAILED_LOG_LINES if failed else limits.LOG_LINES
        lines = last_lines(self._files.tail(log.path), count, most)
        total = self._files.count(log.path) if lines else 0
        return LogPart(log.attempt, log.run, tuple(lines), total)


def last_lines(found: Sequence[str], count: int, most: int) -> List[str]:
    """The last lines of at most so many bytes, in whole lines but for a single one that is longer."""
    lines = list(found)
    if lines and not lines[-1]:
        lines.pop()
    kept: List[str] = []
    used = 0
    for line in reversed(lines[-count:]):
        used += len(line) + 1
        if kept and used > most:
            break
        kept.append(line[-most:])
    return kept[::-1]
