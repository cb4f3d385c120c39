"""Why an instance would run, or not: every part of its key, old and new, with what differs in texts."""

from __future__ import annotations

import difflib
import sys
import time
from dataclasses import field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch.model import UNKNOWN, Cause, Decision, Digest, Place, Record
from mlorch.report.documents import Part, key_parts
from mlorch.report.failures import is_override
from mlorch.report.plans import shown_action
from mlorch.report.reasons import sentence, sentences, value_text
from mlorch.report.reproduced import reproduced_sentence
from mlorch.report.style import PLAIN, Style, age_text, cells_of, is_narrow, pad
from mlorch.values import dataclass

Texts = Callable[[Digest], Optional[str]]
"""The text of a stored source, None where it is not kept."""

KIND_CELLS = 12
NAME_CELLS = 18
LONGEST_NAME = 30
DIFF_LINES = 60
SHOWN_SAME = 8
MOST_CAUSES = 4
DIGEST_PREFIX = "blake3:"

VERBS = {
    "run": "would run",
    "cached": "is cached",
    "maybe": "may run",
    "skipped": "is skipped",
    "blocked": "is blocked",
}
MARKS = {"same": "cached", "changed": "differs", "added": "differs", "removed": "differs", "unknown": "maybe"}
COLORS = {"changed": "yellow", "added": "yellow", "removed": "yellow", "unknown": "yellow"}


@dataclass(frozen=True)
class Context:
    """What stands around a decision: what it is compared with, and where things are written."""

    previous: Optional[Record] = None
    """None compares with the decision's own record."""
    places: Mapping[str, Place] = field(default_factory=dict)
    """Param -> where its value stands."""
    current: Callable[[str], Optional[str]] = field(default=lambda _: None)
    """The text of a project file as it is now."""
    now: Optional[float] = None
    """Seconds since the epoch; None is the clock's."""
    causes: Sequence[Cause] = ()
    """What began it, further up."""
    touched: Sequence[str] = ()
    """Files that were written since, with the same content."""


def render_why(
    decision: Decision, texts: Optional[Texts] = None, style: Style = PLAIN, context: Optional[Context] = None
) -> str:
    """A headline, each part of the key that differs, and diffs of code where both texts are there."""
    context = context or Context()
    record = context.previous or decision.record
    now = decision.invocation.manifest if decision.invocation is not None else None
    parts = key_parts(record.manifest if record is not None else None, now)
    lines = [_headline(decision, record, parts, style, context)]
    if record is None or now is None:
        lines += ["  " + style.own(sentence(reason)) for reason in decision.reasons]
        return "\n".join(lines) + "\n"
    differing = [part for part in parts if part[2] != "same"]
    names = [cells_of(style.clean(part[1])) for part in differing]
    width = min(LONGEST_NAME, max([0 if is_narrow(style.width) else NAME_CELLS, *names]))
    lines += _same_lines(parts, style)
    for part in differing:
        lines += _part_lines(part, width, style, context)
        if part[0] == "code":
            lines += _diff(part, record, texts, style, context)
    lines += _other_reasons(decision, style)
    lines += _touched(context, style)
    lines += _causes(context, style)
    lines += _about_record(record, style)
    return "\n".join(lines) + "\n"


def _headline(
    decision: Decision, record: Optional[Record], parts: List[Part], style: Style, context: Context
) -> str:
    name = style.clean(decision.instance.name)
    action = shown_action(decision)
    verb = "would fail" if action == "failed" else VERBS.get(action, action)
    head = f"{style.paint(name, 'bold')} {verb}"
    if action in ("skipped", "blocked"):
        behind = ", ".join(style.clean(cause) for cause in decision.causes)
        return head + (f" because of {behind}" if behind else ": its condition is false")
    if record is None:
        return head + ": no run of it is recorded"
    ended = record.started + record.seconds
    age = age_text((time.time() if context.now is None else context.now) - ended)
    since = f"run {record.run} ({age})"
    changed = sum(part[2] in ("changed", "added", "removed") for part in parts)
    unknown = sum(part[2] == "unknown" for part in parts)
    if not parts or decision.invocation is None:
        return f"{head}; it last ran in {since}"
    if not changed and not unknown:
        return f"{head}: all parts of its key are as in {since}"
    if not changed:
        return f"{head}: {unknown} of {len(parts)} parts of its key not yet known, since {since}"
    return f"{head}: {changed} of {len(parts)} parts of its key changed since {since}"


