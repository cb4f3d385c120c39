"""The list of steps: a line each, and behind it everything there is to tell."""

from __future__ import annotations

from typing import Callable, Dict, Iterable, List, Mapping, Sequence

from mlorch.model import Value
from mlorch.report.goals import best, is_number, rank, verdict
from mlorch.report.page import previews
from mlorch.report.page.curves import charts
from mlorch.report.page.html import anchor, facts, lines, link, number, sentences, table, text, values
from mlorch.report.page.model import InstancePart, LogPart, OutputPart, Page, StepPart
from mlorch.report.page.words import aimed, counts, css, glyph, moment, took, word, worst
from mlorch.report.style import bytes_text, difference_text, seconds_text

DIGEST_LETTERS = 19
"""`blake3:` and twelve more."""
OPEN = 5
"""Failed steps that are open from the beginning."""
NEIGHBOURS = 12
COMMAND_LINES = 20
COLUMNS = 8
"""Metrics in the table of a step's instances."""

NOTHING: Mapping[str, str] = {}

Hold = Callable[[str], str]
"""Takes the HTML of a step's details and gives what stands in the page for it (see `pack`)."""


def steps(page: Page, hold: Hold) -> str:
    below: Dict[str, List[str]] = {}
    for source, target in page.edges:
        below.setdefault(source, []).append(target)
    opened = [step.id for step in page.steps if worst(step) == "failed"][:OPEN]
    return "".join(_step(step, page, below.get(step.id, ()), step.id in opened, hold) for step in page.steps)


def _step(step: StepPart, page: Page, below: Sequence[str], opened: bool, hold: Hold) -> str:
    shared = {
        "description": text(step.description, 600),
        "defined": f"<code>{text(step.place)}</code>" if step.place else "",
        "upstream": neighbours(step.upstream),
        "downstream": neighbours(below),
    }
    if not step.matrix and len(step.instances) == 1:
        instance = step.instances[0]
        head = _head(instance, css(instance.outcome))
        body = instance_body(instance, page, step.goal, shared)
        return _details(step.id, instance.outcome, head, body, opened, hold)
    state = worst(step)
    seconds = sum(item.seconds for item in step.instances)
    head = _line(
        step.id,
        state,
        f"{sum(step.outcomes.values())} instances" if step.outcomes else "",
        seconds_text(seconds) if seconds >= 0.0005 else "",
        counts(step.outcomes) or word(state),
    )
    body = facts(shared) + (table_of(step.instances, step.goal) if step.instances else "")
    if step.more:
        body += sentences([f"{step.more} more instances are left out: see `mlorch show {page.run.id}`"])
    inner = "".join(
        _details(
            item.name,
            item.outcome,
            _head(item, css(item.outcome)),
            instance_body(item, page, step.goal),
            False,
            hold,
        )
        for item in step.instances
    )
    # The instances stand in the page itself, so that a link to one finds it.
    return (
        f'<details class="many" data-o="{css(state)}"{" open" if opened else ""}><summary>{head}</summary>'
        f'<div id="{anchor(step.id)}">{hold(body)}</div><div class="instances">{inner}</div></details>'
    )


def _details(name: str, outcome: str, head: str, body: str, opened: bool, hold: Hold) -> str:
    # The id is inside, so that a link opens the details around it without a script.
    return (
        f'<details data-o="{css(outcome)}"{" open" if opened else ""}><summary>{head}</summary>'
        f'<div id="{anchor(name)}">{hold(body)}</div></details>'
    )


def _head(item: InstancePart, state: str) -> str:
    told = item.error or (item.reasons[0] if item.reasons else "")
    if not told and item.saved >= 0.05:
        told = f"saved {seconds_text(item.saved)}"
    return _line(item.name, state, "", took(item), told, word(item.outcome))


def _line(name: str, state: str, count: str, seconds: str, told: str, shown: str = "") -> str:
    times = f" <small>{text(count)}</small>" if count else ""
    return (
        f"<b>{text(name, 80)}{times}</b><span>{text(shown or word(state))}</span>"
        f"<em>{seconds}</em><q>{text(told, 160)}</q>"
    )


