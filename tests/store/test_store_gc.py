"""`gc`, `verify` and `get`."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from store_helpers import Project, calm, publication, python, record, staged

from mlorch.digest import digest_bytes
from mlorch.errors import CorruptObject, StoreError, UsageError
from mlorch.model import Artifact, Event, Manifest, Row
from mlorch.store import collect_garbage, export, verify
from mlorch.store.gc import GcReport


def collect(project: Project, **options: Any) -> GcReport:
    wanted: Any = {"keep_runs": None, "keep_for": None, "max_size": None, "kept": False, "dry_run": False}
    wanted.update(options)
    return collect_garbage(project.store, **wanted)


def test_what_nothing_refers_to_goes_and_what_records_name_stays(project: Project) -> None:
    output = project.ingested("out", {"a": "member", "b": "2"})
    source, stored = project.store.put(b"source"), project.store.put(b"input")
    loose = project.store.put(b"garbage")
    manifest = Manifest((Row("input", "raw", [["data/x", stored + "+x"]]),))
    project.store.commit([record(1, {"o": output}, sources={"s.py": source}, manifest=manifest)])
    published = project.put_in_place("published", "only in the ledger")
    project.reopen()
    assert project.store.size()[1] == 7 + 18
    dry = collect(project, dry_run=True)
    assert (dry.objects, dry.bytes) == (1, 7)
    assert project.store.read(loose) == b"garbage"
    done = collect(project)
    assert (done.objects, done.bytes, done.dry_run) == (1, 7, False)
    for digest in (source, stored, digest_bytes(b"member"), published.content.digest):
        assert project.store.objects.check(digest) is None
    assert project.store.has(output.content)
    with pytest.raises(CorruptObject, match="is missing"):
        project.store.read(loose)
    assert verify(project.store, False).clean
    assert collect(project).objects == 0


def test_a_dry_run_writes_nothing_even_without_a_store(tmp_path: object) -> None:
    project = Project(str(tmp_path))
    project.reopen(create=False)
    assert collect(project, dry_run=True).objects == 0
    with pytest.raises(StoreError, match="reading only"):
        collect(project)


def test_a_live_run_keeps_what_it_may_be_about_to_use(project: Project) -> None:
    code = """
        import sys, time
        from store_helpers import *
        project = Project(sys.argv[1])
        lease = project.store.register("busy", ["x"], [])
        project.write("x", "found in the store")
        project.store.ingest("x")
        print("ready", flush=True)
        sys.stdin.readline() if sys.stdin else None
        time.sleep(60)
    """
    project.ingested("x", "found in the store")  # garbage until the other process wants it
    old = project.ingested("y", "old garbage")
    for digest in (old.content.digest, digest_bytes(b"found in the store")):
        os.utime(project.object_path(digest), (1, 1))
    calm()
    project.store.forget_caches()
    process = python(code, project.root)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        project.reopen()
        report = collect(project, keep_runs=0, keep_for=0.0)
        assert report.live == ("busy",)
        assert (report.runs, report.records) == ((), 0)
        assert project.store.objects.check(digest_bytes(b"found in the store")) is None
    finally:
        process.kill()
        process.communicate()
    assert collect(project).live == ()
    assert project.store.objects.check(digest_bytes(b"found in the store")) == "is missing"


def history(project: Project) -> None:
    """Five runs, each with a record of its own of instance `s`, and `other` made only in the first."""
    for number in range(5):
        log = project.store.begin_run(f"run{number}")
        when = time.time() - 1000 + number * 100
        log.append(Event("run.started", when, f"run{number}", data={"pipeline": "p.yaml"}))
        made = record(number, {"o": project.ingested("x", f"v{number}")}, run=f"run{number}", started=when)
        project.store.commit([made])
        log.append(Event("run.finished", when + 1, f"run{number}", data={"status": "succeeded"}))
        log.close()
    old = record(
        77, {"o": project.ingested("y", "other")}, instance="other", run="run0", started=time.time() - 1000
    )
    project.store.commit([old])


def test_old_runs_go_with_the_records_that_only_they_used(project: Project) -> None:
    history(project)
    report = collect(project, keep_runs=2)
    assert report.runs == ("run0", "run1", "run2")
    assert (report.records, report.objects) == (3, 3)
    assert [info.id for info in project.store.runs()] == ["run4", "run3"]
    assert len(project.store.family(record(0, {}).family)) == 3
    assert project.store.latest("p.yaml", "other") is not None, "the newest of an instance always stays"
    assert verify(project.store, False).clean


def test_runs_are_kept_for_a_time(project: Project) -> None:
    history(project)
    report = collect(project, keep_for=750.0, dry_run=True)
    assert report.runs == ("run0", "run1", "run2")
    assert len(project.store.runs()) == 5
    assert collect(project, keep_for=750.0, keep_runs=4).runs == ("run0",)


def test_a_record_of_a_receipt_or_used_by_a_kept_run_is_never_deleted(project: Project) -> None:
    history(project)
    project.store.write_receipt("prod", record(0, {}).key, "run0", True, "r-0")
    log = project.store.begin_run("run9")
    log.append(Event("run.started", time.time(), "run9"))
    log.append(Event("step.cached", time.time(), "run9", "s", "s", {"record": "r-1"}))
    log.close()
    collect(project, keep_runs=1)
    left = sorted(item.id for item in project.store.family(record(0, {}).family))
    assert left == ["r-0", "r-1", "r-4", "r-77"]


def test_the_oldest_records_go_until_the_objects_fit(project: Project) -> None:
    for number in range(6):
        project.store.commit([record(number, {"o": project.ingested("x", str(number) * 100)})])
    report = collect(project, max_size=250)
    assert (report.records, report.bytes) == (4, 400)
    assert [item.id for item in project.store.family(record(0, {}).family)] == ["r-5", "r-4"]
    assert collect(project, max_size=1).records == 1, "the newest of an instance always stays"


def test_leftovers_quarantine_and_on_request_what_was_kept(project: Project) -> None:
    code = """
        import os, signal, sys
        from store_helpers import *
        project = Project(sys.argv[1])
        project.store.put(b"never committed")
        output = staged("x")
        project.store.workspace.stage([output], {})
        project.write(output.staging, "half")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    python(code, project.root).communicate()
    artifact = project.ingested("y", "1")
    project.store.objects.quarantine(artifact.content.digest)
    project.write("mine", "mine")
    project.store.workspace.keep("mine")
    project.reopen()
    report = collect(project)
    assert (report.temporaries, report.quarantined, report.kept) == (2, 1, 0)
    project.reopen()
    assert project.leftovers() == []
    assert os.listdir(project.path(".mlorch/quarantine")) == []
    assert len(os.listdir(project.path(".mlorch/kept"))) == 1
    assert collect(project, kept=True).kept == 1
    assert os.listdir(project.path(".mlorch/kept")) == []


