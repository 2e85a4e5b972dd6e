"""The database of the index: made anew when it is of no use, never over somebody else's file."""

import os
import sqlite3
from pathlib import Path

import pytest
from dicom_maker import make_patient
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.index import store as index_store
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.index.store import default_store
from FedRTDatasetLib.reporting import Reporter


class Warnings(Reporter):
    def __init__(self):
        self.texts = []

    def warning(self, text):
        self.texts.append(text)


@pytest.fixture
def source(tmp_path):
    make_patient(tmp_path / "in", slices=4, rows=4, columns=4, contoured=range(1, 3))
    return tmp_path / "in"


def damage(store, how):
    if how == "older version":
        connection = sqlite3.connect(store)
        connection.execute("PRAGMA user_version = 0")
        connection.close()
        return
    raw = bytearray(store.read_bytes())
    if how == "cut off":
        raw = raw[: len(raw) // 2]
    elif how == "page overwritten":
        raw[4096:12288] = os.urandom(8192)
    else:
        raw[100:200] = bytes(100)
    store.write_bytes(raw)


@pytest.mark.parametrize("how", ["older version", "cut off", "page overwritten", "first page"])
def test_a_store_of_no_use_is_made_anew(source, tmp_path, how):
    store = tmp_path / "index.sqlite"
    del_index = index_folders([source], store=store)
    del_index.series._store.close()
    damage(store, how)
    report = Warnings()
    index = index_folders([source], report, store=store)
    assert index.scanned.read == 5
    assert len(index.links) == 1
    assert len(report.texts) == 1
    assert "made anew, every file is read again" in report.texts[0]
    again = Warnings()
    assert index_folders([source], again, store=store).scanned.read == 0
    assert again.texts == []


@pytest.mark.parametrize("content", [b"a letter to somebody" * 20, b"\0" * 128 + b"DICM" + b"\0" * 400])
def test_another_file_is_never_overwritten(source, tmp_path, content):
    other = tmp_path / "precious.dcm"
    other.write_bytes(content)
    with pytest.raises(FedRTError, match=r"precious\.dcm is no index of FedRT; name another file"):
        index_folders([source], store=other)
    assert other.read_bytes() == content


def test_another_programs_database_is_never_overwritten(source, tmp_path):
    other = tmp_path / "ctkDICOM.sql"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE Patients (UID INTEGER)")
    connection.commit()
    connection.close()
    before = other.read_bytes()
    with pytest.raises(FedRTError, match="no index of FedRT"):
        index_folders([source], store=other)
    assert other.read_bytes() == before


def test_garbage_where_stores_are_kept_is_made_anew(source):
    store = default_store([source])
    store.parent.mkdir(parents=True)
    store.write_bytes(b"garbage" * 1000)
    report = Warnings()
    assert index_folders([source], report, store=store).scanned.read == 5
    assert "is damaged" in report.texts[0]


def test_a_store_that_cannot_be_made(source, tmp_path):
    with pytest.raises(FedRTError, match="name another file with --index"):
        index_folders([source], store=tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FedRTError, match="name another file with --index"):
        index_folders([source], store=tmp_path / "file" / "index.sqlite")


def test_where_nothing_can_be_kept_the_work_goes_on(source, tmp_path, monkeypatch):
    """A read-only home must not stop a build."""
    (tmp_path / "cache").write_bytes(b"a file where the folder should be")
    monkeypatch.setenv("FEDRT_CACHE", str(tmp_path / "cache"))
    report = Warnings()
    assert len(index_folders([source], report, store=default_store([source])).links) == 1
    assert "no index can be kept" in report.texts[0]


def test_an_empty_file_becomes_a_store(source, tmp_path):
    store = tmp_path / "new.sqlite"
    store.write_bytes(b"")
    assert index_folders([source], store=store).scanned.read == 5
    assert index_folders([source], store=store).scanned.read == 0


def test_damage_that_shows_in_the_middle_of_the_work(source, tmp_path, monkeypatch):
    """No traceback of the database either."""
    from FedRTDatasetLib.index import dicom_index

    def fails(*_):
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(dicom_index, "leave_out_duplicates", fails)
    with pytest.raises(FedRTError, match=r"own\.sqlite cannot be used .*malformed.*--index"):
        index_folders([source], store=tmp_path / "own.sqlite")


def test_default_place(monkeypatch, tmp_path):
    monkeypatch.setenv("FEDRT_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    one = default_store(["a", tmp_path / "b"])
    assert one.parent == tmp_path / "index"
    assert one == default_store([tmp_path / "b", tmp_path / "a"]) == default_store(["a/", "./b", "a"])
    assert one != default_store(["a"])
    monkeypatch.delenv("FEDRT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    monkeypatch.setattr(index_store.sys, "platform", "linux")
    assert index_store.cache_folder() == Path("/elsewhere/fedrt")
    monkeypatch.setenv("LOCALAPPDATA", "/windows")
    monkeypatch.setattr(index_store.sys, "platform", "win32")
    assert index_store.cache_folder() == Path("/windows/fedrt")


def test_without_a_store_nothing_is_left_behind(source, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    index = index_folders([source])
    assert len(index.series) == 1
    assert not list((tmp_path / "tmp").iterdir())
    assert not list(Path(os.environ["FEDRT_CACHE"]).iterdir())


def test_an_index_serves_several_threads(source, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    index = index_folders([source], store=tmp_path / "s.sqlite")
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: [len(one.headers) for one in index.series.values()], range(40)))
    assert counts == [[4]] * 40
