"""Inputs and outputs in every form, and what happens to files that stand in the way."""

# ruff: noqa: E501  (a step per line, as pipelines are read best)
from __future__ import annotations

import json
import os

import pytest
from kit import Project

COPY = "cat ${{ inputs }} > ${{ outputs.o }}"


def test_inputs_in_every_form(project: Project) -> None:
    project.files(
        {
            "data/a.csv": "a\n",
            "data/b.csv": "b\n",
            "data/b.tmp.csv": "t\n",
            "one.txt": "one\n",
            "dir/sub/x": "x\n",
        }
    )
    project.pipeline(
        """
        steps:
          file: {run: "cat ${{ inputs.one }}", inputs: one.txt}
          names: {run: "cat ${{ inputs.a }} ${{ inputs.one }}", inputs: [data/a.csv, one.txt]}
          folder: {run: "find ${{ inputs.dir }} -type f", inputs: {dir: dir}}
          glob: {run: "echo ${{ inputs.all }}", inputs: {all: {path: "data/*.csv", exclude: ["*.tmp.csv"]}}}
          deep: {run: "echo ${{ inputs.all }}", inputs: {all: "d*/**/*"}}
        """
    )
    ran = project.run()
    assert project.log(ran["file"]) == "one\n"
    assert project.log(ran["names"]) == "a\none\n"
    assert project.log(ran["folder"]) == "dir/sub/x\n"
    assert project.log(ran["glob"]) == "data/a.csv data/b.csv\n"
    assert project.log(ran["deep"]).split() == [
        "data/a.csv", "data/b.csv", "data/b.tmp.csv", "dir/sub", "dir/sub/x",
    ]  # fmt: skip
    project.write("data/b.tmp.csv", "other")
    assert project.run().executed == {"deep"}, "what is excluded does not count"
    project.write("dir/sub/new", "")
    assert project.run().executed == {"folder", "deep"}
    project.write("data/c.csv", "c")
    assert project.run().executed == {"glob", "deep"}


@pytest.mark.parametrize("inputs", ["none.txt", '"none/*.txt"', "none/"])
def test_a_missing_input_is_an_error_before_anything_runs(project: Project, inputs: str) -> None:
    project.pipeline(
        f'steps:\n  first: {{run: "touch ran"}}\n  a: {{run: "true", inputs: {{x: {inputs}}}}}\n'
    )
    assert "none" in project.refused()
    assert not project.exists("ran") and not project.exists(".mlorch")


def test_from_and_where_choose_instances(project: Project) -> None:
    project.pipeline(
        """
        steps:
          train:
            run: echo ${{ matrix.d }}${{ matrix.f }} > ${{ outputs.m }}
            matrix: {d: [3, 9], f: [a, b]}
            outputs: {m: "m/${{ step.instance }}"}
          pick:
            run: cat ${{ inputs.deep }} ${{ inputs.one }}
            inputs:
              deep: {from: "${{ steps.train.outputs.m }}", where: {d: 9}}
              one: {from: "${{ steps.train.outputs.m }}", where: {d: 3, f: b}}
        """
    )
    ran = project.run()
    assert project.log(ran["pick"]) == "9a\n9b\n3b\n"


def test_a_stored_source_can_be_had_after_it_changed(project: Project) -> None:
    project.write("a.csv", "first")
    project.pipeline('steps: {a: {run: "cat ${{ inputs.a }}", inputs: {a: {path: a.csv, store: true}}}}')
    project.run()
    objects = [data for path, data in project.everything().items() if "/objects/" in path]
    assert b"first" in objects


