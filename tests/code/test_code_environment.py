"""Interpreters and installed distributions, read from files alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlorch.errors import EnvironmentFault
from mlorch.plan.code import find_interpreter
from mlorch.plan.code.markers import holds, marker_values, normal_name, read_requirement


def make(folder: Path, *names: str) -> Path:
    """An interpreter made of files: nothing in it could be run."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/false\n")
        path.chmod(0o755)
    return folder


def base(folder: Path, version: str) -> Path:
    make(folder, "bin/python" + version, f"lib/python{version}/os.py")
    (folder / "lib" / ("python" + version) / "site-packages").mkdir()
    return folder


def environment(folder: Path, text: str, version: str = "3.9") -> Path:
    make(folder, "bin/python")
    (folder / "lib" / ("python" + version) / "site-packages").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(text)
    return folder


@pytest.mark.parametrize(
    "text",
    [
        "home = {}/bin\nversion = 3.9.7\n",
        "home = {}/bin\nimplementation = CPython\nversion_info = 3.9.7.final.0\nversion = 20.1\n",
        "home = {}/bin\nuv = 0.4\nversion_info = 3.9.7\n",
        "home={}/bin\n",
    ],
)
def test_a_virtual_environment(tmp_path: Path, text: str) -> None:
    base(tmp_path / "base", "3.9")
    environment(tmp_path / "p" / ".venv", text.format(tmp_path / "base"))
    found = find_interpreter(str(tmp_path / "p"), None, {})
    assert found.executable == str(tmp_path / "p" / ".venv" / "bin" / "python")
    assert (found.implementation, found.version) == ("cpython", "3.9")
    assert found.site_packages == (str(tmp_path / "p/.venv/lib/python3.9/site-packages"),)
    (tmp_path / "base" / "bin" / "python3").symlink_to("python3.9")
    found = find_interpreter(str(tmp_path / "p"), ".venv/bin/python", {})
    assert found.stdlib == str(tmp_path / "base/lib/python3.9")


def test_system_packages_where_the_environment_includes_them(tmp_path: Path) -> None:
    base(tmp_path / "base", "3.9")
    (tmp_path / "base" / "bin" / "python3").symlink_to("python3.9")
    text = "home = {}/bin\nversion = 3.9.7\ninclude-system-site-packages = true\n".format(tmp_path / "base")
    environment(tmp_path / "env", text)
    found = find_interpreter(str(tmp_path), "env", {})
    assert found.site_packages == (
        str(tmp_path / "env/lib/python3.9/site-packages"),
        str(tmp_path / "base/lib/python3.9/site-packages"),
    )


def test_the_order_setting_active_local_own(tmp_path: Path) -> None:
    for name, version in (("set", "3.8"), ("active", "3.9"), (".venv", "3.10")):
        environment(tmp_path / name, f"version = {version}.1\n", version)
    root = str(tmp_path)
    environ = {"VIRTUAL_ENV": str(tmp_path / "active")}
    assert find_interpreter(root, "set/bin/python", environ).version == "3.8"
    assert find_interpreter(root, None, environ).version == "3.9"
    assert find_interpreter(root, None, {}).version == "3.10"
    (tmp_path / "other").mkdir()
    own = find_interpreter(str(tmp_path / "other"), None, {})
    assert own.version == "{}.{}".format(*sys.version_info[:2])
    assert own.implementation == sys.implementation.name
    assert os.path.isfile(os.path.join(own.stdlib, "os.py"))


def test_conda_and_pypy_and_the_systems_own(tmp_path: Path) -> None:
    conda = base(tmp_path / "conda", "3.10")
    make(conda, "bin/python", "conda-meta/python-3.10.4-h1_0.json", "lib/python3.7/os.py")
    assert find_interpreter("/", str(conda / "bin" / "python"), {}).version == "3.10"
    make(tmp_path / "pypy", "bin/pypy3", "lib/pypy3.9/os.py")
    found = find_interpreter("/", str(tmp_path / "pypy/bin/pypy3"), {})
    assert (found.implementation, found.version) == ("pypy", "3.9")
    system = base(tmp_path / "usr", "3.11")
    base(tmp_path / "usr2", "3.12")
    (system / "bin" / "python3").symlink_to("python3.11")
    (system / "lib" / "python3" / "dist-packages").mkdir(parents=True)
    (tmp_path / "home/.local/lib/python3.11/site-packages").mkdir(parents=True)
    found = find_interpreter("/", str(system / "bin" / "python3"), {"HOME": str(tmp_path / "home")})
    assert found.version == "3.11"
    assert found.site_packages == (
        str(tmp_path / "home/.local/lib/python3.11/site-packages"),
        str(system / "lib/python3.11/site-packages"),
        str(system / "lib/python3/dist-packages"),
    )
    assert find_interpreter("/", "python3", {"PATH": str(system / "bin")}).version == "3.11"


