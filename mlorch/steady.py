"""Whether a command found nothing to do, and what is kept of it so that the next one can be answered at once."""

from __future__ import annotations

import json
import os
import re
from array import array
from contextlib import contextmanager
from typing import TYPE_CHECKING, AbstractSet, Any, Dict, Iterator, Optional, Sequence

from mlorch.asking import for_step
from mlorch.partly import WHEN, remembered
from mlorch.session import Choice
from mlorch.store.answers import thawed
from mlorch.store.owners import Owners
from mlorch.store.witness import Witness

if TYPE_CHECKING:
    from mlorch.model import Decision, RunSummary
    from mlorch.session import DryRun, Session

_TEXT = rb'"(?:[^"\\]|\\.)*"'
_STEP = re.compile(
    rb'\{"kind":"(step\.(?:cached|skipped))","time":[0-9.e+-]+,"run":"[^"]*"(?=,"instance":%s,"step":(%s)[,}])'
    % (_TEXT, _TEXT)
)


@contextmanager
def looking(witness: Optional[Witness]) -> Iterator[None]:
    """Have a witness look, if there is one."""
    if witness is None:
        yield
        return
    with witness.looking():
        yield


def note_whether_steady(
    witness: Optional[Witness], session: Session, dry: DryRun, choice: Optional[Choice] = None
) -> None:
    """Note whether a run that decided this would execute, move and tell nothing. Call it while the witness looks.

    Args:
        choice: of a run; without it nothing is noted of what a part of it would need.
    """
    if witness is None:
        return
    witness.store = session.settings.store
    witness.owners, witness.partly, witness.gpus, witness.until = Owners(), None, False, float("inf")
    quiet = not (dry.warnings or session.pipeline.hooks or session.pipeline.notify) and not session.stale()
    witness.open = frozenset(item.instance.step.id for item in dry.decisions if not _stands(session, item))
    witness.steady = quiet and not witness.open
    for decision in dry.decisions:
        ttl = decision.instance.step.cache.ttl
        if ttl is not None and decision.record is not None and decision.action == "cached":
            witness.until = min(witness.until, decision.record.started + decision.record.seconds + ttl)
        if decision.invocation is not None and decision.invocation.needs.gpus:
            witness.gpus = True
    # A part that had something to do leaves what was remembered of the others as it is.
    whole = session.part is None and len(witness.open) < len(session.pipeline.steps)
    if choice == Choice() and quiet and (witness.steady or whole):
        witness.partly = remembered(session, dry)
        if witness.partly is not None:
            _note_owners(witness, session, dry)


def _note_owners(witness: Witness, session: Session, dry: DryRun) -> None:
    """Tell the witness what of all that it saw concerns which step alone."""
    root = session.pipeline.root
    code_of = dry.decider.binder.code_paths
    for decision in dry.decisions:
        step, invocation, record = decision.instance.step.id, decision.invocation, decision.record
        if invocation is None or record is None:
            continue
        paths = [path for item in invocation.inputs for path in item.paths]
        paths += [artifact.path for artifact in record.outputs.values()]
        paths += [output.path for output in invocation.outputs]
        witness.owners.own(step, (os.path.join(root, path.rstrip("/")) for path in paths))
        kept = [("objects", artifact.content.digest) for artifact in record.outputs.values()]
        for folder, digest in [*kept, ("records", invocation.key), ("records", record.key)]:
            witness.owners.own(step, (os.path.join(witness.store, folder, digest[7:9], digest[9:]),))
        code = {*code_of(decision.instance), *record.modules}
        witness.owners.own_code(step, (os.path.join(root, path) for path in code))


def _stands(session: Session, decision: Decision) -> bool:
    """Whether an instance is cached with its outputs in place, or skipped and has none."""
    step = decision.instance.step
    if decision.action == "skipped":
        return not any(item.step == step.id for item in session.publications.values())
    record = decision.record
    if decision.action != "cached" or decision.reasons or record is None:
        return False
    with for_step(step.id):
        return all(
            session.store.content(item.path, item.exclude) == item.content for item in record.outputs.values()
        )


def _line_steps(partly: Optional[bytes], names: Sequence[bytes]) -> bytes:
    """The number of the step that each event is of, among the steps of `partly.remembered`."""
    if partly is None:
        return b""
    steps = {json.dumps(step).encode("ascii"): number for number, step in enumerate(thawed(partly)["steps"])}
    return array("I", [steps[name] for name in names]).tobytes()


def parts_of_run(
    summary: RunSummary, store: str, partly: Optional[bytes] = None, without: AbstractSet[str] = frozenset()
) -> Optional[Dict[str, Any]]:
    """What of a run that had nothing to do is the same in the next one; None where it did something after all. Raises
    OSError.

    Args:
        without: steps that did have something to do, and of which nothing is kept.
    """
    totals = summary.totals()
    others = [item for item in summary.outcomes if item.step not in without]
    if any(item.warnings or item.restored or item.outcome not in ("cached", "skipped") for item in others):
        return None
    if not without and (summary.exit_code or summary.warnings):
        return None
    folder = os.path.join(store, "runs", summary.run)
    with open(os.path.join(folder, "events.jsonl"), "rb") as file:
        head, started, *steps, finished, end = file.read().split(b"\n")
    with open(os.path.join(folder, "shape.json"), "rb") as file:
        shape = file.read()
    matches = [_STEP.match(line) for line in steps]
    if end or b'"run.finished"' not in finished or not (without or all(matches)):
        return None
    open_names = {json.dumps(step).encode("ascii") for step in without}
    kept = [
        (match, line)
        for match, line in zip(matches, steps)
        if match is not None and match[2] not in open_names
    ]
    if without and len(kept) != len(others):
        return None
    rows = [b'{"kind":"%s",%s%s\n' % (match[1], WHEN, line[match.end() :]) for match, line in kept]
    return {
        "schema": json.loads(head)["schema"],
        "started": json.dumps(json.loads(started)["data"]),
        "totals": json.dumps(totals),
        "events": b"".join(rows),
        "line_steps": _line_steps(partly, [match[2] for match, _ in kept]),
        "partly": partly,
        "shape": shape,
    }
