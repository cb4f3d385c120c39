"""The command line itself: what it imports, how long it takes to start, what a mistake gets."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
import typer

from mlorch.cli.build import VERBS, build, function_of, needed

HEAVY = (
    "joblib",
    "jsonschema",
    "numpy",
    "jinja2",
    "sqlite3",
    "yaml",
    "rich",
    "asyncio",
    "importlib.metadata",
)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["plan", "-h"], ["runs", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import sys\nbare = set(sys.modules)\nfrom mlorch.cli import main\n"
        f"assert main({arguments!r}) == 0\n"
        "print(','.join(set(sys.modules) - bare))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, encoding="utf-8")
    loaded = set(done.stdout.splitlines()[-1].split(","))
    assert "mlorch.cli" in loaded
    assert loaded.isdisjoint(HEAVY)


MODULES = {
    "--version": 35,
    "--help": 150,
    "validate": 310,
    "plan": 340,
    "graph": 345,
    "plan again": 70,
    "run again": 85,
}
"""Verb -> modules that a process may have loaded at its end beyond those of a bare interpreter; counts, since a time would say
more of the machine. `again`: everything is up to date, and that was asked in the same words before."""
FOR_RUNS = {"joblib", "multiprocessing", "asyncio", "mlorch.execute", "mlorch.engine.hub"}
FOR_OTHERS = {
    "jsonschema",
    "numpy",
    "jinja2",
    "rich",
    "urllib.request",
    "http.client",
    "socket",
    "email",
    "ssl",
}
FOR_LOOKS = {"typer", "yaml", "mlorch.model", "mlorch.app"}


def loaded_by(project, *arguments: str) -> set:
    """The modules of a process that runs one command line, without those of a bare interpreter."""
    bare = "import sys\nprint('\\n' + ','.join(sys.modules))"
    code = f"from mlorch.cli import main\nassert main({list(arguments)!r}) == 0\n{bare}"
    env = {**project.env, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}

    def modules(program: str) -> set:
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, check=True, capture_output=True, encoding="utf-8", cwd=project.cwd, env=env
        )
        return set(done.stdout.splitlines()[-1].split(","))

    return modules(code) - modules(bare)


@pytest.mark.parametrize("line", MODULES)
def test_a_look_loads_few_modules_and_none_that_only_a_run_needs(line, project):
    verb, _, again = line.partition(" ")
    if again:
        for _ in range(3):  # executes, finds nothing to do, remembers that
            loaded_by(project, "run")
            loaded_by(project, verb)
            time.sleep(0.1)  # what has just been written is trusted only after a moment
    loaded = loaded_by(project, verb)
    assert loaded.isdisjoint(FOR_RUNS | FOR_OTHERS)
    if again or verb == "--version":
        assert loaded.isdisjoint(FOR_LOOKS)
    assert len(loaded) <= MODULES[line], f"{len(loaded)} modules"


CHAIN = """
version: 1
name: chain
steps:
  one: {run: "echo 1 > ${{ outputs.o }}", outputs: {o: one.txt}}
  two: {run: "cat ${{ inputs.i }} > ${{ outputs.o }}", inputs: {i: one.txt}, outputs: {o: two.txt}}
