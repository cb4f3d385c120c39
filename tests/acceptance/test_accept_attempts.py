"""Attempts: retries, timeouts, checkpoints, effects, caches and checks."""

# ruff: noqa: E501  (a step per line, as pipelines are read best)
from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time

import pytest
from kit import Project


def test_retries_with_fresh_staging_until_it_works(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a:
            run: |
              echo $MLORCH_ATTEMPT $(ls -A $(dirname ${{ outputs.o }}) | wc -l) $(ls -A ${{ outputs.d }} | wc -l) >> tries
              echo half > ${{ outputs.o }}
              touch ${{ outputs.d }}/x
              test $MLORCH_ATTEMPT = 3
              echo whole > ${{ outputs.o }}
            outputs: {o: a.txt, d: d/}
            retry: {max_attempts: 5, delay: 0.15, backoff: 2, max_delay: 0.2}
          b: {run: "cat ${{ inputs.a }}", inputs: {a: "${{ steps.a.outputs.o }}"}}
        """
    )
    began = time.time()
    ran = project.run()
    assert time.time() - began >= 0.35, "0.15 and then 0.2 s, for 0.3 is over the longest"
    assert [line.split()[0] for line in project.lines("tries")] == ["1", "2", "3"]
    assert len({tuple(line.split()[1:]) for line in project.lines("tries")}) == 1, "each attempt starts alike"
    assert ran["a"].attempts == 3
    assert project.log(ran["b"]) == "whole\n"
    assert [event.data["attempt"] for event in ran.events if event.kind == "step.retried"] == [1, 2]


def test_only_the_named_causes_are_retried(project: Project) -> None:
    project.pipeline(
        """
        defaults: {retry: {max_attempts: 2, delay: 0}}
        steps:
          code: {run: "exit 75", retry: {on: [75]}}
          other: {run: "exit 3", retry: {on: [75]}}
          killed: {run: "kill -9 $$", retry: {on: [killed]}}
          slow: {run: "sleep 20", timeout: {after: 0.2, grace: 1}, retry: {on: [timeout]}}
          missing: {run: "true", outputs: {o: never.txt}}
          check: {call: "lib:f", checks: ["${{ metrics.n > 1 }}"]}
        """
    )
    project.write("lib.py", "def f():\n    return {'n': 1}\n")
    ran = project.run(code=1, keep_going=True)
    attempts = {name: ran[name].attempts for name in ran.outcomes}
    assert attempts == {"code": 2, "other": 1, "killed": 2, "slow": 2, "missing": 2, "check": 1}
    assert set(ran.outcomes.values()) == {"failed"}
    assert (ran["code"].exit_code, ran["killed"].exit_code) == (75, 137)
    assert "timed out" in ran["slow"].error and "SIGKILL" in ran["killed"].error


def test_a_timeout_gives_its_grace_and_then_ends_the_whole_group(project: Project) -> None:
    project.pipeline(
        """
        steps:
          polite: {run: 'trap "echo bye; exit 9" TERM; sleep 30 & wait', timeout: {after: 0.3, grace: 5}}
          stubborn: {run: 'trap "" TERM; echo $$ > pid; sleep 30 & echo $! > child; wait; wait; sleep 30', timeout: {after: 0.3, grace: 0.3}}
        """
    )
    began = time.time()
    ran = project.run(code=1, keep_going=True)
    assert time.time() - began < 8
    assert "bye" in project.log(ran["polite"])
    assert all("timed out" in ran[name].error for name in ran.outcomes)
    for file in ("pid", "child"):
        assert not os.path.exists(f"/proc/{project.read(file).strip()}"), file


TRAIN = """
import json, os, pathlib, sys, time

checkpoint, out, steps, seed = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
state = {"epoch": 0, "weight": seed}
file = checkpoint / "state.json"
if file.exists():
    state = json.loads(file.read_text())
print("from epoch", state["epoch"], flush=True)
while state["epoch"] < steps:
    time.sleep(0.02)
    state = {"epoch": state["epoch"] + 1, "weight": (state["weight"] * 31 + 7) % 1000003}
    temporary = checkpoint / "state.new"
    temporary.write_text(json.dumps(state))
    os.replace(str(temporary), str(file))
pathlib.Path(out).write_text(str(state["weight"]))
"""
LOOP = """
params: {seed: 1}
steps:
  train:
    run: echo $$ > pid; exec python train.py ${{ checkpoint }} ${{ outputs.model }} 40 ${{ params.seed }}
    outputs: {model: model.txt}
    checkpoint: true
"""


def _epoch(project: Project) -> int:
    """The epoch that the checkpoint holds."""
    for path in (project.root / ".mlorch").rglob("state.json"):
        return int(json.loads(path.read_text())["epoch"])
    return 0


def test_a_training_loop_killed_twice_at_random_resumes_and_gives_the_same_model(
    project: Project, tmp_path: object
) -> None:
    project.write("train.py", TRAIN)
    project.pipeline(LOOP)
    undisturbed = Project(tmp_path / "other")  # type: ignore[operator]
    undisturbed.write("train.py", TRAIN)
    undisturbed.pipeline(LOOP)
    undisturbed.run()
    for _ in range(2):
        if project.exists("pid"):
            os.unlink(str(project.root / "pid"))
        before = _epoch(project)
        process = project.start("run")
        deadline = time.time() + 60
        while not (project.lines("pid") and _epoch(project) > before) and time.time() < deadline:
            time.sleep(0.01)
        time.sleep(random.random() * 0.2)
        os.killpg(int(project.read("pid")), signal.SIGKILL)
        assert process.wait(20) == 1
        process.communicate()
        assert not project.exists("model.txt")
    ran = project.run()
    assert project.read("model.txt") == undisturbed.read("model.txt")
    assert project.log(ran["train"]).startswith("from epoch ")
    assert not project.log(ran["train"]).startswith("from epoch 0"), "it resumed"
    left = [path for path in project.everything() if "state.json" in path]
    assert left == [], "it goes when the step has succeeded"


def test_a_checkpoint_belongs_to_its_key_and_force_starts_anew(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.pipeline(
        """
        params: {x: 1}
        pass_env: [FAIL]
        steps:
          a:
            run: ls ${{ checkpoint }}; touch ${{ checkpoint }}/seen-${{ params.x }}; test -z "${FAIL:-}"
            checkpoint: true
        """
    )
    monkeypatch.setenv("FAIL", "1")
    assert project.log(project.run(code=1)["a"]) == ""
    assert project.log(project.run(code=1)["a"]) == "seen-1\n"
    assert project.log(project.run(code=1, params=("x=2",))["a"]) == "", "another key starts empty"
    assert project.log(project.run(code=1, force=True)["a"]) == "", "force starts empty"
    assert project.log(project.run(code=1)["a"]) == "seen-1\n"
    monkeypatch.delenv("FAIL")
    assert project.log(project.run()["a"]) == "seen-1\n"
    assert project.log(project.run(force=True)["a"]) == ""


# ------------------------------------------------------------------------------------------------------------- effect

DEPLOY = """
params: {m: A}
steps:
  model: {run: "echo ${{ params.m }} > ${{ outputs.o }}", outputs: {o: model.txt}}
  deploy:
    run: cat ${{ inputs.m }} >> deployed; test ! -e fail; echo ok > ${{ outputs.receipt }}
    inputs: {m: "${{ steps.model.outputs.o }}"}
    outputs: {receipt: receipt.txt}
    effect: production/x
"""


def test_deploying_a_b_a_deploys_three_times(project: Project) -> None:
    project.pipeline(DEPLOY)
    for model in "ABA":
        project.run(params=("m=" + model,))
        assert project.run(params=("m=" + model,)).executed == set()
    assert project.lines("deployed") == ["A", "B", "A"]
    assert project.run(params=("m=A",), force_steps=("deploy",)).executed == {"deploy"}


def test_an_unfinished_receipt_runs_again(project: Project) -> None:
    project.pipeline(DEPLOY)
    project.run()
    project.write("fail", "")
    project.run(params=("m=B",), code=1)
    os.unlink(str(project.root / "fail"))
    assert project.run(params=("m=A",)).executed == {"deploy"}, "who knows what B did before it failed"
    assert project.lines("deployed") == ["A", "B", "A"]


def test_lost_outputs_of_an_effect_are_an_error_that_names_the_way_out(project: Project) -> None:
    project.pipeline(DEPLOY)
    project.run()
    for path in (project.root / ".mlorch/objects").rglob("*"):
        if path.is_file() and path.read_bytes() == b"ok\n":
            path.unlink()
    os.unlink(str(project.root / "receipt.txt"))
    assert "--force-step deploy" in project.refused()
    assert project.lines("deployed") == ["A"]
    assert project.run(force_steps=("deploy",)).executed == {"deploy"}


def test_two_instances_with_one_effect_are_an_error(project: Project) -> None:
    project.pipeline('steps: {a: {run: "echo ${{ matrix.n }} >> ran", matrix: {n: [1, 2]}, effect: prod}}')
    assert "prod" in project.refused()
    assert not project.exists("ran")
    project.pipeline(
        'steps: {a: {run: "echo ${{ matrix.n }} >> ran", matrix: {n: [1, 2]}, effect: "prod/${{ matrix.n }}"}}'
    )
    project.run()
    assert sorted(project.lines("ran")) == ["1", "2"]


def test_adopt_takes_what_is_there_but_makes_no_receipt(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a: {run: "echo new > ${{ outputs.o }}; echo a >> ran", outputs: {o: a.txt}}
          b: {run: "cat ${{ inputs.a }} > ${{ outputs.o }}; echo b >> ran", inputs: {a: "${{ steps.a.outputs.o }}"}, outputs: {o: b.txt}}
          c: {run: "echo c >> ran; touch ${{ outputs.o }}", outputs: {o: c.txt}, effect: prod}
        """
    )
    project.files({"a.txt": "from make\n", "c.txt": ""})
    ran = project.run(adopt=True)
    assert ran.executed == {"b", "c"}
    assert (project.read("a.txt"), project.read("b.txt")) == ("from make\n", "from make\n")
    assert project.run().executed == set()
    assert project.kept() in ([], [b""])


