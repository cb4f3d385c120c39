"""Completion: the words that a shell is offered, driven as bash drives it."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlorch.cli.complete import STATUSES
from mlorch.cli.outline import Outline, outline
from mlorch.cli.tab import Tab
from mlorch.history import runs

PIPELINE = """\
version: 1
name: demo
params:
  seed: 7
  model: {depth: 3, kind: svm}   # flow
  gate:
    min_auc: 0.65
include:
  - file: common/evaluate.yaml
    as: eval
x-anchor: &x
  run: nothing
steps:
  load:
    run: cat x > ${{ outputs.data }}
    outputs: {data: data/x.csv, "log": "l-${{ matrix.a }}.txt"}
    tags: [nightly, slow]

  # a comment
  train_all:
    run: |
      echo "not: a step"
    outputs:
      model: models/m.bin
      metrics:
        path: models/metrics.json
  broken:
    inputs: [
on_failure:
  - run: echo
"""


@pytest.fixture
def project(cli):
    (cli.cwd / "mlorch.yaml").write_text(PIPELINE)
    (cli.cwd / "common").mkdir()
    (cli.cwd / "common" / "evaluate.yaml").write_text(
        "expects: [model]\nsteps:\n  score:\n    outputs: {s: x}\n"
    )
    (cli.cwd / "other.yml").write_text("steps:\n  alone:\n    run: x\n")
    (cli.cwd / "notes.txt").write_text("")
    (cli.cwd / "sub").mkdir()
    for run in ("ab12cd", "ef34ab"):
        (cli.cwd / ".mlorch" / "runs" / run).mkdir(parents=True)
    return cli


def complete(cli, *words: str, cwd=None):
    """What bash is offered for the last of these words."""
    done = cli.in_folder(
        str(cwd or cli.cwd),
        _MLORCH_COMPLETE="complete_bash",
        COMP_WORDS=" ".join(["mlorch", *words]),
        COMP_CWORD=str(len(words)),
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_verbs(project):
    assert complete(project, "va") == ["validate"]
    assert complete(project, "ru") == ["run", "runs"]
    assert "doctor" in complete(project, "")


def test_options(project):
    assert "--force-step" in complete(project, "run", "--force")
    assert "--color" in complete(project, "show", "--co")
    assert complete(project, "run", "--progress", "") == ["auto", "tty", "plain", "quiet", "jsonl"]


def test_steps_and_pipelines(project):
    words = complete(project, "run", "")
    assert {"load", "train_all", "broken", "eval.score", "mlorch.yaml", "other.yml", "sub/"} <= set(words)
    assert "notes.txt" not in words
    assert complete(project, "run", "tr") == ["train_all"]
    assert complete(project, "run", "+tr") == ["+train_all"]
    assert complete(project, "plan", "tag:") == ["tag:nightly", "tag:slow"]
    assert complete(project, "why", "ev") == ["eval.score"]
    assert complete(project, "reproduce", "tr") == ["train_all"]
    assert complete(project, "reproduce", "la") == ["last", "last~1"]
    assert complete(project, "run", "--force-step", "lo") == ["load"]
    assert complete(project, "validate", "o") == ["other.yml"]


def test_steps_of_the_pipeline_that_was_named(project):
    assert complete(project, "run", "other.yml", "") == ["alone"]


def test_from_a_folder_below_and_with_another_root(project, tmp_path):
    assert "train_all" in complete(project, "run", "tr", cwd=project.cwd / "sub")
    assert "train_all" in complete(project, "-C", str(project.cwd), "run", "tr", cwd=tmp_path)
    assert "train_all" in complete(project, "run", "-C", str(project.cwd), "tr", cwd=tmp_path)


def test_runs(project):
    assert {"last", "last~1", "ab12cd", "ef34ab"} == set(complete(project, "show", ""))
    assert complete(project, "show", "ab") == ["ab12cd"]
    assert "load" in complete(project, "logs", "lo")
    assert complete(project, "compare", "last", "ef") == ["ef34ab"]
    assert complete(project, "graph", "--state", "ab") == ["ab12cd"]


def test_params_and_artifacts(project):
    words = complete(project, "run", "-p", "")
    assert words == ["seed=", "model.depth=", "model.kind=", "gate.min_auc="]
    assert complete(project, "get", "tr") == ["train_all/model", "train_all/metrics"]
    assert complete(project, "get", "lo") == ["load/data", "load/log"]


EVENTS = """\
{"schema":"mlorch.events/1","run":"ef34ab"}
{"kind":"run.started","time":1.0,"run":"ef34ab","data":{"params":{"seed":7}}}
{"kind":"step.cached","time":1.0,"run":"ef34ab","instance":"fit@0-a","step":"fit","data":{"axes":{"fold":0,"kind":"a"},\
"params":{"model.depth":3},"metrics":{"auc":0.5,"by":{"class":1}}}}
{"kind":"step.cached","time":1.0,"run":"ef34ab","instance":"fit@1-a","step":"fit","data":{"axes":{"fold":1,"kind":"a"},\
"metrics":{"auc":2,"a b\u001b":1}}}
{"kind":"step.cached","time":1.0,"run":"ef34ab","instance":"x\u001b@1","step":"x","data":{"axes":[]}}
{"kind":"step.started","time":1.0,"run":"ef34ab","instance":"fit@2-a","st"""


@pytest.fixture
def told(project):
    """A project whose newest run is under way, its event file being written."""
    runs = project.cwd / ".mlorch" / "runs"
    os.utime(runs / "ab12cd", (1, 1))
    (runs / "ef34ab" / "events.jsonl").write_text(EVENTS)
    return project


def test_instances_axes_metrics_and_statuses(told):
    assert complete(told, "run", "fit@") == ["fit@0-a", "fit@1-a", "fit@2-a"]
    assert complete(told, "why", "fit@1") == ["fit@1-a"]
    assert complete(told, "plan", "+fit@1") == ["+fit@1-a"]
    assert complete(told, "logs", "fit@2") == ["fit@2-a"]
    assert complete(told, "compare", "--over", "") == ["fold", "kind"]
    values = ["model.depth", "auc", "by.class", "fold", "kind"]
    assert complete(told, "compare", "ef34ab", "fit", "--sort-by", "") == values
    assert complete(told, "runs", "--status", "c") == ["cancelled", "crashed"]


def test_statuses_are_those_of_runs():
    assert STATUSES == runs.STATUSES


@pytest.mark.parametrize("link", ["events.jsonl", "run", "runs", "store"])
def test_no_link_is_followed_out_of_the_project(told, tmp_path, link):
    store = told.cwd / ".mlorch"
    place = {
        "events.jsonl": store / "runs" / "ef34ab" / "events.jsonl",
        "run": store / "runs" / "ef34ab",
        "runs": store / "runs",
        "store": store,
    }[link]
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    assert complete(told, "run", "fit@") == []


def test_words_that_bash_takes_apart_are_put_together(told):
    """bash splits at `@`, `:` and `=`, and puts an answer in place of the last piece only."""
    assert complete(told, "run", "fit", "@") == ["@0-a", "@1-a", "@2-a"]
    assert complete(told, "run", "fit", "@", "1") == ["@1-a"]
    assert complete(told, "plan", "tag", ":", "n") == ["nightly"]
    assert complete(told, "run", "-p", "seed", "=", "8", "tr") == ["train_all"]
    assert complete(told, "runs", "--status", "=", "cr") == ["crashed"]
    assert complete(told, "run", "fit", "@", "1", "tr") == ["train_all"]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"COMP_WORDS": "mlorch run", "COMP_CWORD": "2"}, ["run"]),
        ({"COMP_WORDS": "mlorch ru", "COMP_CWORD": "1"}, []),
        ({"COMP_WORDS": "mlorch run tr more", "COMP_CWORD": "2"}, ["run"]),
        ({"COMP_WORDS": "mlorch run", "COMP_CWORD": ""}, []),
        ({"_TYPER_COMPLETE_ARGS": "mlorch run "}, ["run"]),
        ({"_TYPER_COMPLETE_ARGS": "mlorch run tr"}, ["run"]),
        ({"_TYPER_COMPLETE_ARGS": "mlorch ru"}, []),
        ({}, []),
    ],
)
def test_only_the_verb_before_the_word_is_built(variables, words):
    assert Tab(dict(variables)).words == words


