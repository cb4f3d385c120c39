"""Each verb as a person, cron or a CI job calls it: what it prints where, and how it exits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

INSTANCES = ["load", "fit@0", "fit@1", "pick"]


# ------------------------------------------------------------------------------------------ run and plan


def test_a_run_then_nothing_to_do_then_one_param(project):
    assert project("plan", "--check", code=5).returncode == 5
    first = project.json("run")
    assert {item["instance"] or item["step"] for item in first["steps"]} == set(INSTANCES)
    assert first["totals"]["succeeded"] == 4
    assert project("plan", "--check").stdout.count("cached") >= 4
    second = project.json("run")
    assert second["totals"]["cached"] == 4
    plan = project.json("plan", "-p", "depth=4", "--check", code=5)
    actions = {item["instance"] or item["step"]: item["action"] for item in plan["steps"]}
    assert actions["load"] == "cached" and actions["fit@0"] == "run"


def test_a_dry_run_is_a_plan(project):
    assert project("run", "--dry-run").stdout == project("plan").stdout
    assert project.json("run", "--dry-run") == project.json("plan")
    assert not (project.cwd / ".mlorch").exists()
    assert not (project.cwd / "data").exists()


def test_a_plan_tells_its_warnings_apart_from_the_answer(project):
    text = 'version: 1\nname: demo\nsteps:\n  fit: {run: "python gone.py"}\n'
    (project.cwd / "mlorch.yaml").write_text(text)
    planned = project("plan", "-q")
    assert planned.stderr.startswith("warning: fit: no code known for gone.py: correct the name")
    assert "warning" not in planned.stdout
    assert project("plan", "--json").stderr == ""


def test_a_warning_names_the_steps_that_it_is_about(project):
    steps = "".join(f"  {name}: {{run: 'python gone.py {name}'}}\n" for name in ("a", "b", "c"))
    (project.cwd / "mlorch.yaml").write_text("version: 1\nname: demo\nsteps:\n" + steps)
    (line,) = project("plan").stderr.splitlines()
    assert line.startswith("warning: a and 2 more: no code known for gone.py")


def test_what_the_file_is_warned_of_is_told_by_plan_and_run_too(project, pipeline_text):
    (project.cwd / "mlorch.yaml").write_text(pipeline_text.replace("{depth: 3,", "{debug: yes, depth: 3,"))
    told = 'mlorch.yaml:3: `yes` is text here, not true (write `true`, or quote it: "yes")'
    for words in (["plan"], ["run", "-q"], ["run", "-q"], ["plan"]):
        assert project(*words).stderr == f"warning: {told}\n", "a cached plan tells it too"
    assert told in project.json("run")["warnings"] and told in project.json("plan")["warnings"]


def test_a_plan_tells_what_would_be_kept_aside(ran):
    assert ran.json("plan")["kept"] == []
    edited, foreign = ran.cwd / "models" / "best.txt", ran.cwd / "data" / "numbers.txt"
    edited.write_text("mine\n")
    plan = ran("plan")
    assert plan.stdout.endswith(
        "would keep aside, since they were edited or not made by mlorch:\n  models/best.txt\n"
        "= demo is up to date: 4 cached\n"
    )
    foreign.unlink()
    assert ran.json("plan")["kept"] == ["models/best.txt"], "what is missing comes back, and nothing is lost"
    text = (ran.cwd / "mlorch.yaml").read_text().replace("seq 1 5", "seq 1 6")
    (ran.cwd / "mlorch.yaml").write_text(text)
    foreign.write_text("from elsewhere\n")
    assert "data/numbers.txt" in ran.json("plan")["kept"], "it would be made anew"
    told = ran("run", "-q").stderr
    assert "data/numbers.txt" in told and "models/best.txt" in told
    kept = (ran.cwd / ".mlorch" / "kept").rglob("*.txt")
    assert sorted(path.read_text() for path in kept) == ["from elsewhere\n", "mine\n"]
    assert ran.json("plan")["kept"] == []


def test_where_a_run_writes(project):
    done = project("run")
    assert "demo finished" in done.stdout
    assert "[4/4] pick: ok" in done.stderr
    assert "demo is up to date" in project("run").stdout


def test_a_quiet_run_says_nothing_unless_something_is_wrong(project):
    done = project("run", "-q")
    assert (done.stdout, done.stderr) == ("", "")
    done = project("run", "-q", "-p", "limit=9", code=1)
    assert done.stdout == ""
    assert "pick" in done.stderr and "failed" in done.stderr


def test_warnings_stand_on_stderr_and_quiet_leaves_them(project, pipeline_text):
    lenient = '[{assert: "${{ metrics.auc >= params.limit }}", severity: warn}]'
    text = pipeline_text.replace('["${{ metrics.auc >= params.limit }}"]', lenient)
    (project.cwd / "mlorch.yaml").write_text(text.replace("0.0", "9"))
    told = "warning: pick: check did not hold: metrics.auc >= params.limit (auc is 3, limit is 9)\n"
    for _ in ("it ran", "it is cached"):
        done = project("run", "-q")
        assert (done.stdout, done.stderr) == ("", told)
    done = project("run", "--progress", "quiet")
    assert done.stderr == told and "warning" not in done.stdout and "up to date" in done.stdout
    assert project("run").stderr.count(told) == 1


def test_a_failing_check_names_how_to_get_what_it_failed(project):
    document = project.json("run", "-p", "limit=9", code=1)
    assert document["totals"] == {
        "succeeded": 3,
        "cached": 0,
        "failed": 1,
        "skipped": 0,
        "blocked": 0,
        "cancelled": 0,
    }
    assert project.json("get", "pick/best", "-o", "out.txt")["artifact"]["outcome"] == "failed"
    assert (project.cwd / "out.txt").read_text()


def test_events_on_stderr_and_in_a_file(project, valid):
    done = project("run", "--progress", "jsonl", "--events", "events.jsonl")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [lines[0]["event"], lines[-1]["event"]] == ["run.started", "run.finished"]
    assert {"step.started", "step.finished"} <= {line["event"] for line in lines}
    for line in lines:
        valid(line)
    assert (project.cwd / "events.jsonl").read_text().splitlines() == done.stderr.splitlines()


def test_one_step_and_its_upstream(project):
    document = project.json("run", "fit@1")
    assert [item["instance"] or item["step"] for item in document["steps"]] == ["load", "fit@1"]
    assert project.json("run", "--only", "load")["totals"]["cached"] == 1
    assert project.json("run", "load", "--force")["totals"]["succeeded"] == 1
    forced = project.json("run", "fit@1", "--force-step", "load")
    assert {item["step"]: item["outcome"] for item in forced["steps"]} == {
        "load": "succeeded",
        "fit": "cached",
    }


def test_from_another_folder(project, tmp_path):
    project.cwd, root = tmp_path, project.cwd
    assert project.json("-C", str(root), "run")["totals"]["succeeded"] == 4
    assert project.json("run", str(root / "mlorch.yaml"))["totals"]["cached"] == 4
    project.cwd = root / "data"
    assert project.json("plan")["totals"]["cached"] == 4


# -------------------------------------------------------------------------------------------- exit codes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nothing"], ["nothing"]),
        (["run", "none.yaml"], ["none.yaml"]),
        (["plan", "-p", "depth"], ["-p expects NAME=VALUE", "`depth`"]),
        (["plan", "-p", "dept=4"], ["dept", "depth"]),
        (["run", "load", "other.yaml"], ["other.yaml"]),
        (["run", "-j", "0"], ["--jobs"]),
        (["run", "--adopt", "--force"], ["--adopt"]),
        (["why"], ["say which step", "mlorch why pick", "load, fit, pick"]),
        (["show", "last"], ["no run yet"]),
        (["graph", "-o", "x.png"], ["x.png", "--format"]),
        (["logs", "a", "b", "c"], ["`c`"]),
        (["runs", "--since", "soon"], ["--since"]),
        (["get", "nothing"], ["nothing"]),
    ],
)
def test_usage_errors_exit_2_and_write_nothing(project, arguments, words):
    done = project(*arguments, code=2)
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert all(word in done.stderr for word in words), done.stderr
    assert project.json(*arguments, code=2)["schema"] == "mlorch.error/1"
    assert sorted(os.listdir(project.cwd)) == ["mlorch.toml", "mlorch.yaml"]


def test_without_a_pipeline(cli):
    for verb in ("run", "plan", "validate", "graph"):
        assert "there is no pipeline here" in cli(verb, code=2).stderr


def test_several_pipelines_are_listed(cli, pipeline_text):
    (cli.cwd / "pipelines").mkdir()
    for name in ("a.yaml", "b.yaml"):
        (cli.cwd / "pipelines" / name).write_text(pipeline_text)
    assert "pipelines/a.yaml, pipelines/b.yaml" in cli("plan", code=2).stderr


def test_an_invalid_pipeline_exits_3_with_a_frame(project, pipeline_text):
    (project.cwd / "mlorch.yaml").write_text(
        pipeline_text.replace("    outputs: {data", "    outputz: {data")
    )
    for verb in ("validate", "plan", "run", "graph"):
        done = project(verb, code=3)
        text = done.stdout if verb == "validate" else done.stderr
        assert "mlorch.yaml:7:5" in text
        assert "outputz" in text and "^^^" in text
    document = project.json("run", code=3)
    assert 7 in [problem["line"] for problem in document["problems"]]
    assert not (project.cwd / ".mlorch").exists()


def test_invalid_settings_exit_3_with_a_frame(project):
    (project.cwd / "mlorch.toml").write_text("[run]\njobs = -1\n")
    done = project("plan", code=3)
    assert "mlorch.toml:2:1" in done.stderr
    assert "2 | jobs = -1" in done.stderr
    assert project.json("doctor", code=3)["problems"][0]["code"] == "E603"


def test_a_failing_step_exits_1(project, pipeline_text):
    (project.cwd / "mlorch.yaml").write_text(pipeline_text.replace("seq 1 5 >", "echo oh no >&2; exit 3 #"))
    done = project("run", code=1)
    assert "exit 3" in done.stdout and "oh no" in done.stdout
    assert "blocked" in done.stdout
    assert project("logs", "--failed").stdout == "oh no\n"


def test_a_folder_that_can_not_be_written_exits_8(project):
    (project.cwd / ".mlorch").write_text("a file")
    done = project("run", code=8)
    assert ".mlorch" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_a_run_which_says_how_to_resume(project, number, code, pipeline_text):
    (project.cwd / "mlorch.yaml").write_text(pipeline_text.replace("seq 1 5 >", "echo up; sleep 60 #"))
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests themselves may run under nohup
    process = subprocess.Popen(
        [sys.executable, "-m", "mlorch", "run"],
        cwd=project.cwd,
        env=project.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    signal.signal(signal.SIGHUP, before)
    assert process.stderr is not None
    for line in process.stderr:
        if "load: started" in line:
            break
    time.sleep(0.3)
    process.send_signal(number)
    stdout, _ = process.communicate(timeout=30)
    assert process.returncode == code
    assert "cancelled" in stdout and "to resume" in stdout
    assert project.json("runs")["runs"][0]["status"] == "cancelled"


# ------------------------------------------------------------------------------------------------- looks


@pytest.mark.parametrize("format_", ["full", "concise", "github"])
def test_validate(project, valid, format_):
    assert project("validate", "--format", format_).returncode == 0
    assert project.json("validate")["valid"] is True
    (project.cwd / "mlorch.yaml").write_text("version: 2\n")
    done = project("validate", "--format", format_, code=3)
    assert "mlorch.yaml" in done.stdout
    document = json.loads(project("validate", "--format", "json", code=3).stdout)
    valid(document)
    assert document["valid"] is False


def test_the_schema_is_json(project):
    schema = json.loads(project("schema").stdout)
    assert "steps" in schema["properties"]
    project("schema", "-o", "schema.json")
    assert json.loads((project.cwd / "schema.json").read_text()) == schema
    assert "nowhere" in project("schema", "-o", "nowhere/schema.json", code=8).stderr


@pytest.mark.parametrize(
    ("format_", "words"),
    [("ascii", ["load", "fit"]), ("mermaid", ["flowchart"]), ("dot", ["digraph"]), ("svg", ["<svg"])],
)
def test_graphs(project, format_, words):
    text = project("graph", "--format", format_).stdout
    assert all(word in text for word in words)
    project("graph", "--format", format_, "-o", "out.txt")
    assert (project.cwd / "out.txt").read_text() == text


def test_the_format_of_a_graph_by_its_suffix(project):
    document = project.json("graph", "-o", "graph.svg")
    assert "<svg" in (project.cwd / "graph.svg").read_text()
    assert {"load", "fit@0", "fit@1", "pick"} <= set(json.dumps(document).replace('"', " ").split())
    project("graph", "-o", "graph.json")
    assert json.loads((project.cwd / "graph.json").read_text()) == document


def test_a_graph_with_the_state_of_a_run(ran):
    assert "ran" in ran("graph", "--state", "last").stdout
    assert "cached" in ran("graph").stdout


def test_why(ran):
    text = ran("why", "fit", "-p", "depth=4").stdout
    assert "fit@0" in text and "depth" in text and "3" in text and "4" in text
    document = ran.json("why", "fit@1", "-p", "depth=4", "--against", "last")
    assert [item["instance"] for item in document["instances"]] == ["fit@1"]
    changed = [part for part in document["instances"][0]["parts"] if part["state"] == "changed"]
    assert ("param", "depth", 3, 4) in [
        (part["kind"], part["name"], part["old"], part["new"]) for part in changed
    ]
