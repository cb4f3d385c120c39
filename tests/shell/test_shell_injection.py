"""Random scripts with hostile values: what passes the checks runs nothing of the values.

Scripts are made of fragments that are each dangerous somewhere. What a script's own commands print is
its own affair (`eval "$x"` after `x=$(cat file)`), so commands here print nothing.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
from pathlib import Path
from typing import Any, List

import pytest

from mlorch import shell
from mlorch.errors import ExpressionError
from mlorch.expressions import split
from mlorch.model import Place

E = "${{ e }}"
EVIL: List[Any] = [
    *("x[$(touch pwned)]", "$(touch pwned)", "`touch pwned`", "; touch pwned;", '" ; touch pwned; "'),
    *("' ; touch pwned ; '", "a=`touch pwned`", "-v", "eval", "}; touch pwned; {", "x[$(touch pwned)]=1"),
    *("$((x[$(touch pwned)]))", ") ; touch pwned ; (", "|| touch pwned", "&touch pwned&", "<(touch pwned)"),
    *(
        "%n",
        "-C",
        ".",
        "-vx[$(touch pwned)]",
        "3",
        5,
        "\\",
        "'",
        '"',
        '"$(touch pwned)"',
        "$(touch pwned)\\",
        "!",
    ),
    ["-v", "x[$(touch pwned)]", "x"],
    ["eval", "touch pwned"],
    ["a;touch pwned", "$(touch pwned)"],
    [],
]
NAMES = ["a", "b", "x", "n"]
WORDS = [
    *(E, E, "foo", f'"{E}"', "$a", '"$b"', "3", '"$1"', f"--x={E}", f"'l'{E}", f'"a {E} b"', f"${{x:-{E}}}"),
    *(f'"${{x:-{E}}}"', f"${{x#{E}}}", f"${{a[{E}]}}", f"$(({E}+1))", f"$((n+{E}))", f"${{!x}}{E}", f"\\{E}"),
    *(
        f"{{{E},b}}",
        f"$'a'{E}",
        f"@({E}|b)",
        f"$(: {E})",
        f"`: {E}`",
        f"<(: {E})",
        f"$[{E}]",
        f"${{x:{E}}}",
        f"'{E}'",
    ),
]
COMMANDS = [
    *(
        ": W W",
        "eval W",
        "sh -c W W",
        "bash -ec W",
        "env bash -c W",
        "sh -c ': \"$1\"' sh W",
        "N=W",
        "N=W",
        "N+=W",
    ),
    *("N=(W W)", f"N[{E}]=W", "export N=W", "declare N=W", "declare -i N=W", "declare -i N", "local N=W"),
    *(
        "readonly W",
        "export W",
        "declare W",
        "unset W",
        "read W",
        "mapfile W",
        "let W",
        f"let x={E}",
        "wait W",
    ),
    *("printf W W >/dev/null", "printf -v W W", "[ W ]", "[ W W ]", "test W W", "[ W = W ]", "[ W -eq W ]"),
    *("[[ W == W ]]", "[[ W -eq W ]]", "[[ -v W ]]", "[[ W =~ W ]]", "(( n ))", "(( x > 1 ))", f"(( {E} ))"),
    *(
        "trap W EXIT",
        "cat >/dev/null <<< W",
        f"cat >/dev/null <<EOF\n{E}\nEOF\n",
        "W W",
        "command W W",
        "f W W",
    ),
    *(
        f"A=1 W eval {E}",
        "set -- W W",
        ": < W",
        "read N <<< W",
        f"# {E}\n",
        "PS4=W; set -x; :; set +x",
        "alias q=W",
    ),
    *(
        "source W",
        f"source <(: {E})",
        ": $((N))",
        ": ${!N}",
        ": ${a[N]}",
        '"$N" W',
        'eval "$N"',
    ),
]
COMPOUND = [
    *(
        "if C; then C; fi",
        "for N in W W; do C; done",
        f"for ((i={E};i<1;i++)); do C; done",
        "( C )",
        "{ C; }",
    ),
    *(
        "case W in W) C;; (a|W) C;; *) C;; esac",
        "f() { C; }",
        "f() { (( $1 )); }",
        'f() { eval "$1"; }',
        "! C | cat",
    ),
    *(
        "f() { local q=$1; : $((q)); }",
        "f() { for z; do (( z )); done; }",
        ": $(C)",
        ': "$(C)"',
        "C",
        "C",
        "C",
        "C",
    ),
]


def script(source: random.Random, depth: int = 2) -> str:
    """`C` stands for a command, `W` for a word, `N` for a name."""
    text = source.choice(COMPOUND)
    while "C" in text:
        nested = depth > 0 and source.random() < 0.3
        text = text.replace("C", script(source, depth - 1) if nested else source.choice(COMMANDS), 1)
    while "W" in text or "N" in text:
        text = text.replace("W", source.choice(WORDS), 1).replace("N", source.choice(NAMES), 1)
    return text


def executed(text: str, name: str, folder: Path) -> bool:
    """Whether `touch pwned` was run."""
    prelude = "a=1 b=2 x=3 n=4; f(){ :; }\n"
    data = (prelude + text).encode("utf-8", "surrogateescape")
    quiet = subprocess.DEVNULL
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [name, "-c", data], cwd=folder, stdin=quiet, stdout=quiet, stderr=quiet, timeout=10, check=False
        )
    found = (folder / "pwned").exists()
    for path in folder.iterdir():
        path.unlink()
    return found


@pytest.mark.parametrize("seed", range(4))
def test_no_value_is_executed(seed: int, tmp_path: Path) -> None:
    source = random.Random(seed)
    ran = 0
    while ran < 40:
        text = "\n".join(script(source) for _ in range(source.randrange(1, 4)))
        name = source.choice(["bash", "bash", "sh"])
        template = split(text, Place("mlorch.yaml"))
        values = [source.choice(EVIL) for _ in template.expressions]
        try:
            composed = shell.compose(template, values, name)
        except ExpressionError:
            continue
        if values:
            ran += 1
            assert not executed(composed, name, tmp_path), (name, text, values)


def test_the_same_scripts_would_execute_pasted_values(tmp_path: Path) -> None:
    source = random.Random(0)
    hits = 0
    for _ in range(40):
        text = script(source)
        while E in text:
            value = source.choice(EVIL)
            text = text.replace(E, " ".join(value) if isinstance(value, list) else str(value), 1)
        hits += executed(text, "bash", tmp_path)
    assert hits >= 3
