"""Code outside site-packages that an interpreter sees: folders named in `.pth` files, and the mapping
files of editable installs, which are read and never executed."""

from __future__ import annotations

import ast
import os
import re
from dataclasses import field
from typing import Dict, List, Mapping, Tuple

from mlorch.errors import unless_blind
from mlorch.plan.code.interpreter import Interpreter
from mlorch.plan.code.unit import UNREADABLE, parse
from mlorch.values import dataclass

_FINDER = re.compile(r"^import\s+(__editable__\w+)")


@dataclass(frozen=True)
class Editable:
    """What is installed as links to sources elsewhere."""

    folders: Tuple[str, ...] = ()
    """Absolute folders that stand on the path after site-packages."""
    modules: Mapping[str, str] = field(default_factory=dict)
    """Top-level module -> absolute path of its folder or file."""


def read_editable(interpreter: Interpreter) -> Editable:
    """What the `.pth` files of an interpreter's site-packages name."""
    folders: List[str] = []
    modules: Dict[str, str] = {}
    for site in interpreter.site_packages:
        for name in _pth_files(site):
            for line in _lines(os.path.join(site, name)):
                finder = _FINDER.match(line)
                if finder:
                    modules.update(_mapping(os.path.join(site, finder.group(1) + ".py")))
                elif line and not line.startswith(("#", "import ", "import\t")):
                    folder = os.path.normpath(os.path.join(site, line))
                    if (
                        os.path.isdir(folder)
                        and folder not in folders
                        and folder not in interpreter.site_packages
                    ):
                        folders.append(folder)
    return Editable(tuple(folders), modules)


def _pth_files(site: str) -> List[str]:
    try:
        return sorted(name for name in os.listdir(site) if name.endswith(".pth"))
    except OSError as error:
        unless_blind(error)
        return []


def _lines(path: str) -> List[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return [line.strip() for line in file]
    except OSError as error:
        unless_blind(error)
        return []


def _mapping(path: str) -> Dict[str, str]:
    """The constant `MAPPING = {"module": "/path"}` (and `NAMESPACES`) of a generated finder."""
    try:
        with open(path, "rb") as file:
            module = parse(file.read())
    except (OSError, *UNREADABLE) as error:
        unless_blind(error)
        return {}
    found: Dict[str, str] = {}
    for statement in module.body:
        if isinstance(statement, ast.AnnAssign):
            names = [statement.target]
        elif isinstance(statement, ast.Assign):
            names = list(statement.targets)  # type: ignore[arg-type]
        else:
            continue
        if statement.value is None or not any(
            isinstance(name, ast.Name) and name.id == "MAPPING" for name in names
        ):
            continue
        try:
            value = ast.literal_eval(statement.value)
        except (ValueError, TypeError):
            continue
        if isinstance(value, dict):
            found.update(
                {key: item for key, item in value.items() if isinstance(key, str) and isinstance(item, str)}
            )
    return found
