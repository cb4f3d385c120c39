"""Which files and programs the words of a command name."""

from __future__ import annotations

import json
from typing import Any, List

import pytest

from mlorch.model import Place
from mlorch.plan.code import CodeQuery


@pytest.fixture()
def files(project: Any) -> Any:
    for name in (
        "tools/fit.py",
        "tools/helper.py",
        "clean.sh",
        "sql/a.sql",
        "sql/b.sql",
        "data/in.csv",
        "pkg/__init__.py",
    ):
        project.write(name)
    project.write("tools/fit.py", "import helper\n")
    project.write("pkg/__main__.py", "from . import core\n")
    project.write("pkg/core.py")
    project.write("app/__main__.py", "import part\n")
    project.write("app/part.py")
    return project


FIT = ["tools/fit.py", "tools/helper.py"]
PKG = ["pkg/__init__.py", "pkg/__main__.py", "pkg/core.py"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python tools/fit.py --depth 3", FIT),
        ("python -u -X dev -W error -B -O tools/fit.py", FIT),
        ("env A=b python tools/fit.py", FIT),
        ("A=b C=d python3.11 tools/fit.py", FIT),
        ("/usr/bin/env python3 tools/fit.py", FIT),
        ("env/bin/python tools/fit.py", FIT),
        ("time nice -n 5 timeout 5 python tools/fit.py", FIT),
        ("poetry run python tools/fit.py", FIT),
        ("torchrun --nproc_per_node=2 tools/fit.py", FIT),
        ("accelerate launch tools/fit.py", FIT),
        ("./tools/fit.py", FIT),
        ("cd tools && python fit.py", FIT),
        ("bash -c 'python tools/fit.py'", FIT),
        ("bash -euo pipefail -c 'echo; python \"tools/fit.py\"'", FIT),
        ("eval 'python tools/fit.py'", FIT),
        ('x="$(python tools/fit.py)"', FIT),
        ("echo `python tools/fit.py`", FIT),
        ("if true; then python tools/fit.py; fi", FIT),
        ("cat data/in.csv | python tools/fit.py > out.txt", ["data/in.csv", *FIT]),
        ("python -m pkg", PKG),
        ("python -um pkg", PKG),
        ("python -mpkg", PKG),
        ("python -m pkg.core", ["pkg/__init__.py", "pkg/core.py"]),
        ("python -m cProfile -o p.out -m pkg.core", ["pkg/__init__.py", "pkg/core.py"]),
        ("torchrun -m pkg.core", ["pkg/__init__.py", "pkg/core.py"]),
        ("uv run -m pkg.core", ["pkg/__init__.py", "pkg/core.py"]),
        ("cd tools; python -m fit", FIT),
        ("python app", ["app/__main__.py", "app/part.py"]),
        ("python -c 'import pkg.core; pkg.core.run()'", ["pkg/__init__.py", "pkg/core.py"]),
        ("python - <<'EOF'\nimport pkg.core\nEOF\n", ["pkg/__init__.py", "pkg/core.py"]),
        ("python <<-EOF\nfrom pkg import core\n\tEOF\n", ["pkg/__init__.py", "pkg/core.py"]),
        ("python <<< 'import pkg'", ["pkg/__init__.py"]),
        ("./clean.sh", ["clean.sh"]),
        ("bash clean.sh < data/in.csv", ["clean.sh", "data/in.csv"]),
        ("psql -f sql/a.sql", ["sql/a.sql"]),
        ("cat sql/*.sql", ["sql/a.sql", "sql/b.sql"]),
        ("cat 'sql/*.sql'", []),
        ("tool --query=sql/a.sql", ["sql/a.sql"]),
        ("cat ./sql//a.sql sql/../sql/b.sql", ["sql/a.sql", "sql/b.sql"]),
        ("sort > data/in.csv", []),
        ("sort 2>> data/in.csv", []),
        ("sort &> data/in.csv", []),
        ("echo hello # data/in.csv", []),
        ("cat > notes <<EOF\ndata/in.csv\nEOF\ncat sql/a.sql", ["sql/a.sql"]),
        ("git commit -m pkg2", []),
        ("cat ../project/data/in.csv", []),
    ],
)
def test_words(files: Any, text: str, expected: List[str]) -> None:
    assert files.files(files.run(text)) == expected


def test_words_of_a_list(files: Any) -> None:
    reach = files.reader.reach(CodeQuery(argv=("python", "tools/fit.py", "> data/in.csv", "sql/*.sql")))
    assert files.files(reach) == FIT
    assert reach.uses_python


def test_absolute_paths_in_the_root_are_project_files(files: Any) -> None:
    assert files.files(files.run(f"cat {files.root}/sql/a.sql")) == ["sql/a.sql"]


