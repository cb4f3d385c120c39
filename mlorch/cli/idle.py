"""The idle path: `run` and `plan` with nothing to do, answered from what was remembered of the last such command.

It knows no option: an answer belongs to one command line, word by word, and what is not remembered takes the long path
through typer. Nothing is imported here that a glance does not need.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Sequence

from mlorch.store import answers
from mlorch.store.answers import Answer, Command

if TYPE_CHECKING:
    from mlorch.cli.common import Options
    from mlorch.model import Plan, RunSummary
    from mlorch.store.witness import Witness

VERBS = ("run", "plan")
RUN, SECONDS = "\0run", "\0seconds"
"""Stand in a remembered document for what is new each time."""

_touched: Optional[Answer] = None
"""What was remembered of the command line, where only some steps are touched by what changed since."""
_arguments: Sequence[str] = ()
"""The command line that takes the long path, for `remember_run` and `remember_plan`."""


def answer(arguments: Sequence[str]) -> Optional[int]:
    """Answer a command line at once and return its exit code; None where that needs the long path."""
    began = time.time()
    take_touched()
    if not any(verb in arguments for verb in VERBS):
        return None
    found = answers.recall(_command(arguments))
    if found is None or not _same_gpus(found.parts["gpus"]):
        return None
    if found.touched:
        global _touched
        _touched = found
        return None
    if "plan" in found.parts:
        sys.stdout.write(found.parts["plan"])
        return 0
    return _repeat_run(found, began)


def _command(arguments: Sequence[str]) -> Command:
    streams = tuple((stream.encoding, *_screen(stream)) for stream in (sys.stdout, sys.stderr))
    return Command(tuple(arguments), os.getcwd(), streams)


def _screen(stream: Any) -> Sequence[int]:
    """Columns of a terminal."""
    try:
        return (os.get_terminal_size(stream.fileno()).columns,) if stream.isatty() else ()
    except (OSError, ValueError):
        return ()


def _same_gpus(before: Optional[Sequence[str]]) -> bool:
    return before is None or tuple(before) == _gpus()


def _gpus() -> Sequence[str]:
    from mlorch.engine.machine import Machine

    return Machine(os.environ).gpus()


# -------------------------------------------------------------------------------------------------------------- run


def _repeat_run(found: Answer, began: float) -> Optional[int]:
    """Record a run as the remembered one was, and tell of it."""
    parts = found.parts
    if not answers.is_quiet(found.store, os.path.join(found.root, answers.AREA)):
        return None
    try:
        run = _new_run_id()
        size = _store_size(found.store) if parts["document"] else None
        now = time.time()
        events = _events(parts, found.root, run, now, now - began)
        answers.record_run(
            found.store, parts["schema"], run, {"events.jsonl": events, "shape.json": parts["shape"]}
        )
    except OSError:
        return None  # the long path tells what is wrong
    sys.stderr.write(parts["header"].replace(RUN, run))
    sys.stderr.flush()
    seconds = time.time() - began
    if parts["document"]:
        sys.stdout.write(_document(parts["document"], run, seconds, size))
    elif parts["closing"]:
        from mlorch.report.seconds import seconds_text

        before, after = parts["closing"]
        sys.stdout.write(before + seconds_text(seconds) + after + "\n")
    return 0


def _new_run_id() -> str:
    """As `runs.new_id`: no step, number or option could be taken for it."""
    while True:
        name = os.urandom(3).hex()
        if not name.isdigit():
            return name


def _events(parts: Mapping[str, Any], root: str, run: str, now: float, seconds: float) -> bytes:
    """The lines of the run's file after the first."""
    import json

    from mlorch.caller import caller

    def line(kind: str, data: Mapping[str, Any]) -> bytes:
        document = {"kind": kind, "time": now, "run": run, "data": data}
        return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"

    started = {**json.loads(parts["started"]), **caller(root)}
    totals = json.loads(parts["totals"])
    spent = round(seconds, 6)
    spans = [["stat", round(now - seconds, 6), spent]]
    timings = {"slots": started["jobs"], "busy": 0.0, "spent": {"stat": spent}, "spans": spans}
    finished = {
        "status": "succeeded",
        "seconds": seconds,
        "exit_code": 0,
        "totals": totals,
        "timings": timings,
    }
    when = b'"time":%s,"run":"%s"' % (repr(now).encode("ascii"), run.encode("ascii"))
    steps: bytes = parts["events"].replace(b"\0", when)
    return line("run.started", started) + steps + line("run.finished", finished)


