"""Places for nodes and edges: layers by longest path, order by barycentres, columns by priority.

The classic in three steps (Sugiyama, Tagawa and Toda, 1981). Units are those of the sizes.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Tuple

from mlorch.values import dataclass

SWEEPS = 12
SPREADS = 8
GAP = 24.0
"""Between neighbours of a layer."""
BEND_WIDTH = 8.0
"""Room for an edge that passes a layer."""
LAYER_GAP = 44.0

Edge = Tuple[str, str]
Point = Tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A node's rectangle: centre and size."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Layout:
    """Boxes by node, and for each edge the points it goes through, from bottom of source to top of target."""

    boxes: Mapping[str, Box]
    paths: Mapping[Edge, Tuple[Point, ...]]
    width: float
    height: float


def lay_out(sizes: Mapping[str, Tuple[float, float]], edges: Sequence[Edge]) -> Layout:
    """Place an acyclic graph. `sizes` holds (width, height) of each node, upstream before downstream."""
    if not sizes:
        return Layout({}, {}, 0.0, 0.0)
    grid = Grid(sizes, edges)
    grid.order()
    grid.spread()
    return grid.result()


class Grid:
    """Layers of nodes; an edge over several layers passes bends, which are nodes of little width."""

    def __init__(self, sizes: Mapping[str, Tuple[float, float]], edges: Sequence[Edge]) -> None:
        self._sizes = sizes
        self._edges = edges
        depth = _depths(list(sizes), edges)
        self._layers: List[List[str]] = [[] for _ in range(max(depth.values()) + 1)]
        for node in sizes:
            self._layers[depth[node]].append(node)
        self._up: Dict[str, List[str]] = {node: [] for node in sizes}
        self._down: Dict[str, List[str]] = {node: [] for node in sizes}
        self._chains: Dict[Edge, List[str]] = {}
        for index, edge in enumerate(edges):
            self._chains[edge] = self._chain(index, edge, depth)
        self._x: Dict[str, float] = {}

    def _chain(self, index: int, edge: Edge, depth: Mapping[str, int]) -> List[str]:
        source, target = edge
        chain = [source]
        for layer in range(depth[source] + 1, depth[target]):
            # A node's id never holds a NUL, so a bend is never taken for one.
            bend = f"\x00{index}/{layer}"
            self._layers[layer].append(bend)
            self._up[bend], self._down[bend] = [], []
            chain.append(bend)
        chain.append(target)
        for above, below in zip(chain, chain[1:]):
            self._down[above].append(below)
            self._up[below].append(above)
        return chain

    # ---------------------------------------------------------------------------------------------- order

    def order(self) -> None:
        """Order each layer by the mean place of its neighbours, down and up; the best order stays."""
        best, fewest = [list(layer) for layer in self._layers], self._crossings()
        for sweep in range(SWEEPS):
            if not fewest:
                break
            down = sweep % 2 == 0
            for index in range(1, len(self._layers)) if down else range(len(self._layers) - 2, -1, -1):
                self._sort(index, index - 1 if down else index + 1, self._up if down else self._down)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(layer) for layer in self._layers], crossings
        self._layers = best

    def _sort(self, index: int, fixed: int, neighbours: Mapping[str, List[str]]) -> None:
        place = {node: position for position, node in enumerate(self._layers[fixed])}
        own = {node: position for position, node in enumerate(self._layers[index])}

        def mean(node: str) -> float:
            near = neighbours[node]
            return sum(place[item] for item in near) / len(near) if near else float(own[node])

        self._layers[index].sort(key=lambda node: (mean(node), own[node]))

    def _crossings(self) -> int:
        """Pairs of edges that cross, counted between neighbouring layers with a Fenwick tree."""
        total = 0
        for above, below in zip(self._layers, self._layers[1:]):
            place = {node: position for position, node in enumerate(below)}
            tree = [0] * (len(below) + 1)
            seen = 0
            for node in above:
                targets = [place[item] for item in self._down[node]]
                total += sum(seen - _prefix(tree, target) for target in targets)
                for target in targets:
                    _add(tree, target)
                seen += len(targets)
        return total

    # --------------------------------------------------------------------------------------------- spread

    def _width(self, node: str) -> float:
        return self._sizes[node][0] if node in self._sizes else BEND_WIDTH

    def spread(self) -> None:
        """Columns: as near to the neighbours' as the order and the gaps allow."""
        for layer in self._layers:
            at = 0.0
            for node in layer:
                self._x[node] = at + self._width(node) / 2
                at += self._width(node) + GAP
        for sweep in range(SPREADS):
            down = sweep % 2 == 0
            for index in range(len(self._layers)) if down else range(len(self._layers) - 1, -1, -1):
                self._settle(self._layers[index], self._up if down else self._down)

    def _settle(self, layer: Sequence[str], neighbours: Mapping[str, List[str]]) -> None:
        """Put a layer's nodes at the places they wish for, in blocks where the wishes collide."""
        # Each block: the sum of (wish - offset) and the count of its nodes, which keep the smallest gaps.
        blocks: List[List[float]] = []
        members: List[List[Tuple[str, float]]] = []
        for node in layer:
            near = neighbours[node]
            wish = sum(self._x[item] for item in near) / len(near) if near else self._x[node]
            blocks.append([wish, 1.0])
            members.append([(node, 0.0)])
            while len(blocks) > 1 and self._overlap(blocks, members):
                self._merge(blocks, members)
        for (total, count), nodes in zip(blocks, members):
            for node, offset in nodes:
                self._x[node] = total / count + offset

    def _overlap(self, blocks: List[List[float]], members: List[List[Tuple[str, float]]]) -> bool:
        (left, right) = (blocks[-2], blocks[-1])
        last, offset = members[-2][-1]
        first = members[-1][0][0]
        gap = (self._width(last) + self._width(first)) / 2 + GAP
        return right[0] / right[1] < left[0] / left[1] + offset + gap

    def _merge(self, blocks: List[List[float]], members: List[List[Tuple[str, float]]]) -> None:
        right, nodes = blocks.pop(), members.pop()
        last, offset = members[-1][-1]
        shift = offset + (self._width(last) + self._width(nodes[0][0])) / 2 + GAP
        blocks[-1][0] += right[0] - shift * right[1]
        blocks[-1][1] += right[1]
        members[-1] += [(node, own + shift) for node, own in nodes]

    # --------------------------------------------------------------------------------------------- result

    def result(self) -> Layout:
        left = min(self._x[node] - self._width(node) / 2 for layer in self._layers for node in layer)
        tops: List[float] = []
        heights: List[float] = []
        at = 0.0
        for layer in self._layers:
            tops.append(at)
            heights.append(max(self._sizes[node][1] for node in layer if node in self._sizes))
            at += heights[-1] + LAYER_GAP
        boxes: Dict[str, Box] = {}
        bends: Dict[str, Tuple[Point, Point]] = {}
        for layer, top, height in zip(self._layers, tops, heights):
            for node in layer:
                x, y = self._x[node] - left, top + height / 2
                if node in self._sizes:
                    boxes[node] = Box(x, y, *self._sizes[node])
                else:
                    bends[node] = ((x, top), (x, top + height))
        paths = {edge: _points(chain, boxes, bends) for edge, chain in self._chains.items()}
        width = max(self._x[node] + self._width(node) / 2 for layer in self._layers for node in layer) - left
        return Layout(boxes, paths, width, at - LAYER_GAP)


