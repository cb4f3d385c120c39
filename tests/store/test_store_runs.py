"""Run files, receipts, git's index."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
import tracemalloc

import pytest
from store_helpers import Project, python

from mlorch.errors import EnvironmentFault, StoreError
from mlorch.model import Event
from mlorch.store import new_run_id
from mlorch.store.git import GitIndex

STARTED = {"pipeline": "p.yaml", "name": "flights", "meta": {"user": "me"}}


def begin(project: Project, run: str, when: float = 100.0) -> object:
    log = project.store.begin_run(run)
    log.append(Event("run.started", when, run, data=STARTED))
    return log


def test_a_run_is_read_back_in_order(project: Project) -> None:
    log = project.store.begin_run("r1")
    events = [Event("run.started", 1.0, "r1", data=STARTED)]
    events += [Event("step.started", 2.0 + n, "r1", f"s@{n}", "s", {"line": "a\nb\udcff"}) for n in range(3)]
    for event in events:
        log.append(event)
    log.flush()
    assert list(project.store.events("r1")) == events
    assert project.store.runs()[0].status == "running"
    log.close()
    assert project.store.runs()[0].status == "crashed"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({"status": "cancelled"}, "cancelled"),
        ({"totals": {"failed": 1, "succeeded": 2}}, "failed"),
        ({"totals": {"succeeded": 2}}, "succeeded"),
        ({"totals": {"succeeded": 2, "cancelled": 1}}, "cancelled"),
    ],
)
def test_what_a_finished_run_says(project: Project, data: dict, wanted: str) -> None:  # type: ignore[type-arg]
    log = begin(project, "r1")
    log.append(Event("run.finished", 107.5, "r1", data=data))  # type: ignore[attr-defined]
    log.close()  # type: ignore[attr-defined]
    for _ in range(2):  # the second look is from the index
        (info,) = project.store.runs()
        assert (info.status, info.seconds, info.totals) == (wanted, 7.5, data.get("totals", {}))
        assert (info.pipeline, info.name, info.meta) == ("p.yaml", "flights", {"user": "me"})
        project.reopen()


def test_runs_come_newest_first_and_may_be_limited(project: Project) -> None:
    for number in range(5):
        begin(project, f"r{number}", 100.0 + number % 3).close()  # type: ignore[attr-defined]
    assert [info.id for info in project.store.runs()] == ["r2", "r4", "r1", "r3", "r0"]
    assert [info.id for info in project.store.runs(2)] == ["r2", "r4"]


def test_a_torn_last_line_is_left_out(project: Project) -> None:
    log = begin(project, "r1")
    log.close()  # type: ignore[attr-defined]
    with open(project.path(".mlorch/runs/r1/events.jsonl"), "ab") as file:
        file.write(b'{"kind":"step.fin')
    assert [event.kind for event in project.store.events("r1")] == ["run.started"]
    assert project.store.runs()[0].status == "crashed"


def test_an_empty_event_file_is_a_crashed_run(project: Project) -> None:
    project.write(".mlorch/runs/r1/events.jsonl", "")
    (info,) = project.store.runs()
    assert (info.id, info.status) == ("r1", "crashed")


def test_foreign_versions_and_unknown_runs_are_refused(project: Project) -> None:
    project.write(".mlorch/runs/r1/events.jsonl", '{"schema":"mlorch.events/5"}\n')
    with pytest.raises(
        StoreError, match=r"has the format `mlorch.events/5`, and this mlorch reads `mlorch.events/1`"
    ):
        project.store.events("r1")
    for run in ("nothing", "../runs/r1"):
        with pytest.raises(StoreError, match="there is no run"):
            project.store.events(run)
    for run in ("", "a/b", "..", ".x"):
        with pytest.raises(StoreError, match="can't be the id"):
            project.store.begin_run(run)


def test_threads_append_whole_lines(project: Project) -> None:
    log = begin(project, "r1")

    def work(number: int) -> None:
        for turn in range(50):
            log.append(Event("warning", float(turn), "r1", str(number), data={"x": "y" * 20000}))  # type: ignore[attr-defined]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()  # type: ignore[attr-defined]
    assert len(list(project.store.events("r1"))) == 201
    with pytest.raises(EnvironmentFault, match="closed already"):
        log.append(Event("warning", 1.0, "r1"))  # type: ignore[attr-defined]


def test_files_of_a_run_stay_in_its_folder(project: Project) -> None:
    log = project.store.begin_run("r1")
    path = log.write("train@3-0.sh", "#!/bin/sh\n", executable=True)
    assert path == project.path(".mlorch/runs/r1/train@3-0.sh")
    assert os.access(path, os.X_OK)
    assert log.write("deep/er/x", "\udcff") == project.path(".mlorch/runs/r1/deep/er/x")
    assert log.write("deep/er/x", "again") == project.path(".mlorch/runs/r1/deep/er/x")
    with pytest.raises(EnvironmentFault):
        log.write("../../x", "")
    with pytest.raises(StoreError, match="is there already"):
        project.store.begin_run("r1")
    log.close()


def test_a_killed_run_is_crashed_and_a_live_one_running(project: Project) -> None:
    code = """
        import sys, time
        from store_helpers import *
        project = Project(sys.argv[1])
        project.log = project.store.begin_run("live")
        print("begun", flush=True)
        time.sleep(60)
    """
    process = python(code, project.root)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    assert project.store.runs()[0].status == "running"
    process.kill()
    process.communicate()
    assert project.store.runs()[0].status == "crashed"


def test_new_run_ids_are_free(project: Project) -> None:
    names = {new_run_id(project.store) for _ in range(200)}
    assert len(names) > 190
    assert all(len(name) >= 6 and set(name) <= set("0123456789abcdef") for name in names)


def test_receipts_are_appended_and_the_last_one_counts(project: Project) -> None:
    key = "blake3:" + "0" * 64
    assert project.store.receipt("prod/x") is None
    before = time.time()
    project.store.write_receipt("prod/x", key, "r1", False)
    project.store.write_receipt("prod/x", key, "r1", True, "record-1")
    found = project.reopen().receipt("prod/x")
    assert found is not None
    assert {name: found[name] for name in ("key", "finished", "record", "run")} == {
        "key": key,
        "finished": True,
        "record": "record-1",
        "run": "r1",
    }
    assert before <= found["time"] <= time.time()
    (name,) = os.listdir(project.path(".mlorch/effects"))
    with open(project.path(".mlorch/effects", name), "ab") as file:
        file.write(b'{"key":"torn')
    assert project.store.receipt("prod/x") == found
    project.store.write_receipt("prod/x", key, "r2", False)
    last = project.store.receipt("prod/x")
    assert last is not None
    assert (last["run"], last["finished"]) == ("r2", False)


# -------------------------------------------------------------------------------------------------------- git


def git(root: str, *argv: str) -> None:
    variables = {"PATH": os.environ["PATH"], "HOME": root, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *argv], cwd=root, check=True, capture_output=True, env=variables)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("version", ["2", "3", "4"])
@pytest.mark.parametrize("split", [False, True])
def test_tracked_files_are_known_without_running_git(tmp_path: object, version: str, split: bool) -> None:
    root = str(tmp_path)
    git(root, "init", "-q")
    for name in ("a", "sub/deep/b", "sub/deep/bc", "sub/x" * 30, "caf\u00e9 (1)", "untracked"):
        os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
        open(os.path.join(root, name), "w").close()
    git(root, "add", "a", "sub", "caf\u00e9 (1)")
    if version == "3":
        open(os.path.join(root, "later"), "w").close()
        git(root, "add", "-N", "later")  # an extended entry
    if split:
        git(root, "update-index", "--split-index")
    git(root, "update-index", "--index-version", "4" if version == "4" else "2")
    index = GitIndex(root)
    names = ["a", "sub", "sub/deep", "sub/deep/b", "sub/deep/bc", "sub/x" * 30, "caf\u00e9 (1)"]
    assert [name for name in names if not index.is_tracked(name)] == []
    assert index.is_tracked("later") is (version == "3")
    assert not index.is_tracked("untracked")
    assert not index.is_tracked("sub/dee")
    assert GitIndex(os.path.join(root, "sub")).is_tracked("deep/b")
    git(root, "rm", "-q", "--cached", "a")
    if not split:
        assert not index.is_tracked("a")


def test_outside_a_repository_and_with_a_bad_index_nothing_is_tracked(tmp_path: object) -> None:
    root = str(tmp_path)
    assert not GitIndex(root).is_tracked("a")
    os.makedirs(os.path.join(root, ".git"))
    for data in (b"", b"DIRC\0\0\0\x09\0\0\0\1", b"DIRC\0\0\0\2\0\0\0\x05short", os.urandom(500)):
        with open(os.path.join(root, ".git/index"), "wb") as file:
            file.write(data)
        assert not GitIndex(root).is_tracked("a")


def test_events_are_read_one_after_the_other(project: Project) -> None:
    """Memory does not grow with the length of a run."""
    log = begin(project, "r1")
    for number in range(4_000):
        log.append(Event("warning", float(number), "r1", data={"text": "y" * 2000}))  # type: ignore[attr-defined]
    log.close()  # type: ignore[attr-defined]
    tracemalloc.start()
    try:
        assert sum(1 for _ in project.store.events("r1")) == 4_001
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_events_that_hold_a_text_are_found_without_the_others(project: Project) -> None:
    log = begin(project, "r1")
    names = ["s", "s@1", 'a"b', "é"]
    for name in names:
        log.append(Event("step.cached", 2.0, "r1", name, "s", {"record": "of " + name}))  # type: ignore[attr-defined]
    log.close()  # type: ignore[attr-defined]
    whole = list(project.store.events("r1"))
    for name in names:
        having = '"instance":' + json.dumps(name)
        found = list(project.store.events("r1", having))
        assert found == [event for event in whole if event.instance == name]
        assert len(found) == 1
