"""The client's side of zygotes: function steps run in processes forked from an interpreter that is warm
already."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections import OrderedDict
from dataclasses import field, replace
from typing import Any, Dict, Mapping, Tuple

from mlorch.engine.control import Control
from mlorch.engine.guardian import Guardian
from mlorch.engine.process import SpawnError, is_refusal, kill_group, usage_of
from mlorch.model import Attempt, Ended
from mlorch.values import dataclass

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside", "zygote.py")
MOST = 2
"""Zygotes that an agent keeps; each holds the memory of what it imported."""
_OF_THE_ATTEMPT = ("MLORCH_STEP", "MLORCH_ATTEMPT", "MLORCH_CONTEXT")


class GoneError(Exception):
    """The zygote ended. `started` tells whether the attempt may have begun."""

    def __init__(self, started: bool) -> None:
        super().__init__("the zygote ended")
        self.started = started


class UnfitError(Exception):
    """The zygote must not fork: `threads`, `foreign` or `packages`."""


@dataclass(frozen=True)
class Kind:
    """What a zygote belongs to: an interpreter, an environment (gpus and thread limits in it), a folder,
    held locks."""

    python: str
    env: Tuple[Tuple[str, str], ...]
    cwd: str
    lock_fds: Tuple[int, ...]

    @classmethod
    def of(cls, attempt: Attempt) -> Kind:
        env = tuple(sorted(item for item in attempt.env.items() if item[0] not in _OF_THE_ATTEMPT))
        return cls(attempt.python, env, attempt.cwd, attempt.lock_fds)


@dataclass
class Zygotes:
    """The zygotes of one agent, the latest used ones. Not thread-safe: one attempt at a time."""

    guardian: Guardian
    _kept: OrderedDict[Kind, Zygote] = field(default_factory=OrderedDict)
    _bare: Dict[Kind, bool] = field(default_factory=dict)

    def run(self, attempt: Attempt, log: int, control: Control) -> Ended:
        """Run a function attempt to its end; the log's descriptor stays the caller's.

        Raises:
            SpawnError: its interpreter could not be started.
        """
        kind = Kind.of(attempt)
        for _ in range(3):
            if control.cause:
                break
            zygote = self._zygote(kind, log)
            try:
                return zygote.run(attempt, log, control, preload=not self._bare.get(kind, False))
            except UnfitError as unfit:
                self._drop(kind)
                self._bare[kind] = str(unfit) != "packages"
            except GoneError as gone:
                self._drop(kind)
                if gone.started:
                    return _host_died(attempt, control)
                self._bare[kind] = True  # perhaps something that it imported made it crash
        if control.cause:
            return Ended(control.cause, exit_code=128 + signal.SIGTERM)
        raise SpawnError(f"`{attempt.python}` could not be started as Python 3.8 or later; see the log", 126)

    def close(self) -> None:
        for kind in list(self._kept):
            self._drop(kind)

    def _zygote(self, kind: Kind, log: int) -> Zygote:
        zygote = self._kept.get(kind)
        if zygote is None:
            while len(self._kept) >= MOST:
                self._drop(next(iter(self._kept)))
            zygote = self._kept[kind] = Zygote(kind, log, self.guardian)
        self._kept.move_to_end(kind)
        return zygote

    def _drop(self, kind: Kind) -> None:
        zygote = self._kept.pop(kind, None)
        if zygote is not None:
            zygote.close()


class Zygote:
    """One zygote process and the connection to it. What it prints before it is ready goes to `log`."""

    def __init__(self, kind: Kind, log: int, guardian: Guardian) -> None:
        self._guardian = guardian
        self._socket, theirs = socket.socketpair()
        self._send_lock = threading.Lock()
        self._received = bytearray()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [kind.python, SCRIPT, str(theirs.fileno())],
                    env=dict(kind.env),
                    cwd=kind.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs.fileno(), *kind.lock_fds),
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                self._socket.close()
                message = f"python `{kind.python}` could not be started: {error}"
                raise SpawnError(message, 127, is_refusal(error)) from None
        self._slot = guardian.hold(self._process.pid)

    def run(self, attempt: Attempt, log: int, control: Control, preload: bool) -> Ended:
        """Raises GoneError, UnfitError."""
        self._request(attempt, log, preload)
        control.attach(self._end_unstarted)
        answer = self._answer(started=False)
        if "unfit" in answer:
            raise UnfitError(answer["unfit"])
        if "started" not in answer:  # it ended before it could say so
            control.detach()
            return self._ended(answer["ended"], self._result(), control)
        group = int(answer["started"])
        slot = self._guardian.hold(group)
        control.attach(lambda number: self._signal(number))
        try:
            answer = self._answer(started=True)
            result = self._result()
        except GoneError:
            kill_group(group, signal.SIGKILL)
            raise
        finally:
            control.detach()
            self._guardian.drop(slot)
        return self._ended(answer["ended"], result, control)

    def close(self) -> None:
        """End it: at end of file it ends what it runs, and itself."""
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # busy in an import
            self._process.wait(timeout=2.0)
        self._guardian.drop(self._slot)
        kill_group(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _request(self, attempt: Attempt, log: int, preload: bool) -> None:
        assert attempt.function is not None
        document = {
            "module": attempt.function.module,
            "function": attempt.function.function,
            "arguments": dict(attempt.function.arguments),
            "root": attempt.cwd,
            "env": {name: attempt.env[name] for name in _OF_THE_ATTEMPT if name in attempt.env},
            "metrics_file": attempt.metrics_file,
            "loaded_file": attempt.loaded_file,
            "declared": attempt.declared,
            "started": time.time(),
            "preload": preload,
        }
        data = json.dumps(document).encode("ascii")
        data = struct.pack(">I", len(data)) + data
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", log))]
        try:
            with self._send_lock:
                sent = self._socket.sendmsg([data], rights)
                if sent < len(data):
                    self._socket.sendall(data[sent:])
        except OSError:
            raise GoneError(started=False) from None

    def _signal(self, number: int) -> None:
        data = json.dumps({"signal": int(number)}).encode("ascii")
        with self._send_lock, contextlib.suppress(OSError):
            self._socket.sendall(struct.pack(">I", len(data)) + data)

    def _end_unstarted(self, _: int) -> None:
        """Nothing of the attempt runs yet, only imports: whatever was asked, all that goes at once."""
        kill_group(self._process.pid, signal.SIGKILL)

    def _answer(self, started: bool) -> Dict[str, Any]:
        document: Dict[str, Any] = json.loads(self._frame(started))
        return document

    def _result(self) -> Dict[str, Any]:
        """What the child itself wrote of its end; empty where it could not."""
        data = self._frame(started=True)
        return json.loads(data) if data else {}

    def _frame(self, started: bool) -> bytes:
        try:
            return self._exactly(struct.unpack(">I", self._exactly(4))[0])
        except (OSError, EOFError):
            raise GoneError(started) from None

    def _exactly(self, count: int) -> bytes:
        while len(self._received) < count:
            part = self._socket.recv(max(count - len(self._received), 1 << 12))
            if not part:
                raise EOFError
            self._received += part
        data = bytes(self._received[:count])
        del self._received[:count]
        return data

    def _ended(self, document: Mapping[str, Any], result: Mapping[str, Any], control: Control) -> Ended:
        usage = usage_of(int(document["status"]), float(document["cpu_seconds"]), int(document["peak_rss"]))
        ended = Ended(
            control.cause or ("signal" if usage.signalled else "exit"),
            exit_code=usage.code,
            cpu_seconds=usage.cpu_seconds,
            peak_rss=usage.peak_rss,
            error=str(result.get("error", "")),
            metrics=result.get("metrics"),
            modules=tuple(result["modules"]) if "modules" in result else None,
            lingering=tuple(document.get("lingering", ())),
        )
        if usage.code == 0 and "modules" not in result:
            return replace(
                ended, exit_code=1, error="the process ended before its function returned (os._exit?)"
            )
        return ended


def _host_died(attempt: Attempt, control: Control) -> Ended:
    code = 128 + signal.SIGKILL
    if control.cause:
        return Ended(control.cause, exit_code=code)
    function = attempt.function
    name = f"{function.module}:{function.function}" if function is not None else attempt.instance
    return Ended("zygote", exit_code=code, error=f"the process that hosted `{name}` was killed")
