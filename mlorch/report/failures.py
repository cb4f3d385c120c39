"""What failed: one block for each failure, with what it means, where it comes from and how to run it again."""

from __future__ import annotations

import json
import os
import re
import shlex
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Set, Tuple

from mlorch.digest import tag_floats
from mlorch.model import Outcome, Pipeline, Place
from mlorch.report.logs import QUOTED, Logs, missing_command, telling
from mlorch.report.style import Style, bytes_text, cells_of, pad, right_edge, seconds_text
from mlorch.values import dataclass

DEFAULT_NAMES = ("mlorch.yaml", "pipeline.yaml")
NAME_CELLS = 12
LABEL_CELLS = 10
SHOWN = 9
"""Failures that are told; of more, how many there are."""
LONGEST_LINE = 400
RESERVED = ("metrics", "history")

EXIT = re.compile(r"exit (?P<code>\d+)(?:: (?P<detail>.*))?$", re.DOTALL)
KILLED = re.compile(r"killed by (?P<signal>SIG\w+|signal \d+)")
NOT_FOUND = re.compile(r"(?:command )?`(?P<name>[^`]+)` was not found")
SIMPLE = re.compile(r"exit \d+(?: \(|$)|killed by |failed$")
"""After these it is worth a word how long it took."""
ATTEMPT_LOG = re.compile(r"\.\d+\.log$")

MEANINGS = {
    126: "the command can't be executed: is it a program, and may it be run?",
    132: "it crashed with an illegal instruction: was it built for another processor?",
    134: "it aborted itself",
    136: "it crashed with an arithmetic error",
    139: "it crashed with a segmentation fault",
    143: "something else asked it to end (SIGTERM)",
}


