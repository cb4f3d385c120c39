"""The graph in Graphviz' DOT language."""

from __future__ import annotations

from mlorch.report.graph.colors import tint
from mlorch.report.graph.view import GraphView, Node
from mlorch.report.style import PLAIN

LONGEST = 1000
"""Cells of a line: Graphviz reads strings of up to 16 KB."""


def draw(view: GraphView) -> str:
    """A `digraph`, for `dot -Tsvg`."""
    ids = {node.id: f"n{index}" for index, node in enumerate(view.nodes)}
    lines = [
        f"digraph {quote(view.name)} {{",
        '  graph [rankdir=TB, charset="UTF-8", bgcolor="transparent"];',
        '  node [shape=box, style="rounded,filled", fontname="monospace", fontsize=11];',
        '  edge [color="#8c959f", arrowsize=0.7];',
    ]
    for node in view.nodes:
        color = tint(node.state)
        look = f'fillcolor="{color.fill}", color="{color.line}", fontcolor="{color.text}"'
        lines.append(f"  {ids[node.id]} [label={quote(_label(node))}, {look}];")
    lines += [f"  {ids[source]} -> {ids[target]};" for source, target in view.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _label(node: Node) -> str:
    glyph = PLAIN.glyph(node.glyph) + " " if node.state else ""
    times = f" ×{node.count}" if node.count > 1 else ""
    return glyph + PLAIN.clean(node.label) + times + (f"\n{node.word}" if node.word else "")


def quote(text: str) -> str:
    """A double-quoted string in which only line breaks are DOT's escapes, and nothing is an HTML entity."""
    lines = [PLAIN.shorten(PLAIN.clean(line), LONGEST) for line in text.split("\n")]
    escaped = "\n".join(lines).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return '"' + escaped.replace("\n", "\\n") + '"'
