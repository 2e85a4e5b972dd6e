"""Transfers that break: every object comes once in the end, nothing is asked for twice, what cannot be had is reported."""

import pydicom
import pytest
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.index.selection import Selection
from FedRTDatasetLib.reporting import Reporter
from FedRTDatasetLib.sources import remote
from FedRTDatasetLib.sources.addresses import parse_source
from FedRTDatasetLib.sources.cache import ReceivedObjects
from FedRTDatasetLib.sources.credentials import Credentials
from FedRTDatasetLib.sources.dicomweb import DicomwebArchive
from FedRTDatasetLib.sources.errand import receive
from FedRTDatasetLib.sources.pacs import PacsArchive
from FedRTDatasetLib.sources.remote import ConnectionLost, RemoteSeries, RemoteStudy
from orthanc import AET, Orthanc, free_port
from small_hospital import make_study
from unreliable_network import UnreliableNetwork

SLICES = 40


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """About 700 kB of images."""
    return make_study(tmp_path_factory.mktemp("study") / "s", "MRN-1", "20240110", ("Bladder",), slices=SLICES, size=96)


@pytest.fixture(scope="module")
def store_port():
    return free_port()


@pytest.fixture
def archive(tmp_path, study, store_port):
    with Orthanc(tmp_path / "orthanc", clients={"FEDRT": store_port}) as server:
        server.add(study.folder)
        yield server


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(remote, "FIRST_PAUSE_S", 0.02)


