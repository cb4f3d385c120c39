"""Names of a pipeline, each looked up once: a file may hold very many, and each expression asks."""

from __future__ import annotations

from typing import Dict, List, Mapping, Set, Tuple

from mlorch.model import Pipeline
from mlorch.spec.inputs import named
from mlorch.spec.matrix import axes_of
from mlorch.spec.problems import suggest
from mlorch.spec.raw import Document

Names = Mapping[str, None]


class Lookup:
    """What is declared where. `circular` holds the steps that borrow the matrix from each other."""

    def __init__(self, pipeline: Pipeline, document: Document) -> None:
        self.pipeline = pipeline
        self.document = document
        self.params = sorted(pipeline.param_places)
        self.circular: Set[str] = set()
        self._declared: Dict[Tuple[str, str], Dict[str, None]] = {}
        self._unnamed: Set[Tuple[str, str]] = set()
        self._axes: Dict[str, Names] = {}

    def declared(self, step: str, key: str) -> Names:
        """The names under `inputs` or `outputs` of a step, as far as they can be told."""
        found = self._declared.get((step, key))
        if found is None:
            found = {}
            for name, _ in named(self.document.steps[step].node.get(key)):
                if name is None:
                    self._unnamed.add((step, key))
                else:
                    found[name] = None
            self._declared[(step, key)] = found
        return found

    def broken(self, step: str, key: str) -> bool:
        """Whether something under this key of a step was complained of, so that names may be missing."""
        self.declared(step, key)
        return key in self.document.steps[step].broken or (step, key) in self._unnamed

    def axes(self, step: str) -> Names:
        """The axes of a step, its own or borrowed; none without a matrix, or without an end to borrowing."""
        path: List[str] = []
        found: Names = {}
        seen: Set[str] = set()
        while step in self.pipeline.steps:
            if step in self._axes:
                found = self._axes[step]
                break
            if step in seen:
                self.circular.update(path[path.index(step) :])
                break
            seen.add(step)
            path.append(step)
            matrix = self.pipeline.steps[step].matrix
            if matrix is None or matrix.borrow is None:
                found = dict.fromkeys(axes_of(self.document.steps[step]))
                break
            step = matrix.borrow
        self._axes.update((name, found) for name in path)
        return found

    def knows(self, step: str) -> bool:
        """Whether a step is there, or so much is wrong that it might be."""
        return step in self.pipeline.steps or self.document.doubtful(step) or "steps" in self.document.broken

    def near_step(self, name: str, scope: str) -> str:
        """A remedy for an unknown step."""
        prefix = scope + "." if scope else ""
        known = [item[len(prefix) :] for item in self.pipeline.steps if item.startswith(prefix)]
        if scope:
            return suggest(name, known, "", "steps of this file") + "; other values come in through `expects`"
        inner = [item for item in known if item.split(".")[-1] == name]
        return f"did you mean `{inner[0]}`?" if inner else suggest(name, known, "", "steps")
