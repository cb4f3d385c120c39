"""What `doctor` looks at: facts about this machine and this project, each with what to do about it."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import shutil
import sys
import tempfile
from typing import Any, Dict, List, Mapping, Optional

from mlorch import __version__
from mlorch.cli.init import SCHEMA
from mlorch.errors import EnvironmentFault
from mlorch.model import Settings
from mlorch.plan.code import find_interpreter
from mlorch.report.style import bytes_text
from mlorch.spec.schema import schema_path
from mlorch.store.check import REMOTE, mount_kind
from mlorch.store.paths import AREA
from mlorch.values import dataclass

PACKAGES = ("typer", "rich", "PyYAML", "jsonschema", "joblib", "blake3")
FICLONE = 0x40049409
LITTLE_SPACE = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One line: `ok`, `note` or `problem`, what it is about, what was found, what to do."""

    level: str
    subject: str
    text: str
    hint: str = ""


def versions() -> Dict[str, str]:
    """Of mlorch, Python, the system and what mlorch is built on."""
    import sqlite3
    from importlib import metadata

    found = {
        "mlorch": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "executable": sys.executable,
        "system": "{0} {2} {4}".format(*os.uname()),
        "sqlite": sqlite3.sqlite_version,
    }
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def settings_view(settings: Settings) -> List[Dict[str, Any]]:
    """Each setting with its value and where that came from."""
    return [
        {"name": name, "value": _plain(getattr(settings, name)), "origin": origin}
        for name, origin in settings.origins.items()
    ]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def examine(settings: Settings, python: Optional[str], environ: Mapping[str, str]) -> List[Finding]:
    """All findings about a project; `python` is what its pipeline declares.

    Writes scratch files only, in the store or beside where it will be.
    """
    place = nearest(settings.store)
    if not os.access(place, os.W_OK):
        return [
            Finding(
                "problem", "store", f"no permission to write in {place}", "change its owner or [store] path"
            )
        ]
    findings = [look_at_space(place), look_at_file_system(place), look_at_reflinks(place, settings.root)]
    findings += [
        look_at_locks(place),
        look_at_interpreter(settings.root, python, environ),
        look_at_descriptors(),
    ]
    return findings + look_at_schema(settings.root)


def nearest(path: str) -> str:
    """The path, or the nearest folder above it that exists. A `.mlorch` that is a link counts for nothing: it may have
    come with a repository, and `doctor` tries locks there."""
    while not os.path.isdir(path) or (os.path.basename(path) == AREA and os.path.islink(path)):
        path = os.path.dirname(path)
    return path


def look_at_space(place: str) -> Finding:
    usage = shutil.disk_usage(place)
    inodes = os.statvfs(place)
    text = f"{bytes_text(usage.free)} of {bytes_text(usage.total)} free"
    if inodes.f_files and inodes.f_favail < 10000:
        return Finding("problem", "disk", f"only {inodes.f_favail} inodes left at {place}", "see `mlorch gc`")
    if usage.free < LITTLE_SPACE:
        return Finding("problem", "disk", text, "free some: see `mlorch gc`")
    return Finding("ok", "disk", text)


def look_at_file_system(place: str) -> Finding:
    kind = file_system(place)
    if kind in REMOTE:
        hint = "name a folder on a local disk as [store] path in mlorch.toml"
        return Finding("problem", "file system", f"{kind} at {place} may be shared between hosts", hint)
    return Finding("ok", "file system", kind or "unknown kind")


def file_system(place: str) -> Optional[str]:
    """The kind of file system that a folder is on, as Linux names it; None where that can't be told."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
            return mount_kind(os.path.realpath(place), file.read())
    except OSError:
        return None


def look_at_reflinks(place: str, root: str) -> Finding:
    if os.stat(place).st_dev != os.stat(root).st_dev:
        return Finding(
            "note", "links", "the store is on another file system than the project: artifacts are copied"
        )
    if reflinks(place):
        return Finding("ok", "links", "reflink: artifacts in the workspace cost no space")
    return Finding("ok", "links", "no reflink here: artifacts are copied into the workspace")


def reflinks(place: str) -> bool:
    """Whether two files here can share their blocks."""
    with tempfile.TemporaryFile(dir=place) as source, tempfile.TemporaryFile(dir=place) as target:
        source.write(b"x" * 4096)
        source.flush()
        try:
            fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
        except OSError:
            return False
    return True


def look_at_locks(place: str) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "")
        hint = "name a folder on a local disk as [store] path in mlorch.toml"
        return Finding("problem", "locks", f"flock does not work at {place} ({name})", hint)
    return Finding("ok", "locks", "flock works")


def look_at_interpreter(root: str, declared: Optional[str], environ: Mapping[str, str]) -> Finding:
    """The interpreter that `call` and `run: python` would use; `declared` is the pipeline's `python:`."""
    try:
        found = find_interpreter(root, declared, environ)
    except EnvironmentFault as error:
        return Finding("problem", "interpreter", error.message, error.hint)
    return Finding("ok", "interpreter", f"{found.executable} ({found.implementation} {found.version})")


def look_at_descriptors() -> Finding:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < 256:
        return Finding("problem", "open files", f"at most {soft}", "raise it with `ulimit -n 1024`")
    return Finding("ok", "open files", f"at most {soft}" if soft >= 0 else "no limit")


def look_at_schema(root: str) -> List[Finding]:
    """Whether the copy of the schema that editors read is that of this version; nothing where there is none."""
    path = os.path.join(root, SCHEMA)
    if not os.path.isfile(path):
        return []
    with open(path, "rb") as theirs, open(schema_path(), "rb") as ours:
        if theirs.read() == ours.read():
            return [Finding("ok", "schema", f"{SCHEMA} is of this version")]
    hint = f"run `mlorch schema -o {SCHEMA}`"
    return [Finding("note", "schema", f"{SCHEMA}, which editors read, is of another version of mlorch", hint)]
