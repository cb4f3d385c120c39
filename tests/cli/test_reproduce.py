"""`mlorch reproduce`: recorded steps executed again in a scratch place, with everything as it was recorded."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import zipfile
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest
from unnoticed import needs_tgkill, send_unnoticed

HEAD = "version: 1\nname: demo\n"

GOOD = """\
params: {scale: 3, weird: "a $(touch pwned) 'b"}
secrets: [TOKEN]
pass_env: [COLOUR]
env: {LEVEL: deep}
steps:
  load:
    run: ./tools/numbers.sh 4 > ${{ outputs.data }}
    inputs: {source: {path: data/source.txt, store: true}}
    outputs: {data: build/numbers.txt}
  fit:
    call: pkg.steps:fit
    inputs: {data: "${{ steps.load.outputs.data }}"}
    outputs: {model: build/model.json, all: build/all/, metrics: build/metrics.json}
    params: [weird]
  plain:
    matrix: {k: [1, 2]}
    run: |
      python plain.py ${{ inputs.all }} ${{ matrix.k }} > ${{ outputs.text }}
      echo "$TOKEN" | wc -c >> ${{ outputs.text }}; echo "$COLOUR $LEVEL" >> ${{ outputs.text }}
    inputs: {all: "${{ steps.fit.outputs.all }}"}
    outputs: {text: "build/plain-${{ matrix.k }}.txt"}
  inplace:
    run: mkdir -p build/made; cp data/source.txt build/made/copy.txt
    inputs: {source: {path: data/source.txt, store: true}}
    outputs: {made: build/made/}
"""
FILES = {
    "tools/numbers.sh": "#!/bin/sh\nseq 1 $1; cat data/source.txt\n",
    "data/source.txt": "9\n",
    "pkg/__init__.py": "",
    "pkg/helper.py": "def total(path):\n    return sum(map(int, path.read_text().split()))\n",
    "pkg/steps.py": """\
        import json
        from pkg import helper


        def fit(data, model, all, scale, weird):
            model.write_text(json.dumps({"sum": helper.total(data) * scale, "weird": weird}))
            (all / "deep").mkdir()
            (all / "deep" / "a.txt").write_text("x")
            (all / "b.txt").write_text("y")
            return {"auc": 0.5, "nan": float("nan")}
        """,
    "plain.py": "import sys, pathlib\nprint(sorted(p.name for p in pathlib.Path(sys.argv[1]).iterdir()), sys.argv[2])\n",
}
SECRETS = {"TOKEN": "s3cr3t-value", "COLOUR": "red"}


def write(folder: Path, files: Dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        path.chmod(0o755 if name.endswith(".sh") else 0o644)


def state(folder: Path) -> Dict[str, Tuple[int, bytes]]:
    """Every file outside the store, with its time."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and ".mlorch" not in path.parts and "__pycache__" not in path.parts
    }


