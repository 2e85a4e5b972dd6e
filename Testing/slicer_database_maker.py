"""A Slicer DICOM database as CTK makes it: the tables and columns of its `dicom-schema.sql`, files copied in or linked.

The columns are those published with CTK (Libs/DICOM/Core/Resources/dicom-schema.sql, schema 0.5.3 to 0.7.0) and, for 0.8,
those that ctkDICOMDatabase.cpp writes (`Images.URL` is new there).
"""

import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pydicom

IMAGES = (
    "SOPInstanceUID VARCHAR(64) NOT NULL, Filename VARCHAR(1024) NOT NULL, {url} SeriesInstanceUID VARCHAR(64) NOT NULL, "
    "InsertTimestamp VARCHAR(20) NOT NULL"
)
PATIENTS = (
    "UID INTEGER PRIMARY KEY AUTOINCREMENT, PatientsName VARCHAR(255), PatientID VARCHAR(255), PatientsBirthDate DATE, "
    "PatientsBirthTime TIME, PatientsSex VARCHAR(1), PatientsAge VARCHAR(10), PatientsComments VARCHAR(255)"
)
STUDIES = (
    "StudyInstanceUID VARCHAR(64) NOT NULL, PatientsUID INT NOT NULL, StudyID VARCHAR(255), StudyDate DATE, "
    "StudyTime VARCHAR(20), StudyDescription VARCHAR(255), AccessionNumber VARCHAR(255), "
    "ModalitiesInStudy VARCHAR(255), InstitutionName VARCHAR(255), "
    "ReferringPhysician VARCHAR(255), PerformingPhysiciansName VARCHAR(255)"
)
SERIES = (
    "SeriesInstanceUID VARCHAR(64) NOT NULL, StudyInstanceUID VARCHAR(64) NOT NULL, SeriesNumber INT, SeriesDate DATE, "
    "SeriesTime VARCHAR(20), SeriesDescription VARCHAR(255), Modality VARCHAR(20), BodyPartExamined VARCHAR(255), "
    "FrameOfReferenceUID VARCHAR(64), AcquisitionNumber INT, ContrastAgent VARCHAR(255), ScanningSequence VARCHAR(45), "
    "EchoNumber INT, TemporalPosition INT"
)


def make_database(
    folder: Path,
    copied: Iterable[Path] = (),
    linked: Iterable[Path] = (),
    remote: int = 0,
    version: str = "0.8.1",
    write_ahead: bool = False,
) -> Path:
    """Write `ctkDICOM.sql` with the files below some folders; `remote` objects were only seen on a PACS. Returns its path."""
    folder.mkdir(parents=True)
    path = folder / "ctkDICOM.sql"
    with closing(sqlite3.connect(path)) as database, database:
        if write_ahead:
            database.execute("PRAGMA journal_mode = WAL")
        _create(database, version)
        for original in (file for one in copied for file in sorted(one.rglob("*.dcm"))):
            header = pydicom.dcmread(original, stop_before_pixels=True)
            place = (
                Path("dicom")
                / str(header.StudyInstanceUID)
                / str(header.SeriesInstanceUID)
                / str(header.SOPInstanceUID)
            )
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original, folder / place)
            _insert(database, header, place.as_posix(), version)
        for original in (file for one in linked for file in sorted(one.rglob("*.dcm"))):
            _insert(database, pydicom.dcmread(original, stop_before_pixels=True), str(original.absolute()), version)
        series = database.execute("SELECT max(SeriesInstanceUID) FROM Images").fetchone()[0]
        for number in range(remote):
            values = (f"1.2.826.{number}", "", f"dimse://{number}", series, "2024-01-01")
            database.execute("INSERT INTO Images VALUES (?, ?, ?, ?, ?)", values)
    return path


def _create(database: sqlite3.Connection, version: str) -> None:
    url = "URL VARCHAR(1024), " if version >= "0.8" else ""
    stamp = ", InsertTimestamp VARCHAR(20) NOT NULL" if version >= "0.6" else ""
    database.execute("CREATE TABLE SchemaInfo (Version VARCHAR(1024) NOT NULL)")
    database.execute("INSERT INTO SchemaInfo VALUES (?)", (version,))
    database.execute(f"CREATE TABLE Images ({IMAGES.format(url=url)}, PRIMARY KEY (SOPInstanceUID))")
    database.execute(f"CREATE TABLE Patients ({PATIENTS}{stamp})")
    database.execute(f"CREATE TABLE Studies ({STUDIES}{stamp}, PRIMARY KEY (StudyInstanceUID))")
    database.execute(f"CREATE TABLE Series ({SERIES}{stamp}, PRIMARY KEY (SeriesInstanceUID))")
    database.execute("CREATE INDEX ImagesSeriesIndex ON Images (SeriesInstanceUID)")


def _insert(database: sqlite3.Connection, header: pydicom.Dataset, filename: str, version: str) -> None:
    now = "2024-01-01 00:00:00"
    patient = database.execute("SELECT UID FROM Patients WHERE PatientID = ?", (header.PatientID,)).fetchone()
    stamp = {"InsertTimestamp": now} if version >= "0.6" else {}
    if patient is None:
        row = {"PatientsName": str(header.PatientName), "PatientID": header.PatientID, **stamp}
        patient = (_add(database, "Patients", row),)
    study = {
        "StudyInstanceUID": header.StudyInstanceUID,
        "PatientsUID": patient[0],
        "StudyDate": header.get("StudyDate", ""),
    }
    _add(database, "Studies", study | stamp)
    series = {
        "SeriesInstanceUID": header.SeriesInstanceUID,
        "StudyInstanceUID": header.StudyInstanceUID,
        "Modality": header.Modality,
    }
    _add(database, "Series", series | stamp)
    image = {
        "SOPInstanceUID": header.SOPInstanceUID,
        "Filename": filename,
        "SeriesInstanceUID": header.SeriesInstanceUID,
    }
    _add(database, "Images", image | {"InsertTimestamp": now} | ({"URL": ""} if version >= "0.8" else {}))


def _add(database: sqlite3.Connection, table: str, row: dict) -> int:
    columns, marks = ", ".join(row), ", ".join("?" * len(row))
    values = [str(value) if not isinstance(value, int) else value for value in row.values()]
    return database.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", values).lastrowid
