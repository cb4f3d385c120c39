"""The SQLite index: records and objects by what they are looked up by, and a cache of file digests.

It is never the truth: where it is missing, damaged or of another version it is thrown away and made from the
records and objects. Text is kept as bytes, since paths may hold any.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from itertools import chain
from typing import TYPE_CHECKING, Any, Callable, Iterable, List, Optional, Sequence, Tuple, TypeVar

from mlorch.errors import EnvironmentFault, MachineFault
from mlorch.store import files
from mlorch.store.faults import fault

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")
VERSION = 1
WAIT = 60.0
"""Seconds to wait for another process that writes."""

TABLES = """
create table records(path blob primary key, id blob, key blob, family blob, pipeline blob, step blob,
instance blob,
    ended real, seconds real) without rowid;
create index records_family on records(family, ended);
create index records_instance on records(pipeline, instance, ended);
create index records_step on records(pipeline, step, ended);
create table objects(digest blob primary key, bytes integer, referred integer) without rowid;
create table files(path blob primary key, size integer, mtime integer, ctime integer, inode integer, taken
integer,
    digest blob) without rowid;
create table folders(name blob primary key, signature blob, taken integer, content text, detail blob);
create table runs(id blob primary key, size integer, mtime integer, info text) without rowid;
"""


STATEMENTS = tuple(statement.strip() for statement in TABLES.split(";") if statement.strip())
_SCHEMA = sorted(" ".join(statement.split()).lower() for statement in STATEMENTS)


def blob(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


class Index:
    """One connection, shared by the threads of this process.

    Args:
        path: the database; with `readonly` nothing is ever written there, and where it can't be used as it
        is, an index
            in memory takes its place.
        populate: fills a new index from the truth.
        stale: the file is known to lack something (a killed run left notes); with `readonly` it is not used
        then.
    """

    def __init__(
        self, path: str, readonly: bool, populate: Callable[[sqlite3.Connection], None], stale: bool = False
    ) -> None:
        self.path = path
        self._stale = stale
        self._readonly = readonly
        self._populate = populate
        self._guard = threading.RLock()
        self._connection: Optional[sqlite3.Connection] = None
        self._identity: Tuple[int, int] = (0, 0)
        self.rebuilt = 0
        """How often it was made anew by this process."""

    def query(self, sql: str, arguments: Sequence[Any] = ()) -> List[Tuple[Any, ...]]:
        return self._run(lambda db: db.execute(sql, arguments).fetchall())

    def load(self, sql: str, arguments: Sequence[Any], read: Callable[..., T]) -> List[T]:
        """As `query`, each row through `read`. One that it can't read (ValueError, TypeError, AttributeError) was not
        written by us: the index is thrown away and made anew."""
        import sqlite3

        def work(db: sqlite3.Connection) -> List[T]:
            try:
                return [read(*row) for row in db.execute(sql, arguments)]
            except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
                raise sqlite3.DatabaseError("a row that can't be read") from error

        return self._run(work)

    def write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Run statements in one transaction. Does nothing where the store is read-only."""

        def transaction(db: sqlite3.Connection) -> None:
            db.execute("begin immediate")
            try:
                work(db)
                fault("index")
                db.execute("commit")
            except BaseException:
                if db.in_transaction:
                    db.execute("rollback")
                raise

        if not self._readonly:
            self._run(transaction)

    def insert(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        rows = list(rows)
        if rows:
            self.write(lambda db: insert(db, table, rows))

    def write_from_now_on(self) -> None:
        """An index in memory, or one that was only read, gives way to the file."""
        with self._guard:
            self.close()
            self._readonly = self._stale = False

    def close(self) -> None:
        with self._guard:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __del__(self) -> None:
        """A store that was only read may just be dropped."""
        if self._connection is not None:
            self._connection.close()

    # ------------------------------------------------------------------------------------------------ opening

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        import sqlite3

        with self._guard:
            try:
                return work(self._open())
            except sqlite3.OperationalError as error:
                if not _damaged(error):
                    self.close()
                    raise fault_of(self.path, error) from error
            except (sqlite3.DatabaseError, UnicodeError):
                pass
            self._discard()
            try:
                return work(self._open())
            except sqlite3.DatabaseError as error:
                raise fault_of(self.path, error) from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._current():
            return self._connection
        self.close()
        import sqlite3

        try:
            self._connection = self._open_readonly() if self._readonly else self._open_file()
        except sqlite3.OperationalError as error:
            if not _damaged(error):
                raise
            self._connection = self._remake()
        except (sqlite3.DatabaseError, UnicodeError):  # the latter where sqlite3 quotes what is no text
            self._connection = self._remake()
        return self._connection

    def _remake(self) -> sqlite3.Connection:
        self._discard()
        return self._in_memory() if self._readonly else self._open_file()

    def _open_file(self) -> sqlite3.Connection:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISLNK(os.lstat(self.path).st_mode) or stat.S_ISFIFO(os.lstat(self.path).st_mode):
                files.remove(self.path)
        db = connect(self.path)
        try:
            db.execute("pragma journal_mode=delete")
            db.execute("pragma synchronous=full")
            if not _is_ours(db):
                self._make(db)
        except BaseException:
            db.close()
            raise
        found = os.stat(self.path)
        self._identity = (found.st_dev, found.st_ino)
        return db

    def _open_readonly(self) -> sqlite3.Connection:
        import sqlite3
        from urllib.parse import quote

        if self._stale or not os.path.exists(self.path):
            return self._in_memory()
        # a leftover journal of a killed run can't be rolled back without writing
        if os.path.exists(self.path + "-journal"):
            return self._in_memory()
        if not stat.S_ISREG(os.lstat(self.path).st_mode):
            return self._in_memory()
        db = sqlite3.connect(
            f"file:{quote(os.fsencode(self.path))}?mode=ro",
            uri=True,
            timeout=WAIT,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            if _is_ours(db):
                return db
        except sqlite3.DatabaseError:
            db.close()
            return self._in_memory()
        db.close()
        return self._in_memory()

    def _in_memory(self) -> sqlite3.Connection:
        db = connect(":memory:")
        try:
            self._make(db)
        except BaseException:
            db.close()
            raise
        return db

    def _make(self, db: sqlite3.Connection) -> None:
        """Throw away what another version left, and fill in. Another process may be doing the same."""
        db.execute("begin exclusive")
        try:
            if not _is_ours(db):
                for kind, name in db.execute(
                    "select type, name from sqlite_master where name not like 'sqlite_%'"
                ).fetchall():
                    db.execute('drop {} if exists "{}"'.format(kind, name.replace('"', '""')))
                for statement in STATEMENTS:
                    db.execute(statement)
                self._populate(db)
                db.execute(f"pragma user_version={VERSION}")
                self.rebuilt += 1
            db.execute("commit")
        except UnicodeError as error:
            db.execute("rollback")
            import sqlite3

            raise sqlite3.DatabaseError("a name that is no text") from error
        except BaseException:
            if db.in_transaction:
                db.execute("rollback")
            raise

    def _current(self) -> bool:
        """Whether the file that is open is still the one under the name: somebody may have deleted it."""
        if self._readonly:
            return True
        try:
            found = os.stat(self.path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def _discard(self) -> None:
        self.close()
        self._stale = True  # where nothing may be written, an index in memory takes its place
        if not self._readonly:
            for suffix in ("", "-journal", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    files.remove(self.path + suffix)


def insert(db: sqlite3.Connection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    """Rows are taken one by one, so that a generator of them is never held whole."""
    following = iter(rows)
    for first in following:
        marks = ",".join("?" * len(first))
        db.executemany(f"insert or replace into {table} values ({marks})", chain([first], following))


def connect(path: str) -> sqlite3.Connection:
    import sqlite3

    return sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)


def _is_ours(db: sqlite3.Connection) -> bool:
    """Whether the version and every table are those that we make: a repository may bring triggers and endless views.
    Raises sqlite3.DatabaseError."""
    import sqlite3

    try:
        db.execute("pragma trusted_schema=off")
        if int(db.execute("pragma user_version").fetchone()[0]) != VERSION:
            return False
        # as bytes: in a damaged file they may be no text, and then sqlite3 can't even say what is wrong
        sql = "select cast(sql as blob) from sqlite_master where name not like 'sqlite\\_%' escape '\\'"
        made = [bytes(found or b"").decode("utf-8", "replace") for (found,) in db.execute(sql)]
    except UnicodeError as error:
        raise sqlite3.DatabaseError("not a database: its names are no text") from error
    return sorted(" ".join(found.split()).lower() for found in made) == _SCHEMA


def _damaged(error: Exception) -> bool:
    said = str(error)
    return any(
        words in said
        for words in (
            "malformed",
            "not a database",
            "no such table",
            "no such column",
            "disk image",
            "Could not decode",
        )
    )


def fault_of(path: str, error: Exception) -> EnvironmentFault:
    hint = "free some space, or check the disk and the permissions; the index can be deleted at any time"
    if "locked" in str(error):
        hint = "another mlorch holds it; wait for that one to end"
    return MachineFault(f"the index `{path}` can't be used: {error}", hint)
