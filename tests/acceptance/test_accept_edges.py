"""What makes an edge, which paths are allowed, and what of the code counts."""

# ruff: noqa: E501  (a step per line, as pipelines are read best)
from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from kit import Project


def test_every_overlap_of_an_input_with_an_output_is_an_edge_and_nothing_else(project: Project) -> None:
    project.pipeline(
        """
        steps:
          exact: {run: "cat ${{ inputs.f }}", inputs: {f: gen/a.txt}}
          glob: {run: "cat ${{ inputs.f }}", inputs: {f: "gen/*.txt"}}
          folder: {run: "ls ${{ inputs.f }}", inputs: {f: gen}}
          member: {run: "cat ${{ inputs.f }}", inputs: {f: tree/x/y}}
          value: {run: "echo ${{ steps.make.metrics.n }}"}
          status: {run: "echo ${{ steps.make.status }}", cache: false}
          ordered: {run: "true", needs: [make]}
          apart: {run: "true"}
          inenv: {run: "cat $F", env: {F: "${{ steps.make.outputs.a }}"}}
          make:
            run: echo a > ${{ outputs.a }}; mkdir ${{ outputs.tree }}/x; echo y > ${{ outputs.tree }}/x/y; echo '{"n":1}' > ${{ outputs.metrics }}
            outputs: {a: gen/a.txt, tree: tree/, metrics: gen/m.json}
        """.replace("echo '{\"n\":1}'", "cat n.json")
    )
    project.write("n.json", '{"n": 1}')
    plan = project.plan()
    needing = {name for name, upstream in plan.edges.items() if "make" in upstream}
    assert needing == {"exact", "glob", "folder", "member", "value", "status", "ordered", "inenv"}
    ran = project.run()
    assert [project.log(ran[name]) for name in ("exact", "glob", "member", "value", "inenv")] == [
        "a\n",
        "a\n",
        "y\n",
        "1\n",
        "a\n",
    ]
    assert project.log(ran["folder"]).split() == ["a.txt", "m.json"]
    assert project.run().executed == {"status"}
    project.write("n.json", '{"n": 1} ')
    assert project.run().executed == {"make", "folder", "status"}, "the value is the same: early cut-off"


def test_an_expression_deep_in_a_metric_is_in_the_key(project: Project) -> None:
    project.write(
        "lib.py",
        "def f(k):\n    return {'a': {'b': k}, 'other': k * 2}\n\n\ndef g(k):\n    return {'a': {'b': 1}, 'other': k}\n",
    )
    project.pipeline(
        """
        params: {k: 1}
        steps:
          f: {call: "lib:g", with: {k: "${{ params.k }}"}}
          use: {run: "echo ${{ steps.f.metrics.a.b }}"}
          gate: {run: "echo big", if: "${{ steps.f.metrics.other > 1 }}"}
        """
    )
    assert project.run().outcomes == {"f": "succeeded", "use": "succeeded", "gate": "skipped"}
    ran = project.run(params=("k=2",))
    assert ran.outcomes == {"f": "succeeded", "use": "cached", "gate": "succeeded"}


