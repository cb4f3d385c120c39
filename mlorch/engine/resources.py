"""Resources that attempts share: cpus, memory, gpus and free tokens. Never exceeded, and nobody starves."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import field
from typing import Dict, FrozenSet, List, Mapping, Optional, Tuple

from mlorch.engine.machine import Machine
from mlorch.model import Needs
from mlorch.values import dataclass

PATIENCE = 8
"""How many others may start before one that waits, until room is kept for it."""
_SOFT = ("cpus", "memory")


@dataclass(frozen=True)
class Capacity:
    """What a run may use at once."""

    cpus: float
    memory: float
    """Bytes; 0 where it is not known, and then does not limit."""
    gpus: Tuple[str, ...] = ()
    """Ids as in CUDA_VISIBLE_DEVICES."""
    tokens: Mapping[str, float] = field(default_factory=dict)
    declared: FrozenSet[str] = frozenset()
    """What the pipeline declares; the rest is what the machine has."""


def detect_capacity(
    declared: Mapping[str, float], jobs: int, environ: Mapping[str, str], machine: Optional[Machine] = None
) -> Capacity:
    """What the pipeline declares, and for the rest what the machine has.

    Args:
        declared: `capacity` of the pipeline: cpus, memory (bytes), gpus and free tokens.
        jobs: `-j`, attempts at once; undeclared cpus are at least as many.
        environ: the caller's environment.
        machine: another machine than this one, in tests.
    """
    machine = machine or Machine(environ)
    visible = machine.gpus()
    if "gpus" in declared:
        count = int(declared["gpus"])
        gpus = visible[:count] if len(visible) >= count else tuple(str(number) for number in range(count))
    else:
        gpus = visible
    return Capacity(
        cpus=float(declared["cpus"]) if "cpus" in declared else float(max(machine.cpus(), jobs)),
        memory=float(declared["memory"]) if "memory" in declared else float(machine.memory()),
        gpus=gpus,
        tokens={name: amount for name, amount in declared.items() if name not in (*_SOFT, "gpus")},
        declared=frozenset(declared),
    )


@dataclass(frozen=True)
class Grant:
    """What one attempt holds until it is released."""

    needs: Needs
    gpus: Tuple[str, ...] = ()
    alone: bool = False
    """It needs more than there is: nothing else runs beside it."""


class Pool:
    """Hands resources out. Every operation takes constant time (in the kinds of resources that a step names).

    What does not fit is overtaken by what does, but only so many times: then room is kept for the one
    that has waited longest, until it fits.

    Args:
        slots: attempts at once; as many, and at least `PATIENCE`, may overtake one that waits.
    """

    def __init__(self, capacity: Capacity, slots: int = 1) -> None:
        self.capacity = capacity
        self._patience = max(PATIENCE, slots)
        self._limits: Dict[str, float] = {
            "cpus": capacity.cpus,
            "gpus": float(len(capacity.gpus)),
            **capacity.tokens,
        }
        if capacity.memory:
            self._limits["memory"] = capacity.memory
        self._free = dict(self._limits)
        self._gpus: List[str] = list(reversed(capacity.gpus))
        self._waiting: OrderedDict[str, Tuple[int, Dict[str, float]]] = OrderedDict()
        self._granted = 0
        self._out = 0
        self._alone = False

    # ----------------------------------------------------------------------------------- before anything runs

    def check(self, needs: Needs) -> Optional[str]:
        """Why a step with these needs could never start; None if it could."""
        for name, wanted in _amounts(needs).items():
            limit = self._limits.get(name)
            if limit is None and name != "memory":
                return f"needs {_amount(wanted, name)}, which `capacity` does not declare"
            if limit is not None and wanted > limit and (name not in _SOFT or name in self.capacity.declared):
                has = "`capacity` declares" if name in self.capacity.declared else "this machine has"
                return f"needs {_amount(wanted, name)}, but {has} {_amount(limit, name)}"
        return None

    def warning(self, needs: Needs) -> Optional[str]:
        """What to tell of a step that needs more than this machine has and so runs alone; None for others."""
        for name, wanted in _amounts(needs).items():
            if self._exceeds(name, wanted):
                has = _amount(self._limits[name], name)
                return f"needs {_amount(wanted, name)}, but this machine has {has}: it runs alone"
        return None

    # ------------------------------------------------------------------------------------------ while it runs

    def try_acquire(self, needs: Needs, name: str) -> Optional[Grant]:
        """Resources for the attempt of an instance, or None where it has to wait.

        Who waits is remembered by `name` until it gets them or `forget` is called.
        """
        amounts = _amounts(needs)
        alone = any(self._exceeds(kind, wanted) for kind, wanted in amounts.items())
        if not self._fits(amounts, alone) or self._would_starve(name, amounts):
            self._waiting.setdefault(name, (self._granted, amounts))
            return None
        self._waiting.pop(name, None)
        self._granted += 1
        self._out += 1
        self._alone = alone
        for kind, wanted in amounts.items():
            if kind in self._free:
                self._free[kind] -= wanted
        return Grant(needs, tuple(self._gpus.pop() for _ in range(needs.gpus)), alone)

    def release(self, grant: Grant) -> None:
        """Give back what an attempt held."""
        self._out -= 1
        self._alone = False
        for kind, wanted in _amounts(grant.needs).items():
            if kind in self._free:
                self._free[kind] += wanted
        self._gpus.extend(reversed(grant.gpus))

    def forget(self, name: str) -> None:
        """This instance will not start after all: nothing is kept for it."""
        self._waiting.pop(name, None)

    def favoured(self) -> Optional[str]:
        """The instance for which room is kept, to be tried before others; None where nobody has waited
        that long."""
        for name, (since, _) in self._waiting.items():
            return name if self._granted - since >= self._patience else None
        return None

    def _fits(self, amounts: Mapping[str, float], alone: bool) -> bool:
        if self._alone or (alone and self._out):
            return False
        return alone or all(
            wanted <= self._free[kind] for kind, wanted in amounts.items() if kind in self._free
        )

    def _would_starve(self, name: str, amounts: Mapping[str, float]) -> bool:
        """Whether this would take what is kept for the one that waits longest. Nothing is kept while
        nothing runs, so that a wait always ends."""
        if not self._out or not self._waiting:
            return False
        first, (_, reserved) = next(iter(self._waiting.items()))
        if first == name or self.favoured() is None:
            return False
        return any(
            wanted and self._free[kind] - wanted < reserved.get(kind, 0.0)
            for kind, wanted in amounts.items()
            if kind in self._free and reserved.get(kind)
        )

    def _exceeds(self, kind: str, wanted: float) -> bool:
        """More than the machine has of what nobody declared: that runs alone."""
        return (
            kind in _SOFT and kind not in self.capacity.declared and wanted > self._limits.get(kind, wanted)
        )


def _amounts(needs: Needs) -> Dict[str, float]:
    amounts: Dict[str, float] = {"cpus": needs.cpus}
    if needs.memory:
        amounts["memory"] = needs.memory
    if needs.gpus:
        amounts["gpus"] = needs.gpus
    amounts.update((name, amount) for name, amount in needs.tokens.items() if amount)
    return amounts


def _amount(number: float, name: str) -> str:
    """`4 cpus`, `1 gpu`, `16 GiB of memory`, `2 of `db``."""
    if name == "memory":
        return f"{number / 2**30:.3g} GiB of memory"
    if name in ("cpus", "gpus"):
        return f"{number:g} {name if number != 1 else name[:-1]}"
    return f"{number:g} of `{name}`"
