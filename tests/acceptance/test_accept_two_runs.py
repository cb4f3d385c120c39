"""Several runs at once: those that touch the same paths take turns, the others do not wait."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import Callable, List

import pytest
from kit import Project


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline, "waited in vain for " + what
        time.sleep(0.01)


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    """What it told on both streams."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, out + err
    assert "Traceback" not in out + err, out + err
    return out + err


MEETING = """
steps:
  left:
    run: touch left-began; for i in $(seq 600); do test -e right-began && break; sleep 0.05; done; ls right-began > ${{ outputs.o }}
    outputs: {o: left.txt}
  right:
    run: touch right-began; for i in $(seq 600); do test -e left-began && break; sleep 0.05; done; ls left-began > ${{ outputs.o }}
    outputs: {o: right.txt}
  both: {run: "echo both >> ran", inputs: {l: left.txt, r: right.txt}}
"""  # noqa: E501


def test_disjoint_targets_of_one_pipeline_overlap_in_time(project: Project) -> None:
    project.pipeline(MEETING)
    processes = [project.start("run", "-j", "1", name) for name in ("left", "right")]
    for process in processes:
        finish(process)
    assert project.lines("left.txt") == ["right-began"]
    assert project.run().executed == {"both"}
    project.run("left", wait=False)


def test_without_waiting_only_what_is_in_the_way_is_refused(project: Project) -> None:
    project.pipeline(
        """
        steps:
          slow: {run: "touch began; until test -e go; do sleep 0.02; done; echo s > ${{ outputs.o }}", outputs: {o: d/s.txt}}
          user: {run: "cat ${{ inputs.s }} >> used", inputs: {s: "${{ steps.slow.outputs.o }}"}}
          other: {run: "echo other >> ran", outputs: {}}
          globber: {run: "echo globber >> ran; echo ${{ inputs.all }}", inputs: {all: "d/*.txt"}}
        """
    )
    project.write("d/there.txt", "")
    first = project.start("run", "slow")
    wait_for(lambda: project.exists("began"), "the first run")
    assert str(first.pid) in project.cli("run", "--no-wait", "slow", code=4).stderr
    for target in ("user", "globber"):
        assert str(first.pid) in project.refused(target, wait=False), "it names who is in the way"
    assert not project.exists("ran") and not project.exists("used")
    project.run("other", wait=False)
    assert project.lines("ran") == ["other"]
    project.write("go", "")
    finish(first)
    project.run(wait=False)


COUNTED = """
params: {x: 0}
steps:
  a: {run: "echo a >> counts; sleep 0.1; echo a > ${{ outputs.o }}", outputs: {o: out/a}}
  b: {run: "echo b >> counts; sleep 0.1; cat ${{ inputs.a }} > ${{ outputs.o }}", inputs: {a: "${{ steps.a.outputs.o }}"}, outputs: {o: out/b}}
  c: {run: "echo c >> counts; sleep 0.1; cat ${{ inputs.a }} > out/c", inputs: {a: "${{ steps.a.outputs.o }}"}, outputs: {o: out/c}}
  m: {run: "echo m${{ matrix.n }} >> counts; cat ${{ inputs.b }} > ${{ outputs.o }}", matrix: {n: [1, 2]}, inputs: {b: "${{ steps.b.outputs.o }}"}, outputs: {o: "m/${{ matrix.n }}"}}
  e: {run: "echo e >> counts; cat ${{ inputs.m }} ${{ inputs.c }}", inputs: {m: "${{ steps.m.outputs.o }}", c: "${{ steps.c.outputs.o }}"}}
"""  # noqa: E501


def test_runs_of_overlapping_targets_execute_each_key_once(project: Project) -> None:
    project.pipeline(COUNTED)
    targets = [["a"], ["m@2"], ["m"], [], ["e"]]
    random.shuffle(targets)
    processes = [project.start("run", *chosen) for chosen in targets]
    for process in processes:
        finish(process)
    assert sorted(project.lines("counts")) == ["a", "b", "c", "e", "m1", "m2"], targets
    assert project.run().executed == set()
    assert sorted(project._files(lambda parts: parts[:2] == (".mlorch", "kept"))) == []


def test_runs_with_other_params_never_mix_their_versions(project: Project) -> None:
    project.pipeline(
        """
        params: {x: 0}
        steps:
          a: {run: "echo ${{ params.x }} > ${{ outputs.o }}", outputs: {o: a.txt}}
          b: {run: "sleep 0.1; cat ${{ inputs.a }} a.txt > ${{ outputs.o }}", inputs: {a: "${{ steps.a.outputs.o }}"}, outputs: {o: b.txt}}
          c: {run: "test $(sort -u a.txt b.txt | wc -l) = 1; test $(cat a.txt) = ${{ params.x }}", inputs: {a: a.txt, b: b.txt}, cache: false}
        """  # noqa: E501
    )
    processes = [project.start("run", "-p", f"x={number % 3}", "-k") for number in range(4)]
    for process in processes:
        finish(process)
    assert project.lines("b.txt") == project.lines("a.txt") * 2


