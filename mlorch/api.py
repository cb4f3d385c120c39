"""What notebooks, tests and programs use: `mlorch.load(…)`, `.plan()`, `.run()`. Results are frozen values.

    import mlorch

    pipeline = mlorch.load("pipeline.yaml", params={"window": 14})
    pipeline.plan().actions           # {"load": "cached", "train": "run"}
    run = pipeline.run(check=True)
    run["train"].metrics["auc"]

It is what the command line calls, so keys, the store and the history are the same.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from html import escape
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from mlorch import app
from mlorch.digest import untag_floats
from mlorch.errors import ExitCode, MlorchError
from mlorch.model import Outcome, RunSummary, Value
from mlorch.model import Plan as PlanAnswer
from mlorch.ports import Listener
from mlorch.report import graph as drawing
from mlorch.report.plans import shown_action
from mlorch.report.reasons import sentence
from mlorch.report.style import number_text, seconds_text

PathLike = Union[str, "os.PathLike[str]"]
Selectors = Union[None, str, Sequence[str]]


class RunFailed(MlorchError):
    """Raised by `run(check=True)` when the run did not succeed; `run` holds how each step ended."""

    exit_code = ExitCode.STEP_FAILED

    def __init__(self, run: Run) -> None:
        failed = [step for step in run.steps if step.outcome == "failed" and not step.tolerated]
        told = "; ".join(f"{step.instance}: {step.error}" for step in failed) or run.status
        super().__init__(f"run {run.id} {run.status}: {told}", failed[0].hint if failed else "")
        self.run = run


@dataclass(frozen=True)
class Output:
    """One output of one instance."""

    path: str
    """Absolute."""
    digest: str
    """`blake3:…` of the content."""
    bytes: int


@dataclass(frozen=True)
class StepResult:
    """How one instance of a step ended."""

    step: str
    instance: str
    outcome: str
    """`succeeded failed cached skipped blocked cancelled`."""
    reasons: Tuple[str, ...]
    """Why it ran, as sentences."""
    seconds: float
    attempts: int
    exit_code: Optional[int]
    outputs: Mapping[str, Output]
    metrics: Mapping[str, Value]
    error: str = ""
    hint: str = ""
    log: str = ""
    """Absolute path; empty where there is none."""
    tolerated: bool = False
    """It failed, and `continue_on_error` lets the run succeed."""


@dataclass(frozen=True)
class Run:
    """A run that has ended. A notebook shows it as a table."""

    id: str
    status: str
    """`succeeded`, `failed` or `cancelled`."""
    exit_code: int
    seconds: float
    steps: Tuple[StepResult, ...]
    totals: Mapping[str, int]
    """Outcome -> how many."""
    warnings: Tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    def __getitem__(self, name: str) -> StepResult:
        """The result of an instance, or of a step that has only one. Raises KeyError."""
        found = [step for step in self.steps if name == step.instance]
        found = found or [step for step in self.steps if name == step.step]
        if len(found) == 1:
            return found[0]
        names = ", ".join(step.instance for step in found or self.steps)
        raise KeyError(f"{name!r} is {'several instances' if found else 'no step of this run'}: {names}")

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for step in self.steps for name in step.metrics))
        rows = [
            [step.instance, step.outcome, seconds_text(step.seconds), step.error or ", ".join(step.reasons)]
            + [number_text(step.metrics.get(name)) for name in names]
            for step in self.steps
        ]
        return _table(f"run {self.id} {self.status}", ["step", "outcome", "took", "why", *names], rows)


@dataclass(frozen=True)
class PlannedStep:
    """What a run would do with one instance."""

    step: str
    instance: str
    action: str
    """`cached run maybe skipped blocked failed`."""
    reasons: Tuple[str, ...]
    seconds: Optional[float]
    """Expected, from history; None without one."""


@dataclass(frozen=True)
class Plan:
    """What a run would do. A notebook shows it as a table."""

    steps: Tuple[PlannedStep, ...]
    seconds: Optional[float]
    """Expected wall time; None without history."""
    warnings: Tuple[str, ...] = ()

    @property
    def actions(self) -> Dict[str, str]:
        return {step.instance: step.action for step in self.steps}

    @property
    def up_to_date(self) -> bool:
        return all(step.action in ("cached", "skipped") for step in self.steps)

    def _repr_html_(self) -> str:
        rows = [
            [
                step.instance,
                step.action,
                ", ".join(step.reasons),
                "" if step.seconds is None else seconds_text(step.seconds),
            ]
            for step in self.steps
        ]
        return _table("plan", ["step", "action", "why", "expected"], rows)


@dataclass(frozen=True)
class Pipeline:
    """A validated pipeline. A notebook shows its graph."""

    name: str
    file: str
    """Absolute path."""
    root: str
    """Absolute path of the project root; outputs and logs lie below it."""
    steps: Tuple[str, ...]
    params: Mapping[str, Value]
    _request: app.Request = field(repr=False)

    def plan(self, steps: Selectors = None, *, only: bool = False, force: bool = False) -> Plan:
        """What `run` would do, and why. Raises SpecError, UsageError, StoreError."""
        return _plan(app.plan(self._asked(steps, only=only, force=force)))

    def run(
        self,
        steps: Selectors = None,
        *,
        jobs: Optional[int] = None,
        only: bool = False,
        force: bool = False,
        keep_going: bool = False,
        check: bool = False,
        on_event: Optional[Listener] = None,
    ) -> Run:
        """Execute what is not up to date; it returns when everything has ended.

        Args:
            steps: a selector or several, as on the command line; None is everything.
            jobs: attempts at once; None is what `mlorch.toml` says, else the cores.
            check: raise RunFailed unless the run succeeded.
            on_event: called with each event, in this thread or another, one at a time.

        Raises SpecError, UsageError, LockedError, StoreError, EnvironmentFault before anything is executed.
        """
        request = self._asked(steps, only=only, force=force, jobs=jobs, keep_going=keep_going)
        run = _run(app.run(request, [on_event] if on_event is not None else []))
        if check and not run.ok:
            raise RunFailed(run)
        return run

    def graph(self, format: str = "svg") -> str:
        """The graph as `svg`, `mermaid` or `dot`, a node for each step."""
        draw = {"svg": drawing.draw_svg, "mermaid": drawing.draw_mermaid, "dot": drawing.draw_dot}
        if format not in draw:
            raise ValueError(f"expected a format of {', '.join(draw)}, got {format!r}")
        return draw[format](drawing.view(app.graph(self._request).plan, True, None))

    def _repr_svg_(self) -> str:
        return self.graph("svg")

    def _asked(self, steps: Selectors, **options: Any) -> app.Request:
        selectors = (steps,) if isinstance(steps, str) else tuple(steps or ())
        asked = self._request
        return app.Request(asked.pipeline, asked.root, selectors, asked.params, asked.params_file, **options)


def load(
    path: Optional[PathLike] = None,
    *,
    params: Optional[Mapping[str, Any]] = None,
    params_file: Optional[PathLike] = None,
    root: Optional[PathLike] = None,
) -> Pipeline:
    """Read and validate a pipeline; nothing is executed, imported or written.

    Args:
        path: of the file; None looks for it as the command line does.
        params: instead of those in the file, dotted names for nested ones: `{"gate.min_auc": 0.7}`.
        root: of the project; None finds it from the file.

    Raises SpecError with every problem and its place, UsageError.
    """
    given = tuple(f"{name}={json.dumps(value)}" for name, value in (params or {}).items())
    request = app.Request(
        os.path.abspath(path) if path is not None else None,
        os.path.abspath(root) if root is not None else None,
        params=given,
        params_file=os.path.abspath(params_file) if params_file is not None else None,
    )
    pipeline = app.load(request)
    file = os.path.join(pipeline.root, pipeline.file)
    asked = app.Request(file, pipeline.root, params=given, params_file=request.params_file)
    return Pipeline(pipeline.name, file, pipeline.root, tuple(pipeline.steps), dict(pipeline.params), asked)


def _plan(answer: PlanAnswer) -> Plan:
    steps = tuple(
        PlannedStep(
            item.instance.step.id,
            item.instance.name,
            shown_action(item),
            tuple(sentence(reason) for reason in item.reasons),
            item.seconds,
        )
        for item in answer.decisions
    )
    return Plan(steps, answer.seconds, tuple(answer.warnings))


def _run(summary: RunSummary) -> Run:
    order = {name: position for position, name in enumerate(summary.pipeline.steps)}
    root = summary.pipeline.root
    outcomes = sorted(summary.outcomes, key=lambda item: order[item.step])
    status = "succeeded" if summary.exit_code == 0 else "failed"
    if any(item.outcome == "cancelled" for item in outcomes) and summary.exit_code > 128:
        status = "cancelled"
    steps = tuple(_step(item, root) for item in outcomes)
    return Run(
        summary.run,
        status,
        summary.exit_code,
        summary.seconds,
        steps,
        summary.totals(),
        tuple(summary.warnings),
    )


def _step(item: Outcome, root: str) -> StepResult:
    return StepResult(
        item.step,
        item.instance,
        item.outcome,
        tuple(sentence(reason) for reason in item.reasons),
        item.seconds,
        item.attempts,
        item.exit_code,
        {
            name: Output(os.path.join(root, made.path), made.content.digest, made.content.bytes)
            for name, made in item.outputs.items()
        },
        untag_floats(dict(item.metrics)),
        item.error,
        item.hint,
        os.path.join(root, item.log) if item.log else "",
        item.tolerated,
    )


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table; all texts are escaped."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    parts: List[str] = [f"<table><caption>{escape(title)}</caption><thead>{line(head, 'th')}</thead><tbody>"]
    parts += [line(row, "td") for row in rows]
    return "".join(parts) + "</tbody></table>"
