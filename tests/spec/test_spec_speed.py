"""A thousand steps are read and checked at once."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any, Set

import pytest

STEP = """  s{0}:
    run: python work.py ${{{{ inputs.a }}}} > ${{{{ outputs.b }}}}
    inputs: {{a: "${{{{ steps.s{1}.outputs.b }}}}"}}
    outputs: {{b: out/{0}.txt}}
    resources: {{cpus: 2, memory: 4GiB}}
    retry: {{max_attempts: 3, delay: 5s}}
    tags: [a, b]
"""
CIRCLE = " s{0}: {{run: 'x ${{{{ matrix.a }}}}', matrix: '${{{{ steps.s{1}.matrix }}}}'}}\n"


def test_a_thousand_steps(load: Any) -> None:
    first = "version: 1\nname: x\nsteps:\n  s0: {run: 'date > ${{ outputs.b }}', outputs: {b: out/0.txt}}\n"
    text = first + "".join(STEP.format(number, number - 1) for number in range(1, 1000))
    load(first)
    assert len(load(text).steps) == 1000


def test_importing_the_room_does_not_import_jsonschema() -> None:
    code = "import sys, mlorch.spec; sys.exit('jsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("".join(f"k{number}: 1\n" for number in range(4000)), {"E102", "E104"}),
        ("steps:\n" + "".join(f" s{number}: {{run: x}}\n" for number in range(10001)), {"E108"}),
        ("steps:\n" + "".join(f" s{i}: {{run: x, needs: [t{i}]}}\n" for i in range(1000)), {"E202"}),
        ("steps:\n a: {run: x, outputs: " + "a/" * 1900000 + "b}\n", {"E401"}),
        ("steps:\n a:\n  run: |\n" + "   ${{ params.a }}\n" * 5001, {"E108"}),
        (
            "env: {"
            + ",".join(f"A{number}: b" for number in range(3000))
            + "}\nsteps:\n"
            + "".join(f" s{number}: {{run: x}}\n" for number in range(100)),
            {"E108"},
        ),
        (
            "steps:\n" + "".join(CIRCLE.format(i, (i + 1) % 1000) for i in range(1000)),
            {"E205"},
        ),
        ("steps:\n a: {run: x, if: '" + "(" * 100000 + ")" * 100000 + "'}\n", {"E512"}),
    ],
)
def test_files_that_ask_for_much_are_told_quickly(refuse: Any, text: str, codes: Set[str]) -> None:
    before = time.process_time()
    problems = refuse("version: 1\nname: x\n" + text)
    assert {problem.code for problem in problems} == codes
    assert time.process_time() - before < 5


def test_many_outputs_and_globs_do_not_take_quadratic_time(refuse: Any) -> None:
    step = (
        "  s{0}: {{run: 'x', inputs: {{a: 'd/**/**/*/**/*{0}'}}, outputs: {{o: d/a/b/c/d/e/f/g/h/x{0}}}}}\n"
    )
    text = "version: 1\nname: x\nsteps:\n" + "".join(step.format(number) for number in range(300))
    before = time.process_time()
    problems = refuse(text)
    assert {problem.code for problem in problems} == {"E406"}
    assert len(problems) == 200, "no more than anybody reads"
    assert time.process_time() - before < 4
