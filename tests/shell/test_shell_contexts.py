"""Where an expression may stand in a script, told without running it."""

from __future__ import annotations

from typing import List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlorch import shell
from mlorch.errors import ExpressionError
from mlorch.expressions import split
from mlorch.model import Place, Template, Value
from mlorch.shell import ShellProblem

PLACE = Place("mlorch.yaml")


def template(text: str) -> Template:
    return split(text, PLACE)


SAFE = [
    "python train.py --in ${{ v }} --out=${{ v }} > ${{ v }} 2>&1",
    "echo it\\'s ${{ v }}",
    "echo 'single'${{ v }}'single' \"double ${{ v }}\"",
    "cat <<EOF\ntext $(date)\nEOF\necho ${{ v }}",
    "cat <<-'EOF' && echo ${{ v }}\n\t$x 'odd\n\tEOF\necho ${{ v }}",
    "x=$(wc -l < ${{ v }}); if (( x > 3 )); then echo many; fi",
    'for f in ${{ v }}; do wc -l "$f"; done',
    "case ${{ v }} in a) echo ${{ v }};; b|${{ v }}) echo 1 ;; esac; echo ${{ v }}",
    "y=$(case x in x) echo ${{ v }};; esac) && echo ${{ v }}",
    "sh -c 'echo \"$1\"' sh ${{ v }}",
    "bash -euo pipefail -c 'cat \"$@\"' bash ${{ v }}",
    "xargs -n1 -I{} grep {} ${{ v }}",
    "awk '{ print $1 }' ${{ v }} | sort -u > ${{ v }}",
    "if [ -n ${{ v }} ] && [ ${{ v }} = a ] || test ${{ v }} != b; then :; fi",
    "[[ ${{ v }} == *.csv ]] || exit 1",
    "export A=${{ v }} B=1; readonly C=${{ v }}",
    'f() { local a=${{ v }}; echo "$a"; }; f ${{ v }}',
    "A=${{ v }} env B=${{ v }} make C=${{ v }}",
    "n=$(cat file | wc -l); echo $((n + 1)) ${{ v }}",
    "trap 'rm -rf tmp' EXIT; echo ${{ v }}",
    "trap 'rm -f \"$out\"' EXIT; out=${{ v }}",
    "diff <(sort ${{ v }}) <(sort ${{ v }})",
    'read -r line < ${{ v }}; echo "$line"',
    "(cd src && make) && echo ${{ v }}",
    'arr=(${{ v }} b); echo "${arr[@]}" "${#arr[@]}"',
    'echo "${HOME:-${{ v }}}" ${x:+${{ v }}}',
    "printf '%s\\n' ${{ v }}",
    "printf -- '%s' ${{ v }}",
    'cmd=${{ v }}; "$cmd" --help',
    "echo $(( 1 << 3 )) ${{ v }}",
    "if ! grep -q x ${{ v }}; then echo no; fi",
    'while read -r a b; do echo "$a"; done < ${{ v }}',
    "echo a#b ${{ v }}",
    "cat <<< ${{ v }}",
    'set -- ${{ v }}; echo "$1"',
    "command python ${{ v }}",
    'echo "a\\"b ${{ v }}"',
    "source venv/bin/activate && python ${{ v }}",
    "time -p python ${{ v }}",
    "python - ${{ v }} <<'EOF'\nimport sys; print('$(x', \"it's\")\nEOF\n",
    "$PYTHON -m wait ${{ v }}",
    'python${{ v }}.${{ v }} -m x; "$bin/${{ v }}" y; ./a${{ v }}${{ v }}',
    "echo `basename ${{ v }}`",
    'echo "$(basename "${{ v }}" .csv)"',
]


@pytest.mark.parametrize("text", SAFE)
@pytest.mark.parametrize("name", ["bash", "sh"])
def test_any_text_is_safe_here(text: str, name: str) -> None:
    parsed = template(text)
    assert shell.check(parsed, name) == []
    assert shell.compose(parsed, ["a; b"] * len(parsed.expressions), name)