MODULES = {"ru": 165, "run tr": 165, "run fit@": 215, "validate o": 165, "show ": 210}
"""Words -> modules that a press of Tab may load, beyond those of a bare interpreter."""


@pytest.mark.parametrize("words", MODULES)
def test_a_press_of_tab_loads_few_modules(told, words):
    bare = "import sys\nprint('\\n' + ','.join(sys.modules))"
    code = f"from mlorch.cli import main\nassert main([]) == 0\n{bare}"
    loaded = modules_of(told, code, f"mlorch {words}") - modules_of(told, bare, "")
    heavy = {
        "jsonschema",
        "yaml",
        "sqlite3",
        "numpy",
        "jinja2",
        "asyncio",
        "mlorch.app",
        "mlorch.plan",
        "rich.text",
    }
    assert loaded.isdisjoint(heavy | {"joblib", "mlorch.engine", "mlorch.report", "mlorch.history"})
    assert len(loaded) <= MODULES[words], f"{len(loaded)} modules"


def modules_of(project, code: str, line: str) -> set:
    env = {
        **project.env,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "_MLORCH_COMPLETE": "complete_zsh",
        "_TYPER_COMPLETE_ARGS": line,
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        encoding="utf-8",
        cwd=project.cwd,
        env=env,
    )
    return set(done.stdout.splitlines()[-1].split(","))


def test_templates(project):
    assert complete(project, "init", "--template", "s") == ["shell", "sklearn"]


