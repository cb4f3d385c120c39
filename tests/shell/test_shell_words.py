"""The words of a script: what may name a project file."""

from __future__ import annotations

from typing import List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlorch.shell import Word, words

CASES = [
    ("python train.py --out x", ["python!", "train.py", "--out", "x"]),
    ("a 'b c' \"d e\" f\\ g", ["a!", "b c", "d e", "f g"]),
    ("a|b;c&&d||e&f\ng", ["a!", "b!", "c!", "d!", "e!", "f!", "g!"]),
    ("sort < in.csv > out.csv 2>> log", ["in.csv", "out.csv>", "log>", "sort!"]),
    ("x >&2 2>&1 &>all", ["2>", "1>", "all>", "x!"]),
    ("A=cfg/a.json B='b c' run.sh", ["cfg/a.json", "b c", "run.sh!"]),
    ("export A=cfg/a.json", ["export!", "cfg/a.json"]),
    ("x=(a.txt b.txt)", ["a.txt", "b.txt", ""]),
    (
        "echo $(cat a.txt) `cat b.txt`",
        ["cat!", "a.txt", "cat!", "b.txt", "echo!", "$(cat a.txt)", "`cat b.txt`"],
    ),
    ('echo "$(cat "a b.txt")"', ["cat!", "a b.txt", "echo!", '$(cat "a b.txt")']),
    ("cat <<EOF | wc\nnot a.txt\nEOF\ncat b.txt", ["cat!", "wc!", "cat!", "b.txt"]),
    ("cat <<-'E F'\n\tx y\n\tE F\nls", ["cat!", "ls!"]),
    ("# python x.py\nls # y.py\nls a#b", ["ls!", "ls!", "a#b"]),
    ("if [ -f a.txt ]; then cat a.txt; fi", ["[!", "-f", "a.txt", "]", "cat!", "a.txt"]),
    ("for f in *.csv b; do wc $f; done", ["*.csv", "b", "wc!", "$f"]),
    ("case $x in a|b) ls q;; *) pwd;; esac; ls", ["$x", "ls!", "q", "pwd!", "ls!"]),
    ("while read l; do echo $l; done < in.txt", ["read!", "l", "echo!", "$l", "in.txt"]),
    ("[[ -f a.txt && $x == y ]] && ls", ["-f", "a.txt", "$x", "==", "y", "ls!"]),
    ("f() { ls a; }\nfunction g { ls b; }", ["ls!", "a", "ls!", "b"]),
    ("(cd src && make all)", ["cd!", "src", "make!", "all"]),
    ("diff <(sort a) <(sort b)", ["sort!", "a", "sort!", "b", "diff!", "<(sort a)", "<(sort b)"]),
    (
        "sh -c 'python fit.py $1' sh x",
        ["sh!", "-c", "python fit.py $1", "sh", "x", "python!", "fit.py", "$1"],
    ),
    ("python a.py \\\n  --b c", ["python!", "a.py", "--b", "c"]),
    ("$PY run.py", ["$PY!", "run.py"]),
    ("time ! ./go.sh", ["./go.sh!"]),
    ("echo $((1 + 2)) ${x:-d}", ["echo!", "$((1 + 2))", "${x:-d}"]),
    ("python - <<'EOF'\nit's $(odd\nEOF\nls", ["python!", "-", "ls!"]),
    ("cat <<< text", ["text", "cat!"]),
    ("cat \udcff.txt \U000f0000", ["cat!", "\udcff.txt", "\U000f0000"]),
    ("", []),
    ("'unfinished", ["unfinished!"]),
    ("$(unfinished", ["unfinished!", "$(unfinished!"]),
    (") ) ;; esac }", []),
]


def shown(found: List[Word]) -> List[str]:
    return [word.text + "!" * word.command + ">" * word.redirect for word in found]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_words(text: str, expected: List[str]) -> None:
    assert shown(words(text)) == expected


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_words(text: str) -> None:
    assert all(isinstance(word, Word) for word in words(text))


@pytest.mark.parametrize(
    "text", ["(" * 5_000, "$(" * 5_000, "`" * 5_001, '"$(' * 3_000, "((" * 3_000, "${x:-" * 3_000]
)
def test_deep_nesting_ends(text: str) -> None:
    assert isinstance(words(text), list)
    assert isinstance(words(text + " a b c"), list)


def test_a_long_script_is_quick() -> None:
    text = 'python train.py --in data/a.csv "$x" | sort > out/b.csv\n' * 2_000
    assert len(words(text)) == 2_000 * 7
