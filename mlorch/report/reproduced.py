"""What a record keeps of being executed again (see `mlorch.reproduce`), in words and as JSON."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from mlorch.report.plainjson import iso_time


def reproduced_sentence(kept: Mapping[str, Any]) -> str:
    """`deterministic (3 executions)`, `differs: model (byte 120) (1 execution)`."""
    times = int(kept.get("times") or 0)
    verdict = str(kept.get("verdict") or "")
    outputs = kept.get("outputs")
    told = verdict
    if verdict == "differs" and isinstance(outputs, Mapping):
        told = "differs: " + ", ".join(
            f"{name} ({found.get('where', '')})" for name, found in outputs.items()
        )
    elif verdict == "failed":
        told = f"failed: {kept.get('error', '')}"
    other = ", in another environment" if kept.get("environment") else ""
    return f"{told} ({times} execution{'' if times == 1 else 's'}{other})"


def reproduced_part(kept: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """As a part of `--json` answers; None where it never was."""
    if not kept:
        return None
    return {
        "time": iso_time(float(kept.get("time") or 0.0)),
        "times": int(kept.get("times") or 0),
        "verdict": str(kept.get("verdict") or ""),
        "outputs": dict(kept.get("outputs") or {}),
        "error": str(kept.get("error") or ""),
        "environment": list(kept.get("environment") or ()),
    }
