"""The interpreter that runs a pipeline's Python, read from files and never by running it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import Dict, List, Mapping, Optional, Set, Tuple

from mlorch.errors import EnvironmentFault, unless_blind
from mlorch.values import dataclass

_NAMED = re.compile(r"^(python|pypy)(3\.\d+)$")
_CONDA = re.compile(r"^python-(3\.\d+)\..*\.json$")
_VERSION = re.compile(r"^(\d+\.\d+)")


@dataclass(frozen=True)
class Interpreter:
    """What files tell of an interpreter."""

    executable: str
    """Absolute; symlinks are left as they are, since a virtual environment is told by where its link
    stands."""
    implementation: str
    """`cpython`, `pypy`."""
    version: str
    """Major and minor: `3.11`."""
    site_packages: Tuple[str, ...] = ()
    """Absolute folders, in the order of the search; the base's too where the environment includes them."""
    stdlib: str = ""
    """Absolute folder; empty where the base is gone."""


def find_interpreter(root: str, python: Optional[str], environ: Mapping[str, str]) -> Interpreter:
    """The pipeline's `python` (relative to the root, absolute, or a name on PATH); by default that of
    $VIRTUAL_ENV, else of `.venv` in the root, else the one that runs mlorch. Raises EnvironmentFault."""
    home = environ.get("HOME", "")
    if python:
        return read_interpreter(_named(root, python, environ), home)
    active = environ.get("VIRTUAL_ENV")
    if active:
        return read_interpreter(_in_environment(os.path.join(root, active)), home)
    if os.path.isdir(os.path.join(root, ".venv")):
        return read_interpreter(_in_environment(os.path.join(root, ".venv")), home)
    try:
        return read_interpreter(os.path.abspath(sys.executable), home)
    except EnvironmentFault:
        return _own()


def _named(root: str, python: str, environ: Mapping[str, str]) -> str:
    path = os.path.normpath(os.path.join(root, os.path.expanduser(python)))
    if os.path.isdir(path):
        return _in_environment(path)
    if os.path.isfile(path):
        return path
    on_path = shutil.which(python, path=environ.get("PATH", "")) if "/" not in python else None
    if on_path:
        return os.path.abspath(on_path)
    raise EnvironmentFault(
        f"the interpreter `{python}` is not there",
        hint="make it (`python3 -m venv .venv`), or set `python:` in the pipeline to one that exists",
    )


def _in_environment(folder: str) -> str:
    for name in ("python", "python3"):
        path = os.path.join(folder, "bin", name)
        if os.path.lexists(path):
            return os.path.normpath(path)
    raise EnvironmentFault(
        f"the environment {folder} holds no bin/python",
        hint=f"make it anew (`python3 -m venv {folder}`), or set `python:` in the pipeline",
    )


def read_interpreter(executable: str, home: str = "") -> Interpreter:
    """Read an interpreter's version and folders from its pyvenv.cfg, conda-meta or lib/pythonX.Y.

    `home` is the user's folder, whose own site-packages an interpreter outside any virtual environment sees.
    Raises EnvironmentFault where nothing tells.
    """
    if not os.path.exists(executable):
        raise EnvironmentFault(
            f"the interpreter {executable} is not there, or is a link to one that was removed",
            hint="make the environment anew, or set `python:` in the pipeline to an interpreter that exists",
        )
    prefix = os.path.dirname(os.path.dirname(executable))
    settings = _pyvenv(prefix)
    if settings is not None:
        return _virtual(executable, prefix, settings, home)
    for candidate in (executable, os.path.realpath(executable)):
        found = _base(executable, candidate)
        if found is not None:
            return _with_sites(executable, found, home)
    raise EnvironmentFault(
        f"nothing tells the version of {executable}: no pyvenv.cfg, no conda-meta, no lib/python3.N",
        hint="set `python:` in the pipeline to the interpreter itself, not a wrapper script",
    )


