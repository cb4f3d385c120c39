"""The graph as one SVG: no script, no font or file from elsewhere, readable on light and dark pages."""

from __future__ import annotations

from html import escape
from typing import List, Sequence, Tuple

from mlorch.report.graph.colors import PLAIN_TINT, TINTS
from mlorch.report.graph.layout import Box, Point, lay_out
from mlorch.report.graph.view import GraphView, Node
from mlorch.report.style import PLAIN, cells_of, seconds_text

LETTER = 7.9
"""Width of a letter at 13px in a monospaced font."""
SMALL_LETTER = 6.7
PADDING = 12.0
HEIGHT = 28.0
TALL = 44.0
MARGIN = 16.0
LONGEST = 40

FONT = "ui-monospace,'DejaVu Sans Mono','Liberation Mono',Menlo,Consolas,monospace"


def draw(view: GraphView) -> str:
    """A whole SVG document."""
    texts = {node.id: _texts(node) for node in view.nodes}
    layout = lay_out({node.id: _size(texts[node.id]) for node in view.nodes}, view.edges)
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {units(width)} {units(height)}" '
        f'width="{units(width)}" height="{units(height)}" role="img" aria-label={_attribute(view.name)}>',
        f"<title>{_text(view.name)}</title>",
        f"<style>{_sheet(view)}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path class="tip" d="M0,0.5L8,4L0,7.5z"/></marker></defs>',
        f'<g transform="translate({units(MARGIN)},{units(MARGIN)})">',
    ]
    lines += [f'<path class="edge" d="{curve(layout.paths[edge])}"/>' for edge in view.edges]
    for node in view.nodes:
        lines += _node(node, layout.boxes[node.id], texts[node.id])
    return "\n".join([*lines, "</g>", "</svg>"]) + "\n"


def _texts(node: Node) -> Tuple[str, str]:
    """The label with its glyph and count, and the smaller line below it."""
    glyph = PLAIN.glyph(node.glyph) + " " if node.state else ""
    times = f" ×{node.count}" if node.count > 1 else ""
    name = glyph + PLAIN.shorten(PLAIN.clean(node.label), LONGEST) + times
    took = seconds_text(node.seconds) if node.seconds is not None and node.seconds >= 0.05 else ""
    return name, " ".join(part for part in (node.word, took) if part)


def _size(texts: Tuple[str, str]) -> Tuple[float, float]:
    width = max(cells_of(texts[0]) * LETTER, cells_of(texts[1]) * SMALL_LETTER) + 2 * PADDING
    return width, TALL if texts[1] else HEIGHT


def _node(node: Node, box: Box, texts: Tuple[str, str]) -> List[str]:
    kind = node.state if node.state in TINTS else "plain"
    x, y = box.x - box.width / 2, box.y - box.height / 2
    first = box.y - (4 if texts[1] else -4.5)
    lines = [
        f'<g class="node {kind}"><title>{_text(node.label)}</title>',
        f'<rect x="{units(x)}" y="{units(y)}" width="{units(box.width)}" height="{units(box.height)}" rx="6"/>',
    ]
    if node.count > 1:
        # A second edge behind the box says, without words, that there are several.
        far, low = x + box.width, y + box.height
        right, below = units(far + 3), units(low + 3)
        lines.append(
            f'<path d="M{units(x + 6)},{below}H{units(far - 3)}Q{right},{below} '
            f'{right},{units(low - 3)}V{units(y + 6)}"/>'
        )
    lines.append(f'<text x="{units(box.x)}" y="{units(first)}">{_text(texts[0])}</text>')
    if texts[1]:
        lines.append(
            f'<text class="small" x="{units(box.x)}" y="{units(box.y + 13)}">{_text(texts[1])}</text>'
        )
    return [*lines, "</g>"]


def curve(points: Sequence[Point]) -> str:
    """Vertical at both ends of each piece, so that pieces meet without a corner."""
    (x, y), rest = points[0], points[1:]
    parts = [f"M{units(x)},{units(y)}"]
    for to_x, to_y in rest:
        middle = (y + to_y) / 2
        parts.append(f"C{units(x)},{units(middle)} {units(to_x)},{units(middle)} {units(to_x)},{units(to_y)}")
        x, y = to_x, to_y
    return "".join(parts)


def _sheet(view: GraphView) -> str:
    used = {node.state for node in view.nodes}
    light = [
        f"text{{font:13px {FONT};text-anchor:middle}}",
        ".small{font-size:11px}",
        ".edge{fill:none;stroke:#8c959f;stroke-width:1.3;marker-end:url(#tip)}",
        ".tip{fill:#8c959f}",
        "rect,.node path{stroke-width:1.3}.node path{fill:none}.skipped rect{stroke-dasharray:4 3}",
        ".maybe rect{stroke-dasharray:6 3}.failed rect{stroke-width:2.2}",
    ]
    dark = []
    for state, color in [("plain", PLAIN_TINT), *TINTS.items()]:
        if state in used or state == "plain":
            light.append(
                f".{state} rect{{fill:{color.fill}}}.{state} rect,.{state} path{{stroke:{color.line}}}"
            )
            light.append(f".{state} text{{fill:{color.text}}}")
            dark.append(f".{state} rect{{fill:{color.dark_fill}}}.{state} text{{fill:{color.dark_text}}}")
    return "".join(light) + "@media(prefers-color-scheme:dark){" + "".join(dark) + "}"


def _text(text: str) -> str:
    return escape(PLAIN.clean(text), quote=False)


def _attribute(text: str) -> str:
    return f'"{escape(PLAIN.clean(text))}"'


def units(value: float) -> str:
    """A units with at most one decimal."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text
