"""Remembered answers: they hold while all that was asked for stands unchanged, and nobody else can bring one."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Callable, Dict, Optional

import pytest

from mlorch.store import answers
from mlorch.store.answers import ENTRIES, FOLDER, Command
from mlorch.store.witness import Witness

PARTS = {"text": "all is well"}


class World:
    """A project whose files were all written a while ago, and a home."""

    def __init__(self, top: Path) -> None:
        self.root = top / "project"
        self.store = self.root / ".mlorch"
        for folder in ("data/inner", ".mlorch/records/ab/cd", ".mlorch/runs"):
            (self.root / folder).mkdir(parents=True)
        for name in ("a.txt", "b.txt", "data/one", "data/two", "data/inner/three"):
            (self.root / name).write_text(name)
        (self.root / "link").symlink_to("a.txt")
        (self.root / "folders").symlink_to("data")
        self.asked: Callable[[World], object] = World.ask
        self.command = Command(("run",), str(self.root))
        time.sleep(0.06)

    def ask(self) -> None:
        """What a command may ask for, each in another way."""
        root = str(self.root)
        with open(os.path.join(root, "a.txt")) as file:
            file.read()
        os.close(os.open(os.path.join(root, "b.txt"), os.O_RDONLY))
        assert not os.path.exists(os.path.join(root, "absent"))
        assert os.path.realpath(os.path.join(root, "link")).endswith("a.txt")
        with os.scandir(os.path.join(root, "data")) as entries:
            for entry in entries:
                entry.stat()
        for _ in os.walk(os.path.join(root, "data")):
            pass
        with os.scandir(root) as entries:
            assert any(entry.is_dir() for entry in entries if entry.name == "folders")

    def look(self) -> Witness:
        witness = Witness(os.environ)
        witness.store = str(self.store)
        with witness.looking():
            self.asked(self)
            witness.environ.get("DATA_VERSION")
        return witness

    def remember(self, command: Optional[Command] = None) -> bool:
        return answers.remember(command or self.command, str(self.root), self.look(), PARTS)

    def recall(self, command: Optional[Command] = None) -> Optional[Dict[str, str]]:
        found = answers.recall(command or self.command)
        return dict(found.parts) if found is not None else None

    @property
    def entry(self) -> Path:
        (found,) = (self.store / FOLDER).iterdir()
        return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("DATA_VERSION", raising=False)
    return World(tmp_path)


def test_an_answer_is_given_again_while_nothing_changes(world: World) -> None:
    assert world.remember()
    assert world.recall() == PARTS
    assert world.recall() == PARTS


def test_an_answer_is_found_from_below_and_by_the_words_of_the_command(world: World, tmp_path: Path) -> None:
    for command in (
        Command(("run",), str(world.root / "data" / "inner")),
        Command(("run", "project/data/p.yaml"), str(tmp_path)),
        Command(("run", "-C", "project"), str(tmp_path)),
    ):
        assert world.remember(command)
        assert world.recall(command) == PARTS
    assert world.recall(Command(("run",), str(tmp_path))) is None


def _touch(path: Path) -> None:
    os.utime(path, ns=(1, path.stat().st_mtime_ns))


def _replace_keeping_times(path: Path) -> None:
    found = path.stat()
    path.with_name("new").write_bytes(path.read_bytes())
    os.replace(path.with_name("new"), path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


CHANGES: Dict[str, Callable[[Path], object]] = {
    "content that was opened": lambda root: (root / "a.txt").write_text("else"),
    "content of the same length": lambda root: (root / "b.txt").write_text("B.TXT"),
    "only the time of the last change": lambda root: _touch(root / "a.txt"),
    "another file with the same times": lambda root: _replace_keeping_times(root / "a.txt"),
    "mode": lambda root: (root / "a.txt").chmod(0o755),
    "gone": lambda root: (root / "b.txt").unlink(),
    "what was absent": lambda root: (root / "absent").write_text(""),
    "where a link leads": lambda root: ((root / "link").unlink(), (root / "link").symlink_to("b.txt")),
    "what a listed link leads to": lambda root: (
        (root / "folders").unlink(),
        (root / "folders").symlink_to("a.txt"),
    ),
    "a listed file whose stat was asked for": lambda root: (root / "data" / "one").write_text("else"),
    "a new name in a listed folder": lambda root: (root / "data" / "four").write_text(""),
    "a new name below": lambda root: (root / "data" / "inner" / "five").write_text(""),
    "a name that is a folder now": lambda root: (
        (root / "data" / "two").unlink(),
        (root / "data" / "two").mkdir(),
    ),
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda name: name.replace(" ", "-"))
def test_what_was_asked_for_and_changed_is_asked_anew(world: World, change: str) -> None:
    assert world.remember()
    CHANGES[change](world.root)
    assert world.recall() is None


def test_what_nobody_asked_for_may_change(world: World) -> None:
    world.asked = lambda self: os.stat(self.root / "a.txt")
    assert world.remember()
    (world.root / "b.txt").write_text("else")
    (world.root / "new").write_text("else")
    (world.store / "runs" / "abcdef").mkdir()
    assert world.recall() == PARTS


def test_a_folder_whose_names_came_and_went_is_the_same(world: World) -> None:
    world.remember()
    (world.root / "data" / "four").write_text("")
    (world.root / "data" / "four").unlink()
    assert world.recall() == PARTS


def test_a_record_that_comes_or_goes_is_seen(world: World) -> None:
    folder = world.store / "records" / "ab" / "cd"
    (folder / "1.json").write_text("{}")
    time.sleep(0.06)
    world.asked = lambda _: [(folder / name).read_text() for name in os.listdir(folder)]
    assert world.remember()
    assert world.recall() == PARTS
    (folder / "2.json").write_text("{}")
    assert world.recall() is None


@pytest.fixture
def shelf(world: World) -> Path:
    """A folder of two objects, of which a remembered answer asked for one."""
    folder = world.store / "objects" / "ab"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        (folder / name).write_text(name)
    time.sleep(0.06)
    world.asked = lambda _: os.lstat(folder / "one")
    assert world.remember()
    assert world.recall() == PARTS
    return folder


def test_objects_that_come_and_go_beside_those_that_were_asked_for_change_nothing(
    world: World, shelf: Path
) -> None:
    (shelf / "three").write_text("")
    assert world.recall() == PARTS
    (shelf / "two").unlink()
    assert world.recall() == PARTS


@pytest.mark.parametrize("change", ["gone", "another", "shorter, and one beside it", "folder", "link"])
def test_an_object_that_was_asked_for_and_is_not_the_same_is_seen(
    world: World, shelf: Path, change: str
) -> None:
    if change == "gone":
        (shelf / "one").unlink()
    elif change == "another":
        _replace_keeping_times(shelf / "one")
    elif change == "folder":
        shutil.rmtree(shelf)
        shelf.mkdir()
    elif change == "link":
        shelf.rename(world.root / "elsewhere")
        shelf.symlink_to(world.root / "elsewhere")
        (shelf / "one").write_text("else")
    else:
        os.truncate(shelf / "one", 1)
        (shelf / "three").write_text("")
    assert world.recall() is None


def test_a_folder_of_objects_that_has_just_changed_does_not_vouch_for_them(world: World, shelf: Path) -> None:
    world.asked = lambda _: (os.lstat(shelf / "one"), (shelf / "three").write_text(""))
    assert world.remember()
    os.truncate(shelf / "one", 1)
    assert world.recall() is None


@pytest.mark.parametrize("name", ["DATA_VERSION", "MLORCH_JOBS", "NO_COLOR"])
def test_another_environment_is_asked_anew(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.remember()
    monkeypatch.setenv(name, "2")
    assert world.recall() is None
    assert world.remember()
    assert world.recall() == PARTS
    monkeypatch.setenv(name, "3")
    assert world.recall() is None


def test_no_value_of_the_environment_is_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_VERSION", "a-secret-that-nobody-may-read")
    assert world.remember()
    assert b"a-secret" not in world.entry.read_bytes()


def test_what_was_just_written_is_not_believed(world: World) -> None:
    (world.root / "a.txt").write_text("fresh")
    assert not world.remember()
    time.sleep(0.06)
    assert world.remember()


def test_what_changed_while_the_command_looked_is_not_remembered(world: World) -> None:
    def look_twice(self: World) -> None:
        os.stat(self.root / "a.txt")
        (self.root / "a.txt").chmod(0o700)
        os.stat(self.root / "a.txt")

    world.asked = look_twice
    assert not world.remember()


def test_an_answer_ends_when_the_first_record_expires(world: World) -> None:
    witness = world.look()
    witness.until = time.time() + 0.3
    assert answers.remember(world.command, str(world.root), witness, PARTS)
    assert world.recall() == PARTS
    time.sleep(0.35)
    assert world.recall() is None


def test_an_answer_from_the_future_is_none(world: World) -> None:
    witness = world.look()
    witness.began += 3600 * 10**9
    assert answers.remember(world.command, str(world.root), witness, PARTS)
    assert world.recall() is None


def test_only_the_very_command_is_answered(world: World) -> None:
    assert world.remember()
    data = world.entry.read_bytes()
    for other in (
        Command(("run", "--force"), str(world.root)),
        Command(("run",), str(world.root / "data")),
        Command(("run",), str(world.root), ("ascii",)),
    ):
        assert world.recall(other) is None
        (world.store / FOLDER / other.name).write_bytes(data)
        assert world.recall(other) is None, "an entry served under another name"


@pytest.fixture
def small(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A remembered answer of a few hundred bytes; the stats of mlorch's own files would be 50,000 more."""
    monkeypatch.setattr(answers, "_own_code", list)
    world.asked = lambda self: os.stat(self.root / "a.txt")
    assert world.remember()
    assert world.recall() == PARTS
    return world.entry


