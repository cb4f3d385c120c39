"""What a newcomer was not told: that a file came back, that a goal is of nothing, how many more there are."""

from __future__ import annotations


def pipeline_of(project):
    path = project.cwd / "mlorch.yaml"
    return path, path.read_text()


def test_an_output_that_was_removed_comes_back_and_it_is_said_once(ran):
    (ran.cwd / "models/best.txt").unlink()
    assert "up to date: 4 cached (1 restored)" in ran("run").stdout
    assert (ran.cwd / "models/best.txt").exists()
    for _ in range(2):
        assert "restored" not in ran("run").stdout
    (ran.cwd / "data/numbers.txt").unlink()
    restored = {step["step"]: step["restored"] for step in ran.json("run")["steps"]}
    assert restored == {"load": ["data/numbers.txt"], "fit": [], "pick": []}
    assert not any(step["restored"] for step in ran.json("run")["steps"])


def test_restored_is_said_beside_what_ran_and_of_no_step_that_ran(ran):
    (ran.cwd / "data/numbers.txt").unlink()
    (ran.cwd / "models/best.txt").unlink()
    told = ran("run", "-p", "depth=4").stdout
    assert "3 ran" in told and "1 cached (1 restored)" in told


def test_a_goal_that_no_instance_meets_by_name_is_warned_of(project):
    pipeline, text = pipeline_of(project)
    pipeline.write_text(text.replace("  fit:\n", "  fit:\n    goal: {acu: max, auc: max}\n"))
    warning = "warning: fit: `goal` names `acu`, which it does not make: did you mean `auc`?"
    assert project("run").stderr.count(warning) == 1
    assert warning in project("run").stderr  # cached, and still wrong
    pipeline.write_text(text.replace("  load:\n", "  load:\n    goal: {rows: max}\n"))
    assert "load: `goal` names `rows`, which it does not make: it makes no metrics" in project("run").stderr
    pipeline.write_text(text.replace("  fit:\n", "  fit:\n    goal: {auc: max}\n"))
    assert "goal" not in project("run").stderr


def test_a_goal_of_a_nested_metric_or_of_some_instances_is_met(project):
    metrics = """echo '{"test": {"auc": 1}, "only'${{ matrix.fold }}'": 2}' > ${{ outputs.metrics }}"""
    (project.cwd / "mlorch.yaml").write_text(
        f"""\
version: 1
name: nested
steps:
  fit:
    matrix: {{fold: [0, 1]}}
    run: |
      {metrics}
    outputs: {{metrics: "models/${{{{ step.instance }}}}.json"}}
    goal: {{test.auc: max, only1: min}}
"""
    )
    assert "goal" not in project("run").stderr


def test_why_says_once_what_is_the_same_of_many_instances(ran):
    both = ran("why", "fit", "-p", "depth=4").stdout  # their values differ
    assert "3 -> 4" in both and "4 -> 5" in both and "the same" not in both
    pipeline, text = pipeline_of(ran)
    pipeline.write_text(text.replace("fitting", "training"))
    told = ran("why", "fit").stdout
    one = ran("why", "fit@0").stdout
    assert "training" in one
    assert told == one + "  and the same of fit@1\n"


def test_a_plan_says_how_many_more_it_waits_for(project):
    pipeline, text = pipeline_of(project)
    text = text.replace("fold: [0, 1]", "fold: [0, 1, 2, 3, 4]")
    pipeline.write_text(text)
    project("run")
    pipeline.write_text(text.replace("fitting", "training"))
    reasons = project.json("plan")["steps"][-1]["reasons"]
    assert [reason["text"] for reason in reasons] == [
        "fit@0 would run",
        "fit@1 would run",
        "fit@2 would run",
        "and 2 more",
    ]


def test_where_a_run_is_meant_a_pipeline_is_told_so_and_a_run_says_whose_it_is(ran):
    said = ran("logs", "mlorch.yaml", "load", code=2).stderr
    assert "no run begins with `mlorch.yaml`" in said and "a run is meant here, and no pipeline" in said
    assert "(of `demo`)" in ran("get", "nothing/here", "--run", "last", code=2).stderr


def test_no_line_of_the_list_of_verbs_is_cut(project):
    verbs = project("--help", COLUMNS="80").stdout.partition("Commands:")[2]
    assert "notify" in verbs and "..." not in verbs


def test_a_kill_is_said_once(project):
    pipeline = project.cwd / "mlorch.yaml"
    pipeline.write_text("version: 1\nname: k\nsteps:\n  a: {run: kill -9 $$}\n")
    said = project("run", code=1).stderr
    assert "failed after" in said and "killed by SIGKILL (probably for want of memory)" in said
