"""What lies in a folder, and every kind of bad file."""

import shutil

import pydicom
import pytest
from dicom_maker import add_rtstruct, ellipse, make_patient, make_series
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.index.dicom_index import Index, RtObject, index_folders
from pydicom.uid import generate_uid


def kinds(index):
    return [problem.kind for problem in index.problems]


def test_series_and_structure_set_are_linked_by_series(tmp_path):
    make_patient(tmp_path / "a", "one")
    make_patient(tmp_path / "deep" / "b", "two", modality="MR")
    index = index_folders([tmp_path])
    assert sorted(series.modality for series in index.series.values()) == ["CT", "MR"]
    assert len(index.links) == 2
    assert index.problems == []
    for uid, series in index.links.items():
        assert index.structure_sets[uid].patient_id == index.series[series].patient_id


def test_empty_folder(tmp_path):
    with pytest.raises(FedRTError, match=r"is empty.*name the folder"):
        index_folders([tmp_path])


def test_folder_that_does_not_exist(tmp_path):
    with pytest.raises(FedRTError, match="does not exist"):
        index_folders([tmp_path / "absent"])


def test_folder_without_dicom(tmp_path):
    (tmp_path / "letter.txt").write_text("not an image")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FedRTError, match="holds 2 files, none of them DICOM"):
        index_folders([tmp_path])


@pytest.mark.parametrize("keep", [0, 100, 200, 400], ids=lambda n: f"{n} bytes")
def test_truncated_file_is_named_and_the_rest_goes_on(tmp_path, keep):
    series = make_patient(tmp_path)
    series.files[3].write_bytes(series.files[3].read_bytes()[:keep])
    index = index_folders([tmp_path])
    assert len(next(iter(index.series.values())).files) == 7
    assert len(index.links) == 1
    assert kinds(index) == ["unreadable", "images-missing"]
    assert "slice003.dcm" in index.problems[0].text
    assert "again" in index.problems[0].text


def test_copy_of_a_slice_is_left_out(tmp_path):
    series = make_patient(tmp_path)
    shutil.copy(series.files[2], tmp_path / "zz_copy.dcm")
    index = index_folders([tmp_path])
    assert kinds(index) == ["duplicate"]
    assert "zz_copy.dcm" in index.problems[0].text
    assert len(next(iter(index.series.values())).files) == 8


def test_structure_set_whose_images_are_absent(tmp_path):
    gone = make_patient(tmp_path / "gone", "one")
    make_patient(tmp_path / "here", "two")
    for file in gone.files:
        file.unlink()
    index = index_folders([tmp_path])
    assert kinds(index) == ["images-absent"]
    assert "structures.dcm" in index.problems[0].text
    assert len(index.links) == 1


def test_structure_set_of_another_patient(tmp_path):
    series = make_series(tmp_path, patient="MRN-1")
    contour = series.plane(3, ellipse((40, 30), (10, 10)))
    add_rtstruct(series, {"Bladder": [contour]}, PatientID="MRN-2")
    index = index_folders([tmp_path])
    assert kinds(index) == ["patient-mismatch"]
    assert "another patient" in index.problems[0].text
    assert index.links == {}


def test_without_series_reference_the_images_decide_then_the_frame_of_reference(tmp_path):
    series = make_patient(tmp_path)
    path = tmp_path / "structures.dcm"
    dataset = pydicom.dcmread(path)
    item = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    item.SeriesInstanceUID = generate_uid()
    dataset.save_as(path)
    index = index_folders([tmp_path])
    assert list(index.links.values()) == [series.headers[0].SeriesInstanceUID]
    assert index.problems == []

    del dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    dataset.save_as(path)
    index = index_folders([tmp_path])
    assert list(index.links.values()) == [series.headers[0].SeriesInstanceUID]
    assert kinds(index) == ["doubtful-link"]


def test_no_problem_text_holds_the_patient(tmp_path):
    series = make_patient(tmp_path / "x", "MRN-4711")
    shutil.copy(series.files[2], tmp_path / "x" / "Doe_Jane_MRN-4711.dcm")
    series.files[3].write_bytes(b"")
    texts = " ".join(problem.text for problem in index_folders([tmp_path]).problems)
    assert texts
    for secret in ("4711", "Doe", "Jane"):
        assert secret not in texts


def test_beam_doses_are_not_added_to_the_dose_of_the_whole_plan(tmp_path):
    def rt(modality, uid, references, summation=""):
        path = tmp_path / f"{uid}.dcm"
        return RtObject(path, modality, uid, "p", "", "", references=references, dose_summation_type=summation)

    beams = [rt("RTDOSE", uid, ("plan",), "BEAM") for uid in ("beam1", "beam2")]
    whole = rt("RTDOSE", "whole", ("plan",), "PLAN")
    other = rt("RTDOSE", "other", ("another plan",), "PLAN")
    index = Index(plans={"plan": rt("RTPLAN", "plan", ("set",))})
    index.doses = {dose.uid: dose for dose in [*beams, other]}
    assert index.doses_of("set") == beams
    index.doses["whole"] = whole
    assert index.doses_of("set") == [whole]


def test_real_cohort(real_data):
    index = index_folders([real_data / "sarcoma_mr"])
    assert len(index.series) == 30
    assert len(index.links) == 30
    assert {series.modality for series in index.series.values()} == {"MR"}
