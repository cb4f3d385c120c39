"""What counts as code in a step's key: files reached by imports and named by words, and installed
distributions.

Sources and metadata are read; nothing of the project's is ever imported or executed.
"""

from __future__ import annotations

from mlorch.plan.code.interpreter import Interpreter, find_interpreter
from mlorch.plan.code.live import asks_upstream
from mlorch.plan.code.query import CodeQuery, Reach
from mlorch.plan.code.reader import CodeReader
from mlorch.plan.code.signature import Signature, call_parameters
from mlorch.plan.code.unit import Unit

__all__ = [
    "CodeQuery",
    "CodeReader",
    "Interpreter",
    "Reach",
    "Signature",
    "Unit",
    "asks_upstream",
    "call_parameters",
    "find_interpreter",
]
