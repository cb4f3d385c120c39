"""Outputs on other file systems than the project's: a tmpfs, a bind mount and a loop-mounted ext4 or xfs in the project, a
folder outside that is allowed; an output that is a mount point itself; and a project whose root is a link.

Mounting needs root and, for ext4 and xfs, loop devices: a machine without skips each of these with its reason.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Iterator, List

import pytest
from victim import Done, Victim

KINDS = ["tmpfs", "bind", "ext4", "xfs"]
MEGABYTES = {"ext4": 16, "xfs": 320}

PIPELINE = """\
version: 1
name: mounted
params: {x: 1}
steps:
  made:
    run: |
      echo ${{ params.x }} > ${{ outputs.file }}
      mkdir ${{ outputs.folder }}/in; echo in > ${{ outputs.folder }}/in/member
      echo loose > ${{ outputs.unstored }}
    outputs: {file: PLACE/deep/file.txt, folder: PLACE/folder/, unstored: {path: PLACE/loose.txt, store: false}}
  unstaged:
    run: mkdir -p PLACE/own && echo ${{ params.x }} own > PLACE/own/file.txt
    outputs: {file: PLACE/own/file.txt}
  used:
    run: cat ${{ inputs.one }} ${{ inputs.two }} > ${{ outputs.all }}
    inputs: {one: "${{ steps.made.outputs.file }}", two: "${{ steps.unstaged.outputs.file }}"}
    outputs: {all: all.txt}
"""


def mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        pytest.skip(f"can't mount here: {done.stdout.decode('utf-8', 'replace').strip()}")


@contextlib.contextmanager
def mounted(kind: str, place: Path, beside: Path) -> Iterator[None]:
    """Another file system at a folder of the project."""
    if os.geteuid() != 0:
        pytest.skip("needs root (mounts)")
    place.mkdir(parents=True, exist_ok=True)
    if kind == "tmpfs":
        mount("-t", "tmpfs", "-o", "size=16m", "none", str(place))
    elif kind == "bind":
        (beside / "bound").mkdir()
        mount("--bind", str(beside / "bound"), str(place))
    else:
        maker = shutil.which(f"mkfs.{kind}")
        if maker is None:
            pytest.skip(f"mkfs.{kind} is not installed")
        image = beside / "image"
        with open(image, "wb") as file:
            file.truncate(MEGABYTES[kind] << 20)
        subprocess.run([maker, "-q", str(image)], check=True)
        mount("-o", "loop", str(image), str(place))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


class Project:
    def __init__(self, victim: Victim, root: Path, home: Path) -> None:
        self.victim, self.root, self.home = victim, root, home

    def __call__(self, *words: str, code: int = 0) -> Done:
        env = {"HOME": str(self.home), "LANG": "C.UTF-8"}
        done = self.victim(*words, cwd=str(self.root), env=env, memory=8 << 30, patience=120)
        assert done.code == code, (words, done)
        return done


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    with Victim() as process:
        yield process


def leftovers(*folders: Path) -> List[str]:
    """What lies in folders for temporaries."""
    found = [path for folder in folders for path in folder.rglob("*") if ".mlorch-tmp" in path.parts]
    return [
        str(path) for path in found if path.name != ".mlorch-tmp" and path.is_file() and path.name != "lock"
    ]


def goes_round(project: Project, place: Path) -> None:
    """Made, cached, changed, brought back, kept, moved aside: as on the project's own file system."""
    project("run")
    assert (place / "deep/file.txt").read_text() == "1\n" and (
        place / "folder/in/member"
    ).read_text() == "in\n"
    assert (project.root / "all.txt").read_text() == "1\n1 own\n" and (
        place / "loose.txt"
    ).read_text() == "loose\n"
    project("plan", "--check")
    project("run", "-p", "x=2")
    assert (place / "deep/file.txt").read_text() == "2\n" and (
        place / "own/file.txt"
    ).read_text() == "2 own\n"
    (place / "deep/file.txt").write_text("by hand\n")
    (place / "folder/in/stray").write_text("mine\n")
    told = project("run")
    assert (place / "deep/file.txt").read_text() == "1\n" and sorted(os.listdir(place / "folder/in")) == [
        "member"
    ]
    kept = [path.read_text() for path in (project.root / ".mlorch/kept").rglob("*") if path.is_file()]
    assert "by hand\n" in kept and "mine\n" in kept, told
    shutil.rmtree(place / "folder")
    project("run")
    assert (place / "folder/in/member").read_text() == "in\n"
    project("verify")
    text = (project.root / "mlorch.yaml").read_text()
    (project.root / "mlorch.yaml").write_text(text.replace("deep/file.txt", "other/file.txt"))
    project("run")
    assert (place / "other/file.txt").read_text() == "1\n"
    assert not (place / "deep/file.txt").exists(), "what nothing declares any more is moved aside"
    assert not (place / "deep").exists() or str(project.root) not in str(place), (
        "and its empty folder goes too"
    )
    project("gc", "--yes")
    assert leftovers(project.root, place) == []


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_on_a_file_system_that_is_mounted_in_the_project(
    victim: Victim, tmp_path: Path, kind: str
) -> None:
    root = tmp_path / "project"
    with mounted(kind, root / "data", tmp_path):
        (root / "mlorch.yaml").write_text(PIPELINE.replace("PLACE", "data"))
        if kind != "bind":
            assert os.stat(root / "data").st_dev != os.stat(root).st_dev
        goes_round(Project(victim, root, tmp_path), root / "data")


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_outputs_in_an_allowed_folder_on_another_file_system(
    victim: Victim, tmp_path: Path, kind: str
) -> None:
    root, outside = tmp_path / "project", tmp_path / "outside"
    root.mkdir()
    with mounted(kind, outside, tmp_path):
        (root / "mlorch.toml").write_text(f'[paths]\nallow = ["{outside}"]\n')
        (root / "mlorch.yaml").write_text(PIPELINE.replace("PLACE", str(outside)))
        goes_round(Project(victim, root, tmp_path), outside)


