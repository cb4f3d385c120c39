"""What a command answered when there was nothing to do, remembered with all that it had asked for.

    cache/answers/<digest of the command>:  `<seal>\\n`, then marshalled texts, bytes and numbers

While every question has the same answer, so has the command (see `witness`): then it is given without reading the
pipeline, and nothing but `os`, `marshal` and `blake3` is imported. Anything odd counts as nothing remembered. `marshal`
can be read fast and executes nothing, and only what bears the user's own seal is given to it.
"""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import os
import stat
import struct
import sys
import time
from typing import (
    AbstractSet,
    Any,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from blake3 import blake3

from mlorch import __version__
from mlorch.store import seals
from mlorch.store.owners import SIGN, Shelf, Signs, from_plain, ledger_of, numbers, published_since, same_kind
from mlorch.store.witness import REAL, Witness, error_sign, folder_sign, names_sign

FORMAT = "mlorch.answer/2"
AREA = ".mlorch"
FOLDER = "cache/answers"
EVENTS = "events.jsonl"
ENTRIES = 6
"""Entries kept in a project; another command line is another entry."""
LARGEST = 1 << 29
"""Bytes of an entry; 10,000 steps take 9 MB."""
VARIABLES = ("HOME", "XDG_CACHE_HOME", "NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "CI", "GITHUB_ACTIONS")
"""Asked for where no witness sees it."""

MOST = 2000
"""Other answers that are looked into; of more, the long path is no detour."""


class Command(NamedTuple):
    """A command as it was given, with all that its answer's wording depends on."""

    arguments: Tuple[str, ...]
    folder: str
    """Where it was given, absolute."""
    streams: Tuple[Any, ...] = ()
    """What stdout and stderr can show."""

    @property
    def name(self) -> str:
        """Of its entry."""
        made_by = (FORMAT, __version__, sys.version, sys.prefix, os.cpu_count(), _affinity())
        return blake3(repr((made_by, tuple(self))).encode("utf-8", "surrogateescape")).hexdigest()


class Answer(NamedTuple):
    """An answer that still holds."""

    root: str
    store: str
    parts: Mapping[str, Any]
    """What the command made of it: texts, bytes, numbers."""
    touched: FrozenSet[str] = frozenset()
    """Steps for which something is different now; empty where the answer holds as it is. All other steps stand."""
    entry: Mapping[str, Any] = {}
    """As it was remembered."""


def frozen(value: Any) -> bytes:
    """A value as a part of an answer; its seal is that of the answer. Raises ValueError for what is no plain data."""
    return marshal.dumps(value)


def thawed(data: bytes) -> Any:
    """The inverse of `frozen`, for parts of an answer that was recalled (so its seal is right) or is being made."""
    return marshal.loads(data)


def area_of(root: str) -> str:
    return os.path.join(root, AREA)


def _affinity() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return 0


# ---------------------------------------------------------------------------------------------------- remembering


def remember(
    command: Command, root: str, witness: Witness, parts: Mapping[str, Any], before: Optional[Answer] = None
) -> bool:
    """Remember an answer; whether that was possible. Everything that the witness saw must be older than its looks.

    Args:
        before: an answer of which the witness saw only what was `touched`: the rest is taken over from it.
    """
    from mlorch.store.questions import merged, packed, questions_of

    try:
        area = os.path.join(root, AREA)
        key = seals.user_key(root, os.environ, make=True)
        if key is None or witness.doubt or not seals.is_own_folder(area, root, FOLDER):
            return False
        for path in _own_code():
            witness.note(path)
        questions = questions_of(witness, witness.store)
        until, asked = witness.until, witness.environ.asked
        if before is not None and questions is not None:
            questions = merged(before.entry, before.touched, questions)
            until, asked = min(until, before.entry["until"]), asked.union(before.entry["variables"])
        if questions is None:
            return False
        names = sorted({*VARIABLES, *asked, *_own_variables()})
        body = marshal.dumps(
            {
                "root": root,
                "store": witness.store,
                "began": witness.began,
                "until": until,
                "open": sorted(witness.open),
                "variables": names,
                "environment": _environment(key, names),
                "ledger": ledger_of([*questions["followed"], *questions["direct"]], area),
                **packed(questions, os.path.join(witness.store, "objects")),
                "parts": dict(parts),
            }
        )
        if len(body) >= LARGEST:
            return False
        data = seals.seal(key, command.name, body) + b"\n" + body
        seals.replace(os.path.join(area, FOLDER), command.name, data, ENTRIES)
        return True
    except (OSError, ValueError, MemoryError):
        return False


def _own_code() -> Iterable[str]:
    """Files that mlorch itself is made of: an edit of it forgets answers too."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder, _, names in os.walk(package):
        yield from (os.path.join(folder, name) for name in names if name.endswith((".py", ".json")))


def _own_variables() -> List[str]:
    return [name for name in os.environ if name.startswith("MLORCH_")]


def _environment(key: bytes, names: Sequence[str]) -> str:
    values = ((name, os.environ.get(name)) for name in names)
    return seals.keyed(key, *(f"{name}={value}" if value is not None else name for name, value in values))


# -------------------------------------------------------------------------------------------------------- recalling


def recall(command: Command) -> Optional[Answer]:
    """The answer as it would be found now; None where that is not known for sure. Writes nothing."""
    try:
        name = command.name
        for root in _tops(command):
            path = os.path.join(root, AREA, FOLDER, name)
            try:
                data = seals.read(path, LARGEST + seals.SEAL + 1, follow=False)
            except (FileNotFoundError, NotADirectoryError):
                continue
            return _sound(root, name, data)
    except (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, struct.error):
        return None
    return None


def _tops(command: Command) -> Iterable[str]:
    """Folders that may be the project's root."""
    starts = [command.folder]
    words = command.arguments
    for number, word in enumerate(words):
        if word.endswith((".yaml", ".yml")):
            starts.append(os.path.dirname(os.path.join(command.folder, word)))
        elif word == "-C" and number + 1 < len(words):
            starts.append(os.path.join(command.folder, words[number + 1]))
    seen = set()
    for start in starts:
        folder = os.path.normpath(start)
        while folder not in seen:
            seen.add(folder)
            yield folder
            folder = os.path.dirname(folder)


def _sound(root: str, name: str, data: bytes) -> Optional[Answer]:
    view = memoryview(data)
    key = seals.user_key(root, os.environ, make=False)
    # no secret is compared here: whoever tries seals at random could read the key as well
    if key is None or bytes(view[: seals.SEAL + 1]) != seals.seal(key, name, view[seals.SEAL + 1 :]) + b"\n":
        return None
    entry = marshal.loads(view[seals.SEAL + 1 :])
    now = time.time_ns()
    if entry["root"] != root or not entry["began"] <= now or not now / 1e9 < entry["until"]:
        return None
    variables = entry["variables"]
    if not set(_own_variables()) <= set(variables) or _environment(key, variables) != entry["environment"]:
        return None
    touched: Set[str] = set(entry["open"])
    stands = not touched
    for changed in (
        _changed(entry["direct"], REAL.lstat),
        _changed_objects(entry["shelves"]),
        _changed(entry["followed"], REAL.stat),
        _changed_listings(entry["listed"], entry["names"]),
    ):
        for path, before, mode, number in changed:
            whose = _whose(entry, path, number, (before, mode))
            if whose is None or len(touched) > MOST:
                return None
            touched |= whose
            stands = False
    if not stands and not touched:
        return None
    return Answer(root, entry["store"], entry["parts"], frozenset(touched), entry)


def _whose(
    entry: Mapping[str, Any], path: str, number: int, modes: Tuple[int, int]
) -> Optional[AbstractSet[str]]:
    """The steps that another answer at a path concerns; None: everybody. Raises OSError, ValueError."""
    if entry["ledger"] is not None and path == entry["ledger"][0]:
        return published_since(entry["ledger"])
    (group,) = from_plain(entry["groups"][number : number + 1])
    return group.steps if group is not None and same_kind(group, *modes) else None


Changed = Iterator[Tuple[str, int, int, int]]
"""Path, its mode then and now (0: an error), and the number of the group that it concerns."""


def _changed(signs: Signs, look: Any) -> Changed:
    """Where something else stands. The inner loop of a command with nothing to do."""
    regular, link, mask = stat.S_IFREG, stat.S_IFLNK, 0o170000
    for path, sign, number in zip(signs[0].split("\0"), SIGN.iter_unpack(signs[1]), numbers(signs[2])):
        try:
            found = look(path)
        except OSError as error:
            if sign != error_sign(error):
                yield path, sign[0], 0, number
            continue
        mode = found.st_mode
        kind = mode & mask
        if kind in (regular, link):
            same = (mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino) == sign
        else:
            same = (mode, 0, 0, 0, found.st_ino) == sign
        if not same:
            yield path, sign[0], mode, number


def _changed_objects(shelves: Sequence[Shelf]) -> Changed:
    """Where another object stands, or none. One by one only in folders where something came or went."""
    for folder, sign, signs in shelves:
        try:
            stands = SIGN.pack(*folder_sign(folder)) == sign
        except OSError:
            stands = False
        if not stands:
            yield from _changed(signs, REAL.lstat)


def _changed_listings(signs: Signs, names: Sequence[str]) -> Changed:
    rows = zip(signs[0].split("\0"), SIGN.iter_unpack(signs[1]), names, numbers(signs[2]))
    for path, sign, listed, number in rows:
        try:
            found = REAL.stat(path)
            if (found.st_mode, 0, found.st_mtime_ns, found.st_ctime_ns, found.st_ino) == sign:
                continue
            with REAL.scandir(path) as entries:
                same = names_sign(list(entries)) == listed
        except OSError:
            yield path, sign[0], 0, number
            continue
        if not same:
            yield path, sign[0], found.st_mode, number


def record_run(store: str, schema: str, run: str, texts: Mapping[str, bytes]) -> None:
    """Write a run's folder at once, as `runs.RunFolder` leaves it: `events.jsonl`, durable, and what else there is of
    it. Raises FileExistsError where there is such a run, OSError."""
    runs = os.path.join(store, "runs")
    folder = os.path.join(runs, run)
    os.mkdir(folder)
    try:
        for name, data in texts.items():
            if name != EVENTS:
                seals.create(os.path.join(folder, name), data)
        fd = os.open(os.path.join(folder, EVENTS), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(fd, "wb") as file:
            fcntl.flock(fd, fcntl.LOCK_EX)
            file.write(b'{"schema":"%s","run":"%s"}\n' % (schema.encode("ascii"), run.encode("ascii")))
            file.write(texts[EVENTS])
            file.flush()
            os.fsync(fd)
    except BaseException:
        for name in texts:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
        raise
    fd = os.open(runs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def is_quiet(store: str, area: str) -> bool:
    """Whether no run is under way and none was cut off, so that there is nobody to wait for and nothing to mend."""
    runs = os.path.join(store, "locks", "runs")
    if os.path.isdir(runs) and os.listdir(runs):
        return False
    for folder in {store, area}:
        for name in _names(os.path.join(folder, "tmp")):
            if name not in ("aside", "staging") or _names(os.path.join(folder, "tmp", name)):
                return False
    return not _names(os.path.join(store, "pending"))


def _names(folder: str) -> List[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
