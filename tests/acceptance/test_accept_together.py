"""What runs beside what: resources, order, failures, selectors, hooks."""

# ruff: noqa: E501  (a step per line, as pipelines are read best)
from __future__ import annotations

import os
import time
from typing import List, Tuple

import pytest
from kit import Project

BUSY = """
import os, sys, time

name, seconds = sys.argv[1], float(sys.argv[2])
began = time.time()
time.sleep(seconds)
with open("log.txt", "a") as file:
    file.write("%s %f %f %s\\n" % (name, began, time.time(), os.environ.get("CUDA_VISIBLE_DEVICES")))
"""


def intervals(project: Project) -> List[Tuple[str, float, float, str]]:
    """What the steps themselves measured."""
    found = []
    for line in project.lines("log.txt"):
        name, began, ended, gpus = (line + " ").split(" ")[:4]
        found.append((name, float(began), float(ended), gpus))
    return found


def most_at_once(project: Project, prefix: str = "") -> int:
    chosen = [item for item in intervals(project) if item[0].startswith(prefix)]
    return max(sum(1 for other in chosen if other[1] <= item[1] < other[2]) for item in chosen)


@pytest.mark.parametrize(
    ("capacity", "need", "limit"),
    [
        ("cpus: 2", "cpus: 2", 1),
        ("cpus: 4", "cpus: 2", 2),
        ("memory: 3GiB", "memory: 1GiB", 3),
        ("db: 1", "db: 1", 1),
    ],
)
def test_capacity_is_never_exceeded(project: Project, capacity: str, need: str, limit: int) -> None:
    project.write("busy.py", BUSY)
    project.pipeline(
        f"""
        capacity: {{{capacity}}}
        steps:
          a: {{run: "python -S busy.py a${{{{ matrix.n }}}} 0.15", matrix: {{n: "${{{{ range(5) }}}}"}}, resources: {{{need}}}}}
        """
    )
    ran = project.run(jobs=4)
    assert len(ran.outcomes) == len(intervals(project)) == 5
    assert most_at_once(project) <= limit
    if limit > 1:
        assert most_at_once(project) > 1, "and it is used"


