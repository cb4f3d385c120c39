"""How long a pipeline has been failing, from the runs before."""

from __future__ import annotations

from typing import Optional, Sequence

from mlorch.model import Channel
from mlorch.ports import RunInfo
from mlorch.values import dataclass


@dataclass(frozen=True)
class Standing:
    """The failed runs in a row right before a run, and when the first of them began."""

    failures: int = 0
    since: Optional[float] = None

    def failed_too(self, started: float) -> Standing:
        """With one more, which began then."""
        return Standing(self.failures + 1, started if self.since is None else self.since)

    def reaches(self, channel: Channel, now: float) -> bool:
        """Whether a failure that stands so is one that this channel wants to hear of."""
        lasting = now - self.since if self.since is not None else 0.0
        return self.failures >= channel.failures and lasting >= channel.lasting


def standing_of(runs: Sequence[RunInfo], pipeline: str) -> Standing:
    """`runs` are newest first. A run that was cancelled, or crashed, says nothing either way."""
    failures, since = 0, None
    for info in runs:
        if info.pipeline != pipeline or info.status not in ("succeeded", "failed"):
            continue
        if info.status == "succeeded":
            break
        failures, since = failures + 1, info.started
    return Standing(failures, since)