def test_a_folder_output_keeps_empty_folders_and_links(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a:
            run: |
              cd ${{ outputs.dir }}
              mkdir -p empty sub
              echo x > sub/x
              ln -s sub/x link
              chmod +x sub/x
            outputs: {dir: dir/}
          b: {run: "cat ${{ inputs.d }}/link", inputs: {d: "${{ steps.a.outputs.dir }}"}}
        """
    )
    ran = project.run()
    assert project.log(ran["b"]) == "x\n"
    before = sorted(os.listdir(str(project.root / "dir")))
    assert before == ["empty", "link", "sub"]
    import shutil

    shutil.rmtree(str(project.root / "dir"))
    assert project.run().executed == set()
    assert sorted(os.listdir(str(project.root / "dir"))) == before
    assert os.readlink(str(project.root / "dir/link")) == "sub/x"
    assert os.access(str(project.root / "dir/sub/x"), os.X_OK)
    (project.root / "dir/empty").rmdir()
    assert project.run().executed == set()
    assert project.exists("dir/empty")


def test_a_link_out_of_a_folder_output_fails_the_step(project: Project) -> None:
    project.pipeline('steps: {a: {run: "ln -s /etc/passwd ${{ outputs.d }}/p", outputs: {d: d/}}}')
    assert "link" in project.run(code=1)["a"].error


def test_a_foreign_file_in_a_folder_output_is_kept(project: Project) -> None:
    project.pipeline(
        'steps: {a: {run: "echo ${{ params.x }} > ${{ outputs.d }}/a", outputs: {d: d/}}}\nparams: {x: 1}'
    )
    project.run()
    project.write("d/mine.txt", b"my notes\0")
    ran = project.run(params=("x=2",))
    assert project.tree().get("d/mine.txt") is None
    assert b"my notes\0" in project.kept()
    assert ".mlorch/kept/" in ran.warnings


def test_nested_outputs_of_one_step(project: Project) -> None:
    project.pipeline(
        """
        params: {x: 1}
        steps:
          a:
            run: |
              echo model > ${{ outputs.dir }}/model
              echo '{"n": ${{ params.x }}}' > ${{ outputs.dir }}/metrics.json
            outputs: {dir: out/, metrics: out/metrics.json}
            checks: ["${{ metrics.n < 3 }}"]
          b: {run: "cat ${{ inputs.m }}", inputs: {m: "${{ steps.a.outputs.metrics }}"}}
          c: {run: "ls ${{ inputs.d }}", inputs: {d: "${{ steps.a.outputs.dir }}"}}
        """.replace("echo '{\"n\": ${{ params.x }}}'", "printf '{\"n\": %s}' ${{ params.x }}")
    )
    ran = project.run()
    assert project.log(ran["b"]) == '{"n": 1}'
    assert project.log(ran["c"]) == "metrics.json\nmodel\n"
    assert ran["a"].metrics == {"n": 1}
    assert project.run(params=("x=2",)).executed == {"a", "b", "c"}
    assert project.run().executed == set()
    assert project.read("out/metrics.json") == '{"n": 1}'
    os.unlink(str(project.root / "out/metrics.json"))
    assert project.run().executed == set()
    assert project.read("out/metrics.json") == '{"n": 1}'


def test_an_output_that_is_not_stored_is_made_again_when_lost(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a: {run: "echo huge-content > ${{ outputs.o }}; echo x >> ran", outputs: {o: {path: big.bin, store: false}}}
          b: {run: "cat ${{ inputs.o }}", inputs: {o: "${{ steps.a.outputs.o }}"}}
        """
    )
    project.run()
    assert b"huge-content\n" not in [
        data for path, data in project.everything().items() if "/objects/" in path
    ]
    assert project.run().executed == set()
    os.unlink(str(project.root / "big.bin"))
    ran = project.run()
    assert ran.executed == {"a"}
    assert "lost" in ran.reasons("a")


def test_a_lost_object_of_a_stored_output_is_made_again(project: Project) -> None:
    project.pipeline('steps: {a: {run: "echo x > ${{ outputs.o }}", outputs: {o: a.txt}}}')
    project.run()
    for path in (project.root / ".mlorch/objects").rglob("*"):
        if path.is_file() and path.read_bytes() == b"x\n":
            path.unlink()
    os.unlink(str(project.root / "a.txt"))
    assert project.run().executed == {"a"}
    assert project.run().executed == set()


