"""What keeps small the objects of which every instance of a step has its own: there may be 100,000 of them."""

from __future__ import annotations

import dataclasses
from typing import (
    Any,
    Dict,
    Generic,
    Hashable,
    ItemsView,
    Iterator,
    KeysView,
    Mapping,
    Optional,
    Type,
    TypeVar,
    ValuesView,
)

T = TypeVar("T")
_NOTHING: Dict[str, Any] = {}


def slotted(cls: Type[T]) -> Type[T]:
    """`dataclass(slots=True)` as Python 3.10 has it, for those of `values`: half the memory.

    A class of the same name takes the place of the one that is given.
    """
    fields = tuple(item.name for item in dataclasses.fields(cls))  # type: ignore[arg-type]
    dropped = {*fields, "__dict__", "__weakref__"}  # what they are by default, `__init__` knows
    members: Dict[str, Any] = {name: value for name, value in vars(cls).items() if name not in dropped}
    members.update(__slots__=fields)
    made: Any = type(cls.__name__, cls.__bases__, members)
    made.__qualname__ = cls.__qualname__
    found: Type[T] = made
    return found


class Shared(Generic[T]):
    """One object for all that are equal, as far as they are remembered."""

    MOST = 10_000

    def __init__(self) -> None:
        self._known: Dict[Hashable, T] = {}

    def one(self, key: Hashable, item: T) -> T:
        """The first item of this key. (Mind that 1, 1.0 and True are one key.)"""
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= self.MOST:
                self._known.clear()
            found = self._known[key] = item
        return found


def keep(known: Dict[str, T], name: str, item: Optional[T]) -> None:
    """Remember what says something; most instances have nothing to remember."""
    if item:
        known[name] = item
    else:
        known.pop(name, None)


def nothing() -> Mapping[str, Any]:
    """The default of a field that is a mapping: one for all objects, never to be changed."""
    return _NOTHING


class Folded(Mapping[str, Any]):
    """JSON data that is rarely looked into: a mapping kept as its text, a sixth of what its objects take."""

    __slots__ = ("_text",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        import json  # what has nothing to do does without

        self._text = json.dumps(dict(values)) if values else "{}"

    def _open(self) -> Dict[str, Any]:
        import json

        found: Dict[str, Any] = json.loads(self._text)
        return found

    def __getitem__(self, name: str) -> Any:
        return self._open()[name]

    # What looks at more than one opens it once.

    def keys(self) -> KeysView[str]:
        return self._open().keys()

    def values(self) -> ValuesView[Any]:
        return self._open().values()

    def items(self) -> ItemsView[str, Any]:
        return self._open().items()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        if isinstance(other, Folded) and (self._text == other._text or "{}" in (self._text, other._text)):
            return self._text == other._text
        return self._open() == dict(other.items())

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[str]:
        return iter(self._open())

    def __len__(self) -> int:
        return len(self._open())

    def __repr__(self) -> str:
        return f"Folded({self._open()!r})"