# ------------------------------------------------------------------------------------------------------- cache, checks


def test_cache_false_ttl_and_version(project: Project) -> None:
    def write(version: int) -> None:
        project.pipeline(
            f"""
            steps:
              never: {{run: "echo same > ${{{{ outputs.o }}}}", outputs: {{o: n.txt}}, cache: false}}
              after: {{run: "cat ${{{{ inputs.n }}}}", inputs: {{n: "${{{{ steps.never.outputs.o }}}}"}}}}
              ttl: {{run: "true", cache: {{ttl: 1.2}}}}
              long: {{run: "true", cache: {{ttl: 1d}}}}
              versioned: {{run: "true", cache: {{version: {version}}}}}
            """
        )

    write(1)
    project.run()
    assert project.run().executed <= {"never", "ttl"}
    write(2)
    assert project.run().executed >= {"never", "versioned"}
    time.sleep(1.3)
    assert project.run().executed == {"never", "ttl"}
    write(1)
    assert "versioned" not in project.run().executed


CHECKS = """
params: {least: 1, most: 9}
steps:
  a:
    call: lib:f
    outputs: {o: a.txt, metrics: m.json}
    checks:
      - ${{ metrics.n >= params.least }}
      - assert: ${{ metrics.n <= params.most }}
        message: more than ${{ params.most }} is too many
        severity: warn
  b: {run: "cat ${{ inputs.a }}", inputs: {a: "${{ steps.a.outputs.o }}"}}
"""


