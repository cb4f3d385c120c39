"""Machines that refuse: full file systems, limits, folders that can't be written, power cuts, clocks that jump."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
from contextlib import contextmanager
from typing import Iterator, List

from bench import Bench, Campaign, clear_error, loop_devices, need_root, programs
from lab import NOBODY, Ended, Setup, processes_of, sleep, wait_until
from scene import Scene

NAP = {"NAP": "sleep 0.03"}
CLOCKS = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
)


def do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 0, f"{command}: {done.stderr.decode('utf-8', 'replace')}"


@contextmanager
def mounted(place: str, *command: str) -> Iterator[str]:
    os.makedirs(place, exist_ok=True)
    do("mount", *command, place)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], capture_output=True, timeout=60)


def refused(ended: Ended, told: str) -> None:
    """Success, or exit 8 with a sentence."""
    if ended.code:
        clear_error(ended, told)


def refused_or_failed(ended: Ended, told: str) -> None:
    """The same, but the limit may have struck the step's own program, which is that step's failure."""
    assert "Traceback" not in ended.err, f"{told}: {ended}"
    if ended.code == 8 and not is_whole(ended.out):
        return  # its own stdout could not be written: that is said on stderr, or nowhere
    if ended.code != 1:
        refused(ended, told)


def is_whole(text: str) -> bool:
    try:
        return bool(json.loads(text))
    except ValueError:
        return False


# ------------------------------------------------------------------------------------------------ full file systems


def strike_full(bench: Bench) -> None:
    place = os.path.join(bench.folder, "full")
    with mounted(place, "-t", "tmpfs", "-o", "size=16m,nr_inodes=6000", "tmpfs"):
        scene = Scene(bench.folder, called=bench.share % 4 == 3, root=os.path.join(place, "project"))
        scene.settle()
        for number in range(bench.rounds):
            scene.prune(15)
            kind = ("full disk", "no inodes")[number % 2]
            told = f"{bench.campaign} {kind} (share {bench.share}, x={scene.x + 1})"
            left = bench.chance.randint(0, 70)
            ballast = os.path.join(place, "ballast")
            (fill_blocks if kind == "full disk" else fill_names)(ballast, left)
            bench.injected(kind)
            ended = scene.strike(Setup(env=NAP))
            do("rm", "-rf", ballast)
            refused(ended, f"{told}, {left} left")
            scene.check(told, ended)


def fill_blocks(ballast: str, left: int) -> None:
    """Leave so many pages."""
    os.mkdir(ballast)
    free = os.statvfs(ballast)
    with open(os.path.join(ballast, "b"), "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail - left) * free.f_frsize)


def fill_names(ballast: str, left: int) -> None:
    """Leave so many inodes."""
    os.mkdir(ballast)
    for number in range(os.statvfs(ballast).f_favail - left):
        os.close(os.open(os.path.join(ballast, str(number)), os.O_CREAT | os.O_WRONLY))


# ------------------------------------------------------------------------------------------------------------ limits


def strike_limits(bench: Bench) -> None:
    scene = Scene(bench.folder, called=False, user=NOBODY if os.geteuid() == 0 else 0)
    scene.settle()
    for number in range(bench.rounds):
        scene.prune()
        kind = ("open files", "file size", "processes")[number % 3]
        told = f"{bench.campaign} {kind} (share {bench.share}, x={scene.x + 1})"
        if kind == "open files":
            limit = (resource.RLIMIT_NOFILE, bench.chance.randint(4, 30))
        elif kind == "file size":
            limit = (
                resource.RLIMIT_FSIZE,
                bench.chance.choice([0, 1, 50, 400, 1000, 4096, 5000, 20000, 60000]),
            )
        else:
            limit = (resource.RLIMIT_NPROC, processes_of_nobody() + bench.chance.randint(0, 9))
        bench.injected(kind)
        ended = scene.strike(Setup(limits=[limit]))
        refused_or_failed(ended, f"{told} {limit}")
        scene.check(told, ended)


def processes_of_nobody() -> int:
    count = 0
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.stat("/proc/" + name).st_uid == NOBODY:
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue
    return count


# --------------------------------------------------------------------------------------------------- not to be written


def strike_readonly(bench: Bench) -> None:
    scene = Scene(bench.folder, called=False, user=NOBODY)
    scene.settle()
    for _ in range(bench.rounds):
        scene.prune()
        folder = bench.chance.choice(folders_of(scene.root))
        told = (
            f"{bench.campaign} {os.path.relpath(folder, scene.root)} (share {bench.share}, x={scene.x + 1})"
        )
        mode = stat.S_IMODE(os.stat(folder).st_mode)
        scene.begin()
        os.chmod(folder, bench.chance.choice([0o555, 0o555, 0o000]) if folder != scene.root else 0o555)
        ended = scene.start().wait()
        os.chmod(folder, mode)
        bench.injected("read-only folder")
        refused_or_failed(ended, told)
        scene.check(told, ended)


def folders_of(root: str) -> List[str]:
    """The folders that a run writes to, few of those of objects and records."""
    found = [root]
    for folder, folders, _ in os.walk(root):
        if len(folders) > 8:
            folders[:] = sorted(folders)[:2]
        found += [os.path.join(folder, name) for name in folders]
    return sorted(found)


# --------------------------------------------------------------------------------------------------------- power cuts


def strike_power(bench: Bench) -> None:
    kind = ("ext4", "xfs")[bench.share % 2]
    image, place = os.path.join(bench.folder, "disk"), os.path.join(bench.folder, "mounted")
    with open(image, "wb") as file:
        file.truncate(400 << 20)
    make = ["mkfs.ext4", "-q", "-F"] if kind == "ext4" else ["mkfs.xfs", "-q"]
    do(*make, image)
    with mounted(place, "-o", "loop", image):
        scene = Scene(bench.folder, called=False, root=os.path.join(place, "project"))
        scene.durable = False
        scene.settle()
        do("sync", "-f", place)
        for number in range(bench.rounds):
            scene.prune(25)
            cut(bench, scene, kind, place, image, after=number % 2 == 0)


def cut(bench: Bench, scene: Scene, kind: str, place: str, image: str, after: bool) -> None:
    """Take the power away: at once after a run has reported success, or in its middle."""
    told = (
        f"{bench.campaign} {kind} {'after' if after else 'in'} a run (share {bench.share}, x={scene.x + 1})"
    )
    scene.begin()
    do("sync", "-f", place)
    child = scene.start(None if after else Setup(env=NAP))
    if after:
        child.wait()
    else:
        sleep(bench.chance.random() * 0.3)
    flush = bench.chance.random() < 0.3
    do("xfs_io", "-x", "-c", "shutdown -f" if flush else "shutdown", place)
    bench.injected(kind)
    ended = child.wait()
    wait_until(lambda: not processes_of(scene.root), "the end of the cut run's processes", 20.0)
    do("umount", place)
    do("mount", "-o", "loop", image, place)
    assert not after or ended.code == 0, f"{told}: {ended}"
    scene.check(told, ended)


# -------------------------------------------------------------------------------------------------------------- clocks


def no_clock() -> str:
    return "" if any(map(os.path.exists, CLOCKS)) else "not installed: libfaketime"


def strike_clock(bench: Bench) -> None:
    """In a process of its own, whose clock is read from a file."""
    clock = os.environ.get("FAKETIME_TIMESTAMP_FILE")
    if clock is None:
        jump_apart(bench)
        return
    scene = Scene(bench.folder, called=bench.share % 2 == 1)
    scene.settle()
    for _ in range(bench.rounds):
        scene.prune()
        days = bench.chance.choice([-3000, -30, -1, -0.05, -0.0001, 0.0001, 0.05, 1, 30, 3000])
        told = f"{bench.campaign} {days} days (share {bench.share}, x={scene.x + 1})"
        scene.begin()
        child = scene.start(Setup(env=NAP))
        sleep(bench.chance.random() * 0.3)
        set_clock(clock, days)
        bench.injected("clock back" if days < 0 else "clock forward")
        ended = child.wait()
        assert ended.code == 0, f"{told}: {ended}"
        if bench.chance.random() < 0.5:
            set_clock(clock, bench.chance.choice([-400, 0, 400]))
        scene.check(told, ended)


def set_clock(path: str, days: float) -> None:
    temporary = path + ".new"
    with open(temporary, "w", encoding="ascii") as file:
        file.write(f"{days * 86400:+.0f}\n")
    os.rename(temporary, path)


def jump_apart(bench: Bench) -> None:
    clock = os.path.join(bench.folder, "clock")
    set_clock(clock, 0)
    env = {
        **os.environ,
        "LD_PRELOAD": next(path for path in CLOCKS if os.path.exists(path)),
        "FAKETIME_TIMESTAMP_FILE": clock,
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "TMPDIR": bench.folder,
    }
    suite = os.path.join(os.path.dirname(os.path.abspath(__file__)), "suite.py")
    share = f"{bench.campaign}:{bench.share}:{bench.shares}:{bench.rounds}"
    done = subprocess.run(
        [sys.executable, suite, "--share", share], env=env, capture_output=True, timeout=1200
    )
    text = done.stdout.decode("utf-8", "replace")
    assert text.strip(), done.stderr.decode("utf-8", "replace")
    answer = json.loads(text.strip().splitlines()[-1])
    assert "tally" in answer, text
    bench.tally.update(answer["tally"])
    assert not answer["error"], answer["error"]


CAMPAIGNS = [
    Campaign("full disks", strike_full, {"full disk": 80, "no inodes": 80}, 180, 4, need_root(), (2, 3, 9)),
    Campaign(
        "limits",
        strike_limits,
        {"open files": 45, "file size": 45, "processes": 45},
        150,
        6,
        need_root(),
        (3, 9),
    ),
    Campaign("read-only folders", strike_readonly, {"read-only folder": 150}, 150, 4, need_root(), (9,)),
    Campaign(
        "power cuts",
        strike_power,
        {"ext4": 50, "xfs": 50},
        100,
        2,
        need_root(programs("xfs_io", "mkfs.ext4", "mkfs.xfs"), loop_devices),
        (5,),
    ),
    Campaign("clock jumps", strike_clock, {"clock back": 20, "clock forward": 20}, 60, 1, no_clock, (1, 8)),
]
