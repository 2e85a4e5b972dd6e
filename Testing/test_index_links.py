"""What belongs together: by UID, by frame of reference with the doubt recorded, or not at all."""

import numpy as np
import pydicom
import pytest
from dicom_maker import add_rtstruct, ellipse, make_patient, make_series
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.index.findings import KINDS
from FedRTDatasetLib.notes import TEXTS
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid


def kinds(index):
    return [problem.kind for problem in index.problems]


def small(folder, patient="MRN-1", **options):
    return make_patient(folder, patient, slices=5, rows=4, columns=4, contoured=range(1, 4), **options)


def change(path, **values):
    dataset = pydicom.dcmread(path)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return dataset


def write(path, modality, series=None, *, patient="MRN-1", frame=None, **sequences):
    """An RT object or registration; `sequences`: keyword -> UIDs it refers to."""
    names = {"RTPLAN": "481.5", "RTDOSE": "481.2", "REG": "66.1"}
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = f"1.2.840.10008.5.1.4.1.1.{names[modality]}"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.PatientID, dataset.PatientName = modality, patient, "Doe^Jane"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    if frame or series:
        dataset.FrameOfReferenceUID = frame or series.headers[0].FrameOfReferenceUID
    if modality == "RTDOSE":
        dataset.DoseUnits, dataset.DoseSummationType = "GY", "PLAN"
    for keyword, uids in sequences.items():
        items = []
        for uid in uids:
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.3", uid
            items.append(item)
        setattr(dataset, keyword, Sequence(items))
    dataset.save_as(path, enforce_file_format=True)
    return str(dataset.SOPInstanceUID)


def structure_set_uid(folder):
    return str(pydicom.dcmread(folder / "structures.dcm").SOPInstanceUID)


def without_references(folder):
    """The structure set names its frame of reference only."""
    path = folder / "structures.dcm"
    dataset = pydicom.dcmread(path)
    del dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    dataset.save_as(path)


def copy_of_series(series, folder, **values):
    """Another series in the same frame of reference."""
    folder.mkdir()
    uid = generate_uid()
    for k, file in enumerate(series.files):
        dataset = pydicom.dcmread(file)
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = uid, generate_uid()
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        dataset.save_as(folder / f"{k}.dcm")
    return str(uid)


# ---- structure sets


@pytest.mark.parametrize(
    ("values", "count"),
    [({"StudyInstanceUID": "1.2.3"}, 1), ({"Modality": "MR"}, 1), ({"StudyInstanceUID": "1.2.3", "Modality": "PT"}, 2)],
    ids=["same study first", "CT first", "both"],
)
def test_several_series_in_one_frame_of_reference(tmp_path, values, count):
    series = small(tmp_path / "ct")
    without_references(tmp_path / "ct")
    for n in range(count):
        copy_of_series(series, tmp_path / f"other{n}", **values)
    index = index_folders([tmp_path])
    assert list(index.links.values()) == [series.headers[0].SeriesInstanceUID]
    assert kinds(index) == ["doubtful-link"]
    assert f"the likeliest of {count + 1} series" in index.problems[0].text
    uid = structure_set_uid(tmp_path / "ct")
    assert index.doubts == {uid: [index.problems[0].text]}
    assert index.guessed == {uid}


def test_another_patients_images_are_never_taken(tmp_path):
    small(tmp_path / "a")
    without_references(tmp_path / "a")
    change(tmp_path / "a" / "structures.dcm", PatientID="MRN-2")
    index = index_folders([tmp_path])
    assert index.links == {}
    assert kinds(index) == ["patient-mismatch"]


def test_two_series_named_the_one_with_the_images_is_taken(tmp_path):
    series = small(tmp_path / "ct")
    other = copy_of_series(series, tmp_path / "again")
    path = tmp_path / "ct" / "structures.dcm"
    dataset = pydicom.dcmread(path)
    study = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    item = Dataset()
    item.SeriesInstanceUID = other
    item.ContourImageSequence = Sequence()
    study.RTReferencedSeriesSequence = Sequence([item, *study.RTReferencedSeriesSequence])
    dataset.save_as(path)
    index = index_folders([tmp_path])
    assert list(index.links.values()) == [series.headers[0].SeriesInstanceUID]
    assert kinds(index) == ["several-series"]


def test_images_that_are_missing(tmp_path):
    series = small(tmp_path)
    series.files[1].unlink()
    index = index_folders([tmp_path])
    assert len(index.links) == 1
    assert "names 5 images, 1 of them are not here" in index.problems[0].text


