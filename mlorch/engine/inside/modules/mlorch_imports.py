"""Import a project's modules as they are now, and note each of them.

Python trusts a `.pyc` whose source has the same size and the same second of modification: an edit within
that second that keeps the size would run the old code. Here a `.pyc` counts only if it was written
clearly after its source.

Modules are noted when they are found, not when the process ends, so that what forks, execs or is killed
is noted too. The report is a file of NUL-terminated records: `mlorch-modules/2`, the project root, when the step
began, how many paths it declares (`-` where nobody asks what it reads) and these paths; then absolute paths of modules,
and with a mark before them paths of files (see `mlorch_reads`), appended by any number of processes. A file of the
standard library alone, for any Python from 3.8.
"""

from __future__ import annotations

import atexit
import os
import sys

TYPE_CHECKING = (
    False  # each Python that a step starts pays for what is imported here; type checkers know this name too
)
if TYPE_CHECKING:
    from importlib.machinery import (
        BYTECODE_SUFFIXES,
        EXTENSION_SUFFIXES,
        SOURCE_SUFFIXES,
        ExtensionFileLoader,
        FileFinder,
        ModuleSpec,
        SourceFileLoader,
        SourcelessFileLoader,
    )
    from importlib.util import cache_from_source
    from typing import Any, Callable, Iterable, Mapping, Optional, Sequence, Set, Tuple
else:  # what `importlib.machinery` and `importlib.util` hand on; they themselves cost 4 ms
    from _frozen_importlib_external import (
        BYTECODE_SUFFIXES,
        EXTENSION_SUFFIXES,
        SOURCE_SUFFIXES,
        ExtensionFileLoader,
        FileFinder,
        SourceFileLoader,
        SourcelessFileLoader,
        cache_from_source,
    )

VERSION = b"mlorch-modules/2"
CLEARLY = 2.0
"""Seconds by which a `.pyc` must be younger than its source, as clocks of file systems are coarse."""


class Project:
    """What counts as a project's own modules: below its root, but not what is installed in an
    environment in there."""

    def __init__(self, root: str) -> None:
        self.roots = tuple(dict.fromkeys([os.path.join(root, ""), os.path.join(os.path.realpath(root), "")]))
        prefixes = {os.path.join(os.path.abspath(item), "") for item in (sys.prefix, sys.base_prefix)}
        # a project below /usr/local is not part of the system's Python in /usr
        self._foreign = tuple(
            item for item in prefixes if not any(root.startswith(item) for root in self.roots)
        )

    def holds(self, path: str) -> bool:
        """Whether an absolute path is one of the project's."""
        whole = path + "/"
        if not whole.startswith(self.roots) or whole.startswith(self._foreign):
            return False
        return "/site-packages/" not in whole and "/dist-packages/" not in whole

    def forget_listings(self) -> None:
        """Have importlib list the project's folders anew: a change within its clock's tick would go unseen."""
        for path in list(sys.path_importer_cache):
            if self.holds(os.path.abspath(path)):
                del sys.path_importer_cache[path]

    def files(self, names: Iterable[str]) -> Sequence[str]:
        """The files of this project behind loaded modules."""
        found = []
        for name in names:
            path = getattr(sys.modules.get(name), "__file__", None)
            if isinstance(path, str) and self.holds(os.path.abspath(path)):
                found.append(os.path.abspath(path))
        return found


class FreshSource(SourceFileLoader):
    """Distrusts a `.pyc` that may be older than an edit which it can't tell from the source that it was
    made of."""

    kept: Mapping[str, Tuple[Sequence[int], Any]] = {}
    """Path -> sign of the source, and its code: what the process that this one was forked from keeps ready."""

    def get_code(self, fullname: str) -> Any:
        sign, code = self.kept.get(self.path, ((), None))
        try:
            if sign and sign_of(os.stat(self.path)) == sign:
                return code
        except OSError:
            pass  # what is wrong shows below
        return super().get_code(fullname)

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        stats = super().path_stats(path)
        try:
            written = os.stat(cache_from_source(path)).st_mtime
        except (OSError, NotImplementedError):
            return stats
        if written < stats["mtime"] + CLEARLY:
            raise OSError("the cached bytecode may be stale")  # importlib then compiles, and writes none
        return stats


def sign_of(found: os.stat_result) -> Sequence[int]:
    """What of a stat can't stay the same when a file changes, but in the tick of a clock."""
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)


class Finder(FileFinder):
    """Finds a project's modules and notes what it found."""

    note: Callable[[str], None]

    def find_spec(self, fullname: str, target: Any = None) -> Optional[ModuleSpec]:
        spec = super().find_spec(fullname, target)
        if spec is not None and spec.has_location and isinstance(spec.origin, str):
            type(self).note(spec.origin)
        return spec


def install(root: str, note: Callable[[str], None]) -> Project:
    """From now on import the modules of the project at `root` afresh, and call `note` with the path of
    each one found."""
    project = Project(root)
    finder: Any = type("ProjectFinder", (Finder,), {"note": staticmethod(note)})
    make = finder.path_hook(
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (FreshSource, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )

    def hook(path: str) -> Any:
        if not project.holds(os.path.abspath(path)):
            raise ImportError("not a folder of the project", path=path)
        return make(path)

    sys.path_hooks.insert(0, hook)
    project.forget_listings()
    return project


class Report:
    """Appends paths to the report file, each once. Never raises: a step must not fail for it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._noted: Set[str] = set()

    def note(self, path: str) -> None:
        path = os.path.abspath(path)
        if path in self._noted:
            return
        self._noted.add(path)
        self.add(path)

    def add(self, record: str) -> None:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(descriptor, os.fsencode(record) + b"\0")
            finally:
                os.close(descriptor)
        except (OSError, ValueError):
            pass


def watch(environ: Mapping[str, str]) -> None:
    """Install for the report that the environment names; nothing where it names none or the file is not
    there."""
    path = environ.get("MLORCH_LOADED")
    if not path:
        return
    try:
        with open(path, "rb") as file:
            records = file.read().split(b"\0")
    except OSError:
        return
    if len(records) < 5 or records[0] != VERSION:
        return
    root = os.fsdecode(records[1])
    report = Report(path)
    project = install(root, report.note)
    if records[3] != b"-":
        import mlorch_reads  # type: ignore[import-not-found]

        declared = [os.fsdecode(item) for item in records[4 : 4 + int(records[3])]]
        mlorch_reads.Reads(project, declared, float(records[2]), report.add).install()
    # Modules that came by another finder (editable installs) are seen only in `sys.modules`.
    atexit.register(_rest, project, report)


def _rest(project: Project, report: Report) -> None:
    for path in project.files(list(sys.modules)):
        report.note(path)
    # The script itself (`__main__` has lost its `__file__` by now): it may be one that no static look finds, started
    # by another program of the step.
    script = os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] else ""
    if script.endswith(".py") and project.holds(script) and os.path.isfile(script):
        report.note(script)
