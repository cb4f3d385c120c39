"""Outputs in the workspace: complete old or complete new, and nothing of the user's is ever destroyed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile

import pytest
from store_helpers import PIPELINE, Project, in_place, publication, python, record, staged

from mlorch.errors import CorruptObject, EnvironmentFault
from mlorch.model import Artifact, Settings
from mlorch.ports import Placed
from mlorch.store import open_store, paths

SECOND = pytest.mark.skipif(
    not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat("/tmp").st_dev,
    reason="needs /dev/shm as a second file system",
)


def test_placing_twice_touches_nothing(project: Project) -> None:
    artifact = project.ingested("out/x", "1")
    first = project.store.workspace.place(artifact, publication(artifact))
    before = os.stat(project.path("out/x"))
    again = project.store.workspace.place(artifact, publication(artifact, run="r2"))
    after = os.stat(project.path("out/x"))
    assert (first, again) == (Placed(True), Placed(False))
    assert (before.st_mtime_ns, before.st_ctime_ns, before.st_ino) == (
        after.st_mtime_ns,
        after.st_ctime_ns,
        after.st_ino,
    )
    assert stat.S_IMODE(after.st_mode) & 0o600 == 0o600
    assert stat.S_IMODE(after.st_mode) & 0o111 == 0


def test_an_edit_of_a_placed_file_does_not_reach_the_store(project: Project) -> None:
    artifact = project.put_in_place("x", "original")
    project.write("x", "edited!!")
    assert project.store.read(artifact.content.digest) == b"original"


def test_a_file_of_the_users_is_kept_bit_for_bit(project: Project) -> None:
    data = bytes(range(256)) * 10
    project.write("out/x", data)
    os.chmod(project.path("out/x"), 0o640)
    artifact = project.ingested("out/x", "ours")
    placed = project.store.workspace.place(artifact, publication(artifact))
    (kept,) = placed.kept
    assert kept.startswith(".mlorch/kept/")
    assert kept.endswith("/out/x")
    with open(project.path(kept), "rb") as file:
        assert file.read() == data
    assert stat.S_IMODE(os.stat(project.path(kept)).st_mode) == 0o640
    assert project.read("out/x") == "ours"


def test_an_older_version_of_ours_is_replaced_and_not_kept(project: Project) -> None:
    project.put_in_place("x", "1")
    second = project.ingested("x", "2")
    assert project.store.workspace.place(second, publication(second)) == Placed(True)
    assert project.read("x") == "2"


def test_an_edited_output_is_kept(project: Project) -> None:
    artifact = project.put_in_place("x", "1")
    project.write("x", "mine")
    placed = project.store.workspace.place(artifact, publication(artifact))
    assert [project.read(path) for path in placed.kept] == ["mine"]
    assert project.read("x") == "1"


def test_of_a_folder_only_what_mlorch_did_not_make_is_kept(project: Project) -> None:
    project.put_in_place("out", {"a": "1", "sub/b": "2"})
    project.write("out/sub/note.txt", "mine")
    project.write("out/a", "edited")
    os.symlink("/etc/hostname", project.path("out/link"))
    second = project.ingested("out", {"a": "3"})
    placed = project.store.workspace.place(second, publication(second))
    assert sorted(path.split("/", 3)[3] for path in placed.kept) == ["out/a", "out/link", "out/sub/note.txt"]
    assert project.files() == {"out/a": "3"}
    kept = {path.split("/", 3)[3]: path for path in placed.kept}
    assert project.read(kept["out/a"]) == "edited"
    assert os.readlink(project.path(kept["out/link"])) == "/etc/hostname"


def test_a_foreign_folder_is_kept_whole(project: Project) -> None:
    os.makedirs(project.path("out/empty"))
    project.write("out/x", "mine")
    artifact = project.ingested("out", "a file")
    placed = project.store.workspace.place(artifact, publication(artifact))
    (kept,) = placed.kept
    assert sorted(os.listdir(project.path(kept))) == ["empty", "x"]
    assert project.read("out") == "a file"


@pytest.mark.parametrize("odd", ["link", "pipe", "dangling"])
def test_odd_things_in_the_way_are_kept(project: Project, odd: str) -> None:
    if odd == "pipe":
        os.mkfifo(project.path("x"))
    else:
        project.write("elsewhere", "mine")
        os.symlink("elsewhere" if odd == "link" else "nowhere", project.path("x"))
    artifact = project.ingested("x", "ours")
    placed = project.store.workspace.place(artifact, publication(artifact))
    assert len(placed.kept) == 1
    assert os.path.lexists(project.path(placed.kept[0]))
    assert project.read("x") == "ours"
    if odd != "pipe":
        assert project.files().get("elsewhere") == "mine"


def test_a_file_where_a_folder_is_needed_is_kept(project: Project) -> None:
    project.write("models", "mine")
    artifact = project.ingested("models/a/x", "ours")
    placed = project.store.workspace.place(artifact, publication(artifact))
    assert [project.read(path) for path in placed.kept] == ["mine"]
    assert project.read("models/a/x") == "ours"


def test_no_output_is_put_through_a_link_out_of_the_root(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    os.symlink(str(outside), project.path("out"))
    artifact = project.ingested("x", "ours")
    for path in ("out/x", "../x", "/etc/x"):
        with pytest.raises(EnvironmentFault, match="leads out of the project"):
            project.store.workspace.place(Artifact(path, artifact.content), publication(artifact))
    assert os.listdir(str(outside)) == []


def test_an_allowed_folder_may_hold_outputs(tmp_path: object) -> None:
    root, other = os.path.join(str(tmp_path), "root"), os.path.join(str(tmp_path), "big")
    os.makedirs(root)
    os.makedirs(other)
    project = Project(root, allow=[other])
    os.symlink(other, project.path("data"))
    artifact = project.put_in_place("data/x", "1")
    assert project.store.content("data/x") == artifact.content
    assert os.listdir(other) == ["x"]
    direct = project.put_in_place(other + "/y", "2")
    assert project.store.content(other + "/y") == direct.content
    project.store.forget_caches()


@SECOND
def test_another_file_system_gets_its_own_temporaries(tmp_path: object) -> None:
    other = tempfile.mkdtemp(dir="/dev/shm")
    try:
        project = Project(str(tmp_path), allow=[other])
        os.symlink(other, project.path("data"))
        project.write("data/x", "mine")
        artifact = project.ingested("data/x", "1")
        placed = project.store.workspace.place(artifact, publication(artifact))
        assert [project.read(path) for path in placed.kept] == ["mine"]
        assert project.read("data/x") == "1"
        assert sorted(os.listdir(other)) == [".mlorch-tmp", "x"]
        output = in_place("data/x")
        project.store.workspace.stage([output], {})
        project.write("data/x", "half")
        project.store.workspace.unstage([output])
        assert project.read("data/x") == "1"
        project.store.forget_caches()
        assert os.listdir(os.path.join(other, ".mlorch-tmp")) == []
    finally:
        shutil.rmtree(other)


@pytest.mark.parametrize("top", ["", pytest.param("/dev/shm", marks=SECOND)], ids=["beside", "other system"])
def test_the_store_may_lie_elsewhere(tmp_path: object, top: str) -> None:
    root = os.path.join(str(tmp_path), "root")
    os.makedirs(root)
    with tempfile.TemporaryDirectory(dir=top or str(tmp_path)) as store:
        _store_elsewhere(Project(root, path=store))


def _store_elsewhere(project: Project) -> None:
    output = staged("x")
    project.store.workspace.stage([output], {})
    project.write(output.staging, "1")
    artifact = Artifact("x", project.store.ingest(output.staging, move=True))
    project.store.commit([record(1, {"o": artifact})])
    project.store.workspace.place(artifact, publication(artifact))
    project.store.workspace.settle([output])
    assert project.read("x") == "1"
    assert sorted(os.listdir(project.path(".mlorch"))) == [".gitignore", "format", "publications", "tmp"]
    assert next(project.reopen(create=False).records(record(1, {}).key)).outputs == {"o": artifact}


def test_of_outputs_that_are_put_in_place_together_each_looks_where_its_folder_is_now(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = str(tmp_path_factory.mktemp("outside"))
    paths = [f"out/{number}" for number in range(5)]
    one, two, three, four, five = [project.ingested(path, path) for path in paths]
    workspace, before = project.store.workspace, sorted(os.listdir("/proc/self/fd"))
    with workspace.together():
        workspace.place(one, publication(one))
        os.rename(project.path("out"), project.path("old"))
        workspace.place(two, publication(two))
        os.rename(project.path("out"), project.path("older"))
        os.symlink("old", project.path("out"))
        workspace.place(three, publication(three))
        os.unlink(project.path("out"))
        os.symlink(outside, project.path("out"))
        with pytest.raises(EnvironmentFault, match="leads out of the project"):
            workspace.place(four, publication(four))
        os.unlink(project.path("out"))
        shutil.rmtree(project.path("older"))
        os.mkdir(project.path("out"))
        workspace.place(five, publication(five))
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert os.listdir(outside) == [] and os.listdir(project.path("out")) == ["4"]
    assert sorted(os.listdir(project.path("old"))) == ["0", "2"]


def test_of_many_folders_few_stay_open(project: Project) -> None:
    artifacts = [project.ingested(f"{number}/x", str(number)) for number in range(3 * paths.MOST_PINS)]
    before = len(os.listdir("/proc/self/fd"))
    with project.store.workspace.together():
        for artifact in artifacts:
            project.store.workspace.place(artifact, publication(artifact))
        assert len(os.listdir("/proc/self/fd")) <= before + paths.MOST_PINS
    assert len(os.listdir("/proc/self/fd")) == before
    assert [project.read(artifact.path) for artifact in artifacts] == [str(n) for n in range(len(artifacts))]


# ---------------------------------------------------------------------------------------------------- staging


def test_staging_is_fresh_before_each_attempt(project: Project) -> None:
    outputs = [staged("m/model", name="a"), staged("d", folder=True, name="b")]
    outputs.append(staged("d/metrics.json", name="c"))
    inner = outputs[1].staging + "/metrics.json"
    outputs[2] = outputs[2].__class__("c", "d/metrics.json", False, True, inner)
    for _ in range(2):
        assert project.store.workspace.stage(outputs, {}) == ()
        assert os.listdir(os.path.dirname(project.path(outputs[0].staging))) == []
        assert os.listdir(project.path(outputs[1].staging)) == []
        project.write(outputs[0].staging, "x")
        project.write(inner, "{}")
    project.store.workspace.unstage(outputs)
    project.store.forget_caches()
    assert project.leftovers() == []
    assert project.files() == {}


def test_what_stood_at_an_in_place_output_comes_back_after_the_failure(project: Project) -> None:
    project.write("x", "before")
    project.write("d/y", "before too")
    outputs = [in_place("x"), in_place("d", folder=True), in_place("new")]
    for _ in range(3):
        project.store.workspace.stage(outputs, {})
        assert not os.path.exists(project.path("x"))
        assert os.listdir(project.path("d")) == []
        project.write("x", "half")
        project.write("new", "half of new")
    kept = project.store.workspace.unstage(outputs)
    assert project.files() == {"x": "before", "d/y": "before too"}
    assert sorted(project.read(path) for path in kept) == ["half", "half of new"]
    project.store.forget_caches()
    assert project.leftovers() == []


def test_after_success_what_was_ours_goes_and_what_was_not_is_kept(project: Project) -> None:
    project.put_in_place("ours", "1")
    project.write("mine", "mine")
    project.put_in_place("d", {"a": "1"})
    project.write("d/extra", "mine too")
    outputs = [in_place("ours"), in_place("mine"), in_place("d", folder=True)]
    project.store.workspace.stage(outputs, project.store.workspace.publications(PIPELINE))
    for path in ("ours", "mine", "d/a"):
        project.write(path, "new " + path)
    kept = project.store.workspace.settle(outputs)
    assert sorted(path.split("/", 3)[3] for path in kept) == ["d/extra", "mine"]
    assert sorted(project.read(path) for path in kept) == ["mine", "mine too"]
    assert project.files() == {"ours": "new ours", "mine": "new mine", "d/a": "new d/a"}
    project.store.forget_caches()
    assert project.leftovers() == []


KILLED = """
import os, signal, sys
from store_helpers import *
project = Project(sys.argv[1])
lease = project.store.register("dead", ["x"], [])
outputs = [in_place("x"), in_place("new"), staged("s")]
project.store.workspace.stage(outputs, {})
project.write("x", "half")
project.write("new", "half of new")
project.write(outputs[2].staging, "half staged")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_run_undoes_what_a_killed_one_left(project: Project) -> None:
    project.write("x", "before")
    process = python(KILLED, project.root)
    process.communicate()
    assert process.returncode == -9
    store = project.reopen()
    kept = store.workspace.recover()
    assert project.files() == {"x": "before"}
    assert sorted(project.read(path) for path in kept) == ["half", "half of new"]
    assert store.workspace.recover() == ()
    store.forget_caches()
    assert project.leftovers() == []


