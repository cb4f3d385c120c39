"""`xargs`: what it costs to start as many shells, with nothing remembered and nothing checked; and `floor`: the least that the
same costs in Python with mlorch's promises (see `benchmarks/floor.py`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.peers.tool import Tool, lines
from benchmarks.work import Work


def _write(work: Work, folder: Path) -> None:
    # one line of words per layer: what one layer needs was made by the one before
    layers: dict[int, list[str]] = {}
    depth: dict[str, int] = {}
    for step in work.steps:
        layer = max((depth.get(path, 0) for path in step.inputs), default=0)
        depth[step.output] = layer + 1
        layers.setdefault(layer, []).append(step.command())
    commands = []
    for layer, texts in sorted(layers.items()):
        (folder / f"layer{layer}").write_bytes(b"".join(text.encode() + b"\0" for text in texts))
        commands.append(f'xargs -0 -P"$1" -n1 -a layer{layer} "$2" -c || exit 1')
    lines(folder / "floor.sh", commands)


def _arguments(work: Work, slots: int) -> Sequence[str]:
    del work
    return ("floor.sh", str(slots), "sh")


def _bash(work: Work, slots: int) -> Sequence[str]:
    return (*_arguments(work, slots)[:2], "bash")


def _write_plan(work: Work, folder: Path) -> None:
    plan = [(step.name, step.inputs, step.output, step.command()) for step in work.steps]
    (folder / "plan.json").write_text(json.dumps(plan))


def _least(work: Work, slots: int, shell: str = "/bin/sh") -> Sequence[str]:
    del work
    return (str(Path(__file__).parent.parent / "floor.py"), "plan.json", str(slots), shell)


def _least_bash(work: Work, slots: int) -> Sequence[str]:
    return _least(work, slots, "/bin/bash")


SIZES = {"wide": (1000,), "layered": (1000,), "chain": (200,), "matrix": (10, 100, 1000, 10_000)}
TOOL = Tool(
    "xargs",
    "",
    "sh",
    _write,
    _arguments,
    SIZES,
    phases=("cold",),
    version=("-c", "xargs --version"),
    answers=False,
)
BASH = replace(TOOL, name="xargs (bash)", arguments=_bash, sizes={"wide": (1000,), "layered": (1000,)})
LEAST = Tool(
    "floor",
    "blake3==1.0.11",
    "python",
    _write_plan,
    _least,
    SIZES,
    phases=("cold",),
    answers=False,
)
LEAST_BASH = replace(LEAST, name="floor (bash)", arguments=_least_bash, sizes=BASH.sizes)
