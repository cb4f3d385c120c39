"""A signal that the main thread of a process does not notice."""

from __future__ import annotations

import ctypes
import os
import time

import pytest

needs_tgkill = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "tgkill"), reason="this C library has no tgkill"
)


def send_unnoticed(process: int, number: int) -> None:
    """Give a signal to another thread than the main one, as the system may do; it comes to the same as one that the main thread
    gets when it has just begun to wait: the handler can't run yet, and nothing ends the wait."""
    time.sleep(0.5)  # until it waits
    others = [int(name) for name in os.listdir(f"/proc/{process}/task") if int(name) != process]
    assert others and not ctypes.CDLL(None).tgkill(process, max(others), int(number))
