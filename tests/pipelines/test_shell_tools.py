"""The awk and sh programs of the shell pipeline, on texts small enough to check by hand."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "pipelines" / "shell"


def awk(program: str, *arguments: str, folder: Path = ROOT) -> str:
    command = ["awk", *arguments[:-1], "-f", str(TOOLS / program), *arguments[-1].split()]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Two texts of few words: `cat` is common in one, `dog` in the other, `the` in both."""
    for name, counts, lines in (
        ("meow", "3 cat\n2 the\n1 milk\n", "the cat\nmilk milk\n"),
        ("woof", "4 dog\n2 the\n", "the dog\nunheard of\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "counts.txt").write_text(counts)
        (tmp_path / name / "test.txt").write_text(lines)
    return tmp_path


FILES = "meow/counts.txt woof/counts.txt meow/test.txt woof/test.txt"


def test_lines_are_given_to_the_likelier_text_and_the_first_among_equals(texts: Path) -> None:
    assert awk("bayes.awk", "-v", "alpha=0.5", FILES, folder=texts).splitlines() == [
        "meow\tmeow",
        "meow\tmeow",
        "woof\twoof",
        "woof\tmeow",
    ]


def test_more_smoothing_makes_a_rare_word_weigh_less(texts: Path) -> None:
    (texts / "woof" / "test.txt").write_text("dog dog milk milk milk\n")

    def judged(alpha: float) -> str:
        said = awk("bayes.awk", "-v", f"alpha={alpha}", FILES, folder=texts).splitlines()
        return said[-1].split("\t")[1]

    def by_hand(alpha: float) -> str:
        meow = 2 * math.log(alpha / (6 + 4 * alpha)) + 3 * math.log((1 + alpha) / (6 + 4 * alpha))
        woof = 2 * math.log((4 + alpha) / (6 + 4 * alpha)) + 3 * math.log(alpha / (6 + 4 * alpha))
        return "meow" if meow >= woof else "woof"

    alphas = (0.01, 0.1, 0.5, 2.0, 10.0)
    assert [judged(alpha) for alpha in alphas] == [by_hand(alpha) for alpha in alphas]
    assert {by_hand(alpha) for alpha in alphas} == {"meow", "woof"}


def test_the_score_is_json_with_the_share_of_the_commonest_text(tmp_path: Path) -> None:
    (tmp_path / "answers.tsv").write_text("a\ta\na\tb\nb\tb\na\ta\n")
    assert json.loads(awk("score.awk", "answers.tsv", folder=tmp_path)) == {
        "lines": 4,
        "accuracy": 0.75,
        "commonest": 0.75,
    }


def test_the_report_has_the_confusions_and_the_commonest_long_words(tmp_path: Path) -> None:
    (tmp_path / "answers.tsv").write_text("a\ta\na\tb\na\ta\n")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "counts.txt").write_text("   9 the\n   7 rabbit\n   5 alice\n   2 watch\n")
    done = subprocess.run(
        ["sh", str(TOOLS / "report.sh"), "2", "answers.tsv", "a/counts.txt"],
        cwd=tmp_path,
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert "| 2 | a | a |\n| 1 | a | b |\n" in done.stdout
    assert done.stdout.endswith("## a\n\nrabbit (7), alice (5)\n")


def test_no_step_of_it_starts_python() -> None:
    document = yaml.safe_load((ROOT / "pipelines" / "shell.yaml").read_text(encoding="utf-8"))
    tools = "".join(path.read_text(encoding="utf-8") for path in TOOLS.iterdir())
    for name, step in document["steps"].items():
        assert "call" not in step, name
        assert "python" not in step["run"], name
    assert "python" not in tools
