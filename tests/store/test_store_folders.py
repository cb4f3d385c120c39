"""A folder that a step made goes into the workspace itself; what the store keeps of it are copies."""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from typing import Callable, Dict

import pytest
from store_helpers import Project, publication

from mlorch.digest import digest_bytes
from mlorch.errors import MlorchError
from mlorch.model import Artifact
from mlorch.store import faults, files

STAGED = ".mlorch/tmp/staging/" + "0" * 32 + "/o/x"
LARGE = bytes(range(256)) * 1024


def staged(project: Project) -> str:
    project.write(STAGED + "/a", b"one")
    project.write(STAGED + "/deep/er/b", b"two")
    project.write(STAGED + "/deep/large", LARGE)
    os.chmod(project.write(STAGED + "/run", b"#!/bin/sh\n"), 0o755)
    os.makedirs(project.path(STAGED + "/empty/in"))
    os.symlink("../a", project.path(STAGED + "/deep/link"))
    return project.path(STAGED)


def seen(top: str) -> Dict[str, object]:
    """Path -> mode and content of all that is below."""
    found: Dict[str, object] = {}
    for folder, folders, names in os.walk(top):
        for name in (*folders, *names):
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            content = os.readlink(path) if stat.S_ISLNK(mode) else b""
            if stat.S_ISREG(mode):
                with open(path, "rb") as file:
                    content = file.read()
            found[os.path.relpath(path, top)] = (mode, content)
    return found


def taken(project: Project) -> Artifact:
    artifact = Artifact("x", project.store.ingest(STAGED, move=True))
    project.store.commit([])
    return artifact


def placed(project: Project, artifact: Artifact) -> None:
    project.store.workspace.place(artifact, publication(artifact))
    project.store.forget_caches()
    files.remove(os.path.dirname(project.path(STAGED)))  # as `settle` does
    assert not project.leftovers()


def inodes(top: str, names: Dict[str, object]) -> Dict[str, int]:
    return {name: os.lstat(os.path.join(top, name)).st_ino for name in names}


def test_it_is_read_once_and_moves_as_it_is(project: Project, visits: Counter) -> None:  # type: ignore[type-arg]
    before = seen(staged(project))
    numbers = inodes(project.path(STAGED), before)
    visits.clear()
    artifact = taken(project)
    # each of four files is read, its copy made and named; there is a listing beside
    assert (visits["open"], visits["read"]) == (4, 3 + 2), "the large one until its end"
    assert visits["create"] + visits["copy"] == 4 + 1
    assert visits["rename"] == 1 + 2 * (4 + 1), "the first object of each folder is tried twice"
    visits.clear()
    project.store.workspace.place(artifact, publication(artifact))
    assert visits["read"] == visits["create"] == 0
    assert seen(project.path("x")) == before
    assert inodes(project.path("x"), before) == numbers
    for content in (b"one", b"two", LARGE, b"#!/bin/sh\n"):
        path = project.object_path(digest_bytes(content))
        with open(path, "rb") as file:
            assert file.read() == content
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o444
        assert os.stat(path).st_ino not in numbers.values(), "an object has no second name"
    project.store.forget_caches()
    assert not project.leftovers()


def test_nothing_is_digested_anew_when_nothing_changed(project: Project, visits: Counter) -> None:  # type: ignore[type-arg]
    for path in [os.path.join(top, name) for top, _, names in os.walk(staged(project)) for name in names]:
        os.utime(path, (1, 1), follow_symlinks=False)
    time.sleep(0.06)
    artifact = taken(project)
    project.store.workspace.place(artifact, publication(artifact))
    visits.clear()
    assert project.store.content("x") == artifact.content
    assert visits["read"] == 0


def test_members_get_the_modes_of_new_ones(project: Project) -> None:
    top = staged(project)
    want = seen(top)
    os.chmod(top + "/a", 0o400)
    os.chmod(top + "/deep/er/b", 0o000 if os.geteuid() else 0o004)
    os.chmod(top + "/run", 0o4711)
    os.chmod(top + "/deep", 0o700)
    os.chmod(top + "/empty/in", 0o777)
    placed(project, taken(project))
    assert seen(project.path("x")) == want
    assert stat.S_IMODE(os.stat(project.path("x")).st_mode) == files.normal_mode(True)


def _content(top: str) -> None:
    with open(top + "/a", "r+b") as file:
        file.write(b"O")


