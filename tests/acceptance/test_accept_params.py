"""Params, environment, secrets, defaults, includes: what reaches a step, and what does not."""

from __future__ import annotations

import os

import pytest
from kit import Project

CANARY = "s3cr3t-canary-0815"


def test_params_come_from_the_file_then_a_params_file_then_the_command_line(project: Project) -> None:
    project.pipeline(
        """
        params: params.yaml
        steps:
          show:
            run: [echo, "${{ params.a }}", "${{ params.deep.x }}", "${{ params.deep.y }}", "${{ params.deep.z }}"]
        """
    )
    project.write("params.yaml", "a: 1\ndeep: {x: 1, y: 1, z: 1}\n")
    project.write("other.json", '{"a": 2, "deep": {"y": 2, "z": 2}}')
    ran = project.run(params=("deep.z=3",), params_file=str(project.root / "other.json"))
    assert project.log(ran["show"]) == "2 1 2 3\n"
    assert "did you mean `deep.z`" in project.refused(params=("deep.zz=3",)).replace("params.", "")


def test_values_of_the_command_line_are_typed_as_in_yaml(project: Project) -> None:
    project.pipeline(
        """
        params: {a: 1, b: x, c: x, d: [1], e: x, f: x}
        steps:
          show:
            call: lib:show
            outputs: {metrics: m.json}
        """
    )
    project.write(
        "lib.py", "def show(params):\n    return {name: repr(value) for name, value in params.items()}\n"
    )
    project.run(params=("a=1e-4", "b=no", "c=true", "d=[3, 4]", "e=12:30:00", "f=0777"))
    assert project.json("m.json") == {
        "a": "0.0001", "b": "'no'", "c": "True", "d": "[3, 4]", "e": "'12:30:00'", "f": "'0777'",
    }  # fmt: skip


def test_only_params_that_a_step_names_are_in_its_key(project: Project) -> None:
    project.pipeline(
        """
        params: {a: 1, b: 1, c: 1, d: 1}
        steps:
          one: {run: "echo ${{ params.a }} > ${{ outputs.o }}", outputs: {o: one.txt}}
          two: {run: "cat $MLORCH_CONTEXT", params: [b]}
          all: {call: "lib:all_of"}
        """
    )
    project.write("lib.py", "def all_of(params):\n    pass\n")
    project.run()
    assert project.run(params=("c=2",)).executed == {"all"}
    assert project.run(params=("b=2",)).executed == {"two", "all"}
    assert project.run(params=("a=2",)).executed == {"one", "all"}
    assert project.run().executed == set(), "params set back: everything is remembered"
    assert project.read("one.txt") == "1\n"


