"""The verbs about the past and about care, over real runs."""

from __future__ import annotations

import json
import subprocess
import sys
import time

INSTANCES = ["load", "fit@0", "fit@1", "pick"]


# ------------------------------------------------------------------------------------------- the past


def test_history_without_a_store_is_empty(project):
    assert project.json("runs") == {"schema": "mlorch.runs/1", "runs": []}
    assert f"no run yet in {project.cwd}:" in project("runs").stderr
    assert project.json("verify")["objects"] == 0
    assert project.json("gc")["bytes"] == 0
    assert not (project.cwd / ".mlorch").exists()


def test_runs_and_show(ran):
    ran("run", "-q", "-p", "limit=9", code=1)
    document = ran.json("runs")
    assert [run["status"] for run in document["runs"]] == ["failed", "succeeded"]
    assert [run["status"] for run in ran.json("runs", "--status", "failed")["runs"]] == ["failed"]
    assert len(ran.json("runs", "--limit", "1", "--since", "1h")["runs"]) == 1
    assert len(ran("runs").stdout.splitlines()) == 2
    assert "@" in ran("runs", "-v").stdout and "models/best.txt" in ran("show", "-v", "last~1").stdout
    shown = ran.json("show", "last~1")
    assert shown["run"]["meta"]["params"] == {"depth": 3, "limit": 0.0}
    assert {step["instance"] or step["step"] for step in shown["steps"]} == set(INSTANCES)
    text = ran("show", "last~1").stdout
    assert "fit@0" in text and "depth" in text and "succeeded" in text
    assert "load" in ran("show", "--timings", "last~1").stdout


def test_show_names_the_command_and_leaves_to_verbose_what_is_for_programs(ran):
    command = [line for line in ran("show").stdout.splitlines() if line.startswith("command ")]
    assert [line.split()[-2:] for line in command] == [["run", "-q"]]
    told = {line.split()[0] for line in ran("show").stdout.splitlines() if line.strip()}
    verbose = {line.split()[0] for line in ran("show", "-v").stdout.splitlines() if line.strip()}
    assert not told & {"goals", "pid", "instances", "argv"} and {"pid", "instances"} <= verbose


def test_logs_of_a_step_that_printed_nothing_say_so(ran):
    done = ran("logs", "load")
    assert (done.stdout, done.stderr) == ("", "load printed nothing\n")
    assert ran("logs", "load", "-q").stderr == ""


def test_a_filter_that_leaves_no_run_is_not_an_empty_history(ran):
    assert ran("runs", "--status", "failed").stderr == "no run is like that: see `mlorch runs`\n"


def test_compare_says_how_to_mark_the_best(ran):
    said = "the best is marked once the step says what is better: `goal: {auc: max}` (or min) in `fit`\n"
    assert ran("compare", "last", "fit").stderr == said
    assert ran("compare", "last", "fit", "-q").stderr == ""
    assert ran("compare", "last", "fit", "--format", "csv").stderr == ""
    ran("run", "-q")
    assert ran("compare").stderr == "", "nothing differs"
    pipeline = ran.cwd / "mlorch.yaml"
    pipeline.write_text(pipeline.read_text().replace("  fit:\n", "  fit:\n    goal: {auc: max}\n"))
    ran("run", "-q")
    assert ran("compare", "last", "fit").stderr == ""


def test_get_takes_a_path_and_a_name_that_is_the_only_one(ran):
    assert ran("get", "models/best.txt", "-o", "-").stdout == ran("get", "pick/best", "-o", "-").stdout
    assert ran("get", "best", "-o", "-").stdout == ran("get", "pick/best", "-o", "-").stdout
    error = ran("get", "metrics", code=2).stderr
    assert "`metrics` means 3 artifacts" in error and "fit@0/metrics" in error
    assert "one of pick/best, pick/metrics" in ran("get", "pick", code=2).stderr


