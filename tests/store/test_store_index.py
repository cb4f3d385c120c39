"""The index may vanish or lie at any time; the records are the truth. Formats of other versions are
refused."""

from __future__ import annotations

import os
import sqlite3
from typing import Callable, Dict

import pytest
from store_helpers import PIPELINE, Project, python, record

from mlorch.errors import EnvironmentFault, StoreError
from mlorch.model import Settings
from mlorch.store import check, open_store, verify


def _delete(path: str) -> None:
    os.unlink(path)


def _truncate(path: str) -> None:
    os.truncate(path, os.path.getsize(path) // 2)


def _empty(path: str) -> None:
    os.truncate(path, 0)


def _garbage(path: str) -> None:
    with open(path, "wb") as file:
        file.write(os.urandom(20_000))


def _scribble(path: str) -> None:
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)


def _other_version(path: str) -> None:
    db = sqlite3.connect(path)
    db.execute("pragma user_version=99")
    db.execute("create table more(x)")
    db.execute("drop table runs")
    db.commit()
    db.close()


def _lost_table(path: str) -> None:
    db = sqlite3.connect(path)
    db.execute("drop table records")
    db.commit()
    db.close()


HARM = [_delete, _truncate, _empty, _garbage, _scribble, _other_version, _lost_table]


def look(project: Project) -> Dict[str, object]:
    store = project.store
    latest = store.latest(PIPELINE, "s")
    return {
        "records": list(store.records(record(2, {}).key)),
        "family": store.family(record(2, {}).family),
        "latest": latest.id if latest else None,
        "durations": store.durations(PIPELINE, "s", "s"),
        "step": store.durations(PIPELINE, "none", "s"),
        "runs": store.runs(),
        "size": store.size(),
    }


@pytest.fixture
def filled(project: Project) -> Project:
    for number in range(7):
        artifact = project.ingested("x", str(number))
        project.store.commit([record(number, {"o": artifact}, seconds=float(number))])
    project.reopen()
    return project


def test_what_the_index_finds(filled: Project) -> None:
    seen = look(filled)
    assert seen["latest"] == "r-6"
    assert seen["durations"] == seen["step"] == [6.0, 5.0, 4.0, 3.0, 2.0]
    assert [item.id for item in filled.store.family(record(0, {}).family, 3)] == ["r-6", "r-5", "r-4"]
    assert seen["size"] == (7, 0)
    assert filled.store.latest("other.yaml", "s") is None


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("create", [True, False])
def test_a_harmed_index_is_made_anew(filled: Project, harm: Callable[[str], None], create: bool) -> None:
    before = look(filled)
    filled.store.forget_caches()
    index = filled.path(".mlorch", "index.sqlite")
    harm(index)
    snapshot = tree_of(filled.path(".mlorch"))
    filled.reopen(create)
    assert look(filled) == before
    assert filled.store.content("nothing") is None
    if not create:
        assert tree_of(filled.path(".mlorch")) == snapshot


@pytest.mark.parametrize("harm", [_delete, _garbage, _lost_table])
def test_an_index_that_is_harmed_while_it_is_open(filled: Project, harm: Callable[[str], None]) -> None:
    before = look(filled)
    harm(filled.path(".mlorch", "index.sqlite"))
    filled.store.commit([record(50, {})])
    assert filled.store.latest(PIPELINE, "s") == record(50, {})
    filled.reopen()
    assert filled.store.latest(PIPELINE, "s") == record(50, {})
    assert look(filled)["records"] == before["records"]


def tree_of(top: str) -> Dict[str, bytes]:
    found = {}
    for folder, _, names in os.walk(top):
        found[folder] = b""
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                found[os.path.join(folder, name)] = file.read()
    return found


def test_a_record_without_index_rows_is_found_after_a_kill(project: Project) -> None:
    code = """
        import os, signal, sys
        from store_helpers import *
        project = Project(sys.argv[1])
        project.store.commit([record(1, {"o": project.ingested("x", "1")})])
        os.kill(os.getpid(), signal.SIGKILL)
    """
    process = python(code, project.root)
    process.communicate()
    assert process.returncode == -9
    assert project.reopen(create=False).latest(PIPELINE, "s") is not None
    store = project.reopen()
    assert store.latest(PIPELINE, "s") is not None
    assert store.size() == (1, 0)
    assert os.listdir(project.path(".mlorch", "pending")) == []