class Counting(ReceivedObjects):
    """A cache that remembers what was put into it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.put_uids = []

    def put(self, series_uid, instance_uid, write):
        super().put(series_uid, instance_uid, write)
        self.put_uids.append(instance_uid)


def fetch(archive, root):
    cache = Counting(root, "the archive")  # one folder, whatever port the proxy has
    try:
        return receive(archive, Selection(), cache, Reporter()), cache
    finally:
        archive.close()


def through(network, how: str, store_port: int):
    if how == "dicomweb":
        return DicomwebArchive(parse_source(f"http://127.0.0.1:{network.port}/dicom-web"), Credentials())
    options = f"?retrieve={how}&store_port={store_port}&store_host=127.0.0.1&timeout=10"
    return PacsArchive(parse_source(f"pacs:{AET}@127.0.0.1:{network.port}{options}"))


def whole(received, study) -> bool:
    uids = sorted(str(pydicom.dcmread(path).SOPInstanceUID) for path in received.files)
    return uids == sorted([*study.images, study.structure_set, study.plan, study.dose])


@pytest.mark.parametrize(("how", "port"), [("get", "dicom_port"), ("dicomweb", "http_port")])
def test_a_connection_that_drops_again_and_again(archive, study, tmp_path, store_port, how, port):
    with UnreliableNetwork(getattr(archive, port), cut_after=150_000, times=3) as network:
        received, cache = fetch(through(network, how, store_port), tmp_path / "cache")
        assert network.cuts == 3
    assert whole(received, study) and received.problems == []
    assert len(cache.put_uids) == len(set(cache.put_uids))  # what had come was not asked for again


def test_the_archive_is_killed_and_comes_back(archive, study, tmp_path, store_port):
    def crash():
        archive.stop(at_once=True)
        archive.start()

    with UnreliableNetwork(archive.dicom_port, cut_after=300_000, times=1, on_cut=crash) as network:
        received, cache = fetch(through(network, "get", store_port), tmp_path / "cache")
        assert network.cuts == 1
    assert whole(received, study)
    assert len(cache.put_uids) == len(set(cache.put_uids))


def test_the_archive_goes_away_for_good_and_the_next_run_goes_on(archive, study, tmp_path, store_port):
    with UnreliableNetwork(
        archive.dicom_port, cut_after=300_000, times=1, on_cut=lambda: archive.stop(at_once=True)
    ) as network:
        with pytest.raises(FedRTError, match=r"start the same command again|not reachable|without an answer"):
            fetch(through(network, "get", store_port), tmp_path / "cache")
        here = len(list((tmp_path / "cache").rglob("*.dcm")))
        assert 0 < here < SLICES
        archive.start()
        received, cache = fetch(through(network, "get", store_port), tmp_path / "cache")
    assert whole(received, study)
    assert len(cache.put_uids) == SLICES + 3 - here


@pytest.mark.parametrize("how", ["get", "move", "dicomweb"])
def test_interrupted_by_the_user_and_gone_on(archive, study, tmp_path, store_port, monkeypatch, how):
    source = through(
        type("Network", (), {"port": archive.http_port if how == "dicomweb" else archive.dicom_port}), how, store_port
    )
    if how != "move":  # with C-MOVE objects arrive in another thread; there Ctrl-C strikes between two answers
        put = ReceivedObjects.put

        def stop_at_the_tenth(self, series_uid, instance_uid, write):
            if len(list((tmp_path / "cache").rglob("*.dcm"))) == 10:
                raise KeyboardInterrupt
            put(self, series_uid, instance_uid, write)

        monkeypatch.setattr(ReceivedObjects, "put", stop_at_the_tenth)
    else:
        responses = PacsArchive._responses

        def stop(self, answers, intake):
            next(answers)
            raise KeyboardInterrupt

        monkeypatch.setattr(PacsArchive, "_responses", stop)
    with pytest.raises(KeyboardInterrupt):
        fetch(source, tmp_path / "cache")
    if how != "move":
        monkeypatch.setattr(ReceivedObjects, "put", put)
    else:
        monkeypatch.setattr(PacsArchive, "_responses", responses)
    again = through(
        type("Network", (), {"port": archive.http_port if how == "dicomweb" else archive.dicom_port}), how, store_port
    )
    received, cache = fetch(again, tmp_path / "cache")
    assert whole(received, study)
    assert len(cache.put_uids) < SLICES + 3


def test_a_second_run_asks_for_no_object(archive, study, tmp_path, store_port):
    network = type("Network", (), {"port": archive.dicom_port})
    fetch(through(network, "get", store_port), tmp_path / "cache")
    pacs = through(network, "get", store_port)
    pacs.fetch = pacs.instances = lambda *_: pytest.fail("asked again")
    received, cache = fetch(pacs, tmp_path / "cache")
    assert whole(received, study) and cache.put_uids == []


def test_a_disk_that_is_full(archive, study, tmp_path, store_port, monkeypatch):
    import FedRTDatasetLib.sources.cache as cache_file
    from FedRTDatasetLib import atomic

    def replacing(path):
        if len(list((tmp_path / "cache").rglob("*.dcm"))) >= 5:
            raise OSError(28, "No space left on device")
        return atomic.replacing(path)

    monkeypatch.setattr(cache_file, "replacing", replacing)
    for how, port in (("get", archive.dicom_port), ("move", archive.dicom_port), ("dicomweb", archive.http_port)):
        with pytest.raises(FedRTError, match="No space left on device"):
            fetch(through(type("Network", (), {"port": port}), how, store_port), tmp_path / "cache")


class StubbornArchive:
    """Lists ten images and never sends the last."""

    name = "pacs:STUBBORN@nowhere:104"

    def __init__(self, *, breaks=False):
        self.breaks, self.checks, self.asked = breaks, 0, []
        self.study_one = RemoteStudy("1.2", "MRN-1", "20240101")

    def check(self):
        self.checks += 1

    def studies(self, *_):
        return [self.study_one]

    def series(self, study):
        return [RemoteSeries("1.2.1", study, "CT", 10), RemoteSeries("1.2.2", study, "MR", None)]

    def instances(self, series):
        return [f"{series.uid}.{number}" for number in range(10)]

    def fetch(self, series, wanted, whole, put):
        self.asked.append((series.uid, len(wanted), whole))
        for uid in sorted(wanted):
            if uid != "1.2.1.9":
                put(uid, lambda path: path.write_bytes(b"x"))
        if self.breaks and "1.2.1.9" in wanted:
            raise ConnectionLost("the connection broke")
        return "not sent" if "1.2.1.9" in wanted else ""

    def close(self):
        pass


@pytest.mark.parametrize("breaks", [False, True])
def test_a_series_that_stays_incomplete_is_left_out_and_reported(tmp_path, breaks):
    archive = StubbornArchive(breaks=breaks)
    received, _ = fetch(archive, tmp_path)
    assert len(received.files) == 10  # the other series
    (problem,) = received.problems
    assert problem.kind == "not-received"
    assert "CT series lacks 1 of 10 objects" in problem.text
    assert "1.2" not in problem.text and "MRN" not in problem.text
    assert archive.asked[0] == ("1.2.1", 10, True)
    assert archive.asked[1] == ("1.2.1", 1, False)
    assert archive.asked[-1] == ("1.2.2", 10, True)
    assert archive.checks == 2