def test_nothing_and_no_error_without_a_pipeline(cli):
    assert complete(cli, "run", "x") == []
    (cli.cwd / "mlorch.yaml").write_bytes(b"\xff\xfe\x00steps: [[[")
    (cli.cwd / "mlorch.toml").write_text("[[[")
    assert complete(cli, "show", "z") == []
    assert complete(cli, "run", "z") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(cli, shell):
    script = cli("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1").stdout
    assert "_MLORCH_COMPLETE" in script
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=script, encoding="utf-8", check=False).returncode == 0


@pytest.fixture
def shell_env(project, tmp_path):
    """The environment of a person whose PATH has `mlorch`."""
    command = tmp_path / "bin" / "mlorch"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m mlorch "$@"\n')
    command.chmod(0o755)
    return {
        **project.env,
        "PATH": f"{command.parent}:{project.env['PATH']}",
        "TERM": "xterm",
        "HOME": str(tmp_path),
    }


def script_for(project, shell: str) -> str:
    return project("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1").stdout


def test_bash_itself_completes(project, shell_env):
    program = script_for(project, "bash") + (
        "\nCOMP_WORDS=(mlorch run tra); COMP_CWORD=2; COMP_LINE='mlorch run tra'; COMP_POINT=14\n"
        "_mlorch_completion mlorch; printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    command = ["bash", "--norc", "-c", program]
    done = subprocess.run(command, cwd=project.cwd, env=shell_env, capture_output=True, encoding="utf-8")
    assert done.stdout.split() == ["train_all"]


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (b"fit@1\t", b"run fit@1-a"),
        (b"fit@\t2\t", b"run fit@2-a"),
        (b"tag:sl\t", b"run tag:slow"),
    ],
)
def test_bash_itself_completes_words_that_it_takes_apart(told, shell_env, tmp_path, typed, line):
    """As somebody types it; then `mlorch` becomes `echo`, which prints the line."""
    rc = tmp_path / "rc"
    rc.write_text(script_for(told, "bash") + "\nPS1='ready> '\nbind 'set bell-style none'\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(told.cwd)
        os.execvpe("bash", ["bash", "--noprofile", "--rcfile", str(rc), "-i"], shell_env)
    try:
        read_until(terminal, b"ready> ")
        os.write(terminal, b"mlorch run " + typed)
        read_until(terminal, line[-3:] + b" ")
        os.write(terminal, b"\x01echo " + b"\x04" * len("mlorch ") + b"\r")
        read_until(terminal, b"\r" + line + b"\r\n")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_itself_completes(project, shell_env):
    program = script_for(project, "fish") + '\ncomplete -C "mlorch run tra"\ncomplete -C "mlorch sh"\n'
    command = ["fish", "--no-config", "-c", program]
    done = subprocess.run(command, cwd=project.cwd, env=shell_env, capture_output=True, encoding="utf-8")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["train_all", "show"], done.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_itself_completes(project, shell_env, tmp_path):
    """zsh completes only where somebody types: a pseudo-terminal, a line, a tab, and what echo then prints."""
    (tmp_path / "mlorch.zsh").write_text(script_for(project, "zsh"))
    (tmp_path / ".zshrc").write_text(
        f"autoload -U compinit; compinit -u -d {tmp_path}/dump\n. {tmp_path}/mlorch.zsh\n"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.cwd)
        os.execvpe("zsh", ["zsh", "-i"], {**shell_env, "ZDOTDIR": str(tmp_path), "PS1": "ready> "})
    try:
        read_until(terminal, b"ready> ")
        os.write(terminal, b"mlorch run tra\t")
        read_until(terminal, b"train_all")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def read_until(terminal: int, wanted: bytes, seconds: float = 60.0) -> bytes:
    """What a terminal prints up to `wanted`."""
    seen, deadline = b"", time.monotonic() + seconds
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{wanted!r} did not come: {seen!r}"
        seen += os.read(terminal, 1 << 16)
    return seen


# ----------------------------------------------------------------------------------------------- outline


def test_the_outline_of_a_file(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(PIPELINE)
    found = outline(str(path))
    assert found.steps == {"load": ["data", "log"], "train_all": ["model", "metrics"], "broken": []}
    assert found.params == ["seed", "model.depth", "model.kind", "gate.min_auc"]
    assert found.tags == ["nightly", "slow"]


def test_params_in_flow_style_are_found(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("params: {seed: 7, min_accuracy: 0.9}\nsteps:\n  a: {run: x}\n")
    assert outline(str(path)).params == ["seed", "min_accuracy"]


def test_files_that_include_each_other_end(tmp_path):
    for one, other in (("a", "b"), ("b", "a")):
        text = f"include:\n  - file: {other}.yaml\n    as: {other}\nsteps:\n  s{one}:\n    run: x\n"
        (tmp_path / f"{one}.yaml").write_text(text)
    assert "b.sb" in outline(str(tmp_path / "a.yaml")).steps


def test_no_file_is_an_empty_outline(tmp_path):
    assert outline(str(tmp_path / "none.yaml")) == Outline()


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="steps:paramsinclude \n-{}[]\"'#$a|\t\x00é", max_size=200))
def test_any_text_has_an_outline(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8")
    assert isinstance(outline(str(path)), Outline)
