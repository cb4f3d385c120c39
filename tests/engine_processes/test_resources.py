"""Capacity of a machine, and a pool that never exceeds it and lets nobody starve."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlorch.engine.machine import Machine
from mlorch.engine.resources import Capacity, Grant, Pool, detect_capacity
from mlorch.model import Needs

GIB = 1 << 30


def files(root: Path, texts: Dict[str, str]) -> Path:
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_limits_it_is_the_machine(tmp_path: Path) -> None:
    machine = Machine({}, str(tmp_path))
    assert machine.cpus() == len(os.sched_getaffinity(0))
    assert machine.memory() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert machine.gpus() == ()


def test_version_2_groups_limit_at_every_level(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/"
    root = files(
        tmp_path,
        {
            "proc/self/cgroup": "0::/outer/inner\n",
            base + "outer/inner/cpu.max": "max 100000\n",
            base + "outer/cpu.max": "100000 100000\n",
            base + "outer/inner/memory.max": "max\n",
            base + "outer/memory.max": "1073741824\n",
            base + "memory.max": "2147483648\n",
        },
    )
    machine = Machine({}, str(root))
    assert machine.cpus() == 1 and machine.memory() == GIB


def test_version_1_groups_limit(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/"
    root = files(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/a\n1:cpu,cpuacct:/a\n",
            base + "memory/a/memory.limit_in_bytes": str(GIB // 2),
            base + "memory/memory.limit_in_bytes": "9223372036854771712",
            base + "cpu/a/cpu.cfs_quota_us": "50000",
            base + "cpu/a/cpu.cfs_period_us": "100000",
            base + "cpu/cpu.cfs_quota_us": "-1",
            base + "cpu/cpu.cfs_period_us": "100000",
        },
    )
    machine = Machine({}, str(root))
    assert machine.cpus() == 1 and machine.memory() == GIB // 2


@pytest.mark.parametrize(
    ("visible", "wanted"),
    [("0,2", ("0", "2")), ("", ()), ("-1", ()), ("0,-1,2", ("0",)), ("GPU-a, MIG-b", ("GPU-a", "MIG-b"))],
)
def test_the_callers_gpus(visible: str, wanted: Tuple[str, ...]) -> None:
    assert Machine({"CUDA_VISIBLE_DEVICES": visible}).gpus() == wanted


def test_gpus_by_their_device_files(tmp_path: Path) -> None:
    root = files(
        tmp_path, {f"dev/{name}": "" for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null")}
    )
    assert Machine({}, str(root)).gpus() == ("0", "1")


def test_declared_capacity_wins_and_jobs_count_as_cpus(tmp_path: Path) -> None:
    machine = Machine({"CUDA_VISIBLE_DEVICES": "4,5,6"}, str(tmp_path))
    found = detect_capacity({"gpus": 2, "db": 3}, 64, {}, machine)
    assert (found.cpus, found.gpus, found.tokens) == (64.0, ("4", "5"), {"db": 3})
    assert found.declared == {"gpus", "db"} and found.memory > 0
    found = detect_capacity({"cpus": 3, "memory": GIB, "gpus": 4}, 64, {}, machine)
    assert (found.cpus, found.memory, found.gpus) == (3.0, float(GIB), ("0", "1", "2", "3"))


# --------------------------------------------------------------------------------------------------- the pool


def test_what_can_never_run_is_told_before() -> None:
    pool = Pool(Capacity(4, 8 * GIB, ("0",), {"db": 2}, frozenset({"memory", "db"})), 4)
    assert pool.check(Needs(cpus=4, memory=8 * GIB, gpus=1, tokens={"db": 2})) is None
    assert pool.check(Needs(cpus=9)) is None
    assert pool.warning(Needs(cpus=9)) == "needs 9 cpus, but this machine has 4 cpus: it runs alone"
    assert pool.warning(Needs(cpus=4)) is None and pool.warning(Needs(memory=16 * GIB)) is None
    assert (
        pool.check(Needs(memory=16 * GIB))
        == "needs 16 GiB of memory, but `capacity` declares 8 GiB of memory"
    )
    assert pool.check(Needs(gpus=2)) == "needs 2 gpus, but this machine has 1 gpu"
    assert pool.check(Needs(tokens={"db": 3})) == "needs 3 of `db`, but `capacity` declares 2 of `db`"
    assert pool.check(Needs(tokens={"slots": 1})) == "needs 1 of `slots`, which `capacity` does not declare"


def test_gpus_are_handed_out_by_id_and_come_back() -> None:
    pool = Pool(Capacity(8, 0, ("3", "GPU-x")), 8)
    first = pool.try_acquire(Needs(gpus=1), "a")
    second = pool.try_acquire(Needs(gpus=1), "b")
    assert first is not None and second is not None
    assert (first.gpus, second.gpus) == (("3",), ("GPU-x",))
    assert pool.try_acquire(Needs(gpus=1), "c") is None
    pool.release(first)
    again = pool.try_acquire(Needs(gpus=1), "c")
    assert again is not None and again.gpus == ("3",)


def test_two_cpus_on_two_run_beside_nothing() -> None:
    pool = Pool(Capacity(2, 0), 2)
    large = pool.try_acquire(Needs(cpus=2), "large")
    assert large is not None and pool.try_acquire(Needs(), "small") is None
    pool.release(large)
    assert pool.try_acquire(Needs(), "small") is not None


def test_more_than_there_is_runs_alone() -> None:
    pool = Pool(Capacity(2, GIB), 4)
    small = pool.try_acquire(Needs(cpus=1), "small")
    assert small is not None and pool.try_acquire(Needs(cpus=9), "huge") is None
    pool.release(small)
    huge = pool.try_acquire(Needs(cpus=9, memory=5 * GIB), "huge")
    assert huge is not None and huge.alone and pool.try_acquire(Needs(cpus=0), "other") is None
    pool.release(huge)
    assert pool.try_acquire(Needs(cpus=2, memory=GIB), "other") is not None


def test_a_large_need_is_not_starved_by_small_ones() -> None:
    pool = Pool(Capacity(4, 0), 4)
    running: List[Grant] = [grant for n in range(4) if (grant := pool.try_acquire(Needs(), f"s{n}"))]
    overtaken = 0
    for turn in range(100):
        pool.release(running.pop(0))
        if pool.try_acquire(Needs(cpus=4), "large") is not None:
            break
        grant = pool.try_acquire(Needs(), f"t{turn}")
        if grant is not None:
            overtaken += 1
            running.append(grant)
    else:
        raise AssertionError("it starved")
    assert (overtaken == 8 and pool.favoured() is None) or overtaken == 8


def test_room_is_kept_only_of_what_the_waiting_one_lacks() -> None:
    pool = Pool(Capacity(16, 0, (), {"db": 1}), 4)
    holder = pool.try_acquire(Needs(tokens={"db": 1}), "holder")
    assert holder is not None and pool.try_acquire(Needs(tokens={"db": 1}), "next") is None
    started = [pool.try_acquire(Needs(), f"s{n}") for n in range(14)]
    assert all(started) and pool.favoured() == "next"
    assert pool.try_acquire(Needs(), "last") is None  # one cpu stays for `next`
    pool.forget("next")
    assert pool.favoured() is None and pool.try_acquire(Needs(), "last") is not None


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_capacity_is_never_exceeded_and_every_wait_ends(data: st.DataObject) -> None:
    capacity = Capacity(4, 100, ("0", "1"), {"db": 2}, frozenset({"db"}))
    pool = Pool(capacity, 3)
    need = st.builds(
        Needs,
        cpus=st.integers(0, 6),
        memory=st.integers(0, 150),
        gpus=st.integers(0, 2),
        tokens=st.dictionaries(st.just("db"), st.integers(0, 2)),
    )
    waiting = {f"w{n}": data.draw(need) for n in range(data.draw(st.integers(1, 12)))}
    running: Dict[str, Grant] = {}
    for _ in range(400):
        for name in list(waiting):
            grant: Optional[Grant] = pool.try_acquire(waiting[name], name)
            if grant is not None:
                running[name] = grant
                del waiting[name]
        _within(capacity, list(running.values()))
        if not running:
            break
        name = data.draw(st.sampled_from(sorted(running)))
        pool.release(running.pop(name))
    assert not waiting and not running


def _within(capacity: Capacity, grants: List[Grant]) -> None:
    if any(grant.alone for grant in grants):
        assert len(grants) == 1
        return
    assert sum(grant.needs.cpus for grant in grants) <= capacity.cpus
    assert sum(grant.needs.memory for grant in grants) <= capacity.memory
    assert sum(grant.needs.tokens.get("db", 0) for grant in grants) <= 2
    gpus = [gpu for grant in grants for gpu in grant.gpus]
    assert len(gpus) == len(set(gpus)) <= 2
