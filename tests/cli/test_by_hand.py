"""The script of a failed attempt does again what mlorch did: same folder, environment, command, and interpreter."""

from __future__ import annotations

import json
import subprocess

import pytest

SECRET = "s3cret-value-of-mine"
TEXT = """\
version: 1
name: hand
params: {depth: 7}
steps:
  script:
    run: |
      python show.py ${{ params.depth }} "$TOKEN" > ${{ outputs.o }}
      echo to ${{ outputs.o }}; cat ${{ outputs.o }}; exit 3
    outputs: {o: out/o.txt}
    env: {OWN: "it's ${{ params.depth }}", TWICE: "x"}
    pass_env: [LET_*]
    secrets: [TOKEN]
    resources: {cpus: 2}
  listed:
    run: [python, show.py, "a b", "$HOME", "3"]
    outputs: {o: out/l.txt}
  called:
    call: called:fail
    with: {depth: "${{ params.depth }}"}
    outputs: {model: out/m.txt, metrics: out/m.json}
"""
SHOW = """\
import json, os, sys
kept = {n: v for n, v in os.environ.items() if n not in ("MLORCH_LOADED", "PYTHONPATH", "SHLVL", "_", "PWD", "OLDPWD")}
print(json.dumps([sorted(kept.items()), os.getcwd(), sys.executable, sys.argv]))
sys.exit(len(sys.argv) == 4 and sys.argv[3] == "3" and 5)
"""
CALLED = """\
import os, pathlib, sys
def fail(model: pathlib.Path, depth: int):
    assert model.parent.is_dir()
    print("called", depth, os.environ["MLORCH_STEP"], sys.executable)
    raise ValueError("no good")
"""


@pytest.fixture
def failed(cli):
    for name, text in (("mlorch.yaml", TEXT), ("show.py", SHOW), ("called.py", CALLED)):
        (cli.cwd / name).write_text(text)
    cli.env = {**cli.env, "TOKEN": SECRET, "LET_ME": "through", "STRANGER": "1"}
    document = json.loads(cli("run", "-k", "--json", code=1).stdout)
    return {item["step"]: cli.cwd / item["log"] for item in document["steps"]}


def by_hand(log, **extra):
    """The script's code and output in an environment that has little of the caller's."""
    path = log.with_name(log.name.split(".")[0] + ".sh")
    assert SECRET not in path.read_text()
    done = subprocess.run(
        ["sh", str(path)],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", **extra},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_script_runs_as_it_did(failed):
    log = failed["script"]
    code, text = by_hand(log, TOKEN=SECRET, LET_ME="through")
    assert code == 3
    assert text.replace(SECRET, "***") == log.read_text()


def test_a_secret_is_asked_for(failed):
    code, text = by_hand(failed["script"])
    assert code != 3 and "TOKEN" in text and "export it first" in text


def test_a_list_and_a_function_run_as_they_did(failed):
    assert by_hand(failed["listed"]) == (5, failed["listed"].read_text())
    code, text = by_hand(failed["called"])
    assert code == 1
    assert text.splitlines()[0] == failed["called"].read_text().splitlines()[0]
    assert text.splitlines()[-1] == "ValueError: no good" and "mlorch" not in text.splitlines()[-2]


@pytest.mark.usefixtures("failed")
def test_the_failure_names_it_and_its_values(cli):
    shown = cli("run", "script", code=1).stdout
    command = next(line for line in shown.splitlines() if "  command " in line)
    assert '7 "$TOKEN"' in command and "${{" not in command and command.endswith("(and 1 more line)")
    hand = next(line for line in shown.splitlines() if "  by hand " in line).split("by hand")[1].strip()
    done = subprocess.run(
        hand, shell=True, cwd=str(cli.cwd), env={**cli.env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3


def test_run_lists_steps_in_the_order_of_the_pipeline(cli):
    """Not in that of their ends."""
    text = "version: 1\nname: order\nsteps:\n  slow:\n    matrix: {n: [2, 10, 1]}\n    run: sleep 0.${{ matrix.n }}\n"
    text += "    cache: false\n  fast: {run: 'true', cache: false}\n  last: {run: 'true', cache: false, needs: [slow]}\n"
    (cli.cwd / "mlorch.yaml").write_text(text)
    document = cli.json("run", "-j", "4")
    names = [item["instance"] or item["step"] for item in document["steps"]]
    assert names == ["slow@2", "slow@10", "slow@1", "fast", "last"]


def test_logs_of_failed_steps_are_those_that_the_end_of_the_run_told(cli):
    text = "version: 1\nname: fails\nsteps:\n  one: {run: echo first; exit 3, continue_on_error: true}\n"
    text += "  two: {run: echo second; exit 4}\n  three: {run: [no-such-program]}\n"
    (cli.cwd / "mlorch.yaml").write_text(text)
    told = [line.split()[1] for line in cli("run", "-k", code=1).stdout.splitlines() if line.startswith("✗")]
    headers = [
        line.split()[1] for line in cli("logs", "--failed").stdout.splitlines() if line.startswith("==>")
    ]
    assert told == [*headers, "fails"] and headers == ["two", "three", "one"], "what is tolerated comes last"


def test_a_script_is_a_file_only_where_it_must_be(cli):
    """`$0` is the same either way; the text of what failed is kept beside its log, that of what succeeded in its record."""
    (cli.cwd / "mlorch.yaml").write_text(
        "version: 1\nname: texts\nsteps:\n"
        "  short: {run: 'echo $0'}\n"
        "  plain: {run: 'echo $0', shell: sh}\n"
        f"  long: {{run: 'echo $0 # {'x' * 40_000}'}}\n"
        "  bad: {run: 'nowhere'}\n"
    )
    document = json.loads(cli("run", "-k", "--json", code=1).stdout)
    logs = {item["step"]: cli.cwd / item["log"] for item in document["steps"]}
    scripts = {name: path.with_suffix(".sh") for name, path in logs.items()}
    assert {name: path.exists() for name, path in scripts.items()} == {
        "short": False,
        "plain": False,
        "long": True,
        "bad": True,
    }
    for name in ("short", "plain", "long"):
        assert logs[name].read_text() == f"{scripts[name]}\n"
    assert scripts["bad"].read_text() == "nowhere"
    assert logs["bad"].read_text().startswith(f"{scripts['bad']}: line 1: nowhere")
