"""Matrices, axes that become known during the run, and conditions."""

# ruff: noqa: E501  (a step per line, as pipelines are read best)
from __future__ import annotations

import pytest
from kit import Project


def test_include_exclude_and_names_by_value(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a:
            run: echo ${{ matrix.d }} ${{ matrix.f }} ${{ step.instance }}
            matrix:
              d: [3, 6]
              f: [x, y]
              exclude: [{d: 6, f: y}]
              include: [{d: 9, f: z}]
          typed: {run: "true", matrix: {v: [1, "1", 1.0, true, "true", "a b", ""]}}
          numbers: {run: "true", matrix: {n: "${{ range(3) }}"}}
        """
    )
    ran = project.run()
    names = sorted(ran.outcomes)
    assert [name for name in names if name.startswith("a@")] == ["a@3-x", "a@3-y", "a@6-x", "a@9-z"]
    assert project.log(ran["a@9-z"]) == "9 z 9-z\n"
    assert [name for name in names if name.startswith("numbers")] == ["numbers@0", "numbers@1", "numbers@2"]
    assert len([name for name in names if name.startswith("typed@")]) == 7
    assert "typed@1" in names and "typed@true" in names


def test_a_new_element_reruns_only_itself(project: Project) -> None:
    def write(values: str) -> None:
        project.pipeline(f'steps: {{a: {{run: "echo ${{{{ matrix.v }}}}", matrix: {{v: {values}}}}}}}')

    write("[b, c]")
    project.run()
    write("[a, b, c]")
    assert project.run().executed == {"a@a"}
    write("[c, b]")
    assert project.run().executed == set()


def test_instances_agree_on_shared_axes_by_type(project: Project) -> None:
    project.pipeline(
        """
        steps:
          make: {run: "echo ${{ matrix.d }}-${{ matrix.f }} > ${{ outputs.o }}", matrix: {d: [1, 2], f: [x, y]}, outputs: {o: "o/${{ step.instance }}"}}
          same: {run: "cat ${{ inputs.o }}", matrix: "${{ steps.make.matrix }}", inputs: {o: "${{ steps.make.outputs.o }}"}}
          per_d: {run: "cat ${{ inputs.o }}", matrix: {d: [1, 2]}, inputs: {o: "${{ steps.make.outputs.o }}"}}
          other: {run: "cat ${{ inputs.o }}", matrix: {k: [p]}, inputs: {o: "${{ steps.make.outputs.o }}"}}
          order: {run: "true", matrix: {d: [2]}, needs: [make]}
          single: {run: "cat ${{ inputs.o }}; : ${{ matrix.k }}", matrix: {d: [1], f: [y], k: [p, q]}, inputs: {o: "${{ steps.make.outputs.o }}"}}
        """
    )
    ran = project.run()
    assert project.log(ran["same@2-x"]) == "2-x\n"
    assert project.log(ran["per_d@2"]) == "2-x\n2-y\n"
    assert project.log(ran["other@p"]) == "1-x\n1-y\n2-x\n2-y\n"
    assert project.log(ran["single@1-y-q"]) == "1-y\n"
    plan = project.plan()
    assert sorted(plan.edges["order@2"]) == ["make@2-x", "make@2-y"]


def test_a_list_is_a_list_though_it_has_one_element(project: Project) -> None:
    project.write(
        "lib.py",
        "def f(o):\n    assert isinstance(o, list), o\n\n\ndef g(o):\n    assert not isinstance(o, list), o\n",
    )
    project.pipeline(
        """
        steps:
          make: {run: "echo > ${{ outputs.o }}", matrix: {d: [1]}, outputs: {o: "o/${{ matrix.d }}"}}
          many: {call: "lib:f", inputs: {o: "${{ steps.make.outputs.o }}"}}
          one: {call: "lib:g", matrix: {d: [1]}, inputs: {o: "${{ steps.make.outputs.o }}"}}
        """
    )
    assert set(project.run().outcomes.values()) == {"succeeded"}


@pytest.mark.parametrize("axis", ['["1"]', "[3]"])
def test_no_agreeing_instance_is_an_error(project: Project, axis: str) -> None:
    project.pipeline(
        f"""
        steps:
          make: {{run: "echo > ${{{{ outputs.o }}}}", matrix: {{d: [1]}}, outputs: {{o: "o/${{{{ matrix.d }}}}"}}}}
          use: {{run: "cat ${{{{ inputs.o }}}}", matrix: {{d: {axis}}}, inputs: {{o: "${{{{ steps.make.outputs.o }}}}"}}}}
        """
    )
    assert "make" in project.refused()


# ------------------------------------------------------------------------------------ axes known only during the run

FOLDER = """
params: {n: 2}
steps:
  split:
    run: for i in $(seq ${{ params.n }}); do echo part $i > ${{ outputs.parts }}/$i.txt; done
    outputs: {parts: parts/}
  work:
    run: tr a-z A-Z < ${{ matrix.part }} > ${{ outputs.o }}
    matrix: {part: "${{ steps.split.outputs.parts }}"}
    outputs: {o: "done/${{ step.instance }}"}
  join:
    run: cat ${{ inputs.all }} /dev/null
    inputs: {all: "${{ steps.work.outputs.o }}"}
"""


def test_members_of_a_folder_become_instances(project: Project) -> None:
    project.pipeline(FOLDER)
    assert project.planned() == {"split": "run", "work": "maybe", "join": "run"}, "no record could hold"
    ran = project.run()
    assert set(ran.outcomes) == {"split", "work@1.txt", "work@2.txt", "join"}
    assert project.log(ran["join"]) == "PART 1\nPART 2\n"
    assert set(project.planned().values()) == {"cached"}
    ran = project.run(params=("n=3",))
    assert ran.executed == {"split", "work@3.txt", "join"}, "a member is keyed by its own content"
    ran = project.run(params=("n=1",))
    assert ran.executed == {"split", "join"}
    assert not project.exists("done/2.txt") and not project.exists("done/3.txt")
    assert project.log(ran["join"]) == "PART 1\n"
    ran = project.run(params=("n=3",))
    assert ran.executed == set()
    assert project.exists("done/3.txt")


def test_an_empty_axis(project: Project) -> None:
    project.pipeline(FOLDER)
    ran = project.run(params=("n=0",))
    assert ran.outcomes == {"split": "succeeded", "join": "succeeded"}
    assert project.log(ran["join"]) == ""
    assert project.run(params=("n=0",)).executed == set()


def test_elements_of_a_json_list_become_instances(project: Project) -> None:
    project.pipeline(
        """
        params: {list: '["a", 2, true]'}
        steps:
          choose: {run: "printf %s ${{ params.list }} > ${{ outputs.o }}", outputs: {o: list.json}}
          work:
            run: echo ${{ matrix.k }} > ${{ outputs.o }}
            matrix: {k: "${{ steps.choose.outputs.o }}", f: [x]}
            outputs: {o: "o/${{ step.instance }}"}
          join: {run: "cat ${{ inputs.all }}", inputs: {all: "${{ steps.work.outputs.o }}"}}
        """
    )
    ran = project.run()
    assert set(ran.outcomes) == {"choose", "work@a-x", "work@2-x", "work@true-x", "join"}
    assert sorted(project.log(ran["join"]).split()) == ["2", "a", "true"]
    ran = project.run(params=('list=\'["a", "b"]\'',))
    assert ran.executed == {"choose", "work@b-x", "join"}
    ran = project.run(params=("list='{\"a\": 1}'",), code=1)
    assert (ran["choose"].outcome, ran["work"].outcome, ran["join"].outcome) == (
        "succeeded",
        "failed",
        "blocked",
    )


def test_a_failure_before_an_axis_is_known_still_has_an_outcome_for_each_step(project: Project) -> None:
    project.pipeline(FOLDER.replace("for i in", "exit 3; for i in"))
    assert project.run(code=1).outcomes == {"split": "failed", "work": "blocked", "join": "blocked"}


def test_a_collision_found_at_expansion_fails_that_step_before_it_starts(project: Project) -> None:
    project.pipeline(
        """
        steps:
          split: {run: "echo > ${{ outputs.p }}/taken; echo > ${{ outputs.p }}/free", outputs: {p: p/}}
          work: {run: "cp ${{ matrix.f }} ${{ outputs.o }}", matrix: {f: "${{ steps.split.outputs.p }}"}, outputs: {o: "o/${{ basename(matrix.f) }}"}}
          fixed: {run: "echo fixed > ${{ outputs.o }}", outputs: {o: o/taken}}
        """
    )
    ran = project.run(code=1, keep_going=True)
    assert ran["work@taken"].outcome == "failed"
    assert "o/taken" in ran["work@taken"].error
    assert "work@taken" not in ran.executed
    assert project.read("o/taken") == "fixed\n"


# --------------------------------------------------------------------------------------------------------- conditions


def test_a_false_condition_skips_what_needs_it_and_moves_old_outputs_aside(project: Project) -> None:
    project.pipeline(
        """
        params: {go: true}
        steps:
          a: {run: "echo a > ${{ outputs.o }}", if: params.go, outputs: {o: a.txt}}
          b: {run: "cat ${{ inputs.a }} > ${{ outputs.o }}", inputs: {a: "${{ steps.a.outputs.o }}"}, outputs: {o: b.txt}}
          c: {run: "true", needs: [b]}
        """
    )
    assert set(project.run().outcomes.values()) == {"succeeded"}
    assert project.run(params=("go=false",)).outcomes == {"a": "skipped", "b": "skipped", "c": "skipped"}
    assert not project.exists("a.txt") and not project.exists("b.txt")
    assert project.run().outcomes == {"a": "cached", "b": "cached", "c": "cached"}
    assert project.exists("a.txt") and project.exists("b.txt")


STATUS = """
params: {mode: good}
steps:
  a: {run: "echo a > ${{ outputs.o }}; test ${{ params.mode }} != bad", outputs: {o: a.txt}, if: "${{ params.mode != 'skip' }}"}
  plain: {run: "true", needs: [a]}
  cleanup:
    run: echo ${{ steps.a.status }} ${{ steps.plain.status }} ${{ 'none' if steps.a.outputs.o == none else 'some' }}
    if: always()
  alarm: {run: "echo told", if: failure(), needs: [a]}
  fine: {run: "echo fine", if: "${{ not failure() }}", needs: [a]}
  after: {run: "true", needs: [plain]}
"""


@pytest.mark.parametrize("mode", ["good", "bad", "skip"])
def test_conditions_look_at_what_became_of_upstream(project: Project, mode: str) -> None:
    text = STATUS.replace("== none", "== None")
    project.pipeline(text)
    ran = project.run(params=("mode=" + mode,), code=None)
    expected = {
        "good": ("succeeded", "succeeded", "succeeded", "skipped", "succeeded", "succeeded"),
        "bad": ("failed", "blocked", "succeeded", "succeeded", "skipped", "blocked"),
        "skip": ("skipped", "skipped", "succeeded", "skipped", "succeeded", "skipped"),
    }[mode]
    assert (
        tuple(ran.outcomes[name] for name in ("a", "plain", "cleanup", "alarm", "fine", "after")) == expected
    )
    status = {
        "good": "succeeded succeeded some",
        "bad": "failed blocked none",
        "skip": "skipped skipped none",
    }[mode]
    assert project.log(ran["cleanup"]).strip() == status
    assert ran.code == (1 if mode == "bad" else 0)
    again = project.run(params=("mode=" + mode,), code=None)
    assert again.executed == ({"a", "alarm"} if mode == "bad" else set()), "each new failure is told"
    assert again["cleanup"].outcome == "cached"


def test_a_failure_further_up_is_told_each_time_too(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a: {run: "exit 1"}
          b: {run: "true", needs: [a]}
          c: {run: "true", needs: [b]}
          alarm: {run: "echo ${{ steps.c.status }}", if: failure(), needs: [c]}
        """
    )
    for _ in range(2):
        ran = project.run(code=1)
        assert ran.executed == {"a", "alarm"}
        assert project.log(ran["alarm"]) == "blocked\n"