@pytest.mark.parametrize("run", ["true", "mkdir ${{ outputs.o }}"])
def test_a_missing_output_or_one_of_the_wrong_kind_fails_the_step(project: Project, run: str) -> None:
    project.pipeline(
        f"""
        steps:
          a: {{run: "{run}; : ${{{{ outputs.o }}}}", outputs: {{o: a.txt}}}}
          b: {{run: "true", needs: [a]}}
        """
    )
    ran = project.run(code=1)
    assert ran.outcomes == {"a": "failed", "b": "blocked"}
    assert "`o`" in ran["a"].error
    assert not project.exists("a.txt")
    assert project.run(code=1).outcomes == {"a": "failed", "b": "blocked"}, "nothing was taken for good"


def test_an_output_written_in_place(project: Project) -> None:
    project.pipeline(
        """
        params: {x: good}
        steps:
          a: {run: "ls a.txt dir; echo ${{ params.x }} > a.txt; echo 1 > dir/f; test ${{ params.x }} != bad", outputs: {o: a.txt, d: dir/}}
          b: {run: "cat ${{ inputs.o }}", inputs: {o: "${{ steps.a.outputs.o }}"}}
        """.replace("ls a.txt dir;", 'test ! -e a.txt; test -z \\"$(ls dir)\\";')
    )
    project.run()
    assert (project.read("a.txt"), project.read("dir/f")) == ("good\n", "1\n")
    assert project.run().executed == set()
    ran = project.run(code=1, params=("x=bad",))
    assert ran.outcomes == {"a": "failed", "b": "blocked"}
    assert project.read("a.txt") == "good\n", "the old one comes back after the final failure"
    assert project.run().outcomes == {"a": "cached", "b": "cached"}


def test_a_foreign_file_in_the_place_of_an_output_is_kept_bit_for_bit(project: Project) -> None:
    project.pipeline(
        """
        steps:
          staged: {run: "echo new > ${{ outputs.o }}", outputs: {o: staged.txt}}
          inplace: {run: "echo new > inplace.txt", outputs: {o: inplace.txt}}
          folder: {run: "echo new > ${{ outputs.o }}/f", outputs: {o: folder/}}
        """
    )
    precious = {"staged.txt": b"\xff\x00one", "inplace.txt": b"\xff\x00two", "folder/mine": b"\xff\x00three"}
    for path, data in precious.items():
        project.write(path, data)
    ran = project.run()
    assert set(ran.outcomes.values()) == {"succeeded"}
    assert project.kept() == sorted(precious.values())
    assert ran.warnings.count(".mlorch/kept/") == 3
    assert (
        project.tree()["staged.txt"]
        == project.tree()["inplace.txt"]
        == project.tree()["folder/f"]
        == b"new\n"
    )


def test_an_edited_output_is_kept_and_restored(project: Project) -> None:
    project.pipeline('steps: {a: {run: "echo made > ${{ outputs.o }}", outputs: {o: a.txt}}}')
    project.run()
    project.write("a.txt", b"edited by hand")
    ran = project.run()
    assert ran.executed == set()
    assert (project.read("a.txt"), project.kept()) == ("made\n", [b"edited by hand"])
    assert ".mlorch/kept/" in ran.warnings


def test_old_content_of_the_store_is_not_an_edit(project: Project) -> None:
    project.pipeline(
        'params: {x: 1}\nsteps: {a: {run: "echo ${{ params.x }} > ${{ outputs.o }}", outputs: {o: a.txt}}}'
    )
    project.run()
    project.run(params=("x=2",))
    project.write("a.txt", "1\n")
    assert project.run(params=("x=2",)).executed == set()
    assert (project.read("a.txt"), project.kept()) == ("2\n", [])