FORBIDDEN = [
    ("echo '${{ v }}'", "inside single quotes"),
    ("echo $'${{ v }}'", "inside single quotes"),
    ("sed 's/x/${{ v }}/' file", "inside single quotes"),
    ("cat <<EOF\n${{ v }}\nEOF", "inside a here-document"),
    ("cat <<'EOF'\n${{ v }}\nEOF", "inside a here-document"),
    ("cat <<EOF\n$(echo ${{ v }})\nEOF", "inside a here-document"),
    ('cat <<-EOF\n\t"${x:-${{ v }}}"\n\tEOF', "inside a here-document"),
    ("cat <<${{ v }}\nx\n", "inside a here-document"),
    ("x=$(cat <<EOF\n${{ v }}\nEOF\n)", "inside a here-document"),
    ("eval ${{ v }}", "run as shell text by `eval`"),
    ('eval "echo ${{ v }}"', "run as shell text by `eval`"),
    ('eval "$(echo ${{ v }})"', "run as shell text by `eval`"),
    ("true && 'eval' ${{ v }}", "run as shell text by `eval`"),
    ("A=1 command -p eval ${{ v }}", "run as shell text by `eval`"),
    ("sh -c ${{ v }}", "run as shell text by `sh -c`"),
    ('bash -c "echo ${{ v }}" x', "run as shell text by `bash -c`"),
    ('bash -euo pipefail -c "echo ${{ v }}"', "run as shell text by `bash -c`"),
    ('timeout 5 /bin/sh -ec "echo ${{ v }}"', "run as shell text by `sh -c`"),
    ('find . -exec sh -c "echo ${{ v }}" \\;', "run as shell text by `sh -c`"),
    ('trap "rm ${{ v }}" EXIT', "run as shell text by `trap`"),
    ("alias ll=${{ v }}", "run as shell text by `alias`"),
    ("PS4=${{ v }}; set -x", "PS4"),
    (". <(echo ${{ v }})", "run as shell text by `.`"),
    ('x=${{ v }}; eval "$x"', "becomes `x`, which is run as shell text"),
    ('x=${{ v }}; y="a $x"; sh -c "$y"', "becomes `x`, which is run as shell text"),
    ("for x in ${{ v }}; do eval $x; done", "becomes `x`, which is run as shell text"),
    ('f() { eval "$1"; }; f ${{ v }}', "becomes `$1`, which is run as shell text"),
    ("echo \\${{ v }}", "follows a backslash"),
    ('echo "\\${{ v }}"', "follows a backslash"),
    ("echo $${{ v }}", "follows a `$`"),
    ('echo "$${{ v }}"', "follows a `$`"),
    ("echo ${x#${{ v }}}", "context can't be told"),
    ('echo "${x/a/${{ v }}}"', "context can't be told"),
    ("echo \"${x:-'${{ v }}'}\"", "context can't be told"),
    ('echo "${x:-"${{ v }}"}"', "context can't be told"),
    ("[ ${{ v }} ${{ v }} ]", "may be an operator"),
    ("test ${{ v }} x", "may be an operator"),
    ("for ${{ v }} in a b; do :; done", "context can't be told"),
    ("$x${{ v }} y", "a part of a command's name"),
    ("${{ v }}${{ v }} y", "a part of a command's name"),
    ("${x%/*}${{ v }} y", "a part of a command's name"),
    ("f${{ v }}() { :; }", "context can't be told"),
    ("$(" * 60 + "${{ v }}" + ")" * 60, "too deeply nested"),
]


@pytest.mark.parametrize(("text", "message"), FORBIDDEN)
@pytest.mark.parametrize("name", ["bash", "sh"])
def test_no_value_may_stand_here(text: str, message: str, name: str) -> None:
    parsed = template(text)
    problems = shell.check(parsed, name)
    assert problems and message in problems[0].message, problems
    assert problems[0].hint
    with pytest.raises(ExpressionError):
        shell.compose(parsed, [1] * len(parsed.expressions), name)


