"""The graph as lanes, like `git log --graph`: one row per node, rows between where lanes part or meet.

A lane carries edges of one source, or edges to one target, never a mixture, and no row both parts and joins;
so each edge can be followed with a finger. A lane that another one crosses is hidden for that row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, FrozenSet, List, Optional, Tuple

from mlorch.report.graph.view import GraphView, Node
from mlorch.report.style import PLAIN, Style, cells_of, pad, seconds_text

EAGER = 8
"""Up to so many lanes edges part right below their source; beyond, only when their target comes."""
MOST_EDGES = 5_000
MOST_GUTTER = 24
"""Names stand in one column, right of all lanes; where lanes take more cells than this, a row is as wide as its own."""
NAME_CELLS = 12
STATE_CELLS = 8
SECONDS_CELLS = 5

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
LINES = {
    UP | DOWN: "│|",
    LEFT | RIGHT: "─-",
    UP | DOWN | RIGHT: "├+",
    DOWN | LEFT: "╮.",
    UP | LEFT: "╯'",
    DOWN | LEFT | RIGHT: "┬.",
    UP | LEFT | RIGHT: "┴'",
    0: "  ",
}
"""Directions that a cell is open to -> its character in Unicode and in ASCII."""

COLORS = {"failed": "red", "succeeded": "green", "run": "cyan", "maybe": "yellow", "blocked": "yellow"}

Row = Tuple[Dict[int, int], int]
"""Column -> directions, and how many columns the row has."""

Block = Tuple[Node, int, str, List[str]]
"""A node, its column, its row of lanes, and the rows below it in which its edges part."""


def draw(view: GraphView, style: Style = PLAIN) -> str:
    """The whole graph, however many nodes it has; without lanes where nobody could follow them any more."""
    crowded = len(view.edges) > MOST_EDGES
    lanes = Lanes(replace(view, edges=()) if crowded else view)
    blocks: List[Block] = []
    before: List[str] = []
    for node in view.nodes:
        above = [_text(row, style) for row in lanes.arrive(node.id)]
        if blocks:
            blocks[-1][3].extend(above)
        else:
            before += above
        column, row = lanes.place(node.id)
        blocks.append(
            (node, column, _text(row, style), [_text(item, style) for item in lanes.leave(node.id)])
        )
    lines = list(before)
    width = max([NAME_CELLS, *(cells_of(_name(node, style)) + 2 for node in view.nodes)])
    words = max([STATE_CELLS, *(cells_of(node.word) + 1 for node in view.nodes)])
    gutter = min(MOST_GUTTER, max([_room(block) for block in blocks], default=0))
    for block in blocks:
        lines.append(_node_line(block, gutter, (width, words), style))
        lines += block[3]
    if crowded:
        lines.append(f"({len(view.edges):,} edges are too many to draw: select steps, or use --format dot)")
    return "\n".join(lines) + "\n" if lines else ""


def _text(row: Row, style: Style) -> str:
    """A row's cells two wide: what joins two columns runs on between them."""
    cells, width = row
    index = 0 if style.unicode else 1
    parts = []
    for column in range(width):
        here = cells.get(column, 0)
        parts.append(LINES[here][index])
        parts.append(LINES[LEFT | RIGHT][index] if here & RIGHT else " ")
    return "".join(parts).rstrip()


def _room(block: Block) -> int:
    """Cells left of a node's name: it stands right of its own lanes and of those that part from it."""
    _, column, row, below = block
    return max([2 * column + 1, len(row), *(len(line) for line in below)]) + 2


def _node_line(block: Block, gutter: int, cells: Tuple[int, int], style: Style) -> str:
    node, column, row, _ = block
    lane = row.ljust(2 * column + 1)
    room = max(gutter, _room(block))
    glyph = style.paint(style.glyph(node.glyph), COLORS.get(node.state, "dim"))
    marked = lane[: 2 * column] + glyph + lane[2 * column + 1 :] + " " * (room - len(lane))
    seconds = seconds_text(node.seconds) if node.seconds is not None and node.seconds >= 0.05 else ""
    state = pad(style.own(node.word), cells[1]) + seconds.rjust(SECONDS_CELLS)
    return (marked + pad(_name(node, style), cells[0]) + state).rstrip()


