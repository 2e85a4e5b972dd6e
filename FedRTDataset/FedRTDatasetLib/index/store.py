"""The index on disk: an SQLite database of what every file's header said.

It holds patient names and identifiers as they stand in the files, so it is readable by its owner alone and stays on this
machine. It is a cache: everything in it can be read from the files again, and a store that is damaged or of another version
is made anew. Several runs may use one store at a time, also for different folders: each sees the files of its own sources
(`member`), and what it learns serves the others.
"""

import hashlib
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import FedRTError

APPLICATION_ID, VERSION = 0x46655254, 2
BUSY_SECONDS = 120
SCHEMA = """
CREATE TABLE part (
  id INTEGER PRIMARY KEY AUTOINCREMENT, content TEXT NOT NULL UNIQUE, series TEXT NOT NULL, study TEXT NOT NULL,
  frame TEXT NOT NULL, modality TEXT NOT NULL, patient TEXT NOT NULL, name TEXT NOT NULL);
CREATE INDEX part_series ON part(series);
CREATE INDEX part_frame ON part(frame);
CREATE TABLE file (
  id INTEGER PRIMARY KEY AUTOINCREMENT, path NOT NULL UNIQUE, size INTEGER NOT NULL, mtime INTEGER NOT NULL,
  kind TEXT NOT NULL, uid TEXT, part INTEGER, position TEXT, number INTEGER, phase TEXT, content TEXT);
CREATE INDEX file_uid ON file(uid) WHERE uid IS NOT NULL;
CREATE INDEX file_part ON file(part) WHERE part IS NOT NULL;
CREATE INDEX file_kind ON file(kind) WHERE kind <> 'image';
CREATE TABLE reference (
  file INTEGER NOT NULL REFERENCES file(id) ON DELETE CASCADE, role TEXT NOT NULL, uid TEXT NOT NULL);
CREATE INDEX reference_file ON reference(file);
CREATE INDEX reference_uid ON reference(uid);
"""
SESSION = """
CREATE TEMP TABLE seen (path PRIMARY KEY, size INTEGER NOT NULL, mtime INTEGER NOT NULL) WITHOUT ROWID;
CREATE TEMP TABLE unread (path NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL);
CREATE TEMP TABLE member (id INTEGER PRIMARY KEY);
CREATE TEMP TABLE left_out (id INTEGER PRIMARY KEY);
CREATE TEMP TABLE series (uid TEXT PRIMARY KEY, slices INTEGER NOT NULL, odd INTEGER NOT NULL) WITHOUT ROWID;
CREATE TEMP VIEW slice AS
  SELECT file.*, part.content AS shared, part.series, part.study, part.frame, part.modality, part.patient
  FROM file JOIN part ON part.id = file.part
  WHERE +file.id IN (SELECT id FROM member) AND +file.id NOT IN (SELECT id FROM left_out);
CREATE TEMP VIEW object AS
  SELECT * FROM file
  WHERE kind <> 'image' AND +kind IN ('RTSTRUCT', 'RTPLAN', 'RTDOSE', 'REG')
    AND +id IN (SELECT id FROM member) AND +id NOT IN (SELECT id FROM left_out);
"""


# The plus signs keep SQLite from going through all members instead of using an index of `file` or `part`.


