"""The graph of a run's steps as an SVG whose nodes are links to the steps' details."""

from __future__ import annotations

from typing import Tuple

from mlorch.report.graph.layout import Box, lay_out
from mlorch.report.graph.svg import curve
from mlorch.report.graph.svg import units as n
from mlorch.report.page.html import anchor, cut, text
from mlorch.report.page.limits import DRAWN_STEPS
from mlorch.report.page.model import Page, StepPart
from mlorch.report.page.words import css, glyph, word, worst
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
    edges = "".join(f'<path d="{curve(layout.paths[edge])}"/>' for edge in page.edges)
    nodes = "".join(
        _node(step, layout.boxes[step.id], texts[step.id], index == 0)
        for index, step in enumerate(page.steps)
    )
    return (
        '<div class="tools" hidden><button type="button" data-zoom="1.25">zoom in</button>'
        '<button type="button" data-zoom="0.8">zoom out</button>'
        '<button type="button" data-zoom="0">fit</button></div>'
        '<div class="pan" tabindex="0" role="group" aria-label="graph of the steps; arrow keys scroll, + and - zoom, '
        '0 fits"><div class="sizer">'
        f'<svg class="graph" width="{n(width)}" height="{n(height)}" '
        f'viewBox="0 0 {n(width)} {n(height)}" role="group" '
        'aria-label="steps; arrow keys go from one to the next">'
        f'<g transform="translate({n(MARGIN)},{n(MARGIN)})"><g class="edges" aria-hidden="true">{edges}</g>'
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


def _node(step: StepPart, box: Box, found: Tuple[str, str], first: bool) -> str:
    x, y, middle = box.x - box.width / 2, box.y - box.height / 2, box.width / 2
    return (
        f'<a href="#{anchor(step.id)}" class="o {css(worst(step))}" tabindex="{0 if first else -1}" '
        f'transform="translate({n(x)},{n(y)})"><rect width="{n(box.width)}" height="{n(HEIGHT)}"/>'
        f'<text x="{n(middle)}" y="16">{text(found[0])}</text>'
        f'<text x="{n(middle)}" y="30" class="s">{text(found[1])}</text></a>'
    )
