"""Dataclasses of `model.py` and `ports.py` <-> JSON: exact field names, fields at their default left out,
NaN tagged.

A field that gets added to a type is written and read without a change here. Nothing that is read can execute
anything.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import typing
from collections import abc
from functools import lru_cache
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, Tuple, Type, TypeVar, Union

from mlorch.digest import tag_floats, tagged_float
from mlorch.errors import StoreError
from mlorch.small import Folded

T = TypeVar("T")
Decoder = Callable[[Any], Any]


def to_json(value: Any) -> Any:
    """A dataclass (or a value that holds some) as plain JSON data. NaN and infinities become {"$float":
    …}."""
    kind = type(value)
    if kind in _SIMPLE:
        return value
    if kind is dict:
        return {str(key): item if type(item) in _SIMPLE else to_json(item) for key, item in value.items()}
    rows = _PLAIN.get(kind)
    if rows is None and dataclasses.is_dataclass(value) and not isinstance(value, type):
        rows = _PLAIN[kind] = [
            (name, default, type(default)) for name, default in _defaults(typing.cast(Any, kind))
        ]
    if rows is not None:
        found = {}
        for name, default, default_kind in rows:
            item = getattr(value, name)
            if type(item) is not default_kind or item != default:
                found[name] = item if type(item) in _SIMPLE else to_json(item)
        return found
    if isinstance(value, str):
        return str(value)
    if isinstance(value, abc.Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(to_json(item) for item in value)
    return tag_floats(value)


_SIMPLE = frozenset([str, int, bool, type(None)])
_PLAIN: Dict[Any, List[Tuple[str, Any, Any]]] = {}
"""Dataclasses met so far: name, default and its type of each field."""


class _Required:
    """Stands for the default of a field that has none."""


_REQUIRED = _Required()


@lru_cache(maxsize=None)
def _defaults(cls: Any) -> Tuple[Tuple[str, Any], ...]:
    found = []
    for field in dataclasses.fields(cls):
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        found.append((field.name, _REQUIRED if default is dataclasses.MISSING else default))
    return tuple(found)


def from_json(cls: Type[T], data: Any) -> T:
    """The inverse of `to_json` (tags of floats stay). Raises ValueError where data does not fit; unknown
    keys are left out."""
    result: T = _decoder(typing.cast(Any, cls))(data)
    return result


@lru_cache(maxsize=None)
def _decoder(kind: Any) -> Decoder:
    if dataclasses.is_dataclass(kind):
        return _dataclass_decoder(kind)
    if kind is Folded:
        return _folded
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Union:
        return _union_decoder(arguments)
    if origin in (tuple, list, frozenset):
        return _sequence_decoder(origin, arguments)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping_decoder(_decoder(arguments[1]))
    if kind is float:
        return _number
    if kind in (str, int, bool):
        return _exactly(kind)
    if kind is type(None):
        return _exactly(type(None))
    return lambda data: data


def _dataclass_decoder(cls: Any) -> Decoder:
    required = [name for name, default in _defaults(cls) if default is _REQUIRED]
    decoders: Dict[str, Decoder] = {}

    def prepare() -> None:
        """At the first use, since types may refer to themselves."""
        hints = typing.get_type_hints(cls)
        made = {field.name: _shared(hints[field.name]) for field in dataclasses.fields(cls)}
        decoders.update(made)  # at once, since other threads may be decoding

    def decode(data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValueError(f"expected a mapping for {cls.__name__}")
        for name in required:
            if name not in data:
                raise ValueError(f"{cls.__name__} lacks `{name}`")
        if not decoders:
            prepare()
        return cls(**{name: decoders[name](item) for name, item in data.items() if name in decoders})

    return decode


def _shared(kind: Any) -> Decoder:
    """The decoder of a field. Neighbours mostly say the same of what they have in common (a step, a run, what it needs), and
    then have one object for it."""
    decode = _decoder(kind)
    if kind not in (str, Mapping[str, str], Mapping[str, int]):
        return decode
    last: List[Any] = [None]

    def share(data: Any) -> Any:
        found, before = decode(data), last[0]  # once, since other threads may be decoding
        if found == before:
            return before
        last[0] = found
        return found

    return share


def _union_decoder(kinds: Tuple[Any, ...]) -> Decoder:
    decoders = [_decoder(kind) for kind in kinds]

    def decode(data: Any) -> Any:
        for decoder in decoders:
            try:
                return decoder(data)
            except ValueError:
                continue
        raise ValueError("a value fits none of its kinds")

    return decode


def _sequence_decoder(origin: Any, arguments: Tuple[Any, ...]) -> Decoder:
    fixed = origin is tuple and Ellipsis not in arguments

    def decode(data: Any) -> Any:
        if not isinstance(data, list) or (fixed and len(data) != len(arguments)):
            raise ValueError("expected a list")
        if not fixed:
            item_of = _decoder(arguments[0])
            return origin([item_of(item) for item in data])
        return origin([_decoder(kind)(item) for kind, item in zip(arguments, data)])

    return decode


def _mapping_decoder(item: Decoder) -> Decoder:
    def decode(data: Any) -> Dict[str, Any]:
        if not isinstance(data, dict):
            raise ValueError("expected a mapping")
        return {sys.intern(key): item(value) for key, value in data.items()}

    return decode


def _folded(data: Any) -> Folded:
    if not isinstance(data, dict):
        raise ValueError("expected a mapping")
    return Folded(data)


def _exactly(kind: Any) -> Decoder:
    def decode(data: Any) -> Any:
        if type(data) is not kind:
            raise ValueError(f"expected {kind.__name__}, found {type(data).__name__}")
        return data

    return decode


def _number(data: Any) -> float:
    number = tagged_float(data)
    if number is not None:
        return number
    if type(data) not in (int, float):
        raise ValueError("expected a number")
    return float(data)


# -------------------------------------------------------------------------------------------------- documents


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def dump(schema: str, value: Any) -> bytes:
    """One versioned document on one line, ended by a line end."""
    document = {"schema": schema}
    document.update(to_json(value))
    return _encode(document).encode("ascii") + b"\n"


def load(schemas: FrozenSet[str], data: bytes, what: str) -> Dict[str, Any]:
    """The mapping of a document. Raises ValueError where it is no JSON mapping, StoreError where its version
    is unknown."""
    document = json.loads(data.decode("utf-8"))
    if not isinstance(document, dict):
        raise ValueError(f"{what} is not a mapping")
    found = document.pop("schema", None)
    if not isinstance(found, str) or found not in schemas:
        raise StoreError(
            "{} has the format {}, and this mlorch reads {}".format(
                what, f"`{found}`" if found else "of no version", " and ".join(sorted(schemas))
            ),
            "use the mlorch that wrote it, or move the file away",
        )
    return document
