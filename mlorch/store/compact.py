"""Pipelines <-> plain JSON data, whole: templates with their places, and which of the types of a value it is.

Unlike `serial`, which follows values, this follows the declared types, since a `Tree` may hold templates anywhere in
it. Decoding is strict: what does not fit raises ValueError, and nothing that is read can execute anything.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from typing import Any, Callable, Dict, List, Mapping, Tuple, Union

from mlorch.model import Pipeline, Place, Template

Convert = Callable[[Any], Any]
_REQUIRED = object()


def encode(pipeline: Pipeline) -> Dict[str, Any]:
    """JSON data of a pipeline. Raises ValueError for what has none, RecursionError where it is nested too deeply."""
    coder = _Encoder()
    data = coder.of(Pipeline)(pipeline)
    return {"files": list(coder.files), "pipeline": data}


def decode(data: Any) -> Pipeline:
    """The inverse of `encode`. Raises ValueError (TypeError, RecursionError never leave it)."""
    try:
        files, pipeline = data["files"], data["pipeline"]
        if type(files) is not list or not all(type(name) is str for name in files):
            raise ValueError("expected names of files")
        found: Pipeline = _Decoder(files).of(Pipeline)(pipeline)
        return found
    except (TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"no pipeline: {error}") from None


class _Coder:
    """Converters by type, each made once."""

    def __init__(self) -> None:
        self._made: Dict[Any, Convert] = {}

    def of(self, kind: Any) -> Convert:
        found = self._made.get(kind)
        if found is None:
            found = self._made[kind] = self._make(kind)
        return found

    def _make(self, kind: Any) -> Convert:
        if kind is Place:
            return self.place
        if dataclasses.is_dataclass(kind):
            return self.record(kind)
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is Union:
            return self.union(arguments)
        if origin is tuple:
            endless = len(arguments) == 2 and arguments[1] is Ellipsis
            return (
                self.endless(self.of(arguments[0]))
                if endless
                else self.fixed([self.of(item) for item in arguments])
            )
        if origin is not None and issubclass(origin, Mapping):
            return self.mapping(self.of(arguments[1]))
        if kind is Any:
            return self.tree
        return self.plain(kind)

    def record(self, kind: Any) -> Convert:
        raise NotImplementedError

    def union(self, kinds: Tuple[Any, ...]) -> Convert:
        raise NotImplementedError

    def endless(self, item: Convert) -> Convert:
        raise NotImplementedError

    def fixed(self, items: List[Convert]) -> Convert:
        raise NotImplementedError

    def mapping(self, item: Convert) -> Convert:
        raise NotImplementedError

    def plain(self, kind: Any) -> Convert:
        raise NotImplementedError

    def place(self, value: Any) -> Any:
        raise NotImplementedError

    def tree(self, value: Any) -> Any:
        raise NotImplementedError


class _Encoder(_Coder):
    def __init__(self) -> None:
        super().__init__()
        self.files: Dict[str, int] = {}

    def record(self, kind: Any) -> Convert:
        fields = [(name, default, self.of(hint)) for name, default, hint in _fields(kind)]

        def convert(value: Any) -> Dict[str, Any]:
            if type(value) is not kind:
                raise ValueError(f"expected {kind.__name__}")
            found = {}
            for name, default, convert_field in fields:
                item = getattr(value, name)
                if (
                    default is _REQUIRED
                    or type(item) is not type(default)
                    or item != default
                    or type(item) is float
                ):
                    found[name] = convert_field(item)
            return found

        return convert

    def union(self, kinds: Tuple[Any, ...]) -> Convert:
        """A value is written with the position of its type, as [position, value]; None is null."""
        order = [kind for kind in kinds if kind is not type(None)]
        converters = [
            (number, typing.get_origin(kind) or kind, self.of(kind)) for number, kind in enumerate(order)
        ]

        def convert(value: Any) -> Any:
            if value is None and len(order) < len(kinds):
                return None
            for number, kind, converter in converters:
                if type(value) is kind:
                    return converter(value) if len(order) == 1 else [number, converter(value)]
            raise ValueError(f"{type(value).__name__} is none of the types")

        return convert

    def endless(self, item: Convert) -> Convert:
        return lambda value: [item(part) for part in value]

    def fixed(self, items: List[Convert]) -> Convert:
        return lambda value: [convert(part) for convert, part in zip(items, value)]

    def mapping(self, item: Convert) -> Convert:
        return lambda value: {_text(key): item(part) for key, part in value.items()}

    def plain(self, kind: Any) -> Convert:
        allowed = (int, float) if kind is float else (kind,)

        def convert(value: Any) -> Any:
            if type(value) not in allowed:
                raise ValueError(f"expected {kind.__name__}")
            return _finite(value)

        return convert

    def place(self, value: Place) -> List[int]:
        return [self.files.setdefault(value.file, len(self.files)), value.line, value.column]

    def tree(self, value: Any) -> Any:
        """Scalars and lists as they are; mappings, templates and NaN under a tag, so that none can be taken for another."""
        kind = type(value)
        if value is None or kind in (str, int, bool, float):
            return _finite(value)
        if kind is list:
            return [self.tree(item) for item in value]
        if kind is dict:
            return {"map": {_text(key): self.tree(item) for key, item in value.items()}}
        if kind is Template:
            return {"template": self.of(Template)(value)}
        raise ValueError(f"a {kind.__name__} can't be written")


class _Decoder(_Coder):
    def __init__(self, files: List[str]) -> None:
        super().__init__()
        self._files = files

    def record(self, kind: Any) -> Convert:
        rows = _fields(kind)
        fields = {name: self.of(hint) for name, _, hint in rows}
        required = {name for name, default, _ in rows if default is _REQUIRED}

        def convert(data: Any) -> Any:
            if type(data) is not dict or not required <= data.keys():
                raise ValueError(f"expected {kind.__name__}")
            return kind(**{name: fields[name](item) for name, item in data.items()})

        return convert

    def union(self, kinds: Tuple[Any, ...]) -> Convert:
        converters = [self.of(kind) for kind in kinds if kind is not type(None)]
        nullable = len(converters) < len(kinds)

        def convert(data: Any) -> Any:
            if data is None and nullable:
                return None
            if len(converters) == 1:
                return converters[0](data)
            number, value = data
            return converters[_natural(number)](value)

        return convert

    def endless(self, item: Convert) -> Convert:
        return lambda data: tuple([item(part) for part in _list(data)])

    def fixed(self, items: List[Convert]) -> Convert:
        def convert(data: Any) -> Any:
            if len(_list(data)) != len(items):
                raise ValueError("expected another number of values")
            return tuple([convert(part) for convert, part in zip(items, data)])

        return convert

    def mapping(self, item: Convert) -> Convert:
        return lambda data: {key: item(part) for key, part in _dict(data).items()}

    def plain(self, kind: Any) -> Convert:
        def exact(data: Any) -> Any:
            if type(data) is not kind:
                raise ValueError(f"expected {kind.__name__}")
            return data

        return _number if kind is float else exact

    def place(self, data: Any) -> Place:
        file, line, column = data
        if type(line) is not int or type(column) is not int:
            raise ValueError("expected a line and a column")
        return Place(self._files[_natural(file)], line, column)

    def tree(self, data: Any) -> Any:
        kind = type(data)
        if data is None or kind in (str, int, bool, float):
            return data
        if kind is list:
            return [self.tree(item) for item in data]
        if len(data) != 1:
            raise ValueError("expected one tag")
        if "map" in data:
            return {key: self.tree(item) for key, item in _dict(data["map"]).items()}
        return self.of(Template)(data["template"]) if "template" in data else _number(data)


def _fields(kind: Any) -> List[Tuple[str, Any, Any]]:
    """(name, default, type) of each field of a dataclass."""
    hints = typing.get_type_hints(kind)
    found = []
    for field in dataclasses.fields(kind):
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        found.append(
            (field.name, _REQUIRED if default is dataclasses.MISSING else default, hints[field.name])
        )
    return found


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("expected a text")
    return value


def _finite(value: Any) -> Any:
    return {"float": str(value)} if type(value) is float and not math.isfinite(value) else value


def _number(data: Any) -> Any:
    if type(data) is dict:
        if data.get("float") not in ("nan", "inf", "-inf"):
            raise ValueError("expected a number")
        return float(data["float"])
    if type(data) not in (int, float):
        raise ValueError("expected a number")
    return data


def _natural(data: Any) -> int:
    """A position: a negative one would count from the end."""
    if type(data) is not int or data < 0:
        raise ValueError("expected a position")
    return data


def _list(data: Any) -> List[Any]:
    if type(data) is not list:
        raise ValueError("expected a list")
    return data


def _dict(data: Any) -> Dict[str, Any]:
    if type(data) is not dict:
        raise ValueError("expected a mapping")
    return data