def test_gpus_are_pinned(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    project.write("busy.py", BUSY)
    project.pipeline(
        """
        capacity: {gpus: 2, cpus: 8}
        steps:
          one: {run: "python -S busy.py one${{ matrix.n }} 0.1", matrix: {n: [1, 2, 3]}, resources: {gpus: 1}}
          two: {run: "python -S busy.py two 0.1", resources: {gpus: 2}}
          none: {run: "python -S busy.py none 0.1"}
        """
    )
    project.run(jobs=4)
    found = intervals(project)
    gpus = {name: set(gpus.split(",")) - {""} for name, _, _, gpus in found}
    assert gpus["two"] == {"0", "1"} and gpus["none"] == set()
    for name, began, ended, _ in found:
        for other, other_began, other_ended, _ in found:
            if name != other and began < other_ended and other_began < ended:
                assert not gpus[name] & gpus[other], (name, other)


@pytest.mark.parametrize(
    ("capacity", "need"),
    [("gpus: 1", "gpus: 2"), ("cpus: 2", "cpus: 3"), ("memory: 1GiB", "memory: 2GiB"), ("cpus: 1", "db: 1")],
)
def test_a_need_that_can_never_be_met_is_refused(project: Project, capacity: str, need: str) -> None:
    project.pipeline(
        f'capacity: {{{capacity}}}\nsteps: {{first: {{run: "touch ran"}}, a: {{run: "true", resources: {{{need}}}}}}}'
    )
    assert "E209" in project.refused() or "E703" in project.refused()
    assert not project.exists("ran")


def test_a_need_above_what_the_machine_has_runs_alone_with_a_warning(project: Project) -> None:
    project.write("busy.py", BUSY)
    project.pipeline(
        """
        steps:
          big: {run: "python -S busy.py big 0.2", resources: {memory: 900000GiB}}
          small: {run: "python -S busy.py small${{ matrix.n }} 0.1", matrix: {n: [1, 2, 3]}}
        """
    )
    ran = project.run(jobs=3)
    assert "runs alone" in ran.warnings
    found = intervals(project)
    big = next(item for item in found if item[0] == "big")
    assert all(item[2] <= big[1] or item[1] >= big[2] for item in found if item[0] != "big")


def test_what_an_axis_that_becomes_known_makes_impossible_fails_before_it_starts(project: Project) -> None:
    project.pipeline(
        """
        capacity: {cpus: 3}
        steps:
          make: {run: "echo [1,9] > ${{ outputs.o }}", outputs: {o: l.json}}
          a: {run: "echo a >> ran", matrix: {n: "${{ steps.make.outputs.o }}"}, resources: {cpus: "${{ matrix.n }}"}}
          deploy: {run: "echo deploy >> ran", matrix: {n: "${{ steps.make.outputs.o }}"}, effect: production}
        """
    )
    ran = project.run(code=1, keep_going=True)
    assert (ran["a@1"].outcome, ran["a@9"].outcome) == ("succeeded", "failed")
    assert "9" in ran["a@9"].error and "cpus" in ran["a@9"].error
    deployed = sorted(ran[name].outcome for name in ran.outcomes if name.startswith("deploy"))
    assert deployed == ["failed", "succeeded"]
    assert sorted(project.lines("ran")) == ["a", "deploy"]


def test_there_is_no_barrier_between_levels(project: Project) -> None:
    project.write("busy.py", BUSY)
    project.pipeline(
        """
        steps:
          long: {run: "python -S busy.py long 1.5"}
          one: {run: "python -S busy.py one 0.5"}
          two: {run: "python -S busy.py two 0.5", needs: [one]}
          three: {run: "python -S busy.py three 0.5", needs: [two]}
        """
    )
    project.run(jobs=2)
    found = {name: (began, ended) for name, began, ended, _ in intervals(project)}
    assert max(ended for _, ended in found.values()) - min(began for began, _ in found.values()) < 2.4
    assert found["three"][0] < found["long"][1], "the last of the chain starts while the long one still runs"


# ------------------------------------------------------------------------------------------------------- failures

FAILING = """
steps:
  slow: {run: "touch slow-began; sleep 0.7; echo done > ${{ outputs.o }}", outputs: {o: slow.txt}}
  bad: {run: "while [ ! -e slow-began ]; do sleep 0.02; done; exit 7"}
  child: {run: "true", needs: [bad]}
  grandchild: {run: "true", needs: [child]}
  apart: {run: "true", needs: [slow]}
"""


def test_after_a_failure_nothing_new_starts_and_running_steps_finish(project: Project) -> None:
    project.pipeline(FAILING)
    ran = project.run(code=1)
    assert ran.outcomes == {
        "slow": "succeeded", "bad": "failed", "child": "blocked", "grandchild": "blocked", "apart": "cancelled",
    }  # fmt: skip
    assert (ran["bad"].exit_code, ran["child"].causes, ran["grandchild"].causes) == (7, ("bad",), ("bad",))
    assert project.read("slow.txt") == "done\n"


def test_keep_going_runs_what_does_not_need_it(project: Project) -> None:
    project.pipeline(FAILING)
    ran = project.run(code=1, keep_going=True)
    assert ran.outcomes == {
        "slow": "succeeded", "bad": "failed", "child": "blocked", "grandchild": "blocked", "apart": "succeeded",
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------ selectors

SELECT = """
steps:
  load: {run: "echo l > ${{ outputs.o }}", outputs: {o: load.txt}, tags: [daily]}
  train: {run: "cat ${{ inputs.l }} > ${{ outputs.o }}", matrix: {n: [1, 2]}, inputs: {l: "${{ steps.load.outputs.o }}"}, outputs: {o: "m/${{ matrix.n }}"}}
  score: {run: "cat ${{ inputs.m }} > ${{ outputs.o }}", matrix: {n: [1, 2]}, inputs: {m: "${{ steps.train.outputs.o }}"}, outputs: {o: "s/${{ matrix.n }}"}}
  report: {run: "cat ${{ inputs.s }}", inputs: {s: "${{ steps.score.outputs.o }}"}, tags: [daily, report]}
  lone: {run: "true"}
"""
TRAIN = {"train@1", "train@2"}
SCORE = {"score@1", "score@2"}


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        (("train",), {"load"} | TRAIN),
        (("+train",), {"load"} | TRAIN),
        (("score@2",), {"load", "train@2", "score@2"}),
        (("train+",), {"load", "report"} | TRAIN | SCORE),
        (("tag:report",), {"load", "report"} | TRAIN | SCORE),
        (("l*",), {"load", "lone"}),
        (("s*@1",), {"load", "train@1", "score@1"}),
        (("lone", "load"), {"load", "lone"}),
        ((), {"load", "report", "lone"} | TRAIN | SCORE),
    ],
)
def test_selectors_bring_what_they_need(
    project: Project, selectors: Tuple[str, ...], expected: set[str]
) -> None:
    project.pipeline(SELECT)
    assert set(project.planned(*selectors)) == expected


