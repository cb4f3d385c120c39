"""Times tools on generated work: they take turns, phase by phase, and every result is checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.check import prepare, wrong_outputs
from benchmarks.measure import Failed, Sample, measure
from benchmarks.peers.tool import PHASES, Installed
from benchmarks.results import Results
from benchmarks.work import Work


@dataclass
class Limits:
    """How long things may take.

    Args:
        rounds: of a case.
        repeats: how often the quick phases are timed in one round.
        patience: seconds that a tool may take in a case; then it has no further round.
        timeout: of one process.
        end: of everything, on the monotonic clock; what has not begun then is left out.
    """

    rounds: int = 3
    repeats: int = 3
    patience: float = 25.0
    timeout: float = 480.0
    end: float = float("inf")

    def over(self) -> bool:
        return time.monotonic() > self.end

    def allowed(self) -> float:
        """Seconds for one process that starts now."""
        return max(30.0, min(self.timeout, self.end + self.timeout / 2 - time.monotonic()))


@dataclass
class Player:
    """One tool in one case."""

    installed: Installed
    spent: float = 0.0
    out: bool = False
    folder: Path = field(default_factory=Path)

    @property
    def name(self) -> str:
        return self.installed.tool.name


@dataclass(frozen=True)
class Table:
    """A case and where its results go."""

    case: str
    work: Work
    results: Results
    limits: Limits
    slots: int
    top: Path

    @property
    def size(self) -> int:
        return len(self.work.steps)


def play(table: Table, installed: Sequence[Installed], say: Callable[[str], None]) -> None:
    """All rounds of a case. Failures are named in the results, and the others go on."""
    players = [Player(item) for item in installed]
    for number in range(table.limits.rounds):
        here = [player for player in players if not player.out and player.spent < table.limits.patience]
        if not here or (number and table.limits.over()):
            break
        say(f"{table.case} {table.size}, round {number + 1}: {', '.join(player.name for player in here)}")
        # the order turns, so that nobody always comes after the same other one
        _round(table, here[number % len(here) :] + here[: number % len(here)], number)


def _round(table: Table, players: Sequence[Player], number: int) -> None:
    for player in players:
        player.folder = table.top / f"{player.name.replace(' ', '')}-{number}"
        player.folder.mkdir(parents=True)
        _guarded(
            table,
            player,
            lambda player=player: prepare(player.installed, table.work, player.folder, table.top),
        )
    for phase in PHASES:
        for repeat in range(1 if phase in ("cold", "then nothing") else table.limits.repeats):
            if repeat and table.limits.over():
                break
            for player in players:
                if phase in player.installed.tool.phases and not player.out:
                    _guarded(
                        table, player, lambda p=player, r=repeat, phase=phase: _phase(table, p, phase, r)
                    )


def _guarded(table: Table, player: Player, action: Callable[[], None]) -> None:
    try:
        action()
    except Failed as error:
        player.out = True
        table.results.fail(table.case, table.size, player.name, str(error))


def _phase(table: Table, player: Player, phase: str, repeat: int) -> None:
    """One timed process. Raises Failed."""
    if phase == "change":
        edited = player.folder / next(iter(table.work.sources))
        edited.write_text(f"another line {repeat} {time.monotonic_ns()}\n")
    try:
        sample = _timed(table, player)
    except Failed as error:
        raise Failed(f"{phase}: {error}") from error
    row = table.results.row(table.case, table.size, player.name, phase)
    row.add(sample)
    player.spent += sample.seconds
    problem = wrong_outputs(table.work, player.folder, player.installed.tool.place)
    if problem:
        row.wrong = problem


def _timed(table: Table, player: Player) -> Sample:
    command = player.installed.command(player.installed.tool.arguments(table.work, table.slots))
    return measure(command, player.folder, player.installed.env(table.top), table.limits.allowed())