@pytest.mark.parametrize("kind", ["tmpfs", "bind", "ext4"])
def test_an_output_that_is_a_mount_point(victim: Victim, tmp_path: Path, kind: str) -> None:
    """It can't change places with another folder: that is said, and what it holds stays as it was."""
    root = tmp_path / "project"
    text = "version: 1\nname: a\nsteps: {a: {run: 'echo x > ${{ outputs.o }}/x', outputs: {o: out/}}}\n"
    with mounted(kind, root / "out", tmp_path):
        (root / "mlorch.yaml").write_text(text)
        (root / "out" / "dear.txt").write_text("dear\n")
        project = Project(victim, root, tmp_path)
        done = project("run", code=8)
        assert "Traceback" not in done.told and "`out`" in done.told and "mount" in done.told, done
        assert (root / "out" / "dear.txt").read_text() == "dear\n" and not (root / "out" / "x").exists()
        project("verify")
    shutil.rmtree(root / "out")
    project("run")
    assert (root / "out" / "x").read_text() == "x\n" and leftovers(root) == []


def test_a_project_whose_root_is_a_link(victim: Victim, tmp_path: Path) -> None:
    """Also where the link leads elsewhere later, to a copy."""
    real, other, link = tmp_path / "real", tmp_path / "other", tmp_path / "link"
    real.mkdir()
    os.symlink(real, link)
    (link / "mlorch.yaml").write_text(PIPELINE.replace("PLACE", "data"))
    project = Project(victim, link, tmp_path)
    goes_round(project, link / "data")
    Project(victim, real, tmp_path)("plan", "--check")
    shutil.copytree(real, other, symlinks=True)
    link.unlink()
    os.symlink(other, link)
    (other / "all.txt").unlink()
    project("run")
    assert (other / "all.txt").read_text() == (real / "all.txt").read_text()
    project("verify")
