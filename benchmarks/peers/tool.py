"""What a tool of the comparison is: how it is had, how its form of the work is written, and how it is started."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.work import Step, Work

PHASES = ("cold", "then nothing", "no-op", "change")
"""Nothing is there yet; nothing changed since, for the first time; nothing changed, later on; one source was edited."""


@dataclass(frozen=True)
class Tool:
    """One tool.

    Args:
        requirement: what pip installs, pinned; empty for what the system has.
        program: what is started.
        write: writes its form of the work into a folder that holds the sources already.
        arguments: after the program, given the work and the number of slots.
        prepare: commands, after the program, that run untimed before the first phase.
        python: the Python that it needs, where not any will do.
        sizes: shape -> sizes that it is given by default; it is not given larger ones.
    """

    name: str
    requirement: str
    program: str
    write: Callable[[Work, Path], None]
    arguments: Callable[[Work, int], Sequence[str]]
    sizes: Mapping[str, Sequence[int]]
    prepare: Sequence[Sequence[str]] = ()
    phases: Sequence[str] = PHASES
    python: str = ""
    version: Sequence[str] = ("--version",)
    env: Mapping[str, str] = field(default_factory=dict)
    answers: bool = True
    """Whether the questions of `check.py` are put to it."""
    place: Callable[[Step], str] = operator.attrgetter("output")
    """Where it puts the output of a step."""


@dataclass(frozen=True)
class Installed:
    """A tool that can be started."""

    tool: Tool
    folder: Path
    """Of the program."""
    version: str

    def command(self, arguments: Sequence[str]) -> list[str]:
        return [str(self.folder / self.tool.program), *arguments]

    def env(self, home: Path) -> dict[str, str]:
        """The environment of its processes: no setting of the caller's, and a home of its own."""
        return {
            "PATH": os.pathsep.join([str(self.folder), os.defpath, "/usr/local/bin"]),
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
            "LANG": "C.UTF-8",
            **self.tool.env,
        }


def lines(path: Path, rows: Sequence[str]) -> None:
    """Write a text file."""
    path.write_text("\n".join(rows) + "\n")


def python_table(work: Work) -> list[str]:
    """The steps as a Python list `STEPS` of (name, inputs, output, command)."""
    rows = (f"    {(step.name, list(step.inputs), step.output, step.command())!r}," for step in work.steps)
    return ["STEPS = [", *rows, "]"]
