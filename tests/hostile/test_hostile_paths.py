"""Links that change while mlorch looks and acts: nothing is ever written or taken out of the project."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from victim import Victim

from mlorch.errors import MlorchError
from mlorch.model import Artifact, Settings
from mlorch.ports import Publication
from mlorch.store import faults, open_store

SECONDS = float(os.environ.get("MLORCH_SWAP_SECONDS", "2"))


class Swapper(threading.Thread):
    """Lets a folder of the project and a link out of it change places, as fast as it can."""

    def __init__(self, folder: Path, link: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.link, self.away = str(folder), str(link), str(folder) + ".away"
        self.stop, self.rounds = threading.Event(), 0

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                os.rename(self.folder, self.away)
                os.rename(self.link, self.folder)
                time.sleep(0.0003)
                os.rename(self.folder, self.link)
                os.rename(self.away, self.folder)
                self.rounds += 1
                time.sleep(0.0003)
            except OSError:
                self.put_back()

    def put_back(self) -> None:
        """mlorch may have made the folder anew in between."""
        if not os.path.lexists(self.link) and os.path.islink(self.folder):
            os.rename(self.folder, self.link)
        if os.path.isdir(self.away) and not os.path.lexists(self.folder):
            os.rename(self.away, self.folder)
        elif os.path.isdir(self.away):
            os.rename(self.away, f"{self.away}-{self.rounds}-{time.monotonic_ns()}")


@pytest.mark.parametrize("deed", ["place", "retire"])
def test_a_folder_swapped_for_a_link_while_outputs_are_placed(tmp_path: Path, deed: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "out", outside):
        folder.mkdir(parents=True)
    (outside / "dear.txt").write_text("dear")
    os.symlink(outside, root / "link")
    store = open_store(Settings(root=str(root), store=str(root / ".mlorch")), create=True)
    contents = []
    for number in range(2):
        (root / "made.txt").write_text(f"made {number}")
        contents.append(store.ingest("made.txt"))
    store.commit([])
    swapper = Swapper(root / "out", root / "link")
    swapper.start()
    done = refused = 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        content = contents[done % 2]
        name = "out/dear.txt" if done % 3 else "out/new.txt"
        publication = Publication(name, content, "p.yaml", "s", "o", "r")
        try:
            store.workspace.place(Artifact(name, content), publication)
            if deed == "retire":
                store.workspace.retire(publication)
            done += 1
        except MlorchError:
            refused += 1
        assert sorted(os.listdir(outside)) == ["dear.txt"], (done, refused, swapper.rounds)
        assert (outside / "dear.txt").read_text() == "dear", (done, refused, swapper.rounds)
    swapper.stop.set()
    swapper.join()
    assert done and swapper.rounds


@pytest.mark.parametrize("swapped", ["out", "out/a", "out/a/b"])
@pytest.mark.parametrize(("deed", "point"), [("place", "mkdir"), ("retire", "remove")])
def test_a_folder_swapped_for_a_link_at_the_very_moment(
    tmp_path: Path, swapped: str, deed: str, point: str
) -> None:
    """Between the look at a folder and its use, each time that one is made or removed."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    # what would be made, or removed, if a name led there
    for below in ("a/b/c", "b/c", "c") if deed == "retire" else ("",):
        (outside / below).mkdir(parents=True, exist_ok=True)
    before = sorted(str(path) for path in outside.rglob("*"))
    store = open_store(Settings(root=str(root), store=str(root / ".mlorch")), create=True)
    (root / "made.txt").write_text("made")
    content = store.ingest("made.txt")
    store.commit([])
    name = "out/a/b/c/new.txt"
    publication = Publication(name, content, "p.yaml", "s", "o", "r")
    if deed == "retire":
        store.workspace.place(Artifact(name, content), publication)
    swaps = 0

    def visited(where: str) -> None:
        nonlocal swaps
        folder = root / swapped
        if where == point and folder.is_dir() and not folder.is_symlink():
            os.rename(folder, tmp_path / f"away-{swaps}")
            os.symlink(outside, folder)
            swaps += 1

    faults.watch(visited)
    try:
        if deed == "place":
            store.workspace.place(Artifact(name, content), publication)
        else:
            store.workspace.retire(publication)
    except MlorchError:
        pass
    finally:
        faults.watch(None)
    assert swaps
    assert sorted(str(path) for path in outside.rglob("*")) == before


