"""The memory of pipelines: exact, and deaf to whatever was not written by this user's own mlorch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlorch import spec
from mlorch.model import Pipeline
from mlorch.store import compact, plans
from mlorch.store.plans import ENTRIES, FOLDER, Asked, Plans

REPOSITORY = Path(__file__).resolve().parents[2]
PIPELINES = [
    *sorted((REPOSITORY / "tests" / "cases" / "valid").glob("*.yaml")),
    *sorted((REPOSITORY / "pipelines").glob("*.yaml")),
]
TEXT = """\
version: 1
name: small
params: {rate: 0.5, limits: [1, 1.0, true, null], other: {a: "${x}"}}
steps:
  make:
    run: echo ${{ params.rate }} > ${{ outputs.it }}
    outputs: {it: out/it.txt}
    matrix:
      axis: [{a: 1}, "b", 1.5]
"""


class World:
    """A small project, its store's folder and a home."""

    def __init__(self, top: Path, text: str = TEXT) -> None:
        self.root = top / "project"
        self.home = top / "home"
        self.store = self.root / ".mlorch"
        self.store.mkdir(parents=True)
        self.home.mkdir()
        self.file = self.root / "mlorch.yaml"
        self.file.write_text(text)
        self.environ = {"HOME": str(self.home)}

    @property
    def plans(self) -> Plans:
        return Plans(str(self.store), self.environ)

    def asked(self, **more: Any) -> Asked:
        return Asked(str(self.file), str(self.root), schema=spec.schema_path(), **more)

    def load(self) -> Pipeline:
        return spec.load(str(self.file), str(self.root))

    def remember(self) -> Pipeline:
        pipeline = self.load()
        assert self.plans.remember(self.asked(), pipeline)
        return pipeline

    @property
    def entry(self) -> Path:
        (found,) = (self.store / FOLDER).iterdir()
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def exact(value: object) -> str:
    """Equality that tells 1 from 1.0 and True, and takes NaN for NaN."""
    return repr(value)


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_what_is_recalled_is_what_was_read(path: Path, tmp_path: Path) -> None:
    root = str(spec.find_root(str(path)) if path.parent.name == "pipelines" else path.parent)
    store = tmp_path / "store"
    store.mkdir()
    plans = Plans(str(store), {"HOME": str(tmp_path)})
    asked = Asked(str(path), root, schema=spec.schema_path())
    pipeline = spec.load(str(path), root)
    assert plans.remember(asked, pipeline)
    recalled = plans.recall(asked)
    assert exact(recalled) == exact(pipeline)
    assert compact.decode(json.loads(json.dumps(compact.encode(pipeline)))).sources == pipeline.sources


def test_values_keep_their_types(world: World) -> None:
    pipeline = world.remember()
    assert exact(world.plans.recall(world.asked())) == exact(pipeline)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)


@settings(max_examples=100, deadline=None)
@given(TREES, st.sampled_from(["map", "template", "float"]))
def test_no_value_is_taken_for_another(tree: Any, tag: str) -> None:
    pipeline = spec.load(str(PIPELINES[0]), str(PIPELINES[0].parent))
    values = {"a": tree, tag: {tag: tree}}
    changed = Pipeline("n", "f", "/r", pipeline.place, {}, params=values)
    data = json.loads(json.dumps(compact.encode(changed), allow_nan=False))
    assert exact(compact.decode(data)) == exact(changed)


@pytest.mark.parametrize("change", ["content", "byte order", "gone", "folder", "moved by a link"])
def test_a_changed_file_is_read_anew(world: World, change: str, tmp_path: Path) -> None:
    world.remember()
    if change == "content":
        world.file.write_text(TEXT.replace("0.5", "0.6"))
    elif change == "byte order":
        world.file.write_bytes(TEXT.encode("utf-16"))
    elif change == "moved by a link":
        shutil.move(str(world.file), str(tmp_path / "elsewhere.yaml"))
        world.file.symlink_to(tmp_path / "elsewhere.yaml")
    else:
        world.file.unlink()
        if change == "folder":
            world.file.mkdir()
    assert world.plans.recall(world.asked()) is None


def test_only_what_was_asked_is_recalled(world: World, tmp_path: Path) -> None:
    world.remember()
    other = tmp_path / "other.schema.json"
    other.write_text("{}")
    assert world.plans.recall(world.asked(overrides=("rate=1",))) is None
    assert world.plans.recall(world.asked(params_file="/p.yaml")) is None
    assert world.plans.recall(world.asked(allow=("/data",))) is None
    assert world.plans.recall(Asked(str(world.file), str(world.root), schema=str(other))) is None
    assert world.plans.recall(world.asked()) is not None


