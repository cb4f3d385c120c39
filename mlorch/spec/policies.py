"""Retry, timeout, cache, resources and capacity: numbers, durations and sizes."""

from __future__ import annotations

from typing import Callable, Dict, List, Mapping, Optional, TypeVar, Union

from mlorch.model import CachePolicy, Retry, Timeout, Tree
from mlorch.spec.nodes import Map, Node, Scalar, Seq
from mlorch.spec.problems import Problems, suggest
from mlorch.spec.templates import OPENING, Templates
from mlorch.spec.units import parse_duration, parse_size

Number = TypeVar("Number", int, float)
CAUSES = ("timeout", "killed", "failed")


def _measure(
    node: Optional[Node], parse: Callable[[Union[str, int, float]], Number], problems: Problems
) -> Optional[Number]:
    if not isinstance(node, Scalar):
        return None
    try:
        return parse(node.value)
    except ValueError as error:
        hint = "write for example `4GiB`; a number without a unit is bytes"
        if parse is parse_duration:
            hint = "write for example `15m`; a number without a unit is seconds"
        problems.error("E119", str(error), node.spot, hint)
        return None


def build_retry(node: Optional[Node], problems: Problems) -> Retry:
    if not isinstance(node, Map):
        return Retry()
    values = node.plain
    return Retry(
        max_attempts=int(values.get("max_attempts", 1)),
        delay=_measure(node.get("delay"), parse_duration, problems) or 0.0,
        backoff=float(values.get("backoff", 1)),
        max_delay=_measure(node.get("max_delay"), parse_duration, problems),
        jitter=float(values.get("jitter", 0)),
        on=tuple(_causes(node.get("on"), problems)),
    )


def _causes(node: Optional[Node], problems: Problems) -> List[Union[str, int]]:
    causes: List[Union[str, int]] = []
    for item in node.items if isinstance(node, Seq) else []:
        value = item.plain
        if isinstance(value, str) and value not in CAUSES:
            hint = suggest(value, CAUSES, "use `timeout`, `killed`, `failed` or an exit code")
            problems.error("E106", f"`{value}` is no cause to try again for", item.spot, hint)
        else:
            causes.append(value if isinstance(value, str) else int(value))
    return causes


def build_timeout(node: Optional[Node], problems: Problems) -> Optional[Timeout]:
    after = _measure(node.get("after") if isinstance(node, Map) else node, parse_duration, problems)
    grace = _measure(node.get("grace"), parse_duration, problems) if isinstance(node, Map) else None
    if after is None:
        return None
    if after == 0 and node is not None:
        problems.error(
            "E106", "a timeout must be longer than 0", node.spot, "write for example `30m`, or take it out"
        )
    return Timeout(after) if grace is None else Timeout(after, grace)


def build_cache(node: Optional[Node], problems: Problems) -> CachePolicy:
    if isinstance(node, Map):
        return CachePolicy(
            True, _measure(node.get("ttl"), parse_duration, problems), node.plain.get("version")
        )
    return CachePolicy(enabled=not isinstance(node, Scalar) or node.value is not False)


def build_resources(node: Map, owner: str, templates: Templates, problems: Problems) -> Mapping[str, Tree]:
    built: Dict[str, Tree] = {}
    for name, _, item in node.items():
        assert isinstance(item, Scalar)
        if isinstance(item.value, str) and OPENING in item.value:
            built[name] = templates.whole(item, "resources", owner)
        elif name == "memory":
            built[name] = _measure(item, parse_size, problems)
        elif isinstance(item.value, str):
            message = f"`resources.{name}` must be a whole number, not the text `{item.value}`"
            problems.error("E105", message, item.spot, "write the number without quotes")
        else:
            built[name] = int(item.value)
    return {name: value for name, value in built.items() if value is not None}


def build_capacity(node: Map, problems: Problems) -> Mapping[str, float]:
    built: Dict[str, float] = {}
    for name, _, item in node.items():
        value = _measure(item, parse_size, problems) if name == "memory" else float(item.plain)
        if value is not None:
            built[name] = value
    return built
