"""What `doctor` finds on machines that are not as they should be."""

from __future__ import annotations

import sys

from mlorch.cli.doctor import examine, file_system, look_at_interpreter, look_at_reflinks, nearest
from mlorch.cli.init import SCHEMA
from mlorch.settings import read_settings


def levels(findings):
    return {item.subject: item.level for item in findings}


def test_nothing_is_left_behind(tmp_path):
    settings = read_settings(str(tmp_path), {})
    found = examine(settings, None, {})
    assert levels(found)["locks"] == "ok"
    assert all(item.text for item in found)
    assert list(tmp_path.iterdir()) == []


def test_the_interpreter_that_is_used(tmp_path):
    root = str(tmp_path)
    assert sys.executable.rsplit("/", 1)[0] in look_at_interpreter(root, None, {}).text
    missing = look_at_interpreter(root, ".venv/bin/python", {})
    assert missing.level == "problem" and ".venv" in missing.text and missing.hint


def test_a_store_on_another_file_system_is_worth_a_note(tmp_path):
    assert look_at_reflinks("/dev/shm", str(tmp_path)).level == "note"
    assert look_at_reflinks(str(tmp_path), str(tmp_path)).level == "ok"


def test_kinds_of_file_systems(tmp_path):
    assert file_system("/proc") == "proc"
    assert file_system(str(tmp_path))


def test_a_store_that_is_not_there_is_looked_at_where_it_will_be(tmp_path):
    assert nearest(str(tmp_path / "a" / "b")) == str(tmp_path)


def test_a_schema_of_another_version_is_told(cli):
    cli("schema", "-o", SCHEMA)
    assert {"schema": "ok"}.items() <= found_by(cli).items()
    (cli.cwd / SCHEMA).write_text("{}")
    assert {"schema": "note"}.items() <= found_by(cli).items()
    assert f"schema  run `mlorch schema -o {SCHEMA}`" in cli("doctor").stdout
    (cli.cwd / SCHEMA).unlink()
    assert "schema" not in found_by(cli)


def found_by(cli):
    return {item["subject"]: item["level"] for item in cli.json("doctor")["findings"]}
