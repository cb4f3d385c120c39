"""What `mlorch reproduce` answers, for people and as `mlorch.reproduce/1`."""

from __future__ import annotations

from typing import Any, Dict, List

from mlorch.report.style import PLAIN, Style, cells_of, pad, seconds_text
from mlorch.reproduce.results import Difference, Execution, Reproduction, Result

GLYPHS = {"deterministic": "ok", "differs": "differs", "failed": "failed", "impossible": "skipped"}
COLORS = {"deterministic": "green", "differs": "red", "failed": "red", "impossible": "yellow"}
NAME_CELLS = 12


def reproduce_document(result: Result) -> Dict[str, Any]:
    return {
        "schema": "mlorch.reproduce/1",
        "verdict": result.verdict,
        "times": result.times,
        "environment": [
            {"kind": item.kind, "name": item.name, "recorded": item.recorded, "found": item.found or None}
            for item in result.environment
        ],
        "steps": [_step(item) for item in result.reproductions],
    }


def _step(item: Reproduction) -> Dict[str, Any]:
    record = item.record
    return {
        "step": item.step,
        "instance": item.instance if item.instance != item.step else None,
        "run": item.run,
        "record": record.id if record is not None else None,
        "verdict": item.verdict,
        "reason": item.reason,
        "hint": item.hint,
        "outputs": {
            name: "differs" if name in item.differing else "same"
            for name in (record.outputs if record is not None and item.executions else ())
        },
        "executions": [_execution(execution) for execution in item.executions],
    }


def _execution(item: Execution) -> Dict[str, Any]:
    return {
        "number": item.number,
        "seed": item.seed,
        "jobs": item.jobs,
        "outcome": item.outcome,
        "seconds": item.seconds,
        "exit_code": item.exit_code,
        "error": item.error,
        "log": list(item.log),
        "place": item.place or None,
        "differences": [_difference(found) for found in item.differences],
    }


def _difference(item: Difference) -> Dict[str, Any]:
    return {
        "output": item.output,
        "path": item.path,
        "kind": item.kind,
        "where": item.where,
        "text": item.text,
        "lines": list(item.lines),
        "note": item.note,
        "recorded": item.recorded or None,
        "found": item.found or None,
    }


# ------------------------------------------------------------------------------------------------------- people


def reproduce_text(result: Result, style: Style = PLAIN) -> str:
    """A line per instance; of one that differs, each output with where and what."""
    lines: List[str] = []
    names = [cells_of(style.clean(item.instance)) for item in result.reproductions]
    width = max([NAME_CELLS, *names])
    for item in result.reproductions:
        glyph = style.paint(style.glyph(GLYPHS[item.verdict]), COLORS[item.verdict])
        lines.append(f"{glyph} {pad(style.clean(item.instance), width)} {style.own(_headline(item))}")
        lines += _details(item, result.times, style)
    if result.environment:
        changes = "; ".join(str(change) for change in result.environment)
        lines.append(style.own(f"in another environment than the recorded one: {changes}"))
    return "\n".join(lines) + "\n"


def _headline(item: Reproduction) -> str:
    count = len(item.executions)
    times = f"{count} execution{'' if count == 1 else 's'}"
    if item.verdict == "impossible":
        return f"not executed: {item.reason}"
    if item.verdict == "failed":
        failed = sum(execution.outcome == "failed" for execution in item.executions)
        return f"failed in {failed} of {times}" if count > 1 else "failed"
    if item.verdict == "differs":
        differing = sum(execution.outcome == "differs" for execution in item.executions)
        which = f"in {differing} of {times}" if count > 1 else "when executed again"
        return f"differs {which}: {', '.join(item.differing)}"
    outputs = len(item.record.outputs) if item.record is not None else 0
    made = f"{outputs} output{'' if outputs == 1 else 's'} as recorded" if outputs else "it succeeded again"
    seconds = sum(execution.seconds for execution in item.executions)
    return f"deterministic: {made}, {times} ({seconds_text(seconds)})"


def _details(item: Reproduction, times: int, style: Style) -> List[str]:
    if item.verdict == "impossible":
        return [f"    {style.own(item.hint)}"] if item.hint else []
    lines: List[str] = []
    told = set()
    for execution in item.executions:
        if execution.outcome == "same":
            continue
        body: List[str] = []
        if execution.error:
            body.append(f"    {style.clean(execution.error)}")
            body += [f"      {style.clean(line)}" for line in execution.log]
            body += _undeclared(item, style)
        for found in execution.differences:
            if (found.output, found.where, found.text) not in told:
                told.add((found.output, found.where, found.text))
                body += _difference_lines(found, style)
        if body and times > 1:
            where = f"execution {execution.number} of {times} (PYTHONHASHSEED={execution.seed}, up to {execution.jobs} at once)"
            lines.append(f"  {style.own(where)}")
        lines += body
        if execution.place:
            lines.append(f"    kept in {style.clean(execution.place)}")
    return lines


def _undeclared(item: Reproduction, style: Style) -> List[str]:
    """Why a step may fail in a place that holds only what it declares."""
    paths = list(item.record.undeclared) if item.record is not None else []
    if not paths:
        return []
    told = ", ".join(f"`{style.clean(path)}`" for path in paths)
    return [f"    it once read {told}, which it does not declare: the scratch place lacks it"]


def _difference_lines(found: Difference, style: Style) -> List[str]:
    name = f"{found.output} ({found.path})"
    kind = "" if found.kind in ("bytes", "missing", "kind", "mode") else f"{found.kind} "
    where = f"{kind}{found.where}: " if found.where else ""
    lines = [f"    {style.glyph('differs')} {style.clean(name)}  {style.clean(where + found.text)}"]
    colors = {"+": "green", "-": "red"}
    for line in found.lines[2:] if found.lines[:1] == ("--- recorded",) else found.lines:
        lines.append("        " + style.paint(style.clean(line), colors.get(line[:1], "dim")))
    if found.note:
        lines.append(f"        {style.own(found.note)}")
    return lines