@pytest.fixture
def scratch(cli, tmp_path, monkeypatch):
    """The folder in which scratch places are made; it must be empty in the end."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    cli.env["TMPDIR"] = str(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))  # commands are forked from here
    yield folder
    assert os.listdir(folder) == []


@pytest.fixture
def good(cli, scratch):
    del scratch
    cli.env.update(SECRETS)
    write(cli.cwd, {"mlorch.toml": "", "mlorch.yaml": HEAD + GOOD, **FILES})
    cli("run", "-q")
    return cli


def pipeline(cli, text: str, files: Dict[str, str]) -> None:
    write(cli.cwd, {"mlorch.toml": "", "mlorch.yaml": HEAD + text, **files})
    cli("run", "-q")


def by_name(document) -> Dict[str, Dict[str, Any]]:
    return {step["instance"] or step["step"]: step for step in document["steps"]}


def verdicts(document) -> Dict[str, str]:
    return {name: step["verdict"] for name, step in by_name(document).items()}


def differing(document) -> Dict[str, Dict[str, str]]:
    """Output -> what is told of it first."""
    found: Dict[str, Dict[str, str]] = {}
    for step in document["steps"]:
        for execution in step["executions"]:
            for item in execution["differences"]:
                found.setdefault(item["output"], item)
    return found


def test_everything_comes_from_what_was_recorded(good):
    """Code, params, sources, outputs and the pipeline are other ones by now, and stay untouched."""
    ruined = {
        "tools/numbers.sh": "#!/bin/sh\nexit 7\n",
        "pkg/helper.py": "raise RuntimeError('today')\n",
        "pkg/steps.py": "raise RuntimeError('today')\n",
        "plain.py": "raise SystemExit('today')\n",
        "data/source.txt": "123456789\n",
        "build/model.json": "edited by hand\n",
        "build/stray.txt": "mine\n",
        "mlorch.yaml": HEAD + "steps: {}\n",
    }
    write(good.cwd, ruined)
    (good.cwd / "build/numbers.txt").unlink()
    before = state(good.cwd)
    document = good.json("reproduce", "last", "--times", "2")
    assert verdicts(document) == dict.fromkeys(
        ["load", "fit", "plain@1", "plain@2", "inplace"], "deterministic"
    )
    assert document["verdict"] == "deterministic" and document["environment"] == []
    fit = by_name(document)["fit"]
    assert [item["seed"] for item in fit["executions"]] == ["0", "1"]
    assert fit["executions"][0]["jobs"] == 1 < fit["executions"][1]["jobs"]
    assert fit["outputs"] == {"model": "same", "all": "same", "metrics": "same"}
    assert state(good.cwd) == before
    assert not (good.cwd / "pwned").exists()
    assert SECRETS["TOKEN"] not in json.dumps(document)


def test_one_step_one_instance_a_glob_and_a_step_of_a_run(good):
    assert verdicts(good.json("reproduce", "plain")) == dict.fromkeys(["plain@1", "plain@2"], "deterministic")
    assert list(verdicts(good.json("reproduce", "plain@2"))) == ["plain@2"]
    assert list(verdicts(good.json("reproduce", "l*d"))) == ["load"]
    assert list(verdicts(good.json("reproduce", "mlorch.yaml", "last", "load"))) == ["load"]
    done = good("reproduce", "load")
    assert "load" in done.stdout and "deterministic: 1 output as recorded, 1 execution" in done.stdout
    assert "load: same" in done.stderr and good("reproduce", "-q", "load").stderr == ""


def test_upstream_downstream_and_tags_are_those_of_the_run(good):
    """Not those of the pipeline as it is by now."""
    write(good.cwd, {"mlorch.yaml": HEAD + GOOD.replace("  fit:", "  fit:\n    tags: [model]")})
    good("run", "-q")
    write(good.cwd, {"mlorch.yaml": HEAD + "steps: {}\n"})
    assert list(verdicts(good.json("reproduce", "+fit"))) == ["load", "fit"]
    assert list(verdicts(good.json("reproduce", "last", "fit+"))) == ["fit", "plain@1", "plain@2"]
    assert list(verdicts(good.json("reproduce", "+plain@2"))) == ["load", "fit", "plain@2"]
    assert list(verdicts(good.json("reproduce", "tag:model"))) == ["fit"]
    assert list(verdicts(good.json("reproduce", "+tag:model"))) == ["load", "fit"]
    assert "no step with `tag:models`" in good("reproduce", "tag:models", code=2).stderr
    assert "did you mean `load`" in good("reproduce", "+lod", code=2).stderr


def test_a_cached_step_is_found_by_its_record(good):
    good("run", "-q", "-p", "scale=4")
    good("run", "-q")
    write(good.cwd, {"pkg/helper.py": "raise RuntimeError('today')\n"})
    assert verdicts(good.json("reproduce", "fit")) == {"fit": "deterministic"}
    assert verdicts(good.json("reproduce", "last~1", "fit")) == {"fit": "deterministic"}


def test_the_record_keeps_it_and_show_and_why_tell_it(good):
    assert all(step["reproduced"] is None for step in good.json("show")["steps"])
    good("reproduce", "load", "--times", "2")
    shown = {step["step"]: step["reproduced"] for step in good.json("show")["steps"]}
    assert shown["load"]["verdict"] == "deterministic" and shown["load"]["times"] == 2
    assert shown["fit"] is None
    assert "deterministic (2 executions)" in good("show").stdout
    compared = good.json("why", "load")["instances"][0]["compared_with"]
    assert compared["reproduced"] == shown["load"]
    assert "deterministic (2 executions)" in good("why", "load").stdout
    assert good.json("verify")["clean"]
    assert good.json("run")["totals"]["cached"] == 5, "the record still holds"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected a step or a run"),
        (["lod"], "did you mean `load`?"),
        (["last", "lod"], "did you mean `load`?"),
        (["last", "load", "fit"], "expected a run and a step"),
        (["load", "--times", "0"], "at least 1"),
    ],
)
def test_words_that_mean_nothing(ran, words, message):
    assert message in ran("reproduce", *words, code=2).stderr


def test_without_a_run_nothing_is_made(project):
    assert "no run yet" in project("reproduce", "load", code=2).stderr
    assert not (project.cwd / ".mlorch").exists()


# --------------------------------------------------------------------------------------------------- what differs

NOISE = """\
import gzip, json, os, sys, uuid, zipfile
names = dict(zip(os.environ["NAMES"].split(), sys.argv[1:]))
x = uuid.uuid4().int % 10**9
open(names["text"], "w").write(f"head\\nvalue {x}\\n")
json.dump({"a": [1, {"loss": x}]}, open(names["json"], "w"))
open(names["jsonl"], "w").write('{"epoch": 1}\\n' + json.dumps({"epoch": 2, "loss": x}) + "\\n")
open(names["csv"], "w").write(f"id,loss\\n1,0\\n2,{x}\\n")
with zipfile.ZipFile(names["zip"], "w") as archive:
    archive.writestr(zipfile.ZipInfo("same.txt"), "same")
    archive.writestr(zipfile.ZipInfo("inner.json"), json.dumps({"loss": x}))
