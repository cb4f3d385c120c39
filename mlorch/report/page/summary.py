"""What stands around the steps: the head, what failed, metrics over runs, environment, history."""

from __future__ import annotations

from typing import Dict, List, Mapping, Tuple

from mlorch.model import Value
from mlorch.report.logs import telling
from mlorch.report.page import limits, previews
from mlorch.report.page.curves import spark
from mlorch.report.page.html import facts, link, number, sentences, table, text, values
from mlorch.report.page.model import InstancePart, Page, RunPart, Trend
from mlorch.report.page.steps import difference
from mlorch.report.page.words import aimed, counts, css, glyph, moment, word
from mlorch.report.reasons import value_text
from mlorch.report.style import seconds_text

FAILURES = 20
COMMIT_LETTERS = 12
ELSEWHERE = ("params", "name", "pipeline", "commit", "dirty", "argv", "instances", "pid", "goals")
"""What a run notes of itself that is told in words of its own, or not at all."""
STATES = {"succeeded": "finished", "failed": "failed", "cancelled": "was cancelled", "crashed": "was cut off"}


def title(page: Page) -> str:
    return f"{glyph(page.run.status)} {page.name} {STATES.get(page.run.status, 'is running')} · run {page.run.id}"


def head(page: Page) -> str:
    run = page.run
    status = STATES.get(run.status, "is running")
    lasted = f" in {seconds_text(run.seconds)}" if run.seconds is not None else ""
    saved = sum(item.saved for step in page.steps for item in step.instances)
    parts = [
        f"run <code>{text(run.id)}</code>",
        moment(run.started),
        text(counts(run.totals) or counts(totals(page))),
        f"saved {seconds_text(saved)}" if saved >= 0.05 else "",
        commit(run),
    ]
    told = " · ".join(part for part in parts if part)
    described = f"<p>{text(page.description, 600)}</p>" if page.description else ""
    return (
        f'<h1><i class="{css(run.status)}" aria-hidden="true">{glyph(run.status)}</i> {text(page.name)} '
        f"<span>{status}{lasted}</span></h1>{described}<p>{told}</p>"
    )


def totals(page: Page) -> Dict[str, int]:
    found: Dict[str, int] = {}
    for step in page.steps:
        for outcome, count in step.outcomes.items():
            found[outcome] = found.get(outcome, 0) + count
    return found


def commit(run: RunPart) -> str:
    if not run.commit:
        return ""
    return f"commit <code>{text(run.commit[:COMMIT_LETTERS])}</code>" + (" with changes" if run.dirty else "")


def failures(page: Page) -> str:
    """What failed, each with its sentence and a link to all the rest."""
    found = [item for step in page.steps for item in step.instances if item.outcome == "failed"]
    if not found:
        return ""
    shown = "".join(f"<li>{_failure(item)}</li>" for item in found[:FAILURES])
    more = f"<li>and {len(found) - FAILURES} more</li>" if len(found) > FAILURES else ""
    blocked = [link(item.name) for step in page.steps for item in step.instances if item.outcome == "blocked"]
    behind = ""
    if blocked:
        rest = f" and {len(blocked) - FAILURES} more" if len(blocked) > FAILURES else ""
        behind = f"<p>blocked: {', '.join(blocked[:FAILURES])}{rest}</p>"
    return f'<ul class="failures">{shown}{more}</ul>{behind}'


def _failure(item: InstancePart) -> str:
    tolerated = " (tolerated)" if item.tolerated else ""
    said = telling(item.log.lines) if item.log is not None and not item.checks else []
    quoted = previews.pre(said, f"what {item.name} said") if said else ""
    return (
        f'{link(item.name)} <span class="error">{text(item.error or "failed", 600)}</span>{tolerated}{quoted}'
    )