@dataclass(frozen=True)
class Failures:
    """The failures of a run with all that their blocks need."""

    run: str
    pipeline: Pipeline
    outcomes: Sequence[Outcome]
    logs: Logs
    style: Style

    @property
    def failed(self) -> List[Outcome]:
        """Those that nothing else explains first, then by their order in the run; tolerated ones last."""
        found = [item for item in self.outcomes if item.outcome == "failed"]
        return sorted(found, key=lambda item: (item.tolerated, bool(item.causes)))

    def text(self) -> str:
        """All blocks; empty where nothing failed. One failure is told in full, several are each short."""
        failed = self.failed
        if not failed:
            return ""
        if len(failed) == 1:
            return "\n".join(self._whole(failed[0])) + "\n"
        lines: List[str] = []
        groups = self._alike(failed)
        for group in groups[:SHOWN]:
            lines += self._short(group)
        rest = sum(len(group) for group in groups[SHOWN:])
        if rest:
            lines.append(f"  and {rest} more: mlorch logs {self.run} --failed")
        lines += self._field("blocked", self._names(self._blocked_by(item.instance for item in failed)))
        return "\n".join(lines) + "\n"

    def told(self, outcome: Outcome) -> str:
        """One failure in a few lines: what happened, what its log said last, how to run it again."""
        said, details = self._what(outcome, QUOTED)
        again = self._again(outcome)
        return "\n".join([said, *details, *(["again: " + again] if again else [])])

    # -------------------------------------------------------------------------------------------- blocks

    def _whole(self, outcome: Outcome) -> List[str]:
        lines = self._opening(outcome, QUOTED)
        lines += self._field("command", one_line(outcome.command))
        step = self.pipeline.steps.get(outcome.step)
        if step is not None:
            lines += self._field("defined", f"{step.place.file}:{step.place.line}")
        lines += self._outputs(outcome)
        lines += self._field("again", self._again(outcome))
        lines += self._field("by hand", by_hand(outcome))
        lines += self._log(outcome)
        lines += self._field("blocked", self._names(self._blocked_by([outcome.instance])))
        return lines

    def _alike(self, failed: Sequence[Outcome]) -> List[List[Outcome]]:
        """Instances of a step that failed in the same way share a block."""
        groups: Dict[Any, List[Outcome]] = {}
        for outcome in failed:
            said, details = self._what(outcome, 1)
            groups.setdefault((outcome.step, outcome.tolerated, said, *details), []).append(outcome)
        return list(groups.values())

    def _short(self, group: Sequence[Outcome]) -> List[str]:
        first = group[0]
        lines = self._opening(first, 1) + self._outputs(first)
        others = [item.instance for item in group[1:]]
        if others:
            lines += self._field("the same", self._names(others))
        return lines + self._field("again", self._again(first)) + self._log(first)

    def _opening(self, outcome: Outcome, quoted: int) -> List[str]:
        """`✗ train  exit 1 after 9.8s (attempt 2 of 2)`, then what it means and what its log said last."""
        style = self.style
        said, details = self._what(outcome, quoted)
        step = self.pipeline.steps.get(outcome.step)
        most = max(outcome.attempts, step.retry.max_attempts if step is not None else 1)
        took = f" after {seconds_text(outcome.seconds)}" if outcome.seconds and outcome.attempts else ""
        if took and (" after " in said or not SIMPLE.match(said)):
            took = ""
        attempts = f" (attempt {outcome.attempts} of {most})" if most > 1 and outcome.attempts else ""
        tolerated = ", which is tolerated" if outcome.tolerated else ""
        name = pad(style.clean(outcome.instance), NAME_CELLS - 1)
        mark = style.paint(style.glyph("failed"), "bold", "red")
        head = f"{mark} {style.paint(name, 'bold')} " + style.own(said + took + attempts + tolerated)
        return [head, *("    " + style.own(text[:LONGEST_LINE]) for text in details)]

    def _what(self, outcome: Outcome, quoted: int) -> Tuple[str, List[str]]:
        """(what happened in a few words, lines that explain it)."""
        tail = list(self.logs.tail(outcome.log)) if outcome.log and outcome.attempts else []
        match = EXIT.match(outcome.error)
        killed = KILLED.match(outcome.error)
        missing = NOT_FOUND.match(outcome.error)
        said = outcome.error or (f"exit {outcome.exit_code}" if outcome.exit_code is not None else "failed")
        details: List[str] = []
        if match:
            said = f"exit {match.group('code')}"
        elif killed and outcome.exit_code is not None:
            said = f"exit {outcome.exit_code} ({killed.group('signal')})"
        elif missing and outcome.exit_code == 127:
            said, tail = "exit 127", [f"sh: {missing.group('name')}: command not found"]
        meaning = exit_meaning(outcome, tail)
        if meaning:
            details.append(meaning)
        elif match and match.group("detail"):
            details += match.group("detail").splitlines()[:quoted]
        if missing:
            tail = []  # the sentence above says all of it
        if not outcome.outputs:
            # A check that did not hold says all; a log that ended well has nothing to add.
            details += [text for text in telling(tail, quoted) if text not in details]
            if not details and outcome.attempts and outcome.log and self.logs.count(outcome.log) == 0:
                details.append("it printed nothing")
        if outcome.hint and "mlorch get " not in outcome.hint:
            details.append(outcome.hint)
        return said.splitlines()[0], details

    def _outputs(self, outcome: Outcome) -> List[str]:
        """How to fetch what a failed check keeps out of the workspace."""
        names = [name for name in outcome.outputs if name not in RESERVED] or list(outcome.outputs)
        texts = []
        for name in names[:3]:
            target = os.path.basename(outcome.outputs[name].path)
            texts.append(f"mlorch get {shlex.quote(outcome.instance + '/' + name)} -o {shlex.quote(target)}")
        return [
            line
            for index, text in enumerate(texts)
            for line in self._field("outputs" if index == 0 else "", text)
        ]

    def _again(self, outcome: Outcome) -> str:
        """What runs only this step again. Nothing for a check that did not hold: that takes another model or another bar."""
        if outcome.record or outcome.outputs:
            return ""
        return f"{run_command(self.pipeline)} {shlex.quote(outcome.instance)}{overrides(self.pipeline)}"

    def _log(self, outcome: Outcome) -> List[str]:
        if not (outcome.log and outcome.attempts):  # a cached one's log is that of an earlier run
            return []
        count = self.logs.count(outcome.log)
        lines = "" if count is None else f" ({count} line{'s' * (count != 1)})"
        return self._field("full log", outcome.log + lines)

    def _field(self, label: str, text: str) -> List[str]:
        if not text:
            return []
        shown = self.style.own(text[:LONGEST_LINE])
        return ["  " + self.style.paint(pad(label, LABEL_CELLS), "dim") + shown]

    # ------------------------------------------------------------------------------------------- blocked

    def _blocked_by(self, roots: Iterable[str]) -> List[str]:
        """Instances that could not run because of these, directly or through one another."""
        behind: Set[str] = set(roots)
        found: List[str] = []
        waiting = [item for item in self.outcomes if item.outcome == "blocked"]
        while True:
            more = [item for item in waiting if behind.intersection(item.causes)]
            if not more:
                return found
            found += [item.instance for item in more]
            behind.update(item.instance for item in more)
            waiting = [item for item in waiting if item.instance not in behind]

    def _names(self, instances: Sequence[str]) -> str:
        room = right_edge(self.style.width) - LABEL_CELLS
        return name_list(instances, self.style.glyph("times"), room)