@pytest.mark.parametrize("path", ["/etc/hostname", "../x", "link/x", ".mlorch/x", ".git/x", "a/../../x"])
def test_paths_outside_the_root_are_refused(project: Project, tmp_path: Path, path: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("x", encoding="utf-8")
    os.symlink(str(tmp_path / "outside"), str(project.root / "link"))
    project.pipeline(f'steps: {{a: {{run: "touch ran; cat ${{{{ inputs.i }}}}", inputs: {{i: "{path}"}}}}}}')
    assert project.refused()
    assert not project.exists("ran")
    project.pipeline(
        f'steps: {{a: {{run: "touch ran; echo > ${{{{ outputs.o }}}}", outputs: {{o: "{path}2"}}}}}}'
    )
    assert project.refused()
    assert not project.exists("ran")
    assert os.listdir(str(tmp_path / "outside")) == ["x"]


def test_an_allowed_folder_elsewhere(project: Project, tmp_path: Path) -> None:
    data = tmp_path / "disk"
    data.mkdir()
    (data / "in.txt").write_text("in\n", encoding="utf-8")
    os.symlink(str(data), str(project.root / "link"))
    project.write("mlorch.toml", f'[paths]\nallow = ["{data}"]\n')
    project.pipeline(
        f"""
        steps:
          a: {{run: "cat ${{{{ inputs.i }}}} ${{{{ inputs.j }}}} > ${{{{ outputs.o }}}}", inputs: {{i: "{data}/in.txt", j: link/in.txt}}, outputs: {{o: "{data}/out.txt"}}}}
          b: {{run: "cat ${{{{ inputs.i }}}}", inputs: {{i: "${{{{ steps.a.outputs.o }}}}"}}}}
        """
    )
    ran = project.run()
    assert project.log(ran["b"]) == "in\nin\n"
    assert (data / "out.txt").read_text(encoding="utf-8") == "in\nin\n"
    assert project.run().executed == set()
    (data / "out.txt").unlink()
    assert project.run().executed == set()
    assert (data / "out.txt").exists()


def test_outputs_that_collide_are_refused_with_both_places(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a: {run: "touch ran; echo > ${{ outputs.o }}", outputs: {o: out/}}
          b: {run: "echo > ${{ outputs.o }}", matrix: {n: [1, 2]}, outputs: {o: out/x.txt}}
        """
    )
    told = project.refused()
    assert "E402" in told and "`a`" in told and "`b" in told
    assert not project.exists("ran")


def test_a_step_that_reads_what_it_writes_is_refused(project: Project) -> None:
    project.pipeline('steps: {a: {run: "true", inputs: {i: "d/*"}, outputs: {o: d/x}}}')
    assert "E406" in project.refused()


def test_a_cycle_is_shown_edge_by_edge(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a: {run: "cat ${{ inputs.i }} > ${{ outputs.o }}", inputs: {i: c.txt}, outputs: {o: a.txt}}
          b: {run: "cat ${{ inputs.i }} > ${{ outputs.o }}", inputs: {i: "a.*"}, outputs: {o: b.txt}}
          c: {run: "cat ${{ inputs.i }} > ${{ outputs.o }}", inputs: {i: "${{ steps.b.outputs.o }}"}, outputs: {o: c.txt}}
        """
    )
    assert "E201" in project.refused()


def test_a_program_that_another_step_makes_must_be_declared(project: Project) -> None:
    project.pipeline(
        """
        steps:
          make: {run: "echo 'print(1)' > ${{ outputs.o }}", outputs: {o: tool.py}}
          use: {run: python tool.py}
        """
    )
    assert "tool.py" in project.refused()
    project.pipeline(
        """
        steps:
          make: {run: "echo 'print(1)' > ${{ outputs.o }}", outputs: {o: tool.py}}
          use: {run: python tool.py, inputs: {t: tool.py}}
        """
    )
    assert project.log(project.run()["use"]) == "1\n"
    assert project.run().executed == set()


def test_code_is_followed_through_imports_and_only_what_is_used_counts(project: Project) -> None:
    project.files(
        {
            "lib/__init__.py": "",
            "lib/a.py": "from lib.b import Base, LIMIT\n\n\ndef deco(f):\n    return f\n\n\n@deco\ndef train(o, k=LIMIT):\n    o.write_text(str(Base().n() + k))\n",
            "lib/b.py": "LIMIT = 1\n\n\nclass Base:\n    def n(self):\n        return 1\n",
            "steps.py": "from lib.a import train as _train\n\n\ndef train(o):\n    _train(o)\n\n\ndef evaluate(o, m):\n    o.write_text(m.read_text() + '!')\n",
        }
    )
    project.pipeline(
        """
        steps:
          train: {call: "steps:train", outputs: {o: m.txt}}
          evaluate: {call: "steps:evaluate", inputs: {m: "${{ steps.train.outputs.o }}"}, outputs: {o: e.txt}}
          other: {run: "echo other"}
        """
    )
    project.run()

    def edit(path: str, old: str, new: str) -> None:
        text = project.read(path)
        assert old in text
        project.write(path, text.replace(old, new))

    edit("lib/b.py", "LIMIT = 1", "LIMIT = 2")
    assert project.run().executed == {"train", "evaluate"}
    edit("lib/b.py", "return 1", "return 5")
    assert project.run().executed == {"train", "evaluate"}
    edit("lib/a.py", "return f\n", "return f  # a comment\n")
    assert project.run().executed == set()
    edit("steps.py", "+ '!'", "+ '?'")
    assert project.run().executed == {"evaluate"}, "editing evaluate does not retrain"
    edit("lib/a.py", "    return f ", "    print(1)\n    return f ")
    assert project.run().executed >= {"train"}
    edit("lib/__init__.py", "", "")
    project.write("lib/__init__.py", "X = 1\n")
    assert "train" in project.run().executed, "the packages around a module count"
    assert project.read("e.txt") == "7?"


def test_words_of_a_command_and_globs_of_code_count(project: Project) -> None:
    project.files(
        {
            "do.sh": "#!/bin/sh\ncat $1\n",
            "query.sql": "one",
            "conf.ini": "a",
            "data.txt": "d\n",
            "sql/x.sql": "1",
        }
    )
    project.pipeline(
        """
        steps:
          a:
            run: ./do.sh ${{ inputs.d }} --config=conf.ini query.sql
            inputs: {d: data.txt}
            code: ["sql/*.sql"]
        """
    )
    project.run()
    for path in ("do.sh", "query.sql", "conf.ini", "sql/x.sql"):
        project.write(path, project.read(path) + "# more\n")
        ran = project.run()
        assert ran.executed == {"a"}, path
        assert "code" in ran.reasons("a")
    project.write("sql/new.sql", "2")
    assert project.run().executed == {"a"}
    project.write("unrelated.py", "x")
    assert project.run().executed == set()


def test_a_program_whose_file_is_not_found_gets_a_warning(project: Project) -> None:
    project.pipeline('params: {p: "ls.py"}\nsteps: {a: {run: "x=$(echo hid)den.py; python $x || true"}}')
    assert "code" in project.run().warnings


def test_an_old_interpreter_is_not_in_the_key_of_what_does_not_use_it(project: Project) -> None:
    project.pipeline('steps: {a: {run: "echo a"}, b: {run: "python -c \'print(1)\'"}}')
    plan = project.plan()
    kinds = {
        item.instance.name: {row.kind for row in item.invocation.manifest.rows}
        for item in plan.decisions
        if item.invocation
    }
    assert "interpreter" in kinds["b"] and "interpreter" not in kinds["a"]


def test_git_keeps_what_it_tracks(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a: {run: "echo a > ${{ outputs.o }}", outputs: {o: d/a.txt}}
          j: {run: "cat ${{ inputs.i }}", inputs: {i: "d/*"}}
        """
    )
    project.run()
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "d/a.txt", "mlorch.yaml"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], cwd=str(project.root), check=True)
    project.pipeline('steps: {j: {run: "cat ${{ inputs.i }}", inputs: {i: "d/*"}}}')
    ran = project.run()
    assert ran.outcomes == {"j": "cached"} or ran.executed == {"j"}
    assert project.exists("d/a.txt"), "it is a source now"


def test_a_damaged_store_heals(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a: {run: "echo a > ${{ outputs.o }}", outputs: {o: a.txt}}
          b: {run: "cat ${{ inputs.i }} > ${{ outputs.o }}; echo b >> ${{ outputs.o }}", inputs: {i: "${{ steps.a.outputs.o }}"}, outputs: {o: b.txt}}
        """
    )
    project.run()
    for path in (project.root / ".mlorch/objects").rglob("*"):
        if path.is_file() and path.read_bytes() == b"a\n":
            path.chmod(0o644)
            path.write_bytes(b"X\n")
    os.unlink(str(project.root / "a.txt"))
    ran = project.run(code=None)
    assert ran.outcomes["a"] in ("succeeded", "failed")
    assert set(project.run().outcomes.values()) <= {"succeeded", "cached"}
    assert (project.read("a.txt"), project.read("b.txt")) == ("a\n", "a\nb\n")
    for path in list((project.root / ".mlorch").glob("index*")):
        path.unlink()
    assert project.run().executed == set(), "the index is rebuilt"
    shutil.rmtree(str(project.root / ".mlorch"))
    ran = project.run()
    assert ran.executed == {"a", "b"}


def test_keys_that_begin_with_x_are_ignored_and_anchors_work(project: Project) -> None:
    project.pipeline(
        """
        x-base: &base {retry: {max_attempts: 2, delay: 0}, x-note: ignored}
        steps:
          a: {<<: *base, run: "test $MLORCH_ATTEMPT = 2", x-more: [1]}
        """
    )
    assert project.run()["a"].attempts == 2


def test_the_root_is_never_the_callers_folder(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project.write("mlorch.toml", "")
    project.write("in.txt", "in\n")
    project.pipeline(
        'steps: {a: {run: "cat ${{ inputs.i }} > ${{ outputs.o }}", inputs: {i: in.txt}, outputs: {o: out.txt}}}',
        "deep/er/p.yaml",
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    from mlorch import app

    summary = app.run(app.Request(str(project.root / "deep/er/p.yaml")))
    assert summary.exit_code == 0
    assert project.read("out.txt") == "in\n"
    assert list(elsewhere.iterdir()) == []
