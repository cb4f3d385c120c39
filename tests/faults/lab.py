"""A warm process that forks the real command line, so that thousands of faults take minutes.

It has imported all of mlorch and has one thread; each command is a fork of it in a session of its own, with a
fault armed, limits set, or another user's rights. Only Linux has all that is needed.
"""

from __future__ import annotations

import codecs
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import resource
import select
import signal
import sys
import time
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

DEADLINE = 90.0
"""Seconds that any command may take on a loaded machine before it counts as hung."""
NOBODY = 65534


def warm_up() -> None:
    """Import what any command may need, so that a fork need not."""
    import mlorch

    for module in pkgutil.walk_packages(mlorch.__path__, "mlorch."):
        if ".inside" not in module.name and ".templates" not in module.name and "__main__" not in module.name:
            importlib.import_module(module.name)
    for name in (
        "sqlite3",
        "joblib",
        "jsonschema",
        "urllib.parse",
        "multiprocessing.pool",
        "uuid",
        "getpass",
    ):
        importlib.import_module(name)
    for name in (
        "ascii",
        "latin-1",
        "utf-8-sig",
        "utf-16",
        "idna",
    ):  # another user may not get at their files
        codecs.lookup(name)
    gc.collect()
    gc.freeze()


def warm_up_more(lab: Lab) -> None:
    """Import what a real run imports late: so faults strike the run, and a user without access to it can do without."""
    listing = os.path.join(lab.root, "modules")
    with open(os.path.join(lab.root, "mlorch.yaml"), "w", encoding="utf-8") as file:
        file.write(
            'version: 1\nname: warm\nsteps: {a: {run: "echo a > ${{ outputs.o }}", outputs: {o: a.txt}}}\n'
        )
    ended = lab.run("run", "--json", setup=Setup(modules=listing))
    assert ended.code == 0, ended
    with open(listing, encoding="utf-8") as file:
        for name in file.read().split():
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


@dataclass(frozen=True)
class Ended:
    """How a command ended; a negative code is a signal."""

    code: int
    out: str
    err: str

    def document(self) -> Any:
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out[-3000:]}\n--- stderr\n{self.err[-3000:]}"


@dataclass(frozen=True)
class Setup:
    """What is different about a command: done in the forked process before it begins."""

    fault: str = ""
    """As in MLORCH_FAULT."""
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Sequence[Tuple[int, int]] = ()
    """(RLIMIT_…, value)"""
    user: int = 0
    """A user id to become; 0 stays who we are."""
    hold: bool = False
    """Wait for `Child.go` before anything is done, so that a tracer can attach."""
    count: str = ""
    """A file that gets the names of the fault points in the order of their visits."""
    modules: str = ""
    """A file that gets the names of all modules that were loaded at the end."""


class Child:
    """A command under way."""

    def __init__(self, pid: int, out: str, gate: Optional[int]) -> None:
        self.pid = pid
        self._out = out
        self._gate = gate
        self._ended: Optional[Ended] = None

    def go(self) -> None:
        assert self._gate is not None
        os.write(self._gate, b"g")
        os.close(self._gate)

    def lives(self) -> bool:
        return (
            self._ended is None
            and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        )

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self._ended is None:  # not reaped yet: the number is still its own
            os.kill(self.pid, number)

    def wait(self, seconds: float = DEADLINE) -> Ended:
        """Its end. A command that hangs is killed and fails the test."""
        if self._ended is None:
            hung = not _wait_until(lambda: not self.lives(), seconds)
            if hung:
                stacks = _stack(self.pid)
                os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            self._ended = Ended(code, _text(self._out + ".out"), _text(self._out + ".err"))
            assert not hung, f"it hung for {seconds} s: {stacks}\n{self._ended}"
        return self._ended


