"""A run that looks only at what changed does and tells what a look at everything does, over random edits: two projects get the
same edits, and one of them remembers nothing."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
import time
from typing import Any, Dict, List, Optional, Sequence, Tuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlorch import partly
from mlorch.cli import answer_or_dispatch, idle

sys.path.insert(0, os.path.dirname(__file__))
from project import Author, Project

SCENARIOS = max(2, int(os.environ.get("MLORCH_SCENARIOS", "50")) // 12)
EDITS = max(4, int(os.environ.get("MLORCH_EDITS", "10")) // 2)
MARGIN = 0.06
"""Seconds after which a file is no longer too fresh to be believed."""
NEW_EACH_TIME = frozenset(
    ("run", "seconds", "saved", "log", "record", "timings", "time", "peak_rss", "cpu_seconds", "pid", "store")
)
KEPT = re.compile(r"kept/[^/]+")
SOURCES = 6


class Careful(Author):
    """Writes projects whose steps are known before anything runs, each with few neighbours, and mostly edits what only some
    of the steps read."""

    KINDS = ("shell", "shell", "matrix", "split", "cond", "inplace", "script", "call", "glob", "flaky")

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.others = ((), (), ("fail",), ("dynamic",))[seed % 4]
        """What else than `KINDS`: such projects take the long path more often."""

    def project(self) -> Project:
        made = super().project()
        for index in range(3, SOURCES):
            made.files[f"data/s{index}.txt"] = self.lines()
        while len(made.steps) < 7:
            self.add_step(made)
        return made

    def source(self, project: Project) -> str:
        if self.chance.random() < 0.6:
            return f"data/s{self.chance.randint(0, SOURCES - 1)}.txt"
        return super().source(project)

    def add_step(self, project: Project) -> None:
        self.count += 1
        name = f"{self.word()}{self.count}"
        kinds = list(self.KINDS)
        if project.outputs_of(("matrix",)):
            kinds += ["gather", "borrowed"]
        if project.outputs_of(("split",)):
            kinds += ["folder"]
        kinds += [kind for kind in self.others if kind != "dynamic" or "folder" in kinds]
        if len(project.outputs_of(("shell", "cond"))) > 1:
            kinds += ["first"]
        kind = self.chance.choice(kinds)
        project.steps[name] = {**getattr(self, "_" + kind)(project, name), "x-kind": kind}

    def edit(self, project: Project, root: str) -> Tuple[Project, str]:
        if self.chance.random() < 0.3:
            return super().edit(project, root)
        told = []
        self.history.append(project)
        after = Project(dict(project.files), dict(project.params), dict(project.steps))
        for _ in range(self.chance.randint(1, 2)):
            edit = self.chance.choice(
                (self.change_source, self.change_source, self.tamper, self.delete_output)
            )
            told.append(edit(after, root))
        return after, ", ".join(told)


class Twin:
    """A project on disk."""

    def __init__(self, seed: int, remembers: bool) -> None:
        self.author = Careful(seed)
        self.root = tempfile.mkdtemp(prefix="partly")
        self.remembers = remembers
        self.project = self.author.project()
        self.told = "first"

    def edit(self) -> None:
        self.project, self.told = self.author.edit(self.project, self.root)

    def run(self) -> Any:
        """Exit code, document, events, what stands on disk and in the store."""
        self.project.write(self.root)
        if not self.remembers:
            shutil.rmtree(os.path.join(self.root, ".mlorch/cache/answers"), ignore_errors=True)
        words = ["run", os.path.join(self.root, "p.yaml"), "-C", self.root, "--json", "-k"]
        code, document = said(words)
        name = document.get("run", "")
        return plain([code, document, self.events(name), self.standing(), self.stored()], self.root)

    def events(self, run: str) -> List[Any]:
        if not run:
            return []
        folder = os.path.join(self.root, ".mlorch/runs", run)
        with open(os.path.join(folder, "events.jsonl")) as file:
            rows = [json.loads(line) for line in file]
        with open(os.path.join(folder, "shape.json")) as file:
            rows.append(json.load(file))
        return sorted(
            (plain(row, self.root) for row in rows), key=lambda row: json.dumps(row, sort_keys=True)
        )

    def standing(self) -> Dict[str, bytes]:
        found = {}
        for folder, _, names in os.walk(os.path.join(self.root, "work")):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, self.root)] = file.read()
        return found

    def stored(self) -> Any:
        """Keys, objects and publications."""
        found: List[Any] = []
        for area in ("records", "objects"):
            top = os.path.join(self.root, ".mlorch", area)
            found.append(
                sorted(
                    f"{one}/{two}" for one in os.listdir(top) for two in os.listdir(os.path.join(top, one))
                )
            )
        published: Dict[str, Any] = {}
        folder = os.path.join(self.root, ".mlorch/publications")
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            with open(os.path.join(folder, name)) as file:
                for row in map(json.loads, file if name.endswith(".jsonl") else ()):
                    if "retired" in row:
                        published.pop(row["retired"], None)
                    elif "publication" in row:
                        published[row["publication"]["path"]] = row["publication"]
        return [*found, published]


def said(words: Sequence[str]) -> Tuple[Optional[int], Dict[str, Any]]:
    """Exit code and document of a whole command."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = answer_or_dispatch(words)
    text = out.getvalue()
    return code, json.loads(text) if text else {}


def plain(value: Any, root: str) -> Any:
    """Without what is new each time, and where the project stands."""
    if isinstance(value, dict):
        found = {name: plain(item, root) for name, item in value.items() if name not in NEW_EACH_TIME}
        if "warnings" in found:
            found["warnings"].sort()  # who comes first is a matter of how long the steps once took
        return found
    if isinstance(value, list):
        return [plain(item, root) for item in value]
    return KEPT.sub("kept/WHEN", value.replace(root, "ROOT")) if isinstance(value, str) else value


SEEN = {"parts": 0, "idle": 0}


@settings(
    max_examples=SCENARIOS,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(number=st.integers(0, 2**31))
def check_one(number: int) -> None:
    one, other = Twin(number, remembers=True), Twin(number, remembers=False)
    try:
        for edit in range(EDITS + 1):
            for again in range(3):
                found, wanted = one.run(), other.run()
                assert found == wanted, f"seed {number} edit {edit} run {again}: {one.told}"
                if found[0] == 0 and again:
                    time.sleep(MARGIN)
            one.edit()
            other.edit()
            assert one.told == other.told
    finally:
        shutil.rmtree(one.root, ignore_errors=True)
        shutil.rmtree(other.root, ignore_errors=True)


def test_a_part_is_done_and_told_as_the_whole_is() -> None:
    check_one()
    # else this would hold as well if nothing ever took the short way
    assert min(SEEN.values()) >= SCENARIOS, SEEN


@pytest.fixture(autouse=True)
def _counting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    real_part, real_answer = partly.execute_part, idle.answer

    def part(*args: Any) -> Any:
        summary = real_part(*args)
        SEEN["parts"] += 1
        return summary

    def answer(arguments: Sequence[str]) -> Optional[int]:
        code = real_answer(arguments)
        SEEN["idle"] += code is not None
        return code

    monkeypatch.setattr(partly, "execute_part", part)
    monkeypatch.setattr(idle, "answer", answer)
