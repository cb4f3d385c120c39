"""The hook that notes which project modules a `run` step loads: complete, harmless, unseen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Optional, Set, Tuple

import pytest
from launching import Bench

from mlorch.engine.environment import MODULES


def loaded(bench: Bench, script: str, *argv: str) -> Tuple[Optional[Set[str]], str]:
    """Run a Python script as a step; the modules that it loaded (root-relative) and its log."""
    (bench.root / "main.py").write_text(script)
    attempt = bench.attempt(sys.executable, *(argv or ("main.py",)), loaded_file=str(bench.root / "report"))
    ended = bench.do(attempt)
    if ended.modules is None:
        return None, bench.log(attempt)
    return {os.path.relpath(path, bench.root) for path in ended.modules}, bench.log(attempt)


@pytest.fixture
def project(bench: Bench) -> Bench:
    for name in ("pkg/__init__.py", "pkg/a.py", "pkg/b.py", "single.py"):
        (bench.root / name).parent.mkdir(exist_ok=True)
        (bench.root / name).write_text("")
    installed = bench.root / "env" / "site-packages" / "third.py"
    installed.parent.mkdir(parents=True)
    installed.write_text("")
    return bench


def test_imports_however_the_process_ends(project: Bench) -> None:
    ways = [
        "",
        "import os; os._exit(0)",
        "import os; os.kill(os.getpid(), 9)",
        "raise SystemExit(3)",
        "1 / 0",
    ]
    for way in ways:
        found, _ = loaded(project, "import pkg.a\nimport single\n" + way)
        assert found is not None
        assert found - {"main.py"} == {"pkg/__init__.py", "pkg/a.py", "single.py"}, way


def test_forks_spawns_and_started_pythons_are_noted(project: Bench) -> None:
    script = (
        "import os, subprocess, sys\nif os.fork() == 0:\n    import pkg.a\n    os._exit(0)\nos.wait()\n"
        "subprocess.check_call([sys.executable, '-c', 'import pkg.b'])\n"
    )
    assert loaded(project, script)[0] == {"main.py", "pkg/__init__.py", "pkg/a.py", "pkg/b.py"}


def test_pickles_bring_modules_along(project: Bench) -> None:
    (project.root / "pkg" / "a.py").write_text("class Model:\n    pass\n")
    make = "import pickle, pkg.a\npickle.dump(pkg.a.Model(), open('model.pkl', 'wb'))\n"
    assert loaded(project, make)[0] is not None
    found, _ = loaded(project, "import pickle\npickle.load(open('model.pkl', 'rb'))\n")
    assert found == {"main.py", "pkg/__init__.py", "pkg/a.py"}


def test_installed_packages_and_the_standard_library_are_not_noted(project: Bench) -> None:
    script = "import sys\nsys.path.append('env/site-packages')\nimport third, json, yaml, mlorch\n"
    assert loaded(project, script)[0] == {"main.py"}


def test_modules_by_another_finder_are_noted_at_the_end(project: Bench) -> None:
    script = (
        "import importlib.util, sys\nspec = importlib.util.spec_from_file_location('odd', 'pkg/b.py')\n"
        "sys.modules['odd'] = importlib.util.module_from_spec(spec)\n"
    )
    assert loaded(project, script)[0] == {"main.py", "pkg/b.py"}


def test_a_step_finds_its_path_as_without_us(project: Bench) -> None:
    show = "import sys\nprint(sys.path, sys.argv, 'mlorch_imports' in [m for m in sys.modules if m.startswith('site')])\n"
    _, with_hook = loaded(project, show)
    env = {
        name: value
        for name, value in project.attempt("x").env.items()
        if name not in ("PYTHONPATH", "MLORCH_LOADED")
    }
    plain = subprocess.run(
        [sys.executable, "main.py"], cwd=project.root, env=env, capture_output=True, text=True
    )
    assert with_hook == plain.stdout


def test_the_users_own_sitecustomize_still_runs(project: Bench) -> None:
    (project.root / "custom").mkdir()
    (project.root / "custom" / "sitecustomize.py").write_text("import builtins\nbuiltins.MARK = __name__\n")
    (project.root / "main.py").write_text("import sitecustomize\nprint(MARK, sitecustomize.__file__)\n")
    attempt = project.attempt(
        sys.executable,
        "main.py",
        loaded_file=str(project.root / "report"),
        env={"PYTHONPATH": str(project.root / "custom")},
    )
    assert attempt.env["PYTHONPATH"] == f"{MODULES}:{project.root / 'custom'}"
    assert project.do(attempt).exit_code == 0
    assert project.log(attempt) == f"sitecustomize {project.root / 'custom' / 'sitecustomize.py'}\n"


@pytest.mark.parametrize("content", [None, b"", b"other/9\0/root\0", b"\xff" * 40])
def test_a_missing_or_foreign_report_harms_nothing(tmp_path: Path, content: Optional[bytes]) -> None:
    report = tmp_path / "report"
    if content is not None:
        report.write_bytes(content)
    env: Dict[str, str] = {"PYTHONPATH": MODULES, "MLORCH_LOADED": str(report)}
    done = subprocess.run(
        [sys.executable, "-c", "import json; print(1)"], env=env, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)
    assert (report.read_bytes() if content is not None else None) == content


def test_a_report_that_cannot_be_written_harms_nothing(project: Bench) -> None:
    script = "import os\nos.remove(os.environ['MLORCH_LOADED'])\nimport pkg.a\nprint('fine')\n"
    found, log = loaded(project, script)
    assert found is None and log == "fine\n"


def test_without_python_nothing_is_loaded(project: Bench) -> None:
    attempt = project.attempt("true", loaded_file=str(project.root / "report"))
    assert project.do(attempt).modules == ()
    assert project.sh("true").modules is None


def test_many_processes_append_whole_records(project: Bench) -> None:
    names: List[str] = [f"m{number}" for number in range(40)]
    for name in names:
        (project.root / f"{name}.py").write_text("")
    script = (
        "import os\nfor start in range(8):\n    if os.fork() == 0:\n"
        "        for n in range(40):\n            __import__('m%d' % ((n + start * 5) % 40))\n        os._exit(0)\n"
        "for _ in range(8):\n    os.wait()\n"
    )
    assert loaded(project, script)[0] == {"main.py", *(f"{name}.py" for name in names)}
