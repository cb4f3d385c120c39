"""Problems of a file as caret frames for people, lines for editors, annotations for GitHub, documents."""

from __future__ import annotations

import textwrap
from typing import Any, Dict, List, Optional, Sequence, Tuple

from mlorch.model import Place, Problem, SourceFile
from mlorch.report.style import PLAIN, Style, cells_of

TAB = 4
NEAR = 400
"""Characters of a line that are looked at on either side of the caret; the rest can't come into the frame."""

COLORS = {"error": "red", "warning": "yellow"}


def render(problems: Sequence[Problem], sources: Sequence[SourceFile], *, style: Style = PLAIN) -> str:
    """All problems with their frames, a blank line between; ends in a newline (nothing for no problems)."""
    texts = {source.path: source.text for source in sources}
    lines = Lines(texts)
    return "\n".join(_problem(problem, lines, style) for problem in problems)


def render_concise(problems: Sequence[Problem], *, style: Style = PLAIN) -> str:
    """`file:line:column: error[E102]: message`, one line each."""
    return "".join(
        style.clean(str(problem.place)) + ": " + _head(problem, style) + "\n" for problem in problems
    )


def to_json(problems: Sequence[Problem]) -> List[Dict[str, Any]]:
    """The documents of problems, as `mlorch.error/1` and `mlorch.validate/1` hold them."""
    return [
        {
            "code": problem.code,
            "severity": problem.severity,
            "message": problem.message,
            "hint": problem.hint,
            "file": problem.place.file,
            "line": problem.place.line,
            "column": problem.place.column,
        }
        for problem in problems
    ]


def to_github(problems: Sequence[Problem]) -> str:
    """One workflow command per problem: `::error file=…,line=…,col=…::E102: message`."""
    return "".join(_annotation(problem) for problem in problems)


def _annotation(problem: Problem) -> str:
    kind = "warning" if problem.severity == "warning" else "error"
    place = problem.place
    text = f"{problem.code}: {problem.message}" + ("\n" + problem.hint if problem.hint else "")
    where = f"file={github_property(place.file)},line={place.line},col={place.column}"
    return f"::{kind} {where}::{github_data(text)}\n"


def github_data(text: str) -> str:
    """Text of a workflow command: what would end the line is encoded, odd bytes are shown as escapes."""
    plain = "\n".join(PLAIN.clean(line) for line in text.splitlines())
    return plain.replace("%", "%25").replace("\n", "%0A")


def github_property(text: str) -> str:
    return github_data(text).replace(":", "%3A").replace(",", "%2C")


# -------------------------------------------------------------------------------------------------- frames


class Lines:
    """Lines of the sources by file and number; each text is split once."""

    def __init__(self, texts: Dict[str, str]) -> None:
        self._texts = texts
        self._split: Dict[str, List[str]] = {}

    def get(self, place: Place) -> Optional[str]:
        """The line, without its break; None where the source or the line is not there."""
        if place.file not in self._texts:
            return None
        if place.file not in self._split:
            self._split[place.file] = self._texts[place.file].split("\n")
        lines = self._split[place.file]
        return lines[place.line - 1].rstrip("\r") if 1 <= place.line <= len(lines) else None


def _head(problem: Problem, style: Style) -> str:
    kind = "warning" if problem.severity == "warning" else "error"
    label = style.paint(f"{kind}[{problem.code}]", "bold", COLORS[kind])
    return label + ": " + style.own(problem.message)


def _problem(problem: Problem, lines: Lines, style: Style) -> str:
    """One frame, or with notes a compact one for each of them."""
    frames = [(problem.place, problem.length, problem.hint), *problem.notes]
    gutter = max(2, max(len(str(place.line)) for place, _, _ in frames))
    shown = [_head(problem, style)]
    for place, length, text in frames:
        shown.append(" " * gutter + style.paint("-->", "blue") + " " + style.clean(str(place)))
        line = lines.get(place)
        if line is None:
            shown += _aside(text, gutter, style)
        else:
            if not problem.notes:
                shown.append(style.paint(" " * gutter + " |", "blue"))
            shown += _frame(line, place, length, text, (gutter, style, problem.severity))
    return "\n".join(shown) + "\n"


