"""What is installed for an interpreter: which distribution an import belongs to, its version, and what it
requires.

Read from the metadata in site-packages; nothing is imported.
"""

from __future__ import annotations

import json
import os
import re
from typing import Dict, FrozenSet, Iterable, List, Mapping, Optional, Set, Tuple

from mlorch.errors import unless_blind
from mlorch.plan.code.interpreter import Interpreter
from mlorch.plan.code.markers import Requirement, holds, marker_values, normal_name, read_requirement
from mlorch.values import dataclass

_RECORDED = re.compile(r'(?m)^"?([^/,"\r\n]+)([/,])')
_FOLDER = re.compile(r"^(.+?)-([^-]+?)(?:-py\d[\d.]*.*)?\.(dist-info|egg-info)$")


@dataclass(frozen=True)
class Metadata:
    """What one distribution says of itself."""

    name: str
    version: str
    requires: Tuple[Requirement, ...]


class Distributions:
    """The distributions of one interpreter, read when first asked for."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._sites = interpreter.site_packages
        self._values = marker_values(interpreter.version, interpreter.implementation)
        self._folders: Optional[Dict[str, str]] = None
        self._owners: Optional[Dict[str, List[str]]] = None
        self._metadata: Dict[str, Optional[Metadata]] = {}

    def owners(self, module: str) -> FrozenSet[str]:
        """Normalised names of the distributions that bring a module (`google.cloud.storage`); none for a
        stray file."""
        if self._owners is None:
            self._owners = self._index()
        top, _, rest = module.partition(".")
        names = self._owners.get(top, [])
        if len(names) > 1 and rest:
            names = self._nearest(names, module)
        return frozenset(names)

    def closure(self, modules: Iterable[str]) -> Mapping[str, str]:
        """Name -> version of the distributions that bring these modules, and of all that they require."""
        versions: Dict[str, str] = {}
        queue: List[Tuple[str, FrozenSet[str]]] = []
        for module in sorted(set(modules)):
            queue.extend((name, frozenset()) for name in sorted(self.owners(module)))
        seen: Set[Tuple[str, FrozenSet[str]]] = set()
        while queue:
            name, extras = queue.pop()
            metadata = None if (name, extras) in seen else self.metadata(name)
            seen.add((name, extras))
            if metadata is None:
                continue
            if not self.editable_source(
                name
            ):  # its code counts instead, and its version may change with each commit
                versions[metadata.name] = metadata.version
            for needed in metadata.requires:
                if holds(needed.marker, self._values, extras):
                    queue.append((needed.name, needed.extras))
        return versions

    def metadata(self, name: str) -> Optional[Metadata]:
        """Of a distribution by its normalised name; None where it is not installed."""
        if name not in self._metadata:
            folder = self._installed().get(name)
            self._metadata[name] = _read_metadata(folder) if folder else None
        return self._metadata[name]

    def editable_source(self, name: str) -> str:
        """The folder behind an editable install, from its `direct_url.json`; empty for any other."""
        folder = self._installed().get(name)
        if not folder:
            return ""
        from urllib.parse import unquote, urlsplit

        try:
            document = json.loads(_text(os.path.join(folder, "direct_url.json")) or "{}")
            editable = document.get("dir_info", {}).get("editable")
            parts = urlsplit(document.get("url", ""))
        except (ValueError, AttributeError):
            return ""
        return unquote(parts.path) if editable and parts.scheme == "file" else ""

    def editable_sources(self) -> Tuple[str, ...]:
        """The folders behind all editable installs."""
        found = (self.editable_source(name) for name in sorted(self._installed()))
        return tuple(folder for folder in found if folder)

    def _installed(self) -> Mapping[str, str]:
        """Normalised name -> metadata folder; where two sites have one name, the first is what Python
        sees."""
        if self._folders is None:
            self._folders = {}
            for site in self._sites:
                for entry in _names(site):
                    match = _FOLDER.match(entry)
                    if match:
                        self._folders.setdefault(normal_name(match.group(1)), os.path.join(site, entry))
        return self._folders

    def _index(self) -> Dict[str, List[str]]:
        owners: Dict[str, List[str]] = {}
        for name, folder in self._installed().items():
            for top in _top_level(folder, name):
                owners.setdefault(top, []).append(name)
        return owners

    def _nearest(self, names: List[str], module: str) -> List[str]:
        """Of several distributions that share a namespace, those that hold the longest part of the
        module's path."""
        parts = module.split(".")
        for length in range(len(parts), 1, -1):
            prefix = "/".join(parts[:length])
            marks = (f"\n{prefix}/", f"\n{prefix}.")
            near = [name for name in names if any(mark in "\n" + self._files(name) for mark in marks)]
            if near:
                return near
        return names

    def _files(self, name: str) -> str:
        folder = self._installed()[name]
        return _text(os.path.join(folder, "RECORD")) or _text(os.path.join(folder, "SOURCES.txt"))


def _top_level(folder: str, name: str) -> Set[str]:
    found = {
        line.strip() for line in _text(os.path.join(folder, "top_level.txt")).splitlines() if line.strip()
    }
    for first, after in _RECORDED.findall(_text(os.path.join(folder, "RECORD"))):
        if after == ",":
            first = first.partition(".")[0]
        if first.isidentifier() and first != "__pycache__":
            found.add(first)
    if not found:
        found.add(name.replace("-", "_"))
    return {top.replace("/", ".") for top in found}


def _read_metadata(folder: str) -> Metadata:
    """The head of METADATA (or PKG-INFO, or a single egg-info file); the folder's own name where there is
    none."""
    match = _FOLDER.match(os.path.basename(folder))
    name, version = (normal_name(match.group(1)), match.group(2)) if match else (os.path.basename(folder), "")
    requires: List[Requirement] = []
    for line in _head(folder).splitlines():
        key, _, value = line.partition(":")
        if key == "Name":
            name = normal_name(value.strip())
        elif key == "Version":
            version = value.strip()
        elif key == "Requires-Dist":
            needed = read_requirement(value)
            if needed is not None:
                requires.append(needed)
    if folder.endswith(".egg-info"):
        requires.extend(_egg_requires(_text(os.path.join(folder, "requires.txt"))))
    return Metadata(name, version, tuple(requires))


def _head(folder: str) -> str:
    if os.path.isfile(folder):
        text = _text(folder)
    else:
        text = _text(os.path.join(folder, "METADATA")) or _text(os.path.join(folder, "PKG-INFO"))
    return text.replace("\r\n", "\n").partition("\n\n")[0]


def _egg_requires(text: str) -> List[Requirement]:
    """The lines of requires.txt before the first section: what follows are extras and markers."""
    lines = text.partition("\n[")[0].splitlines() if not text.startswith("[") else []
    return [needed for line in lines for needed in [read_requirement(line)] if needed is not None]


def _names(folder: str) -> List[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        unless_blind(error)
        return []


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        unless_blind(error)
        return ""
