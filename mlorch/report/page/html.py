"""The one way from a text into HTML. Whoever writes a tag in this room passes every foreign text through here."""

from __future__ import annotations

import re
from html import escape
from typing import Iterable, Mapping, Sequence

from mlorch.digest import digest_value
from mlorch.model import Value
from mlorch.report.reasons import value_text
from mlorch.report.style import ESCAPES, PLAIN, number_text

LONGEST = 400
LONGEST_NAME = 120
ID = re.compile(r"[^A-Za-z0-9_.@=-]")


def text(value: str, longest: int = LONGEST) -> str:
    """Foreign text on one line: sequences out, what can't be seen written as an escape, cut, then escaped.

    Attributes stand in double quotes in this room, so an apostrophe is no danger."""
    return escape(cut(PLAIN.clean(value[: 8 * longest]), longest), quote=False).replace('"', "&quot;")


def cut(value: str, longest: int) -> str:
    return value if len(value) <= longest else value[: longest - 1] + "…"


def lines(value: Iterable[str], longest: int = LONGEST) -> str:
    """Foreign lines for a `<pre>`: as `text`, but tabs stay, and a progress bar leaves its last state."""
    shown = []
    for line in value:
        last = ESCAPES.sub("", line.rstrip("\r\n")).rsplit("\r", 1)[-1]
        shown.append("\t".join(text(part, longest) for part in last.split("\t")))
    return "\n".join(shown)


def anchor(name: str) -> str:
    """The id of an instance's (or step's) place in the page: readable, and another one for every other name."""
    if len(name) > LONGEST_NAME:
        name = f"{name[:LONGEST_NAME]}~{digest_value('anchor/1', name)[-16:]}"
    return "s-" + ID.sub(lambda found: f"~{ord(found.group()):x}~", name)


def link(name: str, label: str = "") -> str:
    return f'<a href="#{anchor(name)}">{text(label or name)}</a>'


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = (), name: str = ""
) -> str:
    """A table of cells that are HTML already; columns in `right` hold numbers. A wide one scrolls by itself."""
    marks = [' class="n"' if index in right else "" for index in range(len(head))]
    top = "".join(f'<th scope="col"{mark}>{text(cell)}</th>' for cell, mark in zip(head, marks))
    body = "".join(
        "<tr>" + "".join(f"<td{mark}>{cell}</td>" for cell, mark in zip(row, marks)) + "</tr>" for row in rows
    )
    label = text(name or ", ".join(head), 80)
    return (
        f'<div class="wide" tabindex="0" role="group" aria-label="{label}">'
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def facts(rows: Mapping[str, str]) -> str:
    """A list of terms with values that are HTML already; without a value no row."""
    shown = "".join(f"<dt>{text(name)}</dt><dd>{value}</dd>" for name, value in rows.items() if value)
    return f"<dl>{shown}</dl>" if shown else ""


def values(found: Mapping[str, Value]) -> str:
    """Params or axes, as written in YAML."""
    return facts({name: f"<code>{text(value_text(value, 200))}</code>" for name, value in found.items()})


def number(value: Value) -> str:
    """A metric; a mapping or list as YAML has it."""
    return text(value_text(value) if isinstance(value, (dict, list, tuple)) else number_text(value), 60)


def sentences(found: Sequence[str], kind: str = "note") -> str:
    return "".join(f'<p class="{kind}">{text(item, 600)}</p>' for item in found)
