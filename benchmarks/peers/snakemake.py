"""Snakemake: one rule with a wildcard, whose input is looked up; the rules of other commands one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.tool import Tool, lines, python_table
from benchmarks.work import CAT, Work

COPY = """
INPUTS = {output: inputs for _, inputs, output, _ in STEPS}

rule all:
    input: %r

rule copy:
    input: lambda wildcards: INPUTS["out/" + wildcards.n]
    output: "out/{n}"
    shell: "cat {input} > {output}"
"""


def _write(work: Work, folder: Path) -> None:
    targets = [step.output for step in work.last]
    if all(step.script == CAT for step in work.steps):
        lines(folder / "Snakefile", [*python_table(work), COPY % targets])
        return
    rows = ["rule all:", f"    input: {targets!r}", ""]
    for step in work.steps:
        command = step.command().replace("{", "{{").replace("}", "}}")
        rows += [f"rule {step.name}:", f"    input: {list(step.inputs)!r}", f"    output: {step.output!r}"]
        rows += [f"    shell: {command!r}", ""]
    lines(folder / "Snakefile", rows)


def _arguments(work: Work, slots: int) -> Sequence[str]:
    del work
    return ("--cores", str(slots), "--quiet", "all")


SIZES = {"wide": (1000,), "layered": (1000,), "chain": (200,), "matrix": (10, 100)}
TOOL = Tool("snakemake", "snakemake==9.27.1", "snakemake", _write, _arguments, SIZES)
