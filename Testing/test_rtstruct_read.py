"""Structure sets as they come: every encoding, missing parts, damaged numbers."""

import copy
import warnings

import FedRTDatasetLib.contouring.rtstruct_read as reading
import numpy as np
import pydicom
import pytest
from dicom_maker import add_rtstruct, ellipse, make_series
from FedRTDatasetLib.contouring.rtstruct_read import (
    CLOSED,
    XOR,
    contour_points,
    points_of,
    read_rtstruct,
    rois_of,
)
from FedRTDatasetLib.errors import FedRTError
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RTStructureSetStorage,
)


@pytest.fixture
def structure_set(tmp_path):
    """Path of an RTSTRUCT: two ROIs on slices 2 to 4, an empty one between them."""
    series = make_series(tmp_path)
    loops = [series.plane(k, ellipse((40, 30), (12.3, 9.9), 37)) for k in (2, 3, 4)]
    return add_rtstruct(series, {"Bladder": loops, "Empty": [], "Rectum": loops[:2]})


def rewritten(path, change=None, syntax=ExplicitVRLittleEndian, undefined=False):
    dataset = pydicom.dcmread(path)
    if change:
        change(dataset)
    dataset.walk(lambda _, element: element.value)  # decode everything before the encoding changes
    if undefined:
        for element in dataset.iterall():
            if element.VR == "SQ":
                element.is_undefined_length = True
                for item in element.value:
                    item.is_undefined_length_sequence_item = True
    dataset.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(path, dataset, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    return path


def described(rois):
    return [(r.number, r.name, r.unreadable_contours, [(c.kind, c.points.tobytes()) for c in r.contours]) for r in rois]


@pytest.fixture
def only_walked(monkeypatch):
    """Fails where pydicom had to be asked instead of the walk."""
    monkeypatch.setattr(reading, "rois_of", lambda dataset: pytest.fail("not walked"))


@pytest.mark.parametrize("undefined", [False, True], ids=["lengths", "delimiters"])
@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian], ids=lambda uid: uid.keyword
)
def test_every_encoding_is_walked(structure_set, syntax, undefined, only_walked):
    before = described(read_rtstruct(structure_set))
    rewritten(structure_set, syntax=syntax, undefined=undefined)
    assert pydicom.dcmread(structure_set).original_encoding == (syntax.is_implicit_VR, syntax.is_little_endian)
    assert described(read_rtstruct(structure_set)) == before
    assert len(before[0][3]) == 3
    assert described(rois_of(pydicom.dcmread(structure_set))) == before


def test_deflated(structure_set):
    before = described(read_rtstruct(structure_set))
    rewritten(structure_set, syntax=DeflatedExplicitVRLittleEndian)
    assert described(read_rtstruct(structure_set)) == before


def test_nested_sequences_and_private_elements_are_passed_over(structure_set, only_walked):
    before = described(read_rtstruct(structure_set))

    def change(dataset):
        inner = pydicom.Dataset()
        inner.ContourSequence = [pydicom.Dataset()]  # the tag that is looked for, at a place that does not count
        for contour in dataset.ROIContourSequence[0].ContourSequence:
            contour.add_new(0x30090010, "LO", "SOMEONE")
            contour.add_new(0x30091001, "SQ", [inner])
            contour.add_new(0x30091002, "UN", b"\x00" * 70001)

    for undefined in (False, True):
        assert described(read_rtstruct(rewritten(structure_set, change, undefined=undefined))) == before


def test_sequence_of_unknown_representation(structure_set, only_walked):
    """An archive that does not know RTSTRUCT stores the sequence as UN with implicit VRs inside (PS3.5 6.2.2)."""
    before = described(read_rtstruct(structure_set))
    content = structure_set.read_bytes()
    start = content.index(b"\x06\x30\x39\x00SQ")
    rest = pydicom.dcmread(structure_set)
    buffer = pydicom.filebase.DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = True, True
    only = pydicom.Dataset()
    only.ROIContourSequence = rest.ROIContourSequence
    pydicom.filewriter.write_dataset(buffer, only)
    value = buffer.getvalue()[8:]
    structure_set.write_bytes(
        content[:start] + b"\x06\x30\x39\x00UN\x00\x00" + len(value).to_bytes(4, "little") + value
    )
    assert described(read_rtstruct(structure_set)) == before


def test_all_types_are_kept_apart(structure_set):
    kinds = ["POINT", "OPEN_PLANAR", "OPEN_NONPLANAR", XOR, "SOMETHING_ELSE"]

    def change(dataset):
        first = dataset.ROIContourSequence[0].ContourSequence
        while len(first) < 5:
            first.append(copy.deepcopy(first[0]))
        for contour, kind in zip(first, kinds, strict=True):
            contour.ContourGeometricType = kind

    bladder = read_rtstruct(rewritten(structure_set, change))[0]
    assert [c.kind for c in bladder.contours] == ["POINT", "OPEN_PLANAR", "OPEN_NONPLANAR", XOR, ""]
    assert (len(bladder.polygons), bladder.other_contours, bladder.broken_contours) == (1, 4, 0)