def name_list(instances: Sequence[str], times: str, room: int) -> str:
    """`evaluate, report`; many instances of one step as `train ×12`; what does not fit is counted."""
    by_step: Dict[str, List[str]] = {}
    for name in instances:
        by_step.setdefault(name.split("@", 1)[0], []).append(name)
    texts = [
        f"{step} {times}{len(names)}" if len(names) > 3 else ", ".join(names)
        for step, names in by_step.items()
    ]
    shown: List[str] = []
    for index, text in enumerate(texts):
        more = len(texts) - index
        if shown and cells_of(", ".join([*shown, text])) > room:
            return ", ".join(shown) + f" and {more} more"
        shown.append(text)
    return ", ".join(shown)


def exit_meaning(outcome: Outcome, tail: Sequence[str]) -> str:
    """What an exit code means, where it means something by itself."""
    code = outcome.exit_code
    if code == 137 and not outcome.error.startswith("timed out"):
        peak = f" (it had used {bytes_text(outcome.peak_rss)})" if outcome.peak_rss else ""
        return f"killed, probably because memory ran out{peak}"
    if code == 127:
        name = missing_command(tail)
        return (
            f"`{name}` was not found: install it, or check PATH"
            if name
            else "a command was not found: check PATH"
        )
    if outcome.error.startswith("timed out"):
        return ""
    return MEANINGS.get(code, "") if code is not None else ""


def by_hand(outcome: Outcome) -> str:
    """The command that runs the last attempt again, in its environment and without mlorch; empty where none failed (a
    check did not hold: what was executed went well)."""
    if not outcome.attempts or outcome.record or not ATTEMPT_LOG.search(outcome.log):
        return ""
    return "sh " + shlex.quote(ATTEMPT_LOG.sub(".sh", outcome.log))


def one_line(command: str) -> str:
    """A script by its first line, with the number of those that follow."""
    lines = [text.strip() for text in command.strip().splitlines()]
    if len(lines) < 2:
        return command.strip()
    return f"{lines[0]} (and {len(lines) - 1} more line{'s' * (len(lines) > 2)})"


def run_command(pipeline: Pipeline) -> str:
    """`mlorch run`, with the pipeline's file where it would not be found by itself."""
    return "mlorch run" + ("" if pipeline.file in DEFAULT_NAMES else " " + shlex.quote(pipeline.file))


def overrides(pipeline: Pipeline) -> str:
    """The `-p name=value` that this pipeline was read with."""
    texts = []
    for name, place in pipeline.param_places.items():
        if is_override(place):
            value = _param(pipeline.params, name)
            text = value if isinstance(value, str) and _plain_word(value) else json.dumps(tag_floats(value))
            texts.append(" -p " + shlex.quote(f"{name}={text}"))
    return "".join(texts)


def is_override(place: Place) -> bool:
    """Whether a param's value was given by `-p` (its place is then named `-p NAME`)."""
    return place.file == "-p" or place.file.startswith("-p ")


def _plain_word(text: str) -> bool:
    """Whether YAML reads this text as this text."""
    return bool(re.match(r"[A-Za-z_./][\w./-]*\Z", text)) and text.lower() not in ("true", "false", "null")


def _param(params: Mapping[str, Any], dotted: str) -> Any:
    value: Any = params
    for part in dotted.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