def test_only_python_asks_for_an_interpreter_in_the_key(files: Any) -> None:
    assert not files.run("sort data/in.csv | uniq").uses_python
    assert files.run("python tools/fit.py").uses_python
    assert files.run("torchrun -m pkg.core").uses_python
    assert files.run("python tools/fit.py").interpreter.version == "3.11"


def test_own_outputs_inputs_and_created_files_are_no_code(files: Any) -> None:
    text = "cat data/in.csv sql/a.sql sql/b.sql"
    reach = files.run(
        text,
        own_outputs=frozenset(["data"]),
        inputs=frozenset(["sql/a.sql"]),
        created=frozenset(["sql/b.sql"]),
    )
    assert files.files(reach) == []
    assert reach.words == ("sql/b.sql",)
    files.tracked = frozenset(["sql/b.sql"])
    assert files.files(files.run(text, created=frozenset(["sql/b.sql"]))) == [
        "data/in.csv",
        "sql/a.sql",
        "sql/b.sql",
    ]


def test_what_an_input_script_imports_is_code_though_it_is_none_itself(files: Any) -> None:
    reach = files.run("python tools/fit.py", inputs=frozenset(["tools/fit.py"]))
    assert files.files(reach) == ["tools/helper.py"]


def test_a_word_that_names_the_output_of_another_step_is_an_error_unless_declared(files: Any) -> None:
    files.outputs["made"] = "prepare"
    place = Place("mlorch.yaml", 7, 9)
    reach = files.run("cat made/x.csv", place=place)
    assert [(problem.code, problem.place, problem.message) for problem in reach.problems] == [
        ("E305", place, "`made/x.csv` is an output of step `prepare`, but no declared input of this step")
    ]
    assert not files.run("cat made/x.csv", inputs=frozenset(["made/x.csv"])).problems
    assert not files.run("cat made/x.csv", inputs=frozenset(["made"])).problems
    assert not files.run("cat made/x.csv", own_outputs=frozenset(["made"])).problems
    assert not files.run("sort > made/x.csv").problems


def test_an_import_of_another_steps_output_is_an_error_unless_declared(files: Any) -> None:
    files.outputs["gen/tables.py"] = "generate"
    files.write("steps.py", "from gen import tables\n")
    reach = files.call("steps:f")
    assert [problem.code for problem in reach.problems] == ["E305"]
    assert "`gen/tables.py`" in reach.problems[0].message
    assert "`generate`" in reach.problems[0].message
    files.write("gen/tables.py", "x = 1\n")
    assert [problem.code for problem in files.call("steps:f").problems] == ["E305"]
    declared = files.call("steps:f", inputs=frozenset(["gen/tables.py"]))
    assert not declared.problems
    assert files.files(declared) == ["steps.py"]
    assert declared.hidden  # nobody knows which functions the generated code will name


def test_a_script_that_is_misspelt_is_named_as_it_was_meant(files: Any) -> None:
    files.write("tools/evaluate.py", "")
    files.write("train.py", "")
    for text, meant in (("python tools/evalaute.py", "tools/evaluate.py"), ("python trian.py", "train.py")):
        name = text.split()[1]
        assert files.run(text).warnings == (f"no code known for {name}: did you mean {meant}?",)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("python $DIR/fit.py", "$DIR/fit.py"),
        ("python gone.py", "gone.py"),
        ("python -m gone", "gone"),
        ("./gone --x", "./gone"),
        ("Rscript gone.R", "gone.R"),
        ("no-such-program-anywhere x", "no-such-program-anywhere"),
    ],
)
def test_what_is_started_though_nobody_knows_it(files: Any, text: str, name: str) -> None:
    assert (
        f"no code known for {name}: correct the name, or list its files under `code:`"
        in files.run(text).warnings
    )


@pytest.mark.parametrize(
    "text",
    [
        "python tools/fit.py", "python -m json.tool x", "sort | uniq", "fit() { echo; }; fit",
        "for i in a b; do echo $i; done",
        "perl -pe 's/a/b/' data/in.csv", "bash -c 'true'", "[ -f x ] && true", "export A=b", "python -V",
    ],
)  # fmt: skip
def test_what_needs_no_warning(files: Any, text: str) -> None:
    assert files.run(text).warnings == ()


def test_console_scripts_of_the_environment_bring_their_distributions(files: Any) -> None:
    files.install("Paper.Mill", "2.4", ["papermill/__init__.py"], ["ansible_like>=1"])
    files.install("ansible-like", "1.5", ["ansible_like.py"])
    script = files.environment / "bin" / "papermill"
    script.write_text("#!/some/where/bin/python\nfrom papermill.cli import main\nmain()\n")
    reach = files.run("papermill a b")
    assert dict(reach.distributions) == {"paper-mill": "2.4", "ansible-like": "1.5"}
    assert reach.uses_python
    assert files.files(reach) == []


