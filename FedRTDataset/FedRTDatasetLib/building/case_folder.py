"""A case folder that is replaced as a whole, while the corrected structure sets in its `versions/` stay where they are.

A new case is written to `.<case>.<random>.partial`. When it is complete and on disk it is renamed to `.<case>.ready`: from
there on it is the case, and what is left to do is only renaming. `finish_interrupted` does that for a run that was killed in
between, so there is never a mixture of an old and a new case that anyone could read.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..atomic import remove_leftovers

VERSIONS = "versions"
RECORD = "case.json"


@contextlib.contextmanager
def replacing_case(cases_folder: Path, case_id: str) -> Iterator[Path]:
    """Yield an empty folder; on success its files take the place of the case's, except for `versions/`."""
    partial = Path(tempfile.mkdtemp(prefix=f".{case_id}.", suffix=".partial", dir=cases_folder))
    ready = cases_folder / f".{case_id}.ready"
    try:
        yield partial
        for path in partial.iterdir():
            _sync(path)
        _like_other_folders(partial)
        os.rename(partial, ready)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _take_over(ready, cases_folder / case_id)


def finish_interrupted(cases_folder: Path) -> None:
    """Put complete cases in their place and remove incomplete ones that a killed run left in `cases_folder`."""
    for ready in cases_folder.glob(".*.ready"):
        _take_over(ready, cases_folder / ready.name[1 : -len(".ready")])
    remove_leftovers(cases_folder)


def corrected_versions(case_folder: Path) -> int:
    """How many corrected structure sets a case has."""
    folder = case_folder / VERSIONS
    return sum(not entry.name.startswith(".") for entry in folder.iterdir()) if folder.is_dir() else 0


def _take_over(ready: Path, case: Path) -> None:
    """Move the files of `ready` into `case`, the record last: without a record nobody takes a folder for a case."""
    if not case.exists():
        os.rename(ready, case)
        return
    names = sorted(path.name for path in ready.iterdir())
    if RECORD in names:  # absent where an interrupted run had moved everything
        (case / RECORD).unlink(missing_ok=True)
        for path in list(case.iterdir()):
            if path.is_file() and path.name not in names and not _moved_already(path, ready):
                path.unlink()
        for name in sorted(names, key=lambda name: name == RECORD):
            os.replace(ready / name, case / name)
    ready.rmdir()


def _moved_already(path: Path, ready: Path) -> bool:
    """Whether an interrupted run moved this file from `ready` into the case: the new record names it."""
    import json

    with contextlib.suppress(OSError, ValueError, AttributeError):
        return path.name in json.loads((ready / RECORD).read_text(encoding="utf-8")).get("sha256", {})
    return False


def _sync(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _like_other_folders(folder: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)  # mkdtemp made it private