def test_logs(ran):
    assert ran("logs", "fit@0").stdout == "fitting with depth 3\n"
    both = ran("logs", "fit").stdout
    assert both.count("fitting with depth 3\n") == 2 and both.count("==> fit@") == 2
    assert ran("logs", "last", "fit@1", "-n", "0").stdout == ""
    path = ran("logs", "fit@0", "--path").stdout.strip()
    with open(path) as file:
        assert file.read() == "fitting with depth 3\n"
    document = ran.json("logs", "fit@0")
    assert document["logs"][0]["text"] == "fitting with depth 3\n"
    assert ran.json("logs", "--failed")["logs"] == []


def test_a_log_is_followed_to_the_end_of_its_run(project, pipeline_text):
    slow = "for i in 1 2 3; do echo line $i; sleep 0.4; done; seq 1 5 >"
    (project.cwd / "mlorch.yaml").write_text(pipeline_text.replace("seq 1 5 >", slow))
    run = subprocess.Popen(
        [sys.executable, "-m", "mlorch", "run", "-q", "load"], cwd=project.cwd, env=project.env
    )
    try:
        deadline = time.monotonic() + 20
        while not list((project.cwd / ".mlorch" / "runs").glob("*/load.1.log")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert project("logs", "-f", "load").stdout == "line 1\nline 2\nline 3\n"
    finally:
        assert run.wait(30) == 0


def test_all_steps_of_a_run_are_followed_also_those_that_begin_later(project, pipeline_text):
    slow = "for i in 1 2 3; do echo line $i; sleep 0.3; done; seq 1 5 >"
    (project.cwd / "mlorch.yaml").write_text(pipeline_text.replace("seq 1 5 >", slow))
    run = subprocess.Popen([sys.executable, "-m", "mlorch", "run", "-q"], cwd=project.cwd, env=project.env)
    try:
        deadline = time.monotonic() + 20
        while not list((project.cwd / ".mlorch" / "runs").glob("*/load.1.log")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert project("logs", "-f", "fit@0").stdout == "fitting with depth 3\n", "it had not begun yet"
        everything = project("logs", "-f").stdout
        assert everything.startswith("==> load (attempt 1) <==\nline 1\nline 2\nline 3\n==> fit@")
        assert everything.count("fitting with depth 3\n") == 2
    finally:
        assert run.wait(30) == 0


def test_the_log_of_a_cached_step_is_that_of_the_run_that_executed_it(ran):
    executed = ran.json("runs")["runs"][0]["id"]
    ran("run", "-q")
    told = ran("logs", "fit@0")
    assert told.stdout == "fitting with depth 3\n"
    assert f"fit@0 was cached: run {executed} wrote this" in told.stderr
    assert f"==> fit@1 (attempt 1, run {executed}) <==" in ran("logs", "fit").stdout


def test_a_failed_step_can_be_run_by_hand_as_the_screen_says(project, pipeline_text):
    (project.cwd / "mlorch.yaml").write_text(pipeline_text.replace("seq 1 5 >", "test -e ready; seq 1 5 >"))
    told = project("run", code=1).stdout
    command = next(line.split("by hand", 1)[1].strip() for line in told.splitlines() if "by hand" in line)
    (project.cwd / "ready").write_text("")
    assert subprocess.run(command, shell=True, cwd=project.cwd, env=project.env, timeout=30).returncode == 0


def test_compare(ran):
    ran("run", "-q", "-p", "depth=5")
    document = ran.json("compare")
    rows = {(row["kind"], row["name"]): row for row in document["rows"]}
    assert rows[("param", "depth")]["values"] == [3, 5]
    assert rows[("metric", "pick.auc")]["difference"] == 2
    assert rows[("param", "limit")]["changed"] is False
    assert "limit" not in ran("compare", "--only-changed").stdout
    assert ran("compare", "--format", "csv").stdout.startswith("kind,name,")
    assert "| --- |" in ran("compare", "--format", "md").stdout
    held = ran.json("compare", "--fail-if", "metrics.pick.auc > baseline.metrics.pick.auc", code=1)
    assert held["failed"] is True
    assert ran.json("compare", "--fail-if", "metrics.pick.auc < 1")["failed"] is False
    instances = ran.json("compare", "last", "fit", "--sort-by", "-auc")
    assert [column["instance"] for column in instances["columns"]] == ["fit@1", "fit@0"]
    assert [column["name"] for column in ran.json("compare", "fit", "--over", "fold")["columns"]] == ["fit"]


def test_artifacts_and_get(ran):
    found = {item["name"]: item for item in ran.json("artifacts")["artifacts"]}
    assert set(found) == {"load/data", "fit@0/metrics", "fit@1/metrics", "pick/best", "pick/metrics"}
    assert all(item["available"] for item in found.values())
    assert [item["name"] for item in ran.json("artifacts", "pick")["artifacts"]] == [
        "pick/best",
        "pick/metrics",
    ]
    assert "load/data" in ran("artifacts").stdout
    assert ran("get", "load/data", "-o", "-").stdout == "1\n2\n3\n4\n5\n"
    assert ran("get", found["load/data"]["digest"][:19], "-o", "copy.txt").returncode == 0
    assert (ran.cwd / "copy.txt").read_text() == "1\n2\n3\n4\n5\n"
    assert "is there already" in ran("get", "load/data", "-o", "copy.txt", code=2).stderr
    ran("get", "load/data")
    assert (ran.cwd / "numbers.txt").exists()


def test_verify_finds_and_puts_aside_what_is_corrupt(ran):
    assert ran.json("verify")["clean"] is True
    digest = {item["name"]: item["digest"] for item in ran.json("artifacts")["artifacts"]}["load/data"][7:]
    path = ran.cwd / ".mlorch" / "objects" / digest[:2] / digest[2:]
    path.chmod(0o644)
    path.write_text("6\n7\n8\n9\n0\n")
    document = ran.json("verify", code=7)
    assert [(item["kind"], item["used_by"]) for item in document["damages"]] == [("corrupt", ["load/data"])]
    assert "load/data" in ran("verify", "--fix", code=7).stdout
    ran("run", "-q")
    assert ran.json("verify")["clean"] is True


def test_gc_deletes_only_when_told(ran):
    ran("run", "-q", "-p", "depth=7")
    ran("run", "-q", "-p", "depth=3")
    would = ran.json("gc", "--keep-runs", "1")
    assert would["dry_run"] is True and would["runs"]
    assert "--yes" in ran("gc", "--keep-runs", "1").stdout
    done = ran.json("gc", "--keep-runs", "1", "--yes")
    assert (done["runs"], done["bytes"]) == (would["runs"], would["bytes"])
    assert len(ran.json("runs")["runs"]) == 1
    assert ran.json("plan")["totals"]["cached"] == 4


def test_doctor(project):
    (project.cwd / "mlorch.toml").write_text("[run]\njobs = 3\n")
    document = project.json("doctor")
    settings = {item["name"]: (item["value"], item["origin"]) for item in document["settings"]}
    assert settings["jobs"] == (3, "mlorch.toml")
    assert settings["color"] == ("auto", "default")
    assert document["root"] == str(project.cwd)
    assert document["versions"]["mlorch"] in project("--version").stdout
    assert {item["subject"] for item in document["findings"]} >= {
        "disk",
        "file system",
        "links",
        "locks",
        "interpreter",
    }
    assert "MLORCH_JOBS" in project("doctor", MLORCH_JOBS="2").stdout
    assert not (project.cwd / ".mlorch").exists()


def test_from_the_environment_of_cron(project, tmp_path):
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "mlorch", "run", "--json", str(project.cwd / "mlorch.yaml")]
    done = subprocess.run(command, cwd="/", env=home, capture_output=True, check=True)
    digests = {item["instance"] or item["step"]: item["outputs"] for item in json.loads(done.stdout)["steps"]}
    again = {item["instance"] or item["step"]: item["outputs"] for item in project.json("run")["steps"]}
    assert digests == again