def _name(node: Node, style: Style) -> str:
    name = style.clean(node.label)
    return f"{name} {style.glyph('times')}{node.count}" if node.count > 1 else name


class Lanes:
    """Which edges run in which column."""

    def __init__(self, view: GraphView) -> None:
        self._children: Dict[str, List[str]] = {node.id: [] for node in view.nodes}
        order = {node.id: index for index, node in enumerate(view.nodes)}
        for source, target in view.edges:
            self._children[source].append(target)
        for targets in self._children.values():
            targets.sort(key=order.__getitem__)
        self._columns: List[Optional[FrozenSet[str]]] = []
        """Targets that the lane in this column leads to; None where the column is free."""
        self._at = 0
        """The column of the node placed last."""
        self._ended: Optional[int] = None
        """The same, where nothing goes on from it: what stands below would look like its child."""

    def arrive(self, node: str) -> List[Row]:
        """Rows above a node: its edges part from lanes that lead further, then meet in one lane."""
        rows: List[Row] = []
        for column, targets in enumerate(list(self._columns)):
            if targets is not None and node in targets and len(targets) > 1:
                self._columns[column] = targets - {node}
                new = self._take(frozenset({node}), column)
                rows.append(self._fork(column, [new]))
        return rows + self._join()

    def place(self, node: str) -> Tuple[int, Row]:
        """The node's column, and the row in which it stands."""
        alone = frozenset({node})
        self._at = self._columns.index(alone) if alone in self._columns else self._take(alone, 0)
        cells = self._running()
        cells[self._at] = 0
        row = (cells, len(self._columns))
        self._columns[self._at] = None
        return self._at, row

    def leave(self, node: str) -> List[Row]:
        """Rows below the node placed last: its edges part, and join those that lead to the same target."""
        targets = self._children[node]
        rows: List[Row] = []
        self._ended = None if targets else self._at
        busy = sum(item is not None for item in self._columns)
        if len(targets) > 1 and busy + len(targets) > EAGER:
            self._columns[self._at] = frozenset(targets)
        elif targets:
            self._columns[self._at] = frozenset({targets[0]})
            new = [self._take(frozenset({target}), self._at) for target in targets[1:]]
            rows = [self._fork(self._at, new)] if new else []
        return rows + self._join()

    # -------------------------------------------------------------------------------------------- rows

    def _running(self) -> Dict[int, int]:
        return {column: UP | DOWN for column, targets in enumerate(self._columns) if targets is not None}

    def _fork(self, column: int, new: List[int]) -> Row:
        """New lanes begin, out of the one in `column`; all of them to its right."""
        cells = self._running()
        for between in range(column + 1, max(new)):
            cells[between] = LEFT | RIGHT
        for end in new:
            cells[end] = DOWN | LEFT | (RIGHT if end < max(new) else 0)
        cells[column] = UP | DOWN | RIGHT
        return cells, len(self._columns)

    def _join(self) -> List[Row]:
        """Lanes that lead to one and the same target become one, the leftmost; a row for each target."""
        rows: List[Row] = []
        places: Dict[FrozenSet[str], List[int]] = {}
        for column, targets in enumerate(self._columns):
            if targets is not None and len(targets) == 1:
                places.setdefault(targets, []).append(column)
        for columns in places.values():
            if len(columns) > 1:
                rows.append(self._meet(columns[0], columns[1:]))
        while self._columns and self._columns[-1] is None:
            self._columns.pop()
        return rows

    def _meet(self, column: int, others: List[int]) -> Row:
        cells = self._running()
        for between in range(column + 1, max(others)):
            cells[between] = LEFT | RIGHT
        for end in others:
            cells[end] = UP | LEFT | (RIGHT if end < max(others) else 0)
        cells[column] = UP | DOWN | RIGHT
        row = (cells, len(self._columns))
        for end in others:
            self._columns[end] = None
        return row

    def _take(self, targets: FrozenSet[str], near: int) -> int:
        """A free column for a lane, at `near` or to the right of it."""
        for column in range(near, len(self._columns)):
            if self._columns[column] is None and column != self._ended:
                self._columns[column] = targets
                return column
        if len(self._columns) == self._ended:
            self._columns.append(None)
        self._columns.append(targets)
        return len(self._columns) - 1
