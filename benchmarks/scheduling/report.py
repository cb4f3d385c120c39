"""The part of the document about the order of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.scheduling.compare import per_trace
from benchmarks.scheduling.policies import ENGINE, POLICIES

INTRODUCTION = """The real hub runs task graphs of real workflows with a virtual clock: a step takes what it took there,
and nothing else takes time. Numbers are makespans over max(critical path, work ÷ slots), which no order can beat and often
none can reach: where a workflow narrows to one step, slots stand idle whoever orders. The order of the engine is the
critical path; times are known from the second run on."""
RESOURCES = """Each step needs cores (as the trace says, else drawn from 1, 1, 1, 2, 2, 4) and memory (as the trace says,
else drawn from ¼ to 4 GiB), at most half of all; there are as many cores as slots and 2 GiB for each. The bound is the
larger of the critical path, core seconds ÷ cores, and memory seconds ÷ memory."""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    from benchmarks.document import table

    return table(head, rows)


def _medians(medians: Mapping[str, Mapping[str, float]], means: Mapping[str, float]) -> list[str]:
    slots = sorted(next(iter(medians.values())), key=int)
    rows = [
        (name, *(f"{medians[name][number]:.3f}" for number in slots), f"{means[name]:.3f}")
        for name in medians
    ]
    return _table(
        ("order (median over the traces)", *(f"{number} slots" for number in slots), "mean of all"), rows
    )


def parts(scheduling: Mapping[str, Any], folder: Path) -> list[str]:
    """Markdown, and a plot in `folder`."""
    traces = scheduling["traces"]
    if not traces:
        return []
    sizes = [trace["steps"] for trace in traces]
    about = f"{len(traces)} graphs of {min(sizes)} to {max(sizes):,} steps."
    found = ["## The order of steps", "", INTRODUCTION, "", about, ""]
    found += [item for note in scheduling["notes"] for item in (f"Left out: {note}.", "")]
    found += _medians(scheduling["medians_slots"], scheduling["means_slots"])
    plots.strips(
        folder / "scheduling.svg",
        "Makespan over its bound, each trace its mean over all numbers of slots",
        "makespan ÷ bound",
        per_trace(traces, "slots"),
    )
    found += ["![Makespan over its bound](benchmarks/scheduling.svg)", ""]
    if scheduling["medians_resources"]:
        found += ["### Cores and memory as two resources", "", RESOURCES, ""]
        found += _medians(scheduling["medians_resources"], scheduling["means_resources"])
    return found + _each(traces)


def _each(traces: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each trace: the order of appearance beside the engine's."""
    first = next(iter(POLICIES))
    slots = sorted({number for trace in traces for number in trace["slots"]}, key=int)
    rows = []
    for trace in traces:
        cells = []
        for number in slots:
            ratios = trace["slots"].get(number)
            cells.append("–" if ratios is None else f"{ratios[first]:.2f} → {ratios[ENGINE]:.2f}")
        rows.append((trace["name"], f"{trace['steps']:,}", *cells))
    head = ("trace", "steps", *(f"{number} slots" for number in slots))
    return [f"### Each graph: {first} → {ENGINE}", "", *_table(head, rows)]