def neighbours(names: Sequence[str]) -> str:
    more = f" and {len(names) - NEIGHBOURS} more" if len(names) > NEIGHBOURS else ""
    return ", ".join(link(name) for name in names[:NEIGHBOURS]) + more


# --------------------------------------------------------------------------------------------- an instance


def instance_body(
    item: InstancePart, page: Page, goal: Mapping[str, str], shared: Mapping[str, str] = NOTHING
) -> str:
    """All that is told of an instance; `goal` is its step's, and `shared` are terms about that."""
    parts = []
    if item.error:
        parts.append(f'<p class="error">{text(item.error, 600)}</p>')
    if item.hint:
        parts.append(f'<p class="hint">{text(item.hint, 600)}</p>')
    parts += [sentences(item.warnings, "warning"), _facts(item, shared)]
    if item.outcome == "failed":
        parts.append(_log(item, page))
    parts += [_section("checks", _checks(item)), _section("metrics", metrics(item, goal))]
    parts += [_section("curves", charts(item.history)), _section("outputs", outputs(item.outputs))]
    parts += [previews.draw(preview) for preview in item.previews]
    parts.append(sentences(item.notes))
    if item.outcome != "failed":
        parts.append(_log(item, page))
    return "".join(parts)


def _section(title: str, body: str) -> str:
    return f"<h3>{title}</h3>{body}" if body else ""


def _facts(item: InstancePart, shared: Mapping[str, str]) -> str:
    ran = item.attempts > 0
    return facts(
        {
            **shared,
            "why": "<br>".join(text(reason) for reason in item.reasons),
            "because of": ", ".join(link(cause) for cause in item.causes),
            "command": _command(item.command),
            "axes": values(item.axes),
            "params": values(item.params),
            "started": moment(item.started) if ran else "",
            "took": _took(item),
            "exit": str(item.exit_code) if item.exit_code not in (None, 0) else "",
            "failure": "tolerated (continue_on_error)" if item.tolerated else "",
        }
    )


def _command(command: str) -> str:
    """As executed, line by line."""
    shown = command.strip().split("\n")
    more = f"\n… and {len(shown) - COMMAND_LINES} more lines" if len(shown) > COMMAND_LINES else ""
    return f'<code class="lines">{lines(shown[:COMMAND_LINES])}{more}</code>' if command.strip() else ""


def _took(item: InstancePart) -> str:
    if item.outcome == "cached" and item.saved:
        return f"nothing; when it ran, {seconds_text(item.saved)}"
    if not item.attempts:
        return ""
    parts = [seconds_text(item.seconds)]
    if item.cpu_seconds:
        parts.append(f"{seconds_text(item.cpu_seconds)} of processor time")
    if item.peak_rss:
        parts.append(f"{bytes_text(item.peak_rss)} of memory")
    if item.attempts > 1:
        parts.append(f"{item.attempts} attempts")
    return ", ".join(parts)


def _checks(item: InstancePart) -> str:
    if not item.checks:
        return ""
    shown = []
    for check in item.checks:
        state = "succeeded" if check.holds else "failed" if check.severity != "warn" else "blocked"
        verdict = (
            "holds"
            if check.holds
            else "does not hold" + (" (warns only)" if check.severity == "warn" else "")
        )
        why = f"<br>{text(check.text, 600)}" if check.text else ""
        shown.append(
            f'<li><i class="{state}" aria-hidden="true">{glyph(state)}</i> <code>{text(check.source)}</code> '
            f"{verdict}{why}</li>"
        )
    return f'<ul class="checks">{"".join(shown)}</ul>'


def metrics(item: InstancePart, goal: Mapping[str, str]) -> str:
    """Name, value, and where the run before had it, what it was and the difference; those with a goal first."""
    found = {name: item.metrics[name] for name in goals_first(item.metrics, goal)}
    names = {name: aimed(name, goal.get(name, "")) for name in found}
    if not any(name in item.before for name in found):
        return facts({names[name]: number(value) for name, value in found.items()})
    rows = []
    for name, value in found.items():
        old = item.before.get(name)
        told = difference(old, value, goal.get(name, ""))
        rows.append([text(names[name], 80), number(value), number(old), told])
    return table(["metric", "this run", "run before", "difference"], rows, right=(1, 2, 3))