def test_an_entry_does_not_serve_under_another_name(world: World) -> None:
    pipeline = world.remember()
    entry = world.entry
    asked = world.asked(overrides=("rate=1",))
    assert world.plans.remember(asked, pipeline)
    (other,) = set((world.store / FOLDER).iterdir()) - {entry}
    shutil.copy(str(entry), str(other))
    assert world.plans.recall(asked) is None


SMALLEST = "version: 1\nname: n\nsteps:\n  a: {run: x}\n"


def test_truncated_at_every_byte_is_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, SMALLEST)
    pipeline = world.remember()
    asked, data = world.asked(), world.entry.read_bytes()
    for length in reversed(range(len(data))):
        os.truncate(world.entry, length)
        assert world.plans.recall(asked) is None, length
    world.entry.write_bytes(data)
    assert exact(world.plans.recall(asked)) == exact(pipeline)


def test_every_byte_that_changed_or_came_is_seen(tmp_path: Path) -> None:
    world = World(tmp_path, SMALLEST)
    pipeline = world.remember()
    asked, entry, data = world.asked(), world.entry, world.entry.read_bytes()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        entry.write_bytes(bytes(changed))
        assert world.plans.recall(asked) is None, position
        entry.write_bytes(data[:position] + b"\0" + data[position:])
        assert world.plans.recall(asked) is None, position
    entry.write_bytes(data)
    assert exact(world.plans.recall(asked)) == exact(pipeline)


@pytest.mark.parametrize("part", ["FORMAT", "__version__"])
def test_an_entry_of_another_version_is_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    world.remember()
    monkeypatch.setattr(plans, part, "mlorch.plan/0")
    assert world.plans.recall(world.asked()) is None
    monkeypatch.undo()
    assert world.plans.recall(world.asked()) is not None


def test_an_entry_of_another_user_is_nothing(world: World, tmp_path: Path) -> None:
    world.remember()
    stranger = Plans(str(world.store), {"HOME": str(tmp_path / "stranger")})
    assert stranger.recall(world.asked()) is None
    assert not (tmp_path / "stranger").exists(), "reading made a key"
    assert stranger.remember(world.asked(), world.load())
    assert world.plans.recall(world.asked()) is None
    assert stranger.recall(world.asked()) is not None


@pytest.mark.parametrize("spoilt", ["open to others", "short", "a link", "a folder"])
def test_a_key_that_is_not_private_is_none(world: World, spoilt: str) -> None:
    world.remember()
    key = world.home / ".cache" / "mlorch" / "key"
    assert key.stat().st_mode & 0o777 == 0o600
    data = key.read_bytes()
    key.unlink()
    if spoilt == "a folder":
        key.mkdir()
    elif spoilt == "a link":
        other = world.home / "other"
        other.write_bytes(data)
        other.chmod(0o600)
        key.symlink_to(other)
    else:
        key.write_bytes(data[:-1] if spoilt == "short" else data)
        key.chmod(0o644 if spoilt == "open to others" else 0o600)
    assert world.plans.recall(world.asked()) is None
    assert not world.plans.remember(world.asked(), world.load())


def test_a_key_that_a_clone_could_bring_is_not_used(world: World) -> None:
    plans = Plans(str(world.store), {"XDG_CACHE_HOME": str(world.root / "cache")})
    assert not plans.remember(world.asked(), world.load())
    assert not (world.root / "cache").exists()


def test_without_a_home_nothing_is_remembered(world: World) -> None:
    for environ in ({}, {"HOME": "relative"}, {"HOME": "/proc/nothing/here"}):
        plans = Plans(str(world.store), environ)
        assert not plans.remember(world.asked(), world.load())
        assert plans.recall(world.asked()) is None


def test_a_store_is_never_made(world: World) -> None:
    world.store.rmdir()
    assert not world.plans.remember(world.asked(), world.load())
    assert not world.store.exists()


