"""What is fuzzed: each target takes bytes and must return, whatever they are; what it may raise, it catches itself.

`make fuzz` feeds them with coverage as the guide, the suite with hypothesis and what is in `corpus/`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from typing import Callable, Dict

from mlorch import app, expressions, spec
from mlorch.errors import ExpressionError, MlorchError, SpecError
from mlorch.expressions import evaluate, split
from mlorch.history.detail import fold
from mlorch.model import Event, Pipeline, Place, Record, Settings
from mlorch.ports import Publication
from mlorch.report.style import ASCII, PLAIN
from mlorch.settings import read_settings
from mlorch.store import lines, open_store, serial, tree
from mlorch.store.git import parse as parse_git_index
from mlorch.store.plans import Asked, Plans
from mlorch.store.records import sound

FOLDER = tempfile.mkdtemp(prefix="mlorch-fuzz-")
PIPELINE = os.path.join(FOLDER, "mlorch.yaml")
NAMES = {
    "params": {"a": 1, "b": [1, "x", {"c": None}], "text": "é"},
    "matrix": {"k": 2.5},
    "run": {"id": "r"},
}


def put(name: str, data: bytes) -> str:
    path = os.path.join(FOLDER, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    return path


def told(error: SpecError) -> None:
    """Each problem has a place, a sentence, and can be shown."""
    assert error.problems
    for problem in error.problems:
        assert problem.message and problem.place.line >= 1 and problem.place.column >= 1, problem
        PLAIN.clean(problem.message + problem.hint)


def pipeline(data: bytes) -> None:
    """The YAML guard, the validator, names, the graph, matrix expansion."""
    put("mlorch.yaml", data)
    try:
        assert isinstance(spec.load(PIPELINE, FOLDER), Pipeline)
    except SpecError as error:
        told(error)
        return
    except MlorchError:
        return
    problems, _ = app.validate([PIPELINE], app.Request(PIPELINE, FOLDER))
    if problems:
        told(SpecError(problems))


def steps(data: bytes) -> None:
    """The same, past what every file needs."""
    pipeline(
        b"version: 1\nname: a\nparams: {a: 1, b: [1, 2]}\nsteps:\n  a:\n    run: "
        + data.replace(b"\n", b"\n    ")
        + b"\n"
    )


def expression(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        expressions.references(text)
        evaluate(text, NAMES)
    except ExpressionError as error:
        assert error.message


def template(data: bytes) -> None:
    try:
        split(data.decode("utf-8", "replace"), Place("a.yaml"))
    except (ExpressionError, SpecError):
        return


def selector(data: bytes) -> None:
    put(
        "mlorch.yaml",
        b"version: 1\nname: a\nsteps: {a: {run: echo, matrix: {k: [1, 2]}}, b: {run: echo, needs: [a]}}\n",
    )
    words = data.decode("utf-8", "surrogateescape").replace("\0", "").split(",")
    try:
        app.plan(app.Request(PIPELINE, FOLDER, tuple(words)))
    except MlorchError as error:
        assert error.exit_code in (2, 3), error


def override(data: bytes) -> None:
    put("mlorch.yaml", b"version: 1\nname: a\nparams: {a: 1, b: {c: x}}\nsteps: {a: {run: echo}}\n")
    text = data.decode("utf-8", "surrogateescape").replace("\0", "")
    try:
        spec.load(PIPELINE, FOLDER, overrides=[text])
    except MlorchError as error:
        assert error.exit_code in (2, 3), error


def settings(data: bytes) -> None:
    put("mlorch.toml", data)
    try:
        read_settings(FOLDER, {})
    except SpecError as error:
        told(error)
    finally:
        os.unlink(os.path.join(FOLDER, "mlorch.toml"))


def record(data: bytes) -> None:
    try:
        found = sound(serial.from_json(Record, serial.load(frozenset(["mlorch.record/1"]), data, "it")))
        serial.dump("mlorch.record/1", found)
    except (ValueError, MlorchError, RecursionError):
        return


def publication(data: bytes) -> None:
    try:
        serial.from_json(Publication, json.loads(data))
    except (ValueError, RecursionError):
        return


def listing(data: bytes) -> None:
    try:
        tree.parse_listing(data)
    except ValueError:
        return


def run_file(data: bytes) -> None:
    """The events of a run, as `show`, `runs` and `compare` read them."""
    path = put("runs/a/events.jsonl", b'{"schema":"mlorch.events/1"}\n' + data)
    found = []
    for document in lines.read(path, "mlorch.events/1"):
        try:
            found.append(serial.from_json(Event, document))
        except ValueError:
            continue
    views, warnings = fold(found)
    for view in views:
        PLAIN.clean(view.instance + view.error + view.log)
    assert all(isinstance(text, str) for text in warnings)
    store = open_store(Settings(root=FOLDER, store=FOLDER), create=False)
    for info in store.runs():
        assert info.id


def plan_cache(data: bytes) -> None:
    asked = Asked(PIPELINE, FOLDER, schema=spec.schema_path())
    put("mlorch.yaml", b"version: 1\nname: a\nsteps: {a: {run: echo}}\n")
    home = {"HOME": os.path.join(os.path.dirname(FOLDER), os.path.basename(FOLDER) + "-home")}
    plans = Plans(os.path.join(FOLDER, ".mlorch"), home)
    os.makedirs(os.path.join(FOLDER, ".mlorch", "cache", "pipelines"), exist_ok=True)
    assert plans.remember(asked, spec.load(PIPELINE, FOLDER))
    folder = os.path.join(FOLDER, ".mlorch", "cache", "pipelines")
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    assert plans.recall(asked) is None
    shutil.rmtree(os.path.join(FOLDER, ".mlorch"))


def index(data: bytes) -> None:
    """An index that is not ours, or damaged, is made anew."""
    area = os.path.join(FOLDER, ".mlorch")
    store = open_store(Settings(root=FOLDER, store=area), create=True)
    store.index.query("select 1")
    store.index.close()
    path = os.path.join(area, "index.sqlite")
    with open(path, "r+b") as file:
        whole = bytearray(file.read())
        for at in range(0, len(data) - 2, 3):
            whole[int.from_bytes(data[at : at + 2], "big") % len(whole)] = data[at + 2]
        file.seek(0)
        file.write(data if data[:1] == b"\0" else bytes(whole))
    for create in (False, True):
        store = open_store(Settings(root=FOLDER, store=area), create=create)
        try:
            store.runs()
            store.latest("mlorch.yaml", "a")
            store.content("mlorch.yaml")
        except MlorchError as error:
            assert error.exit_code == 8, error
        finally:
            store.index.close()
    shutil.rmtree(area)


def git_index(data: bytes) -> None:
    import struct

    try:
        parse_git_index(b"DIRC\0\0\0\2" + data)
    except (ValueError, struct.error, IndexError):
        return


def shown(data: bytes) -> None:
    """A foreign text on a screen."""
    from hostile_texts import is_inert

    text = data.decode("utf-8", "surrogateescape")
    for style in (PLAIN, ASCII):
        assert is_inert(style.clean(text)), text


FUNCTIONS = [
    pipeline,
    steps,
    expression,
    template,
    selector,
    override,
    settings,
    record,
    publication,
    listing,
    run_file,
]
FUNCTIONS += [plan_cache, index, git_index, shown]
TARGETS: Dict[str, Callable[[bytes], None]] = {function.__name__: function for function in FUNCTIONS}
