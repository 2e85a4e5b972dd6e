"""Files that claim to be the same thing: which one counts, and what is said of the others."""

import re
import shutil

import pydicom
import pytest
from dicom_maker import make_patient, make_series
from FedRTDatasetLib.index.dicom_index import index_folders
from pydicom.uid import generate_uid


def told(index):
    return [(problem.kind, problem.text) for problem in index.problems]


def small(folder, patient="MRN-1"):
    return make_patient(folder, patient, slices=5, rows=16, columns=16, contoured=range(1, 4))


def only(index):
    (series,) = index.series.values()
    return series


def test_a_whole_folder_copied_is_told_in_one_line(tmp_path):
    small(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    index = index_folders([tmp_path])
    assert only(index).count == 5
    assert {path.parent.name for path in only(index).files.values()} == {"a"}
    assert len(index.links) == 1
    (_, first), (_, second) = told(index)
    assert first == "structures.dcm is a second copy of structures.dcm: the copy is left out."
    assert re.fullmatch(r"5 files such as (slice00\d.dcm) are second copies of slices, here of \1: left out.", second)


@pytest.mark.parametrize("what", ["pixels", "position", "size"])
def test_one_uid_and_other_content(tmp_path, what):
    series = small(tmp_path / "a")
    dataset = pydicom.dcmread(series.files[2])
    if what == "pixels":
        dataset.PixelData = bytes(len(dataset.PixelData))
    elif what == "position":
        dataset.ImagePositionPatient = [0, 0, 99]
    else:
        dataset.PixelData = dataset.PixelData + bytes(16)
    dataset.save_as(tmp_path / "a" / "zz.dcm")
    index = index_folders([tmp_path])
    assert told(index) == [
        ("conflict", "zz.dcm has the UID of slice slice002.dcm but other content: left out; remove the wrong ones.")
    ]
    assert only(index).files[str(series.headers[2].SOPInstanceUID)] == series.files[2]


def test_a_copy_that_another_system_wrote_is_still_a_copy(tmp_path):
    """The file meta information tells who wrote the file; it is no content."""
    series = small(tmp_path / "a")
    for name, copy in ((series.files[2], "zz.dcm"), (tmp_path / "a" / "structures.dcm", "zzz.dcm")):
        dataset = pydicom.dcmread(name)
        dataset.file_meta.ImplementationVersionName = "ANOTHER SYSTEM"
        dataset.file_meta.SourceApplicationEntityTitle = "ELSEWHERE"
        dataset.save_as(tmp_path / "a" / copy)
    assert [kind for kind, _ in told(index_folders([tmp_path]))] == ["duplicate", "duplicate"]


def test_structure_sets_with_one_uid_and_other_contours(tmp_path):
    small(tmp_path)
    dataset = pydicom.dcmread(tmp_path / "structures.dcm")
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    contour.ContourData = [value + 1 for value in contour.ContourData]
    dataset.save_as(tmp_path / "zz.dcm")
    index = index_folders([tmp_path])
    assert [rt.path.name for rt in index.structure_sets.values()] == ["structures.dcm"]
    assert [kind for kind, _ in told(index)] == ["conflict"]
    assert list(index.doubts) == list(index.structure_sets)


def test_what_a_broken_transfer_left_of_a_file_does_not_count(tmp_path):
    series = small(tmp_path / "z")
    (tmp_path / "a").mkdir()
    for path in (*series.files, tmp_path / "z" / "structures.dcm"):
        data = path.read_bytes()
        (tmp_path / "a" / path.name).write_bytes(data[: len(data) * 9 // 10])
    index = index_folders([tmp_path])
    assert set(only(index).files.values()) == set(series.files)
    assert [rt.path.parent.name for rt in index.structure_sets.values()] == ["z"]
    assert {kind for kind, _ in told(index)} == {"conflict"}
    assert {problem.path.parent.name for problem in index.problems} == {"a"}


def test_a_series_under_two_patients(tmp_path):
    """The one with most slices counts."""
    series = make_series(tmp_path / "a", slices=5, rows=4, columns=4, patient="MRN-1")
    for k in (0, 1):
        dataset = pydicom.dcmread(series.files[k])
        dataset.PatientID = "MRN-2"
        dataset.save_as(series.files[k])
    index = index_folders([tmp_path])
    assert (only(index).patient_id, only(index).count) == ("MRN-1", 3)
    assert [kind for kind, _ in told(index)] == ["patient-mismatch"]
    assert index.problems[0].text.startswith("2 files such as slice000.dcm carry another Patient ID")


def test_everything_under_two_patients(tmp_path):
    """A patient exported twice, under two identities, with the same UIDs: nothing is counted twice, nothing crosses over."""
    small(tmp_path / "a", "MRN-2")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for path in (tmp_path / "b").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.PatientID = "MRN-1"
        dataset.save_as(path)
    index = index_folders([tmp_path])
    assert (only(index).patient_id, only(index).count) == ("MRN-1", 5)  # of equals the first in order
    (linked,) = index.links
    assert index.structure_sets[linked].patient_id == "MRN-1"
    assert {kind for kind, _ in told(index)} == {"patient-mismatch"}


def test_slices_of_two_series_with_the_same_uids(tmp_path):
    series = make_series(tmp_path / "a", slices=5, rows=4, columns=4)
    uid = generate_uid()
    (tmp_path / "b").mkdir()
    for file in series.files:
        dataset = pydicom.dcmread(file)
        dataset.SeriesInstanceUID = uid
        dataset.save_as(tmp_path / "b" / file.name)
    index = index_folders([tmp_path])
    assert sorted(one.count for one in index.series.values()) == [5, 5]
    assert [kind for kind, _ in told(index)] == ["same-uid"]


def test_phases_and_localisers_in_a_series_are_listed(tmp_path):
    series = make_series(tmp_path, slices=5, rows=4, columns=4)
    for k, file in enumerate(series.files):
        dataset = pydicom.dcmread(file)
        dataset.TemporalPositionIdentifier = 1
        dataset.save_as(file)
        dataset.TemporalPositionIdentifier = 2
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(tmp_path / f"second{k}.dcm")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.save_as(tmp_path / "scout.dcm")
    index = index_folders([tmp_path])
    assert only(index).count == 11
    assert [kind for kind, _ in told(index)] == ["series-slices", "series-slices"]
    assert "1 localiser slices left out" in index.problems[0].text
    assert "holds 2 volumes (2 of 5 slices), told apart by TemporalPositionIdentifier" in index.problems[1].text
    assert index.doubts == {only(index).uid: [problem.text for problem in index.problems]}