def test_checks_gate_without_running_again(project: Project) -> None:
    project.write("lib.py", "def f(o):\n    o.write_text('made')\n    return {'n': 5}\n")
    project.pipeline(CHECKS)
    ran = project.run(params=("least=6",), code=1)
    assert ran.outcomes == {"a": "failed", "b": "blocked"}
    assert "metrics.n >= params.least" in ran["a"].error
    assert not project.exists("a.txt"), "recorded, but not put in place"
    hint = ran["a"].hint
    command = hint[hint.index("mlorch get") :].split()[1:]
    project.cli(*command)
    assert project.read("a.txt") == "made", hint
    os.unlink(str(project.root / "a.txt"))
    ran = project.run()
    assert ran.executed == {"b"}, "a changed threshold needs no second execution"
    assert project.read("a.txt") == "made"
    ran = project.run(params=("least=6",), code=1)
    assert ran.executed == set() and ran.outcomes == {"a": "failed", "b": "blocked"}
    assert not project.exists("a.txt"), "the failing content itself is moved aside"
    ran = project.run(params=("most=4",))
    assert ran.outcomes == {"a": "cached", "b": "cached"}
    assert "more than 4 is too many" in ran.warnings


def test_what_was_published_before_stays_when_a_check_fails(project: Project) -> None:
    project.write("lib.py", "def f(o, n):\n    o.write_text(str(n))\n    return {'n': n}\n")
    project.pipeline(
        """
        params: {n: 5}
        steps: {a: {call: "lib:f", outputs: {o: a.txt}, checks: ["${{ metrics.n > 3 }}"]}}
        """
    )
    project.run()
    assert project.run(params=("n=1",), code=1).outcomes == {"a": "failed"}
    assert project.read("a.txt") == "5"
    assert project.run().outcomes == {"a": "cached"}


