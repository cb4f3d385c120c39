"""`verify`: digest every object anew and see that what records promise is there; `get`: bring an artifact
out."""

from __future__ import annotations

import os
from typing import Dict, List, NamedTuple, Set, Tuple

from mlorch.errors import EnvironmentFault, StoreError, UsageError
from mlorch.model import Artifact, Content, Digest, Entry
from mlorch.store import files, tree
from mlorch.store.local import LocalStore
from mlorch.store.translate import translated
from mlorch.store.workspace import build_folder
from mlorch.values import dataclass


@dataclass(frozen=True)
class Damage:
    """One object that is not as it should be."""

    digest: Digest
    problem: str
    """`does not hold what its digest says`, `is missing`, `can't be read: …`."""
    used_by: Tuple[str, ...] = ()
    """`INSTANCE/OUTPUT` of the records that need it."""


@dataclass(frozen=True)
class VerifyReport:
    objects: int
    bytes: int
    records: int
    corrupt: Tuple[Damage, ...]
    missing: Tuple[Damage, ...]
    unreadable: Tuple[str, ...]
    """Records that can't be read or are of another version (paths under `records/`)."""
    fixed: bool
    """Whether the corrupt objects were quarantined; the next run makes them anew."""

    @property
    def clean(self) -> bool:
        return not (self.corrupt or self.missing or self.unreadable)


@translated
def verify_objects(store: LocalStore, fix: bool) -> VerifyReport:
    """Digest all objects, going on past errors. With `fix`, corrupt objects are quarantined, unreadable
    records deleted."""
    store.record_files.flush()
    count = size = 0
    bad: List[Tuple[Digest, str]] = []
    for digest, found in store.objects.all():
        count, size = count + 1, size + found.st_size
        problem = store.objects.check(digest)
        if problem is not None:
            bad.append((digest, problem))
    seen = _survey_records(store)
    if fix and not store.readonly:
        for digest, _ in bad:
            store.objects.quarantine(digest)
        store.usage.forget([digest for digest, _ in bad])
        for path in seen.unreadable:
            store.record_files.remove(path)
    broken = {digest for digest, _ in bad}
    return VerifyReport(
        count,
        size,
        seen.records,
        tuple(Damage(digest, problem, tuple(seen.users.get(digest, ()))) for digest, problem in sorted(bad)),
        tuple(
            Damage(digest, "is missing", tuple(seen.users[digest])) for digest in sorted(seen.lost - broken)
        ),
        (*seen.unreadable, *seen.foreign),
        fix,
    )


class _Survey(NamedTuple):
    """What the records need."""

    records: int
    users: Dict[Digest, List[str]]
    """Object -> `INSTANCE/OUTPUT` of those that need it."""
    lost: Set[Digest]
    unreadable: List[str]
    foreign: List[str]
    """Records of another version: reported, never deleted."""


def _survey_records(store: LocalStore) -> _Survey:
    users: Dict[Digest, List[str]] = {}
    lost: Set[Digest] = set()
    unreadable: List[str] = []
    foreign: List[str] = []
    count = 0
    for path in store.record_files.paths():
        try:
            record = store.record_files.load(os.path.join(store.record_files.path, path))
        except StoreError:
            foreign.append(path)
            continue
        if record is None:
            unreadable.append(path)
            continue
        count += 1
        for name, artifact in record.outputs.items():
            for digest in _needed(store, artifact):
                users.setdefault(digest, []).append(f"{record.instance}/{name}")
                if store.objects.size(digest) is None:
                    lost.add(digest)
    return _Survey(count, users, lost, unreadable, foreign)


def _needed(store: LocalStore, artifact: Artifact) -> List[Digest]:
    """Objects that an output needs: itself and, of a folder that is stored, its members."""
    content = artifact.content
    if content.kind == "file":
        return [content.digest] if artifact.stored else []
    try:
        entries = _listing(store, content.digest)
    except (ValueError, OSError):
        return [content.digest]
    members = [entry.digest for entry in entries if entry.kind == "file"] if artifact.stored else []
    return [content.digest, *members]


def _listing(store: LocalStore, digest: Digest) -> Tuple[Entry, ...]:
    """Members of a folder object, read without quarantining what is wrong with it."""
    return tree.parse_listing(files.read(store.objects.locate(digest)))


@translated
def export_artifact(store: LocalStore, artifact: Artifact, target: str) -> None:
    """Copy an artifact to a path (relative to the current folder), verified. A file goes into a folder that
    is there.

    Raises UsageError where something else stands at the target, CorruptObject, EnvironmentFault.
    """
    content = artifact.content
    target = os.path.abspath(target)
    if os.path.isdir(target) and (content.kind == "file" or os.listdir(target)):
        target = os.path.join(target, os.path.basename(artifact.path))
    source = _loose_source(store, artifact)
    if os.path.lexists(target) and not (
        content.kind == "folder" and os.path.isdir(target) and not os.listdir(target)
    ):
        raise UsageError(f"`{target}` is there already", "name another path, or remove it first")
    files.make_folders(os.path.dirname(target))
    temporary = os.path.join(os.path.dirname(target), f".mlorch-get-{os.urandom(6).hex()}")
    try:
        _copy_out(store, content, source, temporary)
        if content.kind == "folder" and os.path.isdir(target):
            os.rmdir(target)
        files.rename_new(temporary, target)
    except FileExistsError as error:
        raise UsageError(f"`{target}` is there already", "name another path, or remove it first") from error
    finally:
        files.remove(temporary)


def _copy_out(store: LocalStore, content: Content, source: str, temporary: str) -> None:
    if source and content.kind == "folder":
        import shutil

        shutil.copytree(source, temporary, symlinks=True)
    elif source:
        found, _ = files.copy_digested(source, temporary, files.normal_mode(content.executable))
        if found != content.digest:
            raise EnvironmentFault(f"`{source}` changed while it was copied", "run it again")
    elif content.kind == "folder":
        build_folder(store.objects, store.objects.members(content.digest), temporary)
    else:
        store.objects.copy_to(content.digest, temporary, files.normal_mode(content.executable))


def _loose_source(store: LocalStore, artifact: Artifact) -> str:
    """Where the content of a `store: false` output stands, if the store does not hold it."""
    if artifact.stored or store.objects.has(artifact.content):
        return ""
    if store.contents.content(artifact.path, artifact.exclude) == artifact.content:
        return store.paths.absolute(artifact.path)
    kept = store.kept.find(artifact.content, artifact.exclude)
    return store.paths.absolute(kept) if kept is not None else ""