def test_duplicate_names_are_two_rois(structure_set):
    def change(dataset):
        dataset.StructureSetROISequence[2].ROIName = "Bladder"

    rois = read_rtstruct(rewritten(structure_set, change))
    assert [(r.number, r.name, len(r.contours)) for r in rois] == [
        (1, "Bladder", 3),
        (2, "Empty", 0),
        (3, "Bladder", 2),
    ]


def test_without_references(structure_set):
    def change(dataset):
        del dataset.ReferencedFrameOfReferenceSequence
        for item in dataset.ROIContourSequence:
            for contour in item.get("ContourSequence") or []:
                if "ContourImageSequence" in contour:
                    del contour.ContourImageSequence
        for item in dataset.StructureSetROISequence:
            del item.ReferencedFrameOfReferenceUID

    before = described(read_rtstruct(structure_set))
    rois = read_rtstruct(rewritten(structure_set, change))
    assert described(rois) == before
    assert rois[0].frame_of_reference_uid == ""


def test_frame_of_reference_of_each_roi(structure_set):
    frame = pydicom.dcmread(structure_set).FrameOfReferenceUID

    def change(dataset):
        dataset.StructureSetROISequence[2].ReferencedFrameOfReferenceUID = "1.2.3.4"

    rois = read_rtstruct(rewritten(structure_set, change))
    assert [r.frame_of_reference_uid for r in rois] == [frame, frame, "1.2.3.4"]


@pytest.mark.parametrize(
    ("data", "points"),
    [
        (b"1\\2\\3", [[1, 2, 3]]),
        (b" 1 \\ +2\\-3e1 ", [[1, 2, -30]]),
        (b"1\\2\\3\x00", [[1, 2, 3]]),
        (b"-123.456789012345\\0.00000000000001\\-0", [[-123.456789012345, 1e-14, 0]]),
        (b"-1234.56789012345678\\1.0000000000000002\\2", [[-1234.56789012345678, 1.0000000000000002, 2]]),
        (b"", None),
        (b"1\\2", None),
        (b"1\\2\\3\\4", None),
        (b"1\\nan\\3", None),
        (b"1\\inf\\3", None),
        (b"1\\2\\", None),
        (b"1\\\\3", None),
        (b"1,5\\2\\3", None),
        (b"one\\2\\3", None),
    ],
)
def test_points(data, points):
    read = points_of(data)
    assert read is None if points is None else np.array_equal(read, points)
    if points is not None:
        assert not np.signbit(read[read == 0]).any()


def test_points_that_pydicom_has_decoded():
    contour = pydicom.Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        contour.ContourData = [1.0, 2.0, 3.5]
    assert contour_points(contour).tolist() == [[1, 2, 3.5]]
    assert contour_points(pydicom.Dataset()) is None


def test_stubs_are_kept_but_enclose_nothing(structure_set):
    def change(dataset):
        first = dataset.ROIContourSequence[0].ContourSequence
        first[0].ContourData = [1, 2, 3]
        first[1].ContourData = [1, 2, 3, 4, 5, 6]
        first[2].ContourData = [1, 2, 3, 4]

    bladder = read_rtstruct(rewritten(structure_set, change))[0]
    assert [(c.kind, len(c.points)) for c in bladder.contours] == [(CLOSED, 1), (CLOSED, 2)]
    assert (bladder.polygons, bladder.broken_contours, bladder.unreadable_contours) == ([], 3, 1)


def test_no_contours_at_all(structure_set):
    def change(dataset):
        del dataset.ROIContourSequence

    assert [r.contours for r in read_rtstruct(rewritten(structure_set, change))] == [[], [], []]


def test_contours_of_an_undeclared_roi_have_no_name_to_go_by(structure_set):
    def change(dataset):
        dataset.ROIContourSequence[0].ReferencedROINumber = 99

    assert [len(r.contours) for r in read_rtstruct(rewritten(structure_set, change))] == [0, 0, 2]


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.8, 0.99])
def test_truncated_file_is_told(structure_set, kept):
    content = structure_set.read_bytes()
    structure_set.write_bytes(content[: int(len(content) * kept)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            rois = read_rtstruct(structure_set)
        except FedRTError as error:
            assert "structures.dcm" in str(error)
        else:
            assert sum(len(r.contours) for r in rois) == (5 if kept == 0.99 else 0)  # what is cut off held no contours


def test_every_byte_may_be_wrong(structure_set):
    """Whatever is damaged: contours, or one sentence that names the file."""
    content = structure_set.read_bytes()
    random = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(150):
            damaged = bytearray(content)
            for place in random.integers(132, len(content), 6):
                damaged[place] = random.integers(256)
            structure_set.write_bytes(bytes(damaged))
            try:
                read_rtstruct(structure_set)
            except FedRTError as error:
                assert "structures.dcm" in str(error)


def test_missing_file(tmp_path):
    with pytest.raises(FedRTError, match=r"none\.dcm cannot be read"):
        read_rtstruct(tmp_path / "none.dcm")


def test_every_real_structure_set(real_data):
    """The walk finds exactly what pydicom finds, in all of them."""
    found = 0
    for path in sorted(p for p in real_data.rglob("*") if p.is_file() and "hospital_b" not in p.parts):
        with open(path, "rb") as file:
            if RTStructureSetStorage.encode() + b"\0" not in file.read(2000):
                continue
        found += 1
        assert described(read_rtstruct(path)) == described(rois_of(pydicom.dcmread(path)))
    assert found > 30
