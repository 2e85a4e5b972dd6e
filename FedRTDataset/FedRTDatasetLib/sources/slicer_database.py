"""The files of a Slicer DICOM database, without Slicer.

The database is the SQLite file `ctkDICOM.sql` that CTK keeps in the folder set as Slicer's DICOM database (schema 0.8; the
tables used here are the same since 0.5). `Images.Filename` is relative to that folder for files that were copied into it
and absolute for linked ones (ctkDICOMDatabase::internalPathFromAbsolute); it is empty for objects that were only looked
at on a PACS. The database is opened read-only and never changed, also while Slicer uses it.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import FedRTError
from ..index.dicom_index import Problem
from ..index.selection import Selection
from .addresses import DATABASE_FILE

NEEDED = {"Images": {"Filename", "SeriesInstanceUID"}, "Series": {"SeriesInstanceUID", "StudyInstanceUID"}}
NEEDED |= {"Studies": {"StudyInstanceUID", "PatientsUID"}, "Patients": {"UID", "PatientID"}}
QUERY = """
    SELECT Patients.PatientID, Images.Filename FROM Images
    LEFT JOIN Series ON Series.SeriesInstanceUID = Images.SeriesInstanceUID
    LEFT JOIN Studies ON Studies.StudyInstanceUID = Series.StudyInstanceUID
    LEFT JOIN Patients ON Patients.UID = Studies.PatientsUID
    ORDER BY Images.SeriesInstanceUID, Images.Filename
"""


@dataclass
class DatabaseFiles:
    """Files of a database that exist, and what is to be said of the others."""

    files: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def database_files(folder: Path, selection: Selection | None = None) -> DatabaseFiles:
    """The files of the database in `folder`, of the patients that `selection` names.

    Raises:
        FedRTError: it cannot be opened, or is no CTK DICOM database.
    """
    selection = selection or Selection()
    found = DatabaseFiles()
    missing = remote = 0
    for patient_id, name in _rows(folder):
        if not selection.wants_patient(patient_id or ""):
            continue
        if not name:
            remote += 1
        elif (path := folder / name).is_file():  # an absolute name stands for itself
            found.files.append(path)
        else:
            missing += 1
    if missing:
        text = f"{folder}: {missing} files that the Slicer database lists are gone: import those studies again."
        found.problems.append(Problem("file-missing", text))
    if remote:
        text = f"{folder}: {remote} objects are known to the Slicer database but not downloaded: retrieve them in Slicer first."
        found.problems.append(Problem("not-received", text))
    return found


def _rows(folder: Path) -> list[tuple[str | None, str | None]]:
    path = (folder / DATABASE_FILE).absolute()
    if not path.is_file():
        raise FedRTError(
            f"{folder} holds no {DATABASE_FILE}; name the folder set as DICOM database in Slicer's settings."
        )
    try:
        try:
            return _read(path, "mode=ro")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise FedRTError(f"{folder} is being written to by Slicer; wait until its import is done.") from None
            # A database in write-ahead mode cannot be opened from a folder that one may not write to, except as it stands.
            return _read(path, "mode=ro&immutable=1")
    except sqlite3.Error as error:
        raise FedRTError(f"{path} cannot be read as Slicer's DICOM database ({error}); repair it in Slicer.") from None


def _read(path: Path, mode: str) -> list[tuple[str | None, str | None]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=10)) as database:
        for table, columns in NEEDED.items():
            there = {row[1] for row in database.execute(f"PRAGMA table_info('{table}')")}
            if not columns <= there:
                lacking = ", ".join(sorted(columns - there))
                raise FedRTError(
                    f"{path} has no {lacking} in table {table}: it is not a CTK DICOM database of schema 0.5 to 0.8."
                )
        return database.execute(QUERY).fetchall()