def test_a_structure_set_on_part_of_a_series(tmp_path):
    """Referring to fewer images than there are is no doubt."""
    small(tmp_path)
    path = tmp_path / "structures.dcm"
    dataset = pydicom.dcmread(path)
    item = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    item.ContourImageSequence = item.ContourImageSequence[1:3]
    dataset.save_as(path)
    index = index_folders([tmp_path])
    assert len(index.links) == 1
    assert index.problems == []


def test_another_frame_of_reference_than_its_images(tmp_path):
    small(tmp_path)
    path = tmp_path / "structures.dcm"
    dataset = pydicom.dcmread(path)
    dataset.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = generate_uid()
    dataset.FrameOfReferenceUID = dataset.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID
    dataset.save_as(path)
    index = index_folders([tmp_path])
    assert len(index.links) == 1
    assert kinds(index) == ["frame-mismatch"]


def test_several_frames_of_reference(tmp_path):
    """Two series of a patient in two frames, a structure set on each."""
    first, second = small(tmp_path / "a"), small(tmp_path / "b")
    for folder in ("a", "b"):
        without_references(tmp_path / folder)
    index = index_folders([tmp_path])
    assert index.links == {
        structure_set_uid(tmp_path / "a"): str(first.headers[0].SeriesInstanceUID),
        structure_set_uid(tmp_path / "b"): str(second.headers[0].SeriesInstanceUID),
    }
    assert kinds(index) == ["doubtful-link"] * 2


# ---- plans and doses


def test_plan_and_dose_by_uid(tmp_path):
    series = small(tmp_path)
    uid = structure_set_uid(tmp_path)
    plan = write(tmp_path / "plan.dcm", "RTPLAN", series, ReferencedStructureSetSequence=[uid])
    dose = write(tmp_path / "dose.dcm", "RTDOSE", series, ReferencedRTPlanSequence=[plan])
    direct = write(tmp_path / "direct.dcm", "RTDOSE", series, ReferencedStructureSetSequence=[uid])
    index = index_folders([tmp_path])
    assert [one.uid for one in index.plans_of(uid)] == [plan]
    assert sorted(one.uid for one in index.doses_of(uid)) == sorted([dose, direct])
    assert index.doses[dose].plan_uids == (plan,)
    assert index.problems == []
    assert index.plans_of("other") == index.doses_of("other") == []


def test_by_frame_of_reference_only_as_a_doubt(tmp_path):
    series = small(tmp_path)
    uid = structure_set_uid(tmp_path)
    plan = write(tmp_path / "plan.dcm", "RTPLAN", series, ReferencedStructureSetSequence=["1.2.3"])
    dose = write(tmp_path / "dose.dcm", "RTDOSE", series)
    index = index_folders([tmp_path])
    assert [one.uid for one in index.plans_of(uid)] == [plan]
    assert [one.uid for one in index.doses_of(uid)] == [dose]
    assert index.guessed == {plan, dose} == set(index.doubts)
    assert kinds(index) == ["doubtful-link"] * 2


def test_what_is_told_goes_before_what_is_guessed(tmp_path):
    series = small(tmp_path)
    uid = structure_set_uid(tmp_path)
    plan = write(tmp_path / "plan.dcm", "RTPLAN", series, ReferencedStructureSetSequence=[uid])
    write(tmp_path / "guess.dcm", "RTPLAN", series)
    dose = write(tmp_path / "dose.dcm", "RTDOSE", series, ReferencedRTPlanSequence=[plan])
    write(tmp_path / "other.dcm", "RTDOSE", series, ReferencedRTPlanSequence=["1.2.3"])
    index = index_folders([tmp_path])
    assert [one.uid for one in index.plans_of(uid)] == [plan]
    assert [one.uid for one in index.doses_of(uid)] == [dose]


def test_of_several_structure_sets_none_is_guessed(tmp_path):
    series = small(tmp_path)
    add_rtstruct(series, {"Rectum": [series.plane(2, ellipse((2, 2), (1, 1)))]}, tmp_path / "second.dcm")
    write(tmp_path / "dose.dcm", "RTDOSE", series)
    index = index_folders([tmp_path])
    assert index.dose_links == {}
    assert kinds(index) == ["unlinked"]
    assert "2 structure sets share its frame of reference" in index.problems[0].text


def test_plan_or_dose_of_another_patient(tmp_path):
    series = small(tmp_path)
    uid = structure_set_uid(tmp_path)
    plan = write(tmp_path / "plan.dcm", "RTPLAN", series, ReferencedStructureSetSequence=[uid])
    write(tmp_path / "p2.dcm", "RTPLAN", series, patient="MRN-2", ReferencedStructureSetSequence=[uid])
    write(tmp_path / "d2.dcm", "RTDOSE", series, patient="MRN-2", ReferencedRTPlanSequence=[plan])
    write(tmp_path / "d3.dcm", "RTDOSE", series, patient="MRN-2")
    index = index_folders([tmp_path])
    assert [one.uid for one in index.plans_of(uid)] == [plan]
    assert index.doses_of(uid) == []
    assert sorted(kinds(index)) == ["patient-mismatch", "patient-mismatch", "unlinked"]


