"""Questions about the past, answered from a store: runs, their steps, logs, comparisons, artifacts.

Everything takes a `ports.Store` and gives frozen values; nothing here prints.
"""

from __future__ import annotations

from mlorch.history.detail import RunView, StepView, view_run
from mlorch.history.runs import resolve_run, select_runs

__all__ = ["RunView", "StepView", "resolve_run", "select_runs", "view_run"]
