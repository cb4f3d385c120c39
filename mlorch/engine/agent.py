"""One attempt from its start to its end. Nothing in here raises: whatever goes wrong is how the attempt
ended."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, List, Optional, Tuple

from mlorch.engine import process
from mlorch.engine.control import Alarms, Control
from mlorch.engine.guardian import Guardian
from mlorch.engine.lingering import Orphans, group_lives
from mlorch.engine.masker import SHORTEST, MaskedLog, mask
from mlorch.model import Attempt, Ended
from mlorch.values import dataclass

if TYPE_CHECKING:
    from mlorch.engine.zygote import Zygotes

VERSION = b"mlorch-modules/2"
"""First record of a report of loaded modules (see `inside/modules/mlorch_imports.py`)."""


@dataclass(frozen=True)
class Tools:
    """What the agents of a run share."""

    starter: process.Starter
    guardian: Guardian
    orphans: Orphans
    alarms: Alarms


class Agent:
    """Executes attempts, one after the other; keeps its zygotes warm between them."""

    def __init__(self, tools: Tools, slot: int = 0) -> None:
        self._tools = tools
        self._slot = slot
        self._zygotes: Optional[Zygotes] = None

    def execute(self, attempt: Attempt, control: Control) -> Ended:
        """Never raises: what can't be started ended with the cause `spawn`."""
        started = time.time()
        begin = time.monotonic()
        if control.cause:
            return Ended(control.cause, started=started)
        try:
            ended = self._logged(attempt, control)
        except process.SpawnError as error:
            ended = _not_started(attempt, str(error), error.exit_code, error.environment)
        except OSError as error:
            told = f"it could not be started: {error}"
            ended = _not_started(attempt, told, 126, process.is_refusal(error))
        except Exception as error:  # a bug: this attempt fails, the others go on
            told = f"mlorch failed to run it: {error!r}"
            ended = _not_started(attempt, told, 126, process.is_refusal(error))
        finally:
            control.detach()
        return replace(
            ended,
            slot=self._slot,
            started=started,
            seconds=time.monotonic() - begin,
            error=mask(ended.error, attempt.secrets),
        )

    def close(self) -> None:
        if self._zygotes is not None:
            self._zygotes.close()

    def _logged(self, attempt: Attempt, control: Control) -> Ended:
        log = process.open_log(attempt.log)
        masked: Optional[MaskedLog] = None
        try:
            _begin_report(attempt)
            if any(len(secret) >= SHORTEST for secret in attempt.secrets):
                masked = MaskedLog(log, attempt.secrets)
            if attempt.function is not None:
                ended = self._called(attempt, masked.writer if masked else log, control)
            else:
                ended = self._run(attempt, masked.writer if masked else log, control)
        finally:
            if masked is None:
                os.close(log)
            else:
                masked.finish()
        if not attempt.loaded_file and ended.modules is None:
            return ended
        reported = _reported(attempt.loaded_file) if attempt.loaded_file else None
        reads = tuple(dict.fromkeys(item for item in reported or () if not item.startswith("/")))
        return replace(ended, modules=_modules(attempt, ended, reported), reads=reads)

    def _run(self, attempt: Attempt, output: int, control: Control) -> Ended:
        tools = self._tools
        begin = time.monotonic()
        pid = tools.starter.start(attempt.argv, attempt.env, attempt.cwd, output, attempt.lock_fds)
        spawn = time.monotonic() - begin
        slot = tools.guardian.hold(pid)
        control.attach(lambda number: process.end_group(pid, number))
        control.limit(attempt.timeout, attempt.grace)
        process.wait(pid)
        if control.cause:
            control.drain(lambda: group_lives(pid))
        control.detach()
        tools.guardian.drop(slot)
        usage = process.reap(pid)
        return Ended(
            control.cause or ("signal" if usage.signalled else "exit"),
            exit_code=usage.code,
            cpu_seconds=usage.cpu_seconds,
            peak_rss=usage.peak_rss,
            lingering=tools.orphans.end(attempt.env, pid),
            spawn=spawn,
        )

    def _called(self, attempt: Attempt, output: int, control: Control) -> Ended:
        if self._zygotes is None:
            from mlorch.engine.zygote import Zygotes  # sockets and subprocess: not for pipelines of commands

            self._zygotes = Zygotes(self._tools.guardian)
        control.limit(attempt.timeout, attempt.grace)
        ended = self._zygotes.run(attempt, output, control)
        if (
            ended.modules is None and ended.cause != "exit"
        ):  # its zygote may have died: what it left is ours now
            self._tools.orphans.end_all(attempt.env)
        return ended


def _not_started(attempt: Attempt, sentence: str, exit_code: int, environment: bool = False) -> Ended:
    """The reason goes to the log too, where people look first."""
    try:
        with open(attempt.log, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"mlorch: {mask(sentence, attempt.secrets)}\n")
    except OSError:
        pass  # the sentence itself says what is wrong
    return Ended("spawn", exit_code=exit_code, error=sentence, environment=environment)


# --------------------------------------------------------------------------------------------- loaded modules


def _begin_report(attempt: Attempt) -> None:
    if attempt.loaded_file:
        declared = attempt.declared or ()
        count = "-" if attempt.declared is None else str(len(declared))
        head = [VERSION, os.fsencode(attempt.cwd), repr(time.time()).encode(), count.encode()]
        with open(attempt.loaded_file, "wb") as file:
            file.write(b"".join(item + b"\0" for item in (*head, *map(os.fsencode, declared))))


def _modules(attempt: Attempt, ended: Ended, reported: Optional[List[str]]) -> Optional[Tuple[str, ...]]:
    """What the zygote says of the process itself, and what Pythons that it started reported."""
    if attempt.function is not None and ended.modules is None:
        return None
    if reported is None and ended.modules is None:
        return None
    loaded = [item for item in reported or () if item.startswith("/")]
    return tuple(sorted({*loaded, *(ended.modules or ())}))


def _reported(path: str) -> Optional[List[str]]:
    """Paths of modules, and behind a mark paths of files that were read."""
    try:
        with open(path, "rb") as file:
            records = file.read().split(b"\0")
    except OSError:
        return None
    if records[0] != VERSION:
        return None
    declared = 0 if records[3] == b"-" else int(records[3])
    return [os.fsdecode(record) for record in records[4 + declared : -1]]  # what follows the last NUL is torn
