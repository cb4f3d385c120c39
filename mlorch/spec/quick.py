"""Whether a document surely fits a schema, without jsonschema: that takes as long to import as to read a thousand steps.

It only ever says yes or "don't know": what does not fit is looked at by jsonschema, which knows what is wrong where.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Mapping, Optional

Test = Callable[[Any], bool]
_ANNOTATIONS = frozenset(["title", "description", "default", "examples", "$schema", "$id"])


def compiled(schema: Mapping[str, Any]) -> Optional[Test]:
    """A test of documents that is never true for one that does not fit; None for a schema with a keyword that is not known
    here."""
    tests: List[Test] = []
    rest = dict(schema)
    kinds = rest.pop("type", None)
    if kinds is not None:
        tests.append(_typed([kinds] if isinstance(kinds, str) else kinds))
    inner = _members(rest)
    if inner is None:
        return None
    tests += inner
    for keyword, value in rest.items():
        if keyword in _ANNOTATIONS or keyword.startswith("x-"):
            continue
        make = _KEYWORDS.get(keyword)
        if make is None:
            return None
        tests.append(make(value))
    if len(tests) == 1:
        return tests[0]
    return lambda value: all(test(value) for test in tests)


def _members(rest: Dict[str, Any]) -> Optional[List[Test]]:
    """What is asked of the members of mappings and lists, taken out of `rest`."""
    tests: List[Test] = []
    known: Dict[str, Test] = {}
    for name, part in rest.pop("properties", {}).items():
        test = compiled(part)
        if test is None:
            return None
        known[name] = test
    other = _other(rest.pop("additionalProperties", True))
    names = _other(rest.pop("propertyNames", True))
    items = _other(rest.pop("items", True))
    if other is None or names is None or items is None:
        return None
    tests.append(_mapping(known, other, names))
    tests.append(lambda value: type(value) is not list or all(map(items, value)))
    return tests


def _other(part: Any) -> Optional[Test]:
    if isinstance(part, bool):
        return lambda _: part
    return compiled(part) if isinstance(part, dict) else None


def _mapping(known: Mapping[str, Test], other: Test, names: Test) -> Test:
    def test(value: Any) -> bool:
        if type(value) is not dict:
            return True
        return all(map(names, value)) and all(known.get(name, other)(item) for name, item in value.items())

    return test


_KINDS: Mapping[str, Test] = {
    "object": lambda value: type(value) is dict,
    "array": lambda value: type(value) is list,
    "string": lambda value: type(value) is str,
    "boolean": lambda value: type(value) is bool,
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in (int, float),
    "null": lambda value: value is None,
}


def _typed(kinds: List[str]) -> Test:
    tests = [_KINDS[kind] for kind in kinds]
    return tests[0] if len(tests) == 1 else lambda value: any(test(value) for test in tests)


def _of_text(test: Callable[[str], Any]) -> Test:
    return lambda value: type(value) is not str or bool(test(value))


def _of_number(test: Callable[[Any], bool]) -> Test:
    return lambda value: type(value) not in (int, float) or test(value)


def _sized(kind: Any, least: int) -> Test:
    return lambda value: type(value) is not kind or len(value) >= least


def _required(names: List[str]) -> Test:
    return lambda value: type(value) is not dict or all(name in value for name in names)


def _one_of(values: List[Any]) -> Test:
    return lambda value: any(type(value) is type(item) and value == item for item in values)


_KEYWORDS: Mapping[str, Callable[[Any], Test]] = {
    "pattern": lambda pattern: _of_text(re.compile(pattern).search),
    "minLength": lambda least: _sized(str, least),
    "minItems": lambda least: _sized(list, least),
    "minProperties": lambda least: _sized(dict, least),
    "minimum": lambda least: _of_number(lambda value: bool(value >= least)),
    "maximum": lambda most: _of_number(lambda value: bool(value <= most)),
    "exclusiveMinimum": lambda bound: _of_number(lambda value: bool(value > bound)),
    "required": _required,
    "enum": _one_of,
    "const": lambda value: _one_of([value]),
}
