"""Deep imports: steps whose code is reached through a hundred modules. Others must be told of each; mlorch finds them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Failed, measure
from benchmarks.peers.tool import PHASES, Installed, lines

if TYPE_CHECKING:
    from benchmarks.cases import Bench

CASE = "imports"
DEPTH = 100
STEPS = 20
ROUNDS = 3


def modules(folder: Path) -> list[str]:
    """A package in which each module imports the next; returns their paths."""
    package = folder / "deep"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    names = ["deep/__init__.py"]
    for number in range(DEPTH):
        after = f"from deep.m{number + 1} import value\n" if number + 1 < DEPTH else "value = 1\n"
        (package / f"m{number}.py").write_text(after)
        names.append(f"deep/m{number}.py")
    (package / "main.py").write_text(
        "import sys\n\nfrom deep.m0 import value\n\nopen(sys.argv[1], 'w').write(f'{value}\\n')\n"
    )
    return [*names, "deep/main.py"]


def write_mlorch(folder: Path) -> None:
    modules(folder)
    lines(folder / "mlorch.toml", [])
    head = ["version: 1", "name: imports", f"python: {sys.executable}", "defaults: {shell: sh}", "steps:"]
    for number in range(STEPS):
        head += [f"  s{number}:", f"    outputs: {{o: out/{number}}}"]
        head += ["    run: python -m deep.main ${{ outputs.o }}"]
    lines(folder / "mlorch.yaml", head)


def write_make(folder: Path) -> None:
    """With every module as a prerequisite, as a person would have to write."""
    paths = " ".join(modules(folder))
    (folder / "out").mkdir()
    rows = ["all: " + " ".join(f"out/{number}" for number in range(STEPS))]
    for number in range(STEPS):
        rows += [f"out/{number}: {paths}", f"\t{sys.executable} -m deep.main $@"]
    lines(folder / "Makefile", rows)


WRITERS: dict[str, Callable[[Path], None]] = {"mlorch": write_mlorch, "make": write_make}


def run(bench: Bench, top: Path) -> None:
    rivals = [item for item in bench.installed if item.tool.name in WRITERS]
    for number in range(ROUNDS):
        folders = {item.tool.name: top / f"{item.tool.name}-{number}" for item in rivals}
        for item in rivals:
            WRITERS[item.tool.name](folders[item.tool.name])
        for phase in PHASES:
            for item in rivals:
                folder = folders[item.tool.name]
                if phase == "change":
                    (folder / f"deep/m{DEPTH - 1}.py").write_text(f"value = {number + 2}\n")
                _time(bench, item, folder, phase, str(number + 2) if phase == "change" else "1")


def _time(bench: Bench, item: Installed, folder: Path, phase: str, value: str) -> None:
    arguments = ["run", f"-j{bench.slots}"] if item.tool.name == "mlorch" else ["-s", f"-j{bench.slots}"]
    env = {**item.env(folder.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        sample = measure(item.command(arguments), folder, env, bench.limits.allowed())
    except Failed as error:
        bench.results.fail(CASE, STEPS, item.tool.name, f"{phase}: {error}")
        return
    row = bench.results.row(CASE, STEPS, item.tool.name, phase)
    row.add(sample)
    for number in range(STEPS):
        if (folder / f"out/{number}").read_text().strip() != value:
            row.wrong = f"out/{number} is not what the code makes"