def _store_size(store: str) -> Sequence[int]:
    """(bytes of all objects, bytes of those that nothing refers to). Raises OSError."""
    import sqlite3
    from urllib.parse import quote

    sql = "select coalesce(sum(bytes), 0), coalesce(sum(case when referred then 0 else bytes end), 0) from objects"
    try:
        db = sqlite3.connect(f"file:{quote(os.path.join(store, 'index.sqlite'))}?mode=ro", uri=True)
        try:
            total, free = db.execute(sql).fetchone()
            return int(total), int(free)
        finally:
            db.close()
    except sqlite3.Error as error:
        raise OSError(str(error)) from error


def _document(text: str, run: str, seconds: float, size: Optional[Sequence[int]]) -> str:
    """The document of `--json`; what a user chose to call something comes only after these two in it."""
    import json

    assert size is not None
    text = text.replace(json.dumps(RUN), json.dumps(run), 1).replace(json.dumps(SECONDS), repr(seconds), 1)
    head, mark, _ = text.rpartition(json.dumps("\0store"))
    assert mark
    return f'{head}{{\n  "bytes": {size[0]},\n  "reclaimable": {size[1]}\n }}\n}}\n'


# --------------------------------------------------------------------------------------------------- remembering


def take_long_path(arguments: Sequence[str]) -> None:
    """Say under which words this process may remember its answer."""
    global _arguments
    _arguments = tuple(arguments)


def take_touched() -> Optional[Answer]:
    """For `app.Request`: what a run of this command line may take as it was remembered. It serves once, as that run
    changes what stands."""
    global _touched
    found, _touched = _touched, None
    return found


def watching() -> Witness:
    """A witness for the command of this process."""
    from mlorch.store.witness import Witness

    return Witness(os.environ)


def remember_run(
    witness: Witness, summary: RunSummary, options: Options, quiet: bool, known: Optional[Answer] = None
) -> None:
    """Remember a run that has just ended, if it had nothing to do. What goes wrong with that is nobody's concern.

    Args:
        known: what was remembered before, if the run looked only at a part.
    """
    if not (witness.steady or witness.partly) or not _arguments:
        return
    from mlorch.cli.common import document_text
    from mlorch.cli.screens import style_for
    from mlorch.model import Event
    from mlorch.report.lines import header
    from mlorch.report.summary import LARGE_STORE, up_to_date
    from mlorch.report.tally import Tally
    from mlorch.steady import parts_of_run

    try:
        parts = parts_of_run(summary, witness.store, witness.partly, witness.open)
    except (OSError, ValueError):
        return
    if parts is None or summary.store_bytes > LARGE_STORE:
        return
    import json

    style = style_for(sys.stderr, options)
    event = Event("run.started", 0.0, RUN, data=json.loads(parts["started"]))
    tally = Tally()
    tally.take(event)
    head = header(event, tally, style)
    parts["header"] = "" if quiet else style.own(head.replace(RUN, "")) + RUN + "\n"
    before, after = up_to_date(summary, style_for(sys.stdout, options))
    parts["closing"] = None if options.quiet else (before, after)
    parts["document"] = None
    if options.json:
        document = {**whole_document(summary, known), "run": RUN, "seconds": SECONDS, "store": "\0store"}
        parts["document"] = document_text(document)
    parts["gpus"] = _gpus() if witness.gpus else None
    old = known if summary.beside is not None else None
    answers.remember(_command(_arguments), summary.pipeline.root, witness, parts, old)


def whole_document(summary: RunSummary, known: Optional[Answer]) -> Dict[str, Any]:
    """The document of a run; what it did not look at is told as it was remembered."""
    import json

    from mlorch.report.documents import run_document

    document = run_document(summary)
    if summary.beside is None or known is None:
        return document
    fresh = {(step["step"], step["instance"]): step for step in document["steps"]}
    before = json.loads(known.parts["document"])["steps"]
    return {**document, "steps": [fresh.get((step["step"], step["instance"]), step) for step in before]}


def remember_plan(witness: Witness, plan: Plan, text: str) -> None:
    """Remember what a plan with nothing to do looks like."""
    if witness.steady and _arguments and not plan.warnings and not plan.moved:
        parts = {"plan": text, "gpus": None}
        answers.remember(_command(_arguments), plan.pipeline.root, witness, parts)