def test_names_with_any_bytes_spaces_and_line_ends(tmp_path: Path) -> None:
    """Everywhere a path can stand; the project's root is a link, and its name is no UTF-8."""
    real = os.fsencode(str(tmp_path)) + b"/a b\n\xff'\"$(touch pwned)"
    os.mkdir(real)
    root = tmp_path / "link"
    os.symlink(real, root)
    names = ["a b", "n\nl", "q'\"", "$(touch pwned)", "-rf", "*", "é", "e\u0301", "A", "a"]
    for name in names:
        (root / "in" / name).parent.mkdir(exist_ok=True)
        (root / "in" / name).write_text(name)
    with open(real + b"/in/\xff\xfe", "w") as file:
        file.write("bytes")
    steps = "".join(
        f'  s{number}:\n    run: cp ${{{{ inputs.i }}}} ${{{{ outputs.o }}}}\n    inputs: {{i: "in/{escaped}"}}\n'
        f'    outputs: {{o: "out/{escaped}/x{escaped}"}}\n'
        for number, escaped in enumerate(
            "".join(f"\\U{ord(letter):08x}" for letter in name) for name in names if name != "*"
        )
    )
    command = """[sh, -c, 'mkdir -p "$0"; cp in/* "$0"', '${{ outputs.o }}']"""
    every = f"  all:\n    run: {command}\n    inputs: {{i: 'in/'}}\n    outputs: {{o: all/}}\n"
    (root / "mlorch.yaml").write_text("version: 1\nname: names\nsteps:\n" + steps + every, encoding="utf-8")
    env = {"HOME": str(tmp_path), "LANG": "C.UTF-8"}
    with Victim() as victim:
        for arguments in (
            ["run"],
            ["plan", "--check"],
            ["verify"],
            ["artifacts"],
            ["show", "--json"],
            ["gc"],
        ):
            done = victim(*arguments, cwd=str(root), env=env, memory=8 << 30, patience=120)
            assert done.code == 0, (arguments, done)
    for name in names:
        if name != "*":
            assert (root / "out" / name / f"x{name}").read_text() == name
    assert sorted(os.listdir(real + b"/all")) == sorted(os.listdir(real + b"/in"))
    assert not os.path.exists(real + b"/pwned")


def test_outputs_hard_linked_to_inputs_and_elsewhere(tmp_path: Path) -> None:
    """A step that links its input as its output, or keeps a second name of its output, changes no stored object."""
    (tmp_path / "data").write_text("one")
    text = "version: 1\nname: a\nsteps:\n"
    text += "  a: {run: 'ln data ${{ outputs.o }}', inputs: {d: data}, outputs: {o: out/a}}\n"
    text += "  b: {run: 'echo two > ${{ outputs.o }}; ln ${{ outputs.o }} spare', outputs: {o: out/b}}\n"
    (tmp_path / "mlorch.yaml").write_text(text)
    env = {"HOME": str(tmp_path), "LANG": "C.UTF-8"}
    with Victim() as victim:
        done = victim("run", cwd=str(tmp_path), env=env, memory=8 << 30)
        assert done.code == 0, done
        (tmp_path / "spare").write_text("changed")
        (tmp_path / "data").write_text("changed")
        assert victim("verify", cwd=str(tmp_path), env=env).code == 0
        (tmp_path / "data").write_text("one")
        assert victim("run", cwd=str(tmp_path), env=env, memory=8 << 30).code == 0
    assert (tmp_path / "out/a").read_text() == "one" and (tmp_path / "out/b").read_text() == "two\n"
    assert os.stat(tmp_path / "out/a").st_ino != os.stat(tmp_path / "data").st_ino