def test_records_of_a_key_come_newest_first_and_bad_ones_are_left_out(project: Project) -> None:
    one, two = record(1, {}), record(1, {}, id="later", started=2_000_000.0)
    project.store.commit([two])
    project.store.commit([one])
    assert list(project.store.records(one.key)) == [two, one]
    folder = project.path(".mlorch", "records", one.key[7:9], one.key[9:])
    (name,) = [name for name in os.listdir(folder) if name.endswith("later.json")]
    os.chmod(os.path.join(folder, name), 0o644)
    os.truncate(os.path.join(folder, name), 40)
    assert list(project.store.records(one.key)) == [one]
    assert project.store.latest(PIPELINE, "s") == one
    assert verify(project.store, False).unreadable == (f"{one.key[7:9]}/{one.key[9:]}/{name}",)


def test_a_record_of_a_foreign_version_is_refused(project: Project) -> None:
    one = record(1, {})
    project.store.commit([one])
    folder = project.path(".mlorch", "records", one.key[7:9], one.key[9:])
    path = os.path.join(folder, os.listdir(folder)[0])
    with open(path, "rb") as file:
        data = file.read()
    os.unlink(path)
    with open(path, "wb") as file:
        file.write(data.replace(b"mlorch.record/1", b"mlorch.record/7"))
    with pytest.raises(
        StoreError, match=r"has the format `mlorch.record/7`, and this mlorch reads mlorch.record/1"
    ):
        list(project.store.records(one.key))


def test_a_record_that_names_a_path_outside_is_not_believed(project: Project) -> None:
    artifact = project.ingested("x", "1")
    evil = record(1, {"o": artifact.__class__("../../etc/x", artifact.content)})
    project.store.commit([evil])
    assert list(project.store.records(evil.key)) == []


def test_a_record_under_another_key_is_not_believed(project: Project) -> None:
    one, two = record(1, {}), record(2, {})
    project.store.commit([one, two])
    base = project.path(".mlorch", "records")
    source = os.path.join(base, one.key[7:9], one.key[9:])
    target = os.path.join(base, two.key[7:9], two.key[9:])
    for name in os.listdir(source):
        os.rename(os.path.join(source, name), os.path.join(target, name))
    assert list(project.store.records(one.key)) == []
    assert list(project.store.records(two.key)) == [two]


# -------------------------------------------------------------------------------------------- opening a store


def test_reading_an_absent_store_writes_nothing(tmp_path: object) -> None:
    root = str(tmp_path)
    with open(os.path.join(root, "x"), "w") as file:
        file.write("1")
    before = os.stat(root).st_mtime_ns
    store = open_store(Settings(root, os.path.join(root, ".mlorch")), create=False)
    key = record(1, {}).key
    assert store.content("x") is not None
    assert list(store.records(key)) == []
    assert store.family(key) == []
    assert store.latest(PIPELINE, "s") is None
    assert store.durations(PIPELINE, "s", "s") == []
    assert store.runs() == []
    assert store.receipt("n") is None
    assert store.size() == (0, 0)
    assert store.workspace.publications(PIPELINE) == {}
    assert store.workspace.recover() == ()
    assert store.workspace.is_tracked("x") is False
    assert verify(store, False).clean
    store.forget_caches()
    assert os.listdir(root) == ["x"]
    assert os.stat(root).st_mtime_ns == before


def test_an_unknown_format_is_refused_before_anything_is_touched(project: Project) -> None:
    project.store.forget_caches()
    project.write(".mlorch/format", "mlorch.store/2\n")
    before = tree_of(project.path(".mlorch"))
    for create in (True, False):
        with pytest.raises(StoreError) as caught:
            open_store(project.settings, create=create)
        assert "has the format `mlorch.store/2`, and this mlorch knows `mlorch.store/1`" in str(caught.value)
        assert "[store] path" in caught.value.hint
    assert tree_of(project.path(".mlorch")) == before
    project.write(".mlorch/format", "mlorch.store/1\n")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/", "ext4"),
        ("/home/me", "nfs4"),
        ("/home2", "ext4"),
        ("/data/with space/x", "cifs"),
        ("/data", "xfs"),
    ],
)
def test_the_file_system_of_a_path(path: str, wanted: str) -> None:
    mounts = (
        "/dev/root / ext4 rw 0 0\nserver:/h /home nfs4 rw 0 0\n/dev/x /data xfs rw 0 0\n"
        "//s/x /data/with\\040space cifs rw 0 0\n"
    )
    assert check.mount_kind(path, mounts) == wanted
    assert (wanted in check.REMOTE) is (wanted in ("nfs4", "cifs"))


def test_git_ignores_the_store(project: Project) -> None:
    assert project.read(".mlorch/.gitignore") == "*\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_one_clear_error(tmp_path: object) -> None:
    root = str(tmp_path)
    os.chmod(root, 0o555)
    try:
        with pytest.raises(EnvironmentFault, match="permission denied"):
            open_store(Settings(root, os.path.join(root, ".mlorch")), create=True)
    finally:
        os.chmod(root, 0o755)
