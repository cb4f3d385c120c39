"""DVC: a stage per step in `dvc.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.tool import Tool, lines
from benchmarks.work import Work


def _write(work: Work, folder: Path) -> None:
    rows = ["stages:"]
    for step in work.steps:
        rows += [f"  {step.name}:", f"    cmd: {step.command()}", "    deps:"]
        rows += [f"    - {path}" for path in step.inputs]
        rows += ["    outs:", f"    - {step.output}"]
    lines(folder / "dvc.yaml", rows)


def _arguments(work: Work, slots: int) -> Sequence[str]:
    del work, slots  # it runs one stage at a time
    return ("repro", "-q")


TOOL = Tool(
    "dvc",
    "dvc==3.67.1",
    "dvc",
    _write,
    _arguments,
    {"wide": (300,), "chain": (50,), "matrix": (10, 100)},
    prepare=(("init", "--no-scm", "-q"),),
    env={"DVC_NO_ANALYTICS": "1"},
)
