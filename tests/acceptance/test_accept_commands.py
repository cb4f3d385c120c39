"""`run` in its forms and `call`: how values reach what is executed."""

# ruff: noqa: E501  (a step per line, as pipelines are read best)
from __future__ import annotations

import os

import pytest
from kit import Project

NASTY = [
    "a b",
    "it's",
    'say "hi"',
    "$(touch pwned)",
    "`touch pwned`",
    "line\nbreak",
    "-rf",
    "*",
    "",
    "\\n",
    "é;|&",
    "${x}",
]


def test_run_as_text_is_a_strict_shell_script(project: Project) -> None:
    project.pipeline(
        """
        steps:
          unset: {run: "echo $NOT_SET_ANYWHERE"}
          pipe: {run: "false | true"}
          first: {run: "false\\necho never"}
          array: {run: "x=(1 2); echo ${x[1]}"}
          posix: {run: "echo ${0##*.}; false | true", shell: sh}
          arrays_in_sh: {run: "x=(1 2)", shell: sh}
        """
    )
    ran = project.run(code=1, keep_going=True)
    assert ran.outcomes == {
        "unset": "failed", "pipe": "failed", "first": "failed", "array": "succeeded", "posix": "succeeded",
        "arrays_in_sh": "failed",
    }  # fmt: skip
    assert project.log(ran["array"]) == "2\n"
    assert "never" not in project.log(ran["first"])


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_values_reach_a_shell_as_they_are(project: Project, shell: str) -> None:
    project.files(
        {
            "params.json": __import__("json").dumps({"values": NASTY, "one": NASTY[3], "many": ["x y", "z"]}),
            "show.py": "import json, sys\nprint(json.dumps(sys.argv[1:]))\n",
        }
    )
    project.pipeline(
        f"""
        params: params.json
        steps:
          list: {{run: "python show.py ${{{{ params.values }}}}", shell: {shell}}}
          one: {{run: 'python show.py --x=${{{{ params.one }}}} "in ${{{{ params.one }}}} quotes" "${{{{ params.many }}}}"', shell: {shell}}}
        """
    )
    ran = project.run()
    loads = __import__("json").loads
    assert loads(project.log(ran["list"])) == NASTY
    assert loads(project.log(ran["one"])) == [
        "--x=$(touch pwned)", "in $(touch pwned) quotes", "x y z",
    ]  # fmt: skip
    assert not project.exists("pwned")


def test_values_reach_a_list_a_function_and_the_context_as_they_are(project: Project) -> None:
    json = __import__("json")
    project.files(
        {
            "params.json": json.dumps({"values": NASTY}),
            "show.py": "import json, sys\nprint(json.dumps(sys.argv[1:]))\n",
            "lib.py": "import json\n\n\ndef show(values):\n    print(json.dumps(values))\n",
        }
    )
    items = ", ".join(f'"${{{{ params.values[{number}] }}}}"' for number in range(len(NASTY)))
    project.pipeline(
        f"""
        params: params.json
        steps:
          argv: {{run: [python, show.py, {items}]}}
          whole: {{run: [python, show.py, "${{{{ params.values }}}}"]}}
          function: {{call: "lib:show"}}
          context: {{run: "cat $MLORCH_CONTEXT", params: [values]}}
        """
    )
    ran = project.run()
    for name in ("argv", "whole", "function"):
        assert json.loads(project.log(ran[name])) == NASTY, name
    assert json.loads(project.log(ran["context"]))["params"] == {"values": NASTY}
    assert not project.exists("pwned")


def test_a_file_name_that_is_not_text_reaches_every_kind_of_step(project: Project) -> None:
    name = b"data/b\xffad $(touch pwned)\n.txt"
    project.write(name, b"inside")
    project.files(
        {
            "show.py": "import os, sys\nprint(repr(os.fsencode(sys.argv[1])), open(sys.argv[1]).read())\n",
            "lib.py": "import os\n\n\ndef show(f):\n    print(repr(os.fsencode(str(f[0]))), f[0].read_text())\n",
        }
    )
    project.pipeline(
        """
        steps:
          text: {run: "python show.py ${{ inputs.f }}", inputs: {f: "data/*"}}
          sh: {run: 'python show.py "${{ inputs.f }}"', inputs: {f: "data/*"}, shell: sh}
          argv: {run: [python, show.py, "${{ inputs.f }}"], inputs: {f: "data/*"}}
          function: {call: "lib:show", inputs: {f: "data/*"}}
          context:
            run: |
              python - <<'EOF'
              import json, os
              path = json.load(open(os.environ["MLORCH_CONTEXT"]))["inputs"]["f"][0]["path"]
              print(repr(os.fsencode(path)), open(path).read())
              EOF
            inputs: {f: "data/*"}
        """
    )
    ran = project.run()
    for step in ran.outcomes:
        assert project.log(ran[step]) == f"{name!r} inside\n", step
    assert not project.exists("pwned")
    assert project.run().executed == set()
    done = project.cli("run", "--force", "--json")
    assert "inside" not in done.stderr


