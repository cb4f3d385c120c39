"""The same source has the same digest whichever Python runs mlorch."""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Dict, List, Optional

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENTS = {"3.8": ".venv-3.8", "3.11": ".venv", "3.13": ".venv-3.13"}
ODDITIES = r'''
import os, sys as system
from . import a as b, c
"""not a docstring"""
x = a[1], a[1:2], a[1, 2:3], a[...], a[:, None], a[(1, 2)], a[1,], a[b:c,], a[x[1:2], 3]
y = f"{a}{b!r}" "c" f"{d:>{w}.{p}}" 'e' f"{{}}" f"" "" f"{x:}" f"{g=}" f"{'n' 'm'}" rf"\d{a}\n" f"{a:%Y-\n}"
z = u"a" "b", b"\xff" b"b", 0xFF, 1_000.5e300, 1e999, -1j, 10**30, "\ud800", "\N{EN DASH}", r"\N{EN DASH}"
with (a), b as c:
    del (d, e), f
with (a, b):
    pass
async def f(a, /, b: int = 1, *c: "int", d, e=2, **g) -> None:
    """ Doc.

        More. """
    async with a as b, c:
        return [await x async for x in y if (z := x)]
    yield
class A(B, metaclass=C, **d):
    'doc'
    global q
    @property
    def m(self): return lambda *a, k=1: (yield)
for i, *j in k: continue
else: break
try: raise A from b
except (A, B) as e: pass
finally: assert a, "b"
x: int
(x): int = 3
print(*a, **b, c=d); not a; a if b else c; a < b <= c is not d
def g(x): return {**a, 'b': 1, "c": {d for e in f}, 'g': {h: i for j in k}}, *l
'''

PROGRAM = """
import json, sys
from mlorch.plan.code.unit import PYTHON, read_unit
answer = {}
for path in json.load(sys.stdin):
    with open(path, "rb") as file:
        unit = read_unit("a.py", file.read(), PYTHON)
    names = sorted(part.name + str(len(part.names)) for part in unit.functions)
    imports = [[one.module, list(one.names), one.level] for one in unit.imports]
    answer[path] = None if unit.warning else [unit.digest, names, imports, unit.hidden]
json.dump(answer, sys.stdout)
"""


def interpreter_of(version: str) -> Optional[str]:
    if "{}.{}".format(*sys.version_info[:2]) == version:
        return sys.executable
    path = REPOSITORY / ENVIRONMENTS[version] / "bin" / "python"
    return str(path) if path.exists() else None


def read_under(python: str, files: List[str]) -> Dict[str, object]:
    answer = subprocess.run(
        [python, "-W", "error", "-c", PROGRAM],
        input=json.dumps(files).encode(),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=True,
    )
    loaded: Dict[str, object] = json.loads(answer.stdout)
    return loaded


@pytest.mark.parametrize("other", ["3.8", "3.11", "3.13"])
def test_digests_are_equal_under_every_python(tmp_path: Path, other: str) -> None:
    python = interpreter_of(other)
    if python is None or python == sys.executable:
        pytest.skip(f"needs a Python {other} beside the one that runs the tests")
    odd = tmp_path / "odd.py"
    odd.write_text(ODDITIES)
    library = sysconfig.get_paths()["stdlib"]
    everything = sorted(glob.glob(library + "/*.py") + glob.glob(library + "/test/test_*.py"))
    grammar = [
        path
        for path in everything
        if os.path.basename(path) in ("test_fstring.py", "test_grammar.py", "test_ast.py")
    ]
    files = [str(odd), *grammar, *everything[::7]]
    mine, theirs = read_under(sys.executable, files), read_under(python, files)
    both = [path for path in files if mine[path] is not None and theirs[path] is not None]
    assert str(odd) in both
    assert len(both) > 60
    assert {path: mine[path] for path in both} == {path: theirs[path] for path in both}
