"""Executing recorded steps again: which, whether they can be, the executions, and what the records keep."""

from __future__ import annotations

import queue
import signal
import time
from contextlib import contextmanager
from dataclasses import field, replace
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from mlorch.engine.attempts import AttemptMaker
from mlorch.engine.failure import exit_sentence
from mlorch.engine.launch import JoblibLauncher
from mlorch.engine.recipe import Recipe, read_recipe
from mlorch.engine.resources import Grant, Pool, detect_capacity
from mlorch.engine.signals import waking
from mlorch.errors import EnvironmentFault, StoreError
from mlorch.model import Attempt, Ended, Record
from mlorch.reproduce.chosen import Chosen
from mlorch.reproduce.compare import differences, outputs_outside
from mlorch.reproduce.environment import Environment
from mlorch.reproduce.relocate import moved
from mlorch.reproduce.results import Change, Execution, Reproduction, Result, kept_result
from mlorch.reproduce.scratch import Places, Scratch, disk_full, python_path, unkept
from mlorch.store import new_run_id
from mlorch.store.local import LocalStore
from mlorch.values import dataclass

TAIL = 20
"""Lines of a failed execution's log that are told."""
DEFAULT_SEED = "0"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    times: int = 1
    accept_environment: bool = False
    keep: Optional[str] = None
    """Folder in which the scratch places are kept."""
    jobs: int = 1


@dataclass(frozen=True)
class Ready:
    """A recorded instance that can be executed again."""

    chosen: Chosen
    record: Record
    recipe: Recipe


@dataclass(frozen=True)
class Turn:
    """One execution to come."""

    ready: Ready
    number: int
    seed: str
    jobs: int


@dataclass
class _Running:
    turn: Turn
    scratch: Scratch
    grant: Grant
    attempt: Attempt


def reproduce(
    store: LocalStore, chosen: Sequence[Chosen], options: Options, environ: Mapping[str, str], tell: Tell
) -> Result:
    """Raises EnvironmentFault: interpreter or packages differ; StoreError: nothing of it can be executed again."""
    environment = Environment(store.root, environ)
    prepared = [_prepare(store, item) for item in chosen]
    ready = [item for item in prepared if isinstance(item, Ready)]
    left_out = [item for item in prepared if isinstance(item, Reproduction)]
    if not ready:
        first = next((item for item in left_out if not item.harmless), left_out[0])
        raise StoreError(f"`{first.instance}` can't be reproduced: {first.reason}", first.hint)
    changes = _changes(environment, ready, options.accept_environment)
    lease = store.register(new_run_id(), (), ())  # no `gc` takes away what is being looked at
    try:
        with _ending():
            places = Places(options.keep)
            try:
                executor = _Executor(store, options, environ, environment, places, new_run_id())
                for turns in waves(ready, options):
                    executor.run(turns, tell)
            finally:
                places.close()
    finally:
        lease.release()
    done = {id(item.chosen): executor.reproduction(item) for item in ready}
    others = {id(item): found for item, found in zip(chosen, prepared) if isinstance(found, Reproduction)}
    reproductions = [done.get(id(item)) or others[id(item)] for item in chosen]
    for item in reproductions:
        if item.record is not None and item.executions:
            store.note_reproduced(item.record, kept_result(item, changes, time.time()))
    return Result(options.times, tuple(reproductions), changes)


# ---------------------------------------------------------------------------------------------------- what can be


