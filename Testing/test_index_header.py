"""Our own header reader gives what pydicom gives; what it does not understand goes to pydicom."""

import io
import json
import os
import warnings

import pydicom
import pytest
from dicom_maker import make_patient
from FedRTDatasetLib.index import header as index_header
from FedRTDatasetLib.index.elements import NotDicomError, UnclearError
from FedRTDatasetLib.index.header import read_elements
from FedRTDatasetLib.index.pydicom_header import read_with_pydicom
from FedRTDatasetLib.index.record import read_record
from FedRTDatasetLib.index.tags import LAST_TAG, WANTED
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

PLAIN = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]


@pytest.fixture(autouse=True)
def no_layouts(monkeypatch):
    """Each test walks through its files unless it says otherwise."""
    monkeypatch.setattr(index_header._layouts, "_kept", [])


def as_pydicom(path, elements):
    """pydicom's values of the elements that our reader looks for in a file of this modality."""
    last = LAST_TAG.get(elements.get("Modality"), 0xFFFFFFFF)
    looked_for = {keyword for tag, (keyword, _) in WANTED.items() if tag <= last}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = read_with_pydicom(str(path))
    return {k: v for k, v in found.items() if k in looked_for or k.startswith(("Media", "TransferSyntax"))}


def check(path):
    elements, truncated = read_elements(str(path))
    assert elements == as_pydicom(path, elements)
    assert not truncated
    return elements


def write_as(path, dataset, syntax):
    """Write in another transfer syntax than it was read in."""
    for _ in dataset.iterall():
        pass  # every value converted to Python's, so that it can be written in another byte order
    dataset.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(
        path, dataset, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian, force_encoding=True
    )


def odd_image(path, syntax=ExplicitVRLittleEndian, **changes):
    """A CT slice with nested, private and empty elements before the ones that are wanted."""
    dataset = pydicom.dcmread(path)
    if "PixelData" in dataset:
        del dataset.PixelData
    inner = Dataset()
    inner.PatientID, inner.SOPInstanceUID, inner.Modality = "NOT-THIS", generate_uid(), "OT"
    middle = Dataset()
    middle.ReferencedSOPInstanceUID = generate_uid()
    middle.PurposeOfReferenceCodeSequence = Sequence([inner, Dataset()])
    dataset.ReferencedImageSequence = Sequence([middle, middle])
    block = dataset.private_block(0x0019, "VENDOR", create=True)
    block.add_new(0x01, "OB", bytes(range(256)) * 8)
    block.add_new(0x02, "SQ", Sequence([inner]))
    dataset.StudyDate, dataset.SeriesDescription, dataset.EchoTime = "", "  a description ", "4.60"
    dataset.ImageType, dataset.DiffusionBValue = ["DERIVED", "PRIMARY", "AXIAL"], 1000.5
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    write_as(path, dataset, syntax)
    return dataset


@pytest.fixture
def image(tmp_path):
    return make_patient(tmp_path / "p", rows=8, columns=8).files[0]


@pytest.mark.parametrize("syntax", PLAIN, ids=lambda uid: uid.name)
@pytest.mark.parametrize("undefined", [False, True], ids=["defined", "undefined length"])
def test_image(image, syntax, undefined):
    dataset = odd_image(image, syntax)
    for element in dataset.iterall():
        if element.VR == "SQ" and undefined:
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
    write_as(image, dataset, syntax)
    elements = check(image)
    assert elements["PatientID"] == "MRN-4711"
    assert elements["EchoTime"] == "4.60"
    assert elements["StudyDate"] == ""
    assert elements["DiffusionBValue"] == 1000.5
    assert elements["ImageType"] == "DERIVED\\PRIMARY\\AXIAL"
    assert elements["SeriesDescription"] == "a description"


@pytest.mark.parametrize("syntax", PLAIN, ids=lambda uid: uid.name)
@pytest.mark.parametrize("meta", [True, False], ids=["meta", "no meta"])
def test_without_preamble(image, syntax, meta):
    dataset = odd_image(image, syntax)
    body = DicomBytesIO()
    body.is_implicit_VR, body.is_little_endian = syntax.is_implicit_VR, syntax.is_little_endian
    write_dataset(body, dataset)
    head = image.read_bytes()[132:]
    head = head[: head.index(body.getvalue()[:40])]
    image.write_bytes((head if meta else b"") + body.getvalue())
    elements, _ = read_elements(str(image))
    assert elements["TransferSyntaxUID"] == syntax
    whole = as_pydicom(image, elements)
    assert {k: v for k, v in elements.items() if k != "TransferSyntaxUID"} == {
        k: v for k, v in whole.items() if k != "TransferSyntaxUID"
    }


