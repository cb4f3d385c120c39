"""mlorch itself, with `sh` (as ninja and make use) and with its default, bash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.peers.tool import Tool, lines
from benchmarks.work import Step, Work

EVERY = {
    "wide": (300, 1000, 10_000),
    "layered": (1000,),
    "chain": (50, 200),
    "diamond": (1000,),
    "matrix": (10, 100, 1000, 10_000, 50_000, 100_000),
}


def _script(step: Step) -> str:
    inputs = " ".join(f"${{{{ inputs.{letter} }}}}" for letter in step.letters())
    return step.script.format(inputs=inputs, output="${{ outputs.o }}")


def step_rows(name: str, inputs: dict[str, str], output: str, script: str) -> list[str]:
    """A step as YAML."""
    given = ", ".join(f"{letter}: {path}" for letter, path in inputs.items())
    return [
        f"  {name}:",
        f"    inputs: {{{given}}}",
        f"    outputs: {{o: {output}}}",
        f"    run: {script}",
    ]


def pipeline(work: Work) -> list[str]:
    """The pipeline file."""
    rows = ["version: 1", f"name: {work.name}", "defaults:", f"  shell: {work.shell}"]
    if work.matrix:
        step = Step("copy", ("in/${{ matrix.n }}",), "out/${{ matrix.n }}")
        axis = ["    matrix:", f"      n: ${{{{ range({work.matrix}) }}}}"]
        body = step_rows(step.name, {"a": '"in/${{ matrix.n }}"'}, '"out/${{ matrix.n }}"', _script(step))
        return [*rows, "steps:", body[0], *axis, *body[1:]]
    rows.append("steps:")
    for step in work.steps:
        rows += step_rows(step.name, step.letters(), step.output, _script(step))
    return rows


def _write(work: Work, folder: Path) -> None:
    lines(folder / "mlorch.toml", [])
    lines(folder / "mlorch.yaml", pipeline(work))


def _write_bash(work: Work, folder: Path) -> None:
    _write(replace(work, shell="bash"), folder)


def _arguments(work: Work, slots: int) -> Sequence[str]:
    del work
    return ("run", f"-j{slots}")


TOOL = Tool("mlorch", ".", "mlorch", _write, _arguments, EVERY)
BASH = replace(
    TOOL,
    name="mlorch (bash)",
    write=_write_bash,
    sizes={"wide": (1000,), "layered": (1000,)},
    phases=("cold",),
    answers=False,
)