@pytest.mark.parametrize(
    "run",
    [
        "echo '${{ params.x }}'",
        'sh -c "echo ${{ params.x }}"',
        "eval echo ${{ params.x }}",
        "cat <<EOF\n${{ params.x }}\nEOF",
    ],
)
def test_where_a_value_would_become_shell_text_is_refused(project: Project, run: str) -> None:
    import yaml

    project.write(
        "mlorch.yaml",
        yaml.safe_dump({"version": 1, "name": "n", "params": {"x": "y"}, "steps": {"a": {"run": run}}}),
    )
    assert project.refused().startswith("E515")


def test_only_numbers_in_arithmetic(project: Project) -> None:
    project.pipeline(
        """
        params: {n: 4, evil: "a[$(touch pwned)]"}
        steps:
          good: {run: "echo $(( ${{ params.n }} * 2 ))"}
          evil: {run: "echo $(( ${{ params.evil }} * 2 ))"}
        """
    )
    refused = ""
    try:
        ran = project.run(code=1, keep_going=True)
        assert ran["evil"].outcome == "failed"
        assert project.log(ran["good"]) == "8\n"
    except Exception:  # an error of the plan is as good
        refused = project.refused()
        assert "number" in refused
    assert not project.exists("pwned")


LIB = """
import pathlib


def bind(raw, many, out, depth, rate, extra=5, *, tag):
    assert isinstance(raw, pathlib.Path) and str(raw) == "data/a.txt", raw
    assert all(isinstance(item, pathlib.Path) for item in many)
    assert isinstance(out, pathlib.Path)
    out.write_text("{} {} {} {} {}".format(len(many), depth, rate, extra, tag))
    return {"auc": 0.5, "ok": True, "name": "x", "deep": {"n": 1}}
"""


def test_a_function_gets_its_parameters_by_name(project: Project) -> None:
    project.files({"data/a.txt": "a", "data/b.txt": "b", "lib.py": LIB})
    project.pipeline(
        """
        params: {rate: 0.1, depth: 99}
        steps:
          a:
            call: lib:bind
            matrix: {depth: [3]}
            with: {tag: "t${{ params.rate }}", depth: "${{ matrix.depth }}"}
            inputs: {raw: data/a.txt, many: "data/*.txt"}
            outputs: {out: out.txt, metrics: m.json}
        """
    )
    project.run()
    assert project.read("out.txt") == "2 3 0.1 5 t0.1"
    assert project.json("m.json") == {"auc": 0.5, "ok": True, "name": "x", "deep": {"n": 1}}


@pytest.mark.parametrize(
    ("source", "step", "told"),
    [
        ("def f(x):\n    pass\n", "call: lib:f", "x"),
        ("def f(n):\n    pass\n", "call: lib:f\n            matrix: {n: [1]}", "with"),
        ("def g():\n    pass\n", "call: lib:f", "f"),
        ("", "call: nolib:f", "nolib"),
        ("def f():\n    pass\n", "call: lib:f\n            with: {y: 1}", "y"),
    ],
)
def test_what_can_not_be_bound_is_found_before_anything_runs(
    project: Project, source: str, step: str, told: str
) -> None:
    project.write("lib.py", "open('imported', 'w').close()\n" + source)
    project.pipeline(
        f"""
        params: {{n: 2}}
        steps:
          first: {{run: touch ran}}
          a:
            {step}
        """
    )
    assert told in project.refused()
    assert not project.exists("imported") and not project.exists("ran")


def test_what_a_function_returns(project: Project) -> None:
    project.write(
        "lib.py",
        """
        def number():
            return 3

        def nothing():
            return None

        def nan():
            return {"loss": float("nan"), "auc": float("inf"), "n": 1}

        def fails():
            raise ValueError("too bad")
        """,
    )
    project.pipeline(
        """
        steps:
          number: {call: "lib:number"}
          nothing: {call: "lib:nothing"}
          nan: {call: "lib:nan", outputs: {metrics: m.json}, checks: ["${{ metrics.n == 1 }}"]}
          checked: {call: "lib:nan", with: {}, checks: ["${{ metrics.loss < 1 }}"]}
          fails: {call: "lib:fails"}
          after: {run: "echo ${{ steps.nan.metrics.n }}"}
        """
    )
    ran = project.run(code=1, keep_going=True)
    assert ran.outcomes == {
        "number": "failed", "nothing": "succeeded", "nan": "succeeded", "checked": "failed", "fails": "failed",
        "after": "succeeded",
    }  # fmt: skip
    assert "mapping" in ran["number"].error
    assert "too bad" in ran["fails"].error
    assert "ValueError" in project.log(ran["fails"])
    assert "nan" in ran["checked"].error
    import json

    def refuse(text: str) -> None:
        raise AssertionError("not JSON: " + text)

    document = json.loads(project.cli("run", "-k", "--json", code=1).stdout, parse_constant=refuse)
    assert "nan" in json.dumps(document["steps"])


