"""Small pipelines, plans, runs and graphs made by hand, for tests of what turns them into text."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch.model import (
    ArgvCommand,
    Artifact,
    Content,
    Decision,
    Instance,
    Invocation,
    Manifest,
    Outcome,
    Pipeline,
    Place,
    Plan,
    Reason,
    Record,
    Retry,
    Row,
    RunSummary,
    Step,
    Template,
)
from mlorch.report.graph import GraphView, Node

FILE = "mlorch.yaml"
NOW = 1_795_248_000.0
"""2026-11-21T08:00:00Z."""


def digest_of(letter: str) -> str:
    return "blake3:" + letter * 64


def make_step(name: str, line: int = 10, **more: Any) -> Step:
    place = Place(FILE, line, 3)
    more.setdefault("run", Template((f"python {name}.py",), place))
    return Step(name, place, **more)


def make_pipeline(steps: Sequence[str] = ("load", "clean", "train"), **more: Any) -> Pipeline:
    retry = Retry(max_attempts=more.pop("max_attempts", 1))
    found = {name: make_step(name, 10 + 4 * index, retry=retry) for index, name in enumerate(steps)}
    more.setdefault("file", FILE)
    return Pipeline("churn", root="/nowhere", place=Place(FILE), steps=found, **more)


def make_record(instance: str, seconds: float = 12.0, rows: Sequence[Row] = (), **more: Any) -> Record:
    step = instance.split("@")[0]
    return Record(
        id="r-" + instance,
        key=digest_of("a"),
        manifest=Manifest(tuple(rows)),
        family=digest_of("f"),
        pipeline=FILE,
        step=step,
        instance=instance,
        run="51b20c",
        started=NOW - 7200 - seconds,
        seconds=seconds,
        **more,
    )


def make_decision(
    name: str, action: str, *texts: str, rows: Optional[Sequence[Row]] = None, **more: Any
) -> Decision:
    """A decision about `train` or `train@3-0`; `texts` are sentences of reasons."""
    step = make_step(name.split("@")[0])
    suffix = name.split("@")[1] if "@" in name else ""
    instance = Instance(name, step, {"fold": suffix} if suffix else {}, suffix)
    reasons = more.pop("reasons", tuple(Reason("param", text=text) for text in texts))
    invocation = None
    if rows is not None:
        invocation = Invocation(
            instance, Manifest(tuple(rows)), digest_of("b"), digest_of("f"), ArgvCommand(("true",))
        )
    if action == "cached":
        more.setdefault("record", make_record(name))
    return Decision(instance, action, reasons, invocation=invocation, **more)


def make_plan(
    decisions: Sequence[Decision], edges: Optional[Mapping[str, Tuple[str, ...]]] = None, **more: Any
) -> Plan:
    return Plan(make_pipeline(), tuple(decisions), edges or {}, **more)


def make_artifact(path: str, letter: str = "c", size: int = 2048) -> Artifact:
    return Artifact(path, Content(digest_of(letter), "file", size))


def make_outcome(instance: str, outcome: str, **more: Any) -> Outcome:
    return Outcome(instance, instance.split("@")[0], outcome, **more)


def make_summary(outcomes: Sequence[Outcome], **more: Any) -> RunSummary:
    steps: Dict[str, None] = dict.fromkeys(item.step for item in outcomes)
    failed = any(item.outcome == "failed" and not item.tolerated for item in outcomes)
    pipeline = more.pop("pipeline", None) or make_pipeline(tuple(steps))
    values: Dict[str, Any] = {"run": "7f3a91", "seconds": 60.0, "exit_code": 1 if failed else 0}
    values.update(more)
    return RunSummary(pipeline=pipeline, outcomes=tuple(outcomes), **values)


class FakeLogs:
    """Logs in memory: path -> text."""

    def __init__(self, **texts: str) -> None:
        self.texts = {name.replace("__", "."): text for name, text in texts.items()}

    def tail(self, path: str) -> Sequence[str]:
        return self.texts.get(path.rsplit("/", 1)[-1], "").split("\n")

    def count(self, path: str) -> Optional[int]:
        text = self.texts.get(path.rsplit("/", 1)[-1])
        return None if text is None else len(text.splitlines())


def make_view(edges: Sequence[Tuple[str, str]], nodes: Sequence[str] = (), **states: str) -> GraphView:
    """A graph by its edges, upstream names first (in alphabetical order where `nodes` does not say)."""
    names: List[str] = list(nodes) or sorted({name for edge in edges for name in edge})
    return GraphView(
        "churn", tuple(Node(name, name, state=states.get(name, "")) for name in names), tuple(edges)
    )
