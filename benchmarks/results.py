"""What was measured: one JSON document, written anew after every case."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT
from benchmarks.measure import Sample

SCHEMA = "mlorch.benchmarks/1"


@dataclass
class Row:
    """All samples of one tool in one phase of one case."""

    case: str
    size: int
    tool: str
    phase: str
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    """MB."""
    wrong: str = ""
    """What was wrong with the result."""
    facts: dict[str, float] = field(default_factory=dict)
    """Other numbers of the case."""

    def add(self, sample: Sample) -> None:
        self.seconds.append(round(sample.seconds, 4))
        self.cpu.append(round(sample.cpu, 4))
        self.peak.append(round(sample.peak, 1))

    def median(self, what: str = "seconds") -> float:
        return float(statistics.median(getattr(self, what)))

    def spread(self) -> float:
        """Half of the range of the seconds, as a part of the median."""
        return (max(self.seconds) - min(self.seconds)) / 2 / max(self.median(), 1e-9)


class Results:
    """The document in the making.

    Args:
        path: where it is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts: dict[str, Any] = {
            "schema": SCHEMA,
            "when": _now(),
            "commit": _commit(),
            "machine": machine(),
        }
        self.tools: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        self.failures: list[dict[str, Any]] = []
        self.answers: dict[str, dict[str, str]] = {}
        self.rows: list[Row] = []
        self.scheduling: dict[str, Any] = {}

    def row(self, case: str, size: int, tool: str, phase: str) -> Row:
        """The row for these, made if need be."""
        found = self.find(case, size, tool, phase)
        if found is None:
            found = Row(case, size, tool, phase)
            self.rows.append(found)
        return found

    def find(self, case: str, size: int, tool: str, phase: str) -> Row | None:
        for row in self.rows:
            if (row.case, row.size, row.tool, row.phase) == (case, size, tool, phase):
                return row
        return None

    def median(self, case: str, size: int, tool: str, phase: str, what: str = "seconds") -> float | None:
        found = self.find(case, size, tool, phase)
        return found.median(what) if found is not None and found.seconds else None

    def fail(self, case: str, size: int, tool: str, why: str) -> None:
        """Remember that a tool failed or was left out of a case."""
        self.failures.append({"case": case, "size": size, "tool": tool, "why": why})

    def document(self) -> dict[str, Any]:
        return {
            **self.facts,
            "tools": self.tools,
            "missing": self.missing,
            "failures": self.failures,
            "answers": self.answers,
            "rows": [asdict(row) for row in self.rows if row.seconds or row.facts],
            "scheduling": self.scheduling,
        }

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".part")
        temporary.write_text(json.dumps(self.document(), indent=1) + "\n")
        temporary.replace(self.path)


def read(path: Path) -> Results:
    """Raises OSError, ValueError: not such a document."""
    document = json.loads(path.read_text())
    if document.get("schema") != SCHEMA:
        raise ValueError(f"{path.name} is not a {SCHEMA} document")
    results = Results(path)
    results.facts = {name: document[name] for name in ("schema", "when", "commit", "machine")}
    results.tools, results.missing = document["tools"], document["missing"]
    results.failures, results.answers = document["failures"], document["answers"]
    results.rows = [Row(**row) for row in document["rows"]]
    results.scheduling = document["scheduling"]
    return results


def machine() -> dict[str, Any]:
    """What it was measured on; no name of the host, no path."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu() -> str:
    try:
        rows = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next(
        (row.partition(":")[2].strip() for row in rows if row.startswith("model name")), platform.machine()
    )


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "mlorch", "schemas")
    return git("rev-parse", "--short=10", "HEAD") + (" and changes" if changed else "")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def ratio(over: float | None, under: float | None) -> float | None:
    return None if over is None or not under else over / under


def present(values: Iterable[float | None]) -> Sequence[float]:
    return [value for value in values if value is not None]
