"""`.gitignore`: what git should not track of a project."""

from __future__ import annotations

import os
import re
from typing import Iterable, List

from mlorch.errors import EnvironmentFault, MlorchError
from mlorch.model import Template

OURS = ("/.mlorch/", ".mlorch-tmp/")


def outputs_of(folder: str) -> List[str]:
    """Patterns for the outputs that the project's pipeline declares; none where it can't be read."""
    from mlorch.app import Request, load

    try:
        pipeline = load(Request(root=folder))
    except MlorchError:
        return []
    outputs = [output.path for step in pipeline.steps.values() for output in step.outputs.values()]
    return sorted({pattern_of(path) for path in outputs})


def pattern_of(path: Template) -> str:
    """An output's path, each expression in it being any text; anchored, so that nothing else is meant."""
    parts = (re.sub(r"([\\*?\[\]])", r"\\\1", part) if isinstance(part, str) else "*" for part in path.parts)
    return "/" + re.sub(r"^(\./)+", "", "".join(parts))


def add_ignored(folder: str, patterns: Iterable[str]) -> List[str]:
    """Add patterns to the folder's `.gitignore`, below what is there; returns those that were missing."""
    path = os.path.join(folder, ".gitignore")
    try:
        text = ""
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                text = file.read()
        present = {line.strip() for line in text.splitlines()}
        missing = [pattern for pattern in (*OURS, *patterns) if pattern not in present]
        if missing:
            gap = "" if not text or text.endswith("\n") else "\n"
            with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
                file.write(gap + "\n".join(missing) + "\n")
    except OSError as error:
        raise EnvironmentFault(
            f"{path}: {(error.strerror or 'failed').lower()}", "make it writable"
        ) from error
    return missing
