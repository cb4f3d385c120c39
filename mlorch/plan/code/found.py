"""What a walk over a syntax tree sees beside the form, and which names hide what they lead to."""

from __future__ import annotations

import re
from dataclasses import field
from typing import List, Set, Tuple

from mlorch.values import dataclass

WORD = re.compile(r"[^\W\d]\w*")

HIDDEN = frozenset(
    [
        "globals",
        "locals",
        "vars",
        "eval",
        "exec",
        "importlib",
        "import_module",
        "runpy",
        "pkgutil",
        "inspect",
        "attrgetter",
        "methodcaller",
        "imp",
        "__dict__",
        "__getattr__",
        "__getattribute__",
        "__import__",
        "__builtins__",
        "__globals__",
        "f_globals",
        "f_locals",
        "_getframe",
    ]
)
"""Names whose use means that code may reach a function which no source names."""
INTROSPECTING = frozenset(
    [
        "fire",
        "jsonargparse",
        "defopt",
        "clize",
        "argh",
        "plac",
        "invoke",
        "doctest",
        "unittest",
        "pytest",
        "nose",
    ]
)
"""Imported, these packages look for functions in the module that uses them."""
HIDDEN_ATTRIBUTES = HIDDEN - frozenset(["globals", "locals", "vars", "eval", "exec", "inspect", "imp"])
"""As attributes: `model.eval()` and `frame.eval("a + b")` are other things."""
HIDDEN_IN_STRINGS = frozenset(name for name in HIDDEN if name.startswith("__"))
OWNED = {
    "sys": frozenset(["modules", "_getframe"]),
    "builtins": frozenset(["globals", "locals", "vars", "eval", "exec", "getattr", "__import__"]),
}
"""Attributes that hide names only on these modules."""


@dataclass(frozen=True)
class Import:
    """`import a.b` is ("a.b", (), 0); `from ..a import b, c` is ("a", ("b", "c"), 2); a star is the name
    `*`."""

    module: str
    names: Tuple[str, ...] = ()
    level: int = 0


@dataclass
class Found:
    """What a walk saw beside the form."""

    names: Set[str] = field(default_factory=set)
    imports: List[Import] = field(default_factory=list)
    docs: List[str] = field(default_factory=list)
    hidden: bool = False
    constant_getattr: Set[int] = field(default_factory=set)
    """Ids of the `getattr` names that are called with a constant."""
