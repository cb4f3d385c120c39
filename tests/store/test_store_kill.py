"""Kills, full disks and errors at any point: the next run finds an intact store and whole outputs."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
from typing import Any, Dict, Iterator

import pytest
from store_helpers import Project, python, record

from mlorch.errors import EnvironmentFault
from mlorch.model import Artifact
from mlorch.store import verify
from mlorch.store.faults import injector

Answer = Dict[str, Any]


class Runs:
    """Asks the forking process for runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, project: Project, first: int, **more: Any) -> Answer:
        request = {
            "root": project.root,
            "first": first,
            "turns": 1,
            "fault": "",
            "kill_after": None,
            "wait": False,
            **more,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: Answer = json.loads(self._process.stdout.readline())
        return answer

    def finish(self, project: Project, first: int) -> None:
        """An undisturbed run must succeed."""
        answer = self(project, first)
        assert (answer["code"], answer["errors"]) == (0, "")


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    process = python("import store_faults; store_faults.main()", stdin=subprocess.PIPE)
    yield Runs(process)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")


def check_outputs(project: Project, complete: bool) -> None:
    """Whatever stands under a declared output is one whole version."""
    files = project.files()
    for name in ("out/file", "out/folder/one", "out/folder/two/three", "out/folder/two/four"):
        if name in files:
            assert re.fullmatch(r"(version \d+ )\1{49}[\w/]*", files[name]), name
    folder = [files[name].split(" ")[1] for name in files if name.startswith("out/folder/")]
    assert len(folder) in (0, 3)
    assert len(set(folder)) <= 1
    assert sorted(name for name in files if not name.startswith("out/")) in ([], ["plain"])
    if complete:
        assert len(files) == 5


def check_store(project: Project, lost: bool = False) -> None:
    """The store is clean, except that objects which were found unreadable (`lost`) are in quarantine."""
    report = verify(project.store, False)
    assert report.clean or (lost and not report.corrupt and not report.unreadable), report
    count = project.store.index.query("select count(*) from records")
    assert count == [(report.records,)], "index and records agree"
    sizes = project.store.index.query("select count(*), sum(bytes) from objects where referred")[0]
    assert sizes[0] <= report.objects + len(report.missing), (
        "what is in quarantine still counts as referred to"
    )


def test_kills_at_random_moments(project: Project, runs: Runs) -> None:
    chance = random.Random(20261121)
    number, turns = 0, 0
    for kill in range(60):
        # every other kill may come while the store is being opened and recovered
        options = {"kill_after": chance.random() * 0.04, "wait": kill % 2 == 0}
        answer = runs(project, number, turns=100_000, **options)
        assert (answer["code"], answer["errors"]) == (-signal.SIGKILL, "")
        done = answer["out"].split()
        turns += len(done)
        number = (int(done[-1]) if done else number) + 2
        check_outputs(project, complete=False)
    assert turns >= 30, "the kills came too early to mean anything"
    runs.finish(project, 999_999)
    check_outputs(project, complete=True)
    project.reopen()
    check_store(project)
    project.store.forget_caches()
    assert [
        path for path in project.leftovers() if "/s-" in path or "/staging/" in path or "/aside/" in path
    ] == []
    # what is kept is only what an attempt left unfinished at the in-place output, never a finished version
    for folder, _, names in os.walk(project.path(".mlorch", "kept")):
        assert set(names) <= {"plain"} or os.path.basename(folder) == "by-digest", (folder, names)


POINTS = ["create", "write", "mkdir", "rename", "exchange", "copy", "read", "remove", "sync", "index"]
KINDS = ["kill", "EIO", "ENOSPC", "ENOSPC+"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", POINTS)
def test_every_fault_point(project: Project, runs: Runs, point: str, kind: str) -> None:
    """Each point is really visited: at least one of three faults of each kind must have struck (40 in all)."""
    runs.finish(project, 0)
    struck = 0
    name, suffix = kind.rstrip("+"), "+" if kind.endswith("+") else ""
    for visit in (1, 3, 8):
        answer = runs(project, visit, fault=f"{point}:{name}:{visit}{suffix}")
        code, errors = answer["code"], answer["errors"]
        # a bad block under an object makes it corrupt, which is 7; all else is the environment, 8
        wanted = (
            (-signal.SIGKILL,) if name == "kill" else (8, 7) if (point, name) == ("read", "EIO") else (8,)
        )
        assert code in (0, *wanted), errors
        struck += bool(code)
        if code in (7, 8):
            assert re.fullmatch(r"fault: .+ \| \w.+\n", errors), errors
        check_outputs(project, complete=False)
        runs.finish(project, 100 + visit)
        check_outputs(project, complete=True)
    project.reopen()
    check_store(project, lost=(point, name) == ("read", "EIO"))
    assert struck


def test_an_injector_counts_visits() -> None:
    once, always = injector("write:EIO:2"), injector("*:ENOSPC:2+")
    once("write")
    once("sync")
    with pytest.raises(OSError, match="Input/output"):
        once("write")
    once("write")
    always("a")
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            always("b")


def test_no_more_descriptors_is_one_clear_error(project: Project) -> None:
    code = """
        import resource, sys
        from store_helpers import *
        from mlorch.errors import EnvironmentFault
        project = Project(sys.argv[1])
        artifact = project.ingested("x", "1")
        limit = len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit - 1, limit + 100))
        try:
            project.store.workspace.place(artifact, publication(artifact))
        except EnvironmentFault as error:
            print(error.hint)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit + 100, limit + 100))
        assert project.store.objects.check(artifact.content.digest) is None
        project.store.workspace.place(artifact, publication(artifact))
        project.store.forget_caches()
    """
    process = python(code, project.root)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert "open files" in out
    assert project.read("x") == "1"


def test_a_failed_commit_can_be_tried_again(project: Project) -> None:
    project.write("x", "1")
    content = project.store.ingest("x")
    records = project.path(".mlorch", "records")
    project.write(".mlorch/records", "in the way")
    with pytest.raises(EnvironmentFault):
        project.store.commit([record(1, {"o": Artifact("x", content)})])
    os.unlink(records)
    project.store.commit([record(1, {"o": Artifact("x", content)})])
    assert next(project.store.records(record(1, {}).key)).outputs["o"].content == content
    assert project.store.has(content)
