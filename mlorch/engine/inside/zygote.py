"""Forks one process per attempt of a function step, from an interpreter that has imported what it needs.

    python zygote.py SOCKET_FD

One attempt at a time. It never imports a module of the project: each child does that for itself, so that
no old code can run; only what is installed is imported here (`mlorch_preload`). It forks only while it
has a single thread. Messages are JSON behind a 32-bit length, both ways; a request brings the descriptor
of its log along:

    request  {module, function, arguments, root, env, metrics_file, loaded_file, declared, started, preload}
    answer   {unfit: why}: nothing was started
             {started: pid}, from the child; then {ended: {status, cpu_seconds, peak_rss, lingering}} and what
             the child wrote: {error, metrics, modules}, or nothing where it ended before it had
    signal   {signal: number}, to the attempt's group, at any time while it runs

As a subreaper it gets whatever an attempt leaves behind, and ends it. When its client is gone it ends
its attempt and itself. A file of the standard library alone, for any Python from 3.8.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what `signal` wraps in enumerations, which would cost each child 50 copied pages
import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple

import mlorch_call  # type: ignore[import-not-found]
import mlorch_preload  # type: ignore[import-not-found]

SET_CHILD_SUBREAPER = 36
PAUSE = 0.02
"""Seconds between looks at a group that was asked to end and whose leader has gone."""


class Zygote:
    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._number = connection.fileno()
        self._preload = mlorch_preload.Preload()
        self._caller = mlorch_call.Caller()
        self._modules: Sequence[str] = ()
        self._last = (b"", b"[]")
        self._null = os.open(os.devnull, os.O_RDWR)
        self._wake, wake = os.pipe()
        for descriptor in (self._wake, wake):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._silence()

    def serve(self) -> None:
        """Attempt after attempt, until the client closes its end."""
        while True:
            request, log = receive(self._socket)
            if request is None:
                return
            if "module" in request and log >= 0:
                self._attempt(request, log)

    def _attempt(self, request: Dict[str, Any], log: int) -> None:
        if request["preload"] and not self._preload.knows(request["root"], request["module"]):
            os.dup2(log, 1)
            os.dup2(log, 2)
            self._preload.prepare(request["root"], request["module"])
            self._silence()
        unfit = self._preload.unfit()
        if unfit:
            os.close(log)
            send(self._socket, {"unfit": unfit})
            return
        self._caller.prepare(request)
        result = _scratch()
        mlorch_call.mark()
        gc.freeze()
        own = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._child(request, log, result, own)
        os.close(log)
        ended = self._watch(pid)
        document, imported = _read_result(result)
        self._socket.sendall(framed(b'{"ended": %s}' % ended) + framed(document))
        if document:
            self._learn(request, document, imported)

    def _learn(self, request: Dict[str, Any], document: bytes, imported: bytes) -> None:
        """Make ready for the next attempt what this one turned out to use: mostly that is the same again."""
        if document != self._last[0]:
            self._modules = json.loads(document)["modules"]
        self._caller.learn(self._modules)
        if request["preload"] and imported != self._last[1]:
            self._preload.learn(request["root"], json.loads(imported))
        self._last = (document, imported)

    def _child(self, request: Dict[str, Any], log: int, result: int, parent: int) -> None:
        """Never returns. `parent` is the zygote's id."""
        code = 70
        try:
            _signal.set_wakeup_fd(-1)
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)
            mlorch_call.become(parent, log)
            for descriptor in (self._wake, self._null):
                os.close(descriptor)
            os.write(self._number, framed(b'{"started": %d}' % os.getpid()))
            os.close(self._number)
            code = self._caller.run(request, result)
        finally:
            os._exit(code)

    # ----------------------------------------------------------------------------------------------- watching

    def _watch(self, pid: int) -> bytes:
        """Wait for the attempt, pass signals on to its group, and end what it leaves behind."""
        ending = woken = False
        while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if woken:
                self._reap(pid)
            ready, _, _ = select.select([self._number, self._wake], [], [])
            woken = self._wake in ready
            if woken:
                self._clear()
            if self._number in ready:
                ending = self._signalled(pid) or ending
        while ending and _group_lives(
            pid
        ):  # whoever was asked to end has its grace, though the leader has gone
            self._clear()
            if select.select([self._socket], [], [], PAUSE)[0]:
                self._signalled(pid)
        _kill_group(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        cpu = usage.ru_utime + usage.ru_stime
        told = f'{{"status": {status}, "cpu_seconds": {cpu!r}, "peak_rss": {peak}, "lingering": {self._sweep(pid)}}}'
        return told.encode("ascii")

    def _signalled(self, pid: int) -> bool:
        """Take one message while an attempt runs. End of file: the client is gone, and everything ends
        with it."""
        message, extra = receive(self._socket)
        if extra >= 0:
            os.close(extra)
        if message is None:
            _kill_group(pid, signal.SIGKILL)
            self._sweep(pid)
            os._exit(0)
        _kill_group(pid, int(message["signal"]))
        _kill_group(pid, signal.SIGCONT)
        return True

    def _sweep(self, group: int) -> List[int]:
        """End all that is left: every child of ours is an orphan of the attempt. Returns those outside
        its group."""
        outside: List[int] = []
        while True:
            children = _children()
            if not children:
                return outside
            for child in children:
                try:
                    member = os.getpgid(child) == group
                    alive = _state(child) not in ("Z", "")
                    if alive:
                        os.kill(child, signal.SIGKILL)
                    if alive and not member:
                        outside.append(child)
                    os.waitpid(child, 0)
                except OSError:
                    continue

    def _reap(self, pid: int) -> None:
        """Bury orphans that ended by themselves; the attempt's own process stays until accounted for."""
        for child in _children():
            if child != pid:
                try:
                    os.waitpid(child, os.WNOHANG)
                except OSError:
                    continue

    def _clear(self) -> None:
        try:
            while os.read(self._wake, 512):
                pass
        except BlockingIOError:
            pass

    def _silence(self) -> None:
        """Nothing of this process itself belongs into an attempt's log, and it must not hold one open."""
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        for descriptor in (0, 1, 2):
            os.dup2(self._null, descriptor)


def _nothing(number: int, frame: Any) -> None:
    """Handled by the wakeup descriptor; a handler must exist for it to be written to."""


# --------------------------------------------------------------------------------------------------- messages


def send(connection: socket.socket, message: Dict[str, Any]) -> None:
    connection.sendall(framed(json.dumps(message).encode("ascii")))


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def receive(connection: socket.socket) -> Tuple[Optional[Dict[str, Any]], int]:
    """(message, descriptor that came along or -1); (None, -1) at end of file."""
    space = socket.CMSG_SPACE(struct.calcsize("i"))
    try:
        head, ancillary, _, _ = connection.recvmsg(4, space, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
        descriptor = -1
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptor = struct.unpack("i", data[: struct.calcsize("i")])[0]
        head += _exactly(connection, 4 - len(head)) if head else b""
        if len(head) < 4:
            return None, -1
        message: Dict[str, Any] = json.loads(_exactly(connection, struct.unpack(">I", head)[0]))
    except (ConnectionError, EOFError):
        return None, -1
    return message, descriptor


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = connection.recv(min(count, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


# -------------------------------------------------------------------------------------------------- processes


def _scratch() -> int:
    """A nameless file that a child writes its result to: unlike a pipe it never fills up and nothing
    holds it open."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("result")
    import tempfile  # not on Linux; it brings much along, which every fork would pay for

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _read_result(descriptor: int) -> Tuple[bytes, bytes]:
    """What the child wrote: the result, and the names of what it imported; empty where it ended before it had."""
    size = os.fstat(descriptor).st_size
    data = os.pread(descriptor, size, 0)
    while len(data) < size:
        data += os.pread(descriptor, size - len(data), len(data))
    os.close(descriptor)
    document, newline, imported = data.partition(b"\n")
    complete = bool(newline) and imported.endswith(b"]")
    return (document, imported) if complete else (b"", b"")


def _children() -> List[int]:
    try:
        descriptor = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        text = b""
        while True:
            part = os.read(descriptor, 1 << 16)
            if not part:
                return [int(item) for item in text.split()]
            text += part
    finally:
        os.close(descriptor)


def _state(pid: int) -> str:
    """The letter of /proc/PID/stat; empty where there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode("ascii")
    except OSError:
        return ""


def _group_lives(group: int) -> bool:
    """Whether the group has a member that is not just a zombie."""
    if not os.path.isdir("/proc/self"):
        return False
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.getpgid(int(name)) == group and _state(int(name)) not in ("Z", "X", ""):
                    return True
            except OSError:
                continue
    return False


def _kill_group(group: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(group, number)


def main() -> None:
    with contextlib.suppress(OSError, AttributeError):  # elsewhere than on Linux orphans are not followed
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    connection = socket.socket(fileno=int(sys.argv[1]))
    sys.path.pop(0)
    Zygote(connection).serve()


if __name__ == "__main__":
    main()
