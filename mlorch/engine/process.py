"""Starting and reaping the process of one `run` attempt, in a session of its own."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from mlorch.engine.spawn import Spawner
from mlorch.timing import timed
from mlorch.values import dataclass

REFUSED = (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EROFS, errno.EIO)
"""Errors by which the machine refuses to start anything."""
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_DEFAULT_SIGNALS = sorted(signal.valid_signals().difference((signal.SIGKILL, signal.SIGSTOP)))
"""Python ignores SIGPIPE, and cron or nohup others: a step starts with none ignored. (All are named: the C library asks about
each that is not.)"""


class SpawnError(Exception):
    """An attempt could not be started: a sentence, and the exit code that a shell would give."""

    def __init__(self, message: str, exit_code: int, environment: bool = False) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.environment = environment
        """Whether the machine refused, and not what was to be started."""


@dataclass(frozen=True)
class Usage:
    """How a process ended and what it took."""

    signalled: bool
    code: int
    """The exit code; 128 + n for signal n."""
    cpu_seconds: float
    peak_rss: int
    """Bytes; 0 where it stayed below this process's own peak, which the kernel counts in for it."""


class Starter:
    """Starts processes that inherit stdin from /dev/null, their output, and held locks: nothing else."""

    def __init__(self) -> None:
        self._null = above_standard(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))
        self._strangers = _inheritable()
        self._can_spawn = hasattr(os, "posix_spawn")
        self._spawner = Spawner(_DEFAULT_SIGNALS)
        self._inherited: Set[int] = set()
        self._shells: Dict[Tuple[str, str], str] = {}
        self._here = ""

    def close(self) -> None:
        os.close(self._null)

    @timed("spawn")
    def start(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: str, output: int, keep: Sequence[int]
    ) -> int:
        """Start one attempt's process; returns its id, which is that of its group and session too.

        Args:
            output: descriptor that becomes stdout and stderr.
            keep: descriptors of locks that it inherits.

        Raises:
            SpawnError: not found, not executable, too long, no more processes …
        """
        try:
            program = self._find(argv[0], env, cwd)
            if self._can_spawn and self._is_here(cwd):
                try:
                    return self._spawn(program, argv, env, [(self._null, 0), (output, 1), (output, 2)], keep)
                except NotImplementedError:  # a C library without POSIX_SPAWN_SETSID
                    self._can_spawn = False
            return _popen(program, argv, env, cwd, (self._null, output, tuple(keep)))
        except OSError as error:
            raise _told(argv[0], error) from None
        except (ValueError, UnicodeEncodeError) as error:
            raise SpawnError(f"`{_shown(argv[0])}` could not be started: {error}", 126) from None

    def _find(self, name: str, env: Mapping[str, str], cwd: str) -> str:
        """As `find_program`; the shells that scripts are given to are looked for once."""
        if name not in ("sh", "bash"):
            return find_program(name, env, cwd)
        place = (name, env.get("PATH", ""))
        if place not in self._shells:
            self._shells[place] = find_program(name, env, cwd)
        return self._shells[place]

    def _is_here(self, cwd: str) -> bool:
        """Whether this process, which never moves, stands in a folder."""
        if cwd != self._here and _is_here(cwd):
            self._here = cwd
        return cwd == self._here

    def helper(self, argv: Sequence[str], stdin: int, shared: int) -> int:
        """Start a helper of ours with no environment: `stdin`, `shared` as descriptor 3, no output.
        Raises OSError."""
        env = {"PATH": DEFAULT_PATH}
        wiring = [(shared, 3), (stdin, 0), (self._null, 1), (self._null, 2)]
        if self._can_spawn and stdin > 3 and shared > 3:
            try:
                return self._spawn(argv[0], argv, env, wiring, (3,))
            except NotImplementedError:
                self._can_spawn = False
        import subprocess  # only where posix_spawn can't serve

        argv = [*argv[:-1], str(shared)]
        process = subprocess.Popen(
            argv,
            env=env,
            stdin=stdin,
            stdout=self._null,
            stderr=self._null,
            pass_fds=[shared],
            start_new_session=True,
        )
        process.returncode = 0  # reaped by its owner, by id
        return process.pid

    def _spawn(
        self,
        program: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        wiring: Sequence[Tuple[int, int]],
        keep: Sequence[int],
    ) -> int:
        closed = [fd for fd in self._strangers if fd not in keep]
        for descriptor in keep:
            if descriptor > 3 and descriptor not in self._inherited:
                os.set_inheritable(descriptor, True)
                self._inherited.add(descriptor)
        if self._spawner.available:
            return self._spawner.spawn(program, argv, env, wiring, closed)
        actions: List[Tuple[Any, ...]] = [(os.POSIX_SPAWN_DUP2, there, here) for there, here in wiring]
        actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in closed]
        return os.posix_spawn(
            program,
            list(argv),
            dict(env),
            file_actions=actions,
            setsid=True,
            setsigmask=[],
            setsigdef=_DEFAULT_SIGNALS,
        )


