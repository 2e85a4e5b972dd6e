"""C-FIND, C-GET and C-MOVE against a real Orthanc: what is fetched, over TLS, what is refused."""

import shutil
import socket

import pydicom
import pytest
from certificates import make_certificates
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.index.selection import Selection
from FedRTDatasetLib.naming.names import NameMap
from FedRTDatasetLib.reporting import Reporter
from FedRTDatasetLib.sources import remote
from FedRTDatasetLib.sources.addresses import parse_source
from FedRTDatasetLib.sources.cache import ReceivedObjects
from FedRTDatasetLib.sources.errand import receive
from FedRTDatasetLib.sources.pacs import PacsArchive
from orthanc import AET, Orthanc, free_port
from small_hospital import small_hospital

BOTH = ("Bladder", "Rectum")


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    return small_hospital(tmp_path_factory.mktemp("hospital"))


@pytest.fixture(scope="module")
def store_port():
    return free_port()


@pytest.fixture(scope="module")
def archive(tmp_path_factory, hospital, store_port):
    with Orthanc(tmp_path_factory.mktemp("orthanc"), clients={"FEDRT": store_port}) as server:
        server.add(*(one.folder for one in hospital.values()))
        yield server


def fetch(source: str, cache, selection: Selection | None = None):
    """(SOP Instance UIDs that came, problems)."""
    pacs = PacsArchive(parse_source(source))
    try:
        received = receive(pacs, selection or Selection(), ReceivedObjects(cache, pacs.name), Reporter())
    finally:
        pacs.close()
    uids = [str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in received.files]
    assert len(uids) == len(set(uids))
    return set(uids), received.problems


def everything_of(*studies) -> set[str]:
    return {uid for one in studies for uid in (*one.images, one.structure_set, one.plan, one.dose) if uid}


def test_everything_comes_as_it_is_stored(archive, hospital, tmp_path):
    uids, problems = fetch(archive.pacs, tmp_path)
    assert uids == everything_of(*hospital.values())
    assert problems == []
    syntaxes = {pydicom.dcmread(path).file_meta.TransferSyntaxUID.name for path in tmp_path.rglob("*.dcm")}
    assert syntaxes == {"Explicit VR Little Endian", "RLE Lossless"}
    original = {path.name: pydicom.dcmread(path) for path in hospital["bladder"].folder.rglob("*.dcm")}
    wanted = {str(one.SOPInstanceUID): one for one in original.values()}
    for path in tmp_path.rglob("*.dcm"):
        came = pydicom.dcmread(path)
        if came.SOPInstanceUID in wanted:
            assert came == wanted[came.SOPInstanceUID]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(patients=frozenset({"MRN-2", "MRN-3"})), ("bladder", "german")),
        (Selection(first_date="20240101", last_date="20240301"), ("both", "bladder")),
        (Selection(last_date="20231231"), ("old",)),
        (Selection(patients=frozenset({"MRN-1"}), first_date="20240101"), ("both",)),
        (Selection(structures=BOTH), ("both", "german", "apart")),
        (Selection(structures=("Bladder",), last_date="20240301"), ("both", "bladder")),
        (Selection(structures=BOTH, first_date="20240501"), ("apart",)),  # the date of the structure set
        (Selection(structures=BOTH, first_date="20240401", last_date="20240401"), ("apart",)),  # the date of the images
        (Selection(first_date="20240501"), ("apart",)),
    ],
    ids=[
        "patients",
        "dates",
        "until",
        "patient and date",
        "structures",
        "structure and date",
        "planned",
        "imaged",
        "later",
    ],
)
def test_by_patient_date_and_structure(archive, hospital, tmp_path, selection, expected):
    uids, problems = fetch(archive.pacs, tmp_path, selection)
    assert uids == everything_of(*(hospital[name] for name in expected))
    assert problems == []


def test_by_modality(archive, hospital, tmp_path):
    uids, _ = fetch(archive.pacs, tmp_path, Selection(modalities=frozenset({"MR"})))
    assert uids == everything_of(hospital["german"])
    here = {str(pydicom.dcmread(path, stop_before_pixels=True).Modality) for path in tmp_path.rglob("*.dcm")}
    assert "CT" not in here and "RTDOSE" not in here
    uids, _ = fetch(archive.pacs, tmp_path, Selection(modalities=frozenset({"RTSTRUCT"})))
    assert uids == {one.structure_set for one in hospital.values() if one.structure_set}


def test_only_what_belongs_to_the_structures_is_fetched(archive, hospital, tmp_path):
    """Structure sets have to be read; images, plans and doses of the others never come here."""
    fetch(archive.pacs, tmp_path, Selection(structures=BOTH))
    here = {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in tmp_path.rglob("*.dcm")}
    other = hospital["bladder"]
    assert other.structure_set in here
    assert not here & {*other.images, other.dose, *hospital["old"].images}


