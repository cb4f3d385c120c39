"""The graph of a run's steps as an SVG whose nodes are links to the steps' details."""

from __future__ import annotations

from typing import Sequence, Tuple

from mlorch.report.graph.layout import Box, Point, lay_out
from mlorch.report.page.html import anchor, cut, text
from mlorch.report.page.limits import DRAWN_STEPS
from mlorch.report.page.model import Page, StepPart
from mlorch.report.page.words import glyph, marked, word, worst
from mlorch.report.style import PLAIN, cells_of, seconds_text

LETTER, SMALL = 7.9, 6.7
HEIGHT = 38.0
MARGIN = 10.0
PADDING = 10.0
LONGEST = 32


def graph(page: Page) -> str:
    """The drawing in a frame that scrolls, or a sentence why there is none."""
    if len(page.steps) > DRAWN_STEPS:
        return (
            f'<p class="note">the graph of {len(page.steps)} steps is not drawn: '
            "nobody could read it; see <code>mlorch graph</code> for a part of it</p>"
        )
    if not page.steps:
        return '<p class="note">this run had no steps</p>'
    if len(page.steps) > 1 and not page.edges:
        return '<p class="note">no step needs another, so there is nothing to draw</p>'
    texts = {step.id: labels(step) for step in page.steps}
    layout = lay_out({name: size(found) for name, found in texts.items()}, page.edges)
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    edges = "".join(curve(layout.paths[edge]) for edge in page.edges)
    nodes = "".join(_node(step, layout.boxes[step.id], texts[step.id]) for step in page.steps)
    return (
        '<div class="tools" hidden><button type="button" data-zoom="1.25">zoom in</button>'
        '<button type="button" data-zoom="0.8">zoom out</button>'
        '<button type="button" data-zoom="0">fit</button></div>'
        '<div class="pan" tabindex="0" role="group" aria-label="graph of the steps; arrow keys scroll, + and - zoom, '
        '0 fits"><div class="sizer">'
        f'<svg class="graph" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="group" '
        'aria-label="steps; arrow keys go from one to the next">'
        f'<g transform="translate({MARGIN:.0f},{MARGIN:.0f})"><path class="edges" d="{edges}"/>'
        f"{nodes}</g></svg></div></div>"
    )


def labels(step: StepPart) -> Tuple[str, str]:
    """`✓ train ×24` and `ran 3.2s`."""
    state = worst(step)
    name = f"{glyph(state)} {cut(PLAIN.clean(step.id), LONGEST)}"
    count = sum(step.outcomes.values())
    if step.matrix and count > 1:
        name += f" ×{count}"
    seconds = sum(item.seconds for item in step.instances)
    mixed = len(step.outcomes) > 1
    told = (
        ", ".join(f"{amount} {word(key)}" for key, amount in step.outcomes.items()) if mixed else word(state)
    )
    return name, f"{told} {seconds_text(seconds)}" if seconds >= 0.05 else told


def size(found: Tuple[str, str]) -> Tuple[float, float]:
    return max(cells_of(found[0]) * LETTER, cells_of(found[1]) * SMALL) + 2 * PADDING, HEIGHT


def _node(step: StepPart, box: Box, found: Tuple[str, str]) -> str:
    """A link around its centre; heights and the places of its two lines are the style's business."""
    return (
        f'<a href="#{anchor(step.id)}" {marked(worst(step))}transform="translate({box.x:.0f},{box.y:.0f})">'
        f'<rect x="{-box.width / 2:.0f}" width="{box.width:.0f}"/>'
        f"<text>{text(found[0])}</text><text>{text(found[1])}</text></a>"
    )


def curve(points: Sequence[Point]) -> str:
    """As in `graph.svg`, in whole units and relative: a report holds hundreds of them."""
    x, y = (round(value) for value in points[0])
    parts = [f"M{x},{y}"]
    for point in points[1:]:
        right, down = round(point[0]) - x, round(point[1]) - y
        parts.append(f"c0,{down // 2} {right},{down // 2} {right},{down}")
        x, y = x + right, y + down
    return "".join(parts)
