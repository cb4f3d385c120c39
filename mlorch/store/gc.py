"""`gc`: delete what nothing refers to, and nothing that a live run could use."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

from mlorch.errors import StoreError
from mlorch.model import Digest, Record
from mlorch.store import files
from mlorch.store.kept import BY_DIGEST
from mlorch.store.local import LocalStore
from mlorch.store.records import ended
from mlorch.store.runs import modified
from mlorch.store.session import PREFIX as SESSION
from mlorch.store.session import hold, is_live
from mlorch.store.translate import translated
from mlorch.store.usage import named, with_members
from mlorch.values import dataclass


@dataclass(frozen=True)
class GcReport:
    """What was deleted, or with `dry_run` would be."""

    dry_run: bool
    objects: int
    bytes: int
    """Of objects, kept files and quarantined objects together."""
    records: int
    runs: Tuple[str, ...]
    temporaries: int
    kept: int
    quarantined: int
    live: Tuple[str, ...]
    """Live runs, for whose sake records, runs and recent objects were spared."""
    spared: int
    """Objects that nothing refers to yet and that a live run may be about to use."""


class Policy(NamedTuple):
    """How much of the past to keep; None is all. A run is kept if either of the first two says so."""

    keep_runs: Optional[int]
    keep_for: Optional[float]
    max_size: Optional[int]


class _Past(NamedTuple):
    """Records and runs to delete, and the objects that what remains refers to."""

    records: Tuple[str, ...]
    runs: Tuple[str, ...]
    referred: Set[Digest]


@translated
def collect(store: LocalStore, policy: Policy, kept: bool, dry_run: bool) -> GcReport:
    """Delete (or count) garbage. Raises StoreError where the store was opened for reading only and it is no
    dry run."""
    if store.readonly and not dry_run:
        raise StoreError("the store was opened for reading only, so nothing can be deleted from it")
    store.record_files.flush()
    with contextlib.nullcontext() if dry_run else store.locks.no_new_runs():
        since, live = _live(store)
        past = _past(store, policy, bool(live))
        with _sweeping(store, dry_run):
            garbage, spared = _unreferred(store, past.referred, since)
            if not dry_run:
                _delete_past(store, past)
                for digest in garbage:
                    files.remove(store.objects.place_of(digest))
                store.usage.forget(garbage)
        extra = _Extra(store, kept, policy.keep_for)
        report = GcReport(
            dry_run,
            len(garbage),
            sum(garbage.values()) + extra.bytes,
            len(past.records),
            past.runs,
            len(extra.temporaries),
            len(extra.kept),
            len(extra.quarantined),
            tuple(live),
            spared,
        )
        if not dry_run:
            extra.delete()
            store.contents.prune()
    return report


def _live(store: LocalStore) -> Tuple[float, List[str]]:
    """Since when the oldest live process may rely on objects (infinity: none does), and the ids of live
    runs."""
    registered = store.locks.live()
    runs = [run for run in store.run_files.ids() if store.run_files.is_live(run)]
    times = [modified(item.path) for item in registered]
    times += [modified(os.path.join(store.run_files.path, run)) for run in runs]
    tmp = os.path.join(store.path, "tmp")
    for name in os.listdir(tmp) if os.path.isdir(tmp) else ():
        if (
            name.startswith(SESSION)
            and name != SESSION + store.session.token
            and is_live(tmp, name[len(SESSION) :])
        ):
            times.append(modified(os.path.join(tmp, name, "lock")))
    return min(times, default=float("inf")), sorted({item.run for item in registered} | set(runs))


@contextlib.contextmanager
def _sweeping(store: LocalStore, dry_run: bool) -> Iterator[None]:
    """Alone with the objects: whoever finds one and means to refer to it touches it under the same lock."""
    if dry_run:
        yield
        return
    store.objects.close()
    fd = hold(os.path.join(store.locks.path, "gc"))
    try:
        yield
    finally:
        os.close(fd)


def _unreferred(store: LocalStore, referred: Set[Digest], since: float) -> Tuple[Dict[Digest, int], int]:
    garbage: Dict[Digest, int] = {}
    spared = 0
    for digest, found in store.objects.all():
        if digest in referred:
            continue
        # a second's margin: file times lag behind the clock
        if max(found.st_mtime, found.st_ctime) < since - 1.0:
            garbage[digest] = found.st_size
        else:
            spared += 1
    return garbage, spared


# --------------------------------------------------------------------------------------------------- the past


def _past(store: LocalStore, policy: Policy, live: bool) -> _Past:
    records = dict(store.record_files.all())
    published = {publication.content.digest for publication in store.ledger.all()}
    if live or policy == Policy(None, None, None):
        return _Past((), (), _referred(store, records.values(), published))
    old_runs = _old_runs(store, policy)
    protected = _protected(store, records, published, old_runs)
    by_age = policy.keep_runs is not None or policy.keep_for is not None
    doomed = {path for path in records if by_age and path not in protected}
    if policy.max_size is not None:
        doomed |= _oversized(
            store, {path: item for path, item in records.items() if path not in doomed}, published, policy
        )
    left = [record for path, record in records.items() if path not in doomed]
    return _Past(tuple(sorted(doomed)), tuple(sorted(old_runs)), _referred(store, left, published))


def _referred(store: LocalStore, records: Iterable[Record], published: Set[Digest]) -> Set[Digest]:
    digests = {digest for record in records for digest in named(record)}
    return with_members(store.objects, digests | published)


def _old_runs(store: LocalStore, policy: Policy) -> Set[str]:
    if policy.keep_runs is None and policy.keep_for is None:
        return set()
    infos = [info for info in store.run_files.list() if info.status != "running"]
    newest = {info.id for info in infos[: policy.keep_runs or 0]}
    limit = time.time() - policy.keep_for if policy.keep_for is not None else float("inf")
    return {info.id for info in infos if info.id not in newest and info.started < limit}


def _protected(
    store: LocalStore, records: Dict[str, Record], published: Set[Digest], old_runs: Set[str]
) -> Set[str]:
    """Records that no age deletes: of kept runs (made or used there), of receipts, the newest of each
    instance, and of what is published now."""
    used = set(store.receipts.records())
    for run in store.run_files.ids():
        if run not in old_runs:
            used.update(
                str(event.data["record"]) for event in store.run_files.events(run) if event.data.get("record")
            )
    newest: Dict[Tuple[str, str], Tuple[float, str]] = {}
    for path, record in records.items():
        name = (record.pipeline, record.instance)
        newest[name] = max(newest.get(name, (0.0, "")), (ended(record), path))
    runs = set(store.run_files.ids()) - old_runs
    protected = {path for _, path in newest.values()}
    for path, record in records.items():
        outputs = {artifact.content.digest for artifact in record.outputs.values()}
        if record.id in used or record.run in runs or outputs & published:
            protected.add(path)
    return protected


def _oversized(
    store: LocalStore, records: Dict[str, Record], published: Set[Digest], policy: Policy
) -> Set[str]:
    """The oldest records whose deletion brings the objects under the limit, as far as that goes."""
    needed = _protected(store, records, published, set(store.run_files.ids()))
    holders: Dict[Digest, int] = {}
    reach = {path: with_members(store.objects, named(record)) for path, record in records.items()}
    for digests in reach.values():
        for digest in digests:
            holders[digest] = holders.get(digest, 0) + 1
    total = sum(store.objects.size(digest) or 0 for digest in holders)
    doomed: Set[str] = set()
    for path in sorted(set(records) - needed, key=lambda path: ended(records[path])):
        if policy.max_size is None or total <= policy.max_size:
            break
        doomed.add(path)
        for digest in reach[path]:
            holders[digest] -= 1
            if not holders[digest]:
                total -= store.objects.size(digest) or 0
    return doomed


def _delete_past(store: LocalStore, past: _Past) -> None:
    """Records before objects: a record without its objects would be a promise that can't be kept."""
    for path in past.records:
        store.record_files.remove(path)
    for run in past.runs:
        store.run_files.remove(run)


