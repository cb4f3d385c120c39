"""What changes a key and what does not: the unused-function rule, formatting, pickles."""

from __future__ import annotations

import ast
import sys
from typing import Any, Dict, List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlorch.plan.code.unit import PYTHON, read_unit

STEPS = '''
"""Steps of a pipeline."""
import numpy
from lib import base

LIMIT = 10

def load(path):
    return clean(path)

def clean(path):
    return path, LIMIT

class Model(base.Model):
    def fit(self, x=1):
        return helper(x)

def helper(x):
    return x

def train(rows, depth=3):
    model = Model()
    return model.fit(depth)

def evaluate(model):
    return score(model)

def score(model):
    return 1

@base.decorated
def report():
    return "a report"
'''
BASE = """
from deep.er import core

class Model:
    rate = 0.1

def decorated(f):
    return f

def nobody():
    return core.unused()
"""
CORE = """
def used():
    return 1

def unused():
    return 2
"""


@pytest.fixture()
def sources(project: Any) -> Any:
    project.write("steps.py", STEPS)
    project.write("lib/__init__.py", "")
    project.write("lib/base.py", BASE)
    project.write("deep/er/core.py", CORE)
    project.write("lib/other.py", "x = 1\n")
    return project


def changed(project: Any, path: str, old: str, new: str, ref: str = "steps:train", **more: Any) -> bool:
    before = project.call_rows(ref, **more)
    text = (project.root / path).read_text()
    assert old in text
    project.write(path, text.replace(old, new))
    return bool(project.call_rows(ref, **more) != before)


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("steps.py", "LIMIT = 10", "LIMIT = 11"),  # a constant, whoever uses it
        ("steps.py", "model.fit(depth)", "model.fit(depth + 1)"),
        ("steps.py", "depth=3", "depth=4"),
        ("steps.py", "x=1", "x=1.0"),
        ("steps.py", "return x\n", "return -x\n"),
        ("steps.py", "(base.Model)", "(object)"),
        ("steps.py", "@base.decorated\n", ""),
        ("steps.py", "a report", "another report"),  # decorated, so something may have registered it
        ("steps.py", "def train(", "async def train("),
        ("steps.py", "import numpy", "import numpy as np"),
        ("lib/base.py", "0.1", "0.2"),
        ("lib/base.py", "return f", "return None"),
        ("lib/__init__.py", "", "x = 1\n"),
    ],
)
def test_what_is_used_counts(sources: Any, path: str, old: str, new: str) -> None:
    assert changed(sources, path, old, new)


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("steps.py", "score(model)\n", "score(model, 2)\n"),
        ("steps.py", "def evaluate(model)", "def evaluate(model, x=2)"),
        ("steps.py", "return 1\n", "return 2\n"),
        ("steps.py", "def load(path)", "def load(file)"),
        ("steps.py", "return path, LIMIT", "return path"),
        ("steps.py", "def evaluate", "def added():\n    return evaluate\n\ndef evaluate"),
        ("lib/base.py", "core.unused()", "core.used()"),
        ("deep/er/core.py", "return 2", "return 3"),
        ("lib/other.py", "x = 1", "x = 2"),
        ("steps.py", "LIMIT = 10", "LIMIT = 10  # a comment"),
        ("steps.py", "LIMIT = 10", "LIMIT = (\n    10\n)"),
    ],
)
def test_what_is_not_used_does_not_count(sources: Any, path: str, old: str, new: str) -> None:
    assert not changed(sources, path, old, new)


def test_three_imports_away(project: Any) -> None:
    project.write("steps.py", "import a\n\ndef f():\n    return a.g()\n")
    project.write("a.py", "from b import g\n")
    project.write("b.py", "import c\n\ndef g():\n    return c.h()\n")
    project.write("c.py", "def h():\n    return 1\n\ndef i():\n    return 2\n")
    assert changed(project, "c.py", "return 1", "return 3", "steps:f")
    assert not changed(project, "c.py", "return 2", "return 4", "steps:f")


