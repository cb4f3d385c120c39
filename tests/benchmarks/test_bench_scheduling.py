"""The order of steps: the real hub with a virtual clock over graphs that are made here."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scheduling import compare
from benchmarks.scheduling.policies import ENGINE, POLICIES, as_it_comes, by_mlorch, exactly, nothing
from benchmarks.scheduling.simulate import Clock, Graph, bound, play
from benchmarks.scheduling.traces import GIB, Piece, Trace, forked, from_document, random_layers, read_folder

TRACES = [
    *(forked(seed, chains=8, depth=5) for seed in (1, 2, 3)),
    *(random_layers(seed, width=8, layers=5) for seed in (4, 5, 6)),
]
SLOTS = (2, 4)


def most_at_once(clock: Clock, weight: dict[str, float]) -> float:
    """The largest sum of weights of what ran at one moment. What ends makes room for what begins then."""
    moments = [(end, 0, -weight[name]) for name, end in clock.ended.items()]
    moments += [(start, 1, weight[name]) for name, start in clock.started.items()]
    running, most = 0.0, 0.0
    for _, _, change in sorted(moments):
        running += change
        most = max(most, running)
    return most


@pytest.fixture(scope="module")
def ratios() -> dict[str, list[float]]:
    """Order -> makespan over the bound, of each trace with each number of slots."""
    found: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    for trace in TRACES:
        graph = Graph(trace)
        for slots in SLOTS:
            least = bound(trace, slots)
            for policy, (order, known) in POLICIES.items():
                found[policy].append(play(graph, slots, order, known).now / least)
        graph.close()
    return found


def test_no_order_beats_the_bound(ratios: dict[str, list[float]]) -> None:
    assert all(ratio >= 1 - 1e-9 for found in ratios.values() for ratio in found)


def test_the_engine_is_near_the_bound_and_best(ratios: dict[str, list[float]]) -> None:
    assert statistics.median(ratios[ENGINE]) <= 1.05
    mine = statistics.mean(ratios[ENGINE])
    others = {policy: statistics.mean(found) for policy, found in ratios.items()}
    assert mine == min(others.values()), others
    # an order that is no order would not be seen by a median near 1
    assert others["order of appearance"] > mine + 0.02


def test_the_longest_chain_begins_first() -> None:
    pieces = [Piece(f"short{number}", 3.0) for number in range(4)]
    pieces += [Piece("long0", 3.0), Piece("long1", 3.0, ("long0",)), Piece("long2", 3.0, ("long1",))]
    graph = Graph(Trace("chains", tuple(pieces)))
    assert play(graph, 2, as_it_comes, exactly).now == 15.0
    for known in (exactly, nothing):
        clock = play(graph, 2, by_mlorch, known)
        assert clock.now == 12.0 and clock.started[graph.names["long0"]] == 0.0
    graph.close()


def test_among_equal_chains_who_frees_more_begins_first() -> None:
    pieces = [Piece("a", 1.0), Piece("after_a", 1.0, ("a",)), Piece("b", 1.0)]
    pieces += [Piece(f"after_b{number}", 1.0, ("b",)) for number in range(3)]
    graph = Graph(Trace("tie", tuple(pieces)))
    clock = play(graph, 1, by_mlorch, nothing)
    assert clock.started[graph.names["b"]] == 0.0
    graph.close()


def test_slots_and_resources_are_never_exceeded() -> None:
    slots = 8
    trace = random_layers(7, width=12, layers=4)
    needy = trace.with_needs(slots)
    graph = Graph(needy, slots)
    clock = play(graph, slots, by_mlorch, exactly)
    named = {graph.names[piece.id]: piece for piece in needy.pieces}
    assert most_at_once(clock, {name: float(piece.cores) for name, piece in named.items()}) <= slots
    assert (
        most_at_once(clock, {name: float(piece.memory) for name, piece in named.items()}) <= slots * 2 * GIB
    )
    assert most_at_once(clock, dict.fromkeys(named, 1.0)) <= slots
    assert clock.now >= bound(needy, slots, resources=True)
    graph.close()


def test_no_slot_idles_while_something_could_run() -> None:
    trace = forked(9, chains=6, depth=4)
    graph = Graph(trace)
    clock = play(graph, 2, by_mlorch, exactly)
    parents = {graph.names[piece.id]: [graph.names[name] for name in piece.parents] for piece in trace.pieces}
    for name, start in clock.started.items():
        ready = max((clock.ended[parent] for parent in parents[name]), default=0.0)
        busy = [other for other in clock.started if clock.started[other] <= ready < clock.ended[other]]
        assert start == ready or len(busy) >= 2, name
    graph.close()


def test_a_summary_has_every_order_and_the_number_of_the_target(tmp_path: Path) -> None:
    documents: list[dict[str, Any]] = []
    compare.compare(TRACES[:1], ["a note"], lambda _: None, documents.append)
    (document,) = documents
    assert set(document["medians_slots"]) == set(POLICIES) and document["engine"] == compare.engine()
    assert document["median"] == max(document["medians_slots"][ENGINE].values())
    pytest.importorskip("matplotlib", reason="plots need the examples extra")
    from benchmarks.scheduling import report

    text = "\n".join(report.parts(document, tmp_path))
    assert (tmp_path / "scheduling.svg").exists() and "Left out: a note." in text and TRACES[0].name in text


def test_wfformat_and_its_shorter_form_are_read(tmp_path: Path) -> None:
    both = [{"id": "a", "parents": []}, {"id": "b", "parents": ["a"]}]
    ran = [
        {"id": "a", "runtimeInSeconds": 2.5, "coreCount": 2, "memoryInBytes": 10},
        {"id": "b", "runtimeInSeconds": 1},
    ]
    workflow = {"specification": {"tasks": both}, "execution": {"tasks": ran}}
    expected = (Piece("a", 2.5, (), 2, 10), Piece("b", 1.0, ("a",)))
    assert from_document({"name": "w", "workflow": workflow}).pieces == expected
    older = [{**one, **two, "name": one["id"]} for one, two in zip(both, ran)]
    assert from_document({"name": "w", "workflow": {"tasks": older}}).pieces == expected
    short = (
        '{"name": "w", "tasks": [{"id": "a", "seconds": 1, "cores": null, "memory": null, "parents": []}]}'
    )
    (tmp_path / "w.json").write_text(short)
    assert read_folder(tmp_path) == [Trace("w", (Piece("a", 1.0),))]
