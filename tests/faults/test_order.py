"""What must come before what, looked at from every fault point that a run visits; and the defects that the fault suite
would see only by chance."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Iterator, List, Set, Tuple

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(__file__)), "acceptance"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(__file__)), "store"))

from kit import Project
from store_helpers import Project as Stored
from store_helpers import publication

from mlorch import app
from mlorch.errors import CorruptObject, MlorchError
from mlorch.model import Artifact, Event
from mlorch.ports import Publication
from mlorch.store import faults, files


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for name in list(os.environ):
        if name.startswith("MLORCH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    yield Project(tmp_path / "project")
    faults.watch(None)


TWO = """
params: {x: 1}
steps:
  a: {run: "echo ${{ params.x }} > ${{ outputs.o }}", outputs: {o: a.txt}}
  b: {run: "mkdir ${{ outputs.d }}/in; cp ${{ inputs.i }} ${{ outputs.d }}/in/x", inputs: {i: "${{ steps.a.outputs.o }}"}, outputs: {d: d/}}
"""  # noqa: E501


def promised(project: Project) -> Set[str]:
    """Objects that the records which stand at this moment promise."""
    found: Set[str] = set()
    for path in (project.root / ".mlorch" / "records").rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        outputs = json.loads(text).get("outputs", {})
        found.update(item["content"]["digest"] for item in outputs.values())
    return found


def stands(project: Project, digest: str) -> bool:
    return (project.root / ".mlorch" / "objects" / digest[7:9] / digest[9:]).is_file()


def test_a_record_never_stands_without_its_objects(project: Project) -> None:
    project.pipeline(TWO)
    missing: List[str] = []
    seen: Set[str] = set()

    def look(_point: str) -> None:
        seen.update(promised(project))
        missing.extend(digest for digest in promised(project) if not stands(project, digest))

    faults.watch(look)
    project.run()
    assert missing == [] and len(seen) == 2


def test_an_output_is_put_in_place_after_its_record(project: Project) -> None:
    project.pipeline(TWO)
    early: List[str] = []

    def look(point: str) -> None:
        standing = [name for name in ("a.txt", "d/in/x") if project.exists(name)]
        if len(promised(project)) < len(standing):
            early.append(point)

    faults.watch(look)
    project.run()
    faults.watch(None)
    assert early == [] and project.exists("d/in/x")


def test_contents_are_synced_before_they_get_their_names(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told by the system calls themselves: a sync that only looks like one would not be seen."""
    told: List[str] = []
    named: List[Tuple[int, str, str]] = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(fd: int) -> None:
        told.append(os.readlink(f"/proc/self/fd/{fd}"))
        real_fsync(fd)

    def rename(source: str, target: str) -> None:
        named.append((len(told), source, target))
        real_rename(source, target)

    monkeypatch.setattr(
        files, "_syncfs", None
    )  # one fsync for each file instead of one for all, to tell them apart
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    project.pipeline(TWO)
    project.run()
    places = tuple(str(project.root / ".mlorch" / name) for name in ("objects", "records"))
    durable = [item for item in named if item[2].startswith(places)]
    assert len(durable) >= 5, named
    for when, source, target in durable:
        assert source in told[:when], f"{target} got its name before its content was synced"
        assert os.path.dirname(target) in told[when:], f"the name of {target} was never synced"


def test_a_reader_never_sees_a_version_that_is_not_whole(tmp_path: Path) -> None:
    stored = Stored(str(tmp_path))
    texts = [str(number) * 300_000 for number in range(2)]
    artifacts: List[Artifact] = []
    for text in texts:
        stored.write("source", text)
        artifacts.append(Artifact("out", stored.store.ingest("source")))
    os.unlink(stored.path("source"))
    torn: List[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                with open(stored.path("out"), encoding="ascii") as file:
                    found = file.read()
            except FileNotFoundError:
                continue
            if found not in texts:
                torn.append(len(found))

    def publish(number: int) -> Publication:
        return publication(artifacts[number % 2])

    stored.store.workspace.place(artifacts[0], publish(0))
    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, 120):
            stored.store.workspace.place(artifacts[number % 2], publish(number))
    finally:
        done.set()
        reader.join()
    assert torn == []
    stored.store.forget_caches()


def test_a_short_write_is_finished(tmp_path: Path) -> None:
    try:
        for nth in (1, 2):
            faults.arm(f"write:short:{nth}")
            files.write_new(str(tmp_path / str(nth)), b"0123456789")
            files.write_new(str(tmp_path / f"{nth}-next"), b"0123456789")
    finally:
        faults.arm("")
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"0123456789"}
    with pytest.raises(OSError, match="No space"):
        try:
            faults.arm("write:torn:1")
            files.write_new(str(tmp_path / "torn"), b"0123456789")
        finally:
            faults.arm("")
    assert (tmp_path / "torn").read_bytes() == b"01234"