def test_environment_is_scrubbed_but_for_what_is_declared(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKS", "1")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("AWS_REGION", "eu")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("CUDA_HOME", "/cuda")
    project.pipeline(
        """
        env: {TZ: Europe/Paris, DEPTH: "${{ params.depth }}"}
        pass_env: [AWS_*, WANDB_MODE]
        params: {depth: 3}
        steps:
          show:
            run: [env, "-0"]
            env: {OWN: "yes", DEPTH: "4"}
          other: {run: [env, "-0"]}
        """
    )
    ran = project.run()
    env = dict(item.split("=", 1) for item in project.log(ran["show"]).split("\0") if item)
    assert "LEAKS" not in env
    assert (env["WANDB_MODE"], env["AWS_REGION"], env["TZ"], env["OWN"]) == (
        "offline",
        "eu",
        "Europe/Paris",
        "yes",
    )
    assert (env["LANG"], env["PYTHONHASHSEED"], env["CUDA_HOME"], env["HOME"]) == (
        "C.UTF-8", "0", "/cuda", os.environ["HOME"],
    )  # fmt: skip
    assert env["DEPTH"] == "4"
    assert env["OMP_NUM_THREADS"] == env["LOKY_MAX_CPU_COUNT"] == "1"
    assert env["CUDA_VISIBLE_DEVICES"] == ""
    assert env["MLORCH_RUN_ID"] == ran.summary.run
    assert (env["MLORCH_STEP"], env["MLORCH_ATTEMPT"]) == ("show", "1")
    assert os.path.isfile(env["MLORCH_CONTEXT"])
    other = dict(item.split("=", 1) for item in project.log(ran["other"]).split("\0") if item)
    assert (other["DEPTH"], "OWN" in other) == ("3", False)
    monkeypatch.setenv("WANDB_MODE", "online")
    assert project.run().executed == set(), "what is passed is not in the key"
    assert project.run(params=("depth=5",)).executed == {"other"}, "what is declared is"


def test_a_secret_is_in_no_file_and_no_stream(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", CANARY)
    project.pipeline(
        """
        secrets: [TOKEN]
        steps:
          use:
            run: |
              echo "token: $TOKEN" ${{ secrets.TOKEN }}
              printf %s "$TOKEN" | base64
              echo "to stderr $TOKEN" >&2
              test ${{ secrets.TOKEN }} = s3cr3t-canary-0815-not && exit 3
              echo done > ${{ outputs.o }}
            outputs: {o: o.txt}
            finally: [{run: "echo hook ${{ secrets.TOKEN }}"}]
          call: {call: "lib:use", inputs: {o: "${{ steps.use.outputs.o }}"}}
          fails: {run: "echo $TOKEN; exit 1"}
        """
    )
    (project.root / "mlorch.yaml").write_text(
        project.read("mlorch.yaml").replace(CANARY + "-not", "x"), encoding="utf-8"
    )
    project.write(
        "lib.py",
        "import os\n\n\ndef use(o):\n    print(os.environ['TOKEN'], flush=True)\n    raise SystemExit(0)\n",
    )
    done = project.cli("run", "-k", "--json", "--events", "events.jsonl", code=1)
    again = project.cli("run", "-k", "--progress", "plain", code=1)
    for text in (done.stdout, done.stderr, again.stdout, again.stderr):
        assert CANARY not in text
    found = [path for path, data in project.everything().items() if CANARY.encode() in data]
    assert found == []
    logs = "".join(
        data.decode("utf-8", "replace")
        for path, data in project.everything().items()
        if path.endswith(".log")
    )
    assert "token: ***" in logs and "hook ***" in logs


def test_a_secret_is_not_in_the_key_and_a_missing_one_fails_its_step(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.pipeline('secrets: [TOKEN]\nsteps: {a: {run: "true"}}')
    monkeypatch.setenv("TOKEN", "first-one")
    project.run()
    monkeypatch.setenv("TOKEN", "second-one")
    assert project.run().executed == set()
    monkeypatch.delenv("TOKEN")
    assert project.run().outcomes == {"a": "cached"}
    ran = project.run(code=None, force=True)
    assert ran.outcomes == {"a": "failed"}
    assert "TOKEN" in ran["a"].error


@pytest.mark.parametrize(
    ("body", "outputs"),
    [
        ("import json, sys; json.dump({'t': 'x' + TOKEN}, open(sys.argv[1], 'w'))", "{metrics: m.json}"),
        ("import json, sys; json.dump({TOKEN: 1}, open(sys.argv[1], 'w'))", "{metrics: m.json}"),
        ("import sys; open(sys.argv[1] + '/' + TOKEN, 'w').close()", "{metrics: dir/}"),
    ],
)
def test_a_secret_in_metrics_or_in_a_file_name_fails_the_step(
    project: Project, monkeypatch: pytest.MonkeyPatch, body: str, outputs: str
) -> None:
    monkeypatch.setenv("TOKEN", CANARY)
    project.write("do.py", "import os\nTOKEN = os.environ['TOKEN']\n" + body.replace("; ", "\n") + "\n")
    name = "folder" if "dir/" in outputs else "metrics"
    project.pipeline(
        """
        secrets: [TOKEN]
        steps:
          a: {{run: "python do.py ${{{{ outputs.{} }}}}", outputs: {}}}
        """.format(name, outputs.replace("metrics", name))
    )
    ran = project.run(code=1)
    assert "secret" in ran["a"].error
    assert CANARY not in repr(ran.summary) + repr(ran.events)
    assert [
        path for path, data in project.everything().items() if CANARY in path or CANARY.encode() in data
    ] == []


def test_defaults_are_merged_key_by_key(project: Project) -> None:
    project.pipeline(
        """
        defaults:
          retry: {max_attempts: 2, delay: 10ms}
          env: {A: one, B: one}
          tags: [nightly]
          timeout: 1h
        steps:
          a:
            run: 'echo "$A $B"; exit 1'
            env: {B: two}
            retry: {max_attempts: 3}
          b:
            call: lib:f
            continue_on_error: true
        """.replace("10ms", "0.01")
    )
    project.write("lib.py", "def f():\n    raise ValueError('no')\n")
    ran = project.run(code=1, keep_going=True)
    assert project.log(ran["a"]) == "one two\n"
    assert (ran["a"].attempts, ran["b"].attempts) == (3, 2)
    assert set(project.run("tag:nightly", code=None, keep_going=True).outcomes) == {"a", "b"}


def test_an_include_is_a_namespace_with_values(project: Project) -> None:
    project.pipeline(
        """
        params: {depth: 3}
        include:
          - {file: parts/eval.yaml, as: one, with: {model: "${{ steps.train.outputs.m }}", limit: 2}}
          - {file: parts/eval.yaml, as: two, with: {model: data/old.txt, limit: 1}}
        steps:
          train: {run: "echo new > ${{ outputs.m }}", outputs: {m: m.txt}}
          tell:
            run: echo ${{ steps.one.score.metrics.n }} ${{ steps.two.score.metrics.n }} ${{ steps.one.again.status }}
        """
    )
    project.write(
        "parts/eval.yaml",
        """
        expects: [model, limit]
        steps:
          score:
            call: lib:score
            inputs: {model: "${{ with.model }}"}
            outputs: {metrics: "out/${{ step.id }}.json"}
            checks: ["${{ metrics.n >= with.limit }}"]
          again: {run: "cat ${{ steps.score.outputs.metrics }}; echo ${{ params.depth }}"}
        """,
    )
    project.files(
        {"data/old.txt": "x", "lib.py": "def score(model):\n    return {'n': len(model.read_text())}\n"}
    )
    ran = project.run()
    assert set(ran.outcomes) == {"train", "one.score", "one.again", "two.score", "two.again", "tell"}
    assert project.log(ran["tell"]) == "4 1 succeeded\n"
    assert project.log(ran["one.again"]).endswith("3\n")
    assert project.run().executed == set()
    assert project.run("one.again+", force=True).executed >= {"one.again", "tell"}
