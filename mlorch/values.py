"""`dataclass` as the standard library's to whoever reads or checks types, and cheaper where it runs.

The standard one compiles up to six functions for each class, which for all classes of a run took 50 ms, and a frozen
instance sets each field through a function call. Here only `__init__` is compiled, when the first instance is made (most
classes that are imported have none), comparison and `repr` are shared, and that nothing assigns to a frozen instance is left
to the type checker, which sees the standard decorator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Tuple

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses
    import operator

    def dataclass(
        cls: Optional[type] = None, *, frozen: bool = False, eq: bool = True, order: bool = False
    ) -> Any:
        """`dataclasses.dataclass`, of whose options it takes those that are used."""

        def wrap(cls: type) -> type:
            own = set(cls.__dict__)
            cls = dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
            fields = dataclasses.fields(cls)
            made = {
                "__init__": _first_init(fields),
                "__repr__": _repr(tuple(item.name for item in fields if item.repr)),
            }
            values = _values(tuple(item.name for item in fields if item.compare))
            if eq:
                made["__eq__"] = _comparison(values, operator.eq)
                made["__hash__"] = (lambda self: hash(values(self))) if frozen else None
            if order:
                for name in ("lt", "le", "gt", "ge"):
                    made[f"__{name}__"] = _comparison(values, getattr(operator, name))
            for name, function in made.items():
                if name not in own or (name == "__hash__" and cls.__dict__[name] is None):
                    setattr(cls, name, function)
            return cls

        return wrap if cls is None else wrap(cls)

    def _first_init(fields: Tuple[dataclasses.Field[Any], ...]) -> Callable[..., None]:
        """Stands in for `__init__` until the first call."""

        def first(self: Any, *args: Any, **kwargs: Any) -> None:
            made = _init(fields)
            for owner in type(self).__mro__:
                if owner.__dict__.get("__init__") is first:
                    owner.__init__ = made
            made(self, *args, **kwargs)

        return first

    def _init(fields: Tuple[dataclasses.Field[Any], ...]) -> Callable[..., None]:
        """That of a standard dataclass with these fields."""
        members: Dict[str, Any] = {"__annotations__": {item.name: item.type for item in fields}}
        for item in fields:
            if item.default is not dataclasses.MISSING:
                members[item.name] = item.default
            elif item.default_factory is not dataclasses.MISSING:
                members[item.name] = dataclasses.field(default_factory=item.default_factory)
        made: Callable[..., None] = dataclasses.dataclass(repr=False, eq=False)(
            type("_", (), members)
        ).__init__
        return made

    def _repr(names: Tuple[str, ...]) -> Callable[[Any], str]:
        def method(self: Any) -> str:
            shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
            return f"{type(self).__qualname__}({shown})"

        return method

    def _values(names: Tuple[str, ...]) -> Callable[[Any], Any]:
        return operator.attrgetter(*names) if names else type

    def _comparison(
        values: Callable[[Any], Any], compare: Callable[[Any, Any], bool]
    ) -> Callable[[Any, Any], bool]:
        def method(self: Any, other: Any) -> bool:
            return compare(values(self), values(other)) if type(self) is type(other) else NotImplemented

        return method