with gzip.GzipFile(names["gz"], "wb", mtime=x) as file:
    file.write(b"same")
open(names["bin"], "wb").write(b"\\x00\\xff" + x.to_bytes(8, "little"))
open(os.path.join(names["folder"], "same.txt"), "w").write("same")
open(os.path.join(names["folder"], "values.csv"), "w").write(f"loss\\n{x}\\n")
open(names["mode"], "w").write("same")
os.chmod(names["mode"], 0o755 if os.path.exists(os.environ["MARK"]) else 0o644)
open(names["stable"], "w").write("same")
try:
    import numpy
    numpy.savez(names["npz"], same=numpy.zeros(2), weights=numpy.array([[1.0, x]]))
except ImportError:
    open(names["npz"], "wb").write(b"no numpy")
try:
    import pyarrow, pyarrow.parquet
    pyarrow.parquet.write_table(pyarrow.table({"same": [1, 2], "loss": [0, x]}), names["parquet"])
except ImportError:
    open(names["parquet"], "wb").write(b"no pyarrow")
"""
SUFFIXES = {"text": ".txt", "gz": ".txt.gz", "folder": "/", "mode": ".sh", "stable": ".dat"}
WHERE = {
    "text": ("text", "line 2"),
    "json": ("json", "$.a[1].loss"),
    "jsonl": ("jsonl", "line 2, $.loss"),
    "csv": ("csv", "column loss, row 2"),
    "zip": ("zip", "inner.json: $.loss"),
    "gz": ("gzip", "the head's time"),
    "bin": ("bytes", "byte "),
    "folder": ("folder", "values.csv: column loss, row 1"),
    "mode": ("mode", ""),
}


def installed(name: str) -> bool:
    return (
        subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, check=False).returncode
        == 0
    )


def test_every_kind_of_file_tells_where_it_differs(cli, scratch, tmp_path):
    del scratch
    names = [*WHERE, "stable", "npz", "parquet"]
    mark = tmp_path / "mark"
    outputs = {name: f"out/{name}{SUFFIXES.get(name, '.' + name)}" for name in names}
    words = " ".join("${{ outputs." + name + " }}" for name in names)
    text = f"pass_env: [MARK, NAMES]\nsteps:\n  noise:\n    run: python noise.py {words}\n    outputs: {json.dumps(outputs)}\n"
    cli.env.update(MARK=str(mark), NAMES=" ".join(names))
    pipeline(cli, text, {"noise.py": NOISE})
    mark.touch()
    document = cli.json("reproduce", "noise", code=1)
    found = differing(document)
    expected = dict(WHERE)
    if installed("numpy"):
        expected["npz"] = ("npz", "array weights: [0, 1]")
    if installed("pyarrow"):
        expected["parquet"] = ("parquet", "column loss, row 2")
    assert set(found) == set(expected), "and `stable` does not differ"
    for name, (kind, where) in expected.items():
        assert found[name]["kind"] == kind and found[name]["where"].startswith(where), found[name]
        assert found[name]["path"] == outputs[name]
    assert document["steps"][0]["outputs"]["stable"] == "same"
    assert [line[0] for line in found["text"]["lines"][2:]] == [" ", "-", "+"]
    shown = cli("reproduce", "noise", code=1).stdout
    assert "differs when executed again: bin, csv" in shown and "json $.a[1].loss" in shown
    assert "column loss, row 2" in cli("show").stdout and "$.a[1].loss" in cli("why", "noise").stdout


def test_hash_seed_jobs_and_path_are_varied(cli, scratch):
    del scratch
    text = """\
        steps:
          seed:
            run: python seed.py > ${{ outputs.o }}
            outputs: {o: o/seed.txt}
          fixed:
            run: python seed.py > ${{ outputs.o }}
            env: {PYTHONHASHSEED: "5"}
            outputs: {o: o/fixed.txt}
          path:
            run: basename "$PWD" > ${{ outputs.o }}
            outputs: {o: o/path.txt}
        """
    pipeline(cli, textwrap.dedent(text), {"seed.py": "print(hash('a'), hash('b'))\n"})
    document = cli.json("reproduce", "last", "--times", "3", code=1)
    assert verdicts(document) == {"seed": "differs", "fixed": "deterministic", "path": "differs"}
    seed, fixed, path = (by_name(document)[name] for name in ("seed", "fixed", "path"))
    assert [item["outcome"] for item in seed["executions"]] == ["same", "differs", "differs"]
    assert {item["seed"] for item in fixed["executions"]} == {"5"}
    assert len({item["differences"][0]["text"] for item in path["executions"][1:]}) == 2
    assert "PYTHONHASHSEED=1" in cli("reproduce", "seed", "--times", "2", code=1).stdout


def test_metrics_that_a_function_returned_are_compared_too(cli, scratch):
    del scratch
    text = "steps:\n  fit:\n    call: steps:fit\n"
    pipeline(
        cli,
        text,
        {"steps.py": "import uuid\ndef fit():\n    return {'a': {'b': uuid.uuid4().hex}, 'c': 1}\n"},
    )
    found = differing(cli.json("reproduce", "fit", code=1))
    assert found["metrics"]["where"] == "$.a.b"


def test_a_step_that_fails_tells_its_last_lines(cli, scratch, tmp_path):
    del scratch
    cli.env["SWITCH"] = str(tmp_path / "switch")
    (tmp_path / "switch").touch()
    text = (
        "pass_env: [SWITCH]\nsecrets: [TOKEN]\nsteps:\n  once:\n"
        "    run: echo told $TOKEN; test -e $SWITCH; touch ${{ outputs.o }}\n    outputs: {o: o/o.txt}\n"
        "  silent:\n    run: touch o/s.txt; test -e $SWITCH || rm o/s.txt\n    outputs: {s: o/s.txt}\n"
    )
    cli.env["TOKEN"] = SECRETS["TOKEN"]
    pipeline(cli, text, {})
    (tmp_path / "switch").unlink()
    document = cli.json("reproduce", "last", code=1)
    assert verdicts(document) == {"once": "failed", "silent": "differs"}
    execution = by_name(document)["once"]["executions"][0]
    assert execution["error"] == "exit 1" and execution["log"] == ["told ***"]
    assert differing(document)["s"]["kind"] == "missing"
    assert "exit 1" in cli("show").stdout
    del cli.env["TOKEN"]
    assert "secret `TOKEN` is not in the environment" in cli("reproduce", "once", code=8).stderr


def test_an_undeclared_file_is_named_where_the_step_lacks_it(cli, scratch):
    del scratch
    text = "steps:\n  fit: {run: 'python fit.py > ${{ outputs.o }}', outputs: {o: o.txt}}\n"
    files = {"fit.py": "print(open('conf.yml').read())\n", "conf.yml": "x\n"}
    write(cli.cwd, {"mlorch.toml": "", "mlorch.yaml": HEAD + text, **files})
    time.sleep(0.15)  # else the files were as young as the step
    assert "inputs: {conf: conf.yml}" in cli("run").stderr
    assert cli.json("show")["steps"][0]["undeclared"] == ["conf.yml"]
    assert cli.json("why", "fit")["instances"][0]["compared_with"]["undeclared"] == ["conf.yml"]
    assert "read without being declared\n  fit  conf.yml" in cli("show").stdout
    assert "conf.yml (read, but no part of its key" in cli("why", "fit").stdout
    cli("run", "-q")
    assert cli.json("show")["steps"][0]["undeclared"] == ["conf.yml"], "of a cached step too"
    done = cli("reproduce", "fit", code=1)
    assert "No such file" in done.stdout
    assert "it once read `conf.yml`, which it does not declare: the scratch place lacks it" in done.stdout


# --------------------------------------------------------------------------------------------------- what can't be


def test_inputs_that_were_not_kept_are_named_with_how_to_keep_them(cli, scratch):
    del scratch
    text = """\
        steps:
          big:
            run: seq 1 3 > ${{ outputs.big }}
            outputs: {big: {path: o/big.txt, store: false}}
          use:
            run: cat ${{ inputs.table }} ${{ inputs.big }} > ${{ outputs.o }}
            inputs: {table: data/table.csv, big: "${{ steps.big.outputs.big }}"}
            outputs: {o: o/use.txt}
        """
    pipeline(cli, textwrap.dedent(text), {"data/table.csv": "a\n"})
    assert verdicts(cli.json("reproduce", "use")) == {"use": "deterministic"}, (
        "what stands there is what was recorded"
    )
    (cli.cwd / "data/table.csv").write_text("b\n")
    done = cli("reproduce", "use", code=8)
    assert "input `data/table.csv` as it was then was not kept" in done.stderr
    assert "inputs: {table: {path: data/table.csv, store: true}}" in done.stderr
    (cli.cwd / "data/table.csv").write_text("a\n")
    (cli.cwd / "o/big.txt").write_text("edited\n")
    done = cli("reproduce", "use", code=8)
    assert "input `o/big.txt`" in done.stderr and "`big` makes it with `store: false`" in done.stderr
    document = cli.json("reproduce", "last", code=8)
    assert verdicts(document) == {"big": "deterministic", "use": "impossible"}


def test_another_environment_is_named_and_must_be_accepted(cli, scratch):
    del scratch
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(cli.cwd / ".venv")], check=True)
    site = next((cli.cwd / ".venv" / "lib").glob("python3.*")) / "site-packages"
    text = "steps:\n  fit:\n    run: .venv/bin/python fit.py > ${{ outputs.o }}\n    outputs: {o: o.txt}\n"

    def install(version: str) -> None:
        for name in ("1.0", "2.0"):
            info = site / f"toy-{name}.dist-info"
            if name == version:
                write(info, {"METADATA": f"Name: toy\nVersion: {version}\n", "RECORD": "toy.py,,\n"})
            elif info.exists():
                for path in info.iterdir():
                    path.unlink()
                info.rmdir()
        (site / "toy.py").write_text(
            f"VERSION = {version!r}\n" + "#" * int(float(version)) + "\n"
        )  # no stale bytecode

    install("1.0")
    pipeline(cli, text, {"fit.py": "import toy\nprint(toy.VERSION)\n"})
    assert verdicts(cli.json("reproduce", "fit")) == {"fit": "deterministic"}
    install("2.0")
    done = cli("reproduce", "fit", code=8)
    assert "toy 1.0 → 2.0" in done.stderr and "--accept-environment" in done.stderr
    document = cli.json("reproduce", "fit", "--accept-environment", code=1)
    assert document["environment"] == [{"kind": "package", "name": "toy", "recorded": "1.0", "found": "2.0"}]
    assert differing(document)["o"]["text"] == "1.0 → 2.0"
    assert "in another environment" in cli("show").stdout


def wheel(folder: Path, version: str) -> Path:
    """A wheel of the package `toy`, as pip installs it."""
    path = folder / f"toy-{version}-py3-none-any.whl"
    info = f"toy-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toy.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: toy\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"toy.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def another_python() -> str:
    """An interpreter of another minor version that can make environments; empty where this machine has none."""
    places = [Path.home() / ".pyenv" / "versions", Path("/usr/bin"), Path("/usr/local/bin")]
    found = [*places[0].glob("*/bin/python3")]
    found += [place / f"python3.{minor}" for place in places[1:] for minor in range(8, 20)]
    for path in sorted(found, reverse=True):
        script = "import sys, ensurepip, venv; print(sys.version_info >= (3, 8) and sys.version_info[1])"
        done = (
            subprocess.run([str(path), "-c", script], capture_output=True, text=True)
            if path.exists()
            else None
        )
        if done is not None and done.stdout.strip() not in ("", "False", str(sys.version_info[1])):
            return str(path)
    return ""


@pytest.mark.parametrize("change", ["package", "interpreter"])
def test_an_environment_that_really_is_another_one(cli, scratch, tmp_path, change):
    """Made by `venv` and `pip`, as people make them."""
    del scratch
    other = another_python() if change == "interpreter" else sys.executable
    if not other:
        pytest.skip("needs a Python of another minor version beside the one that runs the tests")

    def make(python: str, version: str) -> None:
        folder = str(cli.cwd / ".venv")
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [
            folder + "/bin/python",
            "-m",
            "pip",
            "install",
            "-q",
            "--no-index",
            "--disable-pip-version-check",
        ]
        subprocess.run([*pip, str(wheel(tmp_path, version))], check=True)

    make(sys.executable, "1.0")
    text = "steps:\n  fit:\n    run: python fit.py > ${{ outputs.o }}\n    outputs: {o: o.txt}\n"
    pipeline(cli, text, {"fit.py": "import sys, toy\nprint(toy.VERSION, sys.version_info[1])\n"})
    mine = sys.version_info[1]
    assert (cli.cwd / "o.txt").read_text() == f"1.0 {mine}\n"
    assert verdicts(cli.json("reproduce", "fit")) == {"fit": "deterministic"}
    make(other, "2.0")
    done = cli("reproduce", "fit", code=8)
    assert "toy 1.0 → 2.0" in done.stderr and "--accept-environment" in done.stderr
    document = cli.json("reproduce", "fit", "--accept-environment", code=1)
    package = {"kind": "package", "name": "toy", "recorded": "1.0", "found": "2.0"}
    changed = {item["kind"]: item for item in document["environment"]}
    assert changed.pop("package") == package
    theirs = mine
    if change == "interpreter":
        seen = changed.pop("interpreter")
        theirs = int(seen["found"].split()[1].partition(".")[2])
        assert seen["recorded"].split()[1] == f"3.{mine}" and theirs != mine
        assert seen["found"] in done.stderr, "each is named"
    assert changed == {}
    assert differing(document)["o"]["text"] == f"1.0 {mine} → 2.0 {theirs}"
    assert (cli.cwd / "o.txt").read_text() == f"1.0 {mine}\n", "nothing of the project is touched"


def test_an_effect_does_not_happen_again(cli, scratch, tmp_path):
    del scratch
    text = f"steps:\n  deploy:\n    run: echo x >> {tmp_path}/deployed\n    effect: production\n  a: {{run: 'true'}}\n"
    pipeline(cli, text, {})
    done = cli("reproduce", "deploy", code=8)
    assert "it has the effect `production`, which would happen a second time" in done.stderr
    document = cli.json("reproduce", "last")
    assert verdicts(document) == {"deploy": "impossible", "a": "deterministic"}
    assert (tmp_path / "deployed").read_text() == "x\n"


def test_what_was_adopted_was_never_executed(cli, scratch):
    del scratch
    text = "steps:\n  a:\n    run: echo made > ${{ outputs.o }}\n    outputs: {o: o.txt}\n"
    write(cli.cwd, {"mlorch.toml": "", "mlorch.yaml": HEAD + text, "o.txt": "old\n"})
    cli("run", "-q", "--adopt")
    assert "adopted" in cli("reproduce", "a", code=8).stderr


def test_a_step_without_a_record_says_why(cli, scratch):
    del scratch
    write(
        cli.cwd, {"mlorch.toml": "", "mlorch.yaml": HEAD + "steps: {a: {run: 'false'}, b: {run: 'true'}}\n"}
    )
    cli("run", "-q", "-k", code=1)
    assert "`a` can't be reproduced: it failed" in cli("reproduce", "a", code=8).stderr
    assert verdicts(cli.json("reproduce", "last")) == {"a": "impossible", "b": "deterministic"}


# ------------------------------------------------------------------------------------------------ scratch places


def test_scratch_places_are_kept_on_request(good, tmp_path):
    kept = tmp_path / "kept"
    document = good.json("reproduce", "fit", "--keep", str(kept))
    place = Path(document["steps"][0]["executions"][0]["place"])
    assert place == kept / "fit-1" and (place / "project/pkg/helper.py").read_text() == FILES["pkg/helper.py"]
    assert (place / "log" / "fit.1.log").exists()
    assert "not empty" in good("reproduce", "fit", "--keep", str(kept), code=2).stderr


def test_code_of_an_editable_install_is_the_recorded_one(cli, scratch):
    del scratch
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(cli.cwd / ".venv")], check=True)
    site = next((cli.cwd / ".venv" / "lib").glob("python3.*")) / "site-packages"
    (site / "project.pth").write_text(str(cli.cwd / "src") + "\n")
    text = "steps:\n  a:\n    run: python tools/a.py > ${{ outputs.o }}\n    outputs: {o: o.txt}\n"
    pipeline(
        cli, text, {"src/mine.py": "VALUE = 'recorded'\n", "tools/a.py": "import mine\nprint(mine.VALUE)\n"}
    )
    (cli.cwd / "src/mine.py").write_text("VALUE = 'of today'\n")
    assert verdicts(cli.json("reproduce", "a")) == {"a": "deterministic"}


def test_absolute_paths_of_the_project_name_the_scratch_place(cli, scratch):
    """Else the command would read today's files, and write over them."""
    del scratch
    root = cli.cwd
    text = f"""\
        env: {{HERE: "{root}/tool.sh"}}
        params: {{where: "{root}"}}
        steps:
          shell: {{run: "$HERE > {root}/out/shell.txt", code: [tool.sh], outputs: {{o: out/shell.txt}}}}
          call: {{call: "steps:fit", outputs: {{o: out/call.txt}}, with: {{text: "{root}/steps.py", o: "${{{{ outputs.o }}}}"}}}}
          argv:
            run: [sh, -c, "cat {root}/tool.sh > $1", x, "${{{{ outputs.o }}}}"]
            code: [tool.sh]
            outputs: {{o: out/argv.txt}}
        """
    files = {
        "tool.sh": "#!/bin/sh\necho recorded\n",
        "steps.py": "import pathlib\n\n\ndef fit(o, text):\n    pathlib.Path(o).write_text(pathlib.Path(text).read_text())\n",
    }
    pipeline(cli, textwrap.dedent(text), files)
    write(root, {"tool.sh": "#!/bin/sh\necho today\n"})
    (root / "out/shell.txt").write_text("edited\n")
    before = state(root)
    done = verdicts(cli.json("reproduce", "last"))
    assert done == dict.fromkeys(["shell", "call", "argv"], "deterministic")
    assert state(root) == before


