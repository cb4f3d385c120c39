"""What the benchmarks generate: every shape, and every tool's form of it."""

from __future__ import annotations

import ast
import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from blake3 import blake3

from benchmarks.check import QUESTIONED, wrong_outputs
from benchmarks.measure import Failed, measure
from benchmarks.peers import TOOLS
from benchmarks.peers.floor import LEAST
from benchmarks.peers.tool import Tool
from benchmarks.work import CAT, SHAPES, Work, diamond, layered, matrix, wide
from mlorch import spec

SIZE = 20


def build(work: Work, folder: Path) -> None:
    """By hand, in the order that the description gives."""
    work.write_sources(folder)
    measure(["sh", "-e", "-c", "\n".join(step.command() for step in work.steps)], folder)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_what_its_name_says(shape: str) -> None:
    work = SHAPES[shape](SIZE)
    made: set[str] = set()
    for step in work.steps:
        assert all(path in work.sources or path in made for path in step.inputs), step.name
        assert step.output not in made
        made.add(step.output)
    assert len(work.steps) == SIZE
    depth = dict.fromkeys(work.sources, 0)
    for step in work.steps:
        depth[step.output] = 1 + max(depth[path] for path in step.inputs)
    expected = {"wide": 1, "matrix": 1, "layered": 10, "chain": SIZE, "diamond": 3}
    assert max(depth.values()) == expected[shape]


def test_the_description_foretells_every_output(tmp_path: Path) -> None:
    work = layered(SIZE)
    build(work, tmp_path)
    assert wrong_outputs(work, tmp_path) == ""
    (tmp_path / "in/0").write_text("another\n")
    assert "out/9-0 first" not in wrong_outputs(work, tmp_path)
    assert "outputs are wrong, out/0-0 first" in wrong_outputs(work, tmp_path)
    build_again = "\n".join(step.command() for step in work.steps)
    measure(["sh", "-c", build_again], tmp_path)
    (tmp_path / "out/9-1").unlink()
    assert wrong_outputs(work, tmp_path) == "1 of 20 outputs are wrong, out/9-1 first"


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_each_form_names_every_step(tool: Tool, tmp_path: Path) -> None:
    work = diamond(SIZE)
    work.write_sources(tmp_path)
    before = set(tmp_path.rglob("*"))
    tool.write(work, tmp_path)
    text = "".join(path.read_text() for path in set(tmp_path.rglob("*")) - before if path.is_file())
    for step in work.steps:
        assert step.output in text or step.name in text, step.name
        assert step.inputs[-1] in text or tool.place(step) != step.output, step.name
    for path in tmp_path.glob("*.py"):
        ast.parse(path.read_text())
    for path in tmp_path.glob("*.yaml"):
        yaml.safe_load(path.read_text())
    # what each has a largest size for must exist
    assert set(tool.sizes) <= set(SHAPES)


@pytest.mark.parametrize("work", [wide(3), matrix(3), diamond(40), QUESTIONED], ids=lambda work: work.name)
def test_mlorch_takes_its_form(work: Work, tmp_path: Path) -> None:
    work.write_sources(tmp_path)
    TOOLS[0].write(work, tmp_path)
    pipeline = spec.load(str(tmp_path / "mlorch.yaml"), str(tmp_path))
    assert len(pipeline.steps) == (1 if work.matrix else len(work.steps))


def test_what_fails_or_hangs_is_told(tmp_path: Path) -> None:
    assert CAT in wide(1).steps[0].script
    with pytest.raises(Failed, match=r"^exit 3: error: no such thing as x$"):
        measure(["sh", "-c", f"echo error: no such thing as {tmp_path}/x; echo more; exit 3"], tmp_path)
    with pytest.raises(Failed, match=r"did not end within 0 s"):
        measure(["sh", "-c", "sleep 60 & sleep 60"], tmp_path, timeout=0.2)
    with pytest.raises(Failed, match="could not be started"):
        measure([str(tmp_path / "absent")], tmp_path)
    sample = measure([shutil.which("sh") or "sh", "-c", "echo said"], tmp_path)
    assert sample.said == "said\n" and sample.seconds > 0 and sample.peak > 0


@pytest.mark.parametrize("shape", ["wide", "layered", "chain"])
def test_the_floor_does_what_it_is_measured_for(shape: str, tmp_path: Path) -> None:
    """Every output right and in place, and kept by its digest; a log and a record for each step."""
    work = SHAPES[shape](SIZE)
    work.write_sources(tmp_path)
    LEAST.write(work, tmp_path)
    measure([sys.executable, *LEAST.arguments(work, 2)], tmp_path)
    assert wrong_outputs(work, tmp_path) == ""
    store = tmp_path / ".floor"
    assert {path.name for path in (store / "logs").iterdir()} == {step.name for step in work.steps}
    records = [json.loads(path.read_text()) for path in (store / "records").iterdir()]
    assert {item["step"] for item in records} == {step.name for step in work.steps}
    for item in records:
        kept = store / "objects" / item["digest"][:2] / item["digest"][2:]
        assert kept.read_bytes() == (tmp_path / item["output"]).read_bytes()
        assert blake3(kept.read_bytes()).hexdigest() == item["digest"]
    assert list((store / "tmp").iterdir()) == []