@pytest.mark.parametrize(
    "use",
    [
        "score(1)",
        "x.score",
        "'score'",
        "'a.score:b'",
        "f'{1} score {2}'",
        "b'score'",
        "f(score=1)",
        "getattr(m, 'score')",
    ],
)
def test_any_way_of_naming_a_function_makes_it_count(sources: Any, use: str) -> None:
    sources.write("steps.py", STEPS.replace("return model.fit(depth)", "return " + use))
    assert changed(sources, "steps.py", "    return 1\n", "    return 7\n")


@pytest.mark.parametrize(
    "hidden",
    [
        "globals()", "locals()", "vars(x)", "eval(x)", "exec(x)", "import importlib",
        "from importlib import reload",
        "from lib.other import *", "import runpy", "import pkgutil", "import inspect",
        "operator.attrgetter(x)",
        "x.__dict__", "def __getattr__(n): pass", "sys.modules", "from sys import modules", "import sys as s",
        "getattr(x, n)", "getattr(x, 'a' + n)", "map(getattr, x, n)", "builtins.eval",
        "getattr(x, '__dict__')",
        "__import__(n)", "import fire", "from jsonargparse import CLI",
    ],
)  # fmt: skip
def test_hidden_lookups_make_all_files_count_whole(sources: Any, hidden: str) -> None:
    assert not changed(sources, "steps.py", "    return 1\n", "    return 7\n")
    sources.write("lib/base.py", BASE + hidden + "\n")
    assert changed(sources, "steps.py", "    return 7\n", "    return 8\n")


@pytest.mark.parametrize(
    "plain", ["model.eval()", "frame.eval('a')", "getattr(x, 'name')", "nn.modules()", "re.compile(x)"]
)
def test_names_that_only_look_like_hidden_lookups(sources: Any, plain: str) -> None:
    sources.write("lib/base.py", BASE + plain + "\n")
    assert not changed(sources, "steps.py", "    return 1\n", "    return 7\n")


def test_upstream_code_may_name_a_function(sources: Any) -> None:
    sources.write("earlier.py", "def make():\n    return 'score'\n")
    assert not changed(sources, "steps.py", "    return 1\n", "    return 7\n", upstream=[])
    assert changed(sources, "steps.py", "    return 7\n", "    return 8\n", upstream=["earlier:make"])


def test_a_shared_file_keeps_the_upstream_function_out(sources: Any) -> None:
    """Editing `train` reruns it; what comes after it is decided by what it makes."""
    more: Dict[str, Any] = {"ref": "steps:evaluate", "upstream": ["steps:train"]}
    assert not changed(sources, "steps.py", "model.fit(depth)", "model.fit(depth + 1)", **more)
    assert changed(
        sources, "steps.py", "return x\n", "return -x\n", **more
    )  # a pickle of upstream may need `helper`


def test_pickles_make_all_files_count_whole(sources: Any) -> None:
    assert not changed(sources, "steps.py", "    return 1\n", "    return 7\n", pickles=True)
    sources.write("lib/base.py", "import joblib\n" + BASE)
    assert not changed(sources, "steps.py", "    return 7\n", "    return 8\n", pickles=False)
    assert changed(sources, "steps.py", "    return 8\n", "    return 9\n", pickles=True)
    sources.write("lib/base.py", BASE)
    sources.write("earlier.py", "import cloudpickle\ndef make():\n    pass\n")
    assert changed(
        sources, "steps.py", "    return 9\n", "    return 10\n", upstream=["earlier:make"], pickles=True
    )


def test_a_pickling_upstream_that_looks_functions_up_in_a_hidden_way(sources: Any) -> None:
    sources.write("earlier.py", "import pickle, inspect\ndef make():\n    pass\n")
    assert changed(sources, "steps.py", "    return 1\n", "    return 7\n", upstream=["earlier:make"])


def test_a_function_whose_definition_runs_code_always_counts(sources: Any) -> None:
    sources.write("steps.py", STEPS.replace("def evaluate(model)", "def evaluate(model=register())"))
    assert changed(sources, "steps.py", "score(model)\n", "score(model, 2)\n")


