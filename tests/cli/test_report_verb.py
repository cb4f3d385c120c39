"""`mlorch report` and `run --report`: a run as one file."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

PIPELINE = """\
version: 1
name: demo
description: what it is for
params: {depth: 3}
steps:
  load:
    run: printf 'id,name\\n1,"a, b"\\n' > ${{ outputs.table }}; echo loading
    outputs: {table: data/table.csv}
  fit:
    matrix: {fold: [0, 1]}
    run: |
      echo '{"auc": 0.'${{ params.depth + matrix.fold }}'}' > ${{ outputs.metrics }}
      printf '{"epoch": 1, "loss": 2}\\n{"epoch": 2, "loss": 1}\\n' > ${{ outputs.history }}
      test $MLORCH_ATTEMPT = 2 || exit 7
    inputs: {table: "${{ steps.load.outputs.table }}"}
    outputs: {metrics: "m/${{ matrix.fold }}.json", history: "m/${{ matrix.fold }}.jsonl"}
    retry: {max_attempts: 2}
  gate:
    run: |
      mkdir -p ${{ outputs.plots }}
      printf '<svg xmlns="http://www.w3.org/2000/svg"/>' > ${{ outputs.plots }}/a.svg
      echo plain > ${{ outputs.plots }}/b.txt
      echo '{"auc": 0.25}' > ${{ outputs.metrics }}
    inputs: {all: "${{ steps.fit.outputs.metrics }}"}
    outputs: {plots: plots/, metrics: gate.json}
    checks: ["${{ metrics.auc > 0.1 }}", "${{ metrics.auc > params.depth }}"]
    report: ["plots/*.svg", NOTES.md, absent.png]
  after:
    run: echo never
    needs: [gate]