def test_what_nothing_tells_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    make(tmp_path, "shims/python", "broken/pyvenv.cfg")
    (tmp_path / "broken" / "bin").mkdir()
    (tmp_path / "broken" / "bin" / "python").symlink_to("/no/such/interpreter")
    for python, environ, words in (
        ("shims/python", {}, "nothing tells the version"),
        ("gone/bin/python", {}, "is not there"),
        (None, {"VIRTUAL_ENV": str(tmp_path / "shims")}, "holds no bin/python"),
        ("broken", {}, "a link to one that was removed"),
    ):
        with pytest.raises(EnvironmentFault, match=words) as error:
            find_interpreter(str(tmp_path), python, environ)
        assert error.value.hint


def test_distributions_by_import_name_with_what_they_require(project: Any) -> None:
    project.install(
        "scikit-learn", "1.3", ["sklearn/__init__.py"], ["numpy>=1.17", 'pytest ; extra == "tests"', "joblib"]
    )
    project.install(
        "numpy",
        "1.26",
        ["numpy/__init__.py"],
        ['old ; python_version < "3"', 'new[fast]; python_version>="3.7"'],
    )
    project.install("new", "7", ["new.py"], ['extra-one ; extra == "fast"', 'extra-two ; extra == "slow"'])
    project.install("extra-one", "0.1", ["extra_one.py"])
    project.install("extra-two", "0.2", ["extra_two.py"])
    project.install("old", "0.3", ["old.py"])
    project.install("pytest", "7.0", ["pytest/__init__.py"])
    project.install("unrelated", "9", ["unrelated.py"])
    project.write("steps.py", "def f():\n    from sklearn.linear_model import Ridge\n")
    assert dict(project.call("steps:f").distributions) == {
        "scikit-learn": "1.3", "numpy": "1.26", "new": "7", "extra-one": "0.1",
    }  # fmt: skip


def test_distributions_that_share_a_namespace(project: Any) -> None:
    project.install("google-storage", "1", ["google/cloud/storage/__init__.py"])
    project.install("google-query", "2", ["google/cloud/query.py"])
    project.write("steps.py", "from google.cloud import storage\n")
    assert dict(project.call("steps:f").distributions) == {"google-storage": "1"}
    project.write("steps.py", "import google.cloud.query\n")
    assert dict(project.call("steps:f").distributions) == {"google-query": "2"}


def test_an_old_egg(project: Any) -> None:
    info = project.site / "Old_Thing-1.2-py3.11.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Name: Old-Thing\nVersion: 1.2\n\nwords\n")
    (info / "top_level.txt").write_text("oldthing\n")
    (info / "requires.txt").write_text("numpy\n\n[tests]\npytest\n")
    (project.site / "oldthing.py").write_text("")
    project.install("numpy", "1.26", ["numpy/__init__.py"])
    project.install("pytest", "7", ["pytest.py"])
    project.write("steps.py", "import oldthing\n")
    assert dict(project.call("steps:f").distributions) == {"old-thing": "1.2", "numpy": "1.26"}


def test_editable_installs_count_like_project_code(project: Any, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    make(outside, "src/one/__init__.py", "src/one/part.py", "two/__init__.py", "three.py")
    for name in ("src/one/__init__.py", "src/one/part.py", "two/__init__.py", "three.py"):
        (outside / name).write_text("x = 1\n")
    (outside / "src/one/__init__.py").write_text("from one import part\nimport numpy\n")
    (project.site / "_one.pth").write_text(f"# a comment\nimport os; raise SystemExit\n{outside}/src\n")
    (project.site / "__editable__.two.pth").write_text(
        "import __editable___two_finder; __editable___two_finder.install()\n"
    )
    (project.site / "__editable___two_finder.py").write_text(
        "raise SystemExit('must not be executed')\n"
        f"MAPPING: dict = {{'two': '{outside}/two', 'three': '{outside}/three'}}\n"
    )
    project.install("numpy", "1.26", ["numpy/__init__.py"])
    project.write("steps.py", "import one\nimport two\nimport three\n")
    reach = project.call("steps:f")
    expected = ["src/one/__init__.py", "src/one/part.py", "three.py", "two/__init__.py"]
    assert project.files(reach) == sorted([*(str(outside / name) for name in expected), "steps.py"])
    assert dict(reach.distributions) == {"numpy": "1.26"}
    names = [
        "editable:one/__init__.py",
        "editable:one/part.py",
        "editable:three.py",
        "editable:two/__init__.py",
    ]
    before = project.rows(reach)
    assert sorted(before) == sorted([*names, "numpy", "steps.py"])
    (outside / "src" / "one" / "part.py").write_text("x = 2\n")
    project.reader.forget()
    after = project.rows(project.call("steps:f"))
    assert {name for name in before if before[name] != after[name]} == {"editable:one/part.py"}


def test_an_editable_install_that_only_its_url_tells_of(project: Any, tmp_path: Path) -> None:
    make(tmp_path / "made here", "src/mine/__init__.py")
    (tmp_path / "made here" / "src/mine/__init__.py").write_text("x = 1\n")
    project.install("mine", "0.1.dev3+gabc")
    info = project.site / "mine-0.1.dev3+gabc.dist-info"
    url = "file://" + str(tmp_path / "made here").replace(" ", "%20")
    (info / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {"editable": True}}))
    project.write("steps.py", "import mine\n")
    reach = project.call("steps:f")
    assert project.files(reach) == [str(tmp_path / "made here" / "src/mine/__init__.py"), "steps.py"]
    assert dict(reach.distributions) == {}  # its version may change with every commit; its code counts