def test_files_named_by_code_count_whole(sources: Any) -> None:
    before = sources.rows(sources.run("true", globs=("deep/er/core.py",)))
    sources.write("deep/er/core.py", CORE.replace("return 2", "return 3"))
    assert sources.rows(sources.run("true", globs=("deep/er/core.py",))) != before


def test_a_docstrings_indentation_counts_only_where_docstrings_are_read(project: Any) -> None:
    project.write("steps.py", 'def f():\n    """One.\n\n    Two.   \n    """\n    return 1\n')
    before = project.call_rows("steps:f")
    moved = 'def f():\n    """One.\n\n    Two.\n    """\n    return 1\n'
    project.write("steps.py", moved)
    assert project.call_rows("steps:f") == before
    project.write("steps.py", moved.replace("Two", "Three"))
    assert project.call_rows("steps:f") != before
    project.write("steps.py", moved.replace("return 1", "return f.__doc__"))
    read = project.call_rows("steps:f")
    project.write("steps.py", moved.replace("return 1", "return f.__doc__").replace("    Two.", "      Two."))
    assert project.call_rows("steps:f") != read


def test_package_versions_are_rows(sources: Any) -> None:
    sources.install("numpy", "1.26.0", ["numpy/__init__.py"])
    assert sources.call_rows("steps:train")["numpy"] == "1.26.0"


def test_unit_digest_ignores_formatting_and_is_empty_for_what_is_not_there(sources: Any) -> None:
    before = sources.reader.unit_digest("lib/base.py")
    sources.write("lib/base.py", "# a comment\n" + BASE)
    assert sources.reader.unit_digest("lib/base.py") == before
    assert before.startswith("blake3:")
    assert sources.reader.unit_digest("lib/gone.py") == ""


# -------------------------------------------------------------------------------------------------------
# formatting


REWRITES: List[Tuple[str, str]] = [
    ("x = 'a'", 'x = "a"'),
    ("x = u'a'", "x = 'a'"),
    ("x = 'a' 'b'", "x = 'ab'"),
    ("x = f'a{y}' 'b'", "x = f'a{y}b'"),
    ("x = 0XFF", "x = 255"),
    ("x = 1_000", "x = 1000"),
    ("x = (1)", "x = 1"),
    ("del (a, b)", "del a, b"),
    ("class A():\n  pass", "class A:\n    pass"),
    ("x = a[(1, 2)]", "x = a[1, 2]"),
    ("if x:\n  y\n", "if x: y"),
    ("x = 1; y = 2", "x = 1\ny = 2"),
    ("f(a,)", "f(a)"),
    ("x: int = 1  # type: ignore", "x: int = 1"),
    ("for x in (y): pass", "for x in y: pass"),
]


@pytest.mark.parametrize(("one", "other"), REWRITES)
def test_formatting_does_not_count(one: str, other: str) -> None:
    assert read_unit("a.py", one.encode(), PYTHON).digest == read_unit("a.py", other.encode(), PYTHON).digest