"""


@pytest.fixture
def project(tmp_path, cli):
    (tmp_path / "mlorch.yaml").write_text(PIPELINE)
    (tmp_path / "NOTES.md").write_text("# Notes\n")
    cli.cwd = tmp_path
    return cli


def html_of(project: object, *arguments: str) -> str:
    path = project("report", *arguments).stdout.strip()
    return Path(path).read_text(encoding="utf-8")


def body_of(html: str, name: str) -> str:
    """What stands behind a step of a report that is not packed."""
    found = re.search(rf'id="s-{re.escape(name)}">(.*?)</div></details>', html, re.S)
    assert found, name
    return found.group(1)


def test_goals_are_marked_as_compare_does(project) -> None:
    goal = "    goal: {auc: max}\n    outputs: {"
    (project.cwd / "mlorch.yaml").write_text(PIPELINE.replace("    outputs: {metrics", goal + "metrics"))
    project("run", "--param", "depth=0", "-k")
    project("run", code=1)
    html = html_of(project)
    assert '<th scope="col" class="n">auc ↑</th>' in html
    best, other = (html.index(f'<td><a href="#s-fit@{fold}">') for fold in (1, 0))
    assert best < other, "the best instance stands first"
    assert html.count("<strong>0.4000</strong>") == 1
    assert '<td>auc ↑</td><td class="n">0.4000</td>' in body_of(html, "fit@1")
    assert '<td class="n">+0.3000 better</td>' in body_of(html, "fit@1")


def test_a_report_tells_the_whole_run(project) -> None:
    project("run", "-p", "depth=0", code=0)
    project("run", code=1)
    path = Path(project("report").stdout.strip())
    assert path.parent.parent == project.cwd / ".mlorch" / "runs"
    html = path.read_text(encoding="utf-8")
    assert "<title>✗ demo failed" in html and "what it is for" in html
    load = body_of(html, "load")
    assert "loading" in load and "nothing; when it ran" in load and "<td>a, b</td>" in load
    fold = body_of(html, "fit@1")
    assert "matrix.fold: 1 → 4" in fold and "2 attempts" in fold and "<dt>fold</dt><dd><code>1</code>" in fold
    assert 'class="chart"' in fold and "loss: 2 to 1 over 2" in fold
    assert '<td class="n">0.4000</td><td class="n">0.1000</td><td class="n">+0.3000</td>' in fold
    gate = body_of(html, "gate")
    assert "check did not hold: metrics.auc &gt; params.depth (auc is 0.25, depth is 3)" in gate
    assert "<code>metrics.auc &gt; 0.1</code> holds" in gate
    assert "data:image/svg+xml;base64," in gate and "<svg" not in gate.replace('<svg class="spark"', "")
    assert "<code>plots/b.txt</code>" not in gate and "<h4>Notes</h4>" in gate
    assert "NOTES.md` is no output of the step" in gate and "absent.png`: nothing is there" in gate
    assert '<code class="lines">mkdir -p ' in gate and "a.svg\necho plain &gt; " in gate
    assert 'href="#s-gate"' in body_of(html, "after")
    clock = html[html.index('<svg class="clock"') :].split("</section>")[0]
    assert clock.count('class="failed"') == 3, "each fold's first attempt, and the gate's"
    assert clock.count("<title>fit@1 (attempt 2): ") == 1 and clock.count("<a ") == 5


def test_a_step_that_was_never_reached_is_there(project) -> None:
    project("run", "--report", "r.html", code=1)
    html = (project.cwd / "r.html").read_text()
    assert re.search(r'class="(blocked|cancelled)"[^>]*><rect[^>]*><text>. after<', html)


def test_the_document_and_stdout(project) -> None:
    project("run", "load")
    document = project.json("report", "-o", "out.html")
    written = (project.cwd / "out.html").read_bytes()
    assert document["path"] == str(project.cwd / "out.html") and document["bytes"] == len(written)
    assert document["left_out"] == []
    assert os.listdir(project.cwd / "data") == ["table.csv"]
    streamed = project("report", "-o", "-").stdout
    made = re.compile("made by mlorch .*")
    assert made.sub("", streamed) == made.sub("", written.decode())


def test_an_earlier_run_and_a_wrong_name(project) -> None:
    project("run", "load")
    first = project.json("runs")["runs"][0]["id"]
    project("run", "load", "--force")
    assert f"run <code>{first}</code>" in html_of(project, "last~1")
    assert "no run begins with `zzz`" in project("report", "zzz", code=2).stderr
    assert "--open needs a file" in project("report", "-o", "-", "--open", code=2).stderr
    assert "no such file or directory" in project("report", "-o", "absent/x.html", code=8).stderr


def test_a_run_says_first_that_its_report_has_no_place(project) -> None:
    done = project("run", "load", "--report", "absent/x.html", code=8)
    assert "no folder that can be written to" in done.stderr and not (project.cwd / "data").exists()
    assert "is a folder" in project("run", "load", "--report", ".", code=8).stderr


def test_the_exit_code_is_the_runs_own(project) -> None:
    done = project("run", "--report", "r.html", "--json", code=1)
    assert done.stdout.startswith("{") and (project.cwd / "r.html").is_file()
    assert stat.S_IMODE((project.cwd / "r.html").stat().st_mode) & 0o400
    assert [name for name in os.listdir(project.cwd) if name.endswith(".tmp")] == []


def test_what_a_step_adds_is_no_part_of_its_key(project) -> None:
    project("run", "load")
    text = (project.cwd / "mlorch.yaml").read_text()
    (project.cwd / "mlorch.yaml").write_text(text.replace("  load:\n", "  load:\n    report: [NOTES.md]\n"))
    assert project.json("run", "load")["totals"]["cached"] == 1
    assert "<h4>Notes</h4>" in html_of(project)


def test_files_outside_and_links_out_of_the_root_are_not_shown(project, tmp_path_factory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.txt"
    secret.write_text("hidden words")
    (project.cwd / "link.txt").symlink_to(secret)
    (project.cwd / "down").symlink_to(secret.parent)
    text = (project.cwd / "mlorch.yaml").read_text()
    added = "  load:\n    report: [link.txt, 'down/*.txt', '**/secret.txt', .mlorch*/**]\n"
    (project.cwd / "mlorch.yaml").write_text(text.replace("  load:\n", added))
    project("run", "load")
    assert "hidden words" not in html_of(project)


def test_a_run_without_its_shape_still_has_a_report(project) -> None:
    project("run", "load")
    for path in project.cwd.glob(".mlorch/runs/*/shape.json"):
        path.write_text("{ torn")
    html = html_of(project)
    assert "the run did not keep its graph" in html and "loading" in body_of(html, "load")