@pytest.mark.parametrize("syntax", PLAIN, ids=lambda uid: uid.name)
def test_structure_set(tmp_path, syntax):
    make_patient(tmp_path, slices=50, rows=8, columns=8, contoured=range(0, 50))
    path = tmp_path / "structures.dcm"
    dataset = pydicom.dcmread(path)
    write_as(path, dataset, syntax)
    assert os.path.getsize(path) > 500_000
    elements = check(path)
    assert [roi["ROIName"] for roi in elements["StructureSetROISequence"]] == ["Bladder", "Rectum"]
    frame = elements["ReferencedFrameOfReferenceSequence"][0]
    assert len(frame["RTReferencedStudySequence"][0]["RTReferencedSeriesSequence"][0]["ContourImageSequence"]) == 50


def test_only_the_beginning_of_a_file_is_read(tmp_path, monkeypatch):
    make_patient(tmp_path, slices=50, contoured=range(0, 50))
    taken = []
    read = os.read
    monkeypatch.setattr(os, "read", lambda handle, n: taken.append(len(data := read(handle, n))) or data)
    read_elements(str(tmp_path / "slice000.dcm"))
    assert sum(taken) <= index_header.CHUNK
    taken.clear()
    read_elements(str(tmp_path / "structures.dcm"))
    assert sum(taken) < 0.2 * os.path.getsize(tmp_path / "structures.dcm")


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        (None, "Doe^Jane"),
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 101", "Łukasz^Żak"),
        ("ISO_IR 126", "Παπαδόπουλος^Νίκος"),
        ("ISO_IR 144", "Люкceмбypг"),
        ("ISO_IR 192", "王^小东"),
    ],
)
def test_character_sets(image, charset, name):
    changes = {"SpecificCharacterSet": charset} if charset else {}
    odd_image(image, PatientName=name, **changes)
    assert check(image)["PatientName"] == name


