"""The document: a tree of nodes that know where they stand. An alias shares the node that it repeats."""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from mlorch.model import Place, Value
from mlorch.spec.text import Source, Spot


class Node:
    """What stands between two offsets of a source."""

    __slots__ = ("end", "source", "start")

    def __init__(self, source: Source, start: int, end: int) -> None:
        self.source = source
        self.start = start
        self.end = end

    @property
    def place(self) -> Place:
        return self.source.place(self.start)

    @property
    def spot(self) -> Spot:
        return self.source.spot(self.start, self.end)

    @property
    def plain(self) -> Value:
        """The value without positions."""
        raise NotImplementedError


class Scalar(Node):
    """`text` as YAML decoded it, `value` as the core schema has it; `style` is `'"|>`, or empty for plain."""

    __slots__ = ("style", "text", "value")

    def __init__(self, source: Source, start: int, end: int, text: str, value: Value, style: str) -> None:
        super().__init__(source, start, end)
        self.text = text
        self.value = value
        self.style = style

    @property
    def plain(self) -> Value:
        return self.value

    @property
    def words(self) -> str:
        """What stands for this value in a command or a variable: numbers as written, booleans in small."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        return self.text


class Seq(Node):
    __slots__ = ("items",)

    def __init__(self, source: Source, start: int, end: int, items: Optional[List[Node]] = None) -> None:
        super().__init__(source, start, end)
        self.items: List[Node] = [] if items is None else items

    @property
    def plain(self) -> Value:
        return [item.plain for item in self.items]


class Map(Node):
    __slots__ = ("entries",)

    def __init__(
        self, source: Source, start: int, end: int, entries: Optional[Dict[str, Tuple[Scalar, Node]]] = None
    ) -> None:
        super().__init__(source, start, end)
        self.entries: Dict[str, Tuple[Scalar, Node]] = {} if entries is None else entries

    @property
    def plain(self) -> Value:
        return {name: node.plain for name, (_, node) in self.entries.items()}

    def get(self, name: str) -> Optional[Node]:
        entry = self.entries.get(name)
        return None if entry is None else entry[1]

    def key(self, name: str) -> Optional[Scalar]:
        entry = self.entries.get(name)
        return None if entry is None else entry[0]

    def map(self, name: str) -> Map:
        """The mapping under a key; an empty one where there is none."""
        node = self.get(name)
        return node if isinstance(node, Map) else Map(self.source, self.start, self.start)

    def items(self) -> Iterator[Tuple[str, Scalar, Node]]:
        for name, (key, node) in self.entries.items():
            yield name, key, node


PathPart = Union[str, int]


def find(node: Node, path: Sequence[PathPart]) -> Optional[Node]:
    """The node at a path of keys and positions; None where something on the way is gone."""
    current: Optional[Node] = node
    for part in path:
        if isinstance(current, Map):
            current = current.get(str(part))
        elif isinstance(current, Seq) and isinstance(part, int) and part < len(current.items):
            current = current.items[part]
        else:
            return None
    return current


def size(node: Node) -> int:
    """How many values a node holds, itself included."""
    inner: Iterable[Node] = ()
    if isinstance(node, Map):
        inner = (item for _, item in node.entries.values())
    elif isinstance(node, Seq):
        inner = node.items
    return 1 + sum(size(item) for item in inner)


def key_spot(node: Node, path: Sequence[PathPart]) -> Spot:
    """Where the key at the end of a path stands (a list's element itself); the start for an empty path."""
    if not path:
        return Spot(node.place)
    parent = find(node, path[:-1])
    if isinstance(parent, Map):
        key = parent.key(str(path[-1]))
        if key is not None:
            return key.spot
    found = find(node, path)
    return key_spot(node, path[:-1]) if found is None else found.spot