def test_first_takes_the_one_that_is_there(project: Project) -> None:
    project.pipeline(
        """
        params: {from: web, break: none}
        steps:
          web: {run: "echo web > ${{ outputs.o }}; test ${{ params.break }} != web", outputs: {o: web.txt}, if: "${{ params.from == 'web' }}"}
          disk: {run: "echo disk > ${{ outputs.o }}", outputs: {o: disk.txt}, if: "${{ params.from == 'disk' }}"}
          use: {run: "cat ${{ inputs.i }}", inputs: {i: "${{ first(steps.web.outputs.o, steps.disk.outputs.o) }}"}}
          after: {run: "true", needs: [use]}
        """
    )
    for source in ("web", "disk", "web"):
        ran = project.run(params=("from=" + source,))
        assert project.log(ran["use"]) == source + "\n" if ran["use"].log else True
    assert ran["use"].outcome == "cached"
    ran = project.run(params=("from=none",))
    assert ran.outcomes == dict.fromkeys(("web", "disk", "use", "after"), "skipped")
    ran = project.run(params=("break=web",), code=1)
    assert ran.outcomes == {"web": "failed", "disk": "skipped", "use": "blocked", "after": "blocked"}
    assert "web" in ran["use"].causes


def test_lists_over_partly_skipped_and_failed_instances(project: Project) -> None:
    project.pipeline(
        """
        params: {most: 2, bad: 0}
        steps:
          make:
            run: echo ${{ matrix.n }} > ${{ outputs.o }}; test ${{ matrix.n }} != ${{ params.bad }}
            matrix: {n: [1, 2, 3]}
            if: ${{ matrix.n <= params.most }}
            outputs: {o: "o/${{ matrix.n }}"}
          rest: {run: "cat ${{ inputs.all }}", inputs: {all: "${{ steps.make.outputs.o }}"}}
          always: {run: "cat ${{ inputs.all }} /dev/null", if: always(), inputs: {all: "${{ steps.make.outputs.o }}"}}
        """
    )
    ran = project.run()
    assert ran.outcomes["make@3"] == "skipped"
    assert project.log(ran["rest"]) == project.log(ran["always"]) == "1\n2\n"
    ran = project.run(params=("most=0",))
    assert ran.outcomes["rest"] == "skipped"
    assert project.log(ran["always"]) == ""
    ran = project.run(params=("bad=2", "most=3"), code=1, keep_going=True)
    assert ran.outcomes["rest"] == "blocked"
    assert project.log(ran["always"]) == "1\n3\n"