def test_a_selector_that_names_nothing_says_what_was_meant(project: Project) -> None:
    project.pipeline(SELECT)
    assert "did you mean `train`" in project.refused("trian")
    assert "train@1" in project.refused("train@9")
    assert "report" in project.refused("tag:reprot")


def test_instances_of_an_axis_that_is_not_yet_known_can_be_chosen(project: Project) -> None:
    project.pipeline(
        """
        steps:
          pre: {run: "true"}
          make: {run: "echo 1 > ${{ outputs.d }}/a; echo 2 > ${{ outputs.d }}/b", outputs: {d: d/}, needs: [pre]}
          work: {run: "cat ${{ matrix.f }} > ${{ outputs.o }}", matrix: {f: "${{ steps.make.outputs.d }}"}, outputs: {o: "o/${{ step.instance }}"}}
          join: {run: "cat ${{ inputs.o }}", matrix: {k: [1, 2]}, inputs: {o: "${{ steps.work.outputs.o }}"}}
        """
    )
    ran = project.run("work@a")
    assert ran.outcomes == {"pre": "succeeded", "make": "succeeded", "work@a": "succeeded"}
    ran = project.run("join@2")
    assert set(ran.outcomes) == {"pre", "make", "work@a", "work@b", "join@2"}
    ran = project.run("work@zz")
    assert set(ran.outcomes) == {"pre", "make"}
    assert "no instance of `work` matches `work@zz`" in ran.warnings


def test_only_takes_upstream_outputs_as_they_stand(project: Project) -> None:
    project.pipeline(SELECT)
    assert "load.txt" in project.refused("train", only=True)
    assert not project.exists(".mlorch")
    project.run("train")
    project.write("m/1", "by hand\n")
    ran = project.run("score@1", only=True)
    assert ran.outcomes == {"score@1": "succeeded"}
    assert (project.read("s/1"), project.read("m/1")) == ("by hand\n", "by hand\n")


def test_force_and_force_step(project: Project) -> None:
    project.pipeline(SELECT)
    project.run()
    assert project.run(force_steps=("train@2",)).executed == {"train@2"}
    assert project.run("train", force=True).executed == {"load"} | TRAIN
    assert project.run("report", force_steps=("tag:report",)).executed == {"report"}
    assert "did you mean" in project.refused(force_steps=("trian",))


# ------------------------------------------------------------------------------------------------------------ hooks


