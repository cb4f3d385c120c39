"""The rebuilder, pure: from an invocation and what the store remembers to cached, run (with reasons) or maybe."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

from mlorch.model import UNKNOWN, Invocation, Manifest, Reason, Record, Step, Value
from mlorch.plan.manifest import can_match, differences
from mlorch.values import dataclass

_KINDS = {"value": "value", "upstream": "upstream", "cache": "version", "command": "command"}
_LONGEST_VALUE = 60
_MOST_PENDING = 3
FAMILY_LIMIT = 64


@dataclass(frozen=True)
class Recalled:
    """A record with what had to be looked up about it: None where it holds, else why it does not."""

    record: Record
    obstacle: Optional[Reason] = None


_NEVER = (Reason("new", text="never ran"),)


@dataclass(frozen=True)
class Verdict:
    """`cached`, `run` or `maybe`."""

    action: str
    reasons: Tuple[Reason, ...] = ()
    record: Optional[Record] = None


def decide(
    step: Step, invocation: Invocation, recalled: Sequence[Recalled], nearest: Optional[Record]
) -> Verdict:
    """For a whole key: the newest record that holds wins; else it runs, and here is why.

    Args:
        recalled: the records of this very key, newest first.
        nearest: what the reasons compare with where no record has the key.
    """
    if not step.cache.enabled:
        return Verdict("run", (Reason("uncached", text="cache: false"),), nearest)
    for item in recalled:
        if item.obstacle is None:
            return Verdict("cached", (), item.record)
    if recalled:
        obstacle = recalled[0].obstacle
        assert obstacle is not None
        return Verdict("run", (obstacle,), recalled[0].record)
    return Verdict("run", why(invocation.manifest, nearest), nearest)


def decide_partly(
    step: Step,
    invocation: Invocation,
    family: Sequence[Record],
    nearest: Optional[Record],
    pending: Sequence[str],
) -> Verdict:
    """For a manifest with unknown rows: `run` where no record can match what is already known, else `maybe`."""
    waits = _waits(pending)
    if not step.cache.enabled:
        return Verdict("run", (Reason("uncached", text="cache: false"),), nearest)
    # A family that was not read whole may hold a match beyond what was read.
    if len(family) >= FAMILY_LIMIT or any(
        can_match(invocation.manifest, record.manifest) for record in family
    ):
        return Verdict("maybe", waits, nearest)
    known = why(invocation.manifest, nearest)
    return Verdict("run", known or waits, nearest)


def _waits(pending: Sequence[str]) -> Tuple[Reason, ...]:
    """One reason for each instance above that is not known yet; of many, how many more there are."""
    found = [Reason("upstream", name, text=f"{name} would run") for name in pending]
    if len(found) > _MOST_PENDING + 1:  # one more takes no more room than to say so
        more = len(found) - _MOST_PENDING
        found[_MOST_PENDING:] = [Reason("upstream", text=f"and {more} more")]
    return tuple(found) or (Reason("upstream", text="an upstream step would run"),)


def why(manifest: Manifest, nearest: Optional[Record]) -> Tuple[Reason, ...]:
    """One reason per row that differs from the nearest record's; `new` where there is none."""
    if nearest is None:
        return _NEVER
    found: List[Reason] = []
    for kind, name, old, new in differences(nearest.manifest, manifest):
        if UNKNOWN in (old, new) or name == "?":
            continue
        found.append(reason(kind, name, old, new))
    return tuple(found)


def reason(kind: str, name: str, old: Value, new: Value) -> Reason:
    """The sentence for one row: `param window: 7 → 14`, `input changed: split`, `code changed: features.py`."""
    return Reason(_KINDS.get(kind, kind), name, old, new, _sentence(kind, name, old, new))


def _sentence(kind: str, name: str, old: Value, new: Value) -> str:
    if kind in ("param", "value", "env", "package", "cache", "interpreter"):
        label = {"value": "", "cache": "cache ", "interpreter": "interpreter"}.get(kind, kind + " ")
        shown = label + ("" if kind == "interpreter" else name)
        return f"{shown}: {_short(old)} → {_short(new)}"
    noun = {
        "input": "input",
        "code": "code",
        "command": "command",
        "output": "output",
        "upstream": "upstream",
    }
    if old is None:
        return f"{noun.get(kind, kind)} added: {name}"
    if new is None:
        return f"{noun.get(kind, kind)} removed: {name}"
    return f"{noun.get(kind, kind)} changed: {name}" if kind != "command" else "command changed"


def _short(value: Value) -> str:
    if value is None:
        return "(not there)"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def obstacle(
    record: Record, now: float, ttl: Optional[float], changed_modules: Sequence[str], strict: bool = False
) -> Optional[Reason]:
    """Why a record of the right key does not hold, lost outputs aside.

    Args:
        strict: a step that read what it does not declare has failed (`undeclared: error`).
    """
    if record.code_changed:
        return Reason("code", text="code changed while it ran")
    if strict and record.undeclared:
        return Reason("undeclared", record.undeclared[0], text=f"read undeclared: {record.undeclared[0]}")
    if changed_modules:
        return Reason("module", changed_modules[0], text=f"module changed: {changed_modules[0]}")
    if ttl is not None:
        age = now - (record.started + record.seconds)
        if age > ttl or age < -1.0:
            return Reason("expired", text="older than its ttl" if age > 0 else "recorded in the future")
    return None
