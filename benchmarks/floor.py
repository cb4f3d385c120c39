"""The least that a step costs in Python with what mlorch promises of it: floor.py PLAN SLOTS SHELL

Per step: a log, a shell in a session of its own, the output digested and kept by its digest, a copy of it in place, a record; per
group of steps two syncs, so that nothing is told (and no dependant starts) before it would survive a power cut. Nothing else: no
pipeline is parsed, nothing is looked up, compared, cached, shown or cleaned up, no failure is handled. How far mlorch stands from
this is what its own work costs.

PLAN is JSON: [[name, inputs, output, command], …], in an order in which they could run.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import sys
import threading
import time
from typing import Any

from blake3 import blake3

GATHER = 0.05
"""Seconds for which what is done may wait for more to share its syncs, while there is other work."""
STORE = ".floor"
LIBRARY: Any = ctypes.CDLL(None, use_errno=True)


def main(plan: str, slots: int, shell: str) -> None:
    with open(plan, encoding="utf-8") as file:
        steps = json.load(file)
    for name in ("objects", "records", "logs", "tmp"):
        os.makedirs(os.path.join(STORE, name))
    makers = {output: name for name, _, output, _ in steps}
    missing = {name: len(set(inputs) & makers.keys()) for name, inputs, _, _ in steps}
    readers: dict[str, list[Any]] = {}
    for step in steps:
        for path in set(step[1]) & makers.keys():
            readers.setdefault(path, []).append(step)
    todo: queue.SimpleQueue[Any] = queue.SimpleQueue()
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threads = [threading.Thread(target=_agent, args=(todo, done, shell)) for _ in range(slots)]
    for thread in threads:
        thread.start()
    ready = [step for step in steps if not missing[step[0]]]
    for step in ready:
        todo.put(step)
    busy, left = len(ready), len(steps)
    while left:
        batch = _gather(done, busy, slots)
        _commit(batch)
        busy -= len(batch)
        left -= len(batch)
        for _, output, _, _ in batch:
            for step in readers.get(output, ()):
                missing[step[0]] -= 1
                if not missing[step[0]]:
                    todo.put(step)
                    busy += 1
    for _ in threads:
        todo.put(None)
    for thread in threads:
        thread.join()


def _agent(todo: queue.SimpleQueue[Any], done: queue.SimpleQueue[Any], shell: str) -> None:
    """Takes a step, runs it, digests what it made."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    while True:
        step = todo.get()
        if step is None:
            return
        name, inputs, output, command = step
        log = os.open(f"{STORE}/logs/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        wiring = [(os.POSIX_SPAWN_DUP2, there, here) for there, here in ((null, 0), (log, 1), (log, 2))]
        argv = [os.path.basename(shell), "-eu", "-c", command]
        pid = os.posix_spawn(shell, argv, os.environ, file_actions=wiring, setsid=True)
        _, status, usage = os.wait4(pid, 0)
        os.close(log)
        if status:
            raise SystemExit(f"{name} failed")
        kept = f"{STORE}/tmp/{name}"
        os.rename(output, kept)
        with open(kept, "rb", buffering=0) as file:
            data = file.readall()
        digest = blake3(data).hexdigest()
        with open(f"{kept}.copy", "wb", buffering=0) as file:
            file.write(data)
        record = {"step": name, "command": command, "inputs": inputs, "output": output, "digest": digest}
        record["cpu"] = usage.ru_utime + usage.ru_stime
        done.put((name, output, digest, record))


def _gather(done: queue.SimpleQueue[Any], busy: int, slots: int) -> list[Any]:
    """What is done; more of it while the slots have other work."""
    batch = [done.get()]
    end = time.monotonic() + GATHER
    while True:
        patience = end - time.monotonic() if busy - len(batch) > slots else 0.0
        try:
            batch.append(done.get(timeout=patience) if patience > 0 else done.get_nowait())
        except queue.Empty:
            return batch


def _commit(batch: list[Any]) -> None:
    """Objects and records durable, then their names; then the copies in place."""
    for name, _, _, record in batch:
        with open(f"{STORE}/tmp/{name}.json", "wb", buffering=0) as file:
            file.write(json.dumps(record).encode())
    _sync()
    for name, _, digest, _ in batch:
        folder = f"{STORE}/objects/{digest[:2]}"
        try:
            os.rename(f"{STORE}/tmp/{name}", f"{folder}/{digest[2:]}")
        except FileNotFoundError:
            os.mkdir(folder)
            os.rename(f"{STORE}/tmp/{name}", f"{folder}/{digest[2:]}")
        os.rename(f"{STORE}/tmp/{name}.json", f"{STORE}/records/{name}.json")
    _sync()
    for name, output, _, _ in batch:
        os.rename(f"{STORE}/tmp/{name}.copy", output)


def _sync() -> None:
    folder = os.open(STORE, os.O_RDONLY | os.O_CLOEXEC)
    if LIBRARY.syncfs(folder):
        raise OSError(ctypes.get_errno(), "syncfs")
    os.close(folder)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
