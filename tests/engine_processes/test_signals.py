"""Waking a main thread that waits when a signal comes, in processes of their own: signals are their main thread's."""

from __future__ import annotations

import subprocess
import sys

TOLD = """
import os, queue, signal
from mlorch.engine.signals import waking

inbox, handled = queue.SimpleQueue(), []
signal.signal(signal.SIGUSR1, lambda number, frame: handled.append(number))
reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)
with waking(lambda: inbox.put("woken")):
    os.kill(os.getpid(), signal.SIGUSR1)
    assert inbox.get(timeout=10) == "woken" and handled == [signal.SIGUSR1]
assert os.read(reader, 10) == bytes([signal.SIGUSR1]), "who was told before is told now too"
assert signal.set_wakeup_fd(-1) == writer, "and afterwards"
assert inbox.empty()
"""
NO_PIPE = """
import os, resource
from mlorch.engine.signals import waking

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
try:
    while True:
        os.dup(0)
except OSError:
    pass
with waking(print):
    print("went on")
"""
NOT_MAIN = """
import threading
from mlorch.engine.signals import waking

def elsewhere():
    with waking(print):
        print("went on")

thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def test_whoever_waits_is_woken_and_whoever_was_told_before_is_told_too() -> None:
    assert run(TOLD) == ""


def test_a_machine_that_gives_no_pipe_is_no_obstacle() -> None:
    assert run(NO_PIPE) == "went on\n"


def test_another_thread_than_the_main_one_has_nothing_to_do_with_signals() -> None:
    assert run(NOT_MAIN) == "went on\n"
