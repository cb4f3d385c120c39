"""The whole page: one file, its own style and script named by digest in the content policy, nothing fetched.

The policy lets nothing in but images from the page itself: `default-src 'none'`, the style and the script by SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from functools import lru_cache
from typing import Dict, List, Tuple

from mlorch.report.graph.colors import PLAIN_TINT, TINTS
from mlorch.report.page import summary
from mlorch.report.page.graph import graph
from mlorch.report.page.html import sentences, text
from mlorch.report.page.model import Page
from mlorch.report.page.pack import Pack
from mlorch.report.page.steps import steps
from mlorch.report.page.timeline import timeline
from mlorch.report.page.words import NEVER, css, glyph, moment

SPACES = re.compile(r"\s*([{};,>])\s*|(?<=:)\s+")
"""Blanks that mean nothing in a style sheet."""
FOLDER = os.path.dirname(os.path.abspath(__file__))


def render(page: Page) -> str:
    """The report as HTML in UTF-8; any text in `page` may be hostile."""
    pack = Pack()
    sections = [
        ("failures", "What failed", summary.failures(page)),
        ("warnings", "Warnings", sentences(page.warnings, "warning")),
        ("metrics", "Metrics", summary.trends(page)),
        ("graph", "Graph", graph(page)),
        ("timeline", "Timeline", timeline(page.attempts, page.run.started)),
        ("steps", "Steps", f'{summary.filters(page)}<div id="list">{steps(page, pack.hold)}</div>'),
        ("surroundings", "Environment", summary.surroundings(page)),
        ("history", "Last runs", summary.history(page)),
        ("notes", "Left out", sentences(page.notes)),
    ]
    shown = [section for section in sections if section[2]]
    style, script = asset("page.css").replace("/*tints*/", tints()), asset("page.js")
    words = {
        "policy": policy(style, script),
        "title": text(summary.title(page)),
        "version": text(page.version),
        "state": css(page.run.status),
        "head": summary.head(page),
        "nav": " ".join(f'<a href="#{name}">{title}</a>' for name, title, _ in shown),
        "sections": "\n".join(_section(*section) for section in shown),
        "foot": f"made by mlorch {text(page.version)}, {moment(page.made)}",
        "noscript": ", and the details of so many steps stay packed" if pack.packed else "",
        "style": style,
        "script": script,
    }
    return pack.fill(filled(asset("page.html"), words))


def _section(name: str, title: str, body: str) -> str:
    return f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>{body}</section>'


def filled(template: str, words: Dict[str, str]) -> str:
    """The template with its words put in, in one pass: what looks like a word inside of one stays text."""
    parts: List[str] = []
    for index, piece in enumerate(template.split("{{")):
        if index:
            name, _, piece = piece.partition("}}")
            parts.append(words[name])
        parts.append(piece)
    return "".join(parts)


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy: what stands here may be shown and executed, and nothing else."""
    return (
        f"default-src 'none'; style-src '{sha256(style)}'; script-src '{sha256(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def sha256(source: str) -> str:
    """What stands in the policy for the content of an element; browsers want SHA-2 there."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode("utf-8")).digest()).decode("ascii")


@lru_cache(maxsize=None)
def asset(name: str) -> str:
    """A file of this folder without the comments and blanks that only its readers need."""
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        lines = [line.strip() for line in file]
    shown = "\n".join(line for line in lines if line and not line.startswith("// "))
    return SPACES.sub(lambda found: found.group(1) or "", shown) if name.endswith(".css") else shown


def tints() -> str:
    """Fills of nodes and bars by outcome, on light and dark pages; and the signs before the lines of the list, which
    a screen reader passes over (the word stands in the line)."""
    light, dark = [], []
    states: List[Tuple[str, str]] = [
        ("plain", "plain"),
        (NEVER, "skipped"),
        *((name, name) for name in TINTS),
    ]
    for state, source in states:
        color = TINTS.get(source, PLAIN_TINT)
        which = f"a.{state}" if state != "succeeded" else "a"
        light.append(
            f"{which} rect{{fill:{color.fill};stroke:{color.line}}}svg {which} text{{fill:{color.text}}}"
        )
        dark.append(f"{which} rect{{fill:{color.dark_fill}}}svg {which} text{{fill:{color.dark_text}}}")
        sign = glyph(state)
        light.append(f'[data-o={state}]>summary::before{{content:"{sign}";content:"{sign}"/""}}')
    return "".join(light) + "@media screen and (prefers-color-scheme:dark){" + "".join(dark) + "}"
