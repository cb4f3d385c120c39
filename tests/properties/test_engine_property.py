"""The correctness property over a fake store and a fake launcher: no process, about a hundred runs a second and core.

Real are the spec, the plan, the frontier, the decider and the hub; see `tests/fakes.py` for what is not.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from typing import Any, Dict, List, Tuple

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlorch import spec
from mlorch.app import Options
from mlorch.execute import Journal, make_hub
from mlorch.model import Outcome, Settings
from mlorch.session import Choice, dry_run, open_session

sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))
from fakes import FakeLauncher, FakeLog, FakeStore

SHARDS = 4
CASES = int(os.environ.get("MLORCH_ENGINE_CASES", "1000")) // SHARDS
WORDS = ["ash", "elm", "fir", "oak"]
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where the fakes' files are: what is tried here needs no disk."""


@st.composite
def pipelines(draw: Any) -> Dict[str, Dict[str, Any]]:
    """Up to seven steps over two sources: single, matrix, split, dynamic, gathering, conditional, failing."""
    steps: Dict[str, Dict[str, Any]] = {}
    kinds: Dict[str, str] = {}
    for number in range(draw(st.integers(1, 7))):
        name = f"s{number}"
        singles = [item for item in steps if kinds[item] == "single"]
        splits = [item for item in steps if kinds[item] == "split"]
        many = [item for item in steps if kinds[item] == "many"]
        source = draw(
            st.sampled_from(["a.txt", "b.txt", *("${{ steps.%s.outputs.out }}" % item for item in singles)])
        )
        word = draw(st.sampled_from(WORDS))
        choices = ["text", "param", "split", "matrix", "cond", "fail", "flaky"]
        choices += ["dynamic"] * 2 * bool(splits) + ["gather", "borrow"] * bool(many)
        kind = draw(st.sampled_from(choices))
        step: Dict[str, Any] = {"inputs": {"x": source}, "outputs": {"out": "out/%s" % name}}
        command = "text:" + word
        kinds[name] = "single"
        if kind == "param":
            command = "text:${{ params.p }}"
        elif kind == "split":
            command, kinds[name] = "split", "split"
            step["outputs"] = {"out": "out/%s/" % name}
        elif kind in ("matrix", "dynamic", "borrow"):
            kinds[name] = "many"
            step["outputs"] = {"out": "out/%s/${{ step.instance }}" % name}
            if kind == "matrix":
                step["matrix"] = {"k": draw(st.lists(st.sampled_from([1, 2, 3]), min_size=1, unique=True))}
                command = "text:${{ matrix.k }}"
            elif kind == "borrow":
                other = draw(st.sampled_from(many))
                step["matrix"] = "${{ steps.%s.matrix }}" % other
                step["inputs"] = {"x": "${{ steps.%s.outputs.out }}" % other}
            else:
                other = draw(st.sampled_from(splits))
                step["matrix"] = {"part": "${{ steps.%s.outputs.out }}" % other}
                step["inputs"] = {"x": "${{ matrix.part }}"}
        elif kind == "gather":
            step["inputs"] = {"x": "${{ steps.%s.outputs.out }}" % draw(st.sampled_from(many))}
        elif kind == "cond":
            step["if"] = "${{ params.flag }}"
        elif kind == "fail":
            command = "fail:" + word
        elif kind == "flaky":
            command = "flaky"
            step["retry"] = {"max_attempts": 2}
        step["run"] = ["fake", "${{ outputs.out }}", command, "${{ inputs.x }}"]
        steps[name] = step
    return steps


EDIT = st.one_of(
    st.tuples(st.just("param"), st.sampled_from(WORDS)),
    st.tuples(st.just("flag"), st.booleans()),
    st.tuples(st.just("a.txt"), st.lists(st.sampled_from(WORDS), max_size=3)),
    st.tuples(st.just("b.txt"), st.lists(st.sampled_from(WORDS), max_size=3)),
    st.tuples(st.just("tamper"), st.integers(0, 20)),
    st.tuples(st.just("delete"), st.integers(0, 20)),
)


