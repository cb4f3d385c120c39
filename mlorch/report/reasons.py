"""Why an instance runs, as sentences."""

from __future__ import annotations

import json
from itertools import groupby
from typing import List, Optional, Sequence, Tuple

from mlorch.digest import tag_floats
from mlorch.model import UNKNOWN, Reason, Value

LONGEST = 40
MOST_NAMES = 3

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


def folded(reasons: Sequence[Reason]) -> List[str]:
    """A sentence for each reason, but one for all code files, and one for all packages, that came or went together, as
    they do when a script is gone."""
    found: List[str] = []
    for coming, group in groupby(reasons, _coming):
        together = list(group)
        if coming is None or len(together) == 1:
            found += [sentence(reason) for reason in together]
        else:
            what = "packages" if together[0].kind == "package" else "code"
            change = "added" if coming[1] else "removed"
            found.append(f"{what} {change}: {listed([reason.name for reason in together])}")
    return found


def _coming(reason: Reason) -> Optional[Tuple[str, bool]]:
    """(kind, whether it came rather than went) of code and packages that are in one of the two keys only."""
    if (
        reason.kind not in ("code", "package")
        or not reason.name
        or (reason.old is None) == (reason.new is None)
    ):
        return None
    return reason.kind, reason.old is None


def listed(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """`a, b, c and 9 more`."""
    if len(names) <= most + 1:  # one more takes no more room than to say so
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


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