def test_dose_of_an_orphan_plan_is_told_once(tmp_path):
    small(tmp_path)
    plan = write(tmp_path / "plan.dcm", "RTPLAN", ReferencedStructureSetSequence=["1.2.3"])
    write(tmp_path / "dose.dcm", "RTDOSE", ReferencedRTPlanSequence=[plan])
    assert kinds(index_folders([tmp_path])) == ["unlinked"]


# ---- registrations


def registration(path, frame, sources, **options):
    """`sources`: frame -> matrices, applied in their order."""
    uid = write(path, "REG", frame=frame, **options)
    dataset = pydicom.dcmread(path)
    items = []
    for source, matrices in sources.items():
        sequence = []
        for matrix in matrices:
            one = Dataset()
            one.FrameOfReferenceTransformationMatrixType = "RIGID"
            one.FrameOfReferenceTransformationMatrix = [f"{v:.10g}" for v in np.ravel(matrix)]
            sequence.append(one)
        inner, item = Dataset(), Dataset()
        inner.MatrixSequence = Sequence(sequence)
        item.FrameOfReferenceUID, item.MatrixRegistrationSequence = source, Sequence([inner])
        items.append(item)
    dataset.RegistrationSequence = Sequence(items)
    dataset.save_as(path)
    return uid


def shift(x, y, z):
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return matrix


TURN = np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


def test_registration(tmp_path):
    small(tmp_path)
    uid = registration(
        tmp_path / "reg.dcm", "1.1", {"1.1": [np.eye(4)], "1.2": [TURN, shift(5, 0, 0)], "1.3": [shift(0, 7, 0)]}
    )
    index = index_folders([tmp_path])
    assert list(index.registrations) == [uid]
    assert index.problems == []
    assert index.registrations_between("1.1", "1.4") == []
    (one,) = index.registrations_between("1.2", "1.1")
    point = np.array([1.0, 2.0, 3.0, 1.0])
    assert np.allclose(np.reshape(one.matrix("1.2", "1.1"), (4, 4)) @ point, [3, 1, 3, 1])  # turned, then shifted
    assert np.allclose(np.reshape(one.matrix("1.1", "1.2"), (4, 4)) @ [3, 1, 3, 1], point)
    assert np.allclose(np.reshape(one.matrix("1.2", "1.3"), (4, 4)) @ point, [3, -6, 3, 1])
    with pytest.raises(KeyError):
        one.matrix("1.2", "1.4")


def test_newest_registration_first(tmp_path):
    small(tmp_path)
    uids = []
    for n, date in enumerate(("20230101", "20240101", "")):
        uids.append(registration(tmp_path / f"{n}.dcm", "1.1", {"1.2": [shift(n, 0, 0)]}))
        change(tmp_path / f"{n}.dcm", StudyDate=date)
    found = index_folders([tmp_path]).registrations_between("1.1", "1.2")
    assert [one.uid for one in found] == [uids[1], uids[0], uids[2]]


def test_deformable_and_useless_registrations(tmp_path):
    small(tmp_path)
    registration(tmp_path / "a.dcm", "1.1", {"1.2": [shift(1, 0, 0)]})
    dataset = change(tmp_path / "a.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.66.3")
    del dataset.RegistrationSequence
    dataset.save_as(tmp_path / "a.dcm")
    registration(tmp_path / "b.dcm", "1.1", {"1.2": [np.zeros((4, 4))]})
    registration(tmp_path / "c.dcm", "1.1", {"1.2": []})
    index = index_folders([tmp_path])
    assert kinds(index) == ["deformable"]
    assert [one.path.name for one in index.registrations.values() if one.deformable] == ["a.dcm"]
    (one,) = index.registrations_between("1.1", "1.2")
    with pytest.raises(ValueError, match="inverse"):
        one.matrix("1.1", "1.2")


def test_every_kind_of_problem_has_a_sentence_in_datasets():
    assert set(TEXTS) >= KINDS


def test_pet_is_an_image(tmp_path):
    series = make_series(tmp_path, rows=4, columns=4)
    for file in series.files:
        change(file, Modality="PT", SOPClassUID="1.2.840.10008.5.1.4.1.1.128")
    assert [one.modality for one in index_folders([tmp_path]).series.values()] == ["PT"]
