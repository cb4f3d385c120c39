"""Errors of system calls, by `strace --inject`, wherever mlorch (and whatever it starts) makes them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import Tuple

from bench import Bench, Campaign, programs
from lab import Child, Setup, wait_until
from machines import refused_or_failed
from scene import Scene

FILES = (
    "openat",
    "mkdir",
    "rename",
    "renameat2",
    "unlink",
    "rmdir",
    "unlinkat",
    "utimensat",
    "fchmod",
    "chmod",
)
DATA = (
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "syncfs",
    "ftruncate",
    "read",
    "pread64",
    "readv",
    "getdents64",
)
OTHERS = (
    "flock",
    "memfd_create",
    "mmap",
    "clone3",
    "clone",
    "vfork",
    "pipe2",
    "socketpair",
    "fcntl",
    "ioctl",
    "dup2",
)
MOST = {
    "openat": 260,
    "write": 130,
    "read": 200,
    "mmap": 60,
    "fcntl": 90,
    "flock": 30,
    "unlink": 70,
    "mkdir": 70,
}
"""About how many of these calls a run makes; of the others, up to 30."""
ERRORS = {
    **dict.fromkeys(FILES, ("EIO", "ENOSPC", "EMFILE", "EROFS", "EACCES")),
    **dict.fromkeys(DATA, ("EIO", "ENOSPC", "EDQUOT")),
    **dict.fromkeys(OTHERS, ("ENOMEM", "EMFILE", "EAGAIN")),
    # EAGAIN of these is a held lock: SQLite waits a minute for it, and a step would take another for running
    **dict.fromkeys(("fcntl", "flock"), ("ENOMEM", "EMFILE")),
}


def draw(bench: Bench) -> Tuple[str, str, str]:
    """(kind, injection, what it is called)."""
    call = bench.chance.choice((*FILES, *DATA, *OTHERS))
    when = bench.chance.randint(1, MOST.get(call, 30))
    if bench.chance.random() < 0.25:
        return "kill at a call", f"{call}:signal=KILL:when={when}", f"{call} kill {when}"
    error = bench.chance.choice(ERRORS[call])
    last = bench.chance.choice(["", "", "+"])
    return "error of a call", f"{call}:error={error}:when={when}{last}", f"{call} {error} {when}{last}"


def strike_calls(bench: Bench) -> None:
    scene = Scene(bench.folder, called=bench.share % 2 == 1)
    scene.settle()
    for _ in range(bench.rounds):
        scene.prune()
        kind, injection, name = draw(bench)
        told = f"{bench.campaign} {name} (share {bench.share}, x={scene.x + 1})"
        log = os.path.join(bench.folder, "trace")
        scene.begin()
        child = scene.start(Setup(hold=True))
        tracer = attach(child, injection, log)
        child.go()
        ended = child.wait()
        tracer.wait(timeout=60)
        if injected(log):
            bench.injected(kind)
        if ended.code != -signal.SIGKILL:
            refused_or_failed(ended, told)
        scene.lost = True  # a call may have failed that read an object
        scene.check(told, ended)


def attach(child: Child, injection: str, log: str) -> subprocess.Popen[bytes]:
    """Trace a held process and all that it starts."""
    command = ["strace", "-f", "-qq", "-o", log, "-p", str(child.pid), "-e", f"inject={injection}"]
    command += ["-e", "trace=" + injection.split(":")[0]]
    tracer = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def traced() -> bool:
        with open(f"/proc/{child.pid}/status", encoding="ascii") as file:
            return any(line.startswith("TracerPid:") and int(line.split()[1]) for line in file)

    wait_until(traced, "strace")
    return tracer


def injected(log: str) -> bool:
    with open(log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    return "(INJECTED)" in text or "killed by SIGKILL" in text


def may_trace() -> str:
    lacking = programs("strace")()
    if lacking:
        return lacking
    done = subprocess.run(
        [str(shutil.which("strace")), "-qq", "-o", "/dev/null", "true"], capture_output=True
    )
    return "" if done.returncode == 0 else "this machine lets no process be traced"


CAMPAIGNS = [
    Campaign(
        "system calls",
        strike_calls,
        {"error of a call": 60, "kill at a call": 15},
        160,
        4,
        may_trace,
        (1, 2, 3, 9),
    )
]