def _same_again(top: str) -> None:
    os.unlink(top + "/a")
    with open(top + "/a", "wb") as file:
        file.write(b"one")


CHANGES: Dict[str, Callable[[str], None]] = {
    "content": _content,
    "another file": _same_again,
    "more": lambda top: os.mkdir(top + "/more"),
    "less": lambda top: os.unlink(top + "/run"),
    "mode": lambda top: os.chmod(top + "/a", 0o755),
    "link": lambda top: (os.unlink(top + "/deep/link"), os.symlink("large", top + "/deep/link")),  # type: ignore[func-returns-value]
    "pipe": lambda top: os.mkfifo(top + "/pipe"),
    "gone": lambda top: os.rename(top, top + "-away"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_one_that_somebody_touched_is_not_used(project: Project, change: str) -> None:
    want = seen(staged(project))
    artifact = taken(project)
    (whole,) = project.store.objects.wholes._found.values()
    CHANGES[change](whole.path)
    placed(project, artifact)
    assert seen(project.path("x")) == want


def _linked(project: Project) -> None:
    os.link(project.path(STAGED + "/a"), project.path("mine"))


def _future(project: Project) -> None:
    later = time.time() + 3600
    os.utime(project.path(STAGED + "/a"), (later, later))


@pytest.mark.parametrize("prepare", [_linked, _future])
def test_what_may_still_change_is_copied(project: Project, prepare: Callable[[Project], None]) -> None:
    want = seen(staged(project))
    prepare(project)
    artifact = taken(project)
    assert not project.store.objects.wholes._found
    placed(project, artifact)
    assert seen(project.path("x")) == want
    assert os.stat(project.path("x/a")).st_nlink == 1


def test_what_is_open_for_writing_is_copied(project: Project) -> None:
    want = seen(staged(project))
    with open(project.path(STAGED + "/deep/er/b"), "r+b", buffering=0) as late:
        artifact = taken(project)
        placed(project, artifact)
        late.write(b"bad")
    assert seen(project.path("x")) == want
    with open(project.object_path(digest_bytes(b"two")), "rb") as file:
        assert file.read() == b"two"


def test_excluded_members_stay_out(project: Project) -> None:
    staged(project)
    content = project.store.ingest(STAGED, ["run"], move=True)
    project.store.commit([])
    artifact = Artifact("x", content, exclude=("run",))
    placed(project, artifact)
    assert not os.path.exists(project.path("x/run")) and project.read("x/a") == "one"


def test_one_that_nobody_asks_for_goes(project: Project) -> None:
    staged(project)
    first = taken(project)
    placed(project, first)
    staged(project)
    again = taken(project)  # the same once more: nothing is to be put in place
    assert not project.store.workspace.place(again, publication(again)).changed
    assert not project.store.objects.wholes._found
    for _ in range(2):
        project.write(STAGED + "/a", b"other")
        taken(project)
    assert len(project.store.objects.wholes._found) == 1, "one folder for one content"
    assert len([name for name in os.listdir(project.store.session.folder()) if name.isdigit()]) == 1
    project.store.forget_caches()
    assert not project.leftovers()


@pytest.mark.parametrize("point", ["open", "read", "create", "copy", "rename"])
def test_a_full_disk_leaves_nothing_behind(project: Project, point: str) -> None:
    want = seen(staged(project))
    faults.arm(f"{point}:ENOSPC:1")
    try:
        with pytest.raises(MlorchError):
            taken(project)
    finally:
        faults.arm("")
    assert not project.store.objects.wholes._found
    folder = project.store.session.folder()
    assert not [name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name))]
    staged_again = project.path(STAGED)
    if not os.path.isdir(staged_again):
        staged(project)
    placed(project, taken(project))
    assert seen(project.path("x")) == want


def test_one_that_cant_be_moved_is_copied(project: Project) -> None:
    want = seen(staged(project))
    faults.arm("rename:EXDEV:1")
    try:
        artifact = taken(project)
    finally:
        faults.arm("")
    assert not project.store.objects.wholes._found
    placed(project, artifact)
    assert seen(project.path("x")) == want


def test_one_for_another_file_system_is_copied(project: Project) -> None:
    want = seen(staged(project))
    artifact = taken(project)
    faults.arm("rename:EXDEV:1")
    try:
        project.store.workspace.place(artifact, publication(artifact))
    finally:
        faults.arm("")
    assert not project.store.objects.wholes._found
    assert seen(project.path("x")) == want
    project.store.forget_caches()
    assert not project.leftovers()