class Lab:
    """Starts commands in a project's root.

    Args:
        root: the project.
        notes: a folder outside it for what the commands print.
        user: whose rights they have; 0 for our own.
    """

    def __init__(self, root: str, notes: str, user: int = 0) -> None:
        self.root = root
        self._notes = notes
        self._user = user
        self._count = 0

    def start(self, *argv: str, setup: Optional[Setup] = None) -> Child:
        setup = setup or Setup()
        user = setup.user or self._user
        self._count += 1
        out = os.path.join(self._notes, str(self._count % 64))
        reading, writing = os.pipe() if setup.hold else (-1, -1)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            _become(self.root, out, replace(setup, user=user), argv, (reading, writing))
        if setup.hold:
            os.close(reading)
        return Child(pid, out, writing if setup.hold else None)

    def run(self, *argv: str, setup: Optional[Setup] = None) -> Ended:
        return self.start(*argv, setup=setup).wait()


def _become(root: str, out: str, setup: Setup, argv: Sequence[str], gate: Tuple[int, int]) -> None:
    """The forked process: never returns."""
    code = 70
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        for descriptor, suffix in ((1, ".out"), (2, ".err")):
            os.dup2(
                os.open(out + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666), descriptor
            )
        os.closerange(3, 3 if setup.hold else 256)
        if setup.hold:
            os.close(gate[1])
            os.read(gate[0], 1)
            os.closerange(3, 256)
        os.chdir(root)
        os.environ.update(setup.env)
        sys.argv = ["mlorch", *argv]
        if setup.user:
            os.setgroups([])
            os.setgid(setup.user)
            os.setuid(setup.user)
        for name, value in setup.limits:
            resource.setrlimit(name, (value, value))
        _arm(setup)
        from mlorch.cli import main

        code = main(argv)
        if setup.modules:
            with open(setup.modules, "w", encoding="utf-8") as file:
                file.write("\n".join(sys.modules))
        sys.stdout.flush()
        sys.stderr.flush()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 70
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _arm(setup: Setup) -> None:
    from mlorch.store import faults

    if setup.count:
        listing = os.open(setup.count, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        faults.watch(lambda name: os.write(listing, name.encode() + b"\n"))
    else:
        faults.arm(setup.fault)


# ------------------------------------------------------------------------------------------------- processes


def processes_of(root: str) -> Dict[int, str]:
    """Processes (but this one) that work in a folder or carry its path in their environment."""
    needle = os.fsencode(root) + b"/"
    found: Dict[int, str] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            here = os.readlink(f"/proc/{name}/cwd")
            carried = here == root or here.startswith(root + "/")
            if not carried:
                with open(f"/proc/{name}/environ", "rb") as file:
                    carried = needle in file.read()
            if carried:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    found[int(name)] = file.read().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
    return {pid: command for pid, command in found.items() if _state(pid) not in ("Z", "")}


def children_of(pid: int) -> List[int]:
    """Direct children of a process, of any of its threads."""
    found = []
    for thread in _list(f"/proc/{pid}/task"):
        found += [int(item) for item in _text(f"/proc/{pid}/task/{thread}/children").split()]
    return found


def descendants_of(pid: int) -> List[int]:
    found: List[int] = []
    waiting = [pid]
    while waiting:
        for child in children_of(waiting.pop()):
            found.append(child)
            waiting.append(child)
    return found


def command_of(pid: int) -> str:
    return _text(f"/proc/{pid}/cmdline").replace("\0", " ")


def kill_quietly(pid: int, number: int = signal.SIGKILL) -> bool:
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    assert _wait_until(condition, seconds), "waited in vain for " + what


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    pause = 0.0005
    while not condition():
        if time.monotonic() > end:
            return False
        sleep(pause)
        pause = min(pause * 1.5, 0.02)
    return True


def _state(pid: int) -> str:
    """The letter of its state; empty where it is gone."""
    return (_text(f"/proc/{pid}/stat").rpartition(")")[2].split() or [""])[0]


def _stack(pid: int) -> str:
    tree = [pid, *descendants_of(pid)]
    return "; ".join(
        f"{item} {_state(item)} {command_of(item)} {_text(f'/proc/{item}/wchan')}" for item in tree
    )


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _list(path: str) -> List[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def environment_of(pid: int) -> str:
    return _text(f"/proc/{pid}/environ")


def sleep(seconds: float) -> None:
    """Not by `time.sleep`, which libfaketime breaks."""
    select.select([], [], [], max(0.0, seconds))
