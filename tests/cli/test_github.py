"""A run in GitHub Actions, read as the runner reads it: which lines are commands, and which are not."""

from __future__ import annotations

import re

import pytest

SECRET = "s3cret%value"
PIPELINE = """\
version: 1
name: demo
steps:
  load:
    run: |
      printf '::error::evil\\n##[add-mask]evil\\n  ::endgroup::\\n\\033[31mred\\033[0m\\n10%%\\r100%%\\n'
      echo '{"auc": 0.5}' > ${{ outputs.metrics }}
    outputs: {metrics: o/m.json}
    secrets: [TOKEN]
  broken:
    matrix: {n: "${{ range(11) }}"}
    run: echo "::error::quoted ${{ matrix.n }}"; echo "##[error]x"; exit 3
    needs: [load]
  last: {run: "true", needs: [broken]}
"""


def obeyed(text):
    """The commands that a runner would obey, and what it would show."""
    commands, shown, word = [], [], None
    for line in text.splitlines():
        found = re.match(r"\s*::([a-z-]+|[0-9a-f]{32})(?: ([^:]*))?::(.*)$", line)
        if word is not None:
            if found and found.group(1) == word:
                word = None
            else:
                shown.append(line)
        elif found and found.group(1) == "stop-commands":
            word = found.group(3)
        elif found or "##[" in line:
            commands.append(line)
        else:
            shown.append(line)
    assert word is None, "commands stay stopped"
    return commands, shown


@pytest.fixture
def github(cli):
    (cli.cwd / "mlorch.yaml").write_text(PIPELINE)
    cli.env.update(
        GITHUB_ACTIONS="true",
        CI="true",
        GITHUB_STEP_SUMMARY=str(cli.cwd / "summary.md"),
        GITHUB_WORKSPACE=str(cli.cwd.parent),
        FORCE_COLOR="1",
        TOKEN=SECRET,
    )
    return cli


def test_steps_are_groups_and_what_they_print_is_no_command(github):
    done = github("run", "-k", "-j", "2", code=1)
    commands, shown = obeyed(done.stderr)
    assert commands[0] == "::add-mask::s3cret%25value"
    kinds = [re.match(r"::([a-z-]+)", line).group(1) for line in commands]
    assert kinds[:3] == ["add-mask", "group", "endgroup"]
    assert kinds.count("group") == kinds.count("endgroup") == 12 and kinds[-10:] == ["error"] * 10
    assert "\x1b" not in done.stderr + done.stdout and SECRET not in done.stderr.replace("%25", "%%")
    assert "::error::evil" in shown and "red" in shown and "100%" in shown and "10%" not in shown
    assert re.match(r"::group::\[1/13\] load: ok ", commands[1])
    assert obeyed(done.stdout)[0] == [], "nor is what the summary quotes"


def test_failures_are_annotated_at_most_nine_and_the_rest_counted(github):
    errors = [line for line in obeyed(github("run", "-k", code=1).stderr)[0] if line.startswith("::error")]
    start = f"::error file={github.cwd.name}/mlorch.yaml,line=10,title=broken@0 failed::exit 3"
    assert errors[0].startswith(start) and "%0A" in errors[0] and "mlorch run broken@0" in errors[0]
    assert len(errors) == 10 and errors[9] == "::error title=demo::and 2 more"


def test_the_job_summary_has_steps_failures_and_the_graph(github):
    github("run", "-k", code=1)
    text = (github.cwd / "summary.md").read_text()
    assert text.startswith("## ✗ demo failed in ")
    assert (
        "| load | ✓ ran |" in text and "| broken ×11 | ✗ failed |" in text and "| last | ⊘ blocked |" in text
    )
    assert "```mermaid\nflowchart TD" in text and "n0 --> n1" in text and "✗ broken@0" in text


def test_the_job_summary_has_differences_of_metrics(github):
    text = PIPELINE[: PIPELINE.index("  broken:")]
    (github.cwd / "mlorch.yaml").write_text(text)
    github("run")
    (github.cwd / "mlorch.yaml").write_text(text.replace("0.5", "0.75"))
    github("run")
    assert "| auc | 0.5000 | 0.7500 | +0.2500 |" in (github.cwd / "summary.md").read_text()


def test_a_summary_that_can_not_be_written_is_a_warning(github):
    github.env["GITHUB_STEP_SUMMARY"] = str(github.cwd / "no" / "such" / "folder")
    (github.cwd / "mlorch.yaml").write_text("version: 1\nname: demo\nsteps: {a: {run: 'true'}}\n")
    assert "warning: the job's summary was not written: no such file" in github("run").stderr
