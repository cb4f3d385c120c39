"""Every order on every trace and number of slots: makespans against what no order can beat."""

from __future__ import annotations

import hashlib
import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional

from benchmarks.environments import ROOT
from benchmarks.results import Results
from benchmarks.scheduling.policies import ENGINE, POLICIES
from benchmarks.scheduling.simulate import Graph, bound, play
from benchmarks.scheduling.traces import Trace, generated, read_folder

SLOTS = (2, 4, 8, 16, 32, 64)
NEEDY_SLOTS = (8, 32)
"""With cores and memory as two resources: cores, and 2 GiB each."""
LARGE = 400
"""Steps from which fewer numbers of slots are tried."""
FEW_SLOTS = (2, 8, 32)
VERY_LARGE = 2000
ONE_NUMBER = (8,)
ENGINE_FILES = ("hub", "commits", "waiting", "priority", "resources")

Say = Callable[[str], None]


def run(results: Results, folder: Optional[Path], most: int, say: Say) -> bool:
    """Compare on the traces of a folder (default: MLORCH_TRACES) and on generated ones up to a size; False where there
    are none. Results are written after each."""
    named = folder or Path(os.environ.get("MLORCH_TRACES") or os.devnull)
    recipes, problem = generated(most)
    traces = [*read_folder(named), *recipes]

    def save(document: dict[str, Any]) -> None:
        results.scheduling = document
        results.write()

    compare(traces, [problem] if problem else [], say, save)
    return bool(traces)


def engine() -> str:
    """What decides the order, as a digest: results of another are out of date."""
    folder = ROOT / "mlorch" / "engine"
    texts = [(folder / f"{name}.py").read_bytes() for name in ENGINE_FILES]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]


def compare(
    traces: Sequence[Trace], notes: Sequence[str], say: Say, save: Callable[[dict[str, Any]], None]
) -> None:
    """Simulate everything, small graphs first; `save` gets the document after each."""
    document: dict[str, Any] = {"engine": engine(), "notes": list(notes), "traces": []}
    for trace in sorted(traces, key=lambda trace: len(trace.pieces)):
        say(f"{trace.name}: {len(trace.pieces)} steps")
        document["traces"].append(_trace(trace))
        save({**document, **summary(document["traces"])})


def _trace(trace: Trace) -> dict[str, Any]:
    size = len(trace.pieces)
    slots = SLOTS if size < LARGE else FEW_SLOTS if size < VERY_LARGE else ONE_NUMBER
    plain = Graph(trace)
    try:
        found = {str(number): _ratios(plain, number, bound(trace, number)) for number in slots}
    finally:
        plain.close()
    needy: dict[str, dict[str, float]] = {}
    for number in NEEDY_SLOTS if size < LARGE else ():
        needed = trace.with_needs(number)
        graph = Graph(needed, number)
        try:
            needy[str(number)] = _ratios(graph, number, bound(needed, number, resources=True))
        finally:
            graph.close()
    return {"name": trace.name, "steps": len(trace.pieces), "slots": found, "resources": needy}


def _ratios(graph: Graph, slots: int, least: float) -> dict[str, float]:
    """Order -> makespan over the bound."""
    return {
        name: round(play(graph, slots, order, known).now / max(least, 1e-9), 4)
        for name, (order, known) in POLICIES.items()
    }


def summary(traces: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the traces, and the number of the target: the median trace, at the number of slots where it is
    worst."""
    document: dict[str, Any] = {}
    for kind in ("slots", "resources"):
        document["medians_" + kind] = _medians(traces, kind)
        document["means_" + kind] = {
            policy: round(statistics.mean(values), 4)
            for policy, values in per_trace(traces, kind).items()
            if values
        }
    document["median"] = max(document["medians_slots"][ENGINE].values(), default=None)
    return document


def per_trace(traces: Sequence[dict[str, Any]], kind: str) -> dict[str, list[float]]:
    """Order -> for each trace the mean over all numbers of slots."""
    return {
        policy: [
            statistics.mean(ratios[policy] for ratios in trace[kind].values())
            for trace in traces
            if trace[kind]
        ]
        for policy in POLICIES
    }


def _medians(traces: Sequence[dict[str, Any]], kind: str) -> dict[str, dict[str, float]]:
    """Order -> slots -> the median over all traces."""
    found: dict[str, dict[str, float]] = {}
    for policy in POLICIES:
        for slots in dict.fromkeys(number for trace in traces for number in trace[kind]):
            ratios = [trace[kind][slots][policy] for trace in traces if slots in trace[kind]]
            found.setdefault(policy, {})[slots] = round(statistics.median(ratios), 4)
    return found