@pytest.mark.parametrize("what", ["a plan that is gone", "nothing"])
def test_a_dose_whose_plan_is_not_there_comes_along(hospital, tmp_path, what):
    study = shutil.copytree(hospital["both"].folder, tmp_path / "study")
    (study / "rp.dcm").unlink()
    if what == "nothing":
        dose = pydicom.dcmread(study / "rd.dcm")
        del dose.ReferencedRTPlanSequence
        dose.save_as(study / "rd.dcm")
    with Orthanc(tmp_path / "orthanc", clients={"FEDRT": 0}) as server:
        server.add(study, hospital["bladder"].folder)
        uids, _ = fetch(server.pacs, tmp_path / "cache", Selection(structures=BOTH))
    assert uids == everything_of(hospital["both"]) - {hospital["both"].plan}


def test_a_name_map_decides_what_a_structure_is(archive, hospital, tmp_path):
    names = NameMap()
    names.merge({"Rektum": 1})
    names.entries["Rektum"].status = "ignored"
    uids, _ = fetch(archive.pacs, tmp_path, Selection(structures=("Rectum",), names=names))
    assert hospital["both"].structure_set in uids and hospital["german"].structure_set not in uids


def test_patients_that_are_not_there_are_counted_not_named(archive, hospital, tmp_path):
    uids, (problem,) = fetch(archive.pacs, tmp_path, Selection(patients=frozenset({"MRN-2", "GONE-77", "MRN-"})))
    assert uids == everything_of(hospital["bladder"])
    assert problem.kind == "patient-absent" and "2 of the 3 patients" in problem.text
    assert "GONE" not in problem.text


def test_c_move(archive, hospital, store_port, tmp_path):
    source = f"{archive.pacs}?retrieve=move&store_port={store_port}&store_host=127.0.0.1"
    uids, problems = fetch(source, tmp_path, Selection(structures=BOTH))
    assert uids == everything_of(*(hospital[name] for name in ("both", "german", "apart")))
    assert problems == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", store_port))  # nothing listens any more


def test_nothing_listens_with_c_get(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(socket.socket, "listen", lambda *_: pytest.fail("a port was opened"))
    uids, _ = fetch(archive.pacs, tmp_path, Selection(patients=frozenset({"MRN-3"})))
    assert uids


def test_the_receiver_takes_only_what_was_asked_for(archive, hospital, store_port, tmp_path):
    """Another node, another called title, and objects nobody asked for: all turned away."""
    from FedRTDatasetLib.sources.pacs_receiver import Intake, StoreReceiver
    from pynetdicom import AE
    from pynetdicom.sop_class import CTImageStorage

    wanted, other = (pydicom.dcmread(path) for path in sorted(hospital["both"].folder.rglob("slice*.dcm"))[:2])
    kept = []
    receiver = StoreReceiver(parse_source(f"{archive.pacs}?retrieve=move&store_port={store_port}&store_host=127.0.0.1"))

    def send(dataset, calling, called="FEDRT"):
        node = AE(ae_title=calling)
        node.add_requested_context(CTImageStorage)
        association = node.associate("127.0.0.1", store_port, ae_title=called)
        if not association.is_established:
            return "rejected"
        try:
            return association.send_c_store(dataset, originator_aet="FEDRT", originator_id=1).Status
        finally:
            association.release()

    try:
        assert send(wanted, AET) == 0x0124  # nothing is being asked for
        intake = Intake(
            str(wanted.SeriesInstanceUID), {str(wanted.SOPInstanceUID)}, lambda uid, write: kept.append(uid)
        )
        with receiver.taking(intake):
            assert send(wanted, "INTRUDER") == "rejected"
            assert "INTRUDER" in receiver.refused
            assert send(wanted, AET, called="OTHER") == "rejected"
            assert send(other, AET) == 0x0124
            assert kept == []
            assert send(wanted, AET) == 0x0000
        elsewhere = Intake("1.2.3", {str(wanted.SOPInstanceUID)}, lambda uid, write: kept.append(uid))
        with receiver.taking(elsewhere):
            assert send(wanted, AET) == 0x0124
        assert kept == [str(wanted.SOPInstanceUID)]
    finally:
        receiver.stop()


def test_a_port_that_is_taken(archive, tmp_path, store_port):
    with socket.create_server(("127.0.0.1", store_port)), pytest.raises(FedRTError, match="cannot listen on 127"):
        fetch(f"{archive.pacs}?retrieve=move&store_port={store_port}&store_host=127.0.0.1", tmp_path)


def test_a_destination_that_the_pacs_does_not_know(hospital, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "FIRST_PAUSE_S", 0.01)
    allowed = {f"DicomAlwaysAllow{what}": True for what in ("Echo", "Find", "Move", "Get")}
    with Orthanc(tmp_path / "orthanc", clients={}, **allowed) as server:
        server.add(hospital["old"].folder)
        source = f"{server.pacs}?retrieve=move&store_port={free_port()}&store_host=127.0.0.1"
        uids, (problem,) = fetch(source, tmp_path / "cache")
        assert not uids
        assert "lacks 6 of 6 objects" in problem.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a.pacs.replace(AET, "WRONG"), "does not call itself WRONG"),
        (lambda a: a.pacs + "?calling=NOBODY", "does not know the calling AET NOBODY"),
        (lambda a: f"pacs:{AET}@127.0.0.1:{free_port()}", "is not reachable"),
        (lambda a: f"pacs:{AET}@no-such-host.invalid:104", "host name no-such-host.invalid is not known"),
        (
            lambda a: f"pacs:{AET}@127.0.0.1:{a.http_port}?timeout=3",
            "closed the connection|does not answer|not reachable",
        ),
        (lambda a: a.pacs + "?tls=1", "does not complete the TLS handshake"),
    ],
    ids=["called", "calling", "port", "host", "no DICOM", "no TLS"],
)
def test_what_is_wrong_is_said_in_one_line(archive, tmp_path, change, said):
    with pytest.raises(FedRTError, match=said) as caught:
        fetch(change(archive), tmp_path)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_tls(hospital, tmp_path):
    certificates = make_certificates(tmp_path / "tls", "archive", "fedrt")
    strangers = make_certificates(tmp_path / "strangers", "fedrt")
    port = free_port()
    with Orthanc(tmp_path / "orthanc", clients={"FEDRT": port}, tls=certificates["archive"]) as server:
        server.add(hospital["german"].folder)
        ours, theirs = certificates["fedrt"], strangers["fedrt"]
        good = f"{server.pacs}?tls_ca={ours.ca}&tls_cert={ours.cert}&tls_key={ours.key}"
        assert fetch(good, tmp_path / "get")[0] == everything_of(hospital["german"])
        move = f"{good}&retrieve=move&store_port={port}&store_host=127.0.0.1"
        assert fetch(move, tmp_path / "move")[0] == everything_of(hospital["german"])
        for wrong, said in (
            (f"?tls_ca={theirs.ca}&tls_cert={ours.cert}&tls_key={ours.key}", "certificate that is not trusted"),
            (
                f"?tls_ca={ours.ca}&tls_cert={ours.cert}&tls_key={ours.key}&tls_name=other",
                "certificate that is not trusted",
            ),
            (f"?tls_ca={ours.ca}&tls_cert={theirs.cert}&tls_key={theirs.key}", "."),
            (f"?tls_ca={ours.ca}", "."),
            (f"?tls_ca={ours.ca}&tls_cert={ours.cert}&tls_key={theirs.key}", "cannot be used for TLS"),
            ("?timeout=3", "."),
        ):
            with pytest.raises(FedRTError, match=said):
                fetch(server.pacs + wrong, tmp_path / "wrong")


