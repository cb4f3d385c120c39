"""The protocols by which the engine and `app.py` see the store, the launcher and the listener.

All paths are root-relative unless said otherwise. Methods raise `StoreError` (the store can't be used), `CorruptObject`
(an object is not what its digest says) and `EnvironmentFault` (disk, permissions, too many open files); each with one
sentence and a hint.
"""

from __future__ import annotations

from dataclasses import field
from typing import (
    AbstractSet,
    Callable,
    ContextManager,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Protocol,
    Sequence,
    Tuple,
)

from mlorch.model import (
    Artifact,
    Attempt,
    BoundOutput,
    Content,
    Digest,
    Ended,
    Entry,
    Event,
    Record,
    Value,
)
from mlorch.small import slotted
from mlorch.values import dataclass


class Listener(Protocol):
    """Takes events as they happen: a screen, a file, a list in a test. Must not raise, but for one BrokenPipeError
    where its reader has gone: that ends the run as SIGPIPE does."""

    def __call__(self, event: Event) -> None: ...


# ------------------------------------------------------------------------------------------------------------ workspace


@slotted
@dataclass(frozen=True)
class Publication:
    """A file or folder that mlorch put into the workspace: who did and what it was."""

    path: str
    content: Content
    pipeline: str
    step: str
    output: str
    run: str
    exclude: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Placed:
    """What putting an output in place did."""

    changed: bool
    """False where the workspace already held exactly this content (no byte and no mtime was touched)."""
    kept: Tuple[str, ...] = ()
    """Where something that mlorch had not made (or that somebody had edited) was moved to, under `.mlorch/kept/`."""


class Workspace(Protocol):
    """Outputs in the project's own folders: staging, putting in place, moving aside. Part of the store's room."""

    def stage(
        self, outputs: Sequence[BoundOutput], publications: Mapping[str, Publication]
    ) -> Tuple[str, ...]:
        """Make ready for one attempt; returns what was kept (paths under `.mlorch/kept/`).

        Staged outputs get a fresh staging folder (what was in it is removed; a folder output exists and is empty, the
        parent of a file output exists). For the others, what stands at the declared path is taken away into
        `.mlorch/tmp/` and journalled, so that `unstage` or the next run after a kill can bring it back (mlorch's own or
        not); a folder output then exists and is empty. Outputs nested in another output of the same step are handled
        with it.
        """

    def unstage(self, outputs: Sequence[BoundOutput]) -> Tuple[str, ...]:
        """After the final failure: remove staging, move what an attempt left at in-place outputs away, bring back what
        `stage` took away. Returns what was kept."""

    def together(self) -> ContextManager[None]:
        """What is placed meanwhile is noted as published at the end, all at once."""

    def settle(self, outputs: Sequence[BoundOutput]) -> Tuple[str, ...]:
        """After success and `place`: remove staging and what was taken away (unless mlorch had not made it: then it is
        kept). Returns what was kept."""

    def recover(self) -> Tuple[str, ...]:
        """Undo what a killed run left unfinished (the journal of `stage`): first whatever stands at an unfinished path
        moves to `.mlorch/kept/`, then what was taken away comes back. Called under the run's locks. Returns what was kept."""

    def place(self, artifact: Artifact, publication: Publication) -> Placed:
        """Put stored content at `artifact.path`, atomically (reflink or copy, then rename; folders by RENAME_EXCHANGE).

        Something else that stands there is replaced if its content is an object of the store or was last published
        here unedited, else it moves to `.mlorch/kept/`. Parent folders are made. Where the path already holds exactly
        this content, nothing is touched. Remembers the publication. Raises CorruptObject.
        """

    def would_keep(self, path: str, publication: Optional[Publication]) -> bool:
        """Whether some of what stands at `path` would move to `.mlorch/kept/`, were it replaced now: it is neither in the
        store nor what was last published there."""

    def publications(
        self, pipeline: str, steps: Optional[AbstractSet[str]] = None
    ) -> Mapping[str, Publication]:
        """Path -> what this pipeline file last published there and has not retired; of these steps alone, or of all."""

    def retire(self, publication: Publication, keep_content: bool = False) -> Optional[str]:
        """Move aside what a step no longer declares: an unedited file is removed (its content is in the store, or moved to
        `.mlorch/kept/` by digest where it is not), an edited one is left alone. Forgets the publication. Returns where a
        copy was kept, or None."""

    def keep(self, path: str, reason: str = "") -> Optional[str]:
        """Move whatever stands at `path` to `.mlorch/kept/…` and return that path, or None if nothing is there."""

    def is_tracked(self, path: str) -> bool:
        """Whether git tracks this path (False outside a git repository). Reads git's index without running git hooks."""


