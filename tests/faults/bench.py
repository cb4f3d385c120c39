"""What every campaign of faults is given: its share of the work, chance, a place, and a tally."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from typing import Callable, Dict, Iterator, List, Optional, Sequence

from lab import Ended
from scene import error_of

DISTURBANCES = ("round", "edit", "gc", "verify", "runs at once")
"""Kinds that are counted, but are no faults."""
MEANT = 2000
"""Faults that the whole suite means to inject at least."""


@dataclass
class Bench:
    """One share of a campaign's faults.

    Args:
        folder: an empty folder of its own, on tmpfs where the machine has one.
        share: which of `shares` equal shares this is.
        rounds: how many faults it is to inject, where the campaign draws them by chance.
    """

    campaign: str
    folder: str
    share: int
    shares: int
    rounds: int
    tally: Counter[str] = field(default_factory=Counter)
    """Faults that were injected, by kind."""

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.campaign} {self.share}/{self.shares}")

    def injected(self, kind: str, count: int = 1) -> None:
        self.tally[kind] += count


@dataclass(frozen=True)
class Campaign:
    """A way of injecting faults.

    Args:
        kinds: the kinds that it counts, with the least number of each in the whole suite.
        rounds: faults (or rounds) in the whole suite; 0 where they are counted beforehand.
        sample: how many rounds of one share `make test` does.
        missing: what this machine lacks for it, or an empty string.
    """

    name: str
    strike: Callable[[Bench], None]
    kinds: Dict[str, int]
    rounds: int
    sample: int
    missing: Callable[[], str] = lambda: ""
    promises: Sequence[int] = ()


def programs(*names: str) -> Callable[[], str]:
    """A check that programs are there."""

    def missing() -> str:
        lacking = [name for name in names if shutil.which(name) is None]
        return f"not installed: {', '.join(lacking)}" if lacking else ""

    return missing


def need_root(*others: Callable[[], str]) -> Callable[[], str]:
    """A check for root's rights, then for other things."""

    def missing() -> str:
        import os

        if os.geteuid() != 0:
            return "needs root (mounts, or another user)"
        return next((told for told in (other() for other in others) if told), "")

    return missing


def loop_devices() -> str:
    """Whether this machine lets a file be mounted."""
    try:
        found = subprocess.run(["losetup", "-f"], capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no loop devices: {error}"
    return (
        "" if found.returncode == 0 else "no loop devices: " + found.stderr.decode("utf-8", "replace").strip()
    )


def spread(count: int, most: int) -> List[int]:
    """At most so many of 1 … count, evenly, the first and the last among them."""
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(index * (count - 1) / (most - 1)) for index in range(most)})


def mine(items: Sequence[object], bench: Bench) -> Iterator[object]:
    """The items of this share."""
    return (item for number, item in enumerate(items) if number % bench.shares == bench.share)


def clear_error(ended: Ended, told: str) -> None:
    """Exit 8, one sentence that says what and one that says what to do, no traceback."""
    assert ended.code == 8, f"{told}: {ended}"
    assert "Traceback" not in ended.out + ended.err, f"{told}: {ended}"
    document = error_of(ended)
    assert document["exit_code"] == 8, f"{told}: {ended}"
    if document["schema"] == "mlorch.error/1":
        assert document["message"] and document["hint"], f"{told}: {ended}"
        return
    failed = [step for step in document["steps"] if step["outcome"] == "failed"]
    assert failed and any(step["error"] and step["hint"] for step in failed), f"{told}: {ended}"


def explained(ended: Optional[Ended]) -> str:
    return str(ended) if ended is not None else ""
