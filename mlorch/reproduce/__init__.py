"""Executing recorded steps again in a scratch place, and telling whether and where their outputs differ.

Everything comes from the store: code, inputs, values and declared variables as they were recorded. The project's own
files are only read, and only where their content is what was recorded; its outputs are never touched.
"""

from __future__ import annotations

from mlorch.reproduce.results import Difference, Execution, Reproduction, Result

__all__ = ["Difference", "Execution", "Reproduction", "Result"]