# ---------------------------------------------------------------------------------------------------------------- store


class Store(Protocol):
    """Objects by digest, records by key, run files, and an index that may vanish at any time. Thread-safe."""

    root: str
    path: str
    workspace: Workspace

    def create(self) -> bool:
        """Let a store that was opened for reading be written from now on; what was digested stays known. Returns whether
        it was made just now: if not, another process may have brought records. Raises StoreError, EnvironmentFault."""

    # contents
    def content(self, path: str, exclude: Sequence[str] = ()) -> Optional[Content]:
        """What stands at a path now, by digest; None where nothing does. Digests are cached by (path, size, mtime_ns,
        ctime_ns, inode) and distrusted while racily clean. Follows a symlink only inside the root or an allowed folder
        (else SpecError-like EnvironmentFault). Raises EnvironmentFault for what is neither file nor folder."""

    def members(self, digest: Digest) -> Tuple[Entry, ...]:
        """The members of a folder object, sorted. Raises CorruptObject where it is missing or false."""

    def subfolder(self, digest: Digest, path: str) -> Content:
        """The content of a folder inside a folder object, as `content` would give it once it stands on disk."""

    def ingest(
        self, path: str, exclude: Sequence[str] = (), store: bool = True, move: bool = False
    ) -> Content:
        """Digest what stands at a path and make it an object, not yet durable: `commit` syncs.

        With `store=False` only the digest is taken (a folder's listing is always kept). With `move=True` the file may be
        moved into the store instead of copied (staging). Symlinks in a folder must be relative and stay inside.
        Raises FileNotFoundError, EnvironmentFault.
        """

    def put(self, data: bytes) -> Digest:
        """Make bytes an object (source texts, small documents)."""

    def read(self, digest: Digest) -> bytes:
        """The bytes of a file object, verified. Raises CorruptObject."""

    def has(self, content: Content) -> bool:
        """Whether the object (for a folder: and every member) is there with the right kind and size; a cheap look."""

    def retrievable(self, artifact: Artifact) -> bool:
        """`has`, or for what is not stored: its content stands at its path, or in `.mlorch/kept/` by digest."""

    # records
    def records(self, key: Digest) -> Iterator[Record]:
        """All records of a key, newest first, read as they are asked for. Unreadable ones are skipped,
        foreign versions refused (StoreError)."""

    def family(self, family: Digest, limit: int = 64) -> List[Record]:
        """The newest records that share a family."""

    def latest(self, pipeline: str, instance: str) -> Optional[Record]:
        """The newest record of an instance of a pipeline file."""

    def record(self, name: str) -> Optional[Record]:
        """The record of an id."""

    def durations(self, pipeline: str, instance: str, step: str) -> List[float]:
        """Seconds of the last five successes of this instance; else of other instances of the step."""

    def commit(self, records: Sequence[Record]) -> None:
        """Make objects durable, then the records, then index them: one sync for the batch. After it returns, a power
        cut loses nothing of them."""

    def note_reproduced(self, record: Record, result: Mapping[str, Value]) -> bool:
        """Keep with a record what came of executing it again; False where the record is gone."""

    def reproduced(self) -> FrozenSet[str]:
        """Ids of the records that such a result was kept with; a cheap look."""

    # effects (never deleted by gc)
    def receipt(self, name: str) -> Optional[Mapping[str, Value]]:
        """The latest receipt under an effect name: {"key", "finished", "record", "run", "time"}."""

    def write_receipt(self, name: str, key: Digest, run: str, finished: bool, record: str = "") -> None: ...

    # data that steps create beside their outputs
    def created(self, pipeline: str, step: str) -> FrozenSet[str]:
        """Paths of the project files that attempts of a step created though it does not declare them: data, no code."""

    def note_created(self, pipeline: str, step: str, paths: Sequence[str]) -> None: ...

    # runs
    def begin_run(self, run: str) -> RunLog: ...

    def keep_with_run(self, run: str, name: str, text: str) -> None:
        """Write a file of the folder of a run that has ended."""

    def runs(self, limit: Optional[int] = None) -> List[RunInfo]:
        """Newest first."""

    def events(self, run: str, having: str = "") -> Iterable[Event]:
        """The events of a run, in order; a torn last line is left out. With `having`, those alone whose JSON holds this text:
        the others are not even parsed."""

    def size(self) -> Tuple[int, int]:
        """(bytes in objects, bytes that `gc` with its defaults would free), from the index, cheaply."""

    # locks
    def register(
        self,
        run: str,
        writes: Sequence[str],
        reads: Sequence[str],
        wait: bool = True,
        on_wait: Optional[Callable[[str], None]] = None,
        ancestors: Sequence[str] = (),
    ) -> Lease:
        """Register what a run may write and read (paths and path prefixes ending in `/`; ids as `step:PIPELINE:train`,
        effects as `effect:NAME`), in one step, first come first served, and wait for the live runs before it where
        either writes what the other touches. `on_wait` gets one sentence naming the run, its pid and command.
        Raises LockedError (at once with `wait=False`, or where it would wait for one of `ancestors`)."""

    def forget_caches(self) -> None:
        """Close handles; the index is written."""