# --------------------------------------------------------------------------------------------------- the rest


class _Extra:
    """Leftovers of the dead, quarantined objects, and on request what was kept."""

    def __init__(self, store: LocalStore, kept: bool, keep_for: Optional[float]) -> None:
        self._store = store
        area = store.paths.area
        self.temporaries = [*store.temporaries.dead(), *store.ground.dead_staging()]
        if keep_for is not None:
            old = time.time() - keep_for
            self.temporaries += [
                path for path in _in(os.path.join(area, "checkpoints")) if modified(path) < old
            ]
        self.quarantined = _in(os.path.join(store.path, "quarantine"))
        everything = _in(store.kept.folder) if kept else []
        self.kept = [path for path in everything if os.path.basename(path) != BY_DIGEST]
        self._notes = [path for path in everything if os.path.basename(path) == BY_DIGEST]
        self.bytes = sum(_size(path) for path in (*self.quarantined, *self.kept))

    def delete(self) -> None:
        self._store.ground.sweep()
        for path in (*self.temporaries, *self.quarantined, *self.kept, *self._notes):
            files.remove(path)


def _in(folder: str) -> List[str]:
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    except FileNotFoundError:
        return []


def _size(path: str) -> int:
    if not os.path.isdir(path) or os.path.islink(path):
        return os.lstat(path).st_size
    return sum(
        os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(path) for name in names
    )
