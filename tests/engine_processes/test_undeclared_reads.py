"""The audit hook that notes project files which a process reads though its step does not declare them."""

from __future__ import annotations

import os
import sys
import time
from typing import Set, Tuple

import pytest
from launching import Bench

DECLARED = ("data/in.csv", "data/folder/", "out/model.bin", "main.py", "mod.py")


@pytest.fixture
def project(bench: Bench) -> Bench:
    """Files from before the step: the file system's clock has to have gone on."""
    for name in (
        "data/in.csv",
        "data/folder/deep/a.txt",
        "data/other.csv",
        "conf.yml",
        "history.log",
        "state.txt",
        ".git/HEAD",
        "env/site-packages/third.txt",
        "pkg.egg-info/PKG-INFO",
        "sub/__pycache__/x.txt",
        "out/model.bin",
        "mod.py",
    ):
        path = bench.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    (bench.root / "link.csv").symlink_to("data/other.csv")
    time.sleep(0.15)
    return bench


def reads(bench: Bench, script: str, declared: Tuple[str, ...] = DECLARED) -> Set[str]:
    """Marks with root-relative paths."""
    (bench.root / "main.py").write_text("import os, sys\n" + script)
    attempt = bench.attempt(
        sys.executable, "main.py", loaded_file=str(bench.root / ".mlorch/report"), declared=declared
    )
    (bench.root / ".mlorch").mkdir(exist_ok=True)
    ended = bench.do(attempt)
    assert ended.exit_code == 0, bench.log(attempt)
    return {record[0] + os.path.relpath(record[1:], bench.root) for record in ended.reads}


@pytest.mark.parametrize(
    "way",
    [
        "open('conf.yml').read()",
        "open(b'conf.yml', 'rb').read()",
        "open(os.path.abspath('conf.yml')).read()",
        "open('./data/../conf.yml').read()",
        "import pathlib; pathlib.Path('conf.yml').read_text()",
        "os.close(os.open('conf.yml', os.O_RDONLY))",
        "os.close(os.open(__import__('pathlib').Path('conf.yml'), os.O_RDONLY))",
        "open('conf.yml', 'r+').close()",
        "open('conf.yml', 'a+').close()",
        "os.chdir('data'); open('../conf.yml').read()",
        "import sqlite3; sqlite3.connect('conf.yml').close()",
        "open('conf.yml').read(); open('conf.yml', 'w').close()",
        "open('conf.yml', 'a').write('more'); open('conf.yml').read()",
        "os.fork() or (open('conf.yml').read(), os._exit(0)); os.wait()",
        "import subprocess; subprocess.check_call([sys.executable, '-c', \"open('conf.yml')\"])",
        "import threading; t = threading.Thread(target=lambda: open('conf.yml').read()); t.start(); t.join()",
        "open('conf.yml').read(); os.execv('/bin/true', ['true'])",
        "open('conf.yml').read(); os._exit(0)",
    ],
)
def test_every_way_to_read_a_file_is_seen(project: Bench, way: str) -> None:
    assert reads(project, way) == {"?conf.yml"}


@pytest.mark.parametrize(
    "way",
    [
        "open('data/in.csv').read(); open('data/folder/deep/a.txt').read()",
        "open(os.path.abspath('data/in.csv')).read(); open(os.path.realpath('data/folder/deep/a.txt')).read()",
        "os.chdir('data'); open('in.csv').read(); open('folder/deep/a.txt').read()",
        "open('out/model.bin').read(); open('main.py').read()",
        "import mod, json, sqlite3; open('mod.py').read()",
        "open('.git/HEAD').read(); open('env/site-packages/third.txt').read()",
        "open('pkg.egg-info/PKG-INFO').read(); open('sub/__pycache__/x.txt').read()",
        "os.listdir('data'); list(os.scandir('.')); list(os.walk('.')); os.stat('conf.yml')",
        "open('new.txt', 'w').write('mine'); open('new.txt').read()",
        "open('conf.yml', 'w').write('mine'); open('conf.yml').read()",
        "open('new.txt', 'a').write('mine'); open('new.txt').read()",
        "open('history.log', 'a').write('more')",
        "os.close(os.open('data', os.O_RDONLY))",
        "open('/etc/hostname' if os.path.exists('/etc/hostname') else '/etc/passwd').read(); open(os.devnull).read()",
        "os.path.exists('nothing.yml') or None\ntry:\n    open('nothing.yml')\nexcept OSError:\n    pass",
        "r, w = os.pipe(); os.write(w, b'x'); open(r, 'rb').close()",
        "import tempfile; tempfile.TemporaryFile(dir='.').close()",
    ],
)
def test_what_is_declared_or_nobodys_business_is_not_named(project: Bench, way: str) -> None:
    assert reads(project, way) == set()


def test_a_file_that_another_program_made_meanwhile_has_a_mark_of_its_own(project: Bench) -> None:
    made = (
        "os.system('echo x > new.txt; cp conf.yml copy.yml'); open('new.txt').read(); open('copy.yml').read()"
    )
    assert reads(project, made) == {"+new.txt", "+copy.yml"}


def test_one_path_is_noted_once_and_not_more_than_fifty(project: Bench) -> None:
    for number in range(80):
        (project.root / f"many-{number}.txt").write_text("x")
    time.sleep(0.15)  # else they were as young as the step
    again = "for i in range(80): open(f'many-{i % 3}.txt').read()"
    assert len(reads(project, again)) == 3
    assert len(reads(project, "for i in range(80): open(f'many-{i}.txt').read()")) == 50


def test_very_many_declared_files_stand_for_their_folders(project: Bench) -> None:
    many = ("main.py", *(f"data/{number}.csv" for number in range(2000)))
    assert reads(project, "open('data/other.csv').read(); open('conf.yml').read()", many) == {"?conf.yml"}


def test_nobody_asks(project: Bench) -> None:
    (project.root / "main.py").write_text("open('conf.yml').read()")
    report = str(project.root / "report")
    ended = project.do(project.attempt(sys.executable, "main.py", loaded_file=report))
    assert ended.reads == () and ended.modules is not None


def test_a_hook_never_breaks_what_it_looks_at(project: Bench) -> None:
    """Odd arguments get Python's own errors, and a folder that is gone is no reason to fail."""
    script = (
        "import shutil\n"
        "for odd in ('\\0', b'\\xff', 3.5, None, [], 99999, ''):\n"
        "    try:\n        open(odd)\n"
        "    except (OSError, ValueError, TypeError) as error:\n        print(type(error).__name__)\n"
        "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"
        "try:\n    open('x')\nexcept FileNotFoundError:\n    print('fine')\n"
    )
    assert reads(project, script) == set()
