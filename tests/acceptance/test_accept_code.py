"""What counts as code: a change executes exactly what depends on it, and what is no change executes nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Dict, Set

import pytest
from kit import Project

APP = {
    "app/__init__.py": "",
    "app/train.py": """
        from app.model import Model


        def train(out):
            out.write_text(Model().fit())


        def unused(out):
            return "never called"
        """,
    "app/model.py": """
        from app.base import Base
        from app.deco import shout


        class Model(Base):
            @shout
            def fit(self, times=2):
                return self.word() * times
        """,
    "app/base.py": """
        from .deep.far import letter


        class Base:
            def word(self):
                return letter() + "-"
        """,
    "app/deep/__init__.py": "",
    "app/deep/far.py": """
        LIMIT = 3


        def letter():
            return "abcdefg"[LIMIT]
        """,
    "app/deco.py": """
        def shout(function):
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs) + "!"

            return wrapper
        """,
    "app/score.py": """
        def score(out):
            out.write_text("1")


        def later(text):
            return text
        """,
    "script.py": "import sys\n\nfrom app.deep import far\n\nopen(sys.argv[1], 'w').write(far.letter())\n",
    "words.txt": "one two\n",
    "unrelated.py": "X = 1\n",
}
STEPS = """
params: {tail: 1}
steps:
  train: {call: "app.train:train", outputs: {out: out/model.txt}}
  use:
    run: cat ${{ inputs.m }} > ${{ outputs.o }}; echo ${{ params.tail }}
    inputs: {m: "${{ steps.train.outputs.out }}"}
    outputs: {o: out/use.txt}
  score: {call: "app.score:score", outputs: {out: out/score.txt}}
  script: {run: "python script.py ${{ outputs.o }}", outputs: {o: out/script.txt}}
  words: {run: "sort words.txt > ${{ outputs.o }}", outputs: {o: out/words.txt}}
  list: {run: "cp ${{ inputs.all }} ${{ outputs.o }}", inputs: {all: data/*.csv}, outputs: {o: out/list/}}
"""


def fill(project: Project) -> None:
    project.files(dict(APP))
    project.files({"data/b.csv": "2", "data/a.csv": "1"})
    project.pipeline(STEPS)


def outputs(project: Project) -> Dict[str, bytes]:
    return {path: content for path, content in project.tree().items() if path.startswith("out/")}


# --------------------------------------------------------------------------------------------- the same project elsewhere


def git(project: Project, *arguments: str) -> None:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *arguments], cwd=str(project.root), env=env, check=True, capture_output=True)


def test_a_copy_at_another_path_with_other_times_executes_nothing(project: Project, tmp_path: Path) -> None:
    fill(project)
    first = project.run()
    copy = project.copy(tmp_path / "else where" / "deep" / "copy")
    for path in copy.root.rglob("*"):
        if not path.is_symlink():
            os.utime(str(path), (1_000_000_000, 1_000_000_000))
    before = {
        path: os.stat(str(path)).st_mtime_ns for path in copy.root.rglob("*") if ".mlorch" not in path.parts
    }
    ran = copy.run()
    assert ran.executed == set() and set(ran.outcomes.values()) == {"cached"}
    assert {path: os.stat(str(path)).st_mtime_ns for path in before} == before, (
        "a run that does nothing changes nothing"
    )
    assert outputs(copy) == outputs(project)
    assert {item.instance: item.outputs for item in ran.summary.outcomes} == {
        item.instance: item.outputs for item in first.summary.outcomes
    }
    shutil.rmtree(str(copy.root / ".mlorch" / "cache"), ignore_errors=True)
    for index in copy.root.glob(".mlorch/*.sqlite*"):
        index.unlink()
    assert copy.run().executed == set(), "the index and the caches can be deleted at any time"


def test_a_clone_with_the_store_executes_nothing_and_restores_the_outputs(
    project: Project, tmp_path: Path
) -> None:
    fill(project)
    project.write(".gitignore", ".mlorch/\nout/\n__pycache__/\n")
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "all")
    project.run()
    clone = Project(tmp_path / "clone")
    git(clone, "clone", "-q", str(project.root), str(clone.root))
    shutil.copytree(str(project.root / ".mlorch"), str(clone.root / ".mlorch"), symlinks=True)
    assert not clone.exists("out")
    assert set(clone.planned().values()) == {"cached"}
    ran = clone.run()
    assert ran.executed == set() and set(ran.outcomes.values()) == {"cached"}
    assert outputs(clone) == outputs(project) and len(outputs(clone)) == 7
    clone.write("app/deep/far.py", "LIMIT = 4\n\n\ndef letter():\n    return 'abcdefg'[LIMIT]\n")
    assert clone.run().executed == {"train", "use", "script"}
    assert project.run().executed == set(), "the first project has not noticed"


def test_a_param_set_back_executes_nothing(project: Project) -> None:
    fill(project)
    project.run()
    old = outputs(project)
    assert project.run(params=("tail=2",)).executed == {"use"}
    assert project.run(params=("tail=3",)).executed == {"use"}
    assert project.run().executed == set()
    assert project.run(params=("tail=2",)).executed == set()
    assert outputs(project) == old
    project.write("app/deep/far.py", APP["app/deep/far.py"].replace("LIMIT = 3", "LIMIT = 5"))
    assert project.run().executed == {"train", "use", "script"}
    project.write("app/deep/far.py", APP["app/deep/far.py"])
    assert project.run().executed == set(), "code taken back"
    assert outputs(project) == old


# -------------------------------------------------------------------------------------------------------- no change at all

TIDY = '''
"""Words."""

import os

TABLE = {"a": 1, "b": 2, "c": [1, 2, 3]}


class Reader:
    """Reads words.

    One at a time.
    """

    def read(self, path, *, strict=False, encoding="utf-8"):
        """Give the words."""
        with open(path, encoding=encoding) as file:
            text = file.read()
        if strict and not text:
            raise ValueError("empty")
        return [word for word in text.split() if word not in TABLE]


def count(words, out):
    out.write_text(str(len(Reader().read(words)) + TABLE["a"]) + os.linesep)
'''
FORMATTED = '''#!/usr/bin/env python
# -*- coding: utf-8 -*-
# A licence of many words.
\'\'\'Words.\'\'\'
import os
TABLE = { 'a' : 0x1,
          'b' : 2,  # two
          'c' : [
              1, 2,
              3,
          ], }
class Reader :

      """Reads words.

      One at a time.
      """
      def read(
            self, path, * , strict = False,
            encoding = 'utf' '-8',
      ) :
            """Give the words."""
            with open( path , encoding = encoding ) as file : text = file.read()
            if ( strict and not text ) : raise ValueError( "empty" )
            return [ word
                     for word in text.split()
                     if (word not in TABLE) ]
# fmt: off
def count(words,out): out.write_text(str(len(Reader().read(words))+TABLE['a'])+os.linesep); # that is all
'''


def test_comments_and_a_formatter_execute_nothing(project: Project) -> None:
    project.files(
        {
            "lib.py": TIDY,
            "words.txt": "a x y\n",
            "s.py": "import lib, sys, pathlib\nlib.count('words.txt', pathlib.Path(sys.argv[1]))\n",
        }
    )
    project.pipeline(
        """
        steps:
          called: {call: "lib:count", inputs: {words: words.txt}, outputs: {out: a.txt}}
          started: {run: "python s.py ${{ outputs.o }}", inputs: {words: words.txt}, outputs: {o: b.txt}}
        """
    )
    project.run()
    assert (project.read("a.txt"), project.read("b.txt")) == ("3\n", "3\n")
    versions = [
        TIDY + "\n# the end\n",
        TIDY.replace("\n", "\r\n"),
        TIDY.replace("    ", "\t"),
        FORMATTED,
        "\ufeff" + TIDY,
    ]
    for text in versions:
        project.write("lib.py", text.encode("utf-8"))
        assert project.run().executed == set(), text
    project.write("lib.py", FORMATTED.replace("0x1", "0x2").encode("utf-8"))
    assert project.run().executed == {"called", "started"}
    assert (project.read("a.txt"), project.read("b.txt")) == ("4\n", "4\n")


# ------------------------------------------------------------------------------------------------- exactly what depends on it

MODEL, BOTH = {"train", "use"}, {"train", "use", "script"}
EDITS = [
    ("a function three imports away", "app/deep/far.py", '"abcdefg"', '"ABCDEFG"', BOTH),
    ("a constant three imports away", "app/deep/far.py", "LIMIT = 3", "LIMIT = 4", BOTH),
    ("a base class", "app/base.py", '"-"', '"+"', MODEL),
    ("a decorator", "app/deco.py", '"!"', '"?"', MODEL),
    ("a default argument", "app/model.py", "times=2", "times=3", MODEL),
    ("the function itself", "app/train.py", "Model().fit()", "Model().fit() + 'own'", MODEL),
    ("another step's function", "app/score.py", 'write_text("1")', 'write_text("2")', {"score"}),
    ("a package's __init__", "app/__init__.py", "", "ORDER = [1]\n", {"train", "score", "script"}),
    ("a text that a command names", "words.txt", "two", "three", {"words"}),
    ("an input's content", "data/b.csv", "2", "3", {"list"}),
    ("an unused function of a shared file", "app/train.py", "never called", "still never called", set()),
    ("an unused function of another file", "app/score.py", "return text", "return text + text", set()),
    ("a module that nobody imports", "unrelated.py", "X = 1", "X = 2", set()),
]


CLEAN = {"a function three imports away", "a decorator", "an input's content"}
"""Edits whose outputs are compared with a build from nothing."""


def test_an_edit_executes_exactly_what_depends_on_it(project: Project) -> None:
    fill(project)
    project.run()
    for what, path, old, new, expected in EDITS:
        text = project.read(path)
        assert old in text, what
        project.write(path, text.replace(old, new) if old else new)
        planned = project.planned()
        cached = {name for name, action in planned.items() if action == "cached"}
        certain = {name for name, action in planned.items() if action == "run"}
        assert not cached & expected and certain <= expected, what
        ran = project.run()
        assert ran.executed == expected, what
        if what in CLEAN:
            clean = Project(project.root.parent / what)
            for name, content in project.tree().items():
                if not name.startswith("out/") and "__pycache__" not in name:
                    clean.write(name, content)
            clean.run()
            assert outputs(project) == outputs(clean), what
        project.write(path, text)
        assert project.run().executed == set(), what + ", taken back"


PICKLE_STEPS = """
steps:
  called: {call: "load:load", inputs: {model: model.pkl}, outputs: {out: a.txt}}
  started:
    run: python load.py ${{ inputs.model }} ${{ outputs.out }}
    inputs: {model: model.pkl}
    outputs: {out: b.txt}
  other: {run: "wc -c < ${{ inputs.model }} > ${{ outputs.out }}", inputs: {model: model.pkl}, outputs: {out: c.txt}}
"""


def test_a_module_that_only_a_pickle_brings_along_counts(project: Project) -> None:
    project.files(
        {
            "hidden/__init__.py": "",
            "hidden/net.py": """
                from hidden.more import FACTOR


                class Net:
                    def predict(self):
                        return str(self.w * FACTOR)
                """,
            "hidden/more.py": "FACTOR = 2\n",
            "hidden/unused.py": "FACTOR = 5\n",
            "load.py": """
                import pathlib
                import pickle
                import sys


                def load(model, out):
                    out.write_text(pickle.loads(pathlib.Path(model).read_bytes()).predict())


                if __name__ == "__main__":
                    load(sys.argv[1], pathlib.Path(sys.argv[2]))
                """,
        }
    )
    make = "import pickle, hidden.net as n; m = n.Net(); m.w = 21; open('model.pkl', 'wb').write(pickle.dumps(m, 2))"
    subprocess.run([sys.executable, "-c", make], cwd=str(project.root), check=True)
    project.pipeline(PICKLE_STEPS)
    ran = project.run()
    assert project.read("a.txt") == project.read("b.txt") == "42"
    assert project.run().executed == set()
    project.write("hidden/more.py", "FACTOR = 3\n")
    ran = project.run()
    assert ran.executed == {"called", "started"}, "and not the step that reads the pickle without Python"
    assert project.read("a.txt") == project.read("b.txt") == "63"
    project.write("hidden/unused.py", "FACTOR = 6\n")
    assert project.run().executed == set()
    project.write("hidden/more.py", "FACTOR = 2\n")
    assert project.run().executed == set(), "set back: the older record holds again"
    assert project.read("a.txt") == project.read("b.txt") == "42"


# -------------------------------------------------------------------------------------------------------- installed packages


class Environment:
    """A virtual environment of the project's own, with packages that are written straight into it."""

    def __init__(self, root: Path) -> None:
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", str(root)], check=True, capture_output=True
        )
        self.site = next(root.glob("lib/python*/site-packages"))

    def install(self, name: str, version: str, source: str, requires: str = "") -> None:
        for old in self.site.glob(name + "-*.dist-info"):
            shutil.rmtree(str(old))
        (self.site / name).mkdir(exist_ok=True)
        (self.site / name / "__init__.py").write_text(source)
        info = self.site / f"{name}-{version}.dist-info"
        info.mkdir()
        needs = f"Requires-Dist: {requires}\n" if requires else ""
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        (info / "RECORD").write_text(f"{name}/__init__.py,,\n")


@pytest.fixture
def environment(project: Project, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.delenv("VIRTUAL_ENV")
    return Environment(project.root / ".venv")


def test_the_version_of_an_imported_package_counts(project: Project, environment: Environment) -> None:
    environment.install("tinydep", "1.0", "N = 1\n")
    environment.install("tinypkg", "1.0", "from tinydep import N\nHALF = N / 2\n", requires="tinydep>=1")
    environment.install("bystander", "1.0", "")
    project.files(
        {
            "helper.py": "from tinypkg import HALF\n",
            "lib.py": "import helper\n\n\ndef f(out):\n    out.write_text(str(helper.HALF))\n",
            "plain.py": "def f(out):\n    out.write_text('plain')\n",
            "script.py": "import sys\n\nimport tinydep\n\nopen(sys.argv[1], 'w').write(str(tinydep.N))\n",
        }
    )
    project.pipeline(
        """
        steps:
          called: {call: "lib:f", outputs: {out: a.txt}}
          started: {run: "python script.py ${{ outputs.out }}", outputs: {out: b.txt}}
          plain: {call: "plain:f", outputs: {out: c.txt}}
          shell: {run: "echo x > ${{ outputs.out }}", outputs: {out: d.txt}}
        """
    )
    project.run()
    assert (project.read("a.txt"), project.read("b.txt")) == ("0.5", "1")
    environment.install("bystander", "2.0", "")
    assert project.run().executed == set(), "nobody imports it"
    environment.install("tinypkg", "1.1", "from tinydep import N\nHALF = N * 2 * 1\n", requires="tinydep>=1")
    assert project.run().executed == {"called"}
    assert project.read("a.txt") == "2"
    environment.install("tinydep", "1.1", "N = 2 + 2\n")
    ran = project.run()
    assert ran.executed == {"called", "started"}, "one imports it, the other needs it through a package"
    assert (project.read("a.txt"), project.read("b.txt")) == ("8", "4")
    environment.install("tinydep", "1.0", "N = 1\n")
    environment.install("tinypkg", "1.0", "from tinydep import N\nHALF = N / 2\n", requires="tinydep>=1")
    assert project.run().executed == set(), "the old versions again"
    assert (project.read("a.txt"), project.read("b.txt")) == ("0.5", "1")


# ------------------------------------------------------------------------------------------------- while a step runs


def test_a_script_saved_while_its_step_runs_is_never_taken_for_the_one_that_ran(project: Project) -> None:
    def script(word: str, late: str) -> None:
        project.write(
            "work.py",
            f"""
            import os, sys, time
            open("started", "w").close()
            while not os.path.exists("go"):
                time.sleep(0.01)
            import late
            open(sys.argv[1], "w").write("{word} " + late.WORD)
            """,
        )
        project.write("late.py", f"WORD = '{late}'\n")

    def save_while_it_runs(word: str, late: str) -> None:
        process = project.start("run", "-j", "2")
        deadline = time.time() + 30
        while not project.exists("started"):
            assert process.poll() is None and time.time() < deadline
            time.sleep(0.01)
        script(word, late)
        project.write("go", "")
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert "changed while" in out + err, out + err
        for name in ("started", "go"):
            os.unlink(str(project.root / name))

    project.pipeline('steps: {a: {run: "python work.py ${{ outputs.o }}", outputs: {o: a.txt}}}')
    script("old", "one")
    save_while_it_runs("new", "two")
    assert project.read("a.txt") == "old two", "what came of it is a mixture"
    project.write("go", "")
    assert set(project.planned().values()) == {"run"}
    assert project.run().executed == {"a"}
    assert project.read("a.txt") == "new two"
    script("old", "one")
    assert project.run().executed == {"a"}, "the mixture is not taken for the old code's either"
    assert project.read("a.txt") == "old one"
    script("new", "two")
    assert project.run().executed == set()
    assert project.read("a.txt") == "new two"


def test_a_module_saved_while_a_function_runs_is_never_taken_for_the_one_that_ran(project: Project) -> None:
    project.files(
        {
            "lib.py": """
                import os, shutil

                def f(out):
                    if os.path.exists("next.py"):
                        os.rename("next.py", "helper.py")
                    import helper
                    out.write_text(helper.WORD)
                """,
            "helper.py": "WORD = 'old'\n",
            "next.py": "WORD = 'new'\n",
        }
    )
    project.pipeline('steps: {a: {call: "lib:f", outputs: {out: a.txt}}}')
    ran = project.run()
    assert "changed while" in ran.warnings
    assert project.run().executed == {"a"}
    assert project.read("a.txt") == "new"
    project.write("helper.py", "WORD = 'old'\n")
    assert project.run().executed == {"a"}
    assert project.read("a.txt") == "old"


@pytest.mark.parametrize("how", ["call", "run"])
def test_a_hidden_module_saved_after_it_was_loaded_is_never_taken_for_the_one_that_ran(
    project: Project, how: str
) -> None:
    project.files(
        {
            "lib.py": """
                import importlib, os, pathlib, sys

                def f(out):
                    word = importlib.import_module("plug" + "in").WORD
                    if os.path.exists("next.py"):
                        os.rename("next.py", "plugin.py")
                    pathlib.Path(out).write_text(word)

                if __name__ == "__main__":
                    f(sys.argv[1])
                """,
            "plugin.py": "WORD = 'old'\n",
            "next.py": "WORD = 'new'\n",
        }
    )
    command = {"call": 'call: "lib:f"', "run": 'run: "python lib.py ${{ outputs.out }}"'}[how]
    project.pipeline("steps: {a: {" + command + ", outputs: {out: a.txt}}}")
    ran = project.run()
    assert project.read("a.txt") == "old" and "`plugin.py` changed while" in ran.warnings
    assert project.run().executed == {"a"}
    assert project.read("a.txt") == "new"
    assert project.run().executed == set()


def test_a_warm_process_never_runs_the_code_of_before(project: Project) -> None:
    """A step rewrites a module which the process that forks the functions has loaded: same size, same second."""
    project.files(
        {
            "lib.py": "from far import word\n\n\ndef f(out):\n    out.write_text(word())\n",
            "far.py": "def word():\n    return 'old'\n",
            "next.py": "def word():\n    return 'new'\n",
        }
    )
    project.pipeline(
        """
        steps:
          first: {call: "lib:f", matrix: {n: [1, 2, 3]}, outputs: {out: "first/${{ matrix.n }}.txt"}}
          edit:
            run: test -e stamp || { cp -p far.py stamp; cat next.py > far.py; touch -r stamp far.py; }
            needs: [first]
            cache: false
          then: {call: "lib:f", matrix: {n: [1, 2, 3]}, outputs: {out: "then/${{ matrix.n }}.txt"}, needs: [edit]}
        """
    )
    ran = project.run(jobs=1)
    assert [project.read(f"first/{n}.txt") for n in (1, 2, 3)] == ["old"] * 3
    assert [project.read(f"then/{n}.txt") for n in (1, 2, 3)] == ["new"] * 3
    assert len(ran.executed) == 7
    assert project.run().executed == {"edit"} | {f"first@{n}" for n in (1, 2, 3)}
    assert project.run().executed == {"edit"}


# ------------------------------------------------------------------------------------------- words, data, notebooks, globs


def test_words_that_name_project_files_count_and_data_that_attempts_create_does_not(project: Project) -> None:
    project.files(
        {
            "tools/clean.sh": '#!/bin/sh\nsort "$1" | tee -a seen.log\n',
            "tools/rules.awk": "{ print $1 }\n",
            "conf/settings.ini": "a=1\n",
            "conf/other.ini": "a=1\n",
            "in.txt": "b\na\n",
        }
    )
    project.pipeline(
        """
        steps:
          shell:
            run: ./tools/clean.sh ${{ inputs.i }} > ${{ outputs.o }}; touch seen.log
            inputs: {i: in.txt}
            outputs: {o: a.txt}
          argv: {run: [awk, -f, tools/rules.awk, --, in.txt], inputs: {i: in.txt}}
          option: {run: "cat --number conf/settings.ini > ${{ outputs.o }}; grep . <conf/settings.ini", outputs: {o: b.txt}}
          gone: {run: "test ! -e conf/none.ini"}
        """
    )
    project.run()
    assert project.run().executed == set(), "`seen.log` is what the step made"
    cases: Dict[str, Set[str]] = {
        "tools/clean.sh": {"shell"},
        "tools/rules.awk": {"argv"},
        "conf/settings.ini": {"option"},
        "conf/other.ini": set(),
        "seen.log": set(),
        "in.txt": {"shell", "argv"},
    }
    for path, expected in cases.items():
        project.write(path, project.read(path).replace("\n", "\n\n"))
        assert project.run().executed == expected, path
    os.chmod(str(project.root / "tools/rules.awk"), 0o755)
    os.chmod(str(project.root / "tools/clean.sh"), 0o700)
    assert project.run().executed <= {"argv"}, "owners and modes other than executable do not count"
    project.write("conf/none.ini", "")
    assert project.run(code=1).executed == {"gone"}, "a word that has become a file"


NOTEBOOK = """
{{"cells": [
  {{"cell_type": "markdown", "metadata": {{}}, "source": ["{text}"]}},
  {{"cell_type": "code", "execution_count": {count}, "metadata": {{}}, "outputs": [{outputs}],
    "source": ["import helper\\n", "print({value})"]}}
 ], "metadata": {{"kernelspec": {{"name": "{kernel}"}}}}, "nbformat": 4, "nbformat_minor": 5}}
"""


def test_a_notebook_counts_by_its_code_cells_and_what_they_import(project: Project) -> None:
    def notebook(
        text: str = "Title", count: str = "null", outputs: str = "", value: int = 1, kernel: str = "x"
    ) -> None:
        project.write(
            "report.ipynb",
            NOTEBOOK.format(text=text, count=count, outputs=outputs, value=value, kernel=kernel),
        )

    project.write("helper.py", "N = 1\n")
    project.pipeline('steps: {a: {run: "grep -c print report.ipynb"}, b: {run: "echo b"}}')
    notebook()
    project.run()
    notebook(text="Another title")
    assert project.run().executed == set()
    notebook(count="7", outputs='{"output_type": "stream", "name": "stdout", "text": ["1"]}', kernel="y")
    assert project.run().executed == set()
    notebook(value=2)
    assert project.run().executed == {"a"}
    project.write("helper.py", "N = 2\n")
    assert project.run().executed == {"a"}


def test_code_globs_bring_files_that_nothing_names(project: Project) -> None:
    project.files(
        {
            "sql/a.sql": "select 1",
            "sql/deep/b.sql": "select 2",
            "sql/c.txt": "",
            "q.py": "def f():\n    return {'n': 1}\n",
        }
    )
    project.pipeline(
        """
        steps:
          a: {call: "q:f", code: ["sql/**/*.sql"]}
          b: {call: "q:f"}
        """
    )
    project.run()
    assert project.run().executed == set()
    for change in ("sql/a.sql", "sql/deep/b.sql", "sql/deep/new.sql"):
        project.write(change, "select 9")
        assert project.run().executed == {"a"}, change
    project.write("sql/c.txt", "more")
    assert project.run().executed == set()
    os.unlink(str(project.root / "sql/deep/new.sql"))
    assert project.run().executed == set(), "as it was before: the record of then holds"
    os.rename(str(project.root / "sql/a.sql"), str(project.root / "sql/z.sql"))
    assert project.run().executed == {"a"}


def test_code_at_the_end_of_a_long_chain_of_commands_is_looked_at(project: Project) -> None:
    rows = ["steps:", "  s0: {outputs: {o: out/0}, run: 'echo > ${{ outputs.o }}'}"]
    for number in range(1, 1200):
        given = f"{{i: '${{{{ steps.s{number - 1}.outputs.o }}}}'}}"
        rows.append(
            f"  s{number}: {{inputs: {given}, outputs: {{o: out/{number}}}, run: 'cat ${{{{ inputs.i }}}}'}}"
        )
    rows.append("  last: {inputs: {i: '${{ steps.s1199.outputs.o }}'}, run: 'python last.py'}")
    project.pipeline("\n".join(rows) + "\n")
    project.write("last.py", "def unused():\n    pass\n\n\nprint(1)\n")
    assert json.loads(project.cli("plan", "--json").stdout)["totals"]["run"] >= 1


def test_textwrap_keeps_the_sources_of_these_tests_whole() -> None:
    """The kit dedents: what the tests of formatting write must arrive as it stands."""
    assert textwrap.dedent(FORMATTED) == FORMATTED and textwrap.dedent(TIDY) == TIDY
