"""mlorch: declarative machine learning pipelines, run in parallel, every artifact kept by the digest of its content.

`mlorch.load` is where programs begin: see `mlorch.api`, which is imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["MlorchError", "Pipeline", "Plan", "Run", "RunFailed", "SpecError", "StepResult", "load"]

if TYPE_CHECKING:
    from mlorch.api import Pipeline, Plan, Run, RunFailed, StepResult, load
    from mlorch.errors import MlorchError, SpecError


def __getattr__(name: str) -> Any:
    """The names of `__all__`, imported at first use: the command line starts without them."""
    if name not in __all__:
        raise AttributeError(f"module 'mlorch' has no attribute {name!r}")
    from importlib import import_module

    module = "mlorch.errors" if name in ("MlorchError", "SpecError") else "mlorch.api"
    return getattr(import_module(module), name)
