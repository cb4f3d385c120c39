"""Task graphs of real executions, and generated ones of the same kind.

A trace is read from the WfFormat of the WfCommons project (versions 1.4 and 1.5), or from a shorter form of it:
`{"name", "tasks": [{"id", "seconds", "cores", "memory", "parents"}]}` with memory in bytes and null where it is not known.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.environments import HIDDEN, Missing, environment

WFCOMMONS = "wfcommons==1.6"
RECIPES = {
    "Blast": (100, 1000),
    "Bwa": (200, 1000),
    "Cycles": (200, 1000),
    "Epigenomics": (100, 1000),
    "Genome": (100, 1000),
    "Montage": (200, 1000, 5000),
    "Seismology": (200, 1000),
    "Soykb": (200, 1000),
    "Srasearch": (100, 1000),
}
"""Recipe -> numbers of steps."""
SEED = 20

GIB = 2**30
CORES = (1, 1, 1, 2, 2, 4)
MEMORY = (0.25, 0.5, 1.0, 2.0, 4.0)
"""What a step needs where a trace does not say: drawn from these, GiB."""


@dataclass(frozen=True)
class Piece:
    """One step of a trace."""

    id: str
    seconds: float
    parents: tuple[str, ...] = ()
    cores: int = 1
    memory: int = 0
    """Bytes."""


@dataclass(frozen=True)
class Trace:
    name: str
    pieces: tuple[Piece, ...]

    def with_needs(self, slots: int) -> Trace:
        """The same with cores and memory for each piece, no more than half of what there is: 2 GiB per slot."""
        draw = random.Random(f"{SEED} {self.name}")
        pieces = []
        for piece in self.pieces:
            cores, memory = draw.choice(CORES), int(draw.choice(MEMORY) * GIB)
            needed = max(1, min(piece.cores if piece.cores > 1 else cores, slots // 2))
            pieces.append(replace(piece, cores=needed, memory=min(piece.memory or memory, slots * GIB)))
        return replace(self, pieces=tuple(pieces))


def from_document(document: Mapping[str, Any]) -> Trace:
    """Raises KeyError: neither form. Seconds below a millisecond count as none."""
    name = str(document["name"])
    if "workflow" in document:
        return Trace(name, _wfformat(document["workflow"]))
    pieces = (
        Piece(
            item["id"],
            float(item["seconds"]),
            tuple(item["parents"]),
            int(item["cores"] or 1),
            int(item["memory"] or 0),
        )
        for item in document["tasks"]
    )
    return Trace(name, tuple(pieces))


def _wfformat(workflow: Mapping[str, Any]) -> tuple[Piece, ...]:
    if "specification" not in workflow:  # 1.4 and before: one list
        both = workflow["tasks"]
        specified = executed = {item.get("id", item["name"]): item for item in both}
    else:
        specified = {item["id"]: item for item in workflow["specification"]["tasks"]}
        executed = {item["id"]: item for item in workflow["execution"]["tasks"]}
    return tuple(
        Piece(
            name,
            float(executed[name].get("runtimeInSeconds", 0.0)),
            tuple(item["parents"]),
            int(executed[name].get("coreCount") or 1),
            int(executed[name].get("memoryInBytes") or 0),
        )
        for name, item in specified.items()
    )


def read_folder(folder: Path) -> list[Trace]:
    """All traces of a folder, sorted by file name."""
    return [from_document(json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]


def generated(most: int) -> tuple[list[Trace], str]:
    """Traces made by the recipes of `wfcommons`, up to a size, kept under `.bench/`; or why there are none."""
    folder = HIDDEN / "recipes"
    wanted = [(recipe, size) for recipe, sizes in RECIPES.items() for size in sizes if size <= most]
    absent = [item for item in wanted if not (folder / f"{item[0]}-{item[1]}.json").exists()]
    problem = ""
    if absent:
        try:
            _make(folder, absent)
        except (Missing, OSError, subprocess.SubprocessError) as error:
            problem = f"recipes of {WFCOMMONS}: {error}"
    paths = [folder / f"{recipe}-{size}.json" for recipe, size in wanted]
    found = []
    for path in paths:
        if path.exists():
            found.append(replace(from_document(json.loads(path.read_text())), name=f"recipe-{path.stem}"))
    return found, problem


def _make(folder: Path, wanted: Sequence[tuple[str, int]]) -> None:
    """Raises Missing, SubprocessError."""
    folder.mkdir(parents=True, exist_ok=True)
    python = environment(WFCOMMONS) / "bin" / "python"
    script = Path(__file__).with_name("recipes.py")
    words = [f"{recipe}-{size}" for recipe, size in wanted]
    print(f"generating {len(words)} task graphs (once)", file=sys.stderr)
    subprocess.run([str(python), str(script), str(folder), str(SEED), *words], check=True, timeout=1800)


# ------------------------------------------------------------------------------------------------- without any package


def forked(seed: int, chains: int, depth: int) -> Trace:
    """Chains of unlike length from one step to one step: which of them begins first decides."""
    draw = random.Random(seed)
    pieces = [Piece("first", 1.0)]
    ends = []
    for chain in range(chains):
        before = "first"
        for place in range(draw.randint(1, depth)):
            name = f"c{chain}_{place}"
            pieces.append(Piece(name, draw.lognormvariate(1.0, 1.0), (before,)))
            before = name
        ends.append(before)
    return Trace(f"forked-{seed}", (*pieces, Piece("last", 1.0, tuple(ends))))


def random_layers(seed: int, width: int, layers: int) -> Trace:
    """Layers in which each step needs some of the layer before, with times that vary much."""
    draw = random.Random(seed)
    pieces: list[Piece] = []
    before: list[str] = []
    for layer in range(layers):
        names = [f"l{layer}_{place}" for place in range(draw.randint(2, width))]
        for name in names:
            parents = tuple(draw.sample(before, min(len(before), draw.randint(1, 3)))) if before else ()
            pieces.append(Piece(name, draw.lognormvariate(1.0, 1.2), parents))
        before = names
    return Trace(f"layers-{seed}", tuple(pieces))
