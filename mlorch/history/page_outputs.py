"""Outputs for a report: what there is, the beginning of it, the curves of `history`, and what a step adds.

`report:` of a step names outputs, or paths and globs. These are looked for among the run's own outputs of the step and
in its folder outputs, in the store; where nothing fits there, among the files of the project as they stand now.
"""

from __future__ import annotations

import json
import math
import os
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from mlorch.digest import untag_floats
from mlorch.errors import MlorchError
from mlorch.history.compare import flatten
from mlorch.history.detail import OutputView, StepView
from mlorch.model import Entry
from mlorch.plan.code.globs import Globs
from mlorch.plan.code.listing import Listings
from mlorch.ports import Store
from mlorch.report.page import limits, previews
from mlorch.report.page.model import OutputPart, Preview, Series
from mlorch.report.style import bytes_text
from mlorch.spec.paths import meets, misplaced
from mlorch.values import dataclass

SILENT = ("metrics", "history")
"""Outputs that are shown as tables and curves already."""
COUNTERS = ("epoch", "step", "iteration", "round")
"""What of a history is the horizontal axis."""
MOST_LINES = 200_000


@dataclass(frozen=True)
class Found:
    """What a report shows of one instance's outputs."""

    parts: Tuple[OutputPart, ...]
    previews: Tuple[Preview, ...]
    history: Tuple[Series, ...]
    notes: Tuple[str, ...]


@dataclass(frozen=True)
class File:
    """A file to be shown: an object of the store, or where `digest` is empty a file of the project."""

    path: str
    digest: str
    bytes: int
    stored: bool = True


class OutputReader:
    """Reads within limits that all instances share."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._root = os.path.realpath(store.root)
        self._globs = Globs(self._root, Listings())
        self._bytes = limits.ALL_PREVIEW_BYTES
        self._count = limits.PREVIEWS
        self._dropped = 0

    def notes(self) -> List[str]:
        if not self._dropped:
            return []
        most = bytes_text(limits.ALL_PREVIEW_BYTES)
        return [f"{self._dropped} previews are left out: a report holds {limits.PREVIEWS}, of {most} in all"]

    def read(self, item: StepView, report: Sequence[str]) -> Found:
        outputs = list(item.outputs.values())
        members = {output.name: self._members(output) for output in outputs if output.kind == "folder"}
        notes: List[str] = []
        wanted: Dict[str, File] = {}
        for entry in report:
            found = list(self._named(entry, outputs, members))
            if not found and item.outcome not in ("blocked", "skipped", "cancelled"):
                found = self._workspace(entry)
                if found:
                    notes.append(
                        f"`{entry}` is no output of the step: it is shown as it stands in the project now"
                    )
            if not found:
                notes.append(f"`report` names `{entry}`: nothing is there")
            wanted.update((file.path, file) for file in found)
        for output in outputs:
            if output.kind == "file" and output.name not in SILENT and previews.can_preview(output.path):
                wanted.setdefault(output.path, file_of(output))
        shown = [preview for preview in map(self._preview, wanted.values()) if preview is not None]
        parts = tuple(part_of(output, members.get(output.name, ())) for output in outputs)
        return Found(parts, tuple(shown), self._history(outputs), tuple(notes))

    # ------------------------------------------------------------------------------------------ which files

    def _members(self, output: OutputView) -> Tuple[Entry, ...]:
        try:
            return tuple(entry for entry in self._store.members(output.digest) if entry.kind == "file")
        except MlorchError:
            return ()

    def _named(
        self, entry: str, outputs: Sequence[OutputView], members: Dict[str, Tuple[Entry, ...]]
    ) -> Iterator[File]:
        pattern = os.path.normpath(entry)
        for output in outputs:
            whole = entry == output.name or meets(pattern, output.path)
            if output.kind == "file" and whole:
                yield file_of(output)
            for member in members.get(output.name, ()):
                path = f"{output.path}/{member.path}"
                if meets(pattern, path) or (whole and previews.can_preview(path)):
                    yield File(path, member.digest, member.bytes, output.stored)

    def _workspace(self, entry: str) -> List[File]:
        """Files of the project that a pattern names: none outside of it, none of mlorch's own. A folder stands for
        what is in it that can be shown."""
        if misplaced(entry, ()) is not None:
            return []
        found = []
        for path in self._globs(entry):
            real = os.path.realpath(os.path.join(self._root, path))
            inside = (
                real.startswith(self._root + os.sep) and misplaced(real[len(self._root) + 1 :], ()) is None
            )
            if (
                inside
                and os.path.isfile(real)
                and (path == os.path.normpath(entry) or previews.can_preview(path))
            ):
                found.append(File(path, "", os.stat(real).st_size))
            if len(found) >= limits.PREVIEWS:
                break
        return found

    # --------------------------------------------------------------------------------------- what they hold

    def _preview(self, file: File) -> Optional[Preview]:
        """None where the page is full."""
        if not previews.can_preview(file.path):
            return previews.read(file.path, b"")
        if self._count <= 0 or self._bytes <= 0:
            self._dropped += 1
            return None
        self._count -= 1
        data, why = self._data(file)
        if data is None:
            return previews.refused(file.path, file.bytes, why)
        preview = previews.read(file.path, data)
        if len(preview.data) > self._bytes:
            self._dropped += 1
            return None
        self._bytes -= len(preview.data) + len(preview.text)
        return preview

    def _data(self, file: File) -> Tuple[Optional[bytes], str]:
        if file.bytes > limits.READ_BYTES:
            return (
                None,
                f"it is not read: {bytes_text(file.bytes)} is more than {bytes_text(limits.READ_BYTES)}",
            )
        try:
            if file.digest:
                return self._store.read(file.digest), ""
            with open(os.path.join(self._root, file.path), "rb") as opened:
                return opened.read(limits.READ_BYTES), ""
        except (MlorchError, OSError):
            return None, "the store no longer holds it" if file.stored else "the store keeps only its digest"

    def _history(self, outputs: Sequence[OutputView]) -> Tuple[Series, ...]:
        """The curves of the reserved output `history`."""
        output = next((item for item in outputs if item.name == "history" and item.kind == "file"), None)
        if output is None or output.bytes > limits.READ_BYTES:
            return ()
        data, _ = self._data(file_of(output))
        return tuple(series_of(data)) if data else ()


def file_of(output: OutputView) -> File:
    return File(output.path, output.digest, output.bytes, output.stored)


def part_of(output: OutputView, members: Sequence[Entry]) -> OutputPart:
    first = tuple((entry.path, entry.bytes) for entry in members[: limits.FOLDER_MEMBERS])
    return OutputPart(output.name, output.path, output.digest, output.bytes, output.kind, first, len(members))


def series_of(data: bytes) -> Iterator[Series]:
    """Every finite number of JSON lines over the lines, or over `epoch`, `step` … where each line has one."""
    rows: List[Dict[str, float]] = []
    for line in data.split(b"\n")[:MOST_LINES]:
        try:
            found = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            rows.append(numbers(found))
    counter = next((name for name in COUNTERS if rows and all(name in row for row in rows)), "")
    names = dict.fromkeys(name for row in rows for name in row if name != counter)
    for name in names:
        points = [
            (row[counter] if counter else float(index), row[name])
            for index, row in enumerate(rows)
            if name in row
        ]
        if len(points) > 1:
            yield Series(name, tuple(points))


def numbers(found: Dict[str, object]) -> Dict[str, float]:
    flat = flatten(untag_floats(found))
    return {
        name: float(value)
        for name, value in flat.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    }
