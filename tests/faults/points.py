"""Named fault points of the I/O module × kill, errors, short and torn writes."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import List, Tuple

from bench import Bench, Campaign, clear_error, mine, spread
from lab import Setup
from scene import Scene

POINTS = (
    "create",
    "write",
    "mkdir",
    "rename",
    "exchange",
    "copy",
    "read",
    "open",
    "lock",
    "remove",
    "sync",
    "index",
)
KINDS = ("kill", "EIO", "ENOSPC", "ENOSPC+", "EMFILE", "EROFS+")
CUTS = ("short", "torn")
MOST = 10
"""Visits of one point that get a fault of one kind."""


def settings(scene: Scene, most: int) -> List[Tuple[str, str, int]]:
    """(point, kind, visit) of all faults, by the visits that an undisturbed run makes."""
    listing = os.path.join(os.path.dirname(scene.root), "points")
    scene.strike(Setup(count=listing))
    with open(listing, encoding="ascii") as file:
        visits = Counter(file.read().split())
    assert set(visits) == set(POINTS), f"points that no run visits, or new ones: {set(visits) ^ set(POINTS)}"
    found = []
    for point in POINTS:
        kinds = (*KINDS, *CUTS) if point == "write" else KINDS
        kinds = tuple(kind for kind in kinds if not (kind == "EROFS+" and point in ("read", "open", "lock")))
        found += [(point, kind, visit) for kind in kinds for visit in spread(visits[point], most)]
    return found


def strike_points(bench: Bench) -> None:
    scene = Scene(bench.folder, called=bench.share % 2 == 1)
    scene.settle()
    faults = settings(scene, MOST)
    if bench.rounds:  # a sample: some of each point and each kind
        bench.chance.shuffle(faults)
        faults = faults[: bench.rounds * bench.shares]
    for point, kind, visit in mine(faults, bench):  # type: ignore[misc]
        scene.prune()
        strike(bench, scene, point, kind, visit)


def strike(bench: Bench, scene: Scene, point: str, kind: str, visit: int) -> None:
    setting = f"{point}:{kind.rstrip('+')}:{visit}{'+' * kind.endswith('+')}"
    told = f"{bench.campaign} {setting} (x={scene.x + 1})"
    ended = scene.strike(Setup(fault=setting))
    bench.injected(kind)
    if kind == "kill":
        assert ended.code in (-signal.SIGKILL, 0), f"{told}: {ended}"
    elif ended.code:
        # an object that can't be read is taken for a corrupt one, and made anew
        scene.lost = scene.lost or (point in ("read", "open") and kind not in ("EMFILE", "ENOSPC", "ENOSPC+"))
        clear_error(ended, told)
    else:
        scene.lost = scene.lost or point in ("read", "open")
    scene.check(told, ended)


CAMPAIGNS = [
    Campaign(
        "fault points",
        strike_points,
        {
            "kill": 80,
            "EIO": 80,
            "ENOSPC": 80,
            "ENOSPC+": 80,
            "EMFILE": 80,
            "EROFS+": 60,
            "short": 8,
            "torn": 8,
        },
        rounds=0,
        sample=8,
        promises=(1, 2, 3, 9),
    )
]
