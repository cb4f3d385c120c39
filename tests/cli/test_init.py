"""`init`: what it writes, what it never overwrites, and that every template runs at once."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mlorch.cli.init import TEMPLATES, template_names

WHOLE = ["minimal", "shell", "sklearn"]


def tree(folder):
    found = {}
    for base, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".mlorch"]
        for name in files:
            path = os.path.join(base, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


def test_the_templates(cli):
    assert template_names() == WHOLE
    document = cli.json("init", "--list")
    assert [item["name"] for item in document["templates"]] == WHOLE
    assert all(item["description"] and "mlorch.yaml" in item["files"] for item in document["templates"])
    text = cli("init", "--list").stdout
    assert len(text.splitlines()) == len(WHOLE)


@pytest.mark.parametrize("template", WHOLE)
def test_a_template_is_copied_as_it_is(cli, template):
    document = cli.json("init", "new", "--template", template)
    assert document["template"] == template
    written = tree(cli.cwd / "new")
    assert written.pop("mlorch.schema.json").decode() == cli("schema").stdout
    assert written == tree(os.path.join(TEMPLATES, template))
    assert {item["action"] for item in document["files"]} == {"written"}


def test_nothing_is_asked_off_a_terminal(cli):
    done = cli("init")
    assert "mlorch.yaml" in done.stdout
    assert done.stderr.startswith("next: ") and done.stderr.endswith("mlorch run\n")
    assert "two steps and one param" in (cli.cwd / "mlorch.yaml").read_text()


def test_what_comes_next_can_be_pasted_where_mlorch_is_not_on_the_path(cli, tmp_path):
    folder = Path(sys.executable).parent
    away = cli("init", "new one", "--template", "sklearn", PATH="/usr/bin:/bin").stderr
    activate = f". {folder}/activate && " if (folder / "activate").is_file() else ""
    pasted = "cd 'new one' && python -m pip install -r requirements.txt && mlorch run"
    assert away == f"next: {activate}{pasted}\n"
    program = tmp_path / "bin" / "mlorch"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert (
        cli("init", "other", PATH=f"{program.parent}:/usr/bin:/bin").stderr
        == "next: cd other && mlorch run\n"
    )


def test_a_person_is_not_asked_for_a_template_where_a_pipeline_is(cli):
    (cli.cwd / "mlorch.yaml").write_text("mine\n")
    terminal, screen = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "mlorch", "init"],
            cwd=cli.cwd, env=cli.env, stdin=screen, stdout=subprocess.PIPE, stderr=screen, timeout=60,
        )  # fmt: skip
        said = os.read(terminal, 1 << 16).decode()
    finally:
        os.close(screen)
        os.close(terminal)
    assert done.returncode == 2
    assert "there is a pipeline here already: mlorch.yaml" in said and "--gitignore" in said


def test_quiet_says_nothing_on_stderr(cli):
    assert cli("init", "-q").stderr == ""


def test_a_second_time_changes_nothing(cli):
    cli("init")
    document = cli.json("init")
    assert {item["action"] for item in document["files"]} == {"same"}


def test_what_is_there_is_never_overwritten_without_force(cli):
    (cli.cwd / "mlorch.yaml").write_text("mine\n")
    before = tree(cli.cwd)
    done = cli("init", code=2)
    assert done.stderr == "error: mlorch.yaml would be replaced\n  choose an empty folder, or give --force\n"
    assert tree(cli.cwd) == before
    document = cli.json("init", "--force")
    assert {item["path"]: item["action"] for item in document["files"]}["mlorch.yaml"] == "replaced"
    assert (cli.cwd / "mlorch.yaml").read_text() != "mine\n"


def test_force_replaces_a_link_and_not_what_it_points_to(cli):
    (cli.cwd / "elsewhere").write_text("precious\n")
    (cli.cwd / "mlorch.yaml").symlink_to("elsewhere")
    cli("init", "--force")
    assert (cli.cwd / "elsewhere").read_text() == "precious\n"
    assert not (cli.cwd / "mlorch.yaml").is_symlink()


def test_an_unknown_template_gets_a_hint(cli):
    assert cli("init", "--template", "sklern", code=2).stderr == (
        "error: unknown template `sklern`\n  did you mean `sklearn`?\n"
    )


def test_a_file_in_the_way_of_a_folder_is_an_error_of_the_environment(cli):
    (cli.cwd / "taken").write_text("")
    done = cli("init", "taken", code=8)
    assert "taken" in done.stderr and "Traceback" not in done.stderr


def test_ci_files_are_added_to_a_project(cli):
    (cli.cwd / "mlorch.yaml").write_text("version: 1\n")
    document = cli.json("init", "--ci", "github", "--ci", "cron")
    assert document["template"] is None
    assert [item["path"] for item in document["files"]] == [".github/workflows/mlorch.yml", "mlorch-cron.sh"]
    assert "mlorch validate" in (cli.cwd / ".github/workflows/mlorch.yml").read_text()
    assert stat.S_IMODE((cli.cwd / "mlorch-cron.sh").stat().st_mode) == 0o755
    assert (cli.cwd / "mlorch.yaml").read_text() == "version: 1\n"


def test_an_editors_settings_are_added_to_a_project(cli):
    (cli.cwd / "mlorch.yaml").write_text("version: 1\n")
    document = cli.json("init", "--editor", "vscode")
    paths = [item["path"] for item in document["files"]]
    assert paths == [".vscode/extensions.json", ".vscode/settings.json", "mlorch.schema.json"]
    assert "redhat.vscode-yaml" in (cli.cwd / ".vscode/extensions.json").read_text()
    assert {item["action"] for item in cli.json("init", "--editor", "vscode")["files"]} == {"same"}


def test_settings_that_are_there_stay_and_what_to_add_is_told(cli):
    (cli.cwd / "mlorch.yaml").write_text("version: 1\n")
    (cli.cwd / ".vscode").mkdir()
    (cli.cwd / ".vscode/settings.json").write_text('{"editor.rulers": [100]}\n')
    before = tree(cli.cwd)
    done = cli("init", "--editor", "vscode", code=2)
    assert done.stderr.startswith(
        'error: .vscode/settings.json is there already\n  add to it: "yaml.schemas": {'
    )
    assert done.stderr.endswith("; and run `mlorch schema -o mlorch.schema.json`\n")
    assert tree(cli.cwd) == before
    cli("init", "--editor", "vscode", "--force")
    assert "yaml.schemas" in (cli.cwd / ".vscode/settings.json").read_text()


def test_a_gitlab_job_is_yaml_with_a_cache_and_the_report(cli):
    (cli.cwd / "mlorch.yaml").write_text("version: 1\n")
    cli("init", "--ci", "gitlab")
    job = yaml.safe_load((cli.cwd / ".gitlab-ci.yml").read_text())["mlorch"]
    assert (
        job["cache"][0]["paths"] == [".mlorch/"] and "mlorch run --report mlorch-report.html" in job["script"]
    )


def test_the_line_for_cron_runs_alone_logs_and_speaks_only_of_trouble(cli):
    done = cli("init", "--template", "minimal", "--ci", "cron")
    script = cli.cwd / "mlorch-cron.sh"
    assert f"  0 5 * * * {script}" in done.stderr
    command = cli.cwd / ".venv" / "bin" / "mlorch"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlorch "$@"\n')
    command.chmod(0o755)

    def cron():
        env = {"HOME": str(cli.cwd), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LOGNAME": "x"}
        env.update({name: value for name, value in cli.env.items() if name == "PYTHONPATH"})
        run = [str(script)]
        return subprocess.run(
            run, cwd="/", env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    done = cron()
    assert (done.returncode, done.stdout) == (0, "")
    assert " exit 0\n" in (cli.cwd / ".mlorch" / "cron.log").read_text()
    with open(cli.cwd / ".mlorch" / "cron.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (cli.cwd / "mlorch.yaml").write_text("version: 1\nname: x\n")
        assert cron().returncode == 0, "another run is still at it"
    done = cron()
    assert done.returncode == 3 and "steps" in done.stdout
    assert " exit 3\n" in (cli.cwd / ".mlorch" / "cron.log").read_text()


def test_gitignore_names_the_store_and_the_outputs_once(cli):
    document = cli.json("init", "--gitignore")
    assert document["ignored"] == ["/.mlorch/", ".mlorch-tmp/", "/build/best.txt", "/build/counts.txt"]
    assert cli.json("init", "--gitignore")["ignored"] == []
    lines = (cli.cwd / ".gitignore").read_text().splitlines()
    assert lines == document["ignored"]


def test_gitignore_keeps_what_is_there(cli):
    (cli.cwd / ".gitignore").write_text("*.pyc\n/.mlorch/")
    cli("init", "--template", "shell", "--gitignore")
    lines = (cli.cwd / ".gitignore").read_text().splitlines()
    assert lines[:3] == ["*.pyc", "/.mlorch/", ".mlorch-tmp/"]
    assert "/build/*.txt" in lines


@pytest.mark.parametrize("template", WHOLE)
def test_a_template_runs_at_once_and_then_is_cached(cli, template):
    if template == "sklearn" and importlib.util.find_spec("sklearn") is None:
        pytest.skip("scikit-learn is not installed here")
    cli("init", "--template", template)
    cli("validate")
    first = cli.json("run")
    assert first["totals"]["succeeded"] == len(first["steps"]) > 1
    second = cli.json("run")
    assert second["totals"]["cached"] == len(first["steps"])
    assert cli.json("plan")["totals"]["cached"] == len(first["steps"])