def _same_lines(parts: List[Part], style: Style) -> List[str]:
    """Unchanged parts in one line per kind: names, or how many there are."""
    kinds: List[str] = []
    for part in parts:
        if part[2] == "same" and part[0] not in kinds:
            kinds.append(part[0])
    lines = []
    for kind in kinds:
        names = [style.clean(part[1]) for part in parts if part[2] == "same" and part[0] == kind]
        text = ", ".join(names)
        if len(names) > SHOWN_SAME or len(text) > style.width - KIND_CELLS - 5:
            text = f"{len(names)} unchanged"
        lines.append(f"  {style.glyph('cached')} {pad(kind, KIND_CELLS)}{text}".rstrip())
    return lines


def _part_lines(part: Part, width: int, style: Style, context: Context) -> List[str]:
    """`≠ param  window  7 -> 14  mlorch.yaml:5`; long or nested values on lines of their own."""
    kind, name, state, old, new = part
    mark = style.paint(style.glyph(MARKS[state]), COLORS[state])
    label = pad(style.clean(name), width)
    head = f"  {mark} {pad(kind, KIND_CELLS)}{label}  "
    if kind == "input" and _is_list_of_pairs(old) and _is_list_of_pairs(new):
        return _members(head, old, new, style)
    where = _where(part, style, context)
    if state == "changed" and (_is_cut(kind, old) or _is_cut(kind, new)):
        lines = list(difflib.ndiff(_whole(kind, old), _whole(kind, new)))
        told = [text for text in lines if text[:1] in "+-"]
        return [(head + where).rstrip(), *("      " + _diff_line(text, style) for text in told[:DIFF_LINES])]
    before, after = style.own(_shown(kind, old)), style.own(_shown(kind, new))
    if state == "added":
        text = f"added: {after}"
    elif state == "removed":
        text = f"removed: {before}"
    elif state == "unknown":
        text = "what an upstream step will make"
    else:
        text = f"{before} -> {after}"
    return [(head + text + where).rstrip()]


def _where(part: Part, style: Style, context: Context) -> str:
    """Where a param's value stands."""
    place = context.places.get(part[1]) if part[0] == "param" else None
    if place is None:
        return ""
    return "   -p" if is_override(place) else f"   {style.clean(place.file)}:{place.line}"


def _shown(kind: str, value: Any) -> str:
    """A value in one line: digests short, paths with their digest, the rest as in YAML."""
    if value is None:
        return "(none)"
    if value == UNKNOWN:
        return "(not yet known)"
    if kind == "input" and _is_pair(value):
        return f"{value[0]} {_shown('', value[1])}"
    if kind == "command":
        return value_text(_command(value))
    if isinstance(value, str) and value.startswith(DIGEST_PREFIX):
        return value[len(DIGEST_PREFIX) :][:4] + "…"
    return value_text(value)


def _command(value: Any) -> Any:
    """What a command's part says: its text or words; `steps:fit` of a function."""
    text = (value.get("run") or value.get("call") or value) if isinstance(value, Mapping) else value
    return text if isinstance(text, str) else [*text]


def _is_cut(kind: str, value: Any) -> bool:
    return (
        isinstance(value, (str, list, Mapping))
        and _shown(kind, value).endswith("…")
        and bool(_whole(kind, value))
    )


def _whole(kind: str, value: Any) -> List[str]:
    """The lines of a text or of a nested value, uncut; none of what is only a digest or a path with one."""
    value = _command(value) if kind == "command" else value
    if (
        value in (None, UNKNOWN)
        or (isinstance(value, str) and value.startswith(DIGEST_PREFIX))
        or _is_pair(value)
    ):
        return []
    return value_text(value, sys.maxsize).splitlines()


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(item, str) for item in value)
    )