def trends(page: Page) -> str:
    """Metrics of steps without a matrix: what changed since the run before first, then in the order of the steps."""
    if not page.trends:
        return ""
    order = {step.id: index for index, step in enumerate(page.steps)}

    def rank(trend: Trend) -> Tuple[bool, int]:
        return _unchanged(trend), order.get(trend.name.split(".", 1)[0], len(order))

    shown = sorted(page.trends, key=rank)[: limits.TRENDS]
    last = max(len(trend.values) for trend in shown)
    lines = [spark(trend) for trend in shown]
    rows = []
    for trend, line in zip(shown, lines):
        old, new = (trend.values[-2] if len(trend.values) > 1 else None), trend.values[-1]
        owner = trend.name.split(".", 1)[0]
        name = aimed(trend.name, trend.goal)
        label = link(owner, name) if owner in order else text(name, 80)
        rows.append([label, number(new), number(old), difference(old, new, trend.goal), line])
    head = ["metric", "this run", "run before", "difference", f"the last {last} runs"]
    if not any(lines):  # one run alone has nothing to be compared with
        wide = 4 if last > 1 else 2
        head, rows = head[:wide], [row[:wide] for row in rows]
    more = len(page.trends) - len(shown)
    note = f'<p class="note">{more} more stand at their steps</p>' if more else ""
    return table(head, rows, right=(1, 2, 3), name="metrics") + note


def _unchanged(trend: Trend) -> bool:
    return len(trend.values) > 1 and trend.values[-1] == trend.values[-2]


def surroundings(page: Page) -> str:
    """Params, command line, who, where, versions."""
    meta = {name: value for name, value in page.meta.items() if value not in (None, "", [], {})}
    argv = meta.get("argv")
    shown: Dict[str, str] = {
        "pipeline": f"<code>{text(page.pipeline)}</code>",
        "owner": text(page.owner),
        "command": f"<code>{text(' '.join(map(str, argv)), 1000)}</code>" if isinstance(argv, list) else "",
        "commit": f"<code>{text(page.run.commit)}</code>"
        + (" with changes to tracked files" if page.run.dirty else "")
        if page.run.commit
        else "",
    }
    for name in sorted(set(meta) - set(ELSEWHERE)):
        label = "mlorch" if name == "version" else name
        shown[label] = text(value_text(meta[name], 300))
    return facts(shown) + _named("params", page.params) + _packages(page)


def _named(name: str, found: Mapping[str, Value]) -> str:
    return f"<h3>{name}</h3>{values(found)}" if found else ""


def _packages(page: Page) -> str:
    if not page.packages:
        return ""
    shown = facts({name: text(version, 80) for name, version in page.packages})
    return f'<h3>packages that the steps use</h3><div class="columns">{shown}</div>'


def history(page: Page) -> str:
    """The last runs of this pipeline, newest first."""
    longest = max([run.seconds or 0.0 for run in page.runs] + [0.001])
    rows: List[List[str]] = []
    for run in page.runs:
        mark = f'<i class="{css(run.status)}" aria-hidden="true">{glyph(run.status)}</i> '
        name = f"<code>{text(run.id)}</code>" + (" (this one)" if run.id == page.run.id else "")
        share = 80 * (run.seconds or 0.0) / longest
        bar = f'<svg class="bar" width="80" height="8" aria-hidden="true"><rect width="{share:.1f}" height="8"/></svg>'
        lasted = seconds_text(run.seconds) if run.seconds is not None else ""
        state = "" if run.status == "succeeded" else f"{run.status}: "
        rows.append(
            [
                mark + name,
                moment(run.started),
                f"{lasted} {bar}",
                text(state + counts(run.totals)),
                commit(run),
            ]
        )
    return (
        table(["run", "started", "took", "outcome", "commit"], rows, right=(2,), name="last runs")
        if rows
        else ""
    )


def notes(page: Page) -> str:
    return sentences(page.notes)


def outcomes(page: Page) -> Dict[str, int]:
    """Class -> details in the list that have it, for the filter."""
    found: Dict[str, int] = {}
    for step in page.steps:
        for item in step.instances or ():
            found[css(item.outcome)] = found.get(css(item.outcome), 0) + 1
    return found


def filters(page: Page) -> str:
    """Boxes that show or hide steps by outcome, and a field for names; the page's script brings them to life."""
    found = outcomes(page)
    boxes = "".join(
        f'<label><input type="checkbox" checked value="{name}"> {word(name)} {count}</label>'
        for name, count in found.items()
    )
    return (
        '<form class="tools" id="filter" hidden><label>name <input type="search" autocomplete="off"></label>'
        f'{boxes}<button type="button" data-all="open">open all</button>'
        '<button type="button" data-all="close">close all</button><output aria-live="polite"></output></form>'
    )
