"""Whole runs by the real command: two at once, signals, other folders, other environments."""

# ruff: noqa: E501  (a step per line, as pipelines are read best)
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable

import pytest
from kit import Project
from unnoticed import needs_tgkill, send_unnoticed


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline, "waited in vain for " + what
        time.sleep(0.02)


def test_two_runs_of_one_pipeline_one_waits_then_all_is_cached(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a:
            run: echo x >> began; until [ -e "$PWD/go" ]; do sleep 0.02; done; echo done > ${{ outputs.o }}
            outputs: {o: a.txt}
        """
    )
    first = project.start("run", "--json")
    wait_for(lambda: bool(project.lines("began")), "the first run")
    assert first.pid and "a.txt" in project.cli("run", "--no-wait", code=4).stderr
    second = project.start("run", "--json")
    assert second.stderr is not None
    told = second.stderr.readline()
    assert "waiting" in told and str(first.pid) in told
    project.write("go", "")
    out, _ = second.communicate(timeout=30)
    first_out, _ = first.communicate(timeout=30)
    assert (first.returncode, second.returncode) == (0, 0)
    assert json.loads(first_out)["totals"]["succeeded"] == 1
    assert json.loads(out)["totals"]["cached"] == 1
    assert len(project.lines("began")) == 1


def test_two_runs_of_disjoint_pipelines_overlap_in_time(project: Project) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        project.pipeline(
            f"""
            steps:
              {name}:
                run: touch {name}-began; for i in $(seq 300); do test -e {other}-began && break; sleep 0.05; done; test -e {other}-began; touch ${{{{ outputs.o }}}}
                outputs: {{o: {name}.txt}}
                code: []
            """,
            name + ".yaml",
        )
    processes = [project.start("run", name) for name in ("one.yaml", "two.yaml")]
    ends = [process.communicate(timeout=40) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends


def test_readers_and_writers_of_one_path_wait_for_each_other(project: Project) -> None:
    project.pipeline(
        'steps: {a: {run: "touch a-began; sleep 0.7; echo new > ${{ outputs.o }}", outputs: {o: data/a.txt}}}',
        "one.yaml",
    )
    project.pipeline(
        'steps: {b: {run: "cat ${{ inputs.all }} > ${{ outputs.o }}", inputs: {all: "data/*.txt"}, outputs: {o: b.txt}}}',
        "two.yaml",
    )
    project.write("data/a.txt", "old\n")
    first = project.start("run", "one.yaml")
    wait_for(lambda: project.exists("a-began"), "the first run")
    project.cli("run", "two.yaml")
    first.communicate(timeout=20)
    assert project.read("b.txt") == "new\n"


def test_a_run_inside_a_step_that_would_wait_for_its_own_ancestor_exits_4(project: Project) -> None:
    project.pipeline("steps: {a: {run: [python, -m, mlorch, run, mlorch.yaml]}}")
    ran = project.run(code=1)
    assert ran["a"].exit_code == 4, project.log(ran["a"])


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_whole_tree_and_is_recorded(project: Project, number: int, code: int) -> None:
    project.pipeline(
        """
        steps:
          quick: {run: "echo q > ${{ outputs.o }}", outputs: {o: q.txt}}
          slow: {run: 'sleep 60 & echo $! > child; echo $$ > pid; wait', needs: [quick]}
          after: {run: "true", needs: [slow]}
        finally: [{run: "echo finally >> hooks"}]
        """
    )
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests themselves may run under nohup
    process = project.start("run", "--json")
    signal.signal(signal.SIGHUP, before)
    wait_for(lambda: bool(project.lines("pid")), "the step")
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code, err
    outcomes = {item["instance"] or item["step"]: item["outcome"] for item in json.loads(out)["steps"]}
    assert outcomes == {"quick": "succeeded", "slow": "cancelled", "after": "cancelled"}
    for name in ("pid", "child"):
        pid = project.lines(name)[0]
        wait_for(lambda pid=pid: not os.path.exists("/proc/" + pid), name, 5.0)
    runs = json.loads(project.cli("runs", "--json").stdout)["runs"]
    assert runs[0]["status"] == "cancelled"
    project.pipeline('steps: {quick: {run: "echo q > ${{ outputs.o }}", outputs: {o: q.txt}}}')
    assert project.run().executed == set(), "finished steps are cached"


@needs_tgkill
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_the_main_thread_does_not_notice_ends_the_run(project: Project, number: int) -> None:
    project.pipeline("steps: {a: {run: 'echo $$ > pid; sleep 60'}}")
    process = project.start("run")
    wait_for(lambda: bool(project.lines("pid")), "the step")
    send_unnoticed(process.pid, number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number, err


def test_a_second_signal_kills_at_once(project: Project) -> None:
    project.pipeline("steps: {a: {run: 'trap \"\" TERM; echo $$ > pid; while true; do sleep 1; done'}}")
    process = project.start("run")
    wait_for(lambda: bool(project.lines("pid")), "the step")
    began = time.time()
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None, "ten seconds of grace"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.time() - began < 8
    assert not os.path.exists("/proc/" + project.lines("pid")[0])


def test_after_kill_9_nothing_runs_on_and_the_next_run_needs_no_repair(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a: {run: "sleep 60 & echo $! > child; echo $$ > pid; test -e second || wait; echo done > in-place.txt", outputs: {o: in-place.txt}, pass_env: [X]}
        """.replace("test -e second", 'test -n \\"${X:-}\\"')
    )
    project.write("in-place.txt", "precious")
    process = project.start("run")
    wait_for(lambda: bool(project.lines("pid")), "the step")
    assert not project.exists("in-place.txt"), "what stood there is taken away before each attempt"
    process.kill()
    process.communicate()
    for name in ("pid", "child"):
        pid = project.lines(name)[0]
        wait_for(lambda pid=pid: not os.path.exists("/proc/" + pid), name, 5.0)
    project.cli("run", X="1")
    assert project.read("in-place.txt") == "done\n"
    assert b"precious" in project.kept()


