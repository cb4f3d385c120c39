"""A dry run as text: what is cached, what would run and why, what may run, and how long it should take."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

from mlorch.model import Decision, Plan
from mlorch.report.reasons import folded, listed
from mlorch.report.style import PLAIN, Style, cells_of, is_narrow, pad, seconds_text, spread
from mlorch.values import dataclass

MOST_LINES = 20
"""With more instances than this, those of one step that say the same share a line."""
NAME_CELLS = 12
LONGEST_NAME = 32
SHOWN_REASONS = 5
SHOWN_PATHS = 10

GLYPHS = {"cached": "cached", "run": "run", "maybe": "maybe", "skipped": "skipped", "blocked": "blocked"}
COLORS = {"run": "cyan", "maybe": "yellow", "failed": "red", "blocked": "yellow"}
COUNTED = (("run", "to run"), ("maybe", "maybe"), ("failed", "failing"), ("cached", "cached"))
COUNTED_TOO = (("skipped", "skipped"), ("blocked", "blocked"))


@dataclass
class Group:
    """Decisions that share a line."""

    name: str
    action: str
    texts: Tuple[str, ...]
    count: int = 0
    seconds: float = 0.0
    known: bool = True
    """Whether the seconds of all of them are."""


def render_plan(plan: Plan, style: Style = PLAIN) -> str:
    """One line per instance (or group of instances), what would be moved or kept aside, and the totals."""
    groups = group(plan.decisions)
    names = [_name(item, style) for item in groups]
    width = min(LONGEST_NAME, max([NAME_CELLS - 2, *(cells_of(name) for name in names)])) + 2
    lines: List[str] = []
    for item, name in zip(groups, names):
        lines += _lines(item, pad(name, width), style)
    lines += _listed("would move aside, since nothing declares them any more:", plan.moved, style)
    lines += _listed("would keep aside, since they were edited or not made by mlorch:", plan.kept, style)
    lines.append(_totals(plan, style))
    return "\n".join(lines) + "\n"


def shown_action(decision: Decision) -> str:
    """The action, or `failed` for a cached instance whose check does not hold."""
    if decision.action == "cached" and any(reason.kind == "check" for reason in decision.reasons):
        return "failed"
    return decision.action


def group(decisions: Sequence[Decision]) -> List[Group]:
    """A group for each instance; where that would be too many, one for those of a step that say the same."""
    fold = len(decisions) > MOST_LINES
    found: Dict[Tuple[str, str, Tuple[str, ...]], Group] = {}
    for decision in decisions:
        action = shown_action(decision)
        texts = _texts(decision, action)
        name = decision.instance.step.id if fold else decision.instance.name
        item = found.setdefault((name, action, texts), Group(name, action, texts))
        item.count += 1
        seconds = _seconds(decision)
        item.known = item.known and seconds is not None
        item.seconds += seconds or 0.0
    return list(found.values())


def _texts(decision: Decision, action: str) -> Tuple[str, ...]:
    reasons = tuple(folded(decision.reasons))
    if action in ("run", "failed"):
        return reasons or ("would run",)
    if action == "maybe":
        return tuple(f"maybe: {text}" if index == 0 else text for index, text in enumerate(reasons)) or (
            "maybe",
        )
    behind = listed(decision.causes)
    if action == "blocked":
        return (f"blocked by {behind}" if behind else "blocked",)
    if action == "skipped":
        return ("skipped" + (f", as {behind} is" if behind else ": its condition is false"),)
    return (action,)


def _seconds(decision: Decision) -> Optional[float]:
    """What it saves if cached, else what it should take."""
    if decision.action == "cached":
        return decision.record.seconds if decision.record is not None else None
    return decision.seconds


def _name(item: Group, style: Style) -> str:
    times = f" {style.glyph('times')}{item.count}" if item.count > 1 else ""
    return style.shorten(style.clean(item.name), LONGEST_NAME - len(times)) + times


def _lines(item: Group, name: str, style: Style) -> List[str]:
    texts = [style.own(text) for text in item.texts[:SHOWN_REASONS]]
    if len(item.texts) > SHOWN_REASONS:
        texts.append(f"and {len(item.texts) - SHOWN_REASONS} more")
    mark = style.paint(style.glyph(item.action), COLORS.get(item.action, "dim"))
    indent = " " * (2 + cells_of(name))
    first = f"{style.glyph(item.action)} {name}{texts[0]}"
    # The glyph is coloured last, so that columns count what is seen.
    amount = _amount(item)
    if is_narrow(style.width) and cells_of(first) + 2 + cells_of(amount) > style.width:
        amount = ""  # the reason says more
    shown = mark + spread(first, amount, style.width)[1:]
    return [shown, *(indent + text for text in texts[1:])]


def _amount(item: Group) -> str:
    if item.action == "cached":
        return f"saves {seconds_text(item.seconds)}" if item.seconds >= 0.05 else ""
    if item.action in ("run", "maybe") and item.seconds >= 0.05:
        return ("~" if item.known else "> ") + seconds_text(item.seconds)
    return ""


def _listed(title: str, paths: Sequence[str], style: Style) -> List[str]:
    if not paths:
        return []
    lines = [title]
    lines += ["  " + style.clean(path) for path in paths[:SHOWN_PATHS]]
    if len(paths) > SHOWN_PATHS:
        lines.append(f"  and {len(paths) - SHOWN_PATHS} more")
    return lines


def action_totals(plan: Plan) -> Dict[str, int]:
    """`run`, `maybe`, `failed`, `cached`, `skipped`, `blocked` -> instances."""
    totals = {name: 0 for name, _ in (*COUNTED, *COUNTED_TOO)}
    for decision in plan.decisions:
        totals[shown_action(decision)] += 1
    return totals


def _totals(plan: Plan, style: Style) -> str:
    totals = action_totals(plan)
    name = style.clean(plan.pipeline.name)
    parts = [f"{totals[key]} {word}" for key, word in (*COUNTED, *COUNTED_TOO) if totals[key]]
    if not totals["run"] and not totals["maybe"] and not totals["failed"]:
        return f"{style.glyph('cached')} {name} is up to date: {', '.join(parts) or 'no steps'}"
    if plan.seconds is not None and (totals["run"] or totals["maybe"]):
        parts.append(("about " if plan.complete else "at least ") + seconds_text(plan.seconds))
    return _joined([name, *parts], style)


def _joined(parts: Sequence[str], style: Style) -> str:
    """Parts with dots between; what does not fit goes on in the next line."""
    lines = [parts[0]]
    for part in parts[1:]:
        longer = f"{lines[-1]} {style.glyph('dot')} {part}"
        if cells_of(longer) <= style.width:
            lines[-1] = longer
        else:
            lines.append("  " + part)
    return "\n".join(lines)
