"""The client's side of the guardian: a tiny process that ends a run's process groups when the run's own
process is gone."""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import sys
import threading
from typing import List, Optional

from mlorch.engine.process import Starter

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside", "guardian.py")
SLOTS = 1024
_WORD = struct.Struct("i")


class Guardian:
    """Holds the live process groups in memory that it shares with its process, which reads it only at
    the end.

    Args:
        run: the run's id, by which it also finds what left its group.
    """

    def __init__(self, run: str, starter: Starter) -> None:
        self._lock = threading.Lock()
        self._free: List[int] = list(range(SLOTS - 1, -1, -1))
        self._table = _shared_memory(SLOTS * _WORD.size)
        self._memory = mmap.mmap(self._table, SLOTS * _WORD.size)
        reader, self._lifeline = os.pipe()
        try:
            argv = (sys.executable or "python3", "-I", "-S", SCRIPT, run, "3")
            # No MLORCH_… in its environment: an outer run's guardian must not take it for one of its steps.
            self.pid: Optional[int] = starter.helper(argv, reader, self._table)
        except OSError:
            self.pid = None
        finally:
            os.close(reader)

    def hold(self, group: int) -> int:
        """Remember a group; returns the slot for `drop`, -1 where there is no room (its run id still
        gives it away)."""
        with self._lock:
            if not self._free:
                return -1
            slot = self._free.pop()
        _WORD.pack_into(self._memory, slot * _WORD.size, group)
        return slot

    def drop(self, slot: int) -> None:
        """Forget a group, before its leader is reaped and its number may come again."""
        if slot < 0:
            return
        _WORD.pack_into(self._memory, slot * _WORD.size, 0)
        with self._lock:
            self._free.append(slot)

    def close(self) -> None:
        """The run ended well: the process leaves without ending anything."""
        with contextlib.suppress(OSError):
            os.write(self._lifeline, b"q")
        os.close(self._lifeline)
        if self.pid is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        self._memory.close()
        os.close(self._table)


def _shared_memory(size: int) -> int:
    if hasattr(os, "memfd_create"):
        descriptor: int = os.memfd_create("mlorch-groups")
    else:
        import tempfile  # not on Linux, where it would only cost time

        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
