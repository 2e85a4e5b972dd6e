"""What one file is: image, RT object, only counted, or a problem."""

import json

import pydicom
import pytest
from dicom_maker import make_patient, make_series
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.index.record import read_record
from pydicom.uid import generate_uid

IMAGE = "1.2.840.10008.5.1.4.1.1."


def kinds(index):
    return [problem.kind for problem in index.problems]


@pytest.fixture
def series(tmp_path):
    return make_series(tmp_path / "in", slices=4, rows=4, columns=4)


def changed(path, remove=(), **values):
    dataset = pydicom.dcmread(path)
    for keyword in remove:
        del dataset[keyword]
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize(
    ("values", "remove", "label"),
    [
        ({"Modality": "RTIMAGE"}, (), "RTIMAGE"),
        ({"Modality": "SR"}, (), "SR"),
        ({"SOPClassUID": IMAGE + "7"}, ["ImagePositionPatient"], "secondary capture"),
        ({"SOPClassUID": IMAGE + "7.2"}, ["ImagePositionPatient"], "secondary capture"),
        ({"ImageType": ["DERIVED", "PRIMARY"]}, ["ImagePositionPatient"], "derived image without position"),
        ({"ImageType": ["ORIGINAL", "SECONDARY"]}, ["PixelSpacing"], "derived image without position"),
        (
            {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
            ["ImageOrientationPatient"],
            "localiser without position",
        ),
        ({"SOPClassUID": "1.2.840.10008.1.3.10"}, ["Modality"], "DICOMDIR"),
    ],
    ids=str,
)
def test_counted_and_no_problem(series, values, remove, label):
    changed(series.files[0], remove, **values)
    index = index_folders([series.folder])
    assert index.others == {label: 1}
    assert index.problems == []
    assert next(iter(index.series.values())).count == 3


@pytest.mark.parametrize(
    ("values", "remove", "code"),
    [
        ({}, ["ImagePositionPatient"], "no-position"),
        ({}, ["PixelSpacing"], "no-position"),
        ({"PixelSpacing": [0, 1]}, (), "no-position"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, (), "no-position"),
        ({"ImageOrientationPatient": [0] * 6}, (), "no-position"),
        ({}, ["Rows"], "no-position"),
        ({"SOPClassUID": IMAGE + "2.1"}, (), "multi-frame"),
        ({"SOPClassUID": IMAGE + "4.1"}, ["ImagePositionPatient"], "multi-frame"),
        ({"SOPClassUID": IMAGE + "130"}, (), "multi-frame"),
        ({"SOPClassUID": "1.2.3.4"}, ["Modality"], "no-modality"),
    ],
    ids=str,
)
def test_problems(series, values, remove, code):
    path = changed(series.files[0], remove, **values)
    assert read_record(str(path))[:2] == ["problem", code]
    index = index_folders([series.folder])
    assert len(index.problems) == 1
    assert index.problems[0].text.startswith("slice000.dcm ")
    assert next(iter(index.series.values())).count == 3


def test_position_that_is_no_number(series):
    raw = series.files[0].read_bytes()
    for wrong in (b"-50\\nan\\20", b"-50\\inf\\20", b"-50\\-3x\\20", b"-50\\-30 20"):
        series.files[0].write_bytes(raw.replace(b"-50\\-30\\20", wrong))
        assert read_record(str(series.files[0]))[0] == "problem"
        assert len(index_folders([series.folder]).problems) == 1


def test_a_missing_modality_follows_from_the_class(series):
    for file in series.files:
        changed(file, ["Modality"])
    index = index_folders([series.folder])
    assert [one.modality for one in index.series.values()] == ["CT"]
    assert index.problems == []


def test_a_secondary_capture_in_space_is_an_image(series):
    """Converters write such series."""
    for file in series.files:
        changed(file, SOPClassUID=IMAGE + "7")
    assert next(iter(index_folders([series.folder]).series.values())).count == 4


def test_series_that_lost_its_uids(tmp_path):
    """One series for each folder and frame of reference; the stand-ins are the same every time, the file meta UIDs are used."""
    for name in ("a", "b"):
        for file in make_series(tmp_path / name, slices=3, rows=4, columns=4).files:
            changed(file, SOPInstanceUID="", SeriesInstanceUID="", StudyInstanceUID="", PatientID="", SOPClassUID="")
    index = index_folders([tmp_path])
    assert [one.count for one in index.series.values()] == [3, 3]
    assert sorted(kinds(index)) == ["missing-uid", "missing-uid", "no-patient-id", "no-patient-id"]
    assert set(index.doubts) == set(index.series)
    one = next(iter(index.series.values()))
    assert all(uid == pydicom.dcmread(path).file_meta.MediaStorageSOPInstanceUID for uid, path in one.files.items())
    assert all(header.SeriesInstanceUID == one.uid for header in one.headers.values())
    assert one.uid.startswith("2.25.") and len(one.uid) <= 64
    assert list(index_folders([tmp_path]).series) == list(index.series)


def test_structure_set_without_uid_and_on_images_that_lost_theirs(tmp_path):
    """Nothing is lost: the frame of reference still ties them."""
    series = make_patient(tmp_path / "in", slices=4, rows=4, columns=4, contoured=range(1, 3))
    for file in series.files:
        changed(file, SOPInstanceUID="", SeriesInstanceUID="", StudyInstanceUID="")
    changed(tmp_path / "in" / "structures.dcm", SOPInstanceUID="")
    index = index_folders([tmp_path])
    assert len(index.links) == 1
    assert "doubtful-link" in kinds(index) or "missing-uid" in kinds(index)


def test_headers_are_what_pydicom_reads(tmp_path):
    """What `series.headers` holds comes from the store, not from the file; the values and their types are the same."""
    made = make_series(tmp_path, slices=3, rows=4, columns=4, modality="MR", name="Müller^Jürgen")
    for n, file in enumerate(made.files):
        changed(
            file, SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Jürgen", EchoTime="4.60", TriggerTime=12.5 * n,
            DiffusionBValue=500.0, ImageType=["ORIGINAL", "PRIMARY"], AcquisitionNumber=n, SequenceName="*tse2d1",
            ImagePositionPatient=["-50.0010", "-30", f"{n}.5"],
        )  # fmt: skip
    (series,) = index_folders([tmp_path]).series.values()
    assert series.sequence_name == "*tse2d1"
    for uid, header in series.headers.items():
        whole = pydicom.dcmread(series.files[uid])
        for element in header:
            own = whole[element.tag]
            assert element.VR == own.VR
            assert type(element.value) is type(own.value), element
            assert element.value == own.value
        assert str(header["ImagePositionPatient"].value[0]) == "-50.0010"
        assert len(header) >= 20


@pytest.mark.parametrize(
    ("name", "content", "problems"),
    [
        ("empty.dcm", b"", 1),
        ("empty", b"", 1),
        ("text.dcm", b"not DICOM", 1),
        ("letter.txt", b"not DICOM", 0),
        ("picture.png", b"\x89PNG\r\n" + b"\0" * 400, 0),
        ("DICOMDIR", b"\0" * 128 + b"DICM" + b"\0" * 100, 0),
        (".hidden.dcm", b"", 0),
        ("table.csv", b"a,b\n" * 100, 0),
        ("magic only.dcm", b"\0" * 128 + b"DICM", 1),
        ("magic and noise.dcm", b"\0" * 128 + b"DICM" + bytes(range(256)) * 4, 1),
        ("group eight.dcm", b"\x08\0" + b"\xff" * 400, 1),
    ],
)
def test_files_that_are_no_images(series, name, content, problems):
    (series.folder / name).write_bytes(content)
    index = index_folders([series.folder])
    assert next(iter(index.series.values())).count == 4
    assert kinds(index) == ["unreadable"] * problems
    assert all(problem.text.startswith(name) for problem in index.problems)


def test_only_bad_files_is_an_error(tmp_path):
    (tmp_path / "empty.dcm").write_bytes(b"")
    with pytest.raises(FedRTError, match="holds 1 files, none of them DICOM"):
        index_folders([tmp_path])


def test_what_may_not_be_read(series, monkeypatch):
    import os

    allowed = os.open

    def refuse(path, *rest, **options):
        if str(path).endswith("slice001.dcm"):
            raise PermissionError(13, "Permission denied")
        return allowed(path, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    index = index_folders([series.folder])
    assert [p.text for p in index.problems] == [
        "slice001.dcm may not be read: change its permissions, or start this as a user who may."
    ]


def test_record_of_a_structure_set(tmp_path):
    series = make_patient(tmp_path, slices=4, rows=4, columns=4, contoured=range(1, 3))
    kind, modality, uid, content = read_record(str(tmp_path / "structures.dcm"))
    content = json.loads(content)
    assert (kind, modality) == ("object", "RTSTRUCT")
    assert uid == pydicom.dcmread(tmp_path / "structures.dcm").SOPInstanceUID
    assert content["roi_names"] == ["Bladder", "Rectum"]
    assert content["series_uids"] == [series.headers[0].SeriesInstanceUID]
    assert sorted(content["image_uids"]) == sorted(h.SOPInstanceUID for h in series.headers)


def test_no_structure_sets_content_is_too_odd(tmp_path):
    """Empty and missing sequences anywhere."""
    make_patient(tmp_path, slices=4, rows=4, columns=4, contoured=range(1, 3))
    path = tmp_path / "structures.dcm"
    for empty in ("StructureSetROISequence", "ReferencedFrameOfReferenceSequence", "ROIContourSequence"):
        changed(path, **{empty: []})
        assert len(index_folders([tmp_path]).structure_sets) == 1
        changed(path, [empty], SOPInstanceUID=generate_uid())
        assert len(index_folders([tmp_path]).structure_sets) == 1
