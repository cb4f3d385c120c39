"""The store on a local disk: one object that holds the parts together, see `mlorch.ports.Store`."""

from __future__ import annotations

import itertools
import os
import stat
import threading
from typing import Any, Callable, FrozenSet, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from mlorch.errors import EnvironmentFault, fault_of
from mlorch.model import Artifact, Content, Digest, Entry, Event, Record, Settings, Value
from mlorch.ports import RunInfo, Workspace
from mlorch.store import check, files, folders, tree, usage
from mlorch.store.aside import Owner
from mlorch.store.contents import Contents
from mlorch.store.ground import Parts
from mlorch.store.index import Index, insert
from mlorch.store.kept import Kept
from mlorch.store.ledger import CreatedFiles, Publications, Receipts
from mlorch.store.locks import HeldLease, Locks, Request
from mlorch.store.objects import Objects
from mlorch.store.paths import Paths
from mlorch.store.records import Records, row
from mlorch.store.runs import RunFiles, RunFolder
from mlorch.store.session import Session, is_live
from mlorch.store.temporaries import Temporaries
from mlorch.store.translate import translated
from mlorch.store.workspace import LocalWorkspace
from mlorch.timing import timed


class LocalStore:
    """See `mlorch.ports.Store`. With `create=False` it writes nothing at all, and an absent store is an
    empty one.

    Raises StoreError for a store of another format or on a network file system, EnvironmentFault.
    """

    @translated
    def __init__(self, settings: Settings, create: bool) -> None:
        self.root = os.path.abspath(settings.root)
        self.path = os.path.abspath(settings.store)
        self.readonly = not create
        self.paths = Paths(settings)
        for place in dict.fromkeys((self.path, self.paths.area)):
            self.paths.refuse_foreign(place)
            check.refuse_links(place)
        if create:
            self._prepare()
        else:
            check.check_format(self.path)
        self.session = Session(os.path.join(self.path, "tmp"))
        same = self.path == self.paths.area
        area_session = self.session if same else Session(os.path.join(self.paths.area, "tmp"))
        self.temporaries = Temporaries(self.paths, area_session, self.session.tmp)
        self.objects = Objects(self.path, self.session, self.readonly)
        self.locks = Locks(self.path)
        stale = self.readonly and self._has_notes()
        self.index = Index(os.path.join(self.path, "index.sqlite"), self.readonly, self._populate, stale)
        self.record_files = Records(self.path, self.session, self.index)
        self.usage = usage.Usage(self.index, self.objects)
        self.run_files = RunFiles(self.path, self.index)
        self.contents = Contents(self.paths, self.index)
        self.kept = Kept(self.paths, area_session, self.contents)
        self.ledger = Publications(self.paths.area, area_session)
        self.receipts = Receipts(self.path)
        self.created_files = CreatedFiles(self.paths.area)
        self.ground = self._make_workspace(area_session)
        self.workspace: Workspace = self.ground
        self._committing = threading.Lock()
        if create:
            self.usage.add_of(self.record_files.catch_up())

    def _make_workspace(self, area: Session) -> LocalWorkspace:
        def owner() -> Owner:
            area.folder()
            return Owner(area.token, os.path.basename(self.locks.held[-1].path) if self.locks.held else "")

        def is_alive(who: Owner) -> bool:
            return is_live(area.tmp, who.session) or self.locks.is_held(who.lease)

        return LocalWorkspace(
            Parts(
                self.paths,
                self.objects,
                self.contents,
                self.ledger,
                self.kept,
                self.temporaries,
                owner,
                is_alive,
                lambda: self.readonly,
            )
        )

    def _prepare(self) -> None:
        check.prepare(self.path)
        if self.path != self.paths.area:
            check.prepare(self.paths.area)

    @translated
    def create(self) -> bool:
        fresh = self.readonly and not os.path.lexists(self.path)
        self._prepare()
        self.readonly = self.objects.readonly = False
        self.index.write_from_now_on()
        if not fresh:
            self.usage.add_of(self.record_files.catch_up())
        return fresh

    # ----------------------------------------------------------------------------------------------- contents

    @translated
    def content(self, path: str, exclude: Sequence[str] = ()) -> Optional[Content]:
        return self.contents.content(path, exclude)

    @translated
    def members(self, digest: Digest) -> Tuple[Entry, ...]:
        return self.objects.members(digest)

    @translated
    def subfolder(self, digest: Digest, path: str) -> Content:
        return self.objects.subfolder(digest, path)

    def ingest(
        self, path: str, exclude: Sequence[str] = (), store: bool = True, move: bool = False
    ) -> Content:
        try:
            return self._ingest(path, exclude, store, move)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise fault_of(error) from error

    def _ingest(self, path: str, exclude: Sequence[str], store: bool, move: bool) -> Content:
        absolute = self.paths.absolute(path)
        found = self.paths.stat(absolute)
        if found is None:
            raise FileNotFoundError(2, os.strerror(2), absolute)
        if stat.S_ISREG(found.st_mode):
            return self._ingest_file(path, absolute, found, store, move)
        if stat.S_ISDIR(found.st_mode):
            return self._ingest_folder(path, absolute, exclude, store, move)
        raise EnvironmentFault(f"`{path}` is neither file nor folder", "write a file or a folder there")

    def _ingest_file(
        self, path: str, absolute: str, found: os.stat_result, store: bool, move: bool
    ) -> Content:
        if not store:
            content = self.contents.content(path)
            if content is None:
                raise FileNotFoundError(2, os.strerror(2), absolute)
            self.ground.loose(absolute, content)
            return content
        executable = bool(found.st_mode & 0o100)
        digest, size = self.objects.add_file(absolute, move and not os.path.islink(absolute))
        return Content(digest, "file", size, 1, executable)

    def _ingest_folder(
        self, path: str, absolute: str, exclude: Sequence[str], store: bool, move: bool
    ) -> Content:
        walked = tree.walk(absolute, exclude, tree.refuse_outside)
        if not store:
            content, data = self.contents.listing(path, exclude)
            self.objects.add_bytes(data)
            self.ground.loose(absolute, content)
            return content
        taken = folders.take_in(self.objects, absolute, walked) if move and not exclude else None
        if taken is not None:
            content, data = tree.folder_content(taken[0])
            self.objects.add_bytes(data)
            if taken[1] is not None:
                self.objects.wholes.add(content.digest, taken[1])
            return content
        entries = []
        for item in walked:
            digest, size = item.target, 0
            if item.kind == "file":
                digest, size = self.objects.add_file(os.path.join(absolute, item.path), move)
            entries.append(Entry(item.path, item.kind, digest, size, item.executable))
        content, data = tree.folder_content(entries)
        self.objects.add_bytes(data)
        return content

    @translated
    def put(self, data: bytes) -> Digest:
        return self.objects.add_bytes(data)

    @translated
    def read(self, digest: Digest) -> bytes:
        return self.objects.read(digest)

    @translated
    def has(self, content: Content) -> bool:
        return self.objects.has(content)

    @translated
    def retrievable(self, artifact: Artifact) -> bool:
        if self.objects.has(artifact.content):
            return True
        if artifact.stored:
            return False
        return (
            self.contents.content(artifact.path, artifact.exclude) == artifact.content
            or self.kept.find(artifact.content, artifact.exclude) is not None
        )

    # ------------------------------------------------------------------------------------------------ records

    def records(self, key: Digest) -> Iterator[Record]:
        try:
            yield from self.record_files.of_key(key)
        except OSError as error:
            raise fault_of(error) from error

    @translated
    def family(self, family: Digest, limit: int = 64) -> List[Record]:
        return self.record_files.family(family, limit)

    @translated
    def latest(self, pipeline: str, instance: str) -> Optional[Record]:
        return self.record_files.latest(pipeline, instance)

    @translated
    def record(self, name: str) -> Optional[Record]:
        return self.record_files.by_id(name)

    @translated
    def durations(self, pipeline: str, instance: str, step: str) -> List[float]:
        return self.record_files.durations(pipeline, instance, step)

    @timed("record")
    @translated
    def commit(self, records: Sequence[Record]) -> None:
        self._writable()
        with self._committing:
            taken = self.objects.take()
            if not taken and not records:
                return
            try:
                self._commit(taken, records)
            except BaseException:
                self.objects.give_back()
                raise

    def _commit(self, taken: Mapping[Digest, Any], records: Sequence[Record]) -> None:
        """Sync contents, then rename objects, then records, then sync the names: a record never comes before
        its objects."""
        prepared = self.record_files.prepare(records)
        paths = [path for _, path in prepared]
        temporaries = [pending.temporary for pending in taken.values()] + [item[0] for item in prepared]
        if paths:
            temporaries.append(self.record_files.note(paths))
        if len(temporaries) == 1:
            temporaries = [path for path in temporaries if os.path.exists(path)]
        files.sync_batch(temporaries, self.path)
        folders = self.objects.install(dict(taken))
        folders += self.record_files.install(prepared)
        files.sync_folders(folders, self.path)
        self.usage.add(taken, records)
        self.record_files.installed(records, paths)

    @translated
    def note_reproduced(self, record: Record, result: Mapping[str, Value]) -> bool:
        self._writable()
        return self.record_files.note_reproduced(record, result)

    @translated
    def reproduced(self) -> FrozenSet[str]:
        return self.record_files.reproduced()

    def _has_notes(self) -> bool:
        notes = os.path.join(self.path, "pending")
        names = os.listdir(notes) if os.path.isdir(notes) else []
        return any(not is_live(self.session.tmp, name) for name in names)

    def _populate(self, db: Any) -> None:
        """Fill a new index from the truth."""
        records = list(self.record_files.all(foreign=False))
        insert(db, "records", [row(path, record) for path, record in records])
        usage.fill(db, self.objects, [record for _, record in records])

    # ------------------------------------------------------------------------------------------ effects, runs

    @translated
    def receipt(self, name: str) -> Optional[Mapping[str, Value]]:
        return self.receipts.latest(name)

    @translated
    def write_receipt(self, name: str, key: Digest, run: str, finished: bool, record: str = "") -> None:
        self._writable()
        self.receipts.write(name, key, run, finished, record)

    @translated
    def created(self, pipeline: str, step: str) -> FrozenSet[str]:
        return self.created_files.of(pipeline, step)

    @translated
    def note_created(self, pipeline: str, step: str, paths: Sequence[str]) -> None:
        self._writable()
        self.created_files.note(pipeline, step, paths)

    @translated
    def begin_run(self, run: str) -> RunFolder:
        self._writable()
        return self.run_files.begin(run)

    @translated
    def keep_with_run(self, run: str, name: str, text: str) -> None:
        self._writable()
        self.run_files.keep(run, name, text)

    @translated
    def runs(self, limit: Optional[int] = None) -> List[RunInfo]:
        return self.run_files.list(limit)

    @translated
    def events(self, run: str, having: str = "") -> Iterable[Event]:
        events = iter(self.run_files.events(run, having))
        first = list(itertools.islice(events, 1))  # what is wrong with the file shows now
        return itertools.chain(first, _told(events))

    @translated
    def size(self) -> Tuple[int, int]:
        return self.usage.totals()

    # -------------------------------------------------------------------------------------------------- locks

    @translated
    def register(
        self,
        run: str,
        writes: Sequence[str],
        reads: Sequence[str],
        wait: bool = True,
        on_wait: Optional[Callable[[str], None]] = None,
        ancestors: Sequence[str] = (),
    ) -> HeldLease:
        self._writable()
        lease = self.locks.register(Request(run, writes, reads, ancestors), wait, on_wait)
        self.record_files.refresh()
        return lease

    @translated
    def forget_caches(self) -> None:
        if not self.readonly:
            self.ground.close()
            self.ground.sync()
            self.contents.settle()
            self.contents.flush()
            self.record_files.flush()
            self.usage.flush()
            self.objects.drop_pending()
            self.temporaries.close()
            self.session.close()
        self.objects.close()
        self.index.close()

    def _writable(self) -> None:
        if self.readonly:
            raise EnvironmentFault("the store was opened for reading only, so nothing can be added to it")


def _told(events: Iterator[Event]) -> Iterator[Event]:
    """Raises EnvironmentFault where the file can't be read on."""
    try:
        yield from events
    except OSError as error:
        raise fault_of(error) from error