def test_what_goes_while_one_looks_for_leftovers_is_no_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, left = project.path(".mlorch/tmp/s-gone"), project.path(".mlorch/tmp/s-left")
    os.makedirs(os.path.join(left, "x-0"))
    project.write(".mlorch/tmp/s-left/x-0/mine", "mine")
    # in truth it goes between two system calls
    monkeypatch.setattr(project.store.temporaries, "dead", lambda: [gone, left])
    (kept,) = project.store.workspace.recover()
    assert project.read(kept) == "mine" and not os.path.exists(left)


def test_recover_leaves_a_live_run_and_an_orphaned_step_alone(project: Project) -> None:
    code = """
        import os, signal, subprocess, sys
        from store_helpers import *
        project = Project(sys.argv[1])
        lease = project.store.register("orphan", ["x"], [])
        outputs = [in_place("x"), staged("s")]
        project.store.workspace.stage(outputs, {})
        project.write("x", "being written")
        project.write(outputs[1].staging, "being written")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        step = subprocess.Popen(["sleep", "60"], pass_fds=lease.fds, **quiet)
        print(step.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    project.write("x", "before")
    process = python(code, project.root)
    orphan = int(process.communicate()[0])
    try:
        store = project.reopen()
        assert store.workspace.recover() == ()
        assert project.read("x") == "being written"
        assert len([path for path in project.leftovers() if "/staging/" in path]) == 2
    finally:
        os.kill(orphan, 9)
    for _ in range(100):
        if store.workspace.recover():
            break
        __import__("time").sleep(0.02)
    assert project.read("x") == "before"


# ------------------------------------------------------------------------------------- store: false, retiring


def test_what_is_not_stored_moves_from_staging_to_its_place(project: Project) -> None:
    output = staged("big", store=False)
    project.store.workspace.stage([output], {})
    project.write(output.staging, "huge")
    artifact = Artifact("big", project.store.ingest(output.staging, store=False, move=True), False)
    project.store.commit([record(1, {"big": artifact})])
    assert not project.store.has(artifact.content)
    assert project.store.workspace.place(artifact, publication(artifact)) == Placed(True)
    project.store.workspace.settle([output])
    assert project.read("big") == "huge"
    assert project.store.retrievable(artifact)
    os.unlink(project.path("big"))
    assert not project.store.retrievable(artifact)
    with pytest.raises(CorruptObject, match="stands nowhere"):
        project.store.workspace.place(artifact, publication(artifact))


@pytest.mark.parametrize("folder", [False, True])
def test_what_is_not_stored_is_kept_by_digest_and_comes_back(project: Project, folder: bool) -> None:
    output = staged("big", store=False, folder=folder)
    project.store.workspace.stage([output], {})
    project.write(output.staging + ("/a/b" if folder else ""), "huge")
    artifact = Artifact("big", project.store.ingest(output.staging, store=False, move=True), False)
    project.store.commit([record(1, {"big": artifact})])
    # a failed check: it is never put in place
    kept = project.store.workspace.settle([output])
    assert len(kept) == 1
    store = project.reopen()
    assert store.retrievable(artifact)
    assert store.workspace.place(artifact, publication(artifact)).changed
    assert store.content("big") == artifact.content
    where = store.workspace.retire(publication(artifact))
    assert where is not None
    assert not os.path.exists(project.path("big"))
    assert store.retrievable(artifact)


def test_a_tampered_kept_file_is_not_retrievable(project: Project) -> None:
    output = staged("big", store=False)
    project.store.workspace.stage([output], {})
    project.write(output.staging, "huge")
    artifact = Artifact("big", project.store.ingest(output.staging, store=False), False)
    (kept,) = project.store.workspace.settle([output])
    project.write(kept, "evil")
    assert not project.store.retrievable(artifact)


def test_retiring_removes_unedited_files_and_leaves_edited_ones(project: Project) -> None:
    unedited = project.put_in_place("a/b/unedited", "1")
    edited = project.put_in_place("a/edited", "2")
    project.write("a/edited", "mine")
    workspace = project.store.workspace
    assert sorted(workspace.publications(PIPELINE)) == ["a/b/unedited", "a/edited"]
    assert workspace.retire(publication(unedited)) is None
    assert workspace.retire(publication(edited)) is None
    assert project.files() == {"a/edited": "mine"}
    assert not os.path.exists(project.path("a/b"))
    assert workspace.publications(PIPELINE) == {}
    assert project.store.retrievable(unedited)


def test_retiring_with_keep_content_moves_a_copy_aside(project: Project) -> None:
    artifact = project.put_in_place("x", "failing")
    where = project.store.workspace.retire(publication(artifact), keep_content=True)
    assert where is not None
    assert project.read(where) == "failing"


def test_publications_survive_without_the_index_and_are_written_once(project: Project) -> None:
    artifact = project.put_in_place("x", "1")
    path = project.path(".mlorch", "publications")
    (name,) = [name for name in os.listdir(path) if name.endswith(".jsonl")]
    before = os.path.getsize(os.path.join(path, name))
    project.store.workspace.place(artifact, publication(artifact, run="another"))
    assert os.path.getsize(os.path.join(path, name)) == before
    project.store.forget_caches()
    os.unlink(project.path(".mlorch", "index.sqlite"))
    with open(os.path.join(path, name), "ab") as file:
        file.write(b'{"publication":{"path":"to')  # torn by a kill
    store = project.reopen()
    assert store.workspace.publications(PIPELINE) == {"x": publication(artifact)}
    second = project.put_in_place("y", "2")
    assert project.reopen().workspace.publications(PIPELINE) == {
        "x": publication(artifact),
        "y": publication(second),
    }


def test_publications_are_compacted(project: Project) -> None:
    for number in range(260):
        artifact = Artifact("x", project.store.ingest(project_file(project, str(number))))
        project.store.ledger.add(publication(artifact))
    path = project.store.ledger.paths()[0]
    with open(path, "rb") as file:
        assert len(file.readlines()) < 100
    assert project.reopen().workspace.publications(PIPELINE) == {"x": publication(artifact)}


def project_file(project: Project, text: str) -> str:
    project.write("source", text)
    return "source"


def test_keep_moves_whatever_stands_there(project: Project) -> None:
    project.write("x", "1")
    where = project.store.workspace.keep("x", "because")
    assert where is not None
    assert project.read(where) == "1"
    assert project.store.workspace.keep("x") is None


def test_a_read_only_store_changes_nothing(project: Project) -> None:
    artifact = project.put_in_place("x", "1")
    store = project.reopen(create=False)
    for use in (
        lambda: store.workspace.place(artifact, publication(artifact)),
        lambda: store.workspace.keep("x"),
        lambda: store.ingest("x"),
        lambda: store.put(b""),
        lambda: store.commit([]),
        lambda: store.begin_run("r"),
        lambda: store.register("r", [], []),
        lambda: store.write_receipt("n", artifact.content.digest, "r", True),
        lambda: store.workspace.stage([in_place("x")], {}),
    ):
        with pytest.raises(EnvironmentFault, match="reading only"):
            use()


def test_a_folder_of_two_thousand_files_is_put_in_place_whole(tmp_path: object) -> None:
    project = Project(str(tmp_path))
    for number in range(2000):
        project.write(f"d/{number % 40}/{number}", str(number))
    content = project.store.ingest("d", move=True)
    project.store.commit([record(1, {"d": Artifact("d2", content)})])
    artifact = Artifact("d2", content)
    project.store.workspace.place(artifact, publication(artifact))
    assert open_store(Settings(project.root, project.settings.store), create=False).content("d2") == content
