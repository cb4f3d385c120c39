"""Documents as the files have them: steps by id with defaults merged in, before anything is built of them."""

from __future__ import annotations

from dataclasses import field
from typing import Dict, FrozenSet, Set, Tuple

from mlorch.spec.nodes import Map, Node, Scalar, Seq
from mlorch.spec.text import Spot
from mlorch.values import dataclass


@dataclass(frozen=True)
class RawStep:
    """A step as it is written, with defaults and what the pipeline gives to every step merged in."""

    id: str
    key: Scalar
    own: Map
    node: Map
    scope: str = ""
    broken: FrozenSet[str] = frozenset()
    """Keys of it of which something was already complained of."""

    @property
    def spot(self) -> Spot:
        return self.key.spot

    def has(self, key: str) -> bool:
        return key in self.own.entries or key in self.broken


@dataclass
class Document:
    """Everything that the files say."""

    top: Map
    steps: Dict[str, RawStep] = field(default_factory=dict)
    unclear: Set[str] = field(default_factory=set)
    """Ids that are written but wrong, so that nobody calls them unknown; `SCOPE.*` for a broken include."""
    includes: Dict[str, Map] = field(default_factory=dict)
    expects: Dict[str, Tuple[str, ...]] = field(default_factory=dict)
    broken: Set[str] = field(default_factory=set)
    """Top-level keys of which something was already complained of."""

    def doubtful(self, step: str) -> bool:
        return step in self.unclear or "{}.*".format(step.split(".")[0]) in self.unclear


LISTS = ("pass_env", "secrets")


def merged(step: Map, defaults: Map, top: Map) -> Map:
    """A step with `defaults` and the pipeline's `env`, `pass_env`, `secrets` merged in; the step wins."""
    entries = dict(step.entries)
    for name, (key, value) in defaults.entries.items():
        if not _fits(name, step):
            continue
        own = entries.get(name)
        if own is None:
            entries[name] = (key, value)
        else:
            entries[name] = (own[0], _deep(name, own[1], value))
    for name in ("env", *LISTS):
        given = top.entries.get(name)
        if given is not None:
            own = entries.get(name)
            entries[name] = given if own is None else (own[0], _union(name, own[1], given[1]))
    return Map(step.source, step.start, step.end, entries)


def _fits(name: str, step: Map) -> bool:
    if name == "shell":
        return not isinstance(step.get("run"), Seq) and "call" not in step.entries
    return True


def _deep(name: str, own: Node, default: Node) -> Node:
    if name == "timeout":
        own, default = _long(own), _long(default)
    if isinstance(own, Map) and isinstance(default, Map):
        entries = dict(default.entries)
        for key, entry in own.entries.items():
            other = default.get(key)
            entries[key] = entry if other is None else (entry[0], _deep(key, entry[1], other))
        return Map(own.source, own.start, own.end, entries)
    return own


def _long(timeout: Node) -> Node:
    """`timeout: 1h` as `{after: 1h}`."""
    if isinstance(timeout, Map):
        return timeout
    key = Scalar(timeout.source, timeout.start, timeout.end, "after", "after", "")
    return Map(timeout.source, timeout.start, timeout.end, {"after": (key, timeout)})


def _union(name: str, own: Node, given: Node) -> Node:
    if name in LISTS and isinstance(own, Seq) and isinstance(given, Seq):
        names = {item.plain for item in own.items}
        more = [item for item in given.items if item.plain not in names]
        return Seq(own.source, own.start, own.end, more + own.items)
    return _deep(name, own, given)