def _pyvenv(prefix: str) -> Optional[Dict[str, str]]:
    try:
        with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
            pairs = [line.partition("=") for line in file]
    except OSError as error:
        unless_blind(error)
        return None
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _virtual(executable: str, prefix: str, settings: Mapping[str, str], home: str) -> Interpreter:
    bin_folder = settings.get("home", "")
    base = next(
        (
            found
            for name in (os.path.basename(executable), "python3", "python", "pypy3")
            for found in [_base(name, os.path.realpath(os.path.join(bin_folder, name)))]
            if bin_folder and found is not None
        ),
        None,
    )
    named = _VERSION.match(settings.get("version_info", "")) or _VERSION.match(settings.get("version", ""))
    own = _libraries(prefix)
    if named:
        version = named.group(1)
    elif base is not None:
        version = base[1]
    elif len(own) == 1:
        version = own[0][1]
    else:
        raise EnvironmentFault(
            "{} names no version".format(os.path.join(prefix, "pyvenv.cfg")),
            hint=f"make the environment anew (`python3 -m venv {prefix}`)",
        )
    implementation = settings.get("implementation", "").lower() or (
        base[0] if base else own[0][0] if own else "cpython"
    )
    names = ("pypy" if implementation == "pypy" else "python") + version
    sites = [os.path.join(prefix, lib, names, "site-packages") for lib in ("lib", "lib64")]
    stdlib = base[2] if base is not None and base[1] == version else ""
    if settings.get("include-system-site-packages", "").lower() == "true" and base is not None:
        sites.extend(_site_folders(base, home))
    return Interpreter(executable, implementation, version, _present(sites), stdlib)


Base = Tuple[str, str, str]
"""Implementation, version, folder of the standard library."""


def _libraries(prefix: str) -> List[Base]:
    found: List[Base] = []
    for lib in ("lib", "lib64"):
        try:
            names = sorted(os.listdir(os.path.join(prefix, lib)))
        except OSError as error:
            unless_blind(error)
            continue
        for name in names:
            match = _NAMED.match(name)
            if match and not any(match.group(2) == other[1] for other in found):
                implementation = "pypy" if match.group(1) == "pypy" else "cpython"
                found.append((implementation, match.group(2), os.path.join(prefix, lib, name)))
    return found


def _base(executable: str, real: str) -> Optional[Base]:
    """Where the standard library of the interpreter at `real` stands, or None where that can't be told."""
    prefix = os.path.dirname(os.path.dirname(real))
    whole = [base for base in _libraries(prefix) if os.path.isfile(os.path.join(base[2], "os.py"))]
    versions = _conda_versions(prefix)
    for name in (os.path.basename(real), os.path.basename(executable)):
        match = _NAMED.match(name)
        if match:
            versions = {match.group(2)}
            break
    fitting = [base for base in whole if not versions or base[1] in versions]
    return fitting[0] if len(fitting) == 1 else None


def _conda_versions(prefix: str) -> Set[str]:
    try:
        names = os.listdir(os.path.join(prefix, "conda-meta"))
    except OSError as error:
        unless_blind(error)
        return set()
    matches = (_CONDA.match(name) for name in names)
    return {match.group(1) for match in matches if match}


def _with_sites(executable: str, base: Base, home: str) -> Interpreter:
    return Interpreter(executable, base[0], base[1], _present(_site_folders(base, home)), base[2])


def _site_folders(base: Base, home: str) -> List[str]:
    implementation, version, stdlib = base
    lib = os.path.dirname(stdlib)
    name = ("pypy" if implementation == "pypy" else "python") + version
    folders = []
    if home:
        folders.append(os.path.join(home, ".local", "lib", name, "site-packages"))
    folders.append(os.path.join(stdlib, "site-packages"))
    # Debian keeps what its packages and its pip install under names of its own
    local = os.path.join(os.path.dirname(lib), "local", "lib", name, "dist-packages")
    return [
        *folders,
        local,
        os.path.join(lib, "python3", "dist-packages"),
        os.path.join(stdlib, "dist-packages"),
    ]


def _present(folders: List[str]) -> Tuple[str, ...]:
    kept: List[str] = []
    seen = set()
    for folder in folders:
        real = os.path.realpath(folder)
        if os.path.isdir(real) and real not in seen:
            seen.add(real)
            kept.append(folder)
    return tuple(kept)


def _own() -> Interpreter:
    import sysconfig  # rarely needed, and slow to import

    paths = sysconfig.get_paths()
    return Interpreter(
        os.path.abspath(sys.executable),
        sys.implementation.name,
        "{}.{}".format(*sys.version_info[:2]),
        _present([paths["purelib"], paths["platlib"]]),
        paths["stdlib"],
    )