def test_truncated_at_every_byte_is_nothing(world: World, small: Path) -> None:
    data = small.read_bytes()
    for length in reversed(range(len(data))):
        os.truncate(small, length)
        assert world.recall() is None, length
    small.write_bytes(data)
    assert world.recall() == PARTS


def test_every_byte_that_changed_or_came_is_seen(world: World, small: Path) -> None:
    data = small.read_bytes()
    for position in range(len(data)):
        for bits in (1 << position % 8, 0xFF):
            changed = bytearray(data)
            changed[position] ^= bits
            small.write_bytes(bytes(changed))
            assert world.recall() is None, position
        small.write_bytes(data[:position] + b"\0" + data[position:])
        assert world.recall() is None, position
    small.write_bytes(data)
    assert world.recall() == PARTS


@pytest.mark.parametrize("brought", [b"", b"{}", b"0" * 64 + b"\n" + b"\xfb", b"\n" * 70])
def test_an_entry_that_somebody_prepared_is_nothing(world: World, brought: bytes) -> None:
    folder = world.store / FOLDER
    folder.mkdir(parents=True)
    (folder / world.command.name).write_bytes(brought)
    assert world.recall() is None, "without a key of our own"
    assert world.remember()
    assert world.recall() == PARTS
    world.entry.write_bytes(brought)
    assert world.recall() is None


