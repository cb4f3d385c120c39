"""The tools of the comparison, in the order of the tables."""

from __future__ import annotations

from benchmarks.peers import doit, dvc, floor, luigi, make, mlorch, ninja, pivot, redun, snakemake
from benchmarks.peers.tool import Tool

TOOLS: tuple[Tool, ...] = (
    mlorch.TOOL,
    mlorch.BASH,
    floor.TOOL,
    floor.BASH,
    floor.LEAST,
    floor.LEAST_BASH,
    ninja.TOOL,
    make.TOOL,
    doit.TOOL,
    luigi.TOOL,
    snakemake.TOOL,
    redun.TOOL,
    dvc.TOOL,
    pivot.TOOL,
)
BY_NAME = {tool.name: tool for tool in TOOLS}