def _points(
    chain: Sequence[str], boxes: Mapping[str, Box], bends: Mapping[str, Tuple[Point, Point]]
) -> Tuple[Point, ...]:
    """Straight down through the layers that are passed, so that no node in them is touched."""
    first, last = boxes[chain[0]], boxes[chain[-1]]
    passed = [point for node in chain[1:-1] for point in bends[node]]
    return ((first.x, first.y + first.height / 2), *passed, (last.x, last.y - last.height / 2))


def _depths(nodes: Sequence[str], edges: Sequence[Edge]) -> Dict[str, int]:
    """Longest path from a root; a root stands right above what first needs it. Nodes come upstream first."""
    above: Dict[str, List[str]] = {node: [] for node in nodes}
    below: Dict[str, List[str]] = {node: [] for node in nodes}
    for source, target in edges:
        above[target].append(source)
        below[source].append(target)
    depth: Dict[str, int] = {}
    for node in nodes:
        depth[node] = 1 + max((depth[source] for source in above[node]), default=-1)
    for node in nodes:
        if not above[node] and below[node]:
            depth[node] = min(depth[target] for target in below[node]) - 1
    return depth


def _add(tree: List[int], position: int) -> None:
    position += 1
    while position < len(tree):
        tree[position] += 1
        position += position & -position


def _prefix(tree: Sequence[int], position: int) -> int:
    """How many were added at or before a position."""
    position += 1
    total = 0
    while position > 0:
        total += tree[position]
        position -= position & -position
    return total
