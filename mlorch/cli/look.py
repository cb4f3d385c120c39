"""Verbs that look and execute nothing: validate, schema, graph, plan, why."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, List, Optional

import typer

from mlorch.cli.common import Options, document_text, print_document, print_text
from mlorch.cli.complete import complete_files, complete_runs
from mlorch.cli.request import make_request, split_words
from mlorch.cli.words import FORCE, FORCE_STEP, ONLY, PARAM, PARAMS_FILE, STEP_WORDS, WORDS
from mlorch.errors import EnvironmentFault, ExitCode, UsageError, did_you_mean

if TYPE_CHECKING:
    from mlorch.app import Request

ACTIONS_THAT_RUN = ("run", "maybe")


class ProblemFormat(str, Enum):
    full = "full"
    concise = "concise"
    json = "json"
    github = "github"


class GraphFormat(str, Enum):
    ascii = "ascii"
    mermaid = "mermaid"
    dot = "dot"
    json = "json"
    svg = "svg"


SUFFIXES = {
    ".txt": GraphFormat.ascii,
    ".mmd": GraphFormat.mermaid,
    ".mermaid": GraphFormat.mermaid,
    ".dot": GraphFormat.dot,
    ".gv": GraphFormat.dot,
    ".json": GraphFormat.json,
    ".svg": GraphFormat.svg,
}

PIPELINES = typer.Argument(
    None,
    metavar="[PIPELINE]...",
    help="Default: the pipeline here.",
    autocompletion=complete_files,
    show_default=False,
)
PROBLEM_FORMAT = typer.Option(ProblemFormat.full, "--format", help="Default: full.", show_default=False)
GRAPH_FORMAT = typer.Option(
    None, "--format", help="Default: by the file's suffix, else ascii.", show_default=False
)
OUTPUT = typer.Option(None, "-o", "--output", metavar="FILE", help="Write to a file instead of stdout.")
STATE = typer.Option(
    None, "--state", metavar="RUN", help="Show how each step fared in a run.", autocompletion=complete_runs
)
CHECK = typer.Option(False, "--check", help="Exit 5 if anything would run.")
AGAINST = typer.Option(
    None,
    "--against",
    metavar="RUN",
    help="Compare with this run.",
    autocompletion=complete_runs,
    show_default=False,
)


def validate(
    options: Options, pipelines: Optional[List[str]] = PIPELINES, format_: ProblemFormat = PROBLEM_FORMAT
) -> int:
    """Check YAML, schema, references and cycles. Runs and imports nothing."""
    from mlorch import app
    from mlorch.cli.screens import problems_text
    from mlorch.report.documents import validate_document

    problems, sources = app.validate(tuple(pipelines or ()), app.Request(root=options.root))
    valid = not any(problem.severity == "error" for problem in problems)
    if options.json or format_ is ProblemFormat.json:
        print_document(validate_document(problems, [source.path for source in sources]))
    else:
        print_text(problems_text(problems, sources, format_.value, options))
    return int(ExitCode.DONE if valid else ExitCode.INVALID)


def schema(options: Options, output: Optional[str] = OUTPUT) -> int:
    """Print the JSON schema of pipelines, for editors."""
    from mlorch.spec.schema import schema_path

    del options
    with open(schema_path(), encoding="utf-8") as file:
        write_text(file.read(), output)
    return 0


def write_text(text: str, path: Optional[str]) -> None:
    """An answer on stdout, or in a file. Raises EnvironmentFault."""
    if path is None or path == "-":
        print_text(text)
        return
    try:
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text if text.endswith("\n") else text + "\n")
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        raise EnvironmentFault(f"{path}: {reason}", "name another file with -o") from error


def graph(
    options: Options,
    words: Optional[List[str]] = WORDS,
    format_: Optional[GraphFormat] = GRAPH_FORMAT,
    output: Optional[str] = OUTPUT,
    state: Optional[str] = STATE,
    param: Optional[List[str]] = PARAM,
    params_file: Optional[str] = PARAMS_FILE,
) -> int:
    """Draw the pipeline."""
    from mlorch import app
    from mlorch.cli.screens import graph_text, style_for
    from mlorch.report.style import Style

    chosen = choose_format(format_, output)
    answer = app.graph(make_request(options, words, param, params_file), state)
    if output is not None and output != "-":
        # a file is read by whoever gets it: no colours, all glyphs
        write_text(graph_text(answer, chosen.value, Style()), output)
    elif not options.json:
        print_text(graph_text(answer, chosen.value, style_for(sys.stdout, options)))
    if options.json:
        print_text(graph_text(answer, GraphFormat.json.value, Style()))
    return 0


def choose_format(given: Optional[GraphFormat], output: Optional[str]) -> GraphFormat:
    """Raises UsageError for a file whose suffix says nothing."""
    if given is not None:
        return given
    if output is None or output == "-":
        return GraphFormat.ascii
    suffix = os.path.splitext(output)[1].lower()
    if suffix not in SUFFIXES:
        hint = did_you_mean(suffix, list(SUFFIXES)) or "known are " + ", ".join(SUFFIXES)
        raise UsageError(f"the format can't be told from `{output}`: give --format", hint)
    return SUFFIXES[suffix]


def plan(
    options: Options,
    words: Optional[List[str]] = WORDS,
    check: bool = CHECK,
    param: Optional[List[str]] = PARAM,
    params_file: Optional[str] = PARAMS_FILE,
    only: bool = ONLY,
    force: bool = FORCE,
    force_step: Optional[List[str]] = FORCE_STEP,
) -> int:
    """What a run would do, and why; nothing is executed."""
    request = make_request(options, words, param, params_file, only=only, force=force, force_steps=force_step)
    return show_plan(options, request, check)


def show_plan(options: Options, request: Request, check: bool = False) -> int:
    """`plan`, and `run --dry-run`."""
    from mlorch import app
    from mlorch.cli.idle import remember_plan, watching
    from mlorch.cli.screens import style_for
    from mlorch.report.documents import plan_document
    from mlorch.report.plans import render_plan

    witness = watching()
    found = app.plan(replace(request, witness=witness))
    shown = None if options.json else render_plan(found, style_for(sys.stdout, options))
    text = document_text(plan_document(found)) if shown is None else shown
    print_text(text)
    remember_plan(witness, found, text)
    if not options.json:
        style = style_for(sys.stderr, options)
        for text in found.warnings:
            sys.stderr.write(f"{style.paint('warning', 'yellow')}: {style.own(text)}\n")
    if not check:
        return int(ExitCode.DONE)
    if any(decision.action in ACTIONS_THAT_RUN for decision in found.decisions):
        return int(ExitCode.WOULD_RUN)
    gated = any(reason.kind == "check" for decision in found.decisions for reason in decision.reasons)
    return int(ExitCode.STEP_FAILED if gated else ExitCode.DONE)


def why(
    options: Options,
    words: Optional[List[str]] = STEP_WORDS,
    against: Optional[str] = AGAINST,
    param: Optional[List[str]] = PARAM,
    params_file: Optional[str] = PARAMS_FILE,
) -> int:
    """Each part of a step's key, old and new, with what differs."""
    from mlorch import app
    from mlorch.cli.screens import style_for, why_text
    from mlorch.report.documents import why_document

    _, steps = split_words(words)
    request = make_request(options, words, param, params_file)
    if len(steps) != 1:
        names = list(app.load_only(request)[0].steps)
        hint = f"for instance mlorch why {names[-1]}; there are: {', '.join(names[:12])}"
        raise UsageError("say which step" if not steps else f"expected one step, got {len(steps)}", hint)
    answers = app.why(request, steps[0], against)
    if options.json:
        print_document(why_document(answers))
    else:
        pipeline, _ = app.load_only(request)
        style = style_for(sys.stdout, options)
        print_text(why_text(answers, pipeline, lambda digest: app.text_of(request, digest), style))
    return 0
