"""An alert: what a person has to know at once. As text, and as the document `mlorch.alert/1`."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from mlorch.report.plainjson import iso_time
from mlorch.report.style import PLAIN, seconds_text
from mlorch.values import dataclass

MOST = 5
"""Failures, and blocked instances, that the text names."""


@dataclass(frozen=True)
class Failed:
    """One failed instance."""

    instance: str
    error: str
    said: Tuple[str, ...] = ()
    """The last lines of its log that tell what went wrong."""
    attempts: int = 1
    log: str = ""
    reproduce: str = ""


@dataclass(frozen=True)
class Alert:
    kind: str
    """`failure recovery success slow timeout test`."""
    name: str
    """Of the pipeline."""
    file: str
    run: str
    time: float
    owner: str = ""
    instance: str = ""
    """Of an alert about one step."""
    note: str = ""
    """One sentence more: how slow, of how many failures it is the recovery."""
    failed: Tuple[Failed, ...] = ()
    blocked: Tuple[str, ...] = ()
    failures: int = 0
    """Failed runs in a row, this one included."""
    since: Optional[float] = None
    """Start of the first of them."""
    seconds: float = 0.0
    host: str = ""
    link: str = ""
    """Of the CI job."""

    @property
    def title(self) -> str:
        """One line: `churn failed: train (2nd time)`."""
        what = PLAIN.clean(f"{self.name}: {self.instance}" if self.instance else self.name)
        if self.kind == "failure":
            names = [PLAIN.clean(item.instance) for item in self.failed if item.instance != self.instance][
                :MOST
            ]
            head = f"{what} failed" + (": " + ", ".join(names) if names else "")
            return head + (f" ({self.failures} runs in a row)" if self.failures > 1 else "")
        words = {
            "recovery": "is well again",
            "success": "succeeded",
            "slow": "takes longer than usual",
            "timeout": "missed its timeout",
            "test": "sends a test: this channel works",
        }
        return f"{what} {words[self.kind]}"

    @property
    def text(self) -> str:
        """The whole alert, a few lines of plain text."""
        lines = [self.title]
        lines += [PLAIN.clean(self.note)] if self.note else []
        for item in self.failed[:MOST]:
            tries = f" (attempt {item.attempts})" if item.attempts > 1 else ""
            lines.append(PLAIN.clean(f"{item.instance}: {item.error}{tries}"))
            lines += ["    " + PLAIN.clean(line) for line in item.said]
            lines += ["  again: " + PLAIN.clean(item.reproduce)] if item.reproduce else []
            lines += ["  log: " + PLAIN.clean(item.log)] if item.log else []
        if len(self.failed) > MOST:
            lines.append(f"and {len(self.failed) - MOST} more failed")
        if self.blocked:
            more = f" and {len(self.blocked) - MOST} more" if len(self.blocked) > MOST else ""
            lines.append("blocked: " + ", ".join(map(PLAIN.clean, self.blocked[:MOST])) + more)
        if self.failures > 1 and self.since is not None:
            lines.append(f"failing since {iso_time(self.since)}")
        lines += [f"owner: {PLAIN.clean(self.owner)}"] if self.owner else []
        took = f" after {seconds_text(self.seconds)}" if self.seconds else ""
        lines.append(PLAIN.clean(f"run {self.run}{took} on {self.host}, {self.file}"))
        lines += [PLAIN.clean(self.link)] if self.link else []
        return "\n".join(lines)

    def document(self) -> Dict[str, Any]:
        """`mlorch.alert/1`, what a webhook and a command get."""
        return {
            "schema": "mlorch.alert/1",
            "kind": self.kind,
            "title": self.title,
            "text": self.text,
            "pipeline": {"name": self.name, "file": self.file, "owner": self.owner or None},
            "run": self.run,
            "time": iso_time(self.time),
            "instance": self.instance or None,
            "failed": [_failed(item) for item in self.failed],
            "blocked": list(self.blocked),
            "failures": self.failures,
            "since": None if self.since is None else iso_time(self.since),
            "seconds": self.seconds,
            "host": self.host,
            "link": self.link or None,
        }


def _failed(item: Failed) -> Dict[str, Any]:
    said: List[str] = list(item.said)
    return {
        "instance": item.instance,
        "error": item.error,
        "said": said,
        "attempts": item.attempts,
        "log": item.log or None,
        "reproduce": item.reproduce or None,
    }
