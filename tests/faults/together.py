"""Several runs at once with overlapping targets, while their processes are killed, the store is verified and swept, and
somebody edits outputs."""

from __future__ import annotations

import os
import time
from typing import List, Sequence, Tuple

from bench import Bench, Campaign
from lab import Child, Setup, descendants_of, kill_quietly, processes_of, sleep, wait_until
from scene import STAGED, Scene

TARGETS: Tuple[Tuple[str, ...], ...] = (
    (),
    ("each",),
    ("plain", "load"),
    ("called",),
    ("parts",),
    ("each@2", "called"),
)
NAP = {"NAP": "sleep 0.03"}
IN_PLACE = ("out/plain.txt",)
ROUND = 1.2
"""Seconds in which the disturbances of a round fall."""
BUSY = 0.6
"""Seconds in which the runs of a round are under way on a quick machine, too: later there is nobody to kill."""


def strike_together(bench: Bench) -> None:
    scene = Scene(bench.folder, called=True)
    scene.settle()
    for _ in range(bench.rounds):
        scene.prune(12)
        disturb(bench, scene, runs=4)


def disturb(bench: Bench, scene: Scene, runs: int) -> None:
    told = f"{bench.campaign} (share {bench.share}, x={scene.x + 1})"
    scene.begin()
    chosen = [bench.chance.choice(TARGETS) for _ in range(runs)]
    edit(bench, scene, IN_PLACE)
    children = [scene.start(Setup(env=NAP), *targets) for targets in chosen]
    events = [("kill", bench.chance.random() * BUSY) for _ in range(bench.chance.randint(1, 5))]
    events += [(name, bench.chance.random() * ROUND) for name in ("gc", "verify", "edit", "edit")]
    began = time.monotonic()
    looks: List[Tuple[str, Child]] = []
    for name, at in sorted(events, key=lambda event: event[1]):
        sleep(max(0.0, began + at - time.monotonic()))
        if name == "kill":
            kill_one(bench, children)
        elif name == "edit":
            edit(bench, scene, STAGED)
        else:
            looks.append((name, scene.lab.start(name, *(["--yes"] if name == "gc" else []))))
            bench.injected(name)
    for name, look in looks:
        ended = look.wait()
        assert ended.code == 0, f"{told}: {name}: {ended}"
    for child in children:
        ended = child.wait()
        assert ended.code in (0, 1, -9), f"{told}: {ended}"
        assert "Traceback" not in ended.err, f"{told}: {ended}"
    wait_until(lambda: not processes_of(scene.root), "the end of all processes", 20.0)
    again = scene.lab.run(*scene.arguments())
    assert again.code == 0, f"{told}: the run after all failed: {again}"
    scene.check_settled(told)
    bench.injected("round")


def kill_one(bench: Bench, children: List[Child]) -> None:
    """Any process of any of the runs."""
    alive = [pid for child in children if child.lives() for pid in (child.pid, *descendants_of(child.pid))]
    if alive and kill_quietly(bench.chance.choice(alive)):
        bench.injected("kill among runs")


def edit(bench: Bench, scene: Scene, paths: Sequence[str]) -> None:
    """As a user would: add to an output, or delete it. One that a step writes in place is edited before the runs: what is
    added between the step's end and the digest is the step's own, for all that anybody can tell."""
    standing = sorted(set(scene.outputs()) & set(paths))
    if not standing:
        return
    path = os.path.join(scene.root, bench.chance.choice(standing))
    try:
        if bench.chance.random() < 0.3:
            os.unlink(path)
        else:
            with open(os.open(path, os.O_WRONLY | os.O_APPEND), "w") as file:
                file.write("by hand\n")
        bench.injected("edit")
    except FileNotFoundError:
        return


def strike_crowd(bench: Bench) -> None:
    """2 to 8 runs of the same: each key is executed once."""
    scene = Scene(bench.folder, called=True)
    scene.settle()
    for _ in range(bench.rounds):
        scene.prune(20)
        count = bench.chance.randint(2, 8)
        told = f"{bench.campaign} {count} (share {bench.share}, x={scene.x + 1})"
        scene.begin()
        children = [scene.start(Setup(env=NAP), *bench.chance.choice(TARGETS)) for _ in range(count - 1)]
        children.append(scene.start(Setup(env=NAP)))
        for child in children:
            ended = child.wait()
            assert ended.code == 0, f"{told}: {ended}"
        assert set(scene.counts().values()) == {1}, f"{told}: a key was executed twice: {scene.counts()}"
        bench.injected("runs at once", count)
        scene.check_settled(told)


CAMPAIGNS = [
    Campaign(
        "disturbed runs",
        strike_together,
        {"round": 200, "kill among runs": 300, "edit": 250, "gc": 200, "verify": 200},
        200,
        2,
        promises=(1, 4, 6, 7, 15),
    ),
    Campaign("crowds", strike_crowd, {"runs at once": 100}, 40, 2, promises=(6,)),
]