def test_nothing_is_written_through_a_link(world: World, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (world.store / "cache").symlink_to(outside)
    assert not world.plans.remember(world.asked(), world.load())
    assert list(outside.iterdir()) == []


def test_few_entries_are_kept(world: World) -> None:
    pipeline = world.load()
    for number in range(ENTRIES + 5):
        assert world.plans.remember(world.asked(overrides=(f"rate={number}",)), pipeline)
    assert len(list((world.store / FOLDER).iterdir())) == ENTRIES
    assert world.plans.recall(world.asked(overrides=(f"rate={ENTRIES + 4}",))) is not None


def _spoilt(data: Any) -> List[Any]:
    """The same document with one value in it replaced, for every value."""
    found: List[Any] = []
    for odd in (None, -1, "x", [], {}, 1.5, {"map": 1}, {"template": {}}, [0], [-1, 0], [99, {}]):
        if not isinstance(data, type(odd)) or data != odd:
            found.append(odd)
    if isinstance(data, dict):
        for key, item in data.items():
            found += [{**data, key: other} for other in _spoilt(item)]
        found += [{**data, "unheard": 1}, *({k: v for k, v in data.items() if k != key} for key in data)]
    if isinstance(data, list):
        for number, item in enumerate(data):
            found += [[*data[:number], other, *data[number + 1 :]] for other in _spoilt(item)]
    return found


def test_what_does_not_fit_raises_value_error_only(world: World) -> None:
    refused = 0
    for document in _spoilt(json.loads(json.dumps(compact.encode(world.load())))):
        try:
            compact.decode(document)
        except ValueError:
            refused += 1
    assert refused > 1000


def test_too_deep_a_document_is_refused() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    data = {
        "files": ["f"],
        "pipeline": {
            "name": "",
            "file": "",
            "root": "",
            "place": [0, 1, 1],
            "steps": {},
            "params": {"a": deep},
        },
    }
    with pytest.raises(ValueError, match="no pipeline"):
        compact.decode(data)


PROBE = """
import sys
from mlorch.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", *sorted({"yaml", "jsonschema", "joblib", "numpy", "rich"} & set(sys.modules)))
"""


def _run(world: World, *words: str) -> Tuple[List[str], str]:
    """Heavy modules that the command imported, and all it said."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        cwd=str(world.root),
        env={**os.environ, "HOME": str(world.home), "XDG_CACHE_HOME": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    last = [line for line in done.stdout.splitlines() if line.startswith("LOADED")][-1]
    return last.split()[1:], done.stdout


def test_a_run_with_nothing_to_do_imports_nothing_heavy(world: World) -> None:
    world.file.write_text(
        "version: 1\nname: n\nsteps:\n  a: {run: 'echo 1 > ${{ outputs.o }}', outputs: {o: o.txt}}\n"
    )
    (world.root / "mlorch.toml").write_text("")
    shutil.rmtree(str(world.store))
    first, _ = _run(world, "run")
    assert "yaml" in first
    loaded, said = _run(world, "run")
    assert "1 cached" in said
    assert loaded == []
    world.file.write_text(world.file.read_text().replace("echo 1", "echo 2"))
    loaded, said = _run(world, "run")
    assert "yaml" in loaded
    assert (world.root / "o.txt").read_text() == "2\n"


def test_looking_makes_no_store_and_validate_remembers_nothing(world: World) -> None:
    shutil.rmtree(str(world.store))
    for words in (["plan"], ["validate"], ["graph"]):
        _run(world, *words)
    assert not world.store.exists()
    assert not (world.home / ".cache").exists()
    world.store.mkdir()
    loaded, _ = _run(world, "validate")
    assert "yaml" in loaded


def _by_hand(data: bytes) -> bytes:
    """An entry that says something else, as somebody would write it who has no key: its seal is of the right form."""
    return (b"0" * 64 if data[:4] != b"mlor" else data[:78].replace(b"a", b"b")) + data[78:].replace(
        b"1", b"2"
    )


SPOILT = {
    "empty": lambda data: data[:0],
    "half": lambda data: data[: len(data) // 2],
    "a byte short": lambda data: data[:-1],
    "another version": lambda data: data.replace(b"mlorch.plan/1 ", b"mlorch.plan/0 ", 1)[:-1] + b" ",
    "by hand": _by_hand,
}


@pytest.mark.parametrize("how", SPOILT, ids=lambda name: name.replace(" ", "-"))
def test_whole_commands_ignore_what_is_spoilt_and_remember_anew(world: World, how: str) -> None:
    world.file.write_text(
        "version: 1\nname: n\nsteps:\n  a: {run: 'echo 1 > ${{ outputs.o }}', outputs: {o: o.txt}}\n"
    )
    (world.root / "mlorch.toml").write_text("")
    for _ in range(3):
        _run(world, "run")
        time.sleep(0.1)  # what has just been written is trusted only after a moment
    entries = [path for path in (world.store / "cache").rglob("*") if path.is_file()]
    assert {path.parent.name for path in entries} == {"answers", "pipelines"}
    before = {path: path.read_bytes() for path in entries}
    for path, data in before.items():
        path.write_bytes(SPOILT[how](data))
        assert path.read_bytes() != data
    loaded, said = _run(world, "run")
    assert "1 cached" in said
    assert "yaml" in loaded, "a spoilt entry was believed"
    time.sleep(0.1)
    loaded, said = _run(world, "run")
    assert "1 cached" in said
    assert loaded == []
    assert (world.root / "o.txt").read_text() == "1\n"
    for path in before:
        assert path.read_bytes() != SPOILT[how](before[path]), "it was not made anew"