def _is_list_of_pairs(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(_is_pair(item) for item in value)


def _members(head: str, old: Any, new: Any, style: Style) -> List[str]:
    """Which paths of a list input were added, removed or changed."""
    before, after = dict(old), dict(new)
    changes = [("removed", path) for path in before if path not in after]
    changes += [("added", path) for path in after if path not in before]
    changes += [("changed", path) for path in after if path in before and before[path] != after[path]]
    if not changes:
        return [head + "in another order"]
    lines = [f"{head}{len(changes)} of {len({**before, **after})} paths differ"]
    lines += [f"      {word:8} {style.clean(path)}" for word, path in changes[:SHOWN_SAME]]
    if len(changes) > SHOWN_SAME:
        lines.append(f"      and {len(changes) - SHOWN_SAME} more")
    return lines


def _diff(part: Part, record: Record, texts: Optional[Texts], style: Style, context: Context) -> List[str]:
    """A unified diff of one code file, where the old text is in the store and the new one on disk."""
    path = part[1]
    digest = record.sources.get(path)
    old = texts(digest) if texts is not None and digest else None
    new = context.current(path)
    if old is None or new is None or old == new:
        return []
    name = style.clean(path)
    before, after = (list(map(_Line, text.splitlines())) for text in (old, new))
    diff = list(difflib.unified_diff(before, after, name, name, lineterm="", n=2))
    lines = ["      " + _diff_line(text, style) for text in diff[:DIFF_LINES]]
    if len(diff) > DIFF_LINES:
        lines.append(f"      and {len(diff) - DIFF_LINES} more lines of difference")
    return lines


class _Line(str):
    """A line of code, equal to others that differ in nothing but space within and after: so is the key."""

    def _key(self) -> Tuple[int, str]:
        return len(self) - len(self.lstrip()), " ".join(self.split())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Line) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


def _diff_line(text: str, style: Style) -> str:
    shown = style.clean(text.replace("\t", "    "))
    color = {"+": "green", "-": "red", "@": "cyan"}.get(text[:1], "")
    return style.paint(shown, color) if color else shown


def _about_record(record: Record, style: Style) -> List[str]:
    """What is known of the record beside its key."""
    lines = []
    if record.undeclared:
        paths = ", ".join(style.clean(path) for path in record.undeclared)
        text = f"{paths} (read, but no part of its key: declare it under `inputs`)"
        lines.append(f"  {style.glyph('differs')} {pad('undeclared', KIND_CELLS)}{text}")
    if not record.reproduced:
        return lines
    glyph = style.glyph("cached" if record.reproduced.get("verdict") == "deterministic" else "differs")
    return [
        *lines,
        f"  {glyph} {pad('reproduced', KIND_CELLS)}{style.own(reproduced_sentence(record.reproduced))}",
    ]


def _touched(context: Context, style: Style) -> List[str]:
    """That a file is newer says nothing: its content counts."""
    names = [style.clean(path) for path in context.touched[:SHOWN_SAME]]
    more = len(context.touched) - len(names)
    if not names:
        return []
    told = ", ".join(names) + (f" and {more} more" if more else "")
    what = "content is the same" if len(context.touched) == 1 else "contents are the same"
    return [f"  {style.glyph('cached')} {pad('saved since', KIND_CELLS)}{told}: the {what}"]


def _causes(context: Context, style: Style) -> List[str]:
    """`first cause  score (6 instances): code changed: fit.py`, and the path from there."""
    groups: Dict[Tuple[str, str, str], List[Cause]] = {}
    for cause in context.causes:
        groups.setdefault((cause.step, cause.run, sentences(cause.reasons)), []).append(cause)
    lines: List[str] = []
    for number, ((step, run, told), causes) in enumerate(groups.items()):
        if number == MOST_CAUSES:
            lines.append(f"  and {len(groups) - number} more causes")
            break
        who = style.clean(causes[0].instance) if len(causes) == 1 else f"{step} ({len(causes)} instances)"
        ran = f", in run {run}" if run else ""
        lines.append(
            f"  {pad('first cause' if not number else 'and', KIND_CELLS + 2)}{who}: {style.own(told)}{ran}"
        )
        if len(causes[0].path) > 1:
            way = causes[0].path if len(causes) == 1 else _steps(causes[0].path)
            arrow = f" {style.glyph('arrow')} "
            lines.append(" " * (KIND_CELLS + 4) + arrow.join(style.clean(name) for name in way))
    return lines


def _steps(path: Sequence[str]) -> Sequence[str]:
    return [name.split("@", 1)[0] for name in path]


def _other_reasons(decision: Decision, style: Style) -> List[str]:
    """Reasons that are not parts of the key: forced, lost outputs, expired, a loaded module that changed."""
    apart = ("forced", "uncached", "expired", "lost", "effect", "module", "check")
    found = [reason for reason in decision.reasons if reason.kind in apart]
    return [f"  {style.glyph('differs')} {style.own(sentence(reason))}" for reason in found]
