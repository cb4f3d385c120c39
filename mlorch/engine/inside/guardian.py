"""Ends everything that a run started as soon as the run's own process is gone, however it went.

    python guardian.py RUN TABLE_FD

stdin is a pipe whose other end only the run's process holds. A byte on it means that the run ended well;
end of file without one means that the process died. TABLE_FD is shared memory: 32-bit process group ids,
0 where a slot is free. It is read only then, so that starting a step costs the run no message and this
process no wakeup.

A file of the standard library alone: it runs without mlorch installed, on any Python from 3.8.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import struct
import sys
import time

TYPE_CHECKING = False  # without `typing` this starts 2 ms sooner
if TYPE_CHECKING:
    from typing import List

ROUNDS = 12
"""How often /proc is read: what was just being forked shows its environment only a moment later."""
PAUSE = 0.02


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    run, table = sys.argv[1], int(sys.argv[2])
    if os.read(0, 1):
        return
    kill_groups(groups(table))
    quiet = 0
    for _ in range(ROUNDS):
        quiet = 0 if kill_named(run) else quiet + 1
        if quiet == 3:
            return
        time.sleep(PAUSE)


def groups(table: int) -> List[int]:
    """The group ids that the table holds now."""
    size = os.fstat(table).st_size
    with mmap.mmap(table, size, prot=mmap.PROT_READ) as memory:
        return [item for item in struct.unpack(f"{size // 4}i", memory[:]) if item > 1]


def kill_groups(found: List[int]) -> None:
    for group in found:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)


def kill_named(run: str) -> int:
    """Kill every process that has this run's id in its environment; how many there were."""
    wanted = b"\0MLORCH_RUN_ID=" + os.fsencode(run) + b"\0"
    count = 0
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if wanted not in b"\0" + file.read():
                    continue
            os.kill(int(name), signal.SIGKILL)
            count += 1
        except OSError:
            continue
    return count


if __name__ == "__main__":
    main()
