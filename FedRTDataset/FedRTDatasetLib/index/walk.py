"""Every file below some folders, with what tells whether it changed since it was last read."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import FedRTError


class Found(NamedTuple):
    """A file: absolute path, size in bytes, modification time in nanoseconds."""

    path: str
    size: int
    mtime: int


def walk(sources: Iterable[Path | str], barred: Callable[[str], None]) -> Iterator[Found]:
    """Regular files in and below `sources`, in no particular order; hidden files and DICOMDIR are passed over.

    Links are followed, each folder is entered once (so loops of links end). Folders that may not be read go to `barred`.

    Raises:
        FedRTError: a source does not exist.
    """
    entered: set[tuple[int, int]] = set()
    for source in sources:
        path = os.path.abspath(os.path.expanduser(source))
        try:
            status = os.stat(path)
        except FileNotFoundError:
            raise FedRTError(f"{source} does not exist; check the folder name.") from None
        except OSError as error:
            raise FedRTError(f"{source} cannot be read ({error.strerror}); check the permissions.") from None
        if stat.S_ISDIR(status.st_mode):
            yield from _below(path, entered, barred)
        else:
            yield Found(path, status.st_size, status.st_mtime_ns)


def found_files(paths: Iterable[Path | str]) -> Iterator[Found]:
    """The given files; what is gone by now or is no file is left out."""
    for path in paths:
        absolute = os.path.abspath(path)
        try:
            status = os.stat(absolute)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield Found(absolute, status.st_size, status.st_mtime_ns)


def _below(folder: str, entered: set[tuple[int, int]], barred: Callable[[str], None]) -> Iterator[Found]:
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        subfolders = []
        try:
            status = os.stat(folder)  # DirEntry.stat() has no file number on Windows
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name.upper() == "DICOMDIR":
                        continue
                    if entry.is_dir():
                        subfolders.append(entry.path)
                    elif (found := _regular(entry)) is not None:
                        yield found
        except OSError:
            barred(folder)
        waiting += sorted(subfolders, reverse=True)


def _regular(entry: os.DirEntry) -> Found | None:
    """None for pipes, devices (reading them would wait for ever) and links that lead nowhere."""
    try:
        status = entry.stat()
    except OSError:
        return None
    return Found(entry.path, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
