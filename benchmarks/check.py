"""Whether a tool is right: after every timed run, and on five questions put to it once.

A chain of three steps is asked, of which the first keeps only the first line of what it reads. Each step notes that it
ran, in a file beside the project that no tool knows.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable
from operator import attrgetter
from pathlib import Path

from benchmarks.measure import Failed, measure
from benchmarks.peers.tool import Installed
from benchmarks.work import Step, Work

RIGHT, NEEDLESS, WRONG = "right", "needless", "wrong"
MEANING = {
    RIGHT: "the outputs are right, and nothing ran that did not have to",
    NEEDLESS: "the outputs are right, but steps ran that did not have to",
    WRONG: "an output is not what a clean build makes",
}
NOTED = "../ran"
SLOTS = 2
PATIENCE = 120


def _noting(name: str, script: str) -> str:
    return f"echo {name} >> {NOTED} && {script}"


QUESTIONED = Work(
    "questions",
    (
        Step("head", ("in/a",), "out/head", _noting("head", "head -n 1 {inputs} > {output}")),
        Step("copy", ("out/head",), "out/copy", _noting("copy", "cat {inputs} > {output}")),
        Step("last", ("out/copy", "in/b"), "out/last", _noting("last", "cat {inputs} > {output}")),
    ),
    {"in/a": "first\nsecond\n", "in/b": "more\n"},
)


class Project:
    """The questioned work in the form of one tool, built once."""

    def __init__(self, installed: Installed, top: Path) -> None:
        self._installed = installed
        self._top = top
        self.folder = top / "project"
        self.folder.mkdir(parents=True)
        prepare(installed, QUESTIONED, self.folder, top)
        self.build()

    def build(self) -> set[str]:
        """Run the tool; returns which steps ran. Raises Failed."""
        noted = self._top / "ran"
        noted.write_text("")
        tool = self._installed.tool
        command = self._installed.command(tool.arguments(QUESTIONED, SLOTS))
        measure(command, self.folder, self._installed.env(self._top), PATIENCE)
        return set(noted.read_text().split())

    def write(self, path: str, text: str) -> None:
        # a second apart for whoever keeps times in seconds
        time.sleep(1.1 if self._installed.tool.name in ("dvc", "redun", "snakemake") else 0.02)
        (self.folder / path).write_text(text)

    def output(self, name: str) -> Path:
        """Where the output of a step is."""
        (step,) = (step for step in QUESTIONED.steps if step.name == name)
        return self.folder / self._installed.tool.place(step)

    def texts(self) -> tuple[str, str, str]:
        read = [self.folder / self._installed.tool.place(step) for step in QUESTIONED.steps]
        return tuple(path.read_text() if path.exists() else "" for path in read)  # type: ignore[return-value]

    def is_right(self) -> bool:
        head = (self.folder / "in/a").read_text().splitlines(keepends=True)[0]
        return self.texts() == (head, head, head + (self.folder / "in/b").read_text())


def _touched(project: Project) -> str:
    later = time.time() + 2
    os.utime(project.folder / "in/a", (later, later))
    ran = project.build()
    return _judge(project, bool(ran))


def _cut_off(project: Project) -> str:
    project.write("in/a", "first\nanother second\n")
    ran = project.build()
    if "head" not in ran:
        return WRONG
    return _judge(project, ran != {"head"})


def _lost(project: Project) -> str:
    project.output("copy").unlink()
    ran = project.build()
    return _judge(project, not ran <= {"copy"})


def _edited(project: Project) -> str:
    project.write(str(project.output("copy")), "somebody's own words\n")
    ran = project.build()
    return _judge(project, not ran <= {"copy"})


def _reverted(project: Project) -> str:
    before = (project.folder / "in/b").read_text()
    project.write("in/b", "something else\n")
    project.build()
    if not project.is_right():
        return WRONG
    project.write("in/b", before)
    return _judge(project, bool(project.build()))


def _judge(project: Project, needless: bool) -> str:
    if not project.is_right():
        return WRONG
    return NEEDLESS if needless else RIGHT


QUESTIONS: dict[str, Callable[[Project], str]] = {
    "touched file": _touched,
    "early cut-off": _cut_off,
    "lost output": _lost,
    "edited output": _edited,
    "change and revert": _reverted,
}


def prepare(installed: Installed, work: Work, folder: Path, home: Path) -> None:
    """Write the sources and the tool's form of the work, and what it does once per project. Raises Failed."""
    work.write_sources(folder)
    installed.tool.write(work, folder)
    for arguments in installed.tool.prepare:
        measure(installed.command(arguments), folder, installed.env(home), PATIENCE)


def ask(installed: Installed, top: Path, questions: Iterable[str] = tuple(QUESTIONS)) -> dict[str, str]:
    """Question -> `right`, `needless`, `wrong`, or why there is no answer. Each is asked in a project of its own."""
    answers: dict[str, str] = {}
    for number, question in enumerate(questions):
        place = top / f"question{number}"
        try:
            answers[question] = QUESTIONS[question](Project(installed, place))
        except Failed as error:
            answers[question] = f"failed: {error}"
        shutil.rmtree(place, ignore_errors=True)
    return answers


def wrong_outputs(work: Work, folder: Path, place: Callable[[Step], str] = attrgetter("output")) -> str:
    """One sentence about the outputs that are not what they must be; empty if all are right."""
    wrong = []
    expected = work.expected(folder)
    for step in work.steps:
        file = folder / place(step)
        if not file.exists() or file.read_text() != expected[step.output]:
            wrong.append(step.output)
    return f"{len(wrong)} of {len(work.steps)} outputs are wrong, {wrong[0]} first" if wrong else ""
