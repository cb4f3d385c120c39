"""A process for each command line, forked from one that has everything imported: hundreds take seconds."""

from __future__ import annotations

import importlib
import io
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence

import jsonschema
import pytest

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
PRELOADED = (
    "joblib",
    "mlorch.app",
    "mlorch.engine.launch",
    "mlorch.cli",
    "mlorch.cli.build",
    "mlorch.cli.screens",
    "mlorch.history.documents",
)

PIPELINE = """\
version: 1
name: demo
params: {depth: 3, limit: 0.0}
steps:
  load:
    run: seq 1 5 > ${{ outputs.data }}
    outputs: {data: data/numbers.txt}
  fit:
    matrix: {fold: [0, 1]}
    run: |
      echo "fitting with depth ${{ params.depth }}"
      echo '{"auc": 0.'${{ params.depth + matrix.fold }}'}' > ${{ outputs.metrics }}
    inputs: {data: "${{ steps.load.outputs.data }}"}
    outputs: {metrics: "models/${{ step.instance }}.json"}
  pick:
    run: |
      sort ${{ inputs.scores }} > ${{ outputs.best }}
      echo '{"auc":' ${{ params.depth }}'}' > ${{ outputs.metrics }}
    inputs: {scores: "${{ steps.fit.outputs.metrics }}"}
    outputs: {best: models/best.txt, metrics: models/pick.json}
    checks: ["${{ metrics.auc >= params.limit }}"]
"""


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


class Cli:
    """Runs `mlorch` in a folder, in an environment without settings of the caller's.

    `env` and `cwd` are there for tests that start whole processes of their own.
    """

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd
        keep = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")
        self.env = {
            name: value for name, value in os.environ.items() if name in keep or name.startswith("COV")
        }
        for name in PRELOADED:
            importlib.import_module(name)

    def __call__(self, *arguments: str, code: int = 0, **extra: str) -> Done:
        done = self.in_folder(str(self.cwd), *arguments, **extra)
        assert done.returncode == code, (arguments, done)
        return done

    def in_folder(self, cwd: str, *arguments: str, **extra: str) -> Done:
        return fork_main(arguments, cwd, {**self.env, **extra})

    def json(self, *arguments: str, code: int = 0):
        """The one document of `--json`, valid against the schema that it names."""
        done = self(*arguments, "--json", code=code)
        document = json.loads(done.stdout)
        validate(document)
        return document


def fork_main(arguments: Sequence[str], cwd: str, env: Dict[str, str]) -> Done:
    """`mlorch.cli.main` in a forked child: its exit code, and what it wrote to 1 and 2."""
    _alone()
    pipes = [os.pipe(), os.pipe()]
    pid = os.fork()
    if pid == 0:
        os._exit(_child(arguments, cwd, env, [write for _, write in pipes]))
    for _, write in pipes:
        os.close(write)
    texts = _collect([read for read, _ in pipes], pid)
    _, status = os.waitpid(pid, 0)
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return Done(code, *(text.decode("utf-8", "surrogateescape") for text in texts))


def _alone() -> None:
    """A fork takes one thread along. Those of a test before this one, in this process, may take a moment to end."""
    deadline = time.monotonic() + 30
    while threading.active_count() > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == 1, threading.enumerate()


def _child(arguments: Sequence[str], cwd: str, env: Dict[str, str], outputs: List[int]) -> int:
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, descriptor in enumerate(outputs, 1):
            os.dup2(descriptor, number)
        os.closerange(3, 256)
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), "utf-8")
        sys.stderr = io.TextIOWrapper(io.BufferedWriter(io.FileIO(2, "w", closefd=False)), "utf-8")
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        sys.argv = ["mlorch", *arguments]
        from mlorch.cli import main

        code = main()
        sys.stdout.flush()
        sys.stderr.flush()
        _save_coverage()
        return code
    except BaseException:
        os.write(2, traceback.format_exc().encode())
        return 99


def _save_coverage() -> None:
    coverage = sys.modules.get("coverage")
    current = coverage.Coverage.current() if coverage else None
    if current is not None:
        current.stop()
        current.save()


def _collect(readers: List[int], pid: int) -> List[bytes]:
    texts = dict.fromkeys(readers, b"")
    open_ones = list(readers)
    deadline = time.monotonic() + 60
    while open_ones:
        ready, _, _ = select.select(open_ones, [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            os.kill(pid, signal.SIGKILL)
            deadline += 60
        for reader in ready:
            data = os.read(reader, 1 << 16)
            texts[reader] += data
            if not data:
                open_ones.remove(reader)
    for reader in readers:
        os.close(reader)
    return [texts[reader] for reader in readers]


def validate(document) -> None:
    name, version = document["schema"].split("/")
    assert version == "1"
    path = SCHEMAS / (name[len("mlorch.") :] + ".schema.json")
    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(document)


@pytest.fixture
def valid():
    """Checks a document against the schema that it names."""
    return validate


@pytest.fixture
def cli(tmp_path) -> Cli:
    folder = tmp_path / "project"
    folder.mkdir()
    return Cli(folder)


@pytest.fixture
def project(cli):
    (cli.cwd / "mlorch.toml").write_text("")
    (cli.cwd / "mlorch.yaml").write_text(PIPELINE)
    return cli


@pytest.fixture
def ran(project):
    project("run", "-q")
    return project


@pytest.fixture
def pipeline_text() -> str:
    """The pipeline of `project`."""
    return PIPELINE