def test_code_outside_the_project_is_not_kept_but_looked_at(cli, scratch, tmp_path):
    del scratch
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(cli.cwd / ".venv")], check=True)
    site = next((cli.cwd / ".venv" / "lib").glob("python3.*")) / "site-packages"
    write(tmp_path / "elsewhere", {"mine.py": "VALUE = 1\n"})
    (site / "mine.pth").write_text(str(tmp_path / "elsewhere") + "\n")
    text = "steps:\n  a:\n    run: python a.py > ${{ outputs.o }}\n    outputs: {o: o.txt}\n"
    pipeline(cli, text, {"a.py": "import mine\nprint(mine.VALUE)\n"})
    assert verdicts(cli.json("reproduce", "a")) == {"a": "deterministic"}
    write(
        tmp_path / "elsewhere",
        {"mine.py": "VALUE = 2  # of another size, so that no bytecode is taken for it\n"},
    )
    assert "elsewhere/mine.py as recorded → another content" in cli("reproduce", "a", code=8).stderr
    assert differing(cli.json("reproduce", "a", "--accept-environment", code=1))["o"]["text"] == "1 → 2"


def test_what_a_killed_one_left_goes_with_the_next(good, scratch):
    for name, locked in (("mlorch-reproduce-dead", True), ("mlorch-reproduce-other", False), ("mine", True)):
        (scratch / name).mkdir()
        if locked:
            (scratch / name / "lock").touch()
    good("reproduce", "load")
    assert sorted(os.listdir(scratch)) == ["mine", "mlorch-reproduce-other"], (
        "the second might be one that just begins"
    )
    for name in os.listdir(scratch):
        shutil.rmtree(scratch / name)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("send", [os.kill, pytest.param(send_unnoticed, marks=needs_tgkill)])
def test_an_end_by_signal_leaves_nothing(cli, scratch, tmp_path, number, send):
    go = tmp_path / "go"
    go.touch()
    text = (
        f"steps:\n  a:\n    run: test -e {go} || {{ touch {tmp_path}/up; sleep 600; }}; touch ${{{{ outputs.o }}}}\n"
        "    outputs: {o: o.txt}\n"
    )
    pipeline(cli, text, {})
    go.unlink()
    command = [sys.executable, "-m", "mlorch", "reproduce", "a"]
    process = subprocess.Popen(command, cwd=cli.cwd, env=cli.env, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "up").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        send(process.pid, number)
        assert process.wait(60) == 128 + number
    finally:
        process.kill()
        process.wait()
    assert os.listdir(scratch) == []