@pytest.fixture
def fussy_pacs():
    """A node of our own that refuses what it does not know, and too many answers at once."""
    from pynetdicom import AE, evt
    from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind, Verification

    def find(event):
        query = event.identifier
        if "ReferencedRTPlanSequence" in query:
            yield 0xA900, None
        elif query.QueryRetrieveLevel == "STUDY" and not query.PatientID:
            yield 0xA700, None

    node = AE(ae_title=AET)
    node.add_supported_context(Verification)
    node.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    port = free_port()
    server = node.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, find)])
    yield f"pacs:{AET}@127.0.0.1:{port}"
    server.shutdown()


def test_a_pacs_that_cannot_tell_what_doses_refer_to(fussy_pacs):
    pacs = PacsArchive(parse_source(fussy_pacs))
    pacs.check()
    dose = remote.RemoteSeries("1.2.3", remote.RemoteStudy("1.2", "P"), "RTDOSE", 1)
    assert pacs.references(dose) is None
    assert pacs.instances(dose) == []  # it still answers other queries
    assert pacs.references(dose) is None
    pacs.close()


def test_a_pacs_that_finds_too_much(fussy_pacs, tmp_path):
    with pytest.raises(FedRTError, match=r"refused a query \(status A700\); if it finds too much, narrow it"):
        fetch(fussy_pacs, tmp_path)


def test_a_node_that_only_answers_echo(tmp_path):
    from pynetdicom import AE
    from pynetdicom.sop_class import Verification

    node, port = AE(ae_title=AET), free_port()
    node.add_supported_context(Verification)
    server = node.start_server(("127.0.0.1", port), block=False)
    try:
        with pytest.raises(FedRTError, match="does not offer what is asked of it to FEDRT"):
            fetch(f"pacs:{AET}@127.0.0.1:{port}", tmp_path)
    finally:
        server.shutdown()


def test_a_real_planning_export_comes_back_as_it_was(real_data, tmp_path):
    """Eclipse's own encoding, private elements and all; its dose names a plan that was not exported."""
    originals = {}
    for path in (real_data / "eclipse_prostate").rglob("*"):
        if path.is_file() and path.suffix != ".csv":
            dataset = pydicom.dcmread(path)
            originals[str(dataset.SOPInstanceUID)] = dataset
    with Orthanc(tmp_path / "orthanc", clients={"FEDRT": 0}) as server:
        server.add(real_data / "eclipse_prostate")
        uids, problems = fetch(server.pacs, tmp_path / "cache", Selection(structures=BOTH))
    assert problems == [] and uids == set(originals)
    for path in (tmp_path / "cache").rglob("*.dcm"):
        came = pydicom.dcmread(path)
        assert came == originals[str(came.SOPInstanceUID)]
