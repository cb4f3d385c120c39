"""The scripts behind the Makefile, with interpreters that are small shell scripts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Tuple

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"

INTERPRETER = """#!/bin/sh
case "$*" in
*version_info*) exit {old} ;;
*ensurepip*) exit {bare} ;;
*virtualenv*) exit 1 ;;
--version) echo "Python 3.99" ;;
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
*"pip install"*) echo "$*" >>"{log}" ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tools").mkdir()
    shutil.copy(str(TOOLS / "setup.sh"), str(tmp_path / "tools"))
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return tmp_path


def interpreter(project: Path, old: int = 0, bare: int = 0) -> str:
    path = project / "fake-python"
    path.write_text(INTERPRETER.format(old=old, bare=bare, log=project / "log"))
    path.chmod(0o755)
    return str(path)


def setup(project: Path, python: str, *extras: str) -> Tuple[int, str]:
    done = subprocess.run(
        ["sh", "tools/setup.sh", ".venv", *extras],
        cwd=project,
        env={"PATH": os.environ["PATH"], "PYTHON": python},
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    return done.returncode, done.stderr


def installs(project: Path) -> list:
    log = project / "log"
    return [line.split()[-1] for line in log.read_text().splitlines()] if log.exists() else []


def test_the_environment_is_made_once_and_again_when_pyproject_changes(project: Path) -> None:
    python = interpreter(project)
    code, said = setup(project, python, "dev", "examples")
    assert (code, installs(project)) == (0, [".[dev,examples]"])
    assert "making .venv with Python 3.99" in said
    assert setup(project, python, "dev", "examples") == (0, "")
    assert setup(project, python, "examples") == (0, "")
    assert installs(project) == [".[dev,examples]"]
    setup(project, python, "dev", "lint")
    assert installs(project)[1:] == [".[lint]"], "only what is missing"
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    setup(project, python, "dev")
    assert installs(project)[2:] == [".[dev]"]


def test_an_old_python_is_refused_with_the_way_to_name_another(project: Path) -> None:
    code, said = setup(project, interpreter(project, old=1), "dev")
    assert code == 1
    assert "is not a Python of 3.8 or later" in said
    assert "make PYTHON=" in said
    assert not (project / ".venv").exists()


def test_a_python_without_venv_names_the_package_to_install(project: Path) -> None:
    code, said = setup(project, interpreter(project, bare=1), "dev")
    assert code == 1
    assert "apt install python3-venv" in said
    assert not (project / ".venv").exists()


def test_a_version_is_found_only_if_it_runs(tmp_path: Path) -> None:
    version = "{}.{}".format(*sys.version_info[:2])
    shim = tmp_path / f"python{version}"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    real = tmp_path / "pyenv" / "versions" / f"{version}.1" / "bin"
    real.mkdir(parents=True)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYENV_ROOT": str(tmp_path / "pyenv")}
    command = ["sh", str(TOOLS / "find-python.sh"), version]
    assert subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode == 1
    (real / "python").symlink_to(sys.executable)
    found = subprocess.run(command, env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    assert found.stdout.strip() == str(real / "python")


@pytest.mark.parametrize(
    ("failures", "tests", "code"), [(0, 5, 0), (1, 5, 1), (0, 2, 1)], ids=["passed", "failed", "all skipped"]
)
def test_the_count_adds_up_and_fails_when_nothing_ran(
    tmp_path: Path, failures: int, tests: int, code: int
) -> None:
    suite = (
        f'<testsuites><testsuite tests="{tests}" failures="{failures}" errors="0" skipped="2"/></testsuites>'
    )
    (tmp_path / "a.xml").write_text(suite)
    command = [sys.executable, str(TOOLS / "count-tests.py"), str(tmp_path / "a.xml")]
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8")
    assert done.returncode == code
    assert done.stdout.splitlines()[-1] == f"tests in all: {tests - 2} ran, {failures} failed, 2 skipped"


def test_the_demo_prints_each_command_and_stops_at_the_wrong_exit_code(tmp_path: Path) -> None:
    script = f". {TOOLS}/demo-words.sh\nrun echo hello\nrun_expecting 1 false\nrun false\necho never\n"
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 1
    assert done.stdout == "\n$ echo hello\nhello\n\n$ false\n(exit 1, as it should be)\n\n$ false\n"
    assert "should have exited with 0, not 1" in done.stderr
