"""What was received, on disk."""

import os

import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.sources.cache import ReceivedObjects, default_cache_folder


def test_only_the_owner_can_open_it_and_no_name_tells_the_patient(tmp_path):
    cache = ReceivedObjects(tmp_path / "received", "pacs:A@h:1")
    cache.put("1.2.3", "1.2.3.4", lambda path: path.write_bytes(b"x"))
    assert cache.root.stat().st_mode & 0o777 == 0o700
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    names = " ".join(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert "1.2.3" not in names and "h" not in os.listdir(cache.root)
    assert "patient data" in (cache.root / "README.txt").read_text()


def test_archives_are_kept_apart(tmp_path):
    one, other = ReceivedObjects(tmp_path, "pacs:A@h:1"), ReceivedObjects(tmp_path, "pacs:B@h:1")
    one.put("1.2", "1.3", lambda path: path.write_bytes(b"x"))
    assert one.has("1.2", "1.3") and not other.has("1.2", "1.3")


def test_a_broken_write_leaves_nothing_that_looks_whole(tmp_path):
    cache = ReceivedObjects(tmp_path, "a")

    def breaks(path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.put("1.2", "1.3", breaks)
    assert not cache.has("1.2", "1.3") and cache.files("1.2") == []
    leftover = cache.path("1.2", "1.3").with_name(".killed.partial.dcm")
    leftover.write_bytes(b"half")
    assert cache.files("1.2") == []
    cache.begin("1.2")
    assert not leftover.exists()


def test_a_full_disk_is_told(tmp_path):
    cache = ReceivedObjects(tmp_path, "a")

    def full(path):
        raise OSError(28, "No space left on device")

    with pytest.raises(FedRTError, match=r"No space left on device.*make room") as caught:
        cache.put("1.2", "1.3", full)
    assert "1.3" not in str(caught.value)


def test_a_place_that_cannot_be_used(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FedRTError, match="cannot be used as cache"):
        ReceivedObjects(tmp_path / "file", "a")


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("FEDRT_CACHE", str(tmp_path))
    assert default_cache_folder() == tmp_path / "received"
    monkeypatch.delenv("FEDRT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "fedrt" / "received"
