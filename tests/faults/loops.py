"""Random kills of each process of a run, and the signals that end one."""

from __future__ import annotations

import os
import signal
from typing import List

from bench import Bench, Campaign
from lab import Child, Setup, children_of, command_of, descendants_of, environment_of, kill_quietly, sleep
from scene import Scene

VICTIMS = ("orchestrator", "step", "zygote", "guardian", "all of them")
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
NAP = {"NAP": "sleep 0.04"}
LONGEST = 0.45
"""Seconds after which an undisturbed run is nearly done."""


def strike_loops(bench: Bench) -> None:
    scene = Scene(bench.folder, called=True)
    scene.settle()
    for number in range(bench.rounds):
        scene.prune()
        if number % 6 == 5:
            interrupt(bench, scene)
        else:
            kill(bench, scene, VICTIMS[number % 6])


def kill(bench: Bench, scene: Scene, victim: str) -> None:
    """Kill until something was hit: a victim may not be there yet, or not any more."""
    told = f"{bench.campaign} {victim} (share {bench.share}, x={scene.x + 1})"
    scene.begin()
    child = scene.start(Setup(env=NAP))
    sleep(bench.chance.random() * LONGEST)
    hit = 0
    while not hit and child.lives():
        hit = sum(kill_quietly(pid) for pid in victims(child, victim, bench))
    ended = child.wait()
    if hit:
        bench.injected(victim)
    expected = {"orchestrator": (-9,), "all of them": (-9,), "guardian": (0,)}.get(victim, (0, 1))
    assert ended.code in (expected if hit else (0,)), f"{told}: {ended}"
    scene.check(told, ended)


def victims(child: Child, victim: str, bench: Bench) -> List[int]:
    if victim == "orchestrator":
        return [child.pid]
    if victim == "all of them":
        return [child.pid, *descendants_of(child.pid)]
    if victim == "step":
        steps = [pid for pid in descendants_of(child.pid) if "MLORCH_STEP=" in environment_of(pid)]
        return [bench.chance.choice(steps)] if steps else []
    return [pid for pid in children_of(child.pid) if f"inside/{victim}.py" in command_of(pid)]


def interrupt(bench: Bench, scene: Scene) -> None:
    number = bench.chance.choice(list(SIGNALS))
    told = f"{bench.campaign} {number.name} (share {bench.share}, x={scene.x + 1})"
    scene.begin()
    child = scene.start(Setup(env=NAP))
    sleep(bench.chance.random() * LONGEST)
    if child.lives():
        os.kill(child.pid, number)
        bench.injected("signal")
    ended = child.wait()
    # before mlorch listens the signal itself ends it; after the last step has ended it may come too late
    assert ended.code in (SIGNALS[number], -number, 0), f"{told}: {ended}"
    assert "Traceback" not in ended.err, f"{told}: {ended}"
    scene.check(told, ended)


CAMPAIGNS = [
    Campaign(
        "kill loops",
        strike_loops,
        {"orchestrator": 40, "step": 40, "zygote": 25, "guardian": 40, "all of them": 40, "signal": 30},
        rounds=300,
        sample=6,
        promises=(1, 2, 3, 10),
    )
]
