"""The graph that a run kept of its pipeline (`shape.json`), when the pipeline itself may say something else by now."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Mapping, Tuple

from mlorch.engine.shape import FILE
from mlorch.ports import Store
from mlorch.store import files


def read_shape(store: Store, run: str) -> Mapping[str, Any]:
    """The document; empty where the run has none that can be read."""
    try:
        found = json.loads(files.read(os.path.join(store.path, "runs", run, FILE)))
    except (OSError, ValueError, RecursionError):
        return {}
    fits = isinstance(found, dict) and isinstance(found.get("steps"), dict)
    return found if fits else {}


def texts_of(shape: Mapping[str, Any], part: str) -> Dict[str, Tuple[str, ...]]:
    """Step -> its `upstream`, or its `tags`."""
    steps = {name: step for name, step in shape.get("steps", {}).items() if isinstance(step, dict)}
    lists = {name: step.get(part) for name, step in steps.items()}
    return {name: tuple(map(str, found)) if isinstance(found, list) else () for name, found in lists.items()}