def test_the_same_project_elsewhere_has_the_same_rows(project: Any, tmp_path: Path) -> None:
    project.write("pkg/a.py", "import numpy\nfrom pkg import b\n")
    project.write("pkg/b.py", "x = 1\n")
    project.install("numpy", "1.26", ["numpy/__init__.py"])
    one = project.call_rows("pkg.a:f")
    moved = tmp_path / "moved"
    project.root.rename(moved)
    other = type(project)(tmp_path / "fresh")
    (tmp_path / "fresh" / "env").rename(tmp_path / "unused")
    for path in moved.iterdir():
        path.rename(tmp_path / "fresh" / path.name)
    other.reader.forget(installed=True)
    assert other.call_rows("pkg.a:f") == one


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("", True),
        ('python_version >= "3.8"', True),
        ('python_version < "3.8"', False),
        ('python_version<"3.10"', True),
        ('"3.9" == python_version', True),
        ('python_version == "3.*"', True),
        ('python_version ~= "3.7"', True),
        ('python_version != "3.9"', False),
        ('extra == "fast"', True),
        ('extra == "slow"', False),
        ('python_version < "3.8" or (extra == "Fast" and os_name == "posix")', True),
        ('sys_platform == "win32" and extra == "fast"', False),
        ('platform_python_implementation not in "PyPy Jython"', True),
        ('implementation_name in "pypy"', False),
        ('platform_release >= "5"', True),
        ("nonsense ==", True),
    ],
)
def test_markers(marker: str, expected: bool) -> None:
    assert holds(marker, marker_values("3.9", "cpython"), frozenset(["fast"])) is expected


def test_requirements_and_names() -> None:
    needed = read_requirement("Typing_Extensions[a, B.c] (>=1.0,<2) ; python_version < '3.8'")
    assert needed is not None
    assert (needed.name, needed.extras, needed.marker) == (
        "typing-extensions", frozenset(["a", "b-c"]), "python_version < '3.8'"
    )  # fmt: skip
    assert read_requirement("  ") is None
    assert normal_name("A__b.C") == "a-b-c"


def test_nothing_is_executed(project: Any) -> None:
    """Each of these files would leave a mark if anything of it ran."""
    mark = project.root / "mark"
    text = f"open({str(mark)!r}, 'w').close()\n"
    project.write("steps.py", text + "import pkg, third\nfrom pkg import *\ndef f(): pass\n")
    project.write("pkg/__init__.py", text)
    project.write("conftest.py", text)
    project.write("sitecustomize.py", text)
    project.install("third", "1", ["third.py"])
    (project.site / "third.py").write_text(text)
    (project.site / "x.pth").write_text("import third\n")
    project.call_rows("steps:f")
    project.run("python steps.py; python -m pkg; ./steps.py")
    assert not mark.exists()


@pytest.mark.parametrize("limited", ["code", "settings", "module"])
def test_what_can_not_be_looked_at_for_the_machine_is_not_taken_for_absent(
    tmp_path: Path, limited: str
) -> None:
    """Out of descriptors, in a process of its own: a key made of less than what is there would be another step's."""
    (tmp_path / "work.py").write_text("def f():\n    pass\n")
    (tmp_path / "mlorch.toml").write_text("[screen]\n")
    (tmp_path / "mlorch.yaml").write_text("version: 1\nname: a\nsteps: {a: {call: 'work:f'}}\n")
    script = f"""
import os, resource, sys
from mlorch.errors import MachineFault
from mlorch.model import FunctionRef
from mlorch.plan.code.listing import _read as listing
from mlorch.plan.code.reader import _read as code
from mlorch.settings import _read as settings
lowest = os.open("/dev/null", os.O_RDONLY)
os.close(lowest)
resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, lowest))
deeds = dict(code=lambda: code({str(tmp_path)!r}, "work.py", "x"), settings=lambda: settings({str(tmp_path)!r} + "/mlorch.toml"),
             module=lambda: listing({str(tmp_path)!r}))
try:
    print(deeds[{limited!r}]())
except MachineFault as fault:
    print("fault", fault.message, fault.hint)
"""
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert done.stdout.startswith("fault ") and "too many open files" in done.stdout
    assert "ulimit -n" in done.stdout
