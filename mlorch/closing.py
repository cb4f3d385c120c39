"""What a run's last event says of how it ended."""

from __future__ import annotations

from typing import Dict, Optional, Sequence

from mlorch.engine.hub import Hub
from mlorch.errors import ExitCode, MlorchError
from mlorch.model import Beside, Outcome, Value, totals_of


def status(outcomes: Sequence[Outcome], number: Optional[int]) -> str:
    if number is not None:
        return "cancelled"
    return "failed" if exit_code(outcomes, number) else "succeeded"


def exit_code(outcomes: Sequence[Outcome], number: Optional[int]) -> int:
    if number is not None:
        return 128 + number
    if any(item.environment for item in outcomes):
        return int(ExitCode.ENVIRONMENT)
    failed = any(item.outcome == "failed" and not item.tolerated for item in outcomes)
    return int(ExitCode.STEP_FAILED if failed else ExitCode.DONE)


def cut_off(
    error: BaseException, hub: Optional[Hub], seconds: float, beside: Optional[Beside] = None
) -> Dict[str, Value]:
    """The last event's data of a run that an error of the machine, or a signal before its first step, has ended."""
    code = int(ExitCode.ENVIRONMENT)
    if isinstance(error, MlorchError):
        code = int(error.exit_code)
    elif not isinstance(error, OSError):
        code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 130
    signalled = isinstance(error, (KeyboardInterrupt, SystemExit)) or (hub is not None and hub.signal)
    told = str(getattr(error, "message", "")) or str(error)
    return {
        "status": "cancelled" if signalled else "failed",
        "seconds": seconds,
        "exit_code": code,
        "totals": totals_of(hub.outcomes.values() if hub is not None else (), beside),
        "error": told,
    }
