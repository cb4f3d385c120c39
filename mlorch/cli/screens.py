"""Between the verbs and `mlorch.report`: which stream, which style, which listener, which renderer."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Callable, Dict, Iterator, List, Optional, Sequence, Set, TextIO, Union

from mlorch.cli.common import Options, document_text
from mlorch.cli.complete import project_root
from mlorch.errors import EnvironmentFault, MlorchError
from mlorch.model import Explanation, Pipeline, Problem, RunSummary, Settings, SourceFile
from mlorch.report.style import Style, is_live, is_terminal, style_of
from mlorch.settings import read_settings
from mlorch.values import dataclass

if TYPE_CHECKING:
    from mlorch.app import GraphAnswer
    from mlorch.ports import Listener
    from mlorch.report.lines import LineListener
    from mlorch.report.live.listener import LiveListener

    Screen = Union[LineListener, LiveListener]

# Each verb needs a part of this, and imports what that part needs.


def settings_here(options: Options) -> Settings:
    """The settings of the project here; the defaults where they can't be read (another part tells why)."""
    root = project_root(options.root)
    try:
        return read_settings(root, flags={"color": options.color})
    except MlorchError:
        return Settings(root=root, store="", color=options.color or "auto")


def style_for(stream: TextIO, options: Options) -> Style:
    return style_of(stream, settings_here(options).color)


# ------------------------------------------------------------------------------------------ validate


def problems_text(
    problems: Sequence[Problem], sources: Sequence[SourceFile], format_: str, options: Options
) -> str:
    """Problems as frames, lines or annotations; for frames what was found in all, or that nothing was."""
    from mlorch.report import frames

    style = style_for(sys.stdout, options)
    if format_ == "github":
        return frames.to_github(problems)
    if format_ == "concise":
        return frames.render_concise(problems, style=style)
    text = frames.render(problems, sources, style=style)
    errors = sum(problem.severity == "error" for problem in problems)
    if not problems:
        return f"{style.glyph('ok')} valid\n"
    warnings = len(problems) - errors
    counts = [
        f"{count} {word}{'s' * (count != 1)}"
        for count, word in ((errors, "error"), (warnings, "warning"))
        if count
    ]
    return text + "\n" + ", ".join(counts) + ("" if errors else ": valid") + "\n"


# ----------------------------------------------------------------------------------------------- run


@dataclass
class Listening:
    """The listeners of one run, and what they have shown."""

    listeners: List[Listener]
    screen: Optional[Screen]
    quiet: bool = False

    @property
    def told(self) -> Set[str]:
        """Warnings that were shown, so that the summary does not repeat them."""
        return self.screen.told if self.screen is not None else set()


@contextmanager
def listening(options: Options, progress: Optional[str], events: Optional[str]) -> Iterator[Listening]:
    """Listeners for a run: its progress on stderr, and its events in a file. Raises EnvironmentFault."""
    from mlorch.report.lines import JsonLinesListener

    settings = settings_here(options)
    kind = "quiet" if options.quiet and progress is None else progress or settings.progress
    with ExitStack() as stack:
        listeners: List[Listener] = []
        screen: Optional[Screen] = None
        if kind == "jsonl":
            listeners.append(JsonLinesListener(sys.stderr))
        else:
            screen = progress_screen(kind, style_of(sys.stderr, settings.color))
            stack.callback(screen.close)
            listeners.append(screen)
        if events is not None:
            listeners.append(JsonLinesListener(stack.enter_context(open_events(events))))
        yield Listening(listeners, screen, kind == "quiet")


def progress_screen(kind: str, style: Style) -> Screen:
    """Who shows the progress: a screen that moves where there is one, else a line per event."""
    from mlorch.report.github import GitHubListener, is_github
    from mlorch.report.lines import LineListener

    if kind == "tty" and not is_terminal(sys.stderr):
        text = "--progress tty: stderr is no terminal, so progress is plain lines"
        sys.stderr.write(f"{style.paint('warning', 'yellow')}: {text}\n")
    if is_live(sys.stderr) if kind == "auto" else kind == "tty" and is_terminal(sys.stderr):
        from mlorch.report.live.listener import LiveListener

        return LiveListener(sys.stderr, style)
    if is_github(os.environ):
        return GitHubListener(sys.stderr, style, quiet=kind == "quiet")
    return LineListener(sys.stderr, style, quiet=kind == "quiet")


def open_events(path: str) -> TextIO:
    try:
        return open(path, "w", encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        raise EnvironmentFault(f"--events: {path}: {reason}", "name a file that can be written") from error


def summary_text(summary: RunSummary, stream: TextIO, options: Options) -> str:
    from mlorch.report.logs import FileLogs
    from mlorch.report.summary import render_summary

    return _stopped(render_summary(summary, style_for(stream, options), FileLogs(summary.pipeline.root)))


def warnings_text(summary: RunSummary, options: Options, told: Set[str]) -> str:
    """For stderr: warnings are no part of the answer, and `-q` leaves them."""
    from mlorch.report.summary import render_warnings

    return _stopped(render_warnings(summary, style_for(sys.stderr, options), told))


def _stopped(text: str) -> str:
    from mlorch.report.github import harmless, is_github

    return harmless(text) if is_github(os.environ) else text


def tell_github(summary: RunSummary) -> None:
    """Annotations on stderr, and the job's summary in the file that the runner names."""
    from mlorch.report.github import failure_annotations
    from mlorch.report.job_summary import job_summary
    from mlorch.report.logs import FileLogs

    logs = FileLogs(summary.pipeline.root)
    sys.stderr.write(failure_annotations(summary, logs, os.environ))
    sys.stderr.flush()
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(job_summary(summary, logs))
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        sys.stderr.write(f"warning: the job's summary was not written: {reason}\n")


# ----------------------------------------------------------------------------------------------- why


def why_text(
    answers: Sequence[Explanation], pipeline: Pipeline, stored: Callable[[str], Optional[str]], style: Style
) -> str:
    """One block per instance, or for all of which the same is to be said. `stored` gives a source's text by digest."""
    from mlorch.report.reasons import listed
    from mlorch.report.why import Context, render_why
    from mlorch.store.paths import read_inside

    def current(path: str) -> Optional[str]:
        try:
            return read_inside(pipeline.root, path).decode("utf-8")
        except (OSError, ValueError):
            return None  # a record may come from elsewhere and name any path

    blocks: Dict[str, str] = {}
    others: Dict[str, List[str]] = {}
    for answer in answers:
        name = style.clean(answer.decision.instance.name)
        context = Context(
            previous=answer.previous,
            places=pipeline.param_places,
            current=current,
            causes=answer.causes,
            touched=answer.touched,
        )
        block = render_why(answer.decision, stored, style, context)
        told = block.replace(name, "", 1)
        if told in blocks:
            others[told].append(name)
        else:
            blocks[told], others[told] = block, []
    return "\n".join(
        block + (f"  and the same of {listed(others[told], 5)}\n" if others[told] else "")
        for told, block in blocks.items()
    )


# --------------------------------------------------------------------------------------------- graph


def graph_text(answer: GraphAnswer, format_: str, style: Style) -> str:
    """A drawing; one node for each step, in JSON one for each instance."""
    from mlorch.report import graph

    states = answer.states or None
    if format_ == "json":
        return document_text(graph.graph_document(graph.view(answer.plan, False, states)))
    view = graph.view(answer.plan, True, states)
    if format_ == "ascii":
        return graph.draw_ascii(view, style)
    draw = {"mermaid": graph.draw_mermaid, "dot": graph.draw_dot, "svg": graph.draw_svg}[format_]
    return draw(view)
