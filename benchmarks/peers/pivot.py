"""Pivot: a Python function per step, in warm workers; no process of its own runs. It chooses where outputs are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.tool import Tool, lines
from benchmarks.work import Step, Work

STAGE = """
@stage
def {name}({given}) -> Annotated[str, loaders.Text()]:
{note}    text = {joined}
    return text{cut}
"""
NOTE = """    with open({path!r}, "a") as file:
        file.write({name!r} + "\\n")
"""
HEAD = ["from typing import Annotated", "", "from pivot import Pipeline, loaders, stage", ""]


def _stage(step: Step, folder: Path) -> str:
    """The function that does what the command does."""
    names = list(step.letters())
    noted = "echo" in step.script
    return STAGE.format(
        name=step.name,
        given=", ".join(f"{name}: str" for name in names),
        joined=" + ".join(names),
        cut=".splitlines(True)[0]" if "head" in step.script.split() else "",
        note=NOTE.format(path=str(folder.parent / "ran"), name=step.name) if noted else "",
    )


def _write(work: Work, folder: Path) -> None:
    rows = [*HEAD, *(_stage(step, folder) for step in work.steps), 'with Pipeline("work") as pipeline:']
    read = dict.fromkeys(path for step in work.steps for path in step.inputs if path in work.sources)
    handle = {path: f"source{number}" for number, path in enumerate(read)}
    for path, name in handle.items():
        rows.append(f"    {name} = pipeline.input({name!r}, path={path!r}, format=loaders.Text())")
    for number, step in enumerate(work.steps):
        handle[step.output] = f"made{number}"
        rows.append(f"    made{number} = {step.name}({', '.join(handle[path] for path in step.inputs)})")
    lines(folder / "pipeline.py", rows)


def _arguments(work: Work, slots: int) -> Sequence[str]:
    del work, slots  # said in its settings
    return ("repro",)


def _place(step: Step) -> str:
    return f"data/work/{step.name}.txt"


TOOL = Tool(
    "pivot",
    "pivot==0.5.11",
    "pivot",
    _write,
    _arguments,
    {"wide": (300,), "chain": (50,), "matrix": (10, 100)},
    prepare=(("init",), ("config", "set", "core.max_workers", "2")),
    python="3.13",
    place=_place,
)
