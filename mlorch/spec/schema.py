"""The JSON schema: found, made fit for quick validation, and asked.

Keys are declared in `pipeline.schema.json` and nowhere else.
"""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from mlorch.errors import EnvironmentFault
from mlorch.spec import quick

FILE = "pipeline.schema.json"
Json = Dict[str, Any]


@lru_cache(maxsize=1)
def schema() -> Mapping[str, Any]:
    """The parsed schema of pipelines. Raises EnvironmentFault where the installation lacks it."""
    with open(schema_path(), encoding="utf-8") as file:
        parsed: Mapping[str, Any] = json.load(file)
    return parsed


def schema_path() -> str:
    """Where the schema stands: in the installed package, or beside it in the repository."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in (os.path.join(package, "schemas"), os.path.join(os.path.dirname(package), "schemas")):
        path = os.path.join(folder, FILE)
        if os.path.isfile(path):
            return path
    raise EnvironmentFault(f"`{FILE}` is missing from this installation", "install mlorch again")


@lru_cache(maxsize=None)
def resolved(definition: str = "") -> Json:
    """The schema (or one of its definitions) with every `$ref` replaced by what it names.

    It has no recursion, and a validator that follows no reference is several times as quick.
    """
    whole = schema()
    definitions = whole["definitions"]
    top = {name: part for name, part in whole.items() if name != "definitions"}
    inlined: Json = _inline(definitions[definition] if definition else top, definitions)
    return inlined


def _inline(part: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_inline(item, definitions) for item in part]
    if not isinstance(part, dict):
        return part
    base: Json = {}
    for reference in part.get("allOf", []):
        base.update(_inline(definitions[reference["$ref"].rsplit("/", 1)[1]], definitions))
    # `x-` keys never reach the validator; their pattern is there for editors
    own = {name: item for name, item in part.items() if name not in ("allOf", "patternProperties")}
    base.update({name: _inline(item, definitions) for name, item in own.items()})
    return base


@lru_cache(maxsize=None)
def _validator(definition: str) -> Any:
    import jsonschema  # heavy; only who validates pays for it

    return jsonschema.Draft7Validator(_stripped(resolved(definition)))


def _stripped(part: Any) -> Any:
    """Without the annotations that a validator would step over at every value."""
    if isinstance(part, list):
        return [_stripped(item) for item in part]
    if not isinstance(part, dict):
        return part
    stripped: Json = {}
    for name, item in part.items():
        if name == "properties":
            stripped[name] = {key: _stripped(value) for key, value in item.items()}
        elif name == "pattern":
            stripped[name] = re.sub(r"\$$", r"\\Z", item)  # Python's `$` lets a line break pass
        elif name not in ("examples", "description", "default", "$schema"):
            stripped[name] = _stripped(item)
    return stripped


class Violation:
    """One way in which a document does not fit: `keyword` of the schema part at `path`."""

    __slots__ = ("instance", "keyword", "path", "rule", "steps")

    def __init__(self, error: Any) -> None:
        self.keyword: str = error.validator
        self.path: Tuple[Any, ...] = tuple(error.absolute_path)
        self.instance: Any = error.instance
        self.rule: Mapping[str, Any] = error.schema
        self.steps: Tuple[Any, ...] = tuple(error.absolute_schema_path)

    @property
    def of_key(self) -> bool:
        """Whether the key itself, not its value, is wrong."""
        return "propertyNames" in self.steps


@lru_cache(maxsize=None)
def _quick(definition: str) -> Optional[quick.Test]:
    return quick.compiled(_stripped(resolved(definition)))


def violations(document: Any, definition: str = "") -> Iterator[Violation]:
    """In which ways a document does not fit. jsonschema is asked only where something does not."""
    fits = _quick(definition)
    if fits is not None and fits(document):
        return
    for error in _validator(definition).iter_errors(document):
        yield Violation(error)


def describe(path: Sequence[Any], definition: str = "") -> Mapping[str, Any]:
    """The schema part that is responsible for the value at a path; an empty mapping where there is none."""
    part: Any = resolved(definition)
    for name in path:
        if isinstance(name, int):
            part = part.get("items", {})
        else:
            additional = part.get("additionalProperties")
            part = part.get("properties", {}).get(name) or (
                additional if isinstance(additional, dict) else {}
            )
    return part if isinstance(part, dict) else {}


def keys(definition: str = "") -> List[str]:
    """The keys that a mapping may have."""
    return list(resolved(definition).get("properties", {}))