# ----------------------------------------------------------------------------------------------------- verify


def test_verify_goes_on_past_errors_and_fix_quarantines(project: Project) -> None:
    artifacts = [project.ingested(f"x{number}", f"data {number}") for number in range(4)]
    folder = project.ingested("d", {"a": "member"})
    project.store.commit([record(n, {"o": artifact}) for n, artifact in enumerate([*artifacts, folder])])
    for path in (
        project.object_path(artifacts[0].content.digest),
        project.object_path(digest_bytes(b"member")),
    ):
        os.chmod(path, 0o644)
        with open(path, "r+b") as file:
            file.write(b"!")
    os.unlink(project.object_path(artifacts[1].content.digest))
    report = verify(project.store, False)
    assert {damage.digest for damage in report.corrupt} == {
        artifacts[0].content.digest,
        digest_bytes(b"member"),
    }
    assert {damage.used_by for damage in report.corrupt} == {("s/o",)}
    assert [(damage.digest, damage.problem) for damage in report.missing] == [
        (artifacts[1].content.digest, "is missing")
    ]
    assert (report.objects, report.records, report.clean) == (5, 5, False)
    assert verify(project.store, True).fixed
    after = verify(project.store, False)
    assert after.corrupt == ()
    assert {damage.digest for damage in after.missing} == {
        artifacts[0].content.digest,
        artifacts[1].content.digest,
        digest_bytes(b"member"),
    }
    assert len(os.listdir(project.path(".mlorch/quarantine"))) == 2


# -------------------------------------------------------------------------------------------------------- get


def test_get_brings_files_and_folders_out_and_overwrites_nothing(project: Project, tmp_path: object) -> None:
    out = os.path.join(str(tmp_path), "elsewhere")
    model, folder = project.ingested("models/m.bin", "weights"), project.ingested("d", {"a/b": "1"})
    export(project.store, model, os.path.join(out, "deep", "copy.bin"))
    with open(os.path.join(out, "deep", "copy.bin")) as file:
        assert file.read() == "weights"
    export(project.store, model, out)
    assert sorted(os.listdir(out)) == ["deep", "m.bin"]
    with pytest.raises(UsageError, match="is there already"):
        export(project.store, model, out)
    export(project.store, folder, os.path.join(out, "folder"))
    with open(os.path.join(out, "folder", "a", "b")) as file:
        assert file.read() == "1"
    assert sorted(os.listdir(out)) == ["deep", "folder", "m.bin"]


def test_get_refuses_a_corrupt_object_and_leaves_nothing(project: Project, tmp_path: object) -> None:
    model = project.ingested("m", "weights")
    os.chmod(project.object_path(model.content.digest), 0o644)
    project.write(os.path.relpath(project.object_path(model.content.digest), project.root), "WEIGHTS")
    out = os.path.join(str(tmp_path), "out")
    with pytest.raises(CorruptObject):
        export(project.store, model, os.path.join(out, "m"))
    assert os.listdir(out) == []


def test_get_of_what_is_not_stored_takes_it_from_the_workspace_or_from_kept(
    project: Project, tmp_path: object
) -> None:
    output = staged("big", store=False)
    project.store.workspace.stage([output], {})
    project.write(output.staging, "huge")
    artifact = Artifact("big", project.store.ingest(output.staging, store=False), False)
    project.store.workspace.place(artifact, publication(artifact))
    export(project.store, artifact, os.path.join(str(tmp_path), "one"))
    project.store.workspace.retire(publication(artifact))
    export(project.store, artifact, os.path.join(str(tmp_path), "two"))
    for name in ("one", "two"):
        with open(os.path.join(str(tmp_path), name)) as file:
            assert file.read() == "huge"