def _prepare(store: LocalStore, chosen: Chosen) -> Any:
    """A Ready, or the Reproduction that says why not."""
    left_out = Reproduction(chosen.instance, chosen.step, chosen.run, chosen.record, reason=chosen.reason)
    record = chosen.record
    if record is None:
        return replace(left_out, hint=chosen.hint, harmless=chosen.harmless)
    if record.effect:
        reason = f"it has the effect `{record.effect}`, which would happen a second time"
        return replace(left_out, reason=reason, harmless=True)
    try:
        recipe = read_recipe(record)
    except ValueError as error:
        reason = f"its record says not how it was executed: {error}"
        hint = "it was adopted, or recorded by another mlorch: run it with --force-step, and reproduce that"
        return replace(left_out, reason=reason, hint=hint)
    lost = unkept(store, record, recipe)
    if lost:
        paths = ", ".join(f"`{item.path}`" for item, _ in lost[:5]) + (
            f" and {len(lost) - 5} more" if lost[5:] else ""
        )
        noun = "input" if len(lost) == 1 else "inputs"
        return replace(left_out, reason=f"{noun} {paths} as it was then was not kept", hint=lost[0][1])
    code = sorted(
        path
        for path, digest in record.sources.items()
        if store.objects.size(digest) is None and not any(path == item.path for item in recipe.inputs)
    )
    if code:
        return replace(
            left_out, reason=f"its code `{code[0]}` is not in the store any more", hint="run it again"
        )
    outside = outputs_outside(recipe)
    if outside:
        hint = "have it write to ${{ outputs.… }}, which can stand anywhere"
        return replace(left_out, reason=f"it writes `{outside[0]}` in place, outside the project", hint=hint)
    return Ready(chosen, record, recipe)


def _changes(environment: Environment, ready: Sequence[Ready], accepted: bool) -> Tuple[Change, ...]:
    """Raises EnvironmentFault where something differs that was not accepted."""
    found: Dict[Change, None] = {}
    for item in ready:
        found.update(dict.fromkeys(environment.changes(item.record, item.recipe)))
    changes = tuple(sorted(found, key=lambda change: (change.kind, change.name)))
    if changes and not accepted:
        listed = "; ".join(str(change) for change in changes)
        message = f"the environment is not the recorded one: {listed}"
        raise EnvironmentFault(message, "install what was recorded, or add --accept-environment")
    return changes


def waves(ready: Sequence[Ready], options: Options) -> List[List[Turn]]:
    """First each once, one after the other where more follow, with the recorded hash seed; then all others at once,
    each with a hash seed of its own."""
    many = max(2, options.jobs)
    first = 1 if options.times > 1 else many
    found = [[Turn(item, 1, _seed(item, 1), first) for item in ready]]
    rest = [
        Turn(item, number, _seed(item, number), many)
        for number in range(2, options.times + 1)
        for item in ready
    ]
    return [*found, rest] if rest else found


def _seed(item: Ready, number: int) -> str:
    """A seed that the step declares is recorded, and stays."""
    return item.record.env.get("PYTHONHASHSEED") or (DEFAULT_SEED if number == 1 else str(number - 1))


# ---------------------------------------------------------------------------------------------------- executing