# ------------------------------------------------------------------------------------------------------ early cut-off


def test_the_same_content_again_stops_there(project: Project) -> None:
    project.pipeline(
        """
        params: {x: 1}
        steps:
          a: {run: "echo ${{ params.x }} > /dev/null; echo same > ${{ outputs.o }}", outputs: {o: a.txt}}
          b: {run: "cat ${{ inputs.a }} > ${{ outputs.o }}", inputs: {a: "${{ steps.a.outputs.o }}"}, outputs: {o: b.txt}}
          c: {run: "cat ${{ inputs.b }}", inputs: {b: "${{ steps.b.outputs.o }}"}}
        """
    )
    project.run()
    assert project.planned(params=("x=2",)) == {"a": "run", "b": "maybe", "c": "maybe"}
    assert project.run(params=("x=2",)).executed == {"a"}
    assert project.run(force=True).executed == {"a", "b", "c"}
    assert project.run("a", force=True).executed == {"a"}
    assert project.run().executed == set()


def test_code_that_changes_while_it_runs_is_not_taken_for_what_ran(project: Project) -> None:
    project.write(
        "work.py",
        "import sys, shutil\nopen(sys.argv[1], 'w').write('old')\nshutil.copy('next.txt', 'work.py')\n",
    )
    project.write("next.txt", "import sys, shutil\nopen(sys.argv[1], 'w').write('new')\n")
    project.pipeline('steps: {a: {run: "python work.py ${{ outputs.o }}", outputs: {o: a.txt}}}')
    ran = project.run()
    assert ran.outcomes == {"a": "succeeded"} and "changed while" in ran.warnings
    assert project.read("a.txt") == "old"
    assert project.run().executed == {"a"}
    assert project.read("a.txt") == "new"
    assert project.run().executed == set()


def test_an_input_that_changes_while_it_runs_fails_the_attempt(project: Project) -> None:
    project.write("in.txt", "1")
    project.pipeline(
        'steps: {a: {run: "test -e go || echo 2 > in.txt; cat ${{ inputs.i }}", inputs: {i: in.txt}}}'
    )
    ran = project.run(code=1)
    assert "changed while it ran" in ran["a"].error
    project.write("go", "")
    assert project.run().outcomes == {"a": "succeeded"}


@pytest.mark.parametrize("tamper", ["open(name, 'w').write('evil')", "os.unlink(name)"])
def test_an_output_that_is_changed_before_its_reader_starts_is_put_right(
    project: Project, tamper: str
) -> None:
    project.write("tamper.py", "import os\nname = 'a' + '.txt'\n" + tamper + "\n")
    project.pipeline(
        """
        steps:
          a: {run: "echo 1 > ${{ outputs.o }}", outputs: {o: a.txt}}
          evil: {run: "python tamper.py", needs: [a]}
          b: {run: "cat ${{ inputs.i }}", inputs: {i: "${{ steps.a.outputs.o }}"}, needs: [evil]}
        """
    )
    ran = project.run()
    assert project.log(ran["b"]) == "1\n"
    assert "`a.txt` was changed while the pipeline ran" in ran.warnings and "created by" not in ran.warnings
    assert project.kept() == ([b"evil"] if "evil" in tamper else [])
    assert project.run().executed == set()