def test_notebooks_count_by_the_source_of_their_code_cells(files: Any) -> None:
    def notebook(code: str, output: str, text: str = "words") -> str:
        cells = [
            {"cell_type": "markdown", "source": text},
            {
                "cell_type": "code",
                "source": ["%matplotlib inline\n", "import helper\n", code],
                "outputs": [output],
            },
        ]
        return json.dumps({"cells": cells, "metadata": {"kernelspec": {"language": "python"}}, "nbformat": 4})

    files.write("tools/look.ipynb", notebook("x = 1", "an output"))
    reach = files.run("papermill tools/look.ipynb out.ipynb")
    assert files.files(reach) == ["tools/helper.py", "tools/look.ipynb"]
    assert reach.uses_python
    before = files.rows(reach)
    files.write("tools/look.ipynb", notebook("x = 1", "another output", "other words"))
    assert files.rows(files.run("papermill tools/look.ipynb out.ipynb")) == before
    files.write("tools/look.ipynb", notebook("x = 2", "an output"))
    assert files.rows(files.run("papermill tools/look.ipynb out.ipynb")) != before


def test_code_globs(files: Any) -> None:
    files.write("sql/deep/er/c.sql")
    files.write("sql/.hidden.sql")
    files.write("conf/a.yaml")

    def matches(*globs: str) -> List[str]:
        return files.files(files.run("true", globs=globs))

    assert matches("sql/*.sql") == ["sql/a.sql", "sql/b.sql"]
    assert matches("**/*.sql") == ["sql/a.sql", "sql/b.sql", "sql/deep/er/c.sql"]
    assert matches("sql/**") == matches("sql/") == matches("sql") == matches("**/*.sql")
    assert matches("sql/?.sql", "conf/a.yaml") == ["conf/a.yaml", "sql/a.sql", "sql/b.sql"]
    assert matches("tools/fit.py") == FIT
    assert files.run("true", globs=("none/*.sql",)).warnings == ("`code: none/*.sql` names no file",)


def test_environments_and_our_own_folder_are_no_project_files(files: Any) -> None:
    files.write(".mlorch/objects/ab/cd.py")
    assert files.files(files.run("env/bin/python -V; cat .mlorch/objects/ab/cd.py env/pyvenv.cfg")) == []


def test_scripts_without_a_suffix_are_told_by_their_first_line(files: Any) -> None:
    files.write("tools/run", "#!/usr/bin/env python3\nimport helper  # comment\n")
    before = files.rows(files.run("tools/run"))
    assert sorted(before) == ["tools/helper.py", "tools/run"]
    files.write("tools/run", "#!/usr/bin/env python3\nimport helper\n")
    assert files.rows(files.run("tools/run")) == before


def test_the_instances_of_a_matrix_share_one_reach(files: Any) -> None:
    text = "python tools/fit.py --depth {} --out models/{}/m.bin < data/in.csv"
    first = files.run(text.format(3, "3-0"), own_outputs=frozenset(["models/3-0/m.bin"]))
    second = files.run(text.format(6, "6-0"), own_outputs=frozenset(["models/6-0/m.bin"]))
    assert first is second


def test_a_file_that_another_program_is_given_counts_whole(files: Any) -> None:
    """A test runner finds functions that nothing names; Python itself runs only what the file says."""

    def changed(text: str) -> bool:
        files.write("check.py", "def test_a():\n    return 1\n")
        before = files.rows(files.run(text))
        files.write("check.py", "def test_a():\n    return 2\n")
        return bool(files.rows(files.run(text)) != before)

    assert changed("pytest check.py")
    assert changed("python -m pytest check.py")
    assert not changed("python check.py")
    assert not changed("./check.py")


@pytest.mark.parametrize(
    "text",
    [
        "case $1 in a) echo;; b) echo;; esac",
        "names=(one two); echo ${names[0]}",
        "i=0; ((i++)); echo $((i + 1))",
        "cat tools/fit.py | python -",
        "$VENV/bin/python tools/fit.py",
        "while read -r line; do echo $line; done < data/in.csv",
        "sort <(cat data/in.csv) > >(tee out)",
        "{ sort; } && (sort) & wait",
        "function fit { true; }; fit",
    ],
)
def test_shell_constructs_that_start_no_program_of_the_project(files: Any, text: str) -> None:
    assert files.run(text).warnings == ()


def test_python_that_comes_through_a_pipe(files: Any) -> None:
    assert files.run("curl x | python -").warnings == (
        "no code known for what is piped into Python: correct the name, or list its files under `code:`",
    )
