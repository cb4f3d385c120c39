"""Generated work: one description, from which every tool's own form is made."""

from __future__ import annotations

import string
from dataclasses import dataclass, field
from pathlib import Path

LAYERS = 10
CAT = "cat {inputs} > {output}"


@dataclass(frozen=True)
class Step:
    """One command. `script` has the places `{inputs}` (all, in order) and `{output}`."""

    name: str
    inputs: tuple[str, ...]
    output: str
    script: str = CAT

    def command(self) -> str:
        """As a shell runs it, with plain paths."""
        return self.script.format(inputs=" ".join(self.inputs), output=self.output)

    def letters(self) -> dict[str, str]:
        """The inputs by short names: `a`, `b`, … or `i17` where letters do not suffice."""
        few = len(self.inputs) <= len(string.ascii_lowercase)
        names = string.ascii_lowercase if few else [f"i{number}" for number in range(len(self.inputs))]
        return dict(zip(names, self.inputs))


@dataclass(frozen=True)
class Work:
    """Steps in an order in which they could run, and the files that they begin with."""

    name: str
    steps: tuple[Step, ...]
    sources: dict[str, str]
    matrix: int = 0
    """Steps that mlorch makes by a matrix; 0 where each is written down."""
    shell: str = "sh"
    made_by: dict[str, Step] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "made_by", {step.output: step for step in self.steps})

    @property
    def last(self) -> tuple[Step, ...]:
        """Steps whose output no other step reads."""
        read = {path for step in self.steps for path in step.inputs}
        return tuple(step for step in self.steps if step.output not in read)

    def write_sources(self, folder: Path) -> None:
        """Make the folders of all files, and the sources."""
        paths = [*self.sources, *self.made_by]
        for parent in {(folder / path).parent for path in paths}:
            parent.mkdir(parents=True, exist_ok=True)
        for path, text in self.sources.items():
            (folder / path).write_text(text)

    def expected(self, folder: Path) -> dict[str, str]:
        """What each output must hold, given the sources as they stand now; only for steps that are `CAT`."""
        texts = {path: (folder / path).read_text() for path in self.sources}
        for step in self.steps:
            assert step.script == CAT, f"what {step.name} makes is not known"
            texts[step.output] = "".join(texts[path] for path in step.inputs)
        return {path: texts[path] for path in self.made_by}


def _sources(count: int) -> dict[str, str]:
    return {f"in/{number}": f"line {number}\n" for number in range(count)}


def wide(count: int) -> Work:
    """Steps that need nothing of each other."""
    steps = (Step(f"s{number}", (f"in/{number}",), f"out/{number}") for number in range(count))
    return Work("wide", tuple(steps), _sources(count))


def matrix(count: int) -> Work:
    """The same as `wide`, which mlorch makes of one step with an axis."""
    plain = wide(count)
    return Work("matrix", plain.steps, plain.sources, matrix=count)


def chain(count: int) -> Work:
    """One after another."""
    paths = ["in/0", *(f"out/{number}" for number in range(count))]
    steps = (Step(f"s{number}", (paths[number],), paths[number + 1]) for number in range(count))
    return Work("chain", tuple(steps), _sources(1))


def layered(count: int) -> Work:
    """Ten layers; each step reads two of the layer before."""
    width = max(count // LAYERS, 1)
    before = [f"in/{place}" for place in range(width)]
    steps: list[Step] = []
    for layer in range(LAYERS if count >= LAYERS else 1):
        outputs = [f"out/{layer}-{place}" for place in range(width)]
        for place, output in enumerate(outputs):
            read = (before[place], before[(place + 1) % width]) if layer else (before[place],)
            steps.append(Step(f"s{layer}_{place}", tuple(dict.fromkeys(read)), output))
        before = outputs
    return Work("layered", tuple(steps), _sources(width))


def diamond(count: int) -> Work:
    """One step, many that read it, and one that reads all of these."""
    middle = [f"out/{number}" for number in range(max(count - 2, 1))]
    first = Step("first", ("in/0",), "out/first")
    steps = [Step(f"s{number}", (first.output,), path) for number, path in enumerate(middle)]
    return Work("diamond", (first, *steps, Step("join", tuple(middle), "out/join")), _sources(1))


SHAPES = {"wide": wide, "layered": layered, "chain": chain, "diamond": diamond, "matrix": matrix}