def test_a_copy_elsewhere_with_other_times_executes_nothing(project: Project, tmp_path: Path) -> None:
    project.files(
        {
            "lib/__init__.py": "",
            "lib/work.py": "def f(o, raw):\n    o.write_text(raw.read_text())\n",
            "in.txt": "x",
            "t.py": "import lib.work\n",
        }
    )
    project.pipeline(
        """
        steps:
          a: {call: "lib.work:f", inputs: {raw: in.txt}, outputs: {o: out/a.txt}}
          b: {run: "python t.py; cat ${{ inputs.a }} > ${{ outputs.d }}/b", inputs: {a: "${{ steps.a.outputs.o }}"}, outputs: {d: dir/}}
          c: {run: "cat ${{ matrix.f }}", matrix: {f: "${{ steps.b.outputs.d }}"}}
        """
    )
    project.run()
    copied = project.copy(tmp_path / "another place")
    assert copied.run().outcomes == {"a": "cached", "b": "cached", "c@b": "cached"}
    project.write("lib/work.py", "# a comment\ndef f(o,   raw):\n    o.write_text(raw.read_text())\n")
    assert project.run().executed == set(), "comments and formatting do not count"


def test_a_second_run_changes_no_byte_and_no_time(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a: {run: "echo x > ${{ outputs.o }}; mkdir ${{ outputs.d }}/e; echo y > ${{ outputs.d }}/f", outputs: {o: a.txt, d: d/}}
          b: {run: "echo z > b.txt", outputs: {o: b.txt}}
        """
    )

    def state() -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino)
            for path in project.root.rglob("*")
            if ".mlorch" not in path.parts
        }

    project.run()
    before = state()
    project.run()
    project.plan()
    assert state() == before


def test_cron_gives_the_same_keys_as_a_terminal(project: Project, tmp_path: Path) -> None:
    project.files({"work.py": "import os, sys\nopen(sys.argv[1], 'w').write(os.environ['LANG'])\n"})
    project.pipeline('steps: {a: {run: "python work.py ${{ outputs.o }}", outputs: {o: a.txt}}}')
    project.write(
        "mlorch.yaml",
        project.read("mlorch.yaml").replace("steps:", f"python: {sys.executable}\nsteps:"),
    )
    project.cli("run", LANG="de_DE.UTF-8", LC_ALL="C")
    done = subprocess.run(
        project.command("run", str(project.root / "mlorch.yaml"), "--json"),
        cwd=str(tmp_path),
        env={"HOME": os.environ["HOME"], "PYTHONPATH": os.environ.get("PYTHONPATH", os.getcwd())},
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout.decode())["totals"]["cached"] == 1


def test_plan_check_and_exit_codes(project: Project) -> None:
    project.pipeline('params: {x: 1}\nsteps: {a: {run: "echo ${{ params.x }}; test ${{ params.x }} = 1"}}')
    project.cli("plan", "--check", code=5)
    assert not project.exists(".mlorch")
    project.cli("run")
    project.cli("plan", "--check")
    assert "1 -> 2" in project.cli("why", "a", "-p", "x=2").stdout.replace("→", "->")
    project.cli("run", "-p", "x=2", code=1)
    project.cli("run", "-p", "y=2", code=2)
    project.cli("run", "nostep", code=2)
    project.cli("run", "nofile.yaml", code=2)
    project.pipeline("steps: {a: {run: true, neds: [b]}}")
    project.cli("run", code=3)


def test_a_run_tells_its_screen_how_wide_names_are(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a: {run: "true", matrix: {depth: [1, 1000]}}
          many: {run: "true", matrix: {n: "${{ range(1000, 1020) }}"}}
        """
    )
    ran = project.run()
    begun = next(event for event in ran.events if event.kind == "run.started")
    assert begun.data["widest"] == len("a@1000"), "the instances of `many` share a line"


def test_a_check_of_a_metric_that_is_not_there_names_the_one_that_is(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a:
            run: |
              echo '{"accuracy": 0.9, "f1": 0.8}' > ${{ outputs.metrics }}
            outputs: {metrics: m.json}
            checks: ["${{ metrics.acuracy > 0.5 }}"]
        """
    )
    error = project.run(code=1)["a"].error
    assert error == (
        "check did not hold: metrics.acuracy > 0.5 (`metrics` has no `acuracy`; did you mean `accuracy`?)"
    )