def test_attempts_count_though_the_code_changes_between_them(project: Project) -> None:
    project.write(
        "work.py",
        "open('o.txt', 'w').write('half')\nopen('work.py', 'a').write('X = 1\\n')\nraise SystemExit(1)\n",
    )
    project.write("o.txt", "mine")
    project.pipeline(
        """
        steps:
          a: {run: "echo x >> ran; python work.py", outputs: {o: o.txt}, retry: {max_attempts: 3, delay: 0}}
        """
    )
    ran = project.run(code=1)
    assert (ran["a"].attempts, len(project.lines("ran"))) == (3, 3)
    assert project.read("o.txt") == "mine", "what stood there before the first attempt comes back"


def test_a_source_that_never_stands_still_is_an_error_and_no_endless_loop(project: Project) -> None:
    project.write("in.txt", "")
    project.pipeline(
        'steps: {first: {run: sleep 0.2}, a: {run: "sleep 1; wc -l ${{ inputs.i }}", inputs: {i: in.txt}, needs: [first]}}'
    )
    disturb = subprocess.Popen(["sh", "-c", "while :; do echo x >> in.txt; done"], cwd=str(project.root))
    try:
        ran = project.run(code=1)
    finally:
        disturb.kill()
        disturb.wait()
    assert "in.txt" in ran["a"].error and "change" in ran["a"].error


def test_a_data_file_that_an_attempt_created_is_data_and_not_code(project: Project) -> None:
    project.write("note.py", "import sys, time\nopen(sys.argv[1], 'a').write(str(time.time()))\n")
    project.pipeline('steps: {a: {run: "python note.py notes.txt"}, b: {run: "date > log.txt"}}')
    ran = project.run()
    assert "`notes.txt`" in ran.warnings and "log.txt" not in ran.warnings
    assert project.run().executed == set()
    project.write("notes.txt", "changed")
    assert project.run().executed == set()


def test_a_file_that_a_step_merely_changes_counts_and_is_warned_of(project: Project) -> None:
    project.files(
        {"note.py": "import sys, time\nopen(sys.argv[1], 'a').write(str(time.time()))\n", "notes.txt": "mine"}
    )
    project.pipeline('steps: {a: {run: "python note.py notes.txt"}}')
    for _ in range(2):
        ran = project.run()
        assert ran.executed == {"a"}
        assert "`notes.txt`" in ran.warnings and "declare" in ran.warnings


@pytest.mark.parametrize("where", ["run", "call"])
def test_a_module_that_nobody_imports_by_name_counts_once_it_was_loaded(project: Project, where: str) -> None:
    project.files(
        {
            "plugins/extra.py": "N = 1\n",
            "do.py": "import importlib\n\n\ndef f():\n    print(importlib.import_module('plugins.' + 'ex' + 'tra').N)\n\n\nif __name__ == '__main__':\n    f()\n",
        }
    )
    project.pipeline(
        "steps: {{a: {{{}}}}}".format({"run": 'run: "python do.py"', "call": 'call: "do:f"'}[where])
    )
    assert project.log(project.run()["a"]) == "1\n"
    assert project.run().executed == set()
    project.write("plugins/extra.py", "N = 2\n")
    ran = project.run()
    assert ran.executed == {"a"}
    assert project.log(ran["a"]) == "2\n"


@pytest.mark.parametrize("name", ["metrics", "history"])
def test_metrics_nested_without_end_fail_the_step_and_not_the_run(project: Project, name: str) -> None:
    project.write("deep.py", "import sys\nopen(sys.argv[1], 'w').write('[' * 200000)\n")
    project.pipeline(
        'steps: {a: {run: "python deep.py ${{ outputs.NAME }}", outputs: {NAME: m.json}}}'.replace(
            "NAME", name
        )
    )
    ran = project.run(code=1)
    assert name in ran["a"].error
