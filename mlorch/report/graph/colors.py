"""Colours of states, for light and dark pages. Each state also has a glyph and a word."""

from __future__ import annotations

from typing import Dict, NamedTuple


class Tint(NamedTuple):
    """Fill, border and text on a light page; fill and text on a dark one."""

    fill: str
    line: str
    text: str
    dark_fill: str
    dark_text: str


PLAIN_TINT = Tint("#f6f8fa", "#8c959f", "#1f2328", "#21262d", "#e6edf3")

TINTS: Dict[str, Tint] = {
    "succeeded": Tint("#dafbe1", "#1a7f37", "#0f3d1c", "#12361f", "#aff5b4"),
    "cached": Tint("#f6f8fa", "#6e7781", "#1f2328", "#21262d", "#e6edf3"),
    "run": Tint("#ddf4ff", "#0969da", "#0a3069", "#0c2d4f", "#cae8ff"),
    "running": Tint("#ddf4ff", "#0969da", "#0a3069", "#0c2d4f", "#cae8ff"),
    "maybe": Tint("#fff8c5", "#9a6700", "#4d2d00", "#3b2d0b", "#f8e3a1"),
    "failed": Tint("#ffebe9", "#cf222e", "#660018", "#4b1113", "#ffc1ba"),
    "blocked": Tint("#fff1e5", "#bc4c00", "#5c2300", "#42200a", "#ffd8b5"),
    "cancelled": Tint("#fbefff", "#8250df", "#3e1f79", "#2f1c54", "#e2c5ff"),
    "skipped": Tint("#ffffff", "#8c959f", "#57606a", "#161b22", "#9198a1"),
}


def tint(state: str) -> Tint:
    return TINTS.get(state, PLAIN_TINT)
