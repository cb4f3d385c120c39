"""Objects: what goes in comes out, or is refused by name."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from typing import Callable, Dict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_helpers import Project, publication, record

from mlorch.digest import digest_bytes, digest_file
from mlorch.errors import CorruptObject, EnvironmentFault, StoreError
from mlorch.model import Artifact, Content, Entry
from mlorch.store import tree, verify


def test_an_ingested_file_is_a_read_only_object_under_its_digest(project: Project) -> None:
    project.write("a.txt", "hello")
    content = project.store.ingest("a.txt")
    assert content == Content(digest_bytes(b"hello"), "file", 5)
    assert project.store.read(content.digest) == b"hello"  # before the commit too
    assert not os.path.exists(project.object_path(content.digest))
    project.store.commit([])
    found = os.stat(project.object_path(content.digest))
    assert stat.S_IMODE(found.st_mode) == 0o444
    assert project.store.read(content.digest) == b"hello"
    assert project.store.has(content)
    assert project.read("a.txt") == "hello"


def test_moving_takes_the_file_and_copying_leaves_it(project: Project) -> None:
    project.write("moved", "1")
    project.write("copied", "2")
    project.store.ingest("moved", move=True)
    project.store.ingest("copied")
    assert not os.path.exists(project.path("moved"))
    assert project.read("copied") == "2"


def test_a_file_that_another_name_or_writer_could_change_is_copied(project: Project) -> None:
    project.write("linked", "same")
    os.link(project.path("linked"), project.path("other"))
    digest = project.store.ingest("linked", move=True).digest
    project.store.commit([])
    project.write("other", "EDIT")
    assert project.store.read(digest) == b"same"

    with open(project.write("open", "same!"), "r+b", buffering=0) as writer:
        digest = project.store.ingest("open", move=True).digest
        project.store.commit([])
        writer.write(b"EDIT")
    assert project.store.read(digest) == b"same!"


def test_a_link_as_output_is_followed_and_its_target_stays(project: Project) -> None:
    project.write("target", "data")
    os.symlink("target", project.path("link"))
    content = project.store.ingest("link", move=True)
    assert content.digest == digest_bytes(b"data")
    assert project.read("target") == "data"


def test_nothing_to_ingest_is_a_file_not_found_error(project: Project) -> None:
    with pytest.raises(FileNotFoundError):
        project.store.ingest("nothing")


def test_a_pipe_is_refused_without_waiting_for_a_writer(project: Project) -> None:
    os.mkfifo(project.path("pipe"))
    with pytest.raises(EnvironmentFault, match="`pipe` is neither file nor folder"):
        project.store.ingest("pipe")
    with pytest.raises(EnvironmentFault, match="neither file nor folder"):
        project.store.content("pipe")


def test_a_folder_keeps_empty_folders_links_and_modes(project: Project) -> None:
    project.write("d/run.sh", "#!")
    os.chmod(project.path("d/run.sh"), 0o755)
    project.write("d/deep/\udcff name", "b")
    os.makedirs(project.path("d/empty/er"))
    os.symlink("../run.sh", project.path("d/deep/link"))
    os.symlink("gone", project.path("d/dangling"))
    content = project.store.ingest("d")
    project.store.commit([])
    assert project.store.members(content.digest) == (
        Entry("dangling", "link", "gone"),
        Entry("deep/link", "link", "../run.sh"),
        Entry("deep/\udcff name", "file", digest_bytes(b"b"), 1),
        Entry("empty/er", "folder"),
        Entry("run.sh", "file", digest_bytes(b"#!"), 2, True),
    )
    assert content == project.store.content("d")
    artifact = Artifact("copy", content)
    project.store.workspace.place(artifact, publication(artifact))
    assert project.store.content("copy") == content
    assert os.readlink(project.path("copy/deep/link")) == "../run.sh"
    assert stat.S_IMODE(os.stat(project.path("copy/run.sh")).st_mode) & 0o111


@pytest.mark.parametrize("target", ["/etc/passwd", "../x", "a/../../x", "../../etc"])
def test_a_link_out_of_an_output_folder_is_refused(project: Project, target: str) -> None:
    project.write("d/file")
    os.symlink(target, project.path("d/link"))
    with pytest.raises(EnvironmentFault, match="out of its folder"):
        project.store.ingest("d")


def test_excluded_members_do_not_count(project: Project) -> None:
    for name in ("keep.txt", "a.log", "sub/b.log", "sub/keep", "cache/x/y", "deep/cache/z"):
        project.write("d/" + name)
    content = project.store.ingest("d", exclude=["*.log", "cache/"])
    names = [entry.path for entry in project.store.members(content.digest)]
    assert names == ["deep", "keep.txt", "sub/keep"]
    assert project.store.content("d", exclude=["*.log", "cache/"]) == content


@pytest.mark.parametrize(
    ("pattern", "path", "wanted"),
    [
        ("*.log", "a/b.log", True),
        ("a/*.log", "a/b/c.log", False),
        ("a/**/c.log", "a/b/x/c.log", True),
        ("**/c", "c", True),
        ("a?c", "abc", True),
        ("[!a]b", "cb", True),
        ("[!a]b", "ab", False),
        ("x.y", "xzy", False),
        ("/top", "sub/top", False),
    ],
)
def test_exclude_patterns(pattern: str, path: str, wanted: bool) -> None:
    assert tree.matcher((pattern,))(path) is wanted


def test_a_subfolder_has_the_content_it_will_have_on_disk(project: Project) -> None:
    project.write("d/a/b/c", "1")
    project.write("d/x", "2")
    os.makedirs(project.path("d/a/empty"))
    digest = project.store.ingest("d").digest
    assert project.store.subfolder(digest, "a") == project.store.content("d/a")
    assert project.store.subfolder(digest, "a/empty") == project.store.content("d/a/empty")
    with pytest.raises(StoreError, match="holds no folder `x`"):
        project.store.subfolder(digest, "x")


def _truncate(path: str) -> None:
    os.chmod(path, 0o644)
    os.truncate(path, 2)


def _change(path: str) -> None:
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.write(b"X")


def _replace_by_folder(path: str) -> None:
    os.unlink(path)
    os.mkdir(path)


def _replace_by_link(path: str) -> None:
    os.rename(path, path + ".real")
    os.symlink(path + ".real", path)


@pytest.mark.parametrize("harm", [_truncate, _change, os.unlink, _replace_by_folder, _replace_by_link])
def test_a_harmed_object_is_named_quarantined_and_made_anew(
    project: Project, harm: Callable[[str], None]
) -> None:
    artifact = project.ingested("out/model", "weights")
    digest = artifact.content.digest
    harm(project.object_path(digest))
    for use in (
        lambda: project.store.read(digest),
        lambda: project.store.workspace.place(artifact, publication(artifact)),
    ):
        with pytest.raises(CorruptObject) as caught:
            use()
        assert caught.value.digest == digest
        assert digest in str(caught.value)
    assert not os.path.lexists(project.object_path(digest))
    assert not os.path.exists(project.path("out/model"))
    assert not project.store.has(artifact.content)
    assert project.ingested("out/model", "weights") == artifact
    assert project.store.read(digest) == b"weights"


def test_a_harmed_member_of_a_folder_is_found_before_anything_changes(project: Project) -> None:
    project.put_in_place("out", {"a": "1", "b": "2"})
    second = project.ingested("out", {"a": "3", "b": "4"})
    _change(project.object_path(digest_bytes(b"4")))
    with pytest.raises(CorruptObject):
        project.store.workspace.place(second, publication(second))
    assert project.read("out/a") == "1"
    assert project.read("out/b") == "2"


@pytest.mark.parametrize(
    "entries",
    [
        [Entry("../x", "file", digest_bytes(b""), 0)],
        [Entry("/x", "file", digest_bytes(b""), 0)],
        [Entry("a", "link", "/etc"), Entry("a/passwd", "file", digest_bytes(b""), 0)],
        [Entry("a", "link", "../..")],
        [Entry("a", "file", "blake3:../../../x", 0)],
        [Entry("a", "device", "", 0)],
        [Entry("a", "folder"), Entry("a", "folder")],
        [Entry("a\0b", "folder")],
    ],
)
def test_a_listing_that_could_write_outside_is_refused(project: Project, entries: list) -> None:  # type: ignore[type-arg]
    digest = project.store.put(tree.listing(entries))
    with pytest.raises(CorruptObject, match="is not a folder"):
        project.store.members(digest)


def test_what_is_no_digest_never_becomes_a_path(project: Project) -> None:
    for digest in ("blake3:../../x", "", "sha256:" + "0" * 64, "blake3:" + "0" * 63 + "/"):
        with pytest.raises(StoreError, match="is not a digest"):
            project.store.read(digest)


names = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=8
)
trees = st.dictionaries(
    st.lists(
        names.filter(lambda name: name not in (".", "..") and len(name.encode()) < 200),
        min_size=1,
        max_size=3,
    ).map("/".join),
    st.binary(max_size=20),
    max_size=5,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees)
def test_any_folder_comes_back_equal(project: Project, files: Dict[str, bytes]) -> None:
    shutil.rmtree(project.path("any"), ignore_errors=True)
    os.mkdir(project.path("any"))
    for name, data in files.items():
        try:
            project.write("any/" + name, data)
        except (IsADirectoryError, NotADirectoryError, FileExistsError):
            continue  # one name is a file and a folder at once
    content = project.store.ingest("any")
    project.store.commit([])
    artifact = Artifact("again", content)
    project.store.workspace.place(artifact, publication(artifact))
    assert project.store.content("again") == content == project.store.content("any")


def test_many_threads_may_ingest_while_another_commits(project: Project) -> None:
    errors = []

    def work(number: int) -> None:
        try:
            for step in range(20):
                name = f"t{number}-{step}"
                # every second content is shared between the threads
                project.write(name, f"{step if step % 2 else name}")
                content = project.store.ingest(name, move=True)
                project.store.commit([record(number * 100 + step, {"o": Artifact(name, content)})])
                assert project.store.has(content)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    report = verify(project.reopen(), False)
    assert report.clean
    assert report.records == 80


def test_a_large_file_goes_through_whole(project: Project) -> None:
    data = os.urandom(3_000_001)
    full = project.write("big", data)
    content = project.store.ingest("big", move=True)
    project.store.commit([])
    artifact = Artifact("copy", content)
    project.store.workspace.place(artifact, publication(artifact))
    assert digest_file(project.path("copy")) == content.digest == digest_bytes(data)
    assert not os.path.exists(full)


@pytest.mark.parametrize("size", [5, 0, 200_000])
def test_what_the_store_has_already_is_put_in_place_once_more(project: Project, size: int) -> None:
    """From the first step's object or from the second step's own file: a look at both afterwards."""
    text = "x" * size
    for name in ("first", "second"):
        project.write(f"made-{name}", text)
        content = project.store.ingest(f"made-{name}", move=True)
        project.store.commit([])
        artifact = Artifact(name, content)
        project.store.workspace.place(artifact, publication(artifact))
    first, second, kept = (
        os.stat(path)
        for path in (project.path("first"), project.path("second"), project.object_path(content.digest))
    )
    assert project.read("first") == project.read("second") == text
    assert len({first.st_ino, second.st_ino, kept.st_ino}) == 3
    assert stat.S_IMODE(first.st_mode) == stat.S_IMODE(second.st_mode)
    assert stat.S_IMODE(second.st_mode) & 0o200
    assert stat.S_IMODE(kept.st_mode) == 0o444
    project.write("second", "EDIT")
    assert project.store.read(content.digest) == text.encode()
    tmp = project.path(".mlorch", "tmp")
    left = [
        name for folder, _, names in os.walk(tmp) for name in names if name != "lock" and "format" not in name
    ]
    assert left == [], "a temporary was left"