class Place:
    """A project folder with its fake store."""

    def __init__(self, steps: Dict[str, Dict[str, Any]]) -> None:
        self.root = tempfile.mkdtemp(prefix="engine", dir=IN_MEMORY)
        self.store = FakeStore(self.root)
        self.steps = steps
        self.sources: Dict[str, str] = {"a.txt": "ash\noak\n", "b.txt": "fir\n"}
        self.params: Dict[str, Any] = {"p": "elm", "flag": True}

    def write(self) -> None:
        for name, text in self.sources.items():
            with open(os.path.join(self.root, name), "w") as file:
                file.write(text)
        document = {"version": 1, "name": "p", "params": self.params, "steps": self.steps}
        with open(os.path.join(self.root, "p.yaml"), "w") as file:
            file.write(
                yaml.dump(document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)
            )

    def run(self) -> Tuple[List[Outcome], FakeLauncher]:
        pipeline = spec.load(os.path.join(self.root, "p.yaml"), self.root)
        session = open_session(pipeline, Settings(self.root, self.store.path), self.store, os.environ)
        dry = dry_run(session, Choice())
        launcher = FakeLauncher()
        journal = Journal("run", FakeLog(self.root), pipeline, ())
        hub = make_hub(session, Choice(), Options(2, keep_going=True), dry, journal, launcher, ())
        return hub.run(), launcher

    def edit(self, kind: str, value: Any) -> None:
        if kind == "param":
            self.params["p"] = value
        elif kind == "flag":
            self.params["flag"] = value
        elif kind in self.sources:
            self.sources[kind] = "".join(word + "\n" for word in value)
        else:
            self.damage(kind, value)

    def damage(self, kind: str, number: int) -> None:
        found = sorted(
            os.path.join(folder, name)
            for folder, _, files in os.walk(os.path.join(self.root, "out"))
            for name in files
        )
        if not found:
            return
        path = found[number % len(found)]
        if kind == "delete":
            os.unlink(path)
        else:
            with open(path, "a") as file:
                file.write("tampered\n")

    def outputs(self, outcomes: List[Outcome]) -> Dict[str, str]:
        found: Dict[str, str] = {}
        for item in outcomes:
            for artifact in item.outputs.values() if item.outcome in ("succeeded", "cached") else ():
                found.update(_texts(self.root, artifact.path))
        return found


def _texts(root: str, path: str) -> Dict[str, str]:
    full = os.path.join(root, path)
    if not os.path.isdir(full):
        with open(full) as file:
            return {path: file.read()}
    found: Dict[str, str] = {path + "/": ""}
    for name in os.listdir(full):
        found.update(_texts(root, f"{path}/{name}"))
    return found


def _states(outcomes: List[Outcome]) -> Dict[str, str]:
    return {item.instance: "succeeded" if item.outcome == "cached" else item.outcome for item in outcomes}


@pytest.mark.parametrize("shard", range(SHARDS))
@settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_engine_alone(shard: int, data: st.DataObject) -> None:
    # Each shard begins elsewhere in what hypothesis would try.
    data.draw(st.integers(shard, shard))
    steps = data.draw(pipelines())
    edits = data.draw(st.lists(EDIT, min_size=1, max_size=3))
    place = Place(steps)
    clean = Place(steps)
    try:
        place.write()
        place.run()
        for kind, value in edits:
            place.edit(kind, value)
            place.write()
            outcomes, _ = place.run()
        clean.sources, clean.params = place.sources, place.params
        clean.write()
        expected, _ = clean.run()
        assert _states(outcomes) == _states(expected)
        assert place.outputs(outcomes) == clean.outputs(expected)
        again, launcher = place.run()
        failed = {item.instance for item in again if item.outcome == "failed"}
        assert set(launcher.executed) == failed
        assert place.outputs(again) == clean.outputs(expected)
    finally:
        shutil.rmtree(place.root)
        shutil.rmtree(clean.root)


def test_how_long_a_case_takes(capsys: Any) -> None:
    """Not a limit: the number is printed, so that nobody has to guess."""
    place = Place({"s": {"run": ["fake", "${{ outputs.out }}", "text:x"], "outputs": {"out": "out/s"}}})
    place.write()
    began = time.perf_counter()
    outcomes, launcher = place.run()
    with capsys.disabled():
        print(f"\none case of one step: {1000 * (time.perf_counter() - began):.1f} ms")
    shutil.rmtree(place.root)
    assert launcher.executed == ["s"] and [item.outcome for item in outcomes] == ["succeeded"]