NUMBERS = [
    "echo $(( ${{ v }} + 1 ))",
    'echo "$(( 1 + ${{ v }} ))"',
    "(( ${{ v }} > 1 ))",
    "echo $[ ${{ v }} ]",
    "for ((i = 0; i < ${{ v }}; i++)); do :; done",
    "[[ $x -eq ${{ v }} ]]",
    '[[ "${{ v }}" -lt 3 ]]',
    "a[${{ v }}]=1",
    "a=([${{ v }}]=x)",
    "echo ${a[${{ v }}]}",
    "echo ${x:${{ v }}}",
    "echo ${x:1:${{ v }}}",
    "let x=${{ v }}+1",
    "declare x=${{ v }}",
    "typeset -i x=${{ v }}",
    "local -i x=${{ v }}",
    "export ${{ v }}",
    "printf -v x %s ${{ v }}",
    'printf "depth ${{ v }} %s" x',
    "read ${{ v }}",
    "unset ${{ v }}",
    "[ -v ${{ v }} ]",
    "[[ -v ${{ v }} ]]",
    "n=${{ v }}; (( n > 3 ))",
    "n=${{ v }}; echo $((n))",
    "n=${{ v }}; m=$n; echo ${a[m]}",
    "n=${{ v }}; echo ${!n}",
    "n=${{ v }}; [[ $n -gt 3 ]]",
    "n=${{ v }}; unset $n",
    "declare -i n; n=${{ v }}",
    "for n in ${{ v }}; do echo $((n)); done",
    "f() { echo $(( $1 )); }; f ${{ v }}",
    "f() { local n=$1; (( n )); }; f ${{ v }}",
    "set -- ${{ v }}; echo $(( $1 ))",
    "f() { for n; do (( n )); done; }; f ${{ v }}",
    "read n <<< ${{ v }}; (( n ))",
    "echo ${x:=${{ v }}} $((x))",
]


@pytest.mark.parametrize("text", NUMBERS)
def test_only_numbers_may_stand_here(text: str) -> None:
    parsed = template(text)
    assert shell.check(parsed, "bash") == []
    count = len(parsed.expressions)
    assert shell.compose(parsed, [7] * count, "bash")
    for bad in ("7", "x[$(touch pwned)]", True, None, ["a"], float("nan"), 2**70, shell.Secret("S")):
        with pytest.raises(ExpressionError):
            shell.compose(parsed, [bad] * count, "bash")


def failure(text: str, *values: Value, name: str = "bash") -> str:
    with pytest.raises(ExpressionError) as caught:
        shell.compose(template(text), values, name)
    return caught.value.message


def test_values_that_no_shell_can_take() -> None:
    assert failure("echo ${{ a.b }}", None) == "`${{ a.b }}` is null, which can't be passed to a shell"
    assert failure("echo ${{ a }}", {"x": 1}) == "`${{ a }}` is a mapping, which can't be passed to a shell"
    assert (
        failure("echo ${{ a }}", [[1]])
        == "`${{ a }}` is a list inside a list, which can't be passed to a shell"
    )
    assert failure("echo ${{ a }}", "a\0b") == (
        "`${{ a }}` holds a NUL character, which can't be passed to a program"
    )
    assert failure("echo > ${{ a }}", ["x"]) == "`${{ a }}` is a list where a single value was expected"
    assert (
        failure("[ -n ${{ a }} ]", ["x"], name="sh")
        == "`${{ a }}` is a list where a single value was expected"
    )
    assert failure("echo $((${{ a }}))", "x") == (
        "`${{ a }}` is not a number, but only numbers can stand here: it stands in arithmetic"
    )
    assert failure("n=${{ a }}; ((n))", "x") == (
        "`${{ a }}` is not a number, but only numbers can stand here: `n` is used in arithmetic"
    )


