"""The `${{ … }}` language: splitting text into templates, parsing, evaluating by a small whitelisted walk.

    split(text) -> Template -render-> Value

Expressions are Python's own syntax, but only literals, dotted names, indexing, comparison, arithmetic,
`and or not in`, `a if c else b` and calls of FUNCTIONS; the same on every Python. Comparison and truth follow
Python (`True == 1`, `1 == 1.0`, an empty list is false); `*` and `%` take numbers only.
"""

from __future__ import annotations

from mlorch.expressions.evaluate import evaluate
from mlorch.expressions.functions import SecretName, to_text
from mlorch.expressions.references import Call, Reference, calls, references
from mlorch.expressions.syntax import FUNCTIONS, NAMESPACES, parse
from mlorch.expressions.template import render, render_tree, split

__all__ = [
    "FUNCTIONS",
    "NAMESPACES",
    "Call",
    "Reference",
    "SecretName",
    "calls",
    "evaluate",
    "parse",
    "references",
    "render",
    "render_tree",
    "split",
    "to_text",
]