"""
BESIDE = "  beside: {run: 'sleep 0.2'}\n"


@pytest.mark.parametrize("text, hosted", [(CHAIN, False), (CHAIN + BESIDE, True)], ids=["alone", "beside"])
def test_joblib_is_loaded_once_an_attempt_has_to_run_beside_another(project, text, hosted):
    (project.cwd / "mlorch.yaml").write_text(text)
    loaded = loaded_by(project, "run", "-j2", "-q")
    assert (project.cwd / "two.txt").read_text() == "1\n"
    assert ("joblib" in loaded, "asyncio" in loaded) == (hosted, hosted)


@pytest.mark.parametrize("name", VERBS)
def test_the_table_of_verbs_says_what_the_verb_says_itself(name):
    assert VERBS[name].help == function_of(name).__doc__


def test_the_list_of_verbs_reads_as_if_each_had_been_built(cli, capsys):
    whole = typer.main.get_command(build(list(VERBS)))
    whole.main(args=["--help"], prog_name="mlorch", standalone_mode=False)
    assert cli("--help").stdout == capsys.readouterr().out


def test_no_module_of_ours_imports_click():
    folder = os.path.dirname(sys.modules["mlorch.cli"].__file__ or "")
    for name in os.listdir(folder):
        if name.endswith(".py"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read()
            assert "import click" not in text and "from click" not in text, name


def test_version(cli):
    assert cli("--version").stdout.startswith("mlorch ")
    assert cli("--color", "never", "--version").stdout == cli("--version").stdout


def test_help_names_every_verb(cli):
    text = cli("--help").stdout
    for verb in VERBS:
        assert f"\n  {verb} " in text


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_takes_the_global_options(cli, verb):
    text = cli(verb, "-h").stdout
    for option in ("-C", "--color", "--quiet", "--verbose", "--json", "--help"):
        assert option in text


def test_no_verb_shows_help_on_stderr_and_is_a_usage_error(cli):
    done = cli(code=2)
    assert done.stdout == ""
    assert "Usage: mlorch" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], ["frobnicate"]),
        (["runs", "--limt", "3"], ["--limt", "see `mlorch runs --help`"]),
        (["runs", "--limit", "many"], ["--limit", "many"]),
        (["--color", "blue", "runs"], ["blue", "always"]),
        (["get"], ["artifact"]),
        (["init", "--ci", "jenkins"], ["jenkins", "github"]),
    ],
)
def test_usage_errors_are_short_and_exit_2(cli, arguments, words):
    done = cli(*arguments, code=2)
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_usage_errors_are_documents_with_json(cli):
    document = cli.json("runs", "--limt", code=2)
    assert document["schema"] == "mlorch.error/1"
    assert document["exit_code"] == 2
    assert "--limt" in document["message"]


def test_global_options_before_or_after_the_verb(cli):
    before = cli("--json", "init", "--list").stdout
    assert before == cli("init", "--list", "--json").stdout
    assert before.startswith("{")


@pytest.mark.parametrize(
    ("arguments", "verbs"),
    [
        (["run", "x.yaml"], ["run"]),
        (["-C", "plan", "runs"], ["runs"]),
        (["--json", "show"], ["show"]),
        (["-h"], list(VERBS)),
        (["nope"], list(VERBS)),
        ([], list(VERBS)),
    ],
)
def test_only_the_named_verb_is_built(arguments, verbs):
    assert needed(arguments) == verbs


def test_a_closed_pipe_exits_141_without_a_traceback(cli):
    script = f"{sys.executable} -m mlorch init --list; echo $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"( {script} ) | true"],
        cwd=cli.cwd,
        env=cli.env,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.stderr == "141\n"


def test_a_closed_pipe_during_help_exits_141(cli):
    script = f"{sys.executable} -m mlorch --help; echo $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"( {script} ) | true"],
        cwd=cli.cwd,
        env=cli.env,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert done.stderr == "141\n"


@pytest.mark.parametrize("words", [["init", "--list"], ["init", "--list", "--json"], ["--help"]])
def test_a_full_disk_under_stdout_exits_8(cli, words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mlorch", *words],
            cwd=cli.cwd,
            env=cli.env,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
    assert done.returncode == 8
    assert done.stderr == "error: the answer can't be written to stdout: no space left on device\n"


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_bug(cli, redirection):
    script = f"{sys.executable} -m mlorch init --list {redirection}"
    assert subprocess.run(["bash", "-c", script], cwd=cli.cwd, env=cli.env).returncode == 0


def test_any_text_goes_to_an_ascii_stream(cli):
    done = subprocess.run(
        [sys.executable, "-m", "mlorch", "init", "--template", "schön"],
        cwd=cli.cwd,
        env={**cli.env, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
    )
    assert done.returncode == 2
    assert b"unknown template `sch" in done.stderr and done.stderr.isascii()


LATE = """
import os, signal, sys
class Late:
    def __del__(self, kill=os.kill, own=os.getpid(), number=signal.SIGTERM):
        kill(own, number)
late = Late()  # goes when the interpreter has given signals their default action back
from mlorch.cli import main
sys.exit(main(["run", "-q"]))
"""


def test_a_signal_in_the_last_moment_does_not_take_a_finished_run_back(project):
    env = {**project.env, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", LATE], cwd=project.cwd, env=env)
    assert done.returncode == 0
