"""The store: objects by digest, records by key, run files, locks, and outputs in the workspace. See
`mlorch.ports`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from mlorch.model import Artifact, Settings
    from mlorch.store.gc import GcReport
    from mlorch.store.local import LocalStore
    from mlorch.store.verifying import VerifyReport

# what these need is imported at the call, so that `mlorch --help` stays light


def open_store(settings: Settings, *, create: bool) -> LocalStore:
    """The project's store. With `create=False` (read-only verbs) nothing at all is written, and an absent
    store is empty.

    Raises StoreError (another format, a network file system, no locks), EnvironmentFault.
    """
    from mlorch.store.local import LocalStore

    return LocalStore(settings, create)


def verify(store: LocalStore, fix: bool) -> VerifyReport:
    """Digest every object anew, going on past errors; with `fix`, corrupt ones are quarantined."""
    from mlorch.store.verifying import verify_objects

    return verify_objects(store, fix)


def collect_garbage(
    store: LocalStore,
    *,
    keep_runs: Optional[int],
    keep_for: Optional[float],
    max_size: Optional[int],
    kept: bool,
    dry_run: bool,
) -> GcReport:
    """Delete what nothing refers to (or with `dry_run` count it), never what a live run could use.

    Args:
        keep_runs: number of newest runs to keep; the records that only older ones used go too.
        keep_for: seconds; runs that began within them are kept.
        max_size: bytes; the oldest records go until the objects fit.
        kept: also delete `.mlorch/kept/`.
    """
    from mlorch.store.gc import Policy, collect

    return collect(store, Policy(keep_runs, keep_for, max_size), kept, dry_run)


def new_run_id(store: Optional[LocalStore] = None) -> str:
    """Six hexadecimal digits; with a store, one that no run of it has."""
    from mlorch.store.runs import new_id

    return new_id(store.run_files.ids() if store is not None else ())


def export(store: LocalStore, artifact: Artifact, target: str) -> None:
    """Copy an artifact (file or folder) to a path, verified. Raises UsageError where something stands
    there."""
    from mlorch.store.verifying import export_artifact

    export_artifact(store, artifact, target)
