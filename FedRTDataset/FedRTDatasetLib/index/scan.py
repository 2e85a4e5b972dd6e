"""Bring a store up to date with the files: read what is new or changed, forget what is gone, keep the rest.

A file is unchanged while its path, size and modification time are. What was read is written down every few thousand files,
so a run that was interrupted goes on where it stopped.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import FedRTError
from ..reporting import Reporter
from .pool import BATCH, read_records
from .record import PART, Record
from .store import Store
from .walk import Found

ROWS_AT_ONCE = 2000
LOOKED_AT_ONCE = 5000


@dataclass(frozen=True)
class Scanned:
    """How many files there are, and how many of them had to be read."""

    files: int
    read: int
    removed: int


def scan(store: Store, found: Iterable[Found], roots: Iterable[str], report: Reporter) -> Scanned:
    """Make the files `found` the members of this run; of what the store knows below `roots`, what is not found is forgotten.

    Raises:
        FedRTError: the store cannot be written (a full disk).
    """  # fmt: skip
    try:
        files = _look(store, found, report)
        count = _list_unread(store)
        _read(store, count, report)
        removed = _forget(store, roots, changed=count > 0)
        store.run("INSERT INTO member SELECT file.id FROM seen JOIN file ON file.path = seen.path")
        store.run("DELETE FROM seen")
        store.run("DELETE FROM unread")
    except sqlite3.OperationalError as error:
        raise FedRTError(
            f"the index cannot be written ({error}): make room on the disk, or keep it elsewhere with --index; "
            "what was read so far is kept."
        ) from None
    return Scanned(files, count, removed)


def _look(store: Store, found: Iterable[Found], report: Reporter) -> int:
    store.run("BEGIN")
    store.run_many("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", _counted(found, report))
    store.run("COMMIT")
    return store.rows("SELECT count(*) FROM seen")[0][0]


def _counted(found: Iterable[Found], report: Reporter) -> Iterator[tuple]:
    for number, one in enumerate(found, 1):
        if number % LOOKED_AT_ONCE == 0:
            report.progress("find files", number, number)
        yield _stored(one.path), one.size, one.mtime


def _list_unread(store: Store) -> int:
    store.run(
        "INSERT INTO unread SELECT seen.* FROM seen LEFT JOIN file ON file.path = seen.path "
        "WHERE file.id IS NULL OR file.size <> seen.size OR file.mtime <> seen.mtime"
    )
    return store.rows("SELECT count(*) FROM unread")[0][0]


def _read(store: Store, count: int, report: Reporter) -> None:
    report.progress("index", 0, count)
    ages: dict[str, tuple[int, int]] = {}  # of the files that are being read just now
    waiting: list[tuple[str, int, int, Record]] = []
    done = 0
    try:
        for batch in read_records(_unread(store, ages), count):
            waiting += [(path, *ages.pop(path), record) for path, record in batch]
            done += len(batch)
            if len(waiting) >= ROWS_AT_ONCE:
                _write(store, waiting)
                waiting = []
            report.progress("index", done, count)
    finally:  # also when interrupted: what was read is not read again
        _write(store, waiting)


def _unread(store: Store, ages: dict[str, tuple[int, int]]) -> Iterator[str]:
    last = 0
    while rows := store.rows(f"SELECT rowid, * FROM unread WHERE rowid > ? ORDER BY rowid LIMIT {BATCH}", last):
        last = rows[-1][0]
        for _, stored, size, mtime in rows:
            path = given_path(stored)
            ages[path] = size, mtime
            yield path


def _write(store: Store, read: list[tuple[str, int, int, Record]]) -> None:
    if not read:
        return
    with store.writing():
        parts: dict[str, int] = {}
        store.run_many(
            "INSERT INTO file (path, size, mtime, kind, uid, part, position, number, phase, content) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET size = excluded.size, "
            "mtime = excluded.mtime, kind = excluded.kind, uid = excluded.uid, part = excluded.part, "
            "position = excluded.position, number = excluded.number, phase = excluded.phase, content = excluded.content",
            [(_stored(path), size, mtime, *_columns(store, record, parts)) for path, size, mtime, record in read],
        )
        for path, _, _, record in read:
            if record[0] == "object":
                _write_references(store, _stored(path), json.loads(record[3]))


def _columns(store: Store, record: Record, parts: dict[str, int]) -> tuple:
    """kind, uid, part, position, number, phase, content"""
    match record:
        case ["image", part, uid, position, number, phase]:
            return "image", uid, _part(store, part, parts), position, number, phase, None
        case ["object", kind, uid, content]:
            return kind, uid, None, None, None, None, content
        case ["other", label]:
            return "other", None, None, None, None, None, label
        case ["problem", *told]:
            return "problem", None, None, None, None, None, json.dumps(told, ensure_ascii=False)
    return "ignored", None, None, None, None, None, None


def _part(store: Store, content: str, parts: dict[str, int]) -> int:
    if content not in parts:
        values = dict(zip(PART, json.loads(content), strict=True))
        store.run(
            "INSERT OR IGNORE INTO part (content, series, study, frame, modality, patient, name) VALUES (?, ?, ?, ?, ?, ?, ?)",
            content, values["SeriesInstanceUID"], values["StudyInstanceUID"], values["FrameOfReferenceUID"],
            values["Modality"], values["PatientID"], values["PatientName"],
        )  # fmt: skip
        parts[content] = store.rows("SELECT id FROM part WHERE content = ?", content)[0][0]
    return parts[content]


def _write_references(store: Store, stored: str | bytes, content: dict) -> None:
    file = store.rows("SELECT id FROM file WHERE path = ?", stored)[0][0]
    store.run("DELETE FROM reference WHERE file = ?", file)
    roles = {"image": "image_uids", "frame": "frame_uids", "structure set": "structure_set_uids", "plan": "plan_uids"}
    rows = [(file, role, uid) for role, key in roles.items() for uid in content.get(key, ())]
    store.run_many("INSERT INTO reference VALUES (?, ?, ?)", rows)


def _forget(store: Store, roots: Iterable[str], changed: bool) -> int:
    """Take out the files that were below `roots` and are no longer, and the parts that no file has any more."""
    folders = tuple(root.rstrip(os.sep) + os.sep for root in roots)
    known = "SELECT id, path FROM file WHERE NOT EXISTS (SELECT 1 FROM seen WHERE seen.path = file.path)"
    gone = [file for file, path in store.stream(known) if (given_path(path) + os.sep).startswith(folders)]
    if gone or changed:
        with store.writing():
            store.run_many("DELETE FROM file WHERE id = ?", ((file,) for file in gone))
            store.run("DELETE FROM part WHERE id NOT IN (SELECT part FROM file WHERE part IS NOT NULL)")
    return len(gone)


def _stored(path: str) -> str | bytes:
    """A path as a database value: text, or bytes where the file system's name is no valid Unicode."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def given_path(stored: str | bytes) -> str:
    """The path of a database value."""
    return os.fsdecode(stored) if isinstance(stored, bytes) else stored