def test_a_changed_module_is_never_run_as_it_was(project: Project) -> None:
    project.pipeline(
        """
        steps:
          a: {call: "lib:f", outputs: {out: a.txt}}
          b: {call: "lib:f", outputs: {out: b.txt}, needs: [a]}
        """
    )
    for number in range(3):
        project.write("lib.py", "from far import N\n\n\ndef f(out):\n    out.write_text(str(N))\n")
        project.write("far.py", f"N = {number}\n")
        assert project.run().executed == {"a", "b"}
        assert project.read("a.txt") == project.read("b.txt") == str(number)


def test_the_context_file_and_the_working_directory(project: Project) -> None:
    project.files({"data/a.txt": "a", "sub/x.txt": ""})
    project.pipeline(
        """
        params: {a: {b: 1}, c: 2, d: 3}
        steps:
          make: {run: "echo ${{ matrix.n }} > ${{ outputs.o }}", matrix: {n: [1, 2]}, outputs: {o: "o/${{ matrix.n }}.txt"}}
          show:
            run: "cat $MLORCH_CONTEXT > ${{ outputs.c }}; pwd; echo ${{ params.c }}"
            inputs: {raw: data/a.txt, all: "${{ steps.make.outputs.o }}"}
            outputs: {c: c.json}
            params: [a]
            matrix: {k: [x]}
            resources: {cpus: 2}
        """
    )
    ran = project.run()
    context = project.json("c.json")
    assert context["inputs"]["raw"]["path"] == "data/a.txt"
    assert context["inputs"]["all"] == [
        {"path": "o/1.txt", "matrix": {"n": 1}}, {"path": "o/2.txt", "matrix": {"n": 2}},
    ]  # fmt: skip
    assert context["params"]["a"] == {"b": 1} and context["params"]["c"] == 2 and "d" not in context["params"]
    assert context["matrix"] == {"k": "x"}
    assert context["resources"]["cpus"] == 2
    assert os.path.basename(context["outputs"]["c"]) == "c.json"
    assert project.log(ran["show@x"]).splitlines()[0] == os.path.realpath(str(project.root))


def test_a_variable_that_a_failed_step_missed_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "x")
    project.pipeline('steps: {a: {run: "echo set WANDB_API_KEY first; exit 2"}}')
    ran = project.run(code=1)
    assert "WANDB_API_KEY" in ran["a"].hint and "pass_env" in ran["a"].hint


@pytest.mark.parametrize("how", ["run: python fit.py > ${{ outputs.o }}", "call: fit:fit"])
def test_a_package_that_is_not_there_names_the_python_that_lacks_it(project: Project, how: str) -> None:
    project.write("fit.py", "import sklearn_that_nobody_has.linear\ndef fit(o): pass\n")
    project.pipeline(f"steps:\n  a:\n    {how}\n    outputs: {{o: out.txt}}\n")
    hint = project.run(code=1)["a"].hint
    python = hint.split(" has no ")[0]
    assert os.access(python, os.X_OK)
    assert f"{python} -m pip install sklearn_that_nobody_has" in hint and "`python:`" in hint
    project.write("requirements.txt", "")
    assert f"{python} -m pip install -r requirements.txt," in project.run(code=1)["a"].hint


def test_a_module_of_the_project_is_not_for_pip(project: Project) -> None:
    (project.root / "shared").mkdir()
    project.pipeline("steps: {a: {run: python tools/fit.py}}")
    project.write("tools/fit.py", "raise ModuleNotFoundError(\"No module named 'shared.deep'\")\n")
    assert project.run(code=1)["a"].hint == ""


def test_an_output_that_is_written_elsewhere_is_told_where(project: Project) -> None:
    project.write("old.json", "{}")
    os.utime(project.root / "old.json", (1, 1))
    project.pipeline(
        "steps: {a: {run: \"echo '{}' > metric.json; echo x > notes.txt\", outputs: {metrics: metrics.json}}}"
    )
    outcome = project.run(code=1)["a"]
    assert outcome.error == "output `metrics` was not written: no file at `metrics.json`"
    assert outcome.hint == (
        "instead there is a new `metric.json`; let the command write that path, or give it the path as "
        "`${{ outputs.metrics }}`"
    )
