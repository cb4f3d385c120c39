"""Random kills of each process of a run, and the signals that end one."""

from __future__ import annotations

import os
import signal
import time
from typing import List

from bench import Bench, Campaign
from lab import Child, Setup, children_of, command_of, descendants_of, environment_of, kill_quietly, sleep
from scene import Scene

VICTIMS = ("orchestrator", "step", "zygote", "guardian", "all of them")
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
NAP = {"NAP": "sleep 0.04"}
NEARLY = 0.9
"""How much of an undisturbed run may pass before it is struck."""


def strike_loops(bench: Bench) -> None:
    scene = Scene(bench.folder, called=True)
    scene.settle()
    longest = undisturbed(bench, scene)
    for number in range(bench.rounds):
        scene.prune()
        if number % 6 == 5:
            interrupt(bench, scene, longest)
        else:
            kill(bench, scene, VICTIMS[number % 6], longest)


def undisturbed(bench: Bench, scene: Scene) -> float:
    """Seconds of a run, up to when it is nearly done."""
    scene.begin()
    began = time.monotonic()
    ended = scene.start(Setup(env=NAP)).wait()
    took = time.monotonic() - began
    assert ended.code == 0, f"{bench.campaign} undisturbed (share {bench.share}): {ended}"
    scene.check(f"{bench.campaign} undisturbed (share {bench.share})", ended)
    return took * NEARLY


def kill(bench: Bench, scene: Scene, victim: str, longest: float) -> None:
    """Kill until something was hit: a victim may not be there yet, or not any more."""
    told = f"{bench.campaign} {victim} (share {bench.share}, x={scene.x + 1})"
    scene.begin()
    child = scene.start(Setup(env=NAP))
    sleep(bench.chance.random() * longest)
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


def interrupt(bench: Bench, scene: Scene, longest: float) -> None:
    number = bench.chance.choice(list(SIGNALS))
    told = f"{bench.campaign} {number.name} (share {bench.share}, x={scene.x + 1})"
    scene.begin()
    child = scene.start(Setup(env=NAP))
    sleep(bench.chance.random() * longest)
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
