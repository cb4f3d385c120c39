"""Locks by registration, with real processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_helpers import Project, python

from mlorch.errors import LockedError
from mlorch.store.locks import overlap

HOLDER = """
    import sys, time
    from store_helpers import *
    project = Project(sys.argv[1])
    lease = project.store.register(sys.argv[2], sys.argv[3].split(","), sys.argv[4].split(","))
    print("held", flush=True)
    sys.stdin = None
    time.sleep(60)
"""


def hold(project: Project, run: str, writes: str, reads: str = "none") -> object:
    process = python(HOLDER, project.root, run, writes, reads)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: object) -> None:
    process.kill()  # type: ignore[attr-defined]
    process.communicate()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("some", "other", "wanted"),
    [
        ("data/x", "data/x", True),
        ("data/", "data/x", True),
        ("data", "data/x/y", True),
        ("data/x", "data", True),
        ("data/x", "data/xy", False),
        ("data/", "database", False),
        ("", "anything", True),
        ("a", "", True),
        ("step:p.yaml:train", "step:p.yaml:train", True),
        ("step:p.yaml:train", "step:p.yaml:trainer", False),
        ("effect:prod", "effect:test", False),
    ],
)
def test_what_overlaps(some: str, other: str, wanted: bool) -> None:
    assert (overlap([some], [other]) is not None) is wanted


paths = st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map("/".join), max_size=4)


@given(paths, paths)
def test_overlap_is_symmetric_and_what_a_slow_look_says(some: List[str], others: List[str]) -> None:
    slow = any(a == b or a.startswith(b + "/") or b.startswith(a + "/") for a in some for b in others)
    assert (overlap(some, others) is not None) is slow
    assert (overlap(others, some) is not None) is slow


def test_disjoint_runs_go_in_parallel_and_readers_share(project: Project) -> None:
    first = project.store.register("a", ["data/x"], ["src/"])
    second = project.store.register("b", ["data/y"], ["src/main"], wait=False)
    for reads, writes in ((["data/x"], []), ([], ["src/main/x"]), ([], ["data/"])):
        with pytest.raises(LockedError):
            project.store.register("c", writes, reads, wait=False)
    second.release()
    first.release()
    project.store.register("c", ["data/"], [], wait=False).release()
    assert os.listdir(project.path(".mlorch/locks/runs")) == []


def test_the_error_names_run_pid_and_command(project: Project) -> None:
    process = hold(project, "abc123", "data/")
    with pytest.raises(LockedError) as caught:
        project.store.register("c", ["data/x"], [], wait=False)
    expected = f"`data/` is in use by run abc123 (pid {process.pid}, `"  # type: ignore[attr-defined]
    assert str(caught.value).startswith(expected)
    assert caught.value.hint
    end(process)


def test_a_killed_run_frees_its_locks_and_wakes_who_waits(project: Project) -> None:
    process = hold(project, "victim", "data/")
    told: List[str] = []
    leases = []

    def wait() -> None:
        leases.append(project.store.register("c", ["data/x"], [], on_wait=told.append))

    thread = threading.Thread(target=wait)
    thread.start()
    while not told:
        time.sleep(0.01)
    time.sleep(0.1)
    assert leases == []
    end(process)
    thread.join(5)
    assert len(leases) == 1
    assert len(told) == 1
    leases[0].release()


def test_an_orphaned_step_still_holds_and_is_named(project: Project) -> None:
    code = """
        import os, signal, subprocess, sys
        from store_helpers import *
        project = Project(sys.argv[1])
        lease = project.store.register("dead", ["data/"], [])
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        step = subprocess.Popen(["sleep", "61"], pass_fds=lease.fds, **quiet)
        print(step.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    orphan = int(python(code, project.root).communicate()[0])
    try:
        with pytest.raises(LockedError) as caught:
            project.store.register("c", ["data/x"], [], wait=False)
        assert "run dead, which was killed, but a process of it still runs" in str(caught.value)
        assert f"(pid {orphan}, `sleep 61`)" in str(caught.value)
    finally:
        os.kill(orphan, signal.SIGKILL)
    project.store.register("c", ["data/x"], []).release()


def test_release_frees_although_a_step_still_has_the_descriptor(project: Project) -> None:
    lease = project.store.register("a", ["x"], [])
    copy = os.dup(lease.fds[0])
    lease.release()
    lease.release()
    project.store.register("b", ["x"], [], wait=False).release()
    os.close(copy)


def test_a_run_started_in_a_step_does_not_wait_for_its_ancestor(project: Project) -> None:
    outer = project.store.register("outer", ["data/"], [])
    with pytest.raises(LockedError, match="would have to wait for the run that it was started in"):
        project.store.register("inner", ["data/x"], [], ancestors=["outer"])
    project.store.register("inner", ["elsewhere"], [], ancestors=["outer"]).release()
    outer.release()


def test_nor_through_a_third_run_that_waits_for_the_ancestor(project: Project) -> None:
    outer = project.store.register("outer", ["a"], [])
    told: List[str] = []
    leases = []

    def third() -> None:
        leases.append(project.store.register("third", ["a", "b"], [], on_wait=told.append))

    thread = threading.Thread(target=third)
    thread.start()
    while not told:
        time.sleep(0.01)
    with pytest.raises(LockedError, match="started in"):
        project.store.register("inner", ["b"], [], ancestors=["outer"])
    outer.release()
    thread.join(5)
    leases[0].release()


def test_first_come_first_served(project: Project) -> None:
    """A run that waits is before all that come after it, so nobody starves."""
    first = project.store.register("first", ["a"], [])
    order: List[str] = []
    threads = []
    for name, paths in (("second", ["a", "b"]), ("third", ["b"])):
        told = threading.Event()

        def work(name: str = name, paths: List[str] = paths, told: threading.Event = told) -> None:
            lease = project.store.register(name, paths, [], on_wait=lambda _: told.set())
            order.append(name)
            time.sleep(0.05)
            lease.release()

        thread = threading.Thread(target=work)
        thread.start()
        threads.append(thread)
        assert told.wait(5)
    first.release()
    for thread in threads:
        thread.join(5)
    assert order == ["second", "third"]


def test_many_processes_never_hold_the_same_path_together(project: Project) -> None:
    code = """
        import os, sys
        from store_helpers import *
        project = Project(sys.argv[1])
        for turn in range(15):
            lease = project.store.register("r%s-%s" % (sys.argv[2], turn), ["x"], [])
            fd = os.open(project.path("held"), os.O_CREAT | os.O_EXCL)  # fails if two are in here
            with open(project.path("count"), "r+") as file:
                number = int(file.read() or 0)
                file.seek(0)
                file.write(str(number + 1))
            os.close(fd)
            os.unlink(project.path("held"))
            lease.release()
        project.store.forget_caches()
    """
    project.write("count", "0")
    processes = [python(code, project.root, str(number)) for number in range(3)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    assert project.read("count") == "45"


def test_a_foreign_registration_is_refused_or_taken_to_hold_everything(project: Project) -> None:
    import fcntl

    folder = project.path(".mlorch/locks/runs")
    os.makedirs(folder)
    path = project.write(".mlorch/locks/runs/000000000001-odd", "no json")
    with open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(LockedError, match="run odd"):
            project.store.register("c", ["anything"], [], wait=False)
    project.store.register("c", ["anything"], [], wait=False).release()