@pytest.mark.parametrize(
    ("charset", "name"),
    [(["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"), ("GB18030", "王^小东"), ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ")],
    ids=str,
)
def test_other_character_sets_are_left_to_pydicom(image, charset, name):
    odd_image(image, PatientName=name, SpecificCharacterSet=charset)
    with pytest.raises(UnclearError):
        read_elements(str(image))
    assert name in json.loads(read_record(str(image))[1])


def test_an_item_may_have_its_own_character_set(tmp_path):
    make_patient(tmp_path)
    path = tmp_path / "structures.dcm"
    dataset = pydicom.dcmread(path)
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.StructureSetROISequence[0].SpecificCharacterSet = "ISO_IR 192"
    dataset.StructureSetROISequence[0].ROIName = "Prostaat ③"
    dataset.StructureSetROISequence[1].ROIName = "Größe"
    dataset.save_as(path)
    assert [roi["ROIName"] for roi in check(path)["StructureSetROISequence"]] == ["Prostaat ③", "Größe"]


def test_deflated_is_left_to_pydicom(image):
    dataset = odd_image(image)
    write_as(image, dataset, DeflatedExplicitVRLittleEndian)
    with pytest.raises(UnclearError):
        read_elements(str(image))
    assert read_record(str(image))[0] == "image"


def test_file_written_otherwise_than_it_says_is_left_to_pydicom(image):
    raw = odd_image(image, ImplicitVRLittleEndian) and image.read_bytes()
    image.write_bytes(
        raw.replace(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.1\0", 1).replace(b"UI\x12\0", b"UI\x14\0", 1)
    )
    with pytest.raises(UnclearError):
        read_elements(str(image))
    assert read_record(str(image))[0] == "image"


def test_elements_out_of_order_are_left_to_pydicom(image):
    dataset = pydicom.dcmread(image)
    late = Dataset()
    late.PatientID = "MRN-LATE"
    del dataset.PatientID, dataset.PixelData
    out = io.BytesIO()
    dataset.save_as(out)
    tail = DicomBytesIO()
    tail.is_implicit_VR, tail.is_little_endian = False, True
    write_dataset(tail, late)
    raw = out.getvalue()
    before = raw.index(b"\x28\0\x10\0US")  # Rows
    image.write_bytes(raw[:before] + tail.getvalue() + raw[before:])
    with pytest.raises(UnclearError):
        read_elements(str(image))
    assert "MRN-LATE" in read_record(str(image))[1]


@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 200, b"II*\0" + b"\0" * 300, b"PK\3\4" * 60, b"\x89PNG" * 50])
def test_not_dicom(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(NotDicomError):
        read_elements(str(path))


@pytest.mark.parametrize("syntax", PLAIN, ids=lambda uid: uid.name)
def test_cut_off_anywhere(image, syntax):
    """No byte length makes it fail, and what is read before the cut is right."""
    odd_image(image, syntax)
    whole, _ = read_elements(str(image))
    raw = image.read_bytes()
    ended_early = 0
    for length in range(0, len(raw), 13):
        image.write_bytes(raw[:length])
        try:
            part, truncated = read_elements(str(image))
        except (NotDicomError, UnclearError):
            assert length < 400
            continue
        ended_early += truncated
        assert part.items() <= whole.items() or length < 400
        assert truncated or part == whole or len(part) < len(whole)
    assert ended_early > 40


def test_random_damage_never_fails(image):
    """Whatever bytes change, a record comes out."""
    import numpy as np

    random = np.random.default_rng(5)
    odd_image(image)
    raw = np.frombuffer(image.read_bytes(), np.uint8)
    kinds = set()
    for _ in range(150):
        damaged = raw.copy()
        where = random.integers(128, len(raw), random.integers(1, 12))
        damaged[where] = random.integers(0, 256, len(where))
        image.write_bytes(damaged.tobytes())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kinds.add(read_record(str(image))[0])
    assert "image" in kinds


def test_a_layout_is_used_for_the_same_layout_only(tmp_path):
    """Slices after the first are read by comparison; one that differs anywhere is walked through."""
    series = make_patient(tmp_path, slices=30, rows=8, columns=8)
    expected = [as_pydicom(path, {"Modality": "CT"}) for path in series.files]
    fits = []
    find = index_header._layouts.find
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_header._layouts, "find", lambda data: fits.append(find(data)) or fits[-1])
        assert [read_elements(str(path))[0] for path in series.files] == expected
        assert sum(fit is not None for fit in fits) > 15
        for change in (
            {"Modality": "MR"},
            {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "王^小东"},
            {"PatientComments": "one element more"},
            {"PatientID": "a longer Patient ID"},
        ):
            dataset = pydicom.dcmread(series.files[3])
            for keyword, value in change.items():
                setattr(dataset, keyword, value)
            dataset.save_as(series.files[3])
            elements, _ = read_elements(str(series.files[3]))
            assert elements == as_pydicom(series.files[3], elements)
        assert fits[-1] is None


def test_objects_with_sequences_are_read_whole_each_time(tmp_path):
    """Two structure sets of one layout, and one of them twice."""
    for name in ("a", "b"):
        make_patient(tmp_path / name, slices=4, rows=4, columns=4, contoured=range(1, 3))
    for path in (
        tmp_path / "a" / "structures.dcm",
        tmp_path / "b" / "structures.dcm",
        tmp_path / "a" / "structures.dcm",
    ):
        elements = check(path)
        assert len(elements["StructureSetROISequence"]) == 2
        assert len(elements["ReferencedFrameOfReferenceSequence"]) == 1


def test_a_file_that_just_ends_makes_no_layout(image):
    """What follows in another file may be wanted."""
    dataset = pydicom.dcmread(image)
    del dataset.PixelData
    short = Dataset()
    for element in dataset:
        if element.tag < 0x00200000:
            short.add(element)
    short.file_meta = dataset.file_meta
    short.save_as(image, implicit_vr=False, little_endian=True)
    read_elements(str(image))
    assert index_header._layouts._kept == []


def test_real_files(real_data):
    """Headers of the real data, from a dozen vendors: the same values as pydicom's. Of long series every eighth slice."""
    compared = 0
    files = [path for path in sorted(real_data.rglob("*")) if path.is_file()]
    for n, path in enumerate(files):
        if n % 8 and len(list(path.parent.iterdir())) > 40:
            continue
        try:
            elements, _ = read_elements(str(path))
        except NotDicomError:
            continue
        if path.read_bytes()[128:132] == b"DICM":
            assert elements == as_pydicom(path, elements), path
            compared += 1
    assert compared > 300
