"""The parameters of a function that a step calls, read from its source without importing it."""

from __future__ import annotations

import ast
import os
from typing import Any, Dict, FrozenSet, List, Optional, Tuple, Union

from mlorch.asking import for_code
from mlorch.errors import did_you_mean, unless_blind
from mlorch.model import FunctionRef, Problem
from mlorch.plan.code.modules import Finder
from mlorch.plan.code.reader import CodeReader
from mlorch.plan.code.unit import UNREADABLE, parse
from mlorch.values import dataclass

_DEPTH = 16
"""Imports that are followed before a function counts as not found."""


@dataclass(frozen=True)
class Signature:
    """What a function takes by name."""

    names: Tuple[str, ...]
    """In the order of the source."""
    defaults: FrozenSet[str] = frozenset()
    """Those that may be left out."""
    variable_positional: bool = False
    variable_keyword: bool = False
    """Whether it takes any further name (`**kwargs`)."""
    path: str = ""
    """Absolute path of the file that defines it."""
    line: int = 0

    @property
    def required(self) -> Tuple[str, ...]:
        return tuple(name for name in self.names if name not in self.defaults)


@for_code
def call_parameters(reader: CodeReader, ref: FunctionRef) -> Union[Signature, Problem]:
    """The signature of `module:function`, or the one problem that stands in the way. Raises
    EnvironmentFault."""
    located, finder = reader.locate(ref.module)
    path = located.files[-1] if located.files and not located.absent else _installed(finder, ref.module)
    if path is None:
        if located.standard:
            return _problem(
                ref,
                "E303",
                f"`{ref.module}` belongs to Python itself",
                "call it from a function of the project",
            )
        return _no_module(reader, ref)
    if not path.endswith(".py"):
        text = f"`{ref.module}` is compiled, so the parameters of `{ref.function}` can't be read"
        return _problem(ref, "E303", text, "call it from a function of the project")
    return _Resolver(reader, finder, ref).resolve(path, ref.function, 0)


def _problem(ref: FunctionRef, code: str, message: str, hint: str) -> Problem:
    return Problem(code, message, ref.place, length=max(len(str(ref)), 1), hint=hint)


def _no_module(reader: CodeReader, ref: FunctionRef) -> Problem:
    expected = "expected {}.py in the project".format(ref.module.replace(".", "/"))
    near = _near_module(reader, ref.module)
    return _problem(
        ref, "E301", f"module `{ref.module}` was not found: {expected}", near or "make it, or correct `call`"
    )


def _near_module(reader: CodeReader, module: str) -> str:
    """A did-you-mean for the first part of a dotted name that leads nowhere."""
    parts = module.split(".")
    folders: Tuple[str, ...] = (reader.root,)
    finder = reader.finder()
    for index, part in enumerate(parts):
        known = [name for name in finder.children(folders) if name.isidentifier() and name != "__init__"]
        if part not in known:
            near = did_you_mean(part, known)
            if near is None:
                return ""
            guess = near[near.index("`") + 1 : near.rindex("`")]
            return "did you mean `{}`?".format(".".join([*parts[:index], guess, *parts[index + 1 :]]))
        folders = tuple(os.path.join(folder, part) for folder in folders)
    return ""


def _installed(finder: Finder, module: str) -> Optional[str]:
    located = finder.absolute(module, (), finder.interpreter.site_packages)
    return located.files[-1] if located.files and not located.absent else None


