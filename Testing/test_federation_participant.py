import hashlib

import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTFederationLib import bundle, kit, participant, supernode, task
from FedRTFederationLib.folder import FederationFolder


@pytest.fixture
def manifest(tmp_path):
    folder = FederationFolder.create(tmp_path / "federation", "test", "127.0.0.1:8943")
    return kit.issue(folder, "north", tmp_path / "north.zip").manifest


def test_executor_takes_the_installed_app_only(manifest):
    participant.check_app(bundle.sha256(), manifest)
    foreign = hashlib.sha256(b"foreign").hexdigest()
    with pytest.raises(participant.AppRefusedError, match=foreign[:12]):
        participant.check_app(foreign, manifest)
    with pytest.raises(participant.AppRefusedError):  # allowed by a kit, but not what is installed
        participant.check_app(foreign, manifest.model_copy(update={"allowed_apps": (foreign,)}))


def test_bundle_from_the_network_is_hashed_and_dropped():
    from flwr.supercore.fab import Fab

    allowed = frozenset({bundle.sha256()})
    received = Fab(hash_str="whatever it claims", content=bytes(bytearray(bundle.content())), verifications={"x": "y"})
    kept = supernode.check_app(received, allowed)
    assert kept.content is bundle.content()
    assert kept.hash_str == bundle.sha256()
    for content in (b"", b"import os", bundle.content() + b"\0"):
        claimed = Fab(hash_str=bundle.sha256(), content=content, verifications={})
        with pytest.raises(supernode.AppRefusedError, match=hashlib.sha256(content).hexdigest()):
            supernode.check_app(claimed, allowed)


def test_unknown_tasks_are_refused(tmp_path):
    with pytest.raises(FedRTError, match="unknown here"):
        task.open_site_task("os", {}, task.SiteOptions(None, tmp_path), tmp_path)


def test_waiting_times_are_where_flower_keeps_them():
    """Fails when another version of Flower moves what `pace` and `supernode` reach into."""
    import importlib.metadata

    from FedRTFederationLib import pace
    from flwr.supernode import start_client_internal as flower

    assert importlib.metadata.version("flwr") == "1.41.0"
    before = flower.time, flower.pull_objects
    try:
        pace.quicken_supernode()
        assert flower.time is not before[0]
        assert flower.pull_objects.keywords["initial_backoff"] == pace.FETCH_SECONDS
    finally:
        flower.time, flower.pull_objects = before
    for name in ("_pull_and_store_message", "_push_messages", "_insert_message"):
        assert callable(getattr(flower, name))


def test_paths_stay_at_the_site(tmp_path):
    dataset = tmp_path / "clinic 7"
    told = participant.for_others(
        f"dataset {dataset} was not finished (see {dataset}/x): run it again, 3 HU/mm.", [dataset]
    )
    assert told == "dataset (a path) was not finished (see (a path)/x): run it again, 3 HU/mm"
    assert participant.for_others(r"C:\clinic\set is missing", []) == "(a path) is missing"
    assert participant.for_others("/data/x: no such file", [dataset]) == "(a path): no such file"