def test_continue_on_error(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a: {run: "echo a > ${{ outputs.o }}; exit 1", outputs: {o: a.txt}, continue_on_error: true}
          order: {run: "true", needs: [a]}
          user: {run: "cat ${{ inputs.a }}", inputs: {a: "${{ steps.a.outputs.o }}"}}
          behind: {run: "true", needs: [user]}
          apart: {run: "true"}
        """
    )
    ran = project.run()
    assert ran.outcomes == {
        "a": "failed", "order": "succeeded", "user": "blocked", "behind": "blocked", "apart": "succeeded",
    }  # fmt: skip
    assert ran.code == 0
    assert not project.exists("a.txt")
    assert project.run().executed == {"a"}


def test_the_names_of_the_expression_language(project: Project) -> None:
    project.write("lib.py", "def show(values):\n    return {str(n): v for n, v in enumerate(values)}\n")
    project.pipeline(
        """
        params: {xs: [3, 1, 2], name: data/in.csv, p: 0.25}
        steps:
          a:
            call: lib:show
            with:
              values:
                - ${{ len(params.xs) + max(params.xs) - min(params.xs) }}
                - ${{ round(params.p * 10, 1) }}
                - ${{ join(sorted(params.xs), '-') }}
                - ${{ basename(params.name) + ' ' + stem(params.name) + ' ' + dirname(params.name) }}
                - ${{ 'yes' if 3 in params.xs and not (params.p > 1) else 'no' }}
                - ${{ int('7') + abs(-1) + float('0.5') }}
                - ${{ str(params.xs[0]) }}
                - ${{ env_or('SURELY_NOT_SET', 'fallback') }}
                - "in text: ${{ 1 < 2 }}"
            outputs: {metrics: m.json}
        """
    )
    project.run()
    assert project.json("m.json") == {
        "0": 5, "1": 2.5, "2": "1-2-3", "3": "in.csv in data", "4": "yes", "5": 8.5, "6": "3", "7": "fallback",
        "8": "in text: true",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["parts/up/*.txt", "parts/up", "parts/up/one.txt"])
def test_what_instances_not_yet_known_may_make_is_waited_for(project: Project, path: str) -> None:
    """A path or glob over outputs of a step whose axis another step makes, whatever an earlier run left there."""
    for names in ("one two", "one three four"):
        project.pipeline(
            """
            steps:
              split:
                run: 'for n in NAMES; do echo $n > ${{ outputs.d }}/$n; done'
                outputs: {d: parts/raw/}
              up:
                run: tr a-z A-Z < ${{ matrix.part }} > ${{ outputs.o }}
                matrix: {part: "${{ steps.split.outputs.d }}"}
                outputs: {o: "parts/up/${{ step.instance }}.txt"}
              all:
                run: find ${{ inputs.i }} -type f | sort | xargs cat > ${{ outputs.o }}
                inputs: {i: PATH}
                outputs: {o: all.txt}
            """.replace("PATH", path).replace("NAMES", names)
        )
        assert project.planned()["all"] != "cached"
        project.run()
        wanted = ["one"] if path.endswith("one.txt") else sorted(names.split())
        assert project.read("all.txt") == "".join(name.upper() + "\n" for name in wanted)
        assert project.run().executed == set()


def test_what_a_renamed_step_makes_again_is_not_gone(project: Project) -> None:
    """Its instances become known only after the run has moved aside what it published under its old name."""
    text = """
        steps:
          split: {run: "echo a > ${{ outputs.d }}/one", outputs: {d: parts/raw/}}
          NAME:
            run: cat ${{ matrix.part }} > ${{ outputs.o }}
            matrix: {part: "${{ steps.split.outputs.d }}"}
            outputs: {o: "parts/up/${{ step.instance }}.txt"}
          all: {run: "cat ${{ inputs.i }} > ${{ outputs.o }}", inputs: {i: "parts/up/*.txt"}, outputs: {o: all.txt}}
        """
    project.pipeline(text.replace("NAME", "before"))
    project.run()
    project.pipeline(text.replace("NAME", "after"))
    project.run()
    assert project.read("all.txt") == "a\n"
    assert project.run().executed == set()
