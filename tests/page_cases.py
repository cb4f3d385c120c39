"""Pages for tests of the HTML report: one of any size, and one whose every text is hostile."""

from __future__ import annotations

import math
from typing import List, Tuple

from hostile_texts import TEXTS

from mlorch.report.page.model import (
    AttemptPart,
    CheckPart,
    InstancePart,
    LogPart,
    OutputPart,
    Page,
    Preview,
    RunPart,
    Series,
    StepPart,
    Trend,
)
from mlorch.report.page.previews import read

BEGAN = 1_790_000_000.0


def history(name: str = "loss", count: int = 20) -> Tuple[Series, ...]:
    down = tuple((float(i + 1), math.exp(-i / 5)) for i in range(count))
    up = tuple((float(i + 1), 1 - math.exp(-i / 5)) for i in range(count))
    return Series(f"train_{name}", down), Series(f"val_{name}", down[::2]), Series("auc", up)


def instance(index: int, outcome: str = "succeeded") -> InstancePart:
    """As a step of a real pipeline has it, but for previews and curves."""
    name = f"step_{index:04d}"
    metrics = {"auc": 0.5 + index % 50 / 100, "rows": 1000 + index}
    return InstancePart(
        name=name,
        step=name,
        outcome=outcome,
        started=BEGAN + index * 0.05,
        seconds=0.08 + index % 7 / 100,
        attempts=1,
        exit_code=0 if outcome == "succeeded" else 3,
        error="" if outcome == "succeeded" else "exit 3 after 0.1s",
        command=f"python -m project.{name} ${{{{ inputs.table }}}} --window ${{{{ params.window }}}} -o ${{{{ outputs.table }}}}",
        reasons=("param window: 14 → 15",),
        params={"window": 15},
        metrics=metrics,
        before={"auc": 0.5, "rows": 1000 + index},
        checks=(CheckPart("metrics.auc > 0.05", True),),
        outputs=(
            OutputPart("table", f"out/{name}.bin", f"blake3:{index * 7919:064x}", 4000 + index),
            OutputPart("metrics", f"out/{name}.json", f"blake3:{index * 104729:064x}", 40),
        ),
        log=LogPart(1, "c09d44", tuple(f"{name}: working on part {i} of 4" for i in range(1, 5)), 4),
        peak_rss=48_000_000 + index,
        cpu_seconds=0.07,
    )


def steps_page(count: int, failed: Tuple[int, ...] = ()) -> Page:
    """A run of so many steps in layers, each of which needs two of the layer above."""
    wide = max(4, count // 14)
    steps: List[StepPart] = []
    edges: List[Tuple[str, str]] = []
    for index in range(count):
        outcome = "failed" if index in failed else "succeeded"
        item = instance(index, outcome)
        above = (index // wide - 1) * wide
        near = {above + index % wide, above + (index * 7 + 3) % wide} if index >= wide else set()
        upstream = tuple(f"step_{other:04d}" for other in sorted(near))
        edges += [(other, item.name) for other in upstream]
        steps.append(
            StepPart(
                item.name,
                (item,),
                upstream,
                place=f"mlorch.yaml:{10 + 5 * index}",
                description=f"Make table {index} out of others",
                outcomes={outcome: 1},
            )
        )
    found = [step.instances[0] for step in steps]
    attempts = [
        AttemptPart(item.name, 1, item.started or BEGAN, item.seconds, item.outcome) for item in found
    ]
    totals = {"succeeded": count - len(failed), "failed": len(failed)}
    status = "failed" if failed else "succeeded"
    run = RunPart("c09d44", BEGAN, count * 0.05, status, totals, "22deff07f376621d0aa72b7b53bb5d80b0478816")
    return Page(
        run,
        "churn",
        "mlorch.yaml",
        description="Who leaves next month",
        meta={"host": "here", "user": "me", "python": "3.11.7", "argv": ["mlorch", "run"]},
        params={"window": 15, "seed": 7},
        steps=tuple(steps),
        edges=tuple(edges),
        attempts=tuple(attempts),
        trends=tuple(Trend(f"{item.name}.auc", (0.5, 0.6, item.metrics["auc"])) for item in found[:30]),
        runs=(run, RunPart("51b20c", BEGAN - 3600, 3.0, "succeeded", {"succeeded": count})),
        packages=(("numpy", "2.4.6"), ("pandas", "3.0.1")),
        made=BEGAN + 60,
        version="0.1.0",
    )


# -------------------------------------------------------------------------------------------------- hostile


def hostile_instance(number: int, text: str) -> InstancePart:
    short = text[:500]
    lines = tuple(text.split("\n"))
    encoded = text.encode("utf-8", "surrogateescape") if "\ud800" not in text else b"?"
    return InstancePart(
        name=f"s{number}@{short}",
        step=f"s{number}{short}",
        outcome=("failed", "succeeded", "cached", short)[number % 4],
        started=BEGAN,
        seconds=1.0,
        attempts=2,
        error=text,
        hint=text,
        command=text,
        reasons=(text, text),
        axes={text: text},
        params={text: {text: [text]}},
        metrics={text: text, "n": float("nan"), "x": 1.0},
        before={text: 1, "x": float("inf")},
        checks=(
            CheckPart(text, False, "error", text),
            CheckPart(text, True),
            CheckPart(text, False, "warn", text),
        ),
        causes=(text,),
        warnings=(text,),
        outputs=(OutputPart(text, text, text, 3), OutputPart(text, text, text, 3, "folder", ((text, 1),), 9)),
        previews=(
            read(f"{short}.md", encoded[:3000]),
            read(f"{short}.csv", encoded[:3000]),
            read(f"{short}.json", b'{"a": 1}'),
            read(f"{short}.txt", encoded[:3000]),
            read(
                f"{short}.svg",
                b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>",
            ),
            Preview(short, "", note=text),
        ),
        history=tuple(Series(text[:40] + part, ((0.0, 1.0), (1.0, 2.0))) for part in ("a", "b")),
        log=LogPart(2, text, lines, 9),
        notes=(text,),
    )


def hostile_page() -> Page:
    """Every field holds every hostile text once."""
    steps, attempts = [], []
    for number, text in enumerate(TEXTS.values()):
        item = hostile_instance(number, text)
        matrix = number % 2 == 0
        steps.append(
            StepPart(
                item.step,
                (item,),
                matrix=matrix,
                place=text,
                description=text,
                outcomes={item.outcome: 2, text: 1},
            )
        )
        attempts.append(AttemptPart(item.name, 2, BEGAN + number, 1.0, text))
    whole = "\n".join(text[:2000] for text in TEXTS.values())
    ids = [step.id for step in steps]
    run = RunPart(whole, BEGAN, 1.0, "failed", {whole: 1}, whole, True)
    return Page(
        run,
        whole,
        whole,
        description=whole,
        owner=whole,
        meta={whole: whole, "argv": list(TEXTS.values())},
        params={text: text for text in TEXTS.values()},
        steps=tuple(steps),
        edges=tuple(zip(ids, ids[1:])),
        attempts=tuple(attempts),
        trends=tuple(Trend(text, (1.0, text, 2.0)) for text in TEXTS.values()),
        runs=(run,),
        packages=tuple((text, text) for text in TEXTS.values()),
        warnings=tuple(TEXTS.values()),
        notes=tuple(TEXTS.values()),
        made=BEGAN,
        version=whole,
    )
