"""What all tests share: a private place for keys, and the real test data where they are."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def private_home(tmp_path_factory, monkeypatch):
    """No test touches the site key or the cache folder of whoever runs it."""
    monkeypatch.setenv("FEDRT_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("FEDRT_KEY", str(tmp_path_factory.mktemp("key") / "site.key"))


@pytest.fixture
def real_data():
    """Folder of the unpacked real test data; skips where there is none."""
    folder = os.environ.get("FEDRT_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set FEDRT_TEST_DATA to the folder of the unpacked test data")
    return Path(folder)