def _popen(
    program: str,
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: str,
    wiring: Tuple[int, int, Tuple[int, ...]],
) -> int:
    import subprocess  # only where mlorch does not itself stand in the project's root

    null, output, keep = wiring
    process = subprocess.Popen(
        list(argv),
        executable=program,
        env=dict(env),
        cwd=cwd,
        stdin=null,
        stdout=output,
        stderr=output,
        pass_fds=keep,
        start_new_session=True,
    )
    process.returncode = 0  # reaped by its owner, by id
    return process.pid


def is_refusal(error: BaseException) -> bool:
    """Whether the machine refused to start something: no more processes, threads, descriptors or memory."""
    if isinstance(error, OSError):
        return error.errno in REFUSED
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "new thread" in str(error))


def wait(pid: int) -> None:
    """Block until a process has ended, leaving it to `reap`: until then its number can't come again."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def reap(pid: int) -> Usage:
    """Bury an ended process, after the rest of its group was killed."""
    kill_group(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    try:
        while True:  # the group's orphans, that came to us as to a subreaper; they have just been killed
            os.waitpid(-pid, 0)
    except ChildProcessError:
        pass
    return usage_of(status, usage.ru_utime + usage.ru_stime, _peak(usage.ru_maxrss))


def usage_of(status: int, cpu_seconds: float, peak_rss: int) -> Usage:
    if os.WIFSIGNALED(status):
        return Usage(True, 128 + os.WTERMSIG(status), cpu_seconds, peak_rss)
    return Usage(False, os.WEXITSTATUS(status), cpu_seconds, peak_rss)


def _peak(measured: int) -> int:
    import resource  # not on every platform

    if measured <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
        return 0
    return measured if sys.platform == "darwin" else measured * 1024


def kill_group(group: int, number: int) -> None:
    """Signal a group; that it has gone is no error."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def end_group(group: int, number: int) -> None:
    """Ask a group to end, one that is stopped too."""
    kill_group(group, number)
    if number != signal.SIGKILL:
        kill_group(group, signal.SIGCONT)


def above_standard(descriptor: int) -> int:
    """The same open file as a descriptor above 3, where this process was started without some of the
    first ones."""
    if descriptor > 3:
        return descriptor
    import fcntl

    other = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return other


def open_log(path: str) -> int:
    """A log to append to. Raises OSError."""
    return above_standard(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644))


# ---------------------------------------------------------------------------------------------------- finding


def find_program(name: str, env: Mapping[str, str], cwd: str) -> str:
    """The file behind the first word of a command, by the PATH that the step itself will have. Raises
    SpawnError."""
    if "/" in name:
        return name
    if not name:
        raise SpawnError("the command is empty", 127)
    places = [_place(folder, name, cwd) for folder in env.get("PATH", DEFAULT_PATH).split(os.pathsep)]
    for path in places:
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    for path in places:
        if os.path.isfile(path):
            raise SpawnError(f"`{_shown(name)}` is not executable: chmod +x {_shown(path)}", 126)
    raise SpawnError(f"command `{_shown(name)}` was not found in PATH", 127)


def _place(folder: str, name: str, cwd: str) -> str:
    return folder + "/" + name if folder.startswith("/") else os.path.join(cwd, folder, name)


def _told(name: str, error: OSError) -> SpawnError:
    shown = _shown(name)
    if error.errno == errno.ENOENT:
        if os.path.exists(name):
            return SpawnError(f"`{shown}` names an interpreter in its first line that does not exist", 126)
        return SpawnError(f"`{shown}` was not found", 127)
    meanings: Dict[int, str] = {
        errno.EACCES: "it is not executable: chmod +x it",
        errno.ENOEXEC: "it is neither a program nor begins with `#!`",
        errno.E2BIG: "its arguments and environment are too long for the system: pass them in a file",
    }
    code: Optional[int] = error.errno
    meaning = meanings.get(code or 0, os.strerror(code).lower() if code else str(error))
    return SpawnError(f"`{shown}` could not be started: {meaning}", 126, code in REFUSED)


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_here(cwd: str) -> bool:
    """Whether this process stands in a folder: posix_spawn can't change it."""
    try:
        return os.path.samestat(os.stat("."), os.stat(cwd))
    except OSError:
        return False


def _inheritable() -> Tuple[int, ...]:
    """Descriptors that this process itself inherited and would pass on."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            names = [int(name) for name in os.listdir(folder) if name.isdigit()]
        except OSError:
            continue
        found = []
        for descriptor in names:
            try:
                if descriptor > 2 and os.get_inheritable(descriptor):
                    found.append(descriptor)
            except OSError:
                continue
        return tuple(found)
    return ()
