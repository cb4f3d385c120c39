"""Off a terminal no verb writes an escape byte, whatever CI systems and shells ask for."""

from __future__ import annotations

import pytest

FORCED = {"FORCE_COLOR": "3", "CLICOLOR_FORCE": "1", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
VERBS = (
    "run", "run -p depth=4 --progress tty", "run -p depth=5 -q", "run -p limit=9", "run --json", "plan",
    "plan -p depth=7", "why pick -p depth=7", "why pick", "graph", "graph --state last", "validate", "validate bad.yaml",
    "plan bad.yaml", "compare", "compare last fit", "compare last fit --over fold", "compare --format md", "runs",
    "runs -v", "show", "show -v", "show --timings", "logs", "logs fit", "artifacts", "verify", "gc", "doctor",
    "schema", "init --list", "reproduce load", "report", "show nope", "runn", "why pickk", "--help", "run --help",
    "notify test",
)  # fmt: skip


@pytest.mark.parametrize("extra", [{}, {"GITHUB_ACTIONS": "true", "CI": "true"}], ids=["pipe", "github"])
def test_no_escape_byte_off_a_terminal(project, extra) -> None:
    bad = (project.cwd / "mlorch.yaml").read_text().replace("inputs:", "inptus:", 1)
    (project.cwd / "bad.yaml").write_text(bad)
    codes = {}
    for words in VERBS:
        done = project.in_folder(str(project.cwd), *words.split(), **FORCED, **extra)
        assert "\x1b" not in done.stdout + done.stderr, words
        assert done.stdout or done.stderr or "-q" in words, words
        codes[words] = done.returncode
    assert not set(codes.values()) - {0, 1, 2, 3}, codes
    assert codes["run"] == codes["why pick -p depth=7"] == codes["reproduce load"] == 0
    assert (codes["run -p limit=9"], codes["runn"], codes["validate bad.yaml"]) == (1, 2, 3)


def test_they_are_written_where_they_are_asked_for(ran) -> None:
    assert "\x1b[" in ran("graph", "--color", "always").stdout