@pytest.mark.parametrize("text", ["${{ v }} x", "command ${{ v }} x", "e${{ v }} x", 'c=${{ v }}; "$c" x'])
def test_a_value_is_no_builtin_that_evaluates(text: str) -> None:
    assert shell.compose(template(text), ["python"], "bash")
    value = "val" if text.startswith("e$") else "eval"
    assert "in the place of a command's name" in failure(text, value)
    assert "in the place of a command's name" in failure(text, [value])


def test_an_empty_list_is_no_command() -> None:
    assert "empty list" in failure("${{ v }} eval x", [])


def test_comments_ignore_their_values() -> None:
    script = shell.compose(template("# ${{ v }} '${{ v }}\necho ${{ v }}"), [None, {"a": 1}, "x"], "sh")
    assert script == "mlorch_v2='x'\n# ${mlorch_v0} '${mlorch_v1}\necho \"${mlorch_v2}\""


def test_the_script_of_each_shell() -> None:
    parsed = template('cat ${{ a }} "${{ a }}" --n=${{ n }} > ${{ o }}')
    values: List[Value] = [["p q", "it's"], ["p q", "it's"], 3, "out"]
    assert shell.compose(parsed, values, "bash") == (
        "mlorch_v0=('p q' 'it'\\''s')\nmlorch_v1=('p q' 'it'\\''s')\nmlorch_v2='3'\nmlorch_v3='out'\n"
        'cat "${mlorch_v0[@]}" "${mlorch_v1[*]}" --n="${mlorch_v2}" > "${mlorch_v3}"'
    )
    assert shell.compose(parsed, values, "sh") == (
        "mlorch_v0_0='p q'\nmlorch_v0_1='it'\\''s'\nmlorch_v1='p q it'\\''s'\n"
        "mlorch_v2='3'\nmlorch_v3='out'\n"
        'cat "${mlorch_v0_0}" "${mlorch_v0_1}" "${mlorch_v1}" --n="${mlorch_v2}" > "${mlorch_v3}"'
    )
    assert shell.plain(parsed, values) == "cat 'p q' 'it'\"'\"'s' \"p q it's\" --n=3 > out"


def test_plain_shows_what_compose_would_refuse() -> None:
    parsed = template('a ${{ a }} "${{ a }}" ${{ s }} "${{ s }}" ${{ m }}')
    values = [None, 'x"$', shell.Secret("KEY"), shell.Secret("KEY"), {"k": 1}]
    assert shell.plain(parsed, values) == 'a null "x\\"\\$" "$KEY" "$KEY" \'{\'"\'"\'k\'"\'"\': 1}\''


def test_problems_say_which_expression() -> None:
    parsed = template("echo ${{ a }} '${{ b }}' ${{ c }}")
    assert [problem.expression for problem in shell.check(parsed, "bash")] == [1]
    assert isinstance(shell.check(parsed, "bash")[0], ShellProblem)


def test_an_unknown_shell_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="fish"):
        shell.check(template("x"), "fish")


def test_private_characters_in_a_script_are_refused_beside_expressions() -> None:
    assert shell.check(template("echo \U000f0001"), "bash") == []
    assert len(shell.check(template("echo \U000f0001 ${{ a }}"), "bash")) == 1


pieces = st.lists(
    st.sampled_from(
        [
            *"\"'`$(){}[]<>|&;#\\ \n\t=!*-xabc1",
            *("${{ v }}", "$((", "))", "<<EOF", "EOF\n", "eval ", "case x in ", "esac", "[[ ", " ]]"),
        ]
    ),
    max_size=40,
).map("".join)


@settings(deadline=None)
@given(text=pieces)
def test_odd_syntax_never_raises_and_every_expression_is_judged(text: str) -> None:
    shell.words(text)
    try:
        parsed = template(text)
    except ExpressionError:
        return
    assert all(problem.message and problem.hint for problem in shell.check(parsed, "bash"))
    for value in ("x", ["x"], 1):
        try:
            shell.compose(parsed, [value] * len(parsed.expressions), "bash")
        except ExpressionError as error:
            assert error.message