def test_a_full_disk_is_not_the_steps_failure(project: Project) -> None:
    project.pipeline(TWO)
    project.run()
    faults.arm("copy:ENOSPC:1")  # the first output that is put in place
    told = project.run(params=("x=2",), code=None)
    faults.arm("")
    assert told.code == 8
    failed = [item for item in told.summary.outcomes if item.outcome == "failed"]
    assert failed and "free some space" in failed[0].hint
    assert project.run(params=("x=2",)).code == 0


@pytest.mark.parametrize("at", ["sync:EIO:1", "write:ENOSPC:1+"])
def test_a_run_that_the_machine_ends_says_so_in_its_last_event(project: Project, at: str) -> None:
    """It failed, and did not crash; who waited is cancelled, and whoever listens hears of it."""
    project.pipeline(TWO)
    heard: List[Event] = []

    def hear(event: Event) -> None:
        heard.append(event)
        if event.kind == "step.started":
            faults.arm(at)

    try:
        with pytest.raises((MlorchError, OSError)):
            app.run(project.request(), [hear])
    finally:
        faults.arm("")
    (last,) = [event for event in heard if event.kind == "run.finished"]
    assert heard[-1] is last
    assert (last.data["status"], last.data["exit_code"]) == ("failed", 8) and last.data["error"]
    totals = last.data["totals"]
    assert isinstance(totals, dict) and sum(totals.values()) == totals["cancelled"] + totals["succeeded"] == 2
    if at == "sync:EIO:1":  # on a full disk no file can say so
        (run,) = json.loads(project.cli("runs", "--json").stdout)["runs"]
        assert run["status"] == "failed", run
        shown = json.loads(project.cli("show", "--json").stdout)
        assert {step["outcome"] for step in shown["steps"]} == {"cancelled"}, shown
    project.run()


def test_a_secret_in_an_exception_is_masked_in_json(project: Project) -> None:
    canary = "s3cr3t-canary-4711"
    project.write(
        "lib.py", "import os\n\ndef use():\n    raise ValueError('refused: ' + os.environ['TOKEN'])\n"
    )
    project.pipeline('secrets: [TOKEN]\nsteps: {a: {call: "lib:use"}}')
    done = project.cli("run", "--json", code=1, TOKEN=canary)
    assert "refused: ***" in done.stdout
    assert canary not in done.stdout + done.stderr
    assert [path for path, data in project.everything().items() if canary.encode() in data] == []


def test_another_interpreter_is_another_key(project: Project) -> None:
    for name, version in (("one", "3.11.4"), ("two", "3.12.1"), ("three", "3.12.9")):
        folder = project.root.parent / name
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").symlink_to(sys.executable)
        (folder / "pyvenv.cfg").write_text(f"home = {os.path.dirname(sys.executable)}\nversion = {version}\n")
    project.write("work.py", "print('done')\n")

    def planned(name: str) -> str:
        python = project.root.parent / name / "bin" / "python"
        project.pipeline(f'python: {python}\nsteps: {{a: {{run: "python work.py"}}}}')
        return project.planned()["a"]

    assert planned("one") == "run"
    project.run()
    assert planned("one") == "cached"
    assert planned("two") == "run"
    project.run()
    assert planned("three") == "cached", "a patch version is the same interpreter"
    assert planned("one") == "cached"


def test_a_harmed_object_never_reaches_its_place(tmp_path: Path) -> None:
    """The first look at the object is the one that puts it in place."""
    stored = Stored(str(tmp_path))
    artifact = stored.ingested("out", "weights")
    place = Path(stored.object_path(artifact.content.digest))
    place.chmod(0o644)
    place.write_text("WEIGHTS")
    with pytest.raises(CorruptObject, match="does not hold what its digest says"):
        stored.store.workspace.place(artifact, publication(artifact))
    assert not os.path.exists(stored.path("out")) or stored.read("out") == "weights"
    assert not place.exists()
    stored.store.forget_caches()


def test_a_result_of_code_that_changed_meanwhile_never_serves_the_code_before(project: Project) -> None:
    """Nobody knows which of the two ran: going back to the first must run it again."""
    code = """
        import os, shutil, sys
        open(sys.argv[1], 'w').write('x')
        if os.path.exists('next'):
            shutil.copy('next', 'work.py')
    """
    project.write("work.py", code)
    project.write("next", "import sys\nopen(sys.argv[1], 'w').write('y')\n")
    project.pipeline('steps: {a: {run: "python work.py ${{ outputs.o }}", outputs: {o: a.txt}}}')
    assert "changed while" in project.run().warnings
    os.unlink(project.root / "next")
    project.write("work.py", code)
    assert project.run().executed == {"a"}
    assert project.run().executed == set()