@dataclass
class _Executor:
    store: LocalStore
    options: Options
    environ: Mapping[str, str]
    environment: Environment
    places: Places
    run_id: str
    done: Dict[int, List[Execution]] = field(default_factory=dict)

    def reproduction(self, item: Ready) -> Reproduction:
        executions = sorted(self.done.get(id(item), []), key=lambda execution: execution.number)
        chosen = item.chosen
        return Reproduction(chosen.instance, chosen.step, chosen.run, item.record, tuple(executions))

    def run(self, turns: Sequence[Turn], tell: Tell) -> None:
        """All of a wave. Scratch places stand only while their attempt runs and is looked at."""
        inbox: queue.SimpleQueue[Optional[Tuple[Attempt, Ended]]] = queue.SimpleQueue()
        with waking(lambda: inbox.put(None)):
            self._run(turns, inbox, tell)

    def _run(
        self, turns: Sequence[Turn], inbox: queue.SimpleQueue[Optional[Tuple[Attempt, Ended]]], tell: Tell
    ) -> None:
        """`inbox` has what ended, and None where there is nothing but to wake up: a handler may have ended all this."""
        jobs = turns[0].jobs
        launcher = JoblibLauncher(self.run_id)
        pool = Pool(detect_capacity({}, jobs, self.environ), jobs)
        waiting, running = list(turns), {}  # type: Tuple[List[Turn], Dict[str, _Running]]
        launcher.start(jobs, lambda attempt, how: inbox.put((attempt, how)))
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    started = self._start(waiting[0], pool, bool(running))
                    if started is None:
                        break
                    waiting.pop(0)
                    running[started.attempt.id] = started
                    launcher.send(started.attempt)
                message = inbox.get()
                if message is None:
                    continue
                attempt, how = message
                one = running.pop(attempt.id)
                pool.release(one.grant)
                execution = self._ended(one, how)
                self.done.setdefault(id(one.turn.ready), []).append(execution)
                tell(progress(one.turn, execution, self.options.times))
        finally:
            launcher.close()
        launcher.check()

    def _start(self, turn: Turn, pool: Pool, others: bool) -> Optional[_Running]:
        """None where it has to wait for others. Raises EnvironmentFault, StoreError."""
        needs = turn.ready.recipe.invocation.needs
        problem = pool.check(needs)
        if problem:
            raise EnvironmentFault(
                f"`{turn.ready.record.instance}` {problem}", "reproduce it on a larger machine"
            )
        grant = pool.try_acquire(needs, f"{turn.ready.record.instance}/{turn.number}")
        if grant is None:
            assert others, "nothing runs, and nothing fits"
            return None
        try:
            top = self.places.take(turn.ready.record.instance, turn.number)
            scratch = Scratch(self.store, turn.ready.record, turn.ready.recipe, turn.number, top)
            scratch.build()
            return _Running(turn, scratch, grant, self._attempt(turn, scratch, grant))
        except OSError as error:
            raise disk_full(error) from error

    def _attempt(self, turn: Turn, scratch: Scratch, grant: Grant) -> Attempt:
        recipe = turn.ready.recipe
        recorded = moved(recipe.invocation, (recipe.root, self.store.root), scratch.root)
        python = self.environment.interpreter(recipe.python)
        runs_in = self.environment.interpreter(recipe.interpreter) if recipe.uses_python else None
        env = {**recorded.env, "PYTHONHASHSEED": turn.seed}
        path = python_path(self.store.root, scratch.root, runs_in, env)
        if path:
            env["PYTHONPATH"] = path
        invocation = replace(recorded, env=env)
        executable = python.executable if python is not None else ""
        maker = AttemptMaker(self.run_id, scratch.root, scratch.log, self.environ, executable)
        return maker.make(invocation, turn.number, grant, recipe.uses_python)

    def _ended(self, one: _Running, ended: Ended) -> Execution:
        turn, scratch = one.turn, one.scratch
        place = scratch.top if self.places.keep is not None else ""
        execution = Execution(
            turn.number, turn.seed, turn.jobs, "same", ended.seconds, ended.exit_code, place=place
        )
        try:
            if ended.cause != "exit" or ended.exit_code != 0:
                error, _ = exit_sentence(ended, turn.ready.recipe.invocation.instance.step)
                return replace(execution, outcome="failed", error=error, log=_tail(one.attempt.log))
            found = differences(self.store, turn.ready.record, turn.ready.recipe, scratch, ended)
            return replace(execution, outcome="differs", differences=tuple(found)) if found else execution
        except OSError as error:
            raise disk_full(error) from error
        finally:
            self.places.give_back(scratch.top, turn.number)


def _tail(path: str) -> Tuple[str, ...]:
    from mlorch.history.logs import tail

    try:
        data = b"".join(tail(path, TAIL))
    except OSError:
        return ()
    return tuple(data[-20_000:].decode("utf-8", "replace").splitlines())


def progress(turn: Turn, execution: Execution, times: int) -> str:
    """One line per execution, for stderr."""
    which = f" ({turn.number} of {times})" if times > 1 else ""
    return f"{turn.ready.record.instance}{which}: {execution.outcome} {execution.seconds:.1f}s"


@contextmanager
def _ending() -> Iterator[None]:
    """SIGTERM and SIGHUP end attempts and take scratch places away, as Ctrl-C does."""

    def end(number: int, frame: object) -> None:
        del frame
        raise SystemExit(128 + number)

    before = {}
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            before[number] = signal.signal(number, end)
    except ValueError:  # not the main thread
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