def goals_first(names: Iterable[str], goal: Mapping[str, str]) -> List[str]:
    known = list(names)
    return [name for name in goal if name in known] + [name for name in known if name not in goal]


def difference(old: Value, new: Value, goal: str = "") -> str:
    """`+0.0051 better`; nothing where one of them is no number."""
    if not is_number(old) or not is_number(new):
        return ""
    return text(difference_text(old, new) + verdict(old, new, goal)) if old != new else "="


def outputs(found: Sequence[OutputPart]) -> str:
    if not found:
        return ""
    rows = []
    for item in found:
        path = f"<code>{text(item.path)}{'/' if item.kind == 'folder' else ''}</code>"
        if item.kind == "folder":
            path += _members(item)
        rows.append(
            [
                text(item.name, 80),
                path,
                bytes_text(item.bytes),
                f"<code>{text(item.digest[:DIGEST_LETTERS])}</code>",
            ]
        )
    return table(["output", "path", "size", "digest"], rows, right=(2,))


def _members(item: OutputPart) -> str:
    shown = "".join(f"<li><code>{text(path)}</code> {bytes_text(size)}</li>" for path, size in item.members)
    more = item.count - len(item.members)
    return f"<ul>{shown}{f'<li>and {more} more</li>' if more > 0 else ''}</ul>" if shown else ""


def _log(item: InstancePart, page: Page) -> str:
    log = item.log
    if log is None or not log.lines:
        return ""
    return _section(
        "log",
        previews.pre(log.lines, f"end of the log of {item.name}") + sentences([told_of(log, item, page)]),
    )


def told_of(log: LogPart, item: InstancePart, page: Page) -> str:
    """`the last 40 of 312 lines of attempt 2; the whole: mlorch logs c09d44 train`."""
    count = len(log.lines)
    whole = log.total is not None and log.total <= count
    amount = f"all {count} lines" if whole else f"the last {count} of {log.total or 'many'} lines"
    if count == 1 and whole:
        amount = "its only line"
    which = f" of attempt {log.attempt}" if item.attempts > 1 else ""
    earlier = f", written by run {log.run}, which executed it" if log.run != page.run.id else ""
    rest = "" if whole else f"; all of it: mlorch logs {page.run.id} {item.name}"
    return amount + which + earlier + rest


# ------------------------------------------------------------------------------------------- all instances


def table_of(found: Sequence[InstancePart], goal: Mapping[str, str]) -> str:
    """Instances side by side: axes, outcome, time, and metrics with the best of each that has a goal marked; the
    best instance by the first goal stands first."""
    axes = list(dict.fromkeys(name for item in found for name in item.axes))
    names = goals_first(dict.fromkeys(name for item in found for name in item.metrics), goal)[:COLUMNS]
    if names and names[0] in goal:
        found = sorted(found, key=lambda item: rank(item.metrics.get(names[0]), goal[names[0]] == "max"))
    winners = {
        name: best([item.metrics.get(name) for item in found], goal[name]) for name in names if name in goal
    }
    head = ["instance", *axes, "outcome", "took", *(aimed(name, goal.get(name, "")) for name in names)]
    rows = []
    for position, item in enumerate(found):
        rows.append(
            [
                link(item.name),
                *(number(item.axes.get(name)) for name in axes),
                f'<i class="{css(item.outcome)}" aria-hidden="true">{glyph(item.outcome)}</i> {text(word(item.outcome))}',
                took(item),
                *(_marked(item.metrics.get(name), position in winners.get(name, ())) for name in names),
            ]
        )
    first = 1 + len(axes)
    return table(head, rows, right=range(first + 1, len(head)), name="instances")


def _marked(value: Value, is_best: bool) -> str:
    return f"<strong>{number(value)}</strong>" if is_best else number(value)