DIFFERENT: List[Tuple[str, str]] = [
    ("x = 1", "x = 1.0"), ("x = 1", "x = True"), ("x = 'a'", "x = b'a'"), ("x = 0.0", "x = -0.0"),
    ("x = 1j", "x = 1"),
    ("x = (1,)", "x = 1"), ("x = [1]", "x = (1,)"), ("a < b", "a > b"), ("a and b", "a or b"),
    ("f(a)", "f(*a)"),
    ("f(a=1)", "f(b=1)"), ("from a import b", "from a import b as c"),
    ("from .a import b", "from ..a import b"),
    ("import a.b", "import a"), ("x = 'ab'", "x = 'a', 'b'"), ("f'{x!r}'", "f'{x!s}'"),
    ("f'{x:2}'", "f'{x:3}'"),
    ("f'{x}'", "'{x}'"), ("def f(a, /): 1", "def f(a): 1"), ("def f(*, a): 1", "def f(a): 1"),
    ("x = None", "x = ..."),
    ("lambda a=1: a", "lambda a=2: a"), ("global x", "nonlocal x"), ("a = b = 1", "a = 1\nb = 1"),
    ("x[1:2]", "x[1, 2]"),
    ("while x: y", "if x: y"), ("a if b else c", "c if b else a"),
    ("try: x\nexcept A: y", "try: x\nexcept B: y"),
    ("x = 'N1:a'", "x = a"), ("[a for a in b if c]", "[a for a in b]"), ("{**a}", "{a}"),
    ("yield x", "await x"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_means_something_else_has_another_digest(one: str, other: str) -> None:
    assert read_unit("a.py", one.encode(), PYTHON).digest != read_unit("a.py", other.encode(), PYTHON).digest


def test_a_very_deep_expression_can_be_read() -> None:
    unit = read_unit("a.py", ("x = " + " + ".join(["a"] * 3000)).encode(), PYTHON)
    assert unit.digest.startswith("blake3:")


@pytest.mark.parametrize(
    "data", [b"\0", b"(" * 100000, b"def", b"\xff\xfe", b"# coding: nonsense\n", b"x = '\xff'", b""]
)
def test_any_bytes_can_be_read(data: bytes) -> None:
    assert read_unit("a.py", data, PYTHON).digest.startswith("blake3:")


NAMES = st.sampled_from(["a", "b", "c", "helper", "load"])
EXPRESSIONS = st.recursive(
    st.one_of(
        NAMES,
        st.integers(0, 10**20).map(repr),
        st.floats(0, 1e300).map(repr),
        st.text(max_size=5).map(repr),
        st.binary(max_size=3).map(repr),
        st.sampled_from(["None", "True", "...", "1j"]),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "and", "<", "**", "is not"]), inner).map(
            "({0[0]} {0[1]} {0[2]})".format
        ),
        st.tuples(NAMES, inner, inner).map("{0[0]}({0[1]}, k={0[2]})".format),
        st.tuples(NAMES, inner, inner).map("{0[0]}[{0[1]}:{0[2]}, 1]".format),
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.tuples(inner, inner).map("{{{0[0]}: {0[1]}}}".format),
        st.tuples(inner, NAMES).map("(lambda {0[1]}={0[0]}: {0[1]})".format),
        st.tuples(inner, NAMES, inner).map("[{0[0]} for {0[1]} in {0[2]}]".format),
        st.tuples(inner, inner, inner).map("({0[0]} if {0[1]} else {0[2]})".format),
    ),
    max_leaves=8,
)
STATEMENTS = st.one_of(
    st.tuples(NAMES, EXPRESSIONS).map("{0[0]} = {0[1]}".format),
    st.tuples(NAMES, EXPRESSIONS, EXPRESSIONS).map("def {0[0]}(x={0[1]}):\n    return {0[2]}".format),
    st.tuples(NAMES, NAMES, EXPRESSIONS).map("class {0[0]}({0[1]}):\n    y = {0[2]}".format),
    st.tuples(EXPRESSIONS, EXPRESSIONS).map("if {0[0]}:\n    {0[1]}".format),
)


@given(st.lists(STATEMENTS, min_size=1, max_size=5), st.lists(STATEMENTS, min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_digests_are_equal_exactly_where_the_trees_are(one: List[str], other: List[str]) -> None:
    first, second = "\n".join(one), "\n".join(other)
    same = ast.dump(ast.parse(first)) == ast.dump(ast.parse(second))
    digests = [read_unit("a.py", text.encode(), PYTHON).digest for text in (first, second)]
    assert (digests[0] == digests[1]) == same
    spaced = "# comment\n\n" + "\n\n\n".join(one) + "\n"
    assert read_unit("a.py", spaced.encode(), PYTHON).digest == digests[0]


@pytest.mark.skipif(sys.version_info < (3, 9), reason="ast.unparse came with Python 3.9")
@given(st.lists(STATEMENTS, min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_a_formatter_does_not_change_a_digest(statements: List[str]) -> None:
    text = "\n".join(statements)
    formatted = ast.unparse(ast.parse(text))
    assert (
        read_unit("a.py", formatted.encode(), PYTHON).digest
        == read_unit("a.py", text.encode(), PYTHON).digest
    )
