"""What the fault suite once found, each at its one place."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(__file__)), "store"))

from store_helpers import Project, record

from mlorch import cli
from mlorch import store as stores
from mlorch.engine.failure import full_disk_hint
from mlorch.errors import MachineFault
from mlorch.model import Artifact, Attempt
from mlorch.store import faults, lines


def committed(project: Project, number: int) -> None:
    project.write(f"out{number}", str(number))
    content = project.store.ingest(f"out{number}")
    project.store.commit([record(number, {"o": Artifact(f"out{number}", content)})])


def test_a_record_of_a_failed_commit_is_indexed_by_the_next_process(tmp_path: Path) -> None:
    project = Project(str(tmp_path))
    committed(project, 1)
    project.store.record_files.flush()  # the index is made now, and not of what will stand later
    visits = []
    faults.watch(visits.append)
    committed(project, 2)
    last = visits.count("sync")
    try:
        faults.arm(f"sync:EIO:{last}")  # the names are synced last: the record stands by then
        with pytest.raises(MachineFault):
            committed(project, 3)
    finally:
        faults.arm("")
    project.reopen()
    standing = list(project.store.record_files.paths())
    assert len(standing) == 3
    assert project.store.index.query("select count(*) from records") == [(3,)]
    project.store.forget_caches()


def test_verify_can_be_called_twice(tmp_path: Path) -> None:
    project = Project(str(tmp_path))
    committed(project, 1)
    assert stores.verify(project.store, False).clean
    assert stores.verify(project.store, False).clean
    project.store.forget_caches()


def test_only_a_full_file_system_is_blamed(tmp_path: Path) -> None:
    attempt = Attempt("r/s/1", "r", "s", 1, ("true",), None, str(tmp_path), {}, str(tmp_path / "log"))
    assert full_disk_hint(attempt) == ""


def test_after_a_torn_line_the_next_one_is_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "lines.jsonl")
    lines.append(path, {"schema": "s/1"}, {"n": 1})
    with open(path, "ab") as file:
        file.write(b'{"n": 2, "tor')
    lines.append(path, {"schema": "s/1"}, {"n": 3})
    assert [line["n"] for line in lines.read(path, "s/1")] == [1, 3]


def test_an_interrupt_before_any_command_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "dispatch", interrupted)
    assert cli.main(["run"]) == 130
