"""The screen's lines for one moment and one width. Plain functions: nothing here knows of a terminal."""

from __future__ import annotations

from typing import Callable, Iterable, List, Optional, Sequence

from mlorch.report.live.board import Board, Line, Running, StepState
from mlorch.report.live.estimate import remaining
from mlorch.report.live.peek import Seen
from mlorch.report.logs import telling
from mlorch.report.style import WIDEST, Style, cells_of, clock_text, pad, right_edge, seconds_text
from mlorch.values import dataclass

WIDEST_TAIL = 160
NAME_CELLS = 12
BAR_CELLS = 18
ROOM_FOR_BAR = 64
SPINNER = ("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\")
FULL, HEAD, REST, REST_PLAIN = "━", "╺", "━", "─"
MOST_RUNNING = 8


@dataclass(frozen=True)
class Look:
    """How, how wide, and when."""

    style: Style
    columns: int
    rows: int
    now: float
    peek: Callable[[str], Seen]
    widest: int = 0
    """Letters of the longest name that will have a line."""

    @property
    def width(self) -> int:
        """Of laid out lines; the last column stays free, where some terminals wrap."""
        return max(8, right_edge(min(self.columns, WIDEST)))


# ------------------------------------------------------------------------------------------ lines that scroll away


def line_texts(line: Line, look: Look, tail: Callable[[str], Sequence[str]]) -> List[str]:
    """A finished step; below a failed one the last line that tells why."""
    style = look.style
    shown = row(line.mark, line.name, line.text, line.right, look, line.color)
    said = telling(list(tail(line.below)), 1) if line.below else []
    said = [text for text in said if text.strip() not in line.text]  # a function's exception stands in both
    return [shown, *("    " + style.shorten(style.own(text.strip()), look.width - 4) for text in said)]


def row(mark: str, name: str, text: str, right: str, look: Look, color: str = "") -> str:
    """`✓ features    param window: 7 → 14                8.8s`."""
    style = look.style
    glyph = style.glyph(mark)
    room = look.width - cells_of(right) - (2 if right else 0)
    left = f"{glyph} {_name(name, look)}"
    left = style.shorten(left + style.own(text), max(4, room)) if room > 4 else style.shorten(left, 4)
    filled = pad(left, look.width - cells_of(right)) + right if right else left.rstrip()
    return style.paint(glyph, "bold", color) + filled[len(glyph) :] if color else filled


def _name(name: str, look: Look) -> str:
    style = look.style
    return pad(style.shorten(style.own(name), _longest(look)), _name_cells(look)) + " "


def _longest(look: Look) -> int:
    return max(NAME_CELLS - 2, look.width // 3)


def _name_cells(look: Look) -> int:
    """As many for all names of a run, so that what follows stands in a column."""
    return max(NAME_CELLS - 1, min(look.widest, _longest(look)))


# --------------------------------------------------------------------------------------------------------- the block


def block(board: Board, look: Look) -> List[str]:
    """What is painted over and over: running steps, then the status line. Never more lines than the screen has."""
    status = status_line(board, look)
    room = max(1, look.rows - 2)
    entries = list(_entries(board, look))
    shown = entries[:MOST_RUNNING]
    while shown and sum(len(entry) for entry in shown) > room - 1:
        if len(shown[-1]) > 1:
            shown[-1] = shown[-1][:1]
        else:
            shown.pop()
    lines = [text for entry in shown for text in entry]
    more = len(entries) - len(shown)
    if more > 0 and len(lines) < room - 1:
        lines.append(look.style.shorten(f"  and {more} more running", look.width))
    return [*lines, status]


def _entries(board: Board, look: Look) -> Iterable[List[str]]:
    """Each running instance, those of a large matrix as one; the longest running first."""
    told = set()
    for item in list(board.running.values()):
        state = board.steps.get(item.step)
        if state is not None and state.folded:
            if item.step not in told:
                told.add(item.step)
                yield [folded_row(item.step, state, board.jobs, look)]
            continue
        yield running_rows(item, state, look)


def running_rows(item: Running, state: Optional[StepState], look: Look) -> List[str]:
    """`● train  input changed: split  ━━━━╺━━━  21s / ~45s`, and the last line that it printed."""
    style = look.style
    elapsed = look.now - item.since
    expected = state.seconds if state is not None else None
    seen = look.peek(item.log) if item.log else Seen()
    fraction = seen.fraction
    if fraction is None and expected:
        fraction = min(0.99, elapsed / expected)
    right = seconds_text(elapsed) + (f" / ~{seconds_text(expected)}" if expected else "")
    if fraction is None:
        right = f"{spinner(look)} {right}"
    rows = [with_bar(item.instance, item.text, fraction, right, look)]
    if seen.text:
        indent = _name_cells(look) + 3
        room = min(look.columns - 1, WIDEST_TAIL) - indent
        if room > 8:
            said = style.shorten(style.clean(seen.text), room)
            rows.append(" " * indent + style.paint(said, "dim"))
    return rows


def folded_row(step: str, state: StepState, jobs: int, look: Look) -> str:
    """`● train ×240  2 running, 1 failed  ━━━━╺━━━  120/240`."""
    texts = [f"{min(len(state.running), jobs)} running"]
    texts += [f"{state.ended[name]} {name}" for name in ("cached", "failed") if state.ended.get(name)]
    right = f"{state.done}/{state.instances}"
    return with_bar(f"{step} ×{state.instances}", ", ".join(texts), state.done / state.instances, right, look)


def with_bar(name: str, text: str, fraction: Optional[float], right: str, look: Look) -> str:
    """A running step's row; where there is room, a bar before what stands at the right."""
    if fraction is None or look.width < ROOM_FOR_BAR:
        percent = f"{fraction:.0%} " if fraction is not None else ""
        return row("running", name, text, percent + right, look, "cyan")
    room = max(len(right), NAME_CELLS)
    whole = row("running", name, text, " " * BAR_CELLS + "  " + right.rjust(room), look, "cyan")
    start = len(whole) - BAR_CELLS - 2 - room
    return whole[:start] + bar(fraction, look.style) + whole[start + BAR_CELLS :]


def bar(fraction: float, style: Style, cells: int = BAR_CELLS) -> str:
    """`━━━━━━╺━━━━`; its head shows without any colour where it is."""
    full = min(cells, max(0, int(fraction * cells)))
    if not style.unicode:
        return ("=" * full + (">" if full < cells else "")).ljust(cells, "-")
    if full == cells:
        return style.paint(FULL * cells, "cyan")
    rest = (REST if style.color else REST_PLAIN) * (cells - full - 1)
    return style.paint(FULL * full, "cyan") + HEAD + style.paint(rest, "dim")


def spinner(look: Look) -> str:
    signs = SPINNER[0 if look.style.unicode else 1]
    return signs[int(look.now * 8) % len(signs)]


def status_line(board: Board, look: Look) -> str:
    """`5/8 · 1 running · 2 waiting · 0:31 · about 0:29 left`; what does not fit is left out, the middle first."""
    seconds, bound = remaining(board, look.now)
    left = ""
    if seconds is not None:
        left = f"{'at least' if bound else 'about'} {clock_text(round(seconds))} left"
    parts = [
        (0, board.tally.text()),
        (3, f"{board.at_work} running"),
        (2, f"{board.failed} failed" if board.failed else ""),
        (4, f"{board.waiting} waiting" if board.waiting else ""),
        (1, clock_text(look.now - board.began)),
        (2, left),
    ]
    dot = f" {look.style.glyph('dot')} "
    shown = [part for part in parts if part[1]]
    while len(shown) > 1 and cells_of(dot.join(text for _, text in shown)) > look.width:
        shown.remove(max(shown, key=lambda part: part[0]))
    return look.style.shorten(dot.join(text for _, text in shown), look.width)