def test_outputs_of_removed_renamed_and_skipped_steps_are_moved_aside(project: Project) -> None:
    def write(first: str, condition: str) -> None:
        project.pipeline(
            f"""
            steps:
              {first}: {{run: "echo {first} > ${{{{ outputs.o }}}}", outputs: {{o: "parts/{first}.txt"}}}}
              maybe: {{run: "echo m > ${{{{ outputs.o }}}}", outputs: {{o: parts/maybe.txt}}, if: "{condition}"}}
              exact: {{run: "echo e > ${{{{ outputs.o }}}}", outputs: {{o: single.txt}}}}
              join: {{run: "cat ${{{{ inputs.all }}}}", inputs: {{all: "parts/*.txt"}}}}
            """
        )

    write("one", "${{ 1 == 1 }}")
    ran = project.run()
    assert project.log(ran["join"]) == "m\none\n"
    write("two", "${{ 1 == 1 }}")
    assert any("one.txt" in item for item in project.plan().moved)
    assert project.exists("parts/one.txt"), "a plan moves nothing"
    ran = project.run()
    assert project.log(ran["join"]) == "m\ntwo\n"
    assert not project.exists("parts/one.txt")
    write("two", "${{ 1 == 2 }}")
    ran = project.run()
    assert ran.outcomes["maybe"] == "skipped"
    assert not project.exists("parts/maybe.txt")
    write("one", "${{ 1 == 1 }}")
    ran = project.run()
    assert ran.executed == set(), "everything is remembered"
    assert (project.read("parts/one.txt"), project.read("parts/maybe.txt")) == ("one\n", "m\n")


@pytest.mark.parametrize("how", ["removed", "element", "skipped"])
def test_globs_and_folders_never_find_what_is_no_longer_made(project: Project, how: str) -> None:
    """All else is cached, so that only what was moved aside tells."""
    removed = (
        ""
        if how == "removed"
        else "one: {run: 'echo one > ${{ outputs.o }}', outputs: {o: parts/one.txt}, if: params.go}"
    )

    def write(first: str) -> None:
        project.pipeline(
            f"""
            params: {{go: true, names: [x, y]}}
            steps:
              {first or "# it is gone"}
              many: {{run: 'echo ${{{{ matrix.n }}}} > ${{{{ outputs.o }}}}', matrix: {{n: "${{{{ params.names }}}}"}}, outputs: {{o: "parts/${{{{ matrix.n }}}}.txt"}}}}
              list: {{run: 'for i in ${{{{ params.names }}}}; do echo $i > ${{{{ outputs.d }}}}/$i; done', outputs: {{d: list/}}}}
              each: {{run: 'cat ${{{{ matrix.f }}}} > ${{{{ outputs.o }}}}', matrix: {{f: "${{{{ steps.list.outputs.d }}}}"}}, outputs: {{o: "each/${{{{ step.instance }}}}"}}, if: params.go}}
              glob: {{run: 'echo ${{{{ inputs.i }}}}', inputs: {{i: "parts/*.txt"}}, if: always()}}
              folder: {{run: 'ls ${{{{ inputs.i }}}}', inputs: {{i: parts}}, if: always()}}
              members: {{run: 'echo $(ls each 2> /dev/null)', inputs: {{i: "[ep]*/*"}}, if: always()}}
            """
        )

    write("one: {run: 'echo one > ${{ outputs.o }}', outputs: {o: parts/one.txt}, if: params.go}")
    project.run()
    write(removed)
    params = {"removed": (), "element": ("names=[x]",), "skipped": ("go=false",)}[how]
    plan = project.planned(params=params)
    ran = project.run(params=params)
    left = {"removed": "x y", "element": "one x", "skipped": "x y"}[how].split()
    assert project.log(ran["glob"]).split() == [f"parts/{name}.txt" for name in left]
    assert project.log(ran["folder"]).split() == [f"{name}.txt" for name in left]
    members = {"removed": "x y", "element": "x", "skipped": ""}[how]
    assert project.log(ran["members"]).split() == members.split()
    assert "cached" not in (plan["glob"], plan["folder"])
    assert project.run(params=params).executed == set()
    assert project.run().executed == set() or how == "removed"


