"""What a stream can show: glyphs by its encoding, colour by its wishes; and foreign text made harmless.

Texts are made first and coloured last, so that no meaning hangs on colour and widths count what is seen.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import Any, Mapping, Optional

from mlorch.report.seconds import seconds_text as seconds_text
from mlorch.values import dataclass

WIDTH = 80
WIDEST = 100
NARROWEST = 40

CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}

GLYPHS = {
    "ok": ("✓", "+"),
    "cached": ("=", "="),
    "failed": ("✗", "x"),
    "running": ("●", "*"),
    "skipped": ("○", "o"),
    "blocked": ("⊘", "#"),
    "cancelled": ("■", "!"),
    "maybe": ("?", "?"),
    "again": ("↻", "~"),
    "run": ("●", "*"),
    "differs": ("≠", "!"),
    "arrow": ("→", "->"),
    "dot": ("·", "-"),
    "ellipsis": ("…", "..."),
    "times": ("×", "x"),
}
"""Name -> what a Unicode stream shows, and an ASCII one; one cell wide, but for `->` and `...`."""

ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[@-Z\\^_])"
)
"""Whole terminal sequences: CSI, OSC, DCS and its like, and the two-character ones."""

PLAIN_TEXT = re.compile(r"[ -~]*\Z")


@dataclass(frozen=True)
class Style:
    """How to write for one stream."""

    unicode: bool = True
    color: bool = False
    width: int = WIDTH

    def glyph(self, name: str) -> str:
        """The sign of an outcome or a mark of ours (see GLYPHS)."""
        return GLYPHS[name][0 if self.unicode else 1]

    def paint(self, text: str, *names: str) -> str:
        """`text` in these colours, where the stream has them."""
        if not self.color or not names or not text:
            return text
        return "\x1b[{}m{}\x1b[0m".format(";".join(CODES[name] for name in names), text)

    def clean(self, text: str) -> str:
        """Foreign text on one line: sequences taken out, what can't be shown written as an escape."""
        if PLAIN_TEXT.match(text):
            return text
        return "".join(self.character(char) for char in ESCAPES.sub("", text))

    def own(self, text: str) -> str:
        """A line of our own words: as `clean`, its typography in ASCII where the stream has nothing else."""
        if not self.unicode:
            for known, plain in GLYPHS.values():
                text = text.replace(known, plain)
        return self.clean(text)

    def character(self, char: str) -> str:
        """One character as it is shown."""
        if " " <= char <= "~":
            return char
        # A no-break space looks like a space and is none: it is shown for what it is.
        return char if self.unicode and char.isprintable() else escaped(char)

    def shorten(self, text: str, cells: int) -> str:
        """At most so many cells, an ellipsis for what was cut from the end."""
        if cells_of(text) <= cells:
            return text
        mark = self.glyph("ellipsis")
        kept, used = [], len(mark)
        for char in text:
            used += cell_width(char)
            if used > cells:
                break
            kept.append(char)
        return "".join(kept).rstrip() + mark


PLAIN = Style()
ASCII = Style(unicode=False)


def escaped(char: str) -> str:
    r"""A character by its number: `\t`, `\x1b`, `\u202e`."""
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    if char in named:
        return named[char]
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def cell_width(char: str) -> int:
    """Columns of a terminal that a shown character takes: 0 for combining marks, 2 for wide ones."""
    if char < "\u0300":
        return 1
    import unicodedata  # for few texts

    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def cells_of(text: str) -> int:
    """Columns that a line takes."""
    return len(text) if text.isascii() else sum(cell_width(char) for char in text)


def pad(text: str, cells: int, right: bool = False) -> str:
    """`text` filled with spaces to so many cells."""
    filler = " " * max(0, cells - cells_of(text))
    return filler + text if right else text + filler


def style_of(stream: Any, color: str = "auto", environ: Optional[Mapping[str, str]] = None) -> Style:
    """The style of a text stream.

    `color` is `auto`, `always` or `never`; `auto` asks the terminal, NO_COLOR, then FORCE_COLOR.
    """
    env = os.environ if environ is None else environ
    terminal = is_screen(stream, env)
    width = WIDTH
    if terminal:
        width = max(NARROWEST, min(WIDEST, shutil.get_terminal_size((WIDTH, 24)).columns))
    return Style(unicode=can_show(stream), color=wants_color(color, is_terminal(stream), env), width=width)


def wants_color(color: str, terminal: bool, environ: Mapping[str, str]) -> bool:
    """FORCE_COLOR speaks of terminals only: off one, no escape is written unless `--color always` asks for it."""
    if color in ("always", "never"):
        return color == "always"
    if environ.get("NO_COLOR") or not terminal:
        return False
    forced = environ.get("FORCE_COLOR")
    if forced:
        return forced not in ("0", "false")
    return environ.get("TERM") != "dumb"


def is_screen(stream: Any, environ: Mapping[str, str]) -> bool:
    """Whether a stream is a terminal that knows escape sequences."""
    return is_terminal(stream) and environ.get("TERM") != "dumb"


def is_live(stream: Any, environ: Optional[Mapping[str, str]] = None) -> bool:
    """Whether lines may be painted over: on a screen, and not in CI, which keeps a terminal's output as a log."""
    env = os.environ if environ is None else environ
    return is_screen(stream, env) and env.get("CI", "").lower() in ("", "0", "false")


def is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError, OSError):
        return False


def can_show(stream: Any) -> bool:
    """Whether the stream's encoding has all our glyphs (a text buffer without an encoding has)."""
    encoding = getattr(stream, "encoding", None)
    if encoding is None:
        return True
    try:
        "".join(known for known, _ in GLYPHS.values()).encode(encoding)
    except (LookupError, UnicodeError):
        return False
    return True


# -------------------------------------------------------------------------------------------------- amounts


def clock_text(seconds: float) -> str:
    """`0:31`, `1:02:05`: how long a run has lasted."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def bytes_text(count: int) -> str:
    """`312 B`, `4.1 kB`, `12.3 GB`: powers of 1000, as disks are sold."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 999.5 or unit == "TB":
            break
        amount /= 1000
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"


def number_text(value: object) -> str:
    """A metric or param for a table: `0.8962`, `1.2e-05`, `true`, `nan`; text as it is."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return str(value)
        return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 1e6 else f"{value:.4g}"
    return str(value)


def difference_text(old: float, new: float) -> str:
    """`+0.0051`; more digits where four decimals would show nothing."""
    delta = new - old
    if isinstance(delta, int) or delta != delta:
        return f"{delta:+d}" if isinstance(delta, int) else ""
    return f"{delta:+.4f}" if delta == 0 or 0.00005 <= abs(delta) < 1e6 else f"{delta:+.2g}"


def age_text(seconds: float) -> str:
    """`just now`, `5m ago`, `2h ago`, `3d ago`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit} ago"
    return "just now"


EDGE = 5
"""Columns that stay free at the right of a screen that has them."""


def right_edge(width: int) -> int:
    """Where lines end that have something at their right, in whatever is shown: the eye finds it in one column."""
    return width - (EDGE if width >= WIDTH else 1)


def is_narrow(width: int) -> bool:
    """Whether columns have to be as small as what stands in them."""
    return width < WIDTH


def spread(left: str, right: str, width: int) -> str:
    """`left`, and `right` against the right edge; two spaces between where there is no room."""
    if not right:
        return left
    gap = right_edge(width) - cells_of(left) - cells_of(right)
    return left + " " * max(2, gap) + right