class RunLog(Protocol):
    """One run's folder: `events.jsonl`, logs, scripts, contexts."""

    path: str
    """Absolute."""

    def append(self, event: Event) -> None:
        """Add an event; others see it from the next `flush` on."""

    def extend(self, lines: bytes) -> None:
        """Add events as the lines that they are in the file."""

    def flush(self) -> None: ...

    def write(self, name: str, text: str, executable: bool = False) -> str:
        """Write a file of the run's folder; returns its absolute path."""

    def close(self) -> None: ...


class Lease(Protocol):
    fds: Tuple[int, ...]
    """Inheritable descriptors of the flock."""

    def release(self) -> None: ...


@dataclass(frozen=True)
class RunInfo:
    """One line of `mlorch runs`."""

    id: str
    pipeline: str
    name: str
    started: float
    seconds: Optional[float]
    status: str
    """`succeeded failed cancelled running crashed`."""
    totals: Mapping[str, int] = field(default_factory=dict)
    meta: Mapping[str, Value] = field(default_factory=dict)
    """user, host, commit, dirty, argv, ci, params, python, version."""


# ------------------------------------------------------------------------------------------------------------- launcher


class Launcher(Protocol):
    """Executes attempts on agents that joblib hosts. Its methods are called from the hub's thread only."""

    def start(self, slots: int, deliver: Callable[[Attempt, Ended], None]) -> None:
        """Begin. `deliver` is called in the agent's thread when an attempt's process has ended (the engine collects
        outputs there); what it raises is a bug and ends the run."""

    def send(self, attempt: Attempt) -> None:
        """Hand an attempt to a free agent; returns at once."""

    def cancel(self, grace: Optional[float], only: Optional[str] = None) -> None:
        """TERM every running attempt (or the one with this id), KILL after `grace` seconds; None is KILL at once."""

    def close(self) -> None:
        """End agents, zygotes and the guardian, and wait for them."""