def _frame(line: str, place: Place, length: int, text: str, look: Tuple[int, Style, str]) -> List[str]:
    """The line with carets below; the text behind them where it fits, else below."""
    gutter, style, severity = look
    room = max(20, style.width - gutter - 3)
    shown, before, marked = excerpt(line, place.column, length, room, style)
    bar = style.paint("|", "blue")
    number = style.paint(str(place.line).rjust(gutter), "blue")
    carets = style.paint("^" * marked, "bold", COLORS.get(severity, "red"))
    text = style.own(text)
    fits = text and before + marked + 1 + cells_of(text) <= room
    result = [f"{number} {bar} {shown}".rstrip()]
    result.append("{} {} {}{}".format(" " * gutter, bar, " " * before, carets) + (" " + text if fits else ""))
    return result + ([] if fits else _aside(text, gutter, style))


def _aside(text: str, gutter: int, style: Style) -> List[str]:
    """A hint that does not fit behind the carets: on lines of its own."""
    if not text:
        return []
    room = max(20, style.width - gutter - 3)
    parts = textwrap.wrap(style.own(text), room, break_long_words=False, break_on_hyphens=False)
    return [" " * gutter + (" = " if index == 0 else "   ") + part for index, part in enumerate(parts)]


def excerpt(line: str, column: int, length: int, room: int, style: Style) -> Tuple[str, int, int]:
    """A line cut to `room` cells around its mark: (text, cells before the mark, cells of the mark).

    `column` is 1-based. Tabs are widened, what can't be seen is an escape, wide characters count two.
    """
    start = min(max(0, column - 1), len(line))
    end = min(max(start + 1, start + length), len(line))
    first = max(0, start - NEAR)
    cells = _cells(line[first : end + NEAR], style)
    before = sum(width for _, width in cells[: start - first])
    marked = max(1, sum(width for _, width in cells[start - first : end - first]))
    if first == 0 and sum(width for _, width in cells) <= room and end + NEAR >= len(line):
        return "".join(text for text, _ in cells).rstrip(), before, marked
    return _cut(cells, (before, marked), (first > 0, end + NEAR < len(line)), room, style)


def _cells(text: str, style: Style) -> List[Tuple[str, int]]:
    """Each character as it is shown, with its width."""
    shown: List[Tuple[str, int]] = []
    at = 0
    for char in text:
        piece = " " * (TAB - at % TAB) if char == "\t" else style.character(char)
        width = cells_of(piece)
        shown.append((piece, width))
        at += width
    return shown


def _cut(
    cells: Sequence[Tuple[str, int]], mark: Tuple[int, int], more: Tuple[bool, bool], room: int, style: Style
) -> Tuple[str, int, int]:
    """A window on cells in which the mark begins in the first third, ellipses where text was left out."""
    dots = style.glyph("ellipsis")
    before, marked = mark
    left = max(0, before - room // 3)
    cut_left = more[0] or left > 0
    budget = room - (len(dots) if cut_left else 0)
    kept: List[str] = []
    at, used, offset = 0, 0, None
    cut_right = more[1]
    for position, (piece, width) in enumerate(cells):
        if at >= left:
            offset = at if offset is None else offset
            last = position == len(cells) - 1 and not more[1]
            if used + width > budget - (0 if last else len(dots)):
                cut_right = True
                break
            kept.append(piece)
            used += width
        at += width
    text = (dots if cut_left else "") + "".join(kept) + (dots if cut_right else "")
    start = before - (at if offset is None else offset) + (len(dots) if cut_left else 0)
    return text.rstrip(), start, max(1, min(marked, room - start))
