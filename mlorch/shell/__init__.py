"""How values reach a shell script without ever becoming its text.

    Template, values -compose-> a preamble that sets variables, then the text with quoted expansions of them

`check` tells, without values, which expressions stand where that can't be done; `words` are a script's words.
"""

from __future__ import annotations

from mlorch.shell.analysis import ShellProblem, check, words
from mlorch.shell.compose import Secret, compose, plain
from mlorch.shell.findings import Word

INVOCATION = {"bash": ("bash", "-euo", "pipefail"), "sh": ("sh", "-eu")}
"""Shell -> the argv that a script's path is added to."""

__all__ = ["INVOCATION", "Secret", "ShellProblem", "Word", "check", "compose", "plain", "words"]