class _Resolver:
    """Follows a name through assignments and imports to its definition."""

    def __init__(self, reader: CodeReader, finder: Finder, ref: FunctionRef) -> None:
        self._reader = reader
        self._finder = finder
        self._ref = ref

    def resolve(self, path: str, name: str, depth: int) -> Union[Signature, Problem]:
        try:
            with open(path, "rb") as file:
                module = parse(file.read())
        except OSError as error:
            unless_blind(error)
            return self._problem("E303", f"{path} can't be read: {error.strerror}", "make it readable")
        except UNREADABLE as error:
            line = getattr(error, "lineno", None)
            where = "{}{}".format(self._shown(path), f":{line}" if line else "")
            text = f"{where} can't be parsed, so the parameters of `{self._ref.function}` are not known"
            return self._problem("E303", text, "correct the syntax ({})".format(getattr(error, "msg", error)))
        bindings = _bindings(module.body)
        found = bindings.get(name)
        if found is None:
            return self._star(module, path, name, depth) or self._no_function(path, name, bindings)
        return self._bound(found, path, name, depth)

    def _bound(self, found: Any, path: str, name: str, depth: int) -> Union[Signature, Problem]:
        if isinstance(found, ast.FunctionDef):
            return self._signature(found.args, path, found.lineno)
        if isinstance(found, ast.AsyncFunctionDef):
            return self._unusable("an `async` function", "call it from a plain function with `asyncio.run`")
        if isinstance(found, ast.ClassDef):
            return self._unusable("a class", "name a function")
        if isinstance(found, tuple) and depth < _DEPTH:
            return self._imported(found, path, depth)
        if isinstance(found, ast.Lambda):
            return self._signature(found.args, path, found.lineno)
        if isinstance(found, ast.Name) and found.id != name and depth < _DEPTH:
            return self.resolve(path, found.id, depth + 1)
        return self._unusable("not a plain function there", "define it with `def`")

    def _imported(
        self, found: Tuple[ast.ImportFrom, str], path: str, depth: int
    ) -> Union[Signature, Problem]:
        statement, name = found
        for file in self._sources(statement, path):
            result = self.resolve(file, name, depth + 1)
            if isinstance(result, Signature) or result.code != "E302":
                return result
        module = "." * (statement.level or 0) + (statement.module or "")
        text = f"`{self._ref.module}` imports `{name}` from `{module}`, where it was not found"
        return self._problem("E302", text, "correct the import, or name the module that defines it")

    def _star(self, module: ast.Module, path: str, name: str, depth: int) -> Optional[Signature]:
        for statement in module.body:
            if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*" and depth < _DEPTH:
                for file in self._sources(statement, path):
                    result = self.resolve(file, name, depth + 1)
                    if isinstance(result, Signature):
                        return result
        return None

    def _sources(self, statement: ast.ImportFrom, path: str) -> List[str]:
        folder = os.path.dirname(path)
        if statement.level:
            for _ in range(statement.level - 1):
                folder = os.path.dirname(folder)
            located = self._finder.relative(statement.module or "", (), folder)
        else:
            located = self._finder.absolute(statement.module or "", (), (self._reader.root,))
            if not located.files:
                located = self._finder.absolute(
                    statement.module or "", (), self._finder.interpreter.site_packages
                )
        return [file for file in located.files[-1:] if file.endswith(".py")]

    def _signature(self, arguments: ast.arguments, path: str, line: int) -> Union[Signature, Problem]:
        positional = [one.arg for one in arguments.posonlyargs + arguments.args]
        optional = positional[len(positional) - len(arguments.defaults) :]
        keyword = [one.arg for one in arguments.kwonlyargs]
        optional += [name for name, default in zip(keyword, arguments.kw_defaults) if default is not None]
        unnamed = {one.arg for one in arguments.posonlyargs}
        unreachable = [name for name in positional if name in unnamed and name not in optional]
        if unreachable:
            text = f"parameter `{unreachable[0]}` of `{self._ref}` can't be given by name"
            return self._problem("E303", text, "take away the `/` in its parameters")
        return Signature(
            names=tuple(name for name in positional + keyword if name not in unnamed),
            defaults=frozenset(optional) - unnamed,
            variable_positional=arguments.vararg is not None,
            variable_keyword=arguments.kwarg is not None,
            path=path,
            line=line,
        )

    def _no_function(self, path: str, name: str, bindings: Dict[str, Any]) -> Problem:
        functions = [
            known for known, value in bindings.items() if isinstance(value, (ast.FunctionDef, tuple))
        ]
        near = did_you_mean(name, functions)
        text = f"{self._shown(path)} defines no function `{name}`"
        return self._problem("E302", text, near or "define it, or correct `call`")

    def _unusable(self, what: str, hint: str) -> Problem:
        return self._problem("E303", f"`{self._ref}` is {what}", hint)

    def _problem(self, code: str, message: str, hint: str) -> Problem:
        return _problem(self._ref, code, message, hint)

    def _shown(self, path: str) -> str:
        prefix = self._reader.root.rstrip("/") + "/"
        return path[len(prefix) :] if path.startswith(prefix) else path


def _bindings(body: List[ast.stmt]) -> Dict[str, Any]:
    """What names of a module are bound to, the last one winning; inside `if`, `try` and `with` too.

    A function or class is its node, `from m import a as b` is (statement, "a"), an assignment its value.
    """
    found: Dict[str, Any] = {}
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[statement.name] = statement
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                found[alias.asname or alias.name] = (statement, alias.name)
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = statement.value
        elif isinstance(statement, (ast.If, ast.Try, ast.With)):
            inner: List[ast.stmt] = []
            for handler in getattr(statement, "handlers", []):
                inner.extend(handler.body)
            for name in ("orelse", "body", "finalbody"):
                inner.extend(getattr(statement, name, []))
            found.update(_bindings(inner))
    return found
