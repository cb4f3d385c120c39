"""Which files an import leads to."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, List

import pytest


def test_every_form_of_import_is_followed(project: Any) -> None:
    project.write(
        "steps.py",
        """
        import pkg.deep.one
        from pkg import two
        from pkg.three import name
        try:
            import four
        except ImportError:
            four = None
        def train():
            import five
            if five:
                from .six import x
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            import seven
        class A:
            import eight
        import not_there
        """,
    )
    for name in ("pkg/__init__", "pkg/deep/__init__", "pkg/deep/one", "pkg/two", "pkg/three", "pkg/unused"):
        project.write(name + ".py")
    for name in ("four", "five", "six", "seven", "eight", "nine"):
        project.write(name + ".py")
    assert project.files(project.call("steps:train")) == [
        "eight.py", "five.py", "four.py", "pkg/__init__.py", "pkg/deep/__init__.py", "pkg/deep/one.py",
        "pkg/three.py", "pkg/two.py", "seven.py", "six.py", "steps.py",
    ]  # fmt: skip


def test_relative_imports_and_parents(project: Any) -> None:
    project.write("a/__init__.py")
    project.write("a/b/__init__.py")
    project.write("a/b/c.py", "from . import d\nfrom .. import e\nfrom ..f.g import h\n")
    project.write("a/b/d.py")
    project.write("a/e.py")
    project.write("a/f/g.py")
    reach = project.call("a.b.c:run")
    assert project.files(reach) == [
        "a/__init__.py",
        "a/b/__init__.py",
        "a/b/c.py",
        "a/b/d.py",
        "a/e.py",
        "a/f/g.py",
    ]


def test_namespaces_and_cycles(project: Any) -> None:
    project.write("space/one.py", "import space.two\n")
    project.write("space/two.py", "from space import one\n")
    assert project.files(project.call("space.one:f")) == ["space/one.py", "space/two.py"]


def test_a_regular_package_wins_over_a_namespace_of_the_project(project: Any) -> None:
    project.write("yaml/config.py")
    project.write("steps.py", "import yaml.config\n")
    assert project.files(project.call("steps:f")) == ["steps.py", "yaml/config.py"]
    project.install("PyYAML", "6.0", ["yaml/__init__.py"])
    reach = project.call("steps:f")
    assert project.files(reach) == ["steps.py"]
    assert reach.distributions == {"pyyaml": "6.0"}


def test_a_star_import_takes_the_submodules_that_are_listed(project: Any) -> None:
    project.write("pkg/__init__.py", "__all__ = ['one']\n")
    project.write("pkg/one.py")
    project.write("pkg/two.py")
    project.write("steps.py", "from pkg import *\n")
    assert project.files(project.call("steps:f")) == ["pkg/__init__.py", "pkg/one.py", "steps.py"]


def test_a_constant_import_module_is_followed(project: Any) -> None:
    project.write("plugins/one.py")
    project.write("steps.py", "import importlib\nimportlib.import_module('plugins.one')\n")
    assert project.files(project.call("steps:f")) == ["plugins/one.py", "steps.py"]


def test_a_script_sees_its_own_folder_first_and_the_root_only_as_a_guess(project: Any) -> None:
    project.write("scripts/fit.py", "import helper\nimport tools\nimport sibling\n")
    project.write("scripts/helper.py")
    project.write("helper.py")
    project.write("tools.py")
    project.write("src/sibling.py")
    assert project.files(project.run("python scripts/fit.py")) == [
        "scripts/fit.py", "scripts/helper.py", "src/sibling.py", "tools.py",
    ]  # fmt: skip


def test_the_project_shadows_the_standard_library_and_the_standard_library_shadows_packages(
    project: Any,
) -> None:
    project.write("steps.py", "import random\nimport json\n")
    project.install("json", "1.0", ["json/__init__.py"])
    reach = project.call("steps:f")
    assert (project.files(reach), dict(reach.distributions)) == (["steps.py"], {})
    project.write("random.py")
    assert project.files(project.call("steps:f")) == ["random.py", "steps.py"]


def test_a_module_counts_as_soon_as_it_is_there(project: Any) -> None:
    project.write("steps.py", "try:\n    import fast\nexcept ImportError:\n    pass\n")
    before = project.call_rows("steps:f")
    project.write("fast.py", "x = 1\n")
    after = project.call_rows("steps:f")
    assert sorted(before) == ["steps.py"]
    assert sorted(after) == ["fast.py", "steps.py"]


def test_extension_modules_count_by_content(project: Any) -> None:
    project.write("steps.py", "import fast\n")
    project.write("fast.cpython-311-x86_64-linux-gnu.so", "one")
    before = project.call_rows("steps:f")
    project.write("fast.cpython-311-x86_64-linux-gnu.so", "two")
    after = project.call_rows("steps:f")
    assert sorted(before) == ["fast.cpython-311-x86_64-linux-gnu.so", "steps.py"]
    assert before["steps.py"] == after["steps.py"]
    assert before != after


def test_pythonpath_declared_or_in_the_command(project: Any) -> None:
    project.write("lib/helper.py")
    project.write("jobs/fit.py", "import helper\n")
    assert project.files(project.run("python jobs/fit.py", pythonpath=("lib",))) == [
        "jobs/fit.py",
        "lib/helper.py",
    ]
    assert project.files(project.run("PYTHONPATH=lib python jobs/fit.py")) == ["jobs/fit.py", "lib/helper.py"]
    assert project.files(project.run("env PYTHONPATH=lib python jobs/fit.py")) == [
        "jobs/fit.py",
        "lib/helper.py",
    ]


def test_imports_of_syntax_that_is_too_new_are_found_by_tokens(project: Any) -> None:
    project.write("one.py")
    project.write("two.py")
    project.write("pkg/three.py")
    project.write(
        "steps.py", "import one; import two\nmatch x\n    nonsense ::\n    from pkg import (\n   three)\n"
    )
    reach = project.call("steps:f")
    assert project.files(reach) == ["one.py", "pkg/three.py", "steps.py", "two.py"]
    assert len(reach.warnings) == 1
    assert "steps.py:2 can't be parsed by the Python" in reach.warnings[0]


@pytest.mark.parametrize("how", ["call", "module", "script"])
def test_the_same_files_as_python_itself_loads(project: Any, how: str) -> None:
    """The oracle is Python: what it loads of the project is what the reader reaches."""
    project.write("pkg/__init__.py", "from . import base\n")
    project.write("pkg/base.py", "import pkg.util.text as text\n")
    project.write("pkg/util/__init__.py", "from .numbers import *\n")
    project.write("pkg/util/text.py", "from ..late import f\n")
    project.write("pkg/util/numbers.py", "n = 1\n")
    project.write("pkg/late.py", "def f():\n    return 1\n")
    project.write("pkg/main.py", "from pkg import base\nimport other\n\ndef f():\n    return 1\n")
    project.write("pkg/never.py")
    project.write("other.py")
    project.write("top.py", "import pkg.main\n")
    command = {
        "call": ["-c", "import sys; sys.path.insert(0, ''); import pkg.main"],
        "module": ["-m", "pkg.main"],
        "script": ["top.py"],
    }[how]
    reach = {
        "call": lambda: project.call("pkg.main:f"),
        "module": lambda: project.run("python -m pkg.main"),
        "script": lambda: project.run("python top.py"),
    }[how]()
    script = ["top.py"] if how == "script" else []  # Python forgets the file of a script before it ends
    assert project.files(reach) == sorted(loaded_files(project, command) + script)


def loaded_files(project: Any, command: List[str]) -> List[str]:
    report = (
        "import sys, os, atexit\n"
        "def tell():\n"
        f"    root = {str(project.root)!r} + '/'\n"
        "    files = {getattr(m, '__file__', None) or '/' for m in list(sys.modules.values())}\n"
        "    paths = [os.path.abspath(f) for f in files]\n"
        "    print(*sorted(p[len(root):] for p in paths if p.startswith(root)))\n"
        "atexit.register(tell)\n"
    )
    hooks = project.root.parent / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(report)
    answer = subprocess.run(
        [sys.executable, *command],
        cwd=str(project.root),
        env={"PYTHONPATH": str(hooks), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return answer.stdout.decode().split()
