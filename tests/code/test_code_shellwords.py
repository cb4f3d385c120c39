"""Words of shell scripts, against Python's own quoting and against the shell itself."""

from __future__ import annotations

import shlex
import subprocess
from typing import List

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlorch.plan.code.shellwords import LITERAL, OPEN, PATTERN, Word, read_commands


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5))
@example(["a b", "'", '"', "$x", "\n", "", "#", "--o=*", "\\"])
@settings(max_examples=300, deadline=None)
def test_quoted_words_come_back(words: List[str]) -> None:
    text = "cmd " + " ".join("'" + word.replace("'", "'\"'\"'") + "'" for word in words) + " | tail"
    first, second = read_commands(text)
    assert first.words[0] == Word("cmd")
    assert [word.text for word in first.words[1:]] == words
    assert all(word.kind == LITERAL for word in first.words)
    assert [word.text for word in second.words] == ["tail"]
    assert [word.text for word in read_commands(shlex.join(["cmd", *words]))[0].words[1:]] == words


@given(st.text(alphabet="ab \t\n'\"\\$(){}<>|&;#`*=-EOF", max_size=60))
@settings(max_examples=500, deadline=None)
def test_any_text_can_be_read(text: str) -> None:
    for command in read_commands(text):
        assert all(isinstance(word.text, str) for word in command.words)


@pytest.mark.parametrize(
    "text",
    [
        r"a\ b 'c d' \"e f\"",
        "'it'\\''s' \"a\\\"b\" a\"b\"'c'", "a \\\n b", "--x='y z' a=b", "\"a\\$b\\`c\\\\d\" e",
        "a#b # c", "'' \"\" x", "\\* '*' \"?\" \\'", "a'\n'b",
    ],
)  # fmt: skip
def test_the_same_words_as_a_shell_sees(text: str) -> None:
    answer = subprocess.run(["sh", "-c", "printf '%s\\0' " + text], stdout=subprocess.PIPE, check=True)
    expected = answer.stdout.decode().split("\0")[:-1]
    words = read_commands("cmd " + text)[0].words[1:]
    assert [word.text for word in words] == expected


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("$((10 - e * 2)).5", []), ("$((1 + (2*n))) a", []), ("$((2))$(cat a.txt)", [["cat", "a.txt"]]),
        ("$( (python a.py) )", [["python", "a.py"]]),
    ],
)  # fmt: skip
def test_a_sum_in_quotes_is_no_command(text: str, inner: List[List[str]]) -> None:
    found = [[word.text for word in command.words] for command in read_commands(f'echo "{text}"')]
    assert [words for words in found if words] == [*inner, ["echo", text]]


def test_kinds() -> None:
    kinds = {
        word.text: word.kind for word in read_commands("a *.csv '*' \"$x\" $y/z \"b*\" c?d '$q'")[0].words
    }
    assert kinds == {
        "a": LITERAL, "*.csv": PATTERN, "*": LITERAL, "$x": OPEN, "$y/z": OPEN, "b*": LITERAL, "c?d": PATTERN,
        "$q": LITERAL,
    }  # fmt: skip


def test_documents_belong_to_their_commands() -> None:
    commands = read_commands("cat <<A <<'B' | python - <<C\none\nA\n$two\nB\nthree\nC\necho done\n")
    found = [
        ([word.text for word in command.words], command.documents) for command in commands if command.words
    ]
    assert found == [(["cat"], ["one\n", "$two\n"]), (["python", "-"], ["three\n"]), (["echo", "done"], [])]
