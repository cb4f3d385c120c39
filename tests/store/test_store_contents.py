"""Digests of what stands in the workspace, and when a remembered one may be believed."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Optional, Sequence

import pytest
from store_helpers import Project, calm, publication, small

from mlorch.errors import EnvironmentFault
from mlorch.model import Content
from mlorch.store.seen import unfolded
from mlorch.store.witness import COARSE, MARGIN, racy


def forge(project: Project, path: str, text: str) -> None:
    """Change a file's bytes behind the back of every time that a look can see (as far as one can: not
    ctime)."""
    found = os.stat(project.path(path))
    with open(project.path(path), "r+b") as file:
        file.write(text.encode())
    os.utime(project.path(path), ns=(found.st_atime_ns, found.st_mtime_ns))


def test_a_digest_is_remembered_over_processes_and_renewed_after_an_edit(project: Project) -> None:
    project.write("x", "1")
    calm()
    assert project.store.content("x") == small("1")
    rows = project.reopen().index.query("select count(*) from files")
    assert rows == [(1,)]
    assert project.store.content("x") == small("1")
    project.write("x", "2")
    assert project.store.content("x") == small("2")
    os.unlink(project.path("x"))
    assert project.store.content("x") is None


def test_an_edit_in_the_same_tick_of_the_clock_is_seen(project: Project) -> None:
    """The racily clean case: same size, same mtime; only distrust finds the change."""
    project.write("x", "1")
    assert project.store.content("x") == small("1")
    seen = unfolded(next(iter(project.store.contents._new_files.values())))
    forge(project, "x", "2")
    # pretend that the kernel gave the edit the very same times
    found = os.stat(project.path("x"))
    same = seen._replace(mtime=found.st_mtime_ns, ctime=found.st_ctime_ns)
    project.store.contents._learn_file("x", same)
    assert racy(same.mtime, same.ctime, same.taken)
    assert project.store.content("x") == small("2")


@pytest.mark.parametrize("data", ["as made", {"in/member": "as made"}])
def test_an_edit_between_placing_an_output_and_looking_at_it_is_seen(project: Project, data: object) -> None:
    """However long the machine lets the run wait there: what stands is the user's, and not what was put."""
    artifact = project.ingested("out/x", data)
    edited = project.path("out/x" if isinstance(data, str) else "out/x/in/member")
    note = project.store.contents.note

    def late(*arguments: Any) -> None:
        with open(edited, "a") as file:
            file.write(" by hand")
        calm()
        note(*arguments)

    project.store.contents.note = late  # type: ignore[method-assign]
    project.store.workspace.place(artifact, publication(artifact))
    calm()
    for store in (project.store, project.reopen()):
        found = store.content("out/x")
        assert found is not None and found.digest != artifact.content.digest


@pytest.mark.parametrize(
    ("newest", "taken", "wanted"),
    [
        (5_000_000_001, 5_000_000_001, True),
        (5_000_000_001, 5_000_000_001 + MARGIN - 1, True),
        (5_000_000_001, 5_000_000_001 + MARGIN, False),
        (5_000_000_000, 5_000_000_000 + MARGIN, True),
        (5_000_000_000, 5_000_000_000 + COARSE, False),
        (9_000_000_001, 5_000_000_000, True),
    ],
)
def test_when_times_are_too_recent_to_tell(newest: int, taken: int, wanted: bool) -> None:
    assert racy(newest, 1, taken) is wanted
    assert racy(1, newest, taken) is wanted


def test_a_time_in_the_future_is_never_believed(project: Project) -> None:
    project.write("x", "1")
    future = time.time_ns() + 10**12
    os.utime(project.path("x"), ns=(future, future))
    assert project.store.content("x") == small("1")
    with open(project.path("x"), "r+b") as file:
        file.write(b"2")
    os.utime(project.path("x"), ns=(future, future))
    assert project.store.content("x") == small("2")


def test_a_folder_is_remembered_as_one_and_only_changed_members_are_read(project: Project) -> None:
    for name in "abc":
        project.write("d/" + name, name)
    calm()
    first = project.store.content("d")
    store = project.reopen()
    os.chmod(
        project.path("d/a"), 0o000
    )  # changes its ctime, so it must be read again; root may, anybody else may not
    os.chmod(project.path("d/a"), 0o644)
    assert store.content("d") == first
    project.write("d/b", "B")
    changed = store.content("d")
    assert changed is not None and first is not None
    assert changed.digest != first.digest
    assert (changed.bytes, changed.files) == (3, 3)
    os.chmod(project.path("d/c"), 0o755)
    executable = store.content("d")
    assert executable is not None and executable.digest != changed.digest
    os.unlink(project.path("d/c"))
    fewer = store.content("d")
    assert fewer is not None and fewer.files == 2