def test_a_clone_of_a_project_with_its_store_is_asked_anew(world: World, tmp_path: Path) -> None:
    assert world.remember()
    shutil.copytree(world.root, tmp_path / "clone", symlinks=True)
    assert world.recall(Command(("run",), str(tmp_path / "clone"))) is None
    shutil.rmtree(world.root)
    (tmp_path / "clone").rename(world.root)
    assert world.recall() is None, "other files under the same names"


def test_an_entry_of_another_user_or_version_is_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.remember()
    monkeypatch.setattr(answers, "FORMAT", "mlorch.answer/0")
    assert world.recall() is None
    monkeypatch.undo()
    (tmp_path / "stranger").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "stranger"))
    assert world.recall() is None
    assert list((tmp_path / "stranger").iterdir()) == [], "reading made a key"


def test_nothing_is_written_through_a_link(world: World, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (world.store / "cache").symlink_to(tmp_path / "outside")
    assert not world.remember()
    assert list((tmp_path / "outside").iterdir()) == []


def test_few_entries_are_kept(world: World) -> None:
    for number in range(ENTRIES + 3):
        assert world.remember(Command(("run", str(number)), str(world.root)))
    assert len(list((world.store / FOLDER).iterdir())) == ENTRIES


def test_looking_leaves_nothing_exchanged() -> None:
    before = (os.stat, os.lstat, os.listdir, os.scandir, os.open, os.access, open)
    with pytest.raises(ZeroDivisionError), Witness(os.environ).looking():
        assert os.stat is not before[0]
        raise ZeroDivisionError
    assert before == (os.stat, os.lstat, os.listdir, os.scandir, os.open, os.access, open)
