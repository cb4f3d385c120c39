"""A small process that forks for each command line, within limits and watched: what `mlorch` does is told as it ends.

Run as a program it reads one JSON request a line and answers one a line; `Victim` is the other end. The child of a
request has at most so many bytes of address space and seconds of processor time, and with `watch` an audit hook notes
each file that it opens for writing, each process that it starts, each socket, each file changed or removed.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

MEMORY = 512 << 20
SECONDS = 30
"""Of processor time; ten times what promise 11 allows, since the machine may be busy."""

CHANGES = {
    "os." + name for name in ("chmod", "chown", "link", "mkdir", "remove", "rename", "rmdir", "symlink")
}
CHANGES |= {"os.truncate", "os.utime", "os.setxattr", "shutil.rmtree", "shutil.move"}
STARTS = {"os." + name for name in ("exec", "fork", "forkpty", "posix_spawn", "spawn", "startfile", "system")}
STARTS |= {"subprocess.Popen", "pty.spawn"}


class Done(NamedTuple):
    """How a command ended: `code` is negative for a signal; `notes` are (event, path or words) pairs of the watch."""

    code: int
    out: str
    err: str
    bytes: int
    """Peak resident set of the child."""
    notes: List[List[str]]

    @property
    def told(self) -> str:
        return self.out + self.err


class Victim:
    """Runs command lines in the folder `cwd`; use it as a context manager."""

    def __init__(self, before: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [*before, sys.executable, "-B", os.path.abspath(__file__)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
            cwd="/",
            env={name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ},
        )

    def __enter__(self) -> Victim:
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()

    def __call__(
        self, *arguments: str, cwd: str, env: Optional[Dict[str, str]] = None, **options: Any
    ) -> Done:
        """Run one command line. Options: `watch`, `memory` and `seconds` (limits), `stdin` (text), `tty`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        request = {"arguments": arguments, "cwd": cwd, "env": env or {}, **options}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the victim died of {arguments}"
        return Done(**json.loads(answer))


# ------------------------------------------------------------------------------------------------- the program


def serve() -> None:
    # what completion and every verb need, so that a request costs a fork; nothing of a project is imported
    import importlib
    import pkgutil

    import jsonschema  # noqa: F401
    import typer._completion_classes  # noqa: F401

    import mlorch

    for found in pkgutil.walk_packages(mlorch.__path__, "mlorch."):
        if not found.name.startswith(
            (
                "mlorch.engine.inside",
                "mlorch.templates",
                "mlorch.__main__",
            )
        ):
            importlib.import_module(found.name)

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in iter(sys.stdin.readline, ""):
        answers.write(json.dumps(_serve_one(json.loads(line))) + "\n")
        answers.flush()


def _serve_one(request: Dict[str, Any]) -> Dict[str, Any]:
    import pty

    tty = request.get("tty", False)
    streams = [pty.openpty() if tty else os.pipe() for _ in range(2)]
    notes_reader, notes_writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        writers = [pair[1] for pair in streams]
        code = 99
        try:
            code = _child(request, writers, notes_writer)
        except BaseException:
            os.write(2, traceback.format_exc()[-4000:].encode("utf-8", "backslashreplace"))
        finally:
            os._exit(code)
    os.close(notes_writer)
    for _, writer in streams:
        os.close(writer)
    readers = [pair[0] for pair in streams]
    texts = _collect([*readers, notes_reader], pid, float(request.get("patience", 120)))
    _, status, usage = os.wait4(pid, 0)
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    notes = [json.loads(line) for line in texts[2].decode().splitlines()]
    shown = [text.decode("utf-8", "surrogateescape") for text in texts[:2]]
    return {"code": code, "out": shown[0], "err": shown[1], "bytes": usage.ru_maxrss * 1024, "notes": notes}


def _collect(readers: List[int], pid: int, patience: float) -> List[bytes]:
    texts = dict.fromkeys(readers, b"")
    left = list(readers)
    deadline = time.monotonic() + patience
    while left:
        ready, _, _ = select.select(left, [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            os.killpg(pid, signal.SIGKILL)
            deadline += patience
        for reader in ready:
            try:
                data = os.read(reader, 1 << 16)
            except OSError:  # a terminal that was closed
                data = b""
            texts[reader] += data
            if not data:
                left.remove(reader)
    for reader in readers:
        os.close(reader)
    return [texts[reader] for reader in readers]


def _child(request: Dict[str, Any], writers: List[int], notes: int) -> int:
    import io

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, descriptor in enumerate(writers, 1):
        os.dup2(descriptor, number)
    for descriptor in range(3, 256):
        if descriptor != notes:
            _close(descriptor)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), "utf-8")
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(2, "w", closefd=False)), "utf-8", line_buffering=True
    )
    os.chdir(request["cwd"])
    os.environ.update(request["env"])
    sys.argv = ["mlorch", *request["arguments"]]
    memory = int(request.get("memory", MEMORY))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seconds = int(request.get("seconds", SECONDS))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    if request.get("watch"):
        sys.addaudithook(_watcher(notes, request["cwd"]))
    else:
        os.close(notes)
    from mlorch.cli import main

    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return


def _watcher(notes: int, root: str) -> Any:
    """Notes what a command that only looks has no business to do; a file is noted as it is named."""
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def tell(event: str, what: str) -> None:
        os.write(notes, json.dumps([event, what]).encode() + b"\n")

    def hook(event: str, arguments: Any) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, (str, bytes)):
                path = os.fsdecode(path)
                tell("write" if flags & writing else "read", os.path.abspath(path))
        elif event in CHANGES:
            tell(event, os.path.abspath(os.fsdecode(arguments[0])))
        elif event in STARTS or event.startswith("socket.") or event == "pickle.find_class":
            tell(event, repr(arguments)[:200])
        elif event == "sqlite3.connect":
            tell(event, os.fsdecode(arguments[0]))
        elif event == "exec":
            name = getattr(arguments[0], "co_filename", "")
            if name.startswith(root):
                tell(event, name)
        elif event == "import":
            found = arguments[1]
            if found and str(found).startswith(root):
                tell(event, str(found))

    return hook


if __name__ == "__main__":
    serve()