class Store:
    """One connection to the database, and what this run sees of it. Usable from several threads, one at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()

    def rows(self, sql: str, *values: Any) -> list[tuple]:
        """All rows of a query that has few."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def stream(self, sql: str, *values: Any) -> Iterator[tuple]:
        """The rows of a query that may have many. The tables it reads must not be changed meanwhile."""
        return iter(self._connection.execute(sql, values))

    def run(self, sql: str, *values: Any) -> None:
        """A statement on this run's own tables (`seen`, `unread`, `member`, `left_out`)."""
        with self._lock:
            self._connection.execute(sql, values)

    def run_many(self, sql: str, rows: Iterable[tuple]) -> None:
        with self._lock:
            self._connection.executemany(sql, rows)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction on the store: all of it or nothing, alone among several runs."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.commit()

    def freeze(self) -> None:
        """From now on see the store as it is, whatever other runs write (as far as the file system allows it)."""
        if self.rows("PRAGMA main.journal_mode")[0][0] == "wal":
            self.run("BEGIN")
            self.rows("SELECT 1 FROM file LIMIT 1")

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def open_store(path: Path | str | None, tell: Callable[[str], None]) -> Store:
    """Open or make the store at `path`; None makes a private one that is gone when it is closed.

    `tell` hears, in a sentence, that a store of another version or a damaged one was made anew, or that none can be kept
    where stores are kept by default.

    Raises:
        FedRTError: a file that was named is something else, or cannot be written.
    """
    if path is None:
        return _private_store()
    path = Path(path).expanduser()
    try:
        _make_private(path)
        _refuse_foreign(path)
        try:
            return _prepare(_checked(path))
        except _UnusableError as error:
            tell(f"the index {path} {error}: made anew, every file is read again.")
            remove_store(path)
            _make_private(path)
            return _prepare(_checked(path))
    except (_UnusableError, sqlite3.Error, OSError) as error:
        if cache_folder() / "index" in path.parents:
            tell(f"no index can be kept in {path.parent} ({error}): every file is read again the next time.")
            return _private_store()
        raise FedRTError(f"the index {path} cannot be used ({error}); name another file with --index.") from None


def _private_store() -> Store:
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    _set_up(connection)
    return _prepare(connection)


def remove_store(path: Path) -> None:
    """Delete a store with its journal files."""
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def default_store(sources: Iterable[Path | str]) -> Path:
    """Where the index of a set of sources is kept unless named: one file for each set, in any order."""
    places = sorted({os.path.abspath(os.path.expanduser(source)) for source in sources})
    digest = hashlib.sha256("\0".join(places).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return cache_folder() / "index" / f"{digest}.sqlite"


def cache_folder() -> Path:
    """`$FEDRT_CACHE`, else `fedrt` in the user's cache folder."""
    if os.environ.get("FEDRT_CACHE"):
        return Path(os.environ["FEDRT_CACHE"])
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "fedrt"


class _UnusableError(Exception):
    """Why a store has to be made anew; ends a sentence that begins with its name."""


def _make_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with suppress(OSError):
        path.chmod(0o600)  # SQLite gives its journal files the same mode


def _refuse_foreign(path: Path) -> None:
    """Never overwrite what is not ours: a store bears our number, holds nothing yet, or lies where stores are kept."""
    if cache_folder() / "index" in path.parents:
        return
    with open(path, "rb") as file:
        head = file.read(72)
    if head and (head[:16] != b"SQLite format 3\0" or not _bears_our_number(path, head)):
        raise FedRTError(f"{path} is no index of FedRT; name another file with --index, or delete it.")


def _bears_our_number(path: Path, head: bytes) -> bool:
    """At byte 68 (SQLite file format), or not there yet because another run is just making the store."""
    if head[68:72] == APPLICATION_ID.to_bytes(4, "big"):
        return True
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    try:
        number = connection.execute("PRAGMA application_id").fetchone()[0]
        return number == APPLICATION_ID or not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError:
        return False
    finally:
        connection.close()


def _checked(path: Path) -> sqlite3.Connection:
    """A connection to a store that is whole and of this version."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _set_up(connection)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not empty and connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise _UnusableError("is damaged")
        if not empty and version != VERSION:
            raise _UnusableError("is of another version")
        with suppress(
            sqlite3.OperationalError
        ):  # stays as it was where the file system cannot do it, or another run is
            connection.execute("PRAGMA journal_mode = WAL")  # making the store at this moment
    except sqlite3.OperationalError:
        connection.close()
        raise
    except (sqlite3.DatabaseError, _UnusableError) as error:
        connection.close()
        raise error if isinstance(error, _UnusableError) else _UnusableError("is damaged") from None
    return connection


def _set_up(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA temp_store = FILE")
    connection.execute("PRAGMA cache_size = -8000")  # KiB, however large the store


def _prepare(connection: sqlite3.Connection) -> Store:
    store = Store(connection)
    with store.writing():
        if not store.rows("SELECT 1 FROM sqlite_master LIMIT 1"):
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA wal_checkpoint")  # so that the number is in the file itself
    for statement in SESSION.split(";\n"):
        connection.execute(statement)
    return store
