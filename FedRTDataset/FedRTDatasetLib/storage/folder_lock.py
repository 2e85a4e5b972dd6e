"""One build at a time on a dataset: a lock file in it that tells who holds it."""

import contextlib
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import FedRTError
from ..process_tree import family

LOCK = ".build.lock"


@contextlib.contextmanager
def building(dataset: Path) -> Iterator[None]:
    """Hold the lock of the dataset folder (which must exist).

    A lock whose process has ended on this machine (crash, power cut) is taken over. One of another machine is not: from
    here nobody can tell whether that run is alive.

    Raises:
        FedRTError: another run holds it; names the machine and the process, or the file to delete.
    """
    lock, own = dataset / LOCK, _myself()
    if not _create(lock, own):
        _take_over(lock, own)
    try:
        yield
    finally:
        if _read(lock) == own:
            lock.unlink(missing_ok=True)


def _myself() -> dict:
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": _start_of(os.getpid())}


def _start_of(pid: int) -> str:
    """A word for when a running process started, so that a number handed out again is not taken for it; empty: not running."""
    return next((process.started or "?" for process in family(pid) if process.pid == pid), "")


def _create(lock: Path, content: dict) -> bool:
    """Make the file with its content at once, unless it is there."""
    handle, name = tempfile.mkstemp(prefix=LOCK, suffix=".partial", dir=lock.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
    try:
        os.link(name, lock)
        return True
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        try:
            with open(lock, "x", encoding="utf-8") as file:
                json.dump(content, file)
            return True
        except FileExistsError:
            return False
    finally:
        os.unlink(name)


def _read(lock: Path) -> dict:
    try:
        content = json.loads(lock.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError):
        return {}


def _take_over(lock: Path, own: dict) -> None:
    holder = _read(lock)
    host, pid = str(holder.get("host", "unknown")), holder.get("pid")
    here = host == own["host"] and isinstance(pid, int)
    if here and _start_of(pid) == holder.get("started"):
        raise FedRTError(
            f"another build works on {lock.parent} (process {pid} on this machine): wait until it has ended or stop it; "
            f"if no such process runs, delete {lock}."
        )
    if not here:
        raise FedRTError(
            f"another build works on {lock.parent} (process {pid} on {host}); if none runs there any more, delete {lock}."
        )
    aside = lock.with_name(f"{LOCK}.{own['pid']}.partial")
    with contextlib.suppress(FileNotFoundError):
        os.rename(lock, aside)  # only one of several that find the same stale lock succeeds
        taken = _read(aside)
        if taken != holder:  # somebody was quicker, and this is their lock
            with contextlib.suppress(OSError):
                os.link(aside, lock)
        aside.unlink(missing_ok=True)
    if not _create(lock, own):
        raise FedRTError(f"another build has just started on {lock.parent}: wait until it has ended.")
