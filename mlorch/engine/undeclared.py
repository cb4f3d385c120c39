"""Project files that a step read though they are neither its inputs, nor code, nor outputs.

The process notes candidates (see `inside/modules/mlorch_reads.py`); here it is decided which of them to tell.
"""

from __future__ import annotations

import os
import re
from typing import Callable, Collection, Dict, List, Mapping, Optional, Sequence, Tuple

from mlorch.model import Invocation
from mlorch.plan.paths import inside

MADE = "+"
"""Marks a file that is younger than the step (as `mlorch_reads` does): it is told only if another step declares it."""
TOLD = 5
_OWN = (".mlorch", ".mlorch-tmp", ".git", "__pycache__", "site-packages", "dist-packages")

Producer = Callable[[str], str]
"""`${{ steps.prep.outputs.table }}` for what another step declares; empty for any other path."""


def declared_paths(invocation: Invocation) -> Tuple[str, ...]:
    """What the process may read, folders with a slash at their end."""
    found: Dict[str, None] = {}
    for item in invocation.inputs:
        for path, content in zip(item.paths, item.contents):
            folder = content is not None and content.kind == "folder"
            found[f"{path}/" if folder else str(path)] = None
    for output in invocation.outputs:
        for path in (output.path, output.staging):
            found[f"{path}/" if output.folder else path] = None
    found.update(dict.fromkeys(invocation.code_files))
    return tuple(found)


def undeclared_reads(
    root: str, invocation: Invocation, reads: Sequence[str], modules: Collection[str], producer_of: Producer
) -> List[str]:
    """Root-relative paths, sorted.

    Args:
        reads: absolute paths behind their marks.
        modules: what the step loaded as code (absolute paths).
    """
    if not reads:
        return []
    real_root = os.path.realpath(root)
    declared = [path.rstrip("/") for path in declared_paths(invocation)]
    real = [os.path.relpath(os.path.realpath(os.path.join(root, path)), real_root) for path in declared]
    loaded = {os.path.realpath(path) for path in modules}
    found = set()
    for record in reads:
        absolute = os.path.realpath(record[1:])
        path = os.path.relpath(absolute, real_root)
        if absolute in loaded or path.startswith("../") or any(part in _OWN for part in path.split("/")):
            continue
        if any(inside(path, other) for other in (*declared, *real)):
            continue
        if record.startswith(MADE) and not producer_of(path):
            continue
        found.add(path)
    return sorted(found)


def undeclared_sentences(paths: Sequence[str], producer_of: Optional[Producer] = None) -> Tuple[str, str]:
    """(what was read, what to do): ``read `a/b.csv` without declaring it``, `declare it: inputs: {b: a/b.csv}`."""
    shown = ", ".join(f"`{path}`" for path in paths[:TOLD])
    more = f" and {len(paths) - TOLD} more" if len(paths) > TOLD else ""
    it = "it" if len(paths) == 1 else "them"
    inputs = ", ".join(f"{name}: {value}" for name, value in _inputs(paths[:TOLD], producer_of).items())
    rest = ", …" if more else ""
    return f"read {shown}{more} without declaring {it}", f"declare {it}: inputs: {{{inputs}{rest}}}"


def _inputs(paths: Sequence[str], producer_of: Optional[Producer]) -> Mapping[str, str]:
    """Names for these paths that an input can have, each once."""
    found: Dict[str, str] = {}
    for path in paths:
        stem = os.path.splitext(os.path.basename(path))[0]
        stem = re.sub(r"\W", "_", stem, flags=re.ASCII).strip("_").lower()
        base = name = stem if stem and not stem[0].isdigit() else f"file_{stem}".rstrip("_")
        number = 2
        while name in found:
            name, number = f"{base}_{number}", number + 1
        reference = producer_of(path) if producer_of is not None else ""
        found[name] = f'"{reference}"' if reference else path
    return found
