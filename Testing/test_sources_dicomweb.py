"""QIDO-RS and WADO-RS against a real Orthanc, with and without a password; and against servers that misbehave."""

import http.server
import json
import ssl
import threading
from contextlib import contextmanager

import pydicom
import pytest
from certificates import make_certificates
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.index.selection import Selection
from FedRTDatasetLib.reporting import Reporter
from FedRTDatasetLib.sources import dicomweb, remote
from FedRTDatasetLib.sources.addresses import parse_source
from FedRTDatasetLib.sources.cache import ReceivedObjects
from FedRTDatasetLib.sources.credentials import Credentials
from FedRTDatasetLib.sources.dicomweb import DicomwebArchive
from FedRTDatasetLib.sources.errand import receive
from orthanc import Orthanc, free_port
from small_hospital import small_hospital

BOTH = ("Bladder", "Rectum")


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    return small_hospital(tmp_path_factory.mktemp("hospital"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory, hospital):
    with Orthanc(tmp_path_factory.mktemp("orthanc"), clients={}) as server:
        server.add(*(one.folder for one in hospital.values()))
        yield server


def fetch(url: str, cache, selection: Selection | None = None, credentials: Credentials | None = None):
    """(SOP Instance UIDs that came, problems)."""
    web = DicomwebArchive(parse_source(url), credentials or Credentials())
    try:
        received = receive(web, selection or Selection(), ReceivedObjects(cache, web.name), Reporter())
    finally:
        web.close()
    uids = [str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in received.files]
    assert len(uids) == len(set(uids))
    return set(uids), received.problems


def everything_of(*studies) -> set[str]:
    return {uid for one in studies for uid in (*one.images, one.structure_set, one.plan, one.dose) if uid}


def test_everything_comes_as_it_is_stored(archive, hospital, tmp_path, monkeypatch):
    monkeypatch.setattr(dicomweb, "PAGE", 2)  # so that there are several pages
    uids, problems = fetch(archive.dicomweb, tmp_path)
    assert uids == everything_of(*hospital.values())
    assert problems == []
    wanted = {str(one.SOPInstanceUID): one for one in map(pydicom.dcmread, hospital["bladder"].folder.rglob("*.dcm"))}
    came = {str(one.SOPInstanceUID): one for one in map(pydicom.dcmread, tmp_path.rglob("*.dcm"))}
    for uid, original in wanted.items():
        assert came[uid] == original
        assert came[uid].file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(patients=frozenset({"MRN-2", "MRN-3"})), ("bladder", "german")),
        (Selection(first_date="20240101", last_date="20240301"), ("both", "bladder")),
        (Selection(last_date="20231231"), ("old",)),
        (Selection(structures=BOTH), ("both", "german", "apart")),
        (Selection(structures=BOTH, first_date="20240501"), ("apart",)),
        (Selection(patients=frozenset({"MRN-3"}), modalities=frozenset({"MR"})), ("german",)),
    ],
)
def test_by_patient_date_modality_and_structure(archive, hospital, tmp_path, selection, expected):
    uids, problems = fetch(archive.dicomweb, tmp_path, selection)
    assert uids == everything_of(*(hospital[name] for name in expected))
    assert problems == []


def test_the_doses_of_other_plans_are_not_fetched(archive, hospital, tmp_path):
    fetch(archive.dicomweb, tmp_path, Selection(structures=BOTH))
    here = {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in tmp_path.rglob("*.dcm")}
    assert hospital["bladder"].structure_set in here
    assert not here & {*hospital["bladder"].images, hospital["bladder"].dose}


