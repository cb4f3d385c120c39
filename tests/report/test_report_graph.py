"""Drawings read back: each edge of a graph, and no other, is found again in what was drawn."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import Dict, List, Set, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_fakes import make_decision, make_plan, make_view

from mlorch.report.graph import (
    GraphView,
    Node,
    draw_ascii,
    draw_dot,
    draw_mermaid,
    draw_svg,
    graph_document,
    view,
)
from mlorch.report.graph.layout import lay_out
from mlorch.report.graph.view import _sorted

Edge = Tuple[str, str]

NASTY = [
    'a"]; evil [label="x',
    "</text><script>alert(1)</script>",
    "&lt;b&gt;",
    'click n0 "javascript:alert(1)"',
    "a\\",
    'a\\"b\nc',
    "#quot;",
    "end\x1b[31m\x00\udcff",
    "`x` %% comment ]]>",
    "漢字 é \u202e",
]


@st.composite
def graphs(draw: st.DrawFn) -> GraphView:
    """Acyclic graphs of up to 14 nodes, some dense, some with many parents."""
    count = draw(st.integers(1, 14))
    names = [f"s{index}" for index in range(count)]
    pairs = [(a, b) for j, b in enumerate(names) for a in names[:j]]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=40)) if pairs else []
    nodes = tuple(Node(name, name) for name in names)
    return GraphView("any", _sorted(nodes, edges), tuple(edges))


def traced(text: str, names: Set[str]) -> Set[Edge]:
    """Follow every line of a drawing downwards, as an eye would: never up, and through whatever hides it."""
    rows = text.splitlines()
    place: Dict[Tuple[int, int], str] = {}
    lanes: List[str] = []
    for number, row in enumerate(rows):
        found = re.search(r"·(?P<rest>[ │]*)  (?P<name>\S+)$", row)
        if found and found.group("name") in names:
            place[(number, row.index("·"))] = found.group("name")
            row = row[: found.start("rest")] + found.group("rest")
        lanes.append(row)
    edges: Set[Edge] = set()
    for (number, column), name in place.items():
        for target in reached(lanes, place, number + 1, column):
            edges.add((name, target))
    return edges


def reached(lanes: List[str], place: Dict[Tuple[int, int], str], row: int, column: int) -> Set[str]:
    """Nodes that a line coming from above into this cell leads to."""
    found: Set[str] = set()
    while row < len(lanes):
        here = lanes[row][column] if column < len(lanes[row]) else " "
        if (row, column) in place:
            found.add(place[(row, column)])
            return found
        if here == " ":
            return found
        if here in "├":
            for end in ends(lanes[row], column, 1):
                found |= reached(lanes, place, row + 1, end)
        if here in "╯┴":
            for end in ends(lanes[row], column, -1):
                found |= reached(lanes, place, row + 1, end)
            return found
        row += 1
    return found


def ends(row: str, column: int, step: int) -> List[int]:
    """Columns in which a horizontal line from here turns down."""
    found = []
    column += step
    while 0 <= column < len(row) and row[column] in "─┬┴╮╯├":
        if row[column] in "┬╮├":
            found.append(column)
        if row[column] in "╮╯├":
            break
        column += step
    return found


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_every_edge_of_lanes_can_be_followed(graph: GraphView) -> None:
    assert traced(draw_ascii(graph), {node.id for node in graph.nodes}) == set(graph.edges)


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_view_keeps_upstream_first(graph: GraphView) -> None:
    order = {node.id: index for index, node in enumerate(graph.nodes)}
    assert all(order[source] < order[target] for source, target in graph.edges)
    assert len(order) == len(graph.nodes)


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_boxes_never_overlap_and_edges_go_down(graph: GraphView) -> None:
    sizes = {node.id: (40.0 + 10 * index, 28.0) for index, node in enumerate(graph.nodes)}
    layout = lay_out(sizes, graph.edges)
    boxes = list(layout.boxes.values())
    for index, one in enumerate(boxes):
        assert one.x - one.width / 2 >= -0.01
        assert one.x + one.width / 2 <= layout.width + 0.01
        for other in boxes[index + 1 :]:
            apart_x = abs(one.x - other.x) >= (one.width + other.width) / 2
            apart_y = abs(one.y - other.y) >= (one.height + other.height) / 2
            assert apart_x or apart_y
    for edge in graph.edges:
        heights = [y for _, y in layout.paths[edge]]
        assert heights == sorted(heights)
        assert heights[0] < heights[-1]


def layered(width: int, layers: int) -> GraphView:
    """Each node needs two of the layer above."""
    names = [f"s{layer}_{index}" for layer in range(layers) for index in range(width)]
    edges = [
        (f"s{layer - 1}_{(index + shift) % width}", f"s{layer}_{index}")
        for layer in range(1, layers)
        for index in range(width)
        for shift in (0, 1)
    ]
    return GraphView("big", _sorted([Node(name, name) for name in names], edges), tuple(edges))


def test_300_steps_are_drawn_whole() -> None:
    graph = layered(30, 10)
    names = {node.id for node in graph.nodes}
    assert traced(draw_ascii(graph), names) == set(graph.edges)
    svg = draw_svg(graph)
    assert svg.count('class="node') == 300
    assert svg.count('class="edge"') == len(graph.edges)
    assert draw_mermaid(graph).count("-->") == len(graph.edges)
    assert draw_dot(graph).count("->") == len(graph.edges)
    assert len(graph_document(graph)["nodes"]) == 300


def test_10000_instances_are_one_node() -> None:
    names = [f"train@{index}" for index in range(10_000)]
    one = make_decision("train@0", "maybe")
    instances = [replace(one.instance, name=name) for name in names]
    decisions = [make_decision("load", "run"), *(replace(one, instance=item) for item in instances)]
    graph = view(make_plan(decisions, dict.fromkeys(names, ("load",))))
    assert [(node.label, node.count) for node in graph.nodes] == [("load", 1), ("train", 10_000)]
    assert graph.edges == (("load", "train"),)
    assert "train ×10000" in draw_ascii(graph)
    assert len(view(make_plan(decisions, {}), grouped=False).nodes) == 10_001


def test_states_of_a_run_take_the_place_of_actions() -> None:
    decisions = [make_decision("a", "run"), make_decision("b@1", "run"), make_decision("b@2", "run")]
    graph = view(make_plan(decisions), states={"a": "succeeded", "b@1": "failed", "b@2": "succeeded"})
    assert [(node.state, node.word) for node in graph.nodes] == [
        ("succeeded", "ran"),
        ("failed", "1 failed, 1 ran"),
    ]


# ---------------------------------------------------------------------------------------------- injection


def nasty_view() -> GraphView:
    nodes = tuple(Node(f"id{index}", text, state=text, group=text) for index, text in enumerate(NASTY))
    edges = tuple((f"id{index}", f"id{index + 1}") for index in range(len(NASTY) - 1))
    return GraphView(NASTY[0], nodes, edges)


def test_svg_holds_only_its_own_elements() -> None:
    root = ElementTree.fromstring(draw_svg(nasty_view()))
    tags = {element.tag.split("}")[1] for element in root.iter()}
    assert tags == {"svg", "title", "style", "defs", "marker", "path", "g", "rect", "text"}
    names = {name for element in root.iter() for name in element.attrib}
    assert not any(name.startswith("on") or "href" in name for name in names)
    shown = [element.text for element in root.iter() if element.tag.endswith("}title")]
    assert shown[2] == NASTY[1]
    assert "url(#tip)" in draw_svg(nasty_view())
    assert draw_svg(nasty_view()).count("url(") == 1


def test_mermaid_lines_are_its_own() -> None:
    lines = draw_mermaid(nasty_view()).splitlines()
    label = r"(?:[^\"#&<>`;\\{}\[\]()|%]|#\d+;|<br>)*"
    ours = re.compile(rf'flowchart TD|    n\d+\["{label}"\]|    n\d+ --> n\d+')
    assert [line for line in lines if not ours.fullmatch(line)] == []
    assert len(lines) == 1 + len(NASTY) + len(NASTY) - 1


def test_dot_strings_end_where_they_should() -> None:
    lines = draw_dot(nasty_view()).splitlines()
    string = r'"(?:[^"\\]|\\.)*"'
    ours = re.compile(
        rf"digraph {string} \{{|\}}|  (?:graph|node|edge) \[.*\];|  n\d+ -> n\d+;"
        rf"|  n\d+ \[label={string}, fillcolor={string}, color={string}, fontcolor={string}\];"
    )
    assert [line for line in lines if not ours.fullmatch(line)] == []


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz' dot is not installed")
def test_dot_reads_it_and_shows_the_labels() -> None:
    done = subprocess.run(
        ["dot", "-Tsvg"],
        input=draw_dot(nasty_view()).encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    root = ElementTree.fromstring(done.stdout)
    texts = {element.text for element in root.iter() if element.tag.endswith("}text")}
    assert f"· {NASTY[0]}" in texts or NASTY[0] in {(text or "")[2:] for text in texts}
    assert any("&lt;b&gt;" in (text or "") for text in texts)


def test_lanes_show_no_escape() -> None:
    text = draw_ascii(nasty_view())
    assert "\x1b" not in text
    assert "\x00" not in text
    assert len(text.splitlines()) == len(NASTY)


def test_an_empty_graph() -> None:
    graph = make_view([])
    assert draw_ascii(graph) == ""
    ElementTree.fromstring(draw_svg(graph))
    assert draw_mermaid(graph) == "flowchart TD\n"
