"""The parameters of called functions, from their sources."""

from __future__ import annotations

from typing import Any

import pytest

from mlorch.model import FunctionRef, Place, Problem
from mlorch.plan.code import Signature, call_parameters

PLACE = Place("mlorch.yaml", 3, 11)


def parameters(project: Any, ref: str) -> Any:
    module, _, function = ref.partition(":")
    return call_parameters(project.reader, FunctionRef(module, function, PLACE))


def test_names_defaults_and_the_rest(project: Any) -> None:
    project.write("steps.py", "raise SystemExit\ndef f(a, b, c=1, *rest, d, e=2, **more): pass\n")
    found = parameters(project, "steps:f")
    assert isinstance(found, Signature)
    assert (found.names, found.required) == (("a", "b", "c", "d", "e"), ("a", "b", "d"))
    assert found.variable_keyword
    assert found.variable_positional
    assert found.line == 2
    assert found.path == str(project.root / "steps.py")


@pytest.mark.parametrize(
    "source",
    [
        "from inner import f",
        "from inner import g as f",
        "from pkg.core import f",
        "from pkg import f",
        "from pkg import *",
        "try:\n    from inner import f\nexcept ImportError:\n    f = None",
        "if True:\n    def f(a, b=1): pass",
        "def g(a, b=1): pass\nf = g",
        "f = lambda a, b=1: a",
        "import functools\n@functools.lru_cache()\ndef f(a, b=1): pass",
        "def f(): pass\ndef f(a, b=1): pass",
    ],
)
def test_a_function_is_followed_to_where_it_is_defined(project: Any, source: str) -> None:
    project.write("inner.py", "def f(a, b=1): pass\ndef g(a, b=1): pass\n")
    project.write("pkg/__init__.py", "from .core import f\n")
    project.write("pkg/core.py", "from . import deep\nfrom .deep import h as f\n")
    project.write("pkg/deep.py", "def h(a, b=1): pass\n")
    project.write("steps.py", source)
    found = parameters(project, "steps:f")
    assert isinstance(found, Signature), found
    assert (found.names, found.required) == (("a", "b"), ("a",))


@pytest.mark.parametrize(
    ("source", "ref", "code", "words", "hint"),
    [
        ("", "stepz:f", "E301", "module `stepz` was not found", "did you mean `steps`?"),
        ("", "pkg.cor:f", "E301", "module `pkg.cor` was not found", "did you mean `pkg.core`?"),
        ("", "entirely.different:f", "E301", "expected entirely/different.py", "make it"),
        (
            "def train(): pass",
            "steps:trian",
            "E302",
            "steps.py defines no function `trian`",
            "did you mean `train`?",
        ),
        ("", "steps:f", "E302", "steps.py defines no function `f`", "define it"),
        (
            "from pkg.core import f",
            "steps:f",
            "E302",
            "`steps` imports `f` from `pkg.core`",
            "correct the import",
        ),
        ("async def f(): pass", "steps:f", "E303", "`steps:f` is an `async` function", "asyncio.run"),
        ("class f: pass", "steps:f", "E303", "`steps:f` is a class", "name a function"),
        ("f = make()", "steps:f", "E303", "`steps:f` is not a plain function", "define it with `def`"),
        (
            "def f(a, /): pass",
            "steps:f",
            "E303",
            "parameter `a` of `steps:f` can't be given by name",
            "the `/`",
        ),
        ("def f(:", "steps:f", "E303", "steps.py:1 can't be parsed", "correct the syntax"),
        ("", "os.path:join", "E303", "`os.path` belongs to Python itself", "a function of the project"),
        ("", "fast:f", "E303", "`fast` is compiled", "a function of the project"),
    ],
)
def test_problems(project: Any, source: str, ref: str, code: str, words: str, hint: str) -> None:
    project.write("pkg/__init__.py")
    project.write("pkg/core.py")
    project.write("fast.so")
    project.write("steps.py", source)
    problem = parameters(project, ref)
    assert isinstance(problem, Problem), problem
    assert problem.code == code
    assert problem.place == PLACE
    assert words in problem.message
    assert hint in problem.hint


def test_a_function_of_an_installed_package(project: Any) -> None:
    project.install("third", "1", ["third/__init__.py", "third/core.py"])
    (project.site / "third" / "__init__.py").write_text("from third.core import f\n")
    (project.site / "third" / "core.py").write_text("def f(a): pass\n")
    found = parameters(project, "third:f")
    assert isinstance(found, Signature), found
    assert found.names == ("a",)


def test_imports_in_a_circle_end(project: Any) -> None:
    project.write("a.py", "from b import f\n")
    project.write("b.py", "from a import f\n")
    assert isinstance(parameters(project, "a:f"), Problem)