def test_with_a_password(hospital, tmp_path):
    with Orthanc(tmp_path / "orthanc", clients={}, users={"fedrt": "geheim"}) as server:
        server.add(hospital["german"].folder)
        uids, _ = fetch(server.dicomweb, tmp_path / "cache", None, Credentials(user="fedrt", password="geheim"))
        assert uids == everything_of(hospital["german"])
        for wrong in (None, Credentials(user="fedrt", password="falsch"), Credentials(token="geheim")):
            with pytest.raises(FedRTError, match="refuses access") as caught:
                fetch(server.dicomweb, tmp_path / "wrong", None, wrong)
            assert not any(word in str(caught.value) for word in ("geheim", "falsch", "fedrt:"))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (lambda a: f"http://127.0.0.1:{free_port()}/dicom-web", "is not reachable"),
        (lambda a: "http://no-such-host.invalid/dicom-web", "is not reachable"),
        (lambda a: a.dicomweb + "/nothing", "answered with status 404"),
        (lambda a: f"http://127.0.0.1:{a.dicom_port}/dicom-web", "is not reachable or broke off"),
        (lambda a: a.dicomweb.replace("http:", "https:"), "certificate that is not trusted|is not reachable"),
    ],
    ids=["port", "host", "path", "DIMSE port", "no TLS"],
)
def test_what_is_wrong_is_said_in_one_line(archive, tmp_path, address, said):
    with pytest.raises(FedRTError, match=said) as caught:
        fetch(address(archive), tmp_path)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@contextmanager
def serving(answer, certificate=None):
    """A server of our own; `answer(path, headers)` gives (status, body)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = answer(self.path, self.headers)
            self.send_response(status)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}/web"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def study(uid: str) -> dict:
    return {"0020000D": {"vr": "UI", "Value": [uid]}, "00100020": {"vr": "LO", "Value": ["P"]}}


def test_a_token_is_sent_over_tls_with_the_hospitals_own_ca(tmp_path, monkeypatch):
    certificate = make_certificates(tmp_path, "server")["server"]
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen = []

    def answer(path, headers):
        seen.append(headers.get("Authorization"))
        return 200, b"[]"

    with serving(answer, certificate) as url:
        web = DicomwebArchive(parse_source(url), Credentials(token="t1", ca=str(certificate.ca)))
        web.check()
        web.close()
        assert seen == ["Bearer t1"]
        with pytest.raises(FedRTError, match="certificate that is not trusted"):
            fetch(url, tmp_path / "cache", None, Credentials(token="t1"))
        assert len(seen) == 1  # it was not shown to a server nobody vouches for


def test_a_server_that_ignores_paging_does_not_hold_us_for_ever():
    with serving(lambda path, headers: (200, json.dumps([study("1.2"), study("1.3")]).encode())) as url:
        web = DicomwebArchive(parse_source(url), Credentials())
        assert [one.uid for one in web.studies(None, "", "", "")] == ["1.2", "1.3"]
        web.close()


def test_a_server_that_is_busy_is_asked_again(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "FIRST_PAUSE_S", 0.001)
    calls = []

    def answer(path, headers):
        calls.append(path)
        return (503, b"") if 1 < len(calls) < 4 else (200, b"[]")

    with serving(answer) as url:
        assert fetch(url, tmp_path) == (set(), [])
    assert len(calls) == 4


def test_a_server_that_stays_busy_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "FIRST_PAUSE_S", 0.001)
    calls = []

    def answer(path, headers):
        calls.append(path)
        return (503, b"") if len(calls) > 1 else (200, b"[]")

    said = r"stopped answering \(answered with status 503\); start the same command again"
    with serving(answer) as url, pytest.raises(FedRTError, match=said):
        fetch(url, tmp_path)
    assert len(calls) == 1 + remote.ATTEMPTS


def test_a_page_that_is_no_dicomweb(tmp_path):
    with (
        serving(lambda path, headers: (200, b"<html>login</html>")) as url,
        pytest.raises(FedRTError, match="does not answer like"),
    ):
        fetch(url, tmp_path)


@pytest.mark.parametrize("body", [b'{"error": "x"}', b'["x", 1, null]', b'[{"0020000D": {"vr": "UI"}}]', b""])
def test_answers_of_another_shape_hold_no_study(tmp_path, body):
    with serving(lambda path, headers: (200, body)) as url:
        assert fetch(url, tmp_path) == (set(), [])
