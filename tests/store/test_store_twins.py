"""An output is read once: the copy that goes into the workspace is made while it is digested."""

from __future__ import annotations

import contextlib
import os
import stat
from collections import Counter

import pytest
from store_helpers import Project, publication

from mlorch.errors import MlorchError
from mlorch.model import Artifact
from mlorch.store import faults

STAGED = ".mlorch/tmp/staging/" + "0" * 32 + "/o/x"
DATA = bytes(range(256)) * 4096 * 3  # three blocks of reading


def made(project: Project, data: bytes = DATA) -> Artifact:
    project.write(STAGED, data)
    artifact = Artifact("x", project.store.ingest(STAGED, move=True))
    project.store.commit([])
    return artifact


def twins(project: Project) -> int:
    """Files in the folder of this session, beside its lock."""
    return sum(name.isdigit() for name in os.listdir(project.store.session.folder()))


@pytest.mark.parametrize(("data", "reads"), [(DATA, 4), (b"small", 1)])
def test_an_output_is_read_once(project: Project, visits: Counter, data: bytes, reads: int) -> None:  # type: ignore[type-arg]
    artifact = made(project, data)
    project.store.workspace.place(artifact, publication(artifact))
    assert visits["read"] == reads
    with open(project.path("x"), "rb") as file:
        assert file.read() == data
    with open(project.object_path(artifact.content.digest), "rb") as file:
        assert file.read() == data
    assert stat.S_IMODE(os.stat(project.path("x")).st_mode) & 0o200
    assert os.stat(project.path("x")).st_ino != os.stat(project.object_path(artifact.content.digest)).st_ino
    assert twins(project) == 0


@pytest.mark.parametrize("kind", ["ENOSPC", "short", "torn"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_copy_that_fails_between_is_no_copy(project: Project, kind: str, nth: int) -> None:
    project.write(STAGED, DATA)
    faults.arm(f"write:{kind}:{nth}")
    try:
        with contextlib.suppress(MlorchError):
            project.store.ingest(STAGED, move=True)
            project.store.commit([])
    finally:
        faults.arm("")
    artifact = made(project, DATA)
    project.store.workspace.place(artifact, publication(artifact))
    with open(project.path("x"), "rb") as file:
        assert file.read() == DATA


def test_a_copy_that_somebody_touched_is_not_used(project: Project) -> None:
    artifact = made(project, b"content")
    (twin,) = [item.path for item in project.store.objects.twins._found.values()]
    with open(twin, "r+b") as file:
        file.write(b"C")
    project.store.workspace.place(artifact, publication(artifact))
    assert project.read("x") == "content" and twins(project) == 0


def test_a_copy_that_nobody_asks_for_goes(project: Project) -> None:
    first = made(project, b"content")
    project.store.workspace.place(first, publication(first))
    again = made(project, b"content")  # the same once more: nothing is to be put in place
    assert not project.store.workspace.place(again, publication(again)).changed
    assert twins(project) == 0
    made(project, b"other")
    made(project, b"other")
    assert twins(project) == 1, "one copy for one content"
    project.store.forget_caches()
    assert not project.leftovers()


def test_an_executable_stays_one(project: Project) -> None:
    os.chmod(project.write(STAGED, b"#!/bin/sh\n"), 0o755)
    artifact = Artifact("tool", project.store.ingest(STAGED, move=True))
    project.store.commit([])
    project.store.workspace.place(artifact, publication(artifact))
    assert artifact.content.executable and os.access(project.path("tool"), os.X_OK)
