"""`notify`: channels at the top and in hooks."""

from __future__ import annotations

import re
from typing import Optional, Tuple

from mlorch.model import Channel
from mlorch.spec.nodes import Map, Node, Scalar
from mlorch.spec.problems import Problems
from mlorch.spec.units import parse_duration

WAYS = ("webhook", "email", "command", "apprise")
FAILURES = re.compile(r"([0-9]{1,6}) failures?\Z")
HOOKS = {
    "on_success": ("success",),
    "on_failure": ("failure",),
    "on_recovery": ("recovery",),
    "finally": ("success", "failure"),
}
"""The hook that a channel stands in -> when it is used."""


def build_channel(
    node: Optional[Node], problems: Problems, hook: str = "", step: str = ""
) -> Optional[Channel]:
    """A channel of the list at the top, or of a hook (of a step). None where a problem was noted."""
    if not isinstance(node, Map):
        return None
    ways = [name for name in WAYS if name in node.entries]
    if len(ways) != 1:
        if not ways and problems.told_within(node.place, node.source.place(node.end)):
            return None
        found = " and ".join(f"`{name}`" for name in ways)
        message = (
            f"a channel has {found}"
            if ways
            else "a channel says neither `webhook`, `email`, `command` nor `apprise`"
        )
        hint = (
            "keep one of them, and make channels of the others"
            if ways
            else "add for example `webhook: SLACK_URL`"
        )
        problems.error("E210", message, node.spot, hint)
        return None
    target = node.get(ways[0])
    words = target.plain if target is not None else ()
    failures, lasting = _after(node.get("after"), problems)
    on = node.get("on")
    return Channel(
        kind=ways[0],
        target=tuple(str(word) for word in words) if isinstance(words, (list, tuple)) else (str(words),),
        place=node.place,
        format=_text(node, "format", "json"),
        smtp=_text(node, "smtp", "MLORCH_SMTP"),
        on=HOOKS[hook] if hook else tuple(on.plain) if on is not None else ("failure", "recovery"),
        failures=failures,
        lasting=lasting,
        step=step,
    )


def _text(node: Map, name: str, default: str) -> str:
    found = node.get(name)
    return str(found.plain) if isinstance(found, Scalar) else default


def _after(node: Optional[Node], problems: Problems) -> Tuple[int, float]:
    """(failures in a row, seconds since the first) from which on the channel is used."""
    if not isinstance(node, Scalar):
        return 1, 0.0
    counted = FAILURES.match(str(node.value))
    if counted:
        return max(1, int(counted.group(1))), 0.0
    try:
        return 1, parse_duration(node.value)
    except ValueError as error:
        problems.error("E119", str(error), node.spot, "write for example `2 failures` or `1h`")
        return 1, 0.0
