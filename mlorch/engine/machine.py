"""What this machine lets a run use: cores, memory and gpus, with the limits of control groups, affinity
and the caller."""

from __future__ import annotations

import os
from typing import Iterator, List, Mapping, Optional, Tuple


class Machine:
    """Reads /proc, /sys and /dev.

    Args:
        environ: the caller's environment (CUDA_VISIBLE_DEVICES).
        root: where these folders stand; another one in tests.
    """

    def __init__(self, environ: Mapping[str, str], root: str = "/") -> None:
        self._environ = environ
        self._root = root

    def cpus(self) -> int:
        """Cores that this process may use: its affinity, and whole cores of the control group's quota;
        at least 1."""
        try:
            count = len(os.sched_getaffinity(0))
        except AttributeError:  # macOS
            count = os.cpu_count() or 1
        quotas = [quota for quota in self._quotas() if quota > 0]
        return max(1, min([count, *(int(quota) for quota in quotas)]))

    def memory(self) -> int:
        """Bytes of memory, within the control group's limit; 0 where it can't be told."""
        try:
            total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (ValueError, OSError, AttributeError):
            total = 0
        limits = [limit for limit in self._memory_limits() if limit > 0]
        return min([*limits, *([total] if total > 0 else [])], default=0)

    def gpus(self) -> Tuple[str, ...]:
        """Ids of the gpus that the caller may use."""
        visible = self._environ.get("CUDA_VISIBLE_DEVICES")
        if visible is not None:
            found: List[str] = []
            for item in visible.split(","):
                if item.strip() in (
                    "",
                    "-1",
                    "NoDevFiles",
                ):  # CUDA itself stops at the first one that is invalid
                    break
                found.append(item.strip())
            return tuple(found)
        try:
            names = os.listdir(os.path.join(self._root, "dev"))
        except OSError:
            return ()
        numbers = sorted(int(name[6:]) for name in names if name.startswith("nvidia") and name[6:].isdigit())
        return tuple(str(number) for number in range(len(numbers)))

    # ----------------------------------------------------------------------------------------- control groups

    def _quotas(self) -> Iterator[float]:
        for folder in self._folders("", ""):
            words = (self._read(folder, "cpu.max") or "").split()
            if len(words) == 2 and words[0] != "max":
                yield float(words[0]) / float(words[1])
        for name in ("cpu", "cpu,cpuacct"):
            for folder in self._folders(name, "cpu"):
                quota = _number(self._read(folder, "cpu.cfs_quota_us"))
                period = _number(self._read(folder, "cpu.cfs_period_us"))
                if quota and period and quota > 0:
                    yield quota / period

    def _memory_limits(self) -> Iterator[int]:
        for folder in self._folders("", ""):
            yield _number(self._read(folder, "memory.max")) or 0
        for folder in self._folders("memory", "memory"):
            limit = _number(self._read(folder, "memory.limit_in_bytes")) or 0
            if limit < 1 << 60:  # version 1 says "none" by the largest number of pages
                yield limit

    def _folders(self, mount: str, controller: str) -> Iterator[str]:
        """This process's group and those around it: each limits. `controller` is empty for version 2."""
        own = ""
        for line in (self._read("proc/self", "cgroup") or "").splitlines():
            parts = line.split(":", 2)
            if len(parts) == 3 and controller in parts[1].split(","):
                own = parts[2].strip("/")
                break
        base = os.path.join("sys/fs/cgroup", mount)
        while True:
            yield os.path.join(base, own)
            if not own:
                return
            own = os.path.dirname(own)

    def _read(self, folder: str, name: str) -> Optional[str]:
        try:
            with open(os.path.join(self._root, folder, name), encoding="utf-8") as file:
                return file.read()
        except (OSError, ValueError):
            return None


def _number(text: Optional[str]) -> Optional[int]:
    try:
        return int(text) if text else None
    except ValueError:  # `max`
        return None
