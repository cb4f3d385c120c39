"""What an HTML report shows: frozen values, read from a store by `mlorch.history.page`, drawn by the modules here.

Times are seconds since the epoch, durations seconds, sizes bytes. All texts may be foreign; nothing here is HTML.
"""

from __future__ import annotations

from dataclasses import field
from typing import Mapping, Optional, Tuple

from mlorch.model import Value
from mlorch.values import dataclass


@dataclass(frozen=True)
class Preview:
    """The beginning of one file, or the whole of an image."""

    path: str
    kind: str
    """`image`, `table`, `text`, `markdown`, or `` where only the note says something."""
    size: int = 0
    """In bytes."""
    media: str = ""
    """Media type of an image."""
    data: bytes = b""
    """Of an image."""
    text: str = ""
    rows: Tuple[Tuple[str, ...], ...] = ()
    """Of a table, the head first."""
    note: str = ""
    """What was left out, or why nothing is shown, as a sentence."""


@dataclass(frozen=True)
class OutputPart:
    name: str
    path: str
    digest: str
    bytes: int
    kind: str = "file"
    members: Tuple[Tuple[str, int], ...] = ()
    """Path and size of a folder's first files."""
    count: int = 1
    """Files in a folder."""


@dataclass(frozen=True)
class Series:
    """One number over the lines of a `history` file."""

    name: str
    points: Tuple[Tuple[float, float], ...]


@dataclass(frozen=True)
class LogPart:
    """The end of a log. `lines` are raw; `total` is None where the lines were not counted."""

    attempt: int
    run: str
    lines: Tuple[str, ...]
    total: Optional[int] = None


@dataclass(frozen=True)
class CheckPart:
    source: str
    holds: bool
    severity: str = "error"
    text: str = ""


@dataclass(frozen=True)
class InstancePart:
    """How one instance fared, with everything there is to tell."""

    name: str
    step: str
    outcome: str
    started: Optional[float] = None
    seconds: float = 0.0
    saved: float = 0.0
    attempts: int = 0
    exit_code: Optional[int] = None
    error: str = ""
    hint: str = ""
    command: str = ""
    reasons: Tuple[str, ...] = ()
    axes: Mapping[str, Value] = field(default_factory=dict)
    params: Mapping[str, Value] = field(default_factory=dict)
    metrics: Mapping[str, Value] = field(default_factory=dict)
    """Dotted names."""
    before: Mapping[str, Value] = field(default_factory=dict)
    """The same metrics in the run before."""
    checks: Tuple[CheckPart, ...] = ()
    causes: Tuple[str, ...] = ()
    warnings: Tuple[str, ...] = ()
    tolerated: bool = False
    outputs: Tuple[OutputPart, ...] = ()
    previews: Tuple[Preview, ...] = ()
    history: Tuple[Series, ...] = ()
    log: Optional[LogPart] = None
    peak_rss: int = 0
    cpu_seconds: float = 0.0
    notes: Tuple[str, ...] = ()
    """What was left out of this part, as sentences."""


@dataclass(frozen=True)
class StepPart:
    """A step with the instances of it that the run had; none where it never got so far."""

    id: str
    instances: Tuple[InstancePart, ...] = ()
    upstream: Tuple[str, ...] = ()
    matrix: bool = False
    place: str = ""
    description: str = ""
    more: int = 0
    """Instances that are left out."""
    goal: Mapping[str, str] = field(default_factory=dict)
    """Metric -> `max` or `min`, the most important first."""
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """Outcome -> instances, those left out too."""


@dataclass(frozen=True)
class AttemptPart:
    """One execution on the clock; `lane` counts the slots from 0."""

    instance: str
    number: int
    started: float
    seconds: float
    outcome: str
    """`succeeded`, `failed`, `cancelled` or `running`."""
    lane: int = 0


@dataclass(frozen=True)
class RunPart:
    """One line of the history."""

    id: str
    started: float
    seconds: Optional[float]
    status: str
    totals: Mapping[str, int] = field(default_factory=dict)
    commit: str = ""
    dirty: bool = False


@dataclass(frozen=True)
class Trend:
    """A metric of a step without a matrix over the last runs, oldest first; None where a run has none."""

    name: str
    values: Tuple[Value, ...]
    goal: str = ""


@dataclass(frozen=True)
class Page:
    run: RunPart
    name: str
    pipeline: str
    description: str = ""
    owner: str = ""
    meta: Mapping[str, Value] = field(default_factory=dict)
    params: Mapping[str, Value] = field(default_factory=dict)
    steps: Tuple[StepPart, ...] = ()
    """Upstream first."""
    edges: Tuple[Tuple[str, str], ...] = ()
    attempts: Tuple[AttemptPart, ...] = ()
    trends: Tuple[Trend, ...] = ()
    runs: Tuple[RunPart, ...] = ()
    """Newest first, this one among them."""
    packages: Tuple[Tuple[str, str], ...] = ()
    warnings: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()
    """What was left out, as sentences."""
    made: float = 0.0
    version: str = ""
