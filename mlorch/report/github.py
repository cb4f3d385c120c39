"""A run in GitHub Actions: groups, masks, annotations. The job's summary is in `job_summary.py`.

The runner obeys lines that begin (after blanks) with `::` or hold `##[`. What steps print is shown while commands are
stopped by a word that nobody can guess; in our own lines such marks are broken up, wherever the text came from.
"""

from __future__ import annotations

import os
from typing import Iterator, List, Mapping, Optional, Sequence, TextIO

from mlorch.model import Event, Outcome, RunSummary
from mlorch.report.failures import Failures
from mlorch.report.frames import github_data, github_property
from mlorch.report.lines import LineListener
from mlorch.report.logs import Logs, readable
from mlorch.report.style import PLAIN, Style
from mlorch.report.tally import outcome_of

MOST_ANNOTATIONS = 9
"""The tenth is the last that GitHub shows of a step: it counts the others."""
SHORTEST_SECRET = 4
LARGEST = 1 << 20
"""Bytes of a log that are shown, from its end."""


def is_github(environ: Mapping[str, str]) -> bool:
    return environ.get("GITHUB_ACTIONS") == "true"


def harmless(text: str) -> str:
    """Text in which the runner finds no command."""
    lines = []
    for line in text.split("\n"):
        start = len(line) - len(line.lstrip())
        if line.startswith("::", start):
            line = line[:start] + ": " + line[start + 1 :]
        lines.append(line.replace("##[", "## ["))
    return "\n".join(lines)


def masks(names: Sequence[str], environ: Mapping[str, str]) -> Iterator[str]:
    """One command for each secret's value, and for each of its lines: the runner hides them from then on."""
    for name in names:
        value = environ.get(name, "")
        for text in dict.fromkeys([value, *value.splitlines()]):
            if len(text.strip()) >= SHORTEST_SECRET:
                data = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
                yield f"::add-mask::{data}\n"


class GitHubListener(LineListener):
    """A line per event; when a step has ended, all that it printed as a group."""

    def __init__(
        self,
        stream: TextIO,
        style: Optional[Style] = None,
        *,
        quiet: bool = False,
        environ: Optional[Mapping[str, str]] = None,
    ) -> None:
        super().__init__(_Harmless(stream), style, quiet=quiet)  # type: ignore[arg-type]
        self._raw = stream
        self._environ = os.environ if environ is None else environ
        self._root = ""

    def _take(self, event: Event) -> None:
        if event.kind == "run.started":
            self._root = str(event.data.get("root") or "")
            names = event.data.get("secrets") or ()
            self._raw.write("".join(masks([str(name) for name in names], self._environ)))
        super()._take(event)

    def _say_ended(self, event: Event, text: str, color: str) -> None:
        log = str(event.data.get("log") or "")
        if self._quiet or event.kind != "step.finished" or not (log and event.data.get("attempts")):
            super()._say_ended(event, text, color)
            return
        word = _stop_word()
        title = self._style.own(self._counted(event.instance, text))
        self._raw.write(f"::group::{github_data(title)}\n::stop-commands::{word}\n")
        for line in shown_log(os.path.join(self._root, log)):
            self._raw.write(self._style.clean(line) + "\n")
        self._raw.write(f"::{word}::\n::endgroup::\n")
        if outcome_of(event) == "failed":  # a group is closed at first: what went wrong stands beside it
            self._output.write(title + "\n")
        self._raw.flush()
        self._pulse.heard()


def _stop_word() -> str:
    """What ends the group's silence: nothing that a log could hold."""
    return os.urandom(16).hex()


class _Harmless:
    """A stream that lets no command of the runner's through."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None)

    def write(self, text: str) -> int:
        return self._stream.write(harmless(text))

    def flush(self) -> None:
        self._stream.flush()


def shown_log(path: str) -> Iterator[str]:
    """The lines of a log, of a huge one those of its end."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LARGEST))
            text = file.read(LARGEST).decode("utf-8", "replace")
    except OSError:
        return
    lines = text.split("\n")
    if size > LARGEST:
        yield f"({size - LARGEST} bytes before this are left out)"
        lines = lines[1:]
    yield from readable(lines)


# -------------------------------------------------------------------------------------------------- annotations


def failure_annotations(summary: RunSummary, logs: Logs, environ: Mapping[str, str]) -> str:
    """`::error file=…,line=…` for failures, at most nine, and how many more there are."""
    failures = Failures(summary.run, summary.pipeline, summary.outcomes, logs, PLAIN)
    failed = [item for item in failures.failed if not item.tolerated]
    lines = [_annotation(item, failures, environ) for item in failed[:MOST_ANNOTATIONS]]
    if len(failed) > MOST_ANNOTATIONS:
        lines.append(
            f"::error title={github_property(summary.pipeline.name)}::and {len(failed) - MOST_ANNOTATIONS} more"
        )
    return "".join(line + "\n" for line in lines)


def _annotation(outcome: Outcome, failures: Failures, environ: Mapping[str, str]) -> str:
    step = failures.pipeline.steps.get(outcome.step)
    where: List[str] = []
    if step is not None:
        path = os.path.join(failures.pipeline.root, step.place.file)
        workspace = environ.get("GITHUB_WORKSPACE", "")
        inside = workspace and path.startswith(workspace.rstrip("/") + "/")
        file = os.path.relpath(path, workspace) if inside else step.place.file
        where = [f"file={github_property(file)}", f"line={step.place.line}"]
    where.append(f"title={github_property(outcome.instance + ' failed')}")
    return f"::error {','.join(where)}::{github_data(failures.told(outcome))}"