def test_hooks_of_a_step_run_in_their_order_and_what_one_leaves_is_ended_alone(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a:
            run: "true"
            on_success:
              - run: "(setsid sleep 60 > leftover 2>&1 & echo $! > left); sleep 0.3; echo first >> hooks"
              - run: "sleep 0.2; echo second >> hooks; exit 3"
            finally: [{run: "echo last >> hooks"}]
          b: {run: "true", finally: [{run: "sleep 0.1"}]}
        """
    )
    project.run(jobs=4)
    assert project.lines("hooks") == ["first", "second", "last"]
    assert not os.path.exists("/proc/" + project.lines("left")[0])


def test_hooks_fire_after_the_last_attempt_and_once_per_run(project: Project) -> None:
    project.pipeline(
        """
        params: {fail: "no"}
        steps:
          good:
            run: echo g > ${{ outputs.o }}
            outputs: {o: g.txt}
            on_success: [{run: "echo good success $(cat ${{ outputs.o }}) >> hooks"}]
            on_failure: [{run: "echo good failure >> hooks"}]
            finally: [{run: [sh, -c, "echo good finally $MLORCH_STEP >> hooks"]}]
          flaky:
            run: test $MLORCH_ATTEMPT = 2 && test ${{ params.fail }} = no
            retry: {max_attempts: 2, delay: 0}
            on_success: [{run: "echo flaky success >> hooks"}]
            on_failure: [{run: "echo flaky failure ${{ step.id }} >> hooks; exit 9"}]
        on_success: [{run: "echo run success ${{ run.status }} >> hooks"}]
        on_failure: [{run: "echo run failure ${{ run.id }} >> hooks; exit 5", shell: sh}]
        finally: [{run: "echo run finally >> hooks"}]
        """
    )
    project.run()
    first = {
        "good success g", "good finally good", "flaky success", "run success succeeded", "run finally",
    }  # fmt: skip
    assert sorted(project.lines("hooks")) == sorted(first)
    os.unlink(str(project.root / "hooks"))
    project.run()
    assert sorted(project.lines("hooks")) == ["run finally", "run success succeeded"], "nothing was executed"
    os.unlink(str(project.root / "hooks"))
    ran = project.run(params=("fail=yes",), code=1)
    assert sorted(project.lines("hooks")) == sorted(
        ["flaky failure flaky", "run failure " + ran.summary.run, "run finally"]
    )
    told = " ".join(str(event.data.get("text")) for event in ran.events if event.kind == "warning")
    assert "hook" in told and "exit 9" in told and "exit 5" in told


def test_what_hooks_see(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "pager-number-1")
    project.write("in.txt", "")
    project.pipeline(
        """
        params: {q: quiet}
        env: {MODE: "${{ params.q }}", OWN: "${{ step.id }}"}
        secrets: [PAGER]
        steps:
          a:
            run: echo > ${{ outputs.o }}; exit 3
            inputs: {f: in.txt}
            outputs: {o: o.txt}
            on_failure: [{run: "echo ${{ inputs.f }} ${{ outputs.o }} $MODE $OWN ${#PAGER} >> hooks"}]
        on_failure:
          - run: echo $MODE ${#PAGER} ${{ run.name }} >> hooks
          - run: test -n ${{ secrets.PAGER }} && python -c 'import sys; print(sys.prefix)' >> hooks
        """
    )
    project.run(code=1)
    assert sorted(project.lines("hooks")) == sorted(
        ["in.txt o.txt quiet a 14", "quiet 14 demo", os.environ["VIRTUAL_ENV"]]
    )


def test_a_failing_hook_does_not_change_the_exit_code(project: Project) -> None:
    project.pipeline('steps: {a: {run: "true", finally: [{run: "exit 1"}]}}\non_success: [{run: "exit 1"}]')
    ran = project.run()
    assert ran.outcomes == {"a": "succeeded"}
    project.pipeline('steps: {a: {run: "true", finally: [{run: "echo other"}]}}\nfinally: [{run: "true"}]')
    assert project.run().executed == set(), "hooks are in no key"


def test_what_a_step_leaves_running_is_ended(project: Project) -> None:
    project.pipeline(
        'steps: {a: {run: "setsid sleep 60 > /dev/null 2>&1 & echo $! > pid; while [ ! -s pid ]; do :; done; sleep 0.2"}}'
    )
    ran = project.run()
    assert "left" in ran.warnings
    deadline = time.time() + 3
    pid = project.read("pid").strip()
    while os.path.exists("/proc/" + pid) and time.time() < deadline:
        time.sleep(0.05)
    assert not os.path.exists("/proc/" + pid)
