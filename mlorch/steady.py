"""Whether a command found nothing to do, and what is kept of it so that the next one can be answered at once."""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional

from mlorch.store.witness import Witness

if TYPE_CHECKING:
    from mlorch.model import Decision, RunSummary
    from mlorch.session import DryRun, Session

_STEP = re.compile(rb'\{"kind":"(step\.(?:cached|skipped))","time":[0-9.e+-]+,"run":"[^"]*"')
WHEN = b"\0"
"""Stands in an event for its time and run: JSON in ASCII has no such byte."""


@contextmanager
def looking(witness: Optional[Witness]) -> Iterator[None]:
    """Have a witness look, if there is one."""
    if witness is None:
        yield
        return
    with witness.looking():
        yield


def note_whether_steady(witness: Optional[Witness], session: Session, dry: DryRun) -> None:
    """Note whether a run that decided this would execute, move and tell nothing. Call it while the witness looks."""
    if witness is None:
        return
    witness.store = session.settings.store
    quiet = not (dry.warnings or session.pipeline.hooks or session.pipeline.notify)
    witness.steady = quiet and not session.stale() and all(_stands(session, item) for item in dry.decisions)
    for decision in dry.decisions:
        ttl = decision.instance.step.cache.ttl
        if ttl is not None and decision.record is not None:
            witness.until = min(witness.until, decision.record.started + decision.record.seconds + ttl)
        if decision.invocation is not None and decision.invocation.needs.gpus:
            witness.gpus = True


def _stands(session: Session, decision: Decision) -> bool:
    """Whether an instance is cached with its outputs in place, or skipped and has none."""
    step = decision.instance.step
    if decision.action == "skipped":
        return not any(item.step == step.id for item in session.publications.values())
    record = decision.record
    if decision.action != "cached" or decision.reasons or record is None:
        return False
    return all(
        session.store.content(item.path, item.exclude) == item.content for item in record.outputs.values()
    )


def parts_of_run(summary: RunSummary, store: str) -> Optional[Dict[str, Any]]:
    """What of a run that had nothing to do is the same in the next one; None where it did something after all. Raises
    OSError."""
    totals = summary.totals()
    if summary.exit_code or summary.warnings or totals["cached"] + totals["skipped"] < len(summary.outcomes):
        return None
    folder = os.path.join(store, "runs", summary.run)
    with open(os.path.join(folder, "events.jsonl"), "rb") as file:
        head, started, *steps, finished, end = file.read().split(b"\n")
    with open(os.path.join(folder, "shape.json"), "rb") as file:
        shape = file.read()
    matches = [_STEP.match(line) for line in steps]
    if end or b'"run.finished"' not in finished or not all(matches):
        return None
    rows = [
        b'{"kind":"%s",%s%s\n' % (match[1], WHEN, line[match.end() :])
        for match, line in zip(matches, steps)
        if match is not None
    ]
    return {
        "schema": json.loads(head)["schema"],
        "started": json.dumps(json.loads(started)["data"]),
        "totals": json.dumps(totals),
        "events": b"".join(rows),
        "shape": shape,
    }
