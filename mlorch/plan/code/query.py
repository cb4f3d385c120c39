"""What is asked of the code reader, and what it answers."""

from __future__ import annotations

from dataclasses import field
from typing import FrozenSet, Mapping, Optional, Tuple

from mlorch.model import FunctionRef, Place, Problem
from mlorch.plan.code.interpreter import Interpreter
from mlorch.plan.code.unit import Unit
from mlorch.values import dataclass

NOWHERE = Place("")


@dataclass(frozen=True)
class CodeQuery:
    """One step instance, as far as its code is concerned. Paths are root-relative."""

    call: Optional[FunctionRef] = None
    text: Optional[str] = None
    """`run` as text, with values substituted as shell-quoted words."""
    argv: Optional[Tuple[str, ...]] = None
    """`run` as a list."""
    globs: Tuple[str, ...] = ()
    """`code:`"""
    own_outputs: FrozenSet[str] = frozenset()
    """Declared and staging paths: never code."""
    inputs: FrozenSet[str] = frozenset()
    """Declared input files and folders: never code themselves, but what they import is."""
    created: FrozenSet[str] = frozenset()
    """Files that earlier attempts created: data, unless git tracks them."""
    pythonpath: Tuple[str, ...] = ()
    """The step's declared PYTHONPATH, split; relative entries are relative to the root."""
    place: Place = NOWHERE
    """Where problems are shown."""


@dataclass(frozen=True, eq=False)
class Reach:
    """The code of one query. The same object comes back for every query that has the same code."""

    files: Mapping[str, Unit] = field(default_factory=dict)
    """Root-relative path (absolute for editable installs outside the root) -> what it holds."""
    distributions: Mapping[str, str] = field(default_factory=dict)
    """Name -> version of what is imported from site-packages, and of what that requires."""
    uses_python: bool = False
    """Then the interpreter belongs into the key."""
    interpreter: Optional[Interpreter] = None
    problems: Tuple[Problem, ...] = ()
    warnings: Tuple[str, ...] = ()
    words: Tuple[str, ...] = ()
    """Words of `run` that name existing project files, neither inputs nor own outputs."""
    silent: Tuple[Unit, ...] = ()
    """Code that has a row elsewhere (an input, text of the command) but names functions as well."""
    whole: FrozenSet[str] = frozenset()
    """Files named by `code:`: nobody knows how they are used, so they count whole."""
    hidden: bool = False
    """Something looks names up in ways that the source does not show."""
    entry: Optional[Tuple[str, str]] = None
    """File and function of `call`."""