def test_executable_counts_and_other_modes_do_not(project: Project) -> None:
    project.write("x", "1")
    os.chmod(project.path("x"), 0o600)
    plain = project.store.content("x")
    os.chmod(project.path("x"), 0o755)
    executable = project.store.content("x")
    assert plain == small("1")
    assert executable == Content(small("1").digest, "file", 1, 1, True)


def test_links_are_followed_inside_and_refused_outside(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_text("s")
    project.write("real/x", "1")
    os.symlink("real", project.path("folder"))
    os.symlink("real/x", project.path("file"))
    os.symlink("nowhere", project.path("dangling"))
    os.symlink(str(outside / "secret"), project.path("out"))
    os.symlink(str(outside), project.path("outfolder"))
    assert project.store.content("file") == small("1")
    assert project.store.content("folder/x") == small("1")
    assert project.store.content("folder") == project.store.content("real")
    assert project.store.content("dangling") is None
    for path in ("out", "outfolder", "outfolder/secret", "../" + outside.name + "/secret"):
        with pytest.raises(EnvironmentFault, match="leads out of the project"):
            project.store.content(path)


def test_a_link_swapped_in_during_the_run_is_noticed(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "x").write_text("s")
    project.write("d/x", "1")
    assert project.store.content("d/x") == small("1")
    os.rename(project.path("d"), project.path("e"))
    os.symlink(str(outside), project.path("d"))
    project.store.paths.forget("d/x")
    with pytest.raises(EnvironmentFault):
        project.store.content("d/x")


def test_links_in_an_input_folder_that_stay_in_the_project_are_followed(project: Project) -> None:
    project.write("shared/x", "1")
    project.write("d/y", "2")
    os.symlink("../shared/x", project.path("d/link"))
    os.symlink("../shared", project.path("d/all"))
    first = project.store.content("d")
    assert first is not None
    assert first.files == 3
    project.write("shared/x", "other")
    assert project.store.content("d") != first


@pytest.mark.parametrize("target", ["..", "../d", "../d/sub"])
def test_a_link_that_leads_back_is_refused(project: Project, target: str) -> None:
    os.makedirs(project.path("d/sub"))
    os.symlink(target, project.path("d/back"))
    if target == "../d/sub":
        assert project.store.content("d") is not None
        return
    with pytest.raises(EnvironmentFault, match="leads back"):
        project.store.content("d")


def test_two_folders_with_links_to_each_other_are_refused(project: Project) -> None:
    os.makedirs(project.path("d"))
    os.makedirs(project.path("e"))
    os.symlink("../e", project.path("d/l"))
    os.symlink("../d", project.path("e/m"))
    with pytest.raises(EnvironmentFault, match="leads back"):
        project.store.content("d")


def test_names_of_any_bytes_are_remembered(project: Project) -> None:
    name = os.fsdecode(b"na\xff\nme $(x) '\"")
    project.write(name, "1")
    project.write("d/" + name, "1")
    calm()
    assert project.store.content(name) == small("1")
    folder = project.store.content("d")
    assert project.reopen().content(name) == small("1")
    assert project.store.content("d") == folder


def test_after_a_run_its_outputs_need_not_be_digested_again(project: Project) -> None:
    project.put_in_place("x", "1")
    project.put_in_place("d", {"a": "1"})
    calm()
    store = project.reopen()
    counted = Counted(store)
    assert counted.digested(["x", "d"]) == 0


class Counted:
    """Counts the digests that looks at paths take, by what gets learned."""

    def __init__(self, store: object) -> None:
        self._contents = store.contents  # type: ignore[attr-defined]

    def digested(self, paths: Sequence[str]) -> int:
        before = self._learned()
        for path in paths:
            found: Optional[Content] = self._contents.content(path)
            assert found is not None
        return len(self._learned()) - len(before)

    def _learned(self) -> Dict[str, object]:
        return {**self._contents._new_files, **self._contents._new_folders}
