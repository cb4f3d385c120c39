"""Signs and words of outcomes, as they stand all over a report."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Mapping, Optional

from mlorch.report.graph.view import GLYPHS, WORDS, WORST_FIRST
from mlorch.report.page.model import InstancePart, StepPart
from mlorch.report.style import GLYPHS as SIGNS
from mlorch.report.style import PLAIN, seconds_text

NEVER = "waiting"
"""The state of a step that the run never came to."""
RUN_GLYPHS = {"succeeded": "ok", "crashed": "failed"}
OUTCOMES = ("failed", "blocked", "cancelled", "running", "succeeded", "cached", "skipped", NEVER)
"""In the order in which they are counted and offered."""


def glyph(outcome: str) -> str:
    name = RUN_GLYPHS.get(outcome) or GLYPHS.get(outcome, outcome)
    return PLAIN.glyph(name if name in SIGNS else "dot")


def word(outcome: str) -> str:
    return "not reached" if outcome == NEVER else WORDS.get(outcome, outcome)


def css(outcome: str) -> str:
    """The class of an outcome; a run file may hold one that is none of ours."""
    return outcome if outcome in OUTCOMES else "plain"


def marked(outcome: str) -> str:
    """The class attribute of a node or bar; the commonest outcome is what the style takes for granted."""
    name = css(outcome)
    return f'class="{name}" ' if name != "succeeded" else ""


def counts(found: Mapping[str, int]) -> str:
    """`1 failed, 3 ran, 2 cached`."""
    return ", ".join(f"{found[name]} {word(name)}" for name in OUTCOMES if found.get(name))


def worst(step: StepPart) -> str:
    """The outcome that a node shows: the first of these that an instance has."""
    known = [name for name in WORST_FIRST if step.outcomes.get(name)]
    return known[0] if known else next(iter(step.outcomes), NEVER)


def aimed(metric: str, goal: str) -> str:
    """A metric with the way in which it is better: `auc ↑`."""
    return metric + {"max": " ↑", "min": " ↓"}.get(goal, "")


def took(instance: InstancePart) -> str:
    return seconds_text(instance.seconds) if instance.seconds >= 0.0005 else ""


def moment(seconds: Optional[float]) -> str:
    """UTC, since nobody knows where a report is read."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return ""
