"""What comes of executing a recorded step again."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Dict, List, Optional, Tuple

from mlorch.model import Digest, Record, Value
from mlorch.values import dataclass


@dataclass(frozen=True)
class Difference:
    """One output that is not what was recorded."""

    output: str
    path: str
    """As declared."""
    kind: str
    """How the two were compared: text, json, jsonl, csv, parquet, npz, npy, zip, gzip, folder, bytes; or missing, kind,
    mode."""
    where: str
    """The first place where they differ: `line 3, column 7`, `$.auc`, `column loss, row 2`, `byte 120`."""
    text: str
    """What differs there, in a sentence."""
    lines: Tuple[str, ...] = ()
    """A diff of texts."""
    note: str = ""
    """What would tell more, or how such differences are avoided."""
    recorded: Digest = ""
    found: Digest = ""


@dataclass(frozen=True)
class Execution:
    """One of the times that a step was executed again."""

    number: int
    seed: str
    """PYTHONHASHSEED."""
    jobs: int
    """How many attempts could run at once."""
    outcome: str
    """`same`, `differs` or `failed`."""
    seconds: float = 0.0
    exit_code: Optional[int] = None
    error: str = ""
    log: Tuple[str, ...] = ()
    """The last lines of a failed one."""
    differences: Tuple[Difference, ...] = ()
    place: str = ""
    """Where its scratch place was kept."""


@dataclass(frozen=True)
class Reproduction:
    """All executions of one recorded instance."""

    instance: str
    step: str
    run: str
    record: Optional[Record]
    executions: Tuple[Execution, ...] = ()
    reason: str = ""
    """Why it was not executed."""
    hint: str = ""
    harmless: bool = False
    """Whether leaving it out is as it should be (an effect)."""

    @property
    def verdict(self) -> str:
        """`deterministic`, `differs`, `failed` or `impossible`."""
        outcomes = {item.outcome for item in self.executions}
        for outcome in ("failed", "differs"):
            if outcome in outcomes:
                return outcome
        return "deterministic" if outcomes else "impossible"

    @property
    def differing(self) -> List[str]:
        """Names of the outputs that differed in any execution."""
        names = [item.output for execution in self.executions for item in execution.differences]
        return sorted(set(names))


@dataclass(frozen=True)
class Change:
    """One part of the environment that is not as it was recorded."""

    kind: str
    """`interpreter`, `package`, or `code` outside the project."""
    name: str
    recorded: str
    found: str
    """Empty where there is none."""

    def __str__(self) -> str:
        label = "" if self.kind == "interpreter" else self.name + " "
        missing = "gone" if self.kind == "code" else "not installed"
        return f"{label}{self.recorded} → {self.found or missing}"


@dataclass(frozen=True)
class Result:
    times: int
    reproductions: Tuple[Reproduction, ...]
    environment: Tuple[Change, ...] = field(default=())
    """What differs in it and was accepted."""

    @property
    def verdict(self) -> str:
        """The worst of all; what was left out for good reasons does not count."""
        verdicts = {item.verdict for item in self.reproductions if not item.harmless}
        return next(
            (word for word in ("failed", "differs", "impossible") if word in verdicts), "deterministic"
        )


def kept_result(item: Reproduction, environment: Tuple[Change, ...], now: float) -> Dict[str, Value]:
    """What the record keeps."""
    first: Dict[str, Any] = {}
    for execution in item.executions:
        for found in execution.differences:
            if found.output not in first:
                first[found.output] = {
                    "where": found.where,
                    "text": found.text,
                    "execution": execution.number,
                }
    error = next((execution.error for execution in item.executions if execution.error), "")
    return {
        "time": now,
        "times": len(item.executions),
        "verdict": item.verdict,
        "outputs": first,
        "error": error,
        "environment": [str(change) for change in environment],
    }
