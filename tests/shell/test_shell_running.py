"""Real shells receive exactly the values, whatever is in them, and run nothing of them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import List, Sequence, Tuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlorch import shell
from mlorch.expressions import split
from mlorch.model import ArtifactPath, Place, Template, Value

PLACE = Place("mlorch.yaml")
SHOW = "printf '%s\\0' "
HOSTILE = [
    "",
    " ",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned;",
    "' ; touch pwned ; '",
    '" ; touch pwned ; "',
    "\ntouch pwned\n",
    "a\n\n",
    "-n",
    "--help",
    "*",
    "?[a]{b,c}~",
    "\\",
    "a\\\n",
    "'",
    '"',
    "x[$(touch pwned)]",
    "${HOME}",
    "é ü 日本",
    "\udcff\udcfe caf\udce9",
    "\x01\x7f\x81\u0081\x1b",
    "a\rb\tc",
    "!!",
    "#",
    "%s%n",
    "true",
]


def template(text: str) -> Template:
    return split(text, PLACE)


def run(script: str, name: str) -> Tuple[bytes, List[str]]:
    """stdout of a script in an empty folder, and what stands there afterwards. Fails as the script does."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "script.sh")
        with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(script)
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/nonexistent"}
        done = subprocess.run(
            [*shell.INVOCATION[name], path],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (script, done.stderr)
        return done.stdout, sorted(os.listdir(folder))


def received(text: str, values: Sequence[Value], name: str) -> List[str]:
    """The NUL-separated words that a script's commands printed."""
    parsed = template(text)
    assert shell.check(parsed, name) == []
    output, left = run(shell.compose(parsed, values, name), name)
    assert left == ["script.sh"], "a value was executed"
    return output.decode("utf-8", "surrogateescape").split("\0")[:-1]


def each_script(values: Sequence[str]) -> Tuple[str, List[str]]:
    """Every context that takes any text, once for each value, with the words that must arrive."""
    lines: List[str] = ["same() { " + SHOW + '"$@"; }']
    expected: List[str] = []
    contexts = [
        (SHOW + "${{ v }}", "{}"),
        (SHOW + '"a ${{ v }} b"', "a {} b"),
        ("env " + SHOW + "--x=${{ v }}.txt", "--x={}.txt"),
        ("x=${{ v }}; " + SHOW + '"$x"', "{}"),
        ("export X=${{ v }}; " + SHOW + '"$X"', "{}"),
        ("for i in ${{ v }}; do " + SHOW + '"$i"; done', "{}"),
        (SHOW + '"${unset_name:-${{ v }}}"', "{}"),
        ("same ${{ v }}", "{}"),
        ("(same ${{ v }})", "{}"),
        ("if [ ${{ v }} = ${{ v }} ]; then " + SHOW + "yes; fi", "yes"),
        ("case ${{ v }} in ${{ v }}) " + SHOW + "case;; esac", "case"),
        ('sh -c \'env printf "%s\\0" "$1"\' sh ${{ v }}', "{}"),
        ("y=$(" + SHOW + "${{ v }} | tr '\\0' '|'); " + SHOW + '"$y"', "{}|"),
        ("y=`" + SHOW + "${{ v }} | tr '\\0' '|'`; " + SHOW + '"$y"', "{}|"),
        (SHOW + '"$(' + SHOW + "\"${{ v }}\" | tr '\\0' '|')\"", "{}|"),
        ("# ${{ v }}\n" + SHOW + "\\\n  ${{ v }} # ${{ v }}", "{}"),
    ]
    for value in values:
        for text, result in contexts:
            lines.append(text)
            expected.append(result.replace("{}", value))
    return "\n".join(lines) + "\n", expected


def expand(text: str, values: Sequence[str]) -> List[str]:
    """One value for each expression of `each_script`: as many in a row as one value has expressions."""
    per_value = text.count("${{") // len(values)
    return [value for value in values for _ in range(per_value)]


@pytest.mark.parametrize("name", ["bash", "sh"])
def test_hostile_values_arrive_in_every_context(name: str) -> None:
    text, expected = each_script(HOSTILE)
    assert received(text, expand(text, HOSTILE), name) == expected


texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20)
raw = st.binary(max_size=12).map(lambda data: data.replace(b"\0", b"").decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("name", ["bash", "sh"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=st.lists(st.one_of(texts, raw, st.sampled_from(HOSTILE)), min_size=1, max_size=4))
def test_any_text_arrives(name: str, values: List[str]) -> None:
    text, expected = each_script(values)
    assert received(text, expand(text, values), name) == expected


@pytest.mark.parametrize("name", ["bash", "sh"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=st.lists(st.one_of(texts, raw, st.sampled_from(HOSTILE)), max_size=5))
def test_any_list_arrives(name: str, values: List[str]) -> None:
    text = "env " + SHOW + "BEGIN ${{ v }} END\nset -- ${{ v }}\n" + SHOW + '$# "$@"\n'
    text += SHOW + '"(${{ v }})"\n'
    text += "x=${{ v }}\n" + SHOW + '"$x"\nfor i in ${{ v }}; do ' + SHOW + '"$i"; done\n'
    joined = " ".join(values)
    counted = [str(len(values)), *values]
    assert received(text, [values] * 5, name) == [
        "BEGIN",
        *values,
        "END",
        *counted,
        f"({joined})",
        joined,
        *values,
    ]


def test_a_path_of_another_step_is_text() -> None:
    assert received(SHOW + "${{ v }}", [ArtifactPath("a b/c.txt", "train")], "bash") == ["a b/c.txt"]


@pytest.mark.parametrize("name", ["bash", "sh"])
def test_scalars_print_as_in_yaml(name: str) -> None:
    text = SHOW + " ".join(["${{ v }}"] * 5)
    assert received(text, [True, False, 3, 1e-7, -2.5], name) == ["true", "false", "3", "1e-07", "-2.5"]


@pytest.mark.parametrize("name", ["bash", "sh"])
def test_numbers_in_arithmetic(name: str) -> None:
    text = "n=${{ v }}\n" + SHOW + '$((3-${{ v }})) $((n * 2)) "$((1 + ${{ v }}))"'
    assert received(text, [-2, -2, 40], name) == ["5", "-4", "41"]


def test_numbers_in_what_only_bash_has() -> None:
    text = "a=(x y z); i=${{ v }}; (( i > 0 )) && [[ $i -eq ${{ v }} && -n ${{ v }} ]] && let j=${{ v }}+1\n"
    text += "declare -i k=${{ v }}\n" + SHOW + '"${a[${{ v }}]}" "${a[@]:${{ v }}:1}" "$j" "$k" "$[${{ v }}]"'
    assert received(text, [1] * 8, "bash") == ["y", "y", "2", "1", "1"]


def test_bash_conditionals_take_any_text() -> None:
    for value in HOSTILE:
        text = "[[ ${{ v }} == ${{ v }} && x${{ v }}y =~ ^x${{ v }}y$ && ! ${{ v }} < ${{ v }} ]]\n"
        text += "[[ -n x${{ v }} ]] && " + SHOW + "same; x=(${{ v }}); " + SHOW + '"${x[@]}"\n'
        text += "mapfile -t lines <<< ${{ v }}; " + SHOW + "${#lines[@]}; cat <(" + SHOW + "${{ v }})"
        expected = ["same", value, str(value.count("\n") + 1), value]
        assert received(text, [value] * text.count("${{"), "bash") == expected


@pytest.mark.parametrize("name", ["bash", "sh"])
def test_a_list_joins_the_text_around_it_as_in_bash(name: str) -> None:
    assert received(SHOW + "--x=${{ v }}.txt", [["a b", "c"]], name) == ["--x=a b", "c.txt"]
    assert received(SHOW + '"<${{ v }}>" a${{ v }}b', [["a", "b c"], []], name) == ["<a b c>", "ab"]


def test_ten_thousand_paths() -> None:
    paths = [f"data/part {number}.csv" for number in range(10_000)]
    text = SHOW + "${{ v }} | tail -zn 1\nset -- ${{ v }}; " + SHOW + "$#"
    for name in ("bash", "sh"):
        assert received(text, [paths, paths], name) == [paths[-1], "10000"]


@pytest.mark.parametrize("name", ["bash", "sh"])
def test_a_redirection_writes_where_the_value_says(name: str, tmp_path: Path) -> None:
    target = str(tmp_path / "$(touch pwned) 'x'")
    assert received(
        "printf 1 > ${{ o }}; printf 2 >> ${{ o }}; cat < ${{ o }}; printf '\\0'", [target] * 3, name
    ) == ["12"]


@pytest.mark.parametrize("name", ["bash", "sh"])
def test_a_secret_is_its_variable(name: str) -> None:
    parsed = template("URL='a $b'; " + SHOW + '${{ s }} "x${{ s }}"')
    script = shell.compose(parsed, [shell.Secret("URL")] * 2, name)
    assert run(script, name)[0] == b"a $b\0xa $b\0"


@pytest.mark.parametrize("name", ["bash", "sh"])
def test_a_script_without_expressions_is_left_alone(name: str) -> None:
    text = "echo 'hi' # nothing\n"
    assert shell.compose(template(text), [], name) == text
