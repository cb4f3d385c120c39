"""Why an instance runs, as sentences."""

from __future__ import annotations

import json
from typing import Sequence

from mlorch.digest import tag_floats
from mlorch.model import UNKNOWN, Reason, Value

LONGEST = 40

PLAIN_SENTENCES = {
    "new": "never ran",
    "forced": "forced",
    "uncached": "cache: false",
    "expired": "older than its ttl",
    "lost": "output lost",
    "upstream": "an upstream step would run",
    "effect": "no receipt for it yet",
    "module": "a module that it loaded changed",
    "retired": "what it declared is gone",
    "command": "command changed",
}
VALUED = ("param", "env", "package", "interpreter", "version")


def sentence(reason: Reason) -> str:
    """`param window: 7 → 14`, `input changed: split`; as the engine worded it where it did."""
    if reason.text:
        return reason.text
    if reason.kind in VALUED:
        label = reason.kind if reason.kind == "interpreter" else f"{reason.kind} {reason.name}"
        return f"{label}: {value_text(reason.old)} → {value_text(reason.new)}"
    base = PLAIN_SENTENCES.get(reason.kind)
    if base is not None:
        return (
            f"{base}: {reason.name}" if reason.name and reason.kind in ("lost", "module", "effect") else base
        )
    change = "added" if reason.old is None and reason.new is not None else "changed"
    if reason.new is None and reason.old is not None:
        change = "removed"
    return f"{reason.kind} {change}: {reason.name}" if reason.name else f"{reason.kind} {change}"


def sentences(reasons: Sequence[Reason]) -> str:
    """All of them in one line."""
    return ", ".join(sentence(reason) for reason in reasons)


def value_text(value: Value, longest: int = LONGEST) -> str:
    """A value as a person would write it in YAML, cut to a length; `(none)` for what is not there."""
    if value is None:
        return "(none)"
    if value == UNKNOWN:
        return "(not yet known)"
    text = value if isinstance(value, str) else json.dumps(tag_floats(value), ensure_ascii=False)
    return text if len(text) <= longest else text[: longest - 1] + "…"