def test_an_edited_file_of_a_removed_step_stays_and_so_does_one_that_is_named(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a: {run: "echo a > ${{ outputs.o }}", outputs: {o: parts/a.txt}}
          b: {run: "echo b > ${{ outputs.o }}", outputs: {o: parts/b.txt}}
          c: {run: "echo c > ${{ outputs.o }}", outputs: {o: parts/c.txt}}
          j: {run: "cat ${{ inputs.all }}", inputs: {all: "parts/*.txt"}}
        """
    )
    project.run()
    project.write("parts/a.txt", "mine\n")
    project.pipeline(
        'steps: {j: {run: "cat ${{ inputs.all }}; cat ${{ inputs.b }}", inputs: {all: "parts/*.txt", b: parts/b.txt}}}'
    )
    assert project.plan().moved == ("parts/c.txt",)
    ran = project.run()
    assert project.log(ran["j"]) == "mine\nb\nb\n"


@pytest.mark.parametrize(
    ("metrics", "told"),
    [("[1]", "mapping"), ("{bad", "JSON"), ('{"a": [1]}', "`a`"), ('{"a": null}', "`a`")],
)
def test_metrics_are_a_mapping_of_plain_values(project: Project, metrics: str, told: str) -> None:
    project.write("m.txt", metrics)
    project.pipeline(
        'steps: {a: {run: "cp ${{ inputs.m }} ${{ outputs.metrics }}", inputs: {m: m.txt}, outputs: {metrics: m.json}}}'
    )
    assert told in project.run(code=1)["a"].error


@pytest.mark.parametrize("value", ["x", 1, {}])
def test_what_only_looks_like_a_tagged_number_is_a_mapping(project: Project, value: object) -> None:
    """`{"$float": "nan"}` is how records write what JSON lacks; anything else of that shape is the user's."""
    project.write("m.txt", json.dumps({"a": {"$float": value}}))
    project.pipeline(
        'steps: {a: {run: "cp ${{ inputs.m }} ${{ outputs.metrics }}", inputs: {m: m.txt}, outputs: {metrics: m.json}}}'
    )
    assert project.run().outcomes == {"a": "succeeded"}
    assert project.run().outcomes == {"a": "cached"}


def test_a_content_that_is_held_elsewhere_is_not_kept_again(project: Project) -> None:
    """`store: false`, but the store has it from another step, or it stands already: what was staged is one copy too many."""
    project.write("x.txt", "the same\n")
    project.pipeline(
        """
        steps:
          stored: {run: "cat ${{ inputs.x }} > ${{ outputs.o }}", inputs: {x: x.txt}, outputs: {o: a.txt}}
          loose:
            run: cat ${{ inputs.x }} > ${{ outputs.o }}
            inputs: {x: "${{ steps.stored.outputs.o }}"}
            outputs: {o: {path: b.txt, store: false}}
          alone: {run: "echo alone > ${{ outputs.o }}", outputs: {o: {path: c.txt, store: false}}, cache: false}
        """
    )
    for _ in range(2):
        assert not project.run().summary.warnings
    assert not (project.root / ".mlorch" / "kept").exists()


def test_history_is_one_mapping_per_line(project: Project) -> None:
    project.pipeline(
        """
        params: {line: "[1]"}
        steps: {a: {run: "printf '%s\\\\n' ${{ params.first }} ${{ params.line }} > ${{ outputs.history }}", outputs: {history: h.jsonl}}}
        """.replace('"[1]"}', "'[1]', first: '{\"epoch\": 1}'}")
    )
    assert "line 2" in project.run(code=1)["a"].error
    assert project.run(params=('line="{\\"epoch\\": 2}"',)).outcomes == {"a": "succeeded"}


def test_ten_thousand_paths_into_one_step(project: Project) -> None:
    for number in range(10000):
        if number % 1000 == 0:
            (project.root / "data" / str(number // 1000)).mkdir(parents=True)
        (project.root / "data" / str(number // 1000) / f"{number:05d}-a-rather-long-file-name.txt").touch()
    project.write("lib.py", "def count(files):\n    return {'n': len(files)}\n")
    project.pipeline(
        """
        steps:
          text: {run: "printf '%s\\\\n' ${{ inputs.files }} | wc -l", inputs: {files: "data/*/*.txt"}}
          function: {call: "lib:count", inputs: {files: "data/*/*.txt"}, outputs: {metrics: m.json}}
        """
    )
    ran = project.run()
    assert project.log(ran["text"]).strip() == "10000"
    assert project.json("m.json") == {"n": 10000}
    assert project.run().executed == set()
