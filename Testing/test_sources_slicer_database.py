"""The files of a Slicer DICOM database, from a database with CTK's tables."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.index.selection import Selection
from FedRTDatasetLib.sources.slicer_database import database_files
from slicer_database_maker import make_database
from small_hospital import small_hospital


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    return small_hospital(tmp_path_factory.mktemp("hospital"))


def names(files: list[Path]) -> set[str]:
    return {path.name for path in files}


@pytest.mark.parametrize("version", ["0.5.3", "0.6.2", "0.7.0", "0.8.1"])
def test_copied_and_linked_files_of_every_schema(hospital, tmp_path, version):
    make_database(
        tmp_path / "db", copied=[hospital["both"].folder], linked=[hospital["german"].folder], version=version
    )
    found = database_files(tmp_path / "db")
    assert len(found.files) == 9 + 7
    assert all(path.is_file() for path in found.files)
    assert found.problems == []
    inside = [path for path in found.files if path.is_relative_to(tmp_path / "db")]
    assert len(inside) == 9


def test_only_the_patients_asked_for(hospital, tmp_path):
    make_database(tmp_path / "db", copied=[one.folder for one in hospital.values()])
    found = database_files(tmp_path / "db", Selection(patients=frozenset({"MRN-3"})))
    assert len(found.files) == 7


def test_what_is_gone_or_was_never_downloaded_is_reported(hospital, tmp_path):
    make_database(tmp_path / "db", copied=[hospital["both"].folder], remote=4)
    found = database_files(tmp_path / "db")
    found.files[0].unlink()
    found = database_files(tmp_path / "db")
    assert len(found.files) == 8
    assert [(one.kind, "MRN" in one.text) for one in found.problems] == [
        ("file-missing", False),
        ("not-received", False),
    ]
    assert "1 files" in found.problems[0].text and "4 objects" in found.problems[1].text


def test_reading_changes_nothing_also_while_slicer_has_it_open(hospital, tmp_path):
    path = make_database(tmp_path / "db", copied=[hospital["both"].folder])
    before = path.read_bytes()
    with closing(sqlite3.connect(path)) as slicer:
        slicer.execute("BEGIN IMMEDIATE")
        slicer.execute("DELETE FROM Images")
        assert len(database_files(tmp_path / "db").files) == 9
        slicer.rollback()
    assert path.read_bytes() == before
    assert {one.name for one in path.parent.iterdir()} == {"ctkDICOM.sql", "dicom"}


def test_a_database_in_a_folder_that_cannot_be_written_to(hospital, tmp_path):
    path = make_database(tmp_path / "db # 1", linked=[hospital["both"].folder], write_ahead=True)
    path.parent.chmod(0o500)
    try:
        assert len(database_files(path.parent).files) == 9
    finally:
        path.parent.chmod(0o700)


def test_what_is_no_such_database(tmp_path):
    with pytest.raises(FedRTError, match=r"holds no ctkDICOM\.sql"):
        database_files(tmp_path)
    (tmp_path / "ctkDICOM.sql").write_bytes(b"not a database at all" * 100)
    with pytest.raises(FedRTError, match="cannot be read as Slicer's DICOM database"):
        database_files(tmp_path)
    (tmp_path / "ctkDICOM.sql").unlink()
    with closing(sqlite3.connect(tmp_path / "ctkDICOM.sql")) as other:
        other.execute("CREATE TABLE Images (Name)")
    with pytest.raises(FedRTError, match="not a CTK DICOM database"):
        database_files(tmp_path)