def test_only_waits_for_who_writes_what_it_takes_as_it_stands(project: Project) -> None:
    project.pipeline(
        """
        params: {x: 1}
        steps:
          a: {run: "touch began; sleep 0.1; until test -e go; do sleep 0.02; done; echo ${{ params.x }} > ${{ outputs.o }}", outputs: {o: a.txt}}
          b: {run: "cat ${{ inputs.a }} > ${{ outputs.o }}", inputs: {a: "${{ steps.a.outputs.o }}"}, outputs: {o: b.txt}}
        """  # noqa: E501
    )
    project.write("go", "")
    project.run("a")
    for name in ("go", "began"):
        os.unlink(str(project.root / name))
    first = project.start("run", "a", "-p", "x=2")
    wait_for(lambda: project.exists("began"), "the first run")
    project.cli("run", "--only", "b", "--no-wait", code=4)
    second = project.start("run", "--only", "b", "-p", "x=2")
    assert second.stderr is not None and "waiting" in second.stderr.readline()
    project.write("go", "")
    finish(first)
    finish(second)
    assert project.lines("b.txt") == ["2"]


def test_a_killed_run_frees_the_way_and_a_waiting_one_can_be_interrupted(project: Project) -> None:
    project.pipeline(
        'steps: {a: {run: "echo $$ >> pids; test -e go || sleep 60; echo a > ${{ outputs.o }}", outputs: {o: a.txt}}}'
    )
    first = project.start("run")
    wait_for(lambda: bool(project.lines("pids")), "the first run")
    waiting = [project.start("run") for _ in range(2)]
    for process in waiting:
        assert process.stderr is not None and "waiting" in process.stderr.readline()
    waiting[0].send_signal(signal.SIGINT)
    finish(waiting[0], 130)
    assert waiting[1].poll() is None
    project.write("go", "")
    first.kill()
    first.communicate()
    finish(waiting[1])
    assert project.lines("a.txt") == ["a"] and len(project.lines("pids")) == 2
    wait_for(
        lambda: not os.path.exists("/proc/" + project.lines("pids")[0]),
        "the end of the killed run's step",
        5.0,
    )


# ------------------------------------------------------------------------------------------------------ runs inside runs


@pytest.fixture
def nest(project: Project) -> None:
    """A script that runs mlorch. (As `python -m mlorch` all of its sources would be read as the step's code.)"""
    project.write("nest.sh", f'#!/bin/sh\nexec "{sys.executable}" -m mlorch run "$1"\n')


def nested(target: str) -> str:
    return f"[./nest.sh, {target}]"


@pytest.mark.usefixtures("nest")
def test_a_run_inside_a_step_goes_ahead_where_nothing_is_shared(project: Project) -> None:
    project.pipeline(f"steps: {{a: {{run: {nested('inner.yaml')}}}}}", "outer.yaml")
    project.pipeline('steps: {b: {run: "echo b > ${{ outputs.o }}", outputs: {o: b.txt}}}', "inner.yaml")
    project.run(pipeline="outer.yaml")
    assert project.lines("b.txt") == ["b"]


@pytest.mark.usefixtures("nest")
@pytest.mark.parametrize("between", [0, 2])
def test_a_run_that_would_wait_for_the_run_around_it_exits_4(project: Project, between: int) -> None:
    """However many runs lie between: none of them would ever end."""
    project.pipeline(
        f"steps: {{a: {{run: {nested('0.yaml')}}}, shared: {{run: 'true', outputs: {{o: s.txt}}}}}}",
        "outer.yaml",
    )
    for number in range(between):
        project.pipeline(f"steps: {{n{number}: {{run: {nested(f'{number + 1}.yaml')}}}}}", f"{number}.yaml")
    project.pipeline('steps: {z: {run: "echo z", inputs: {s: s.txt}}}', f"{between}.yaml")
    project.write("s.txt", "")
    project.run(pipeline="outer.yaml", jobs=1, code=1)
    logs: List[str] = [
        content.decode() for path, content in project.everything().items() if path.endswith(".log")
    ]
    assert any("would have to wait for the run that it was started in" in text for text in logs), logs


@pytest.mark.usefixtures("nest")
def test_a_circle_of_waits_through_two_nested_runs_ends_with_4(project: Project) -> None:
    """Each of two runs starts one that needs the other's path: the later of the two must not wait for ever."""
    for own, other in (("l", "r"), ("r", "l")):
        meet = (
            f"touch {own}-began; for i in $(seq 600); do test -e {other}-began && break; sleep 0.02; done; "
        )
        project.pipeline(
            f"steps: {{{own}: {{run: '{meet} ./nest.sh {own}-inner.yaml', outputs: {{}}}},"
            f" {own}w: {{run: 'echo {own} > ${{{{ outputs.o }}}}', outputs: {{o: {own}.txt}}, needs: [{own}]}}}}",
            own + ".yaml",
        )
        project.write(f"{other}.txt", "")
        project.pipeline(
            f'steps: {{i: {{run: "cat {other}.txt", inputs: {{x: {other}.txt}}}}}}', own + "-inner.yaml"
        )
    processes = [project.start("run", name + ".yaml") for name in "lr"]
    told = [process.communicate(timeout=60) for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 1], told
