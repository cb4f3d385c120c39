"""Notes files of the project that a process opens for reading though its step does not declare them.

An audit hook sees each `open` (of Python's; what C and Rust libraries open by themselves goes unseen). What is declared
must cost next to nothing, so the hook itself only compares the beginning of the path as it was given; all else happens in
`_look`, once per path. A file that the process itself made, or that was made after the step began, is noted with a mark: it
is nobody's input, unless another step declares it as an output.

A file of the standard library alone, for any Python from 3.8.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as in `mlorch_imports`: each Python that a step starts pays for what is imported here
if TYPE_CHECKING:
    from typing import Any, Callable, Sequence, Set, Tuple

READ = "?"
"""Before the path of a file that was read."""
MADE = "+"
"""Before the path of a file that was read, and that is younger than the step."""
MOST = 50
"""Paths that one process notes."""
MOST_SEEN = 10_000
MOST_FILES = 1_000
"""Declared files that are told one by one; of more, their folders count as declared."""
SLACK = 0.05
"""Seconds by which a new file may look older than it is: file systems keep time in ticks of the kernel."""
OWN_PARTS = (".mlorch", ".mlorch-tmp", ".git", "__pycache__", "site-packages", "dist-packages")
OWN_SUFFIXES = (".dist-info", ".egg-info")
S_IFMT, S_IFREG = 0o170000, 0o100000


def beginnings(roots: Sequence[str], declared: Sequence[str]) -> Tuple[Set[str], Tuple[str, ...]]:
    """(files, beginnings of paths) that need no further look, each as a relative and as an absolute path.

    Args:
        roots: the project's root with a slash at its end, and the real path of it.
        declared: root-relative (or absolute) paths, those of folders with a slash at their end.
    """
    files = [path for path in declared if not path.endswith("/")]
    folders = [path for path in declared if path.endswith("/")]
    if len(files) > MOST_FILES:
        folders += {os.path.dirname(path) + "/" for path in files if "/" in path}
        files = [path for path in files if "/" not in path]
    known = set(files)
    found = list(folders)
    for root in roots:
        known.update(os.path.join(root, path) for path in files)
        found += [os.path.join(root, path) for path in (*folders, ".mlorch/")]
    for prefix in {sys.prefix, sys.base_prefix}:
        library = os.path.join(prefix, "lib", "")
        if not roots[0].startswith(library):
            found.append(library)
    return known, tuple(dict.fromkeys(found))


class Reads:
    """The hook of one process.

    Args:
        project: what belongs to the project (`mlorch_imports.Project`).
        started: when the step began, seconds since the epoch.
        note: takes a mark with a path.
    """

    def __init__(
        self, project: Any, declared: Sequence[str], started: float, note: Callable[[str], None]
    ) -> None:
        self._project = project
        self._roots: Tuple[str, ...] = project.roots
        self._known, self._fine = beginnings(self._roots, declared)
        self._older: Set[str] = set()
        """Files from before the step that were written to without being read: reading them later counts."""
        self._started = started
        self._note = note
        self._noted = 0

    def install(self) -> None:
        """From now on, for the rest of this process's life. It must not raise: what a hook raises, `open` does."""
        if not hasattr(sys, "addaudithook"):  # PyPy has none
            return
        fine, known, look = self._fine, self._known, self._look

        def hook(event: str, args: Tuple[Any, ...]) -> None:
            nonlocal fine
            if event == "open":
                path = args[0]
                try:
                    if path.startswith(fine) or path in known:
                        return
                except Exception:  # it is no text: bytes, a descriptor, a path object
                    pass
                look(path, args[2])
            elif event == "os.chdir":  # relative paths mean something else from now on
                fine = tuple(path for path in fine if path.startswith("/"))
                known.intersection_update([path for path in known if path.startswith("/")])
            elif event == "sqlite3.connect":
                look(args[0], os.O_RDWR)

        sys.addaudithook(hook)

    def _look(self, path: Any, flags: int) -> None:
        """Never raises."""
        try:
            if isinstance(path, int) or len(self._known) > MOST_SEEN:
                return
            path = os.fsdecode(path)
            if path.startswith("/") and not path.startswith(self._roots):
                return
            absolute = os.path.normpath(os.path.join(os.getcwd(), path))
            if (
                absolute in self._known
                or absolute.startswith(self._fine)
                or not self._project.holds(absolute)
            ):
                return
            self._opened(absolute, flags)
        except Exception:  # whatever it is, it is not the step's affair
            return

    def _opened(self, absolute: str, flags: int) -> None:
        if flags & (os.O_TRUNC | os.O_EXCL) or (flags & os.O_CREAT and not os.path.exists(absolute)):
            self._known.add(absolute)  # what is in it will be this process's own
        elif flags & os.O_ACCMODE == os.O_WRONLY:
            if absolute not in self._older and os.stat(absolute).st_ctime < self._started - SLACK:
                self._older.add(absolute)
        else:
            self._known.add(absolute)
            self._candidate(absolute)

    def _candidate(self, absolute: str) -> None:
        parts = absolute.split("/")
        if self._noted >= MOST or any(part in OWN_PARTS or part.endswith(OWN_SUFFIXES) for part in parts):
            return
        found = os.stat(absolute)
        if found.st_mode & S_IFMT != S_IFREG:
            return
        self._noted += 1
        made = found.st_ctime >= self._started - SLACK and absolute not in self._older
        self._note((MADE if made else READ) + absolute)
