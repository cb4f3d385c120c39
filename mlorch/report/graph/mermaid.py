"""The graph as a Mermaid flowchart."""

from __future__ import annotations

from typing import Dict, List

from mlorch.report.graph.colors import TINTS, tint
from mlorch.report.graph.view import GraphView, Node
from mlorch.report.style import PLAIN

ENTITIES: Dict[str, str] = {char: f"#{ord(char)};" for char in '"#&<>`;\\{}[]()|%'}
"""Mermaid's own way to write a character; all that means something to it, to Markdown or to HTML."""


def draw(view: GraphView) -> str:
    """A `flowchart`, to be put into a Markdown fence or given to Mermaid."""
    ids = {node.id: f"n{index}" for index, node in enumerate(view.nodes)}
    lines = ["flowchart TD"]
    for node in view.nodes:
        marked = f":::{node.state}" if node.state in TINTS else ""
        lines.append(f'    {ids[node.id]}["{_label(node)}"]{marked}')
    lines += [f"    {ids[source]} --> {ids[target]}" for source, target in view.edges]
    return "\n".join([*lines, *_classes(view)]) + "\n"


def _label(node: Node) -> str:
    glyph = PLAIN.glyph(node.glyph) + " " if node.state else ""
    times = f" ×{node.count}" if node.count > 1 else ""
    text = glyph + escape(node.label) + times
    return text + (f"<br>{escape(node.word)}" if node.word else "")


def escape(text: str) -> str:
    return "".join(ENTITIES.get(char, char) for char in PLAIN.clean(text))


def _classes(view: GraphView) -> List[str]:
    lines = []
    for state in dict.fromkeys(node.state for node in view.nodes if node.state in TINTS):
        color = tint(state)
        lines.append(f"    classDef {state} fill:{color.fill},stroke:{color.line},color:{color.text}")
    return lines
