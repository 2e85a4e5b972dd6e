"""`fedrt dataset check`: what is wrong with a case, and what shows only in the cohort."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from FedRTDatasetLib.commandline import main
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.finding import Finding
from FedRTDatasetLib.naming.structures import Structure
from FedRTDatasetLib.quality.checks import check_dataset
from FedRTDatasetLib.quality.cohort_checks import modified_z_scores
from FedRTDatasetLib.storage.dataset import CaseRecord as Case
from FedRTDatasetLib.storage.dataset import (
    PlanRecord,
    file_sha256,
    read_image,
    read_record,
    read_structures,
    write_record,
)
from FedRTDatasetLib.storage.segmentation import write_segmentation
from tiny_dataset import write_tiny_dataset


@pytest.fixture
def dataset(tmp_path):
    return write_tiny_dataset(tmp_path / "ds", cases={"train": 7, "validation": 1, "test": 2})


def found(dataset, kind):
    """{case id: [text]} of one kind."""
    _, quality = check_dataset(dataset.path)
    return {
        c: [f.text for f in fs if f.kind == kind]
        for c, fs in quality.findings.items()
        if any(f.kind == kind for f in fs)
    }


def change(case, **values):
    record = read_record(case.folder / "case.json", Case)
    write_record(case.folder / "case.json", record.model_copy(update=values))


def rewrite(case, name, image):
    sitk.WriteImage(image, str(case.folder / name), True)
    change(case, sha256=case.sha256 | {name: file_sha256(case.folder / name)})


def test_a_good_dataset_has_no_error(dataset):
    _, quality = check_dataset(dataset.path)
    assert quality.counts()["error"] == 0
    assert set(quality.findings) == {"", *(case.id for case in dataset.cases)}


def test_a_changed_and_a_missing_file_are_found_and_the_other_cases_checked(dataset):
    with open(dataset.cases[0].folder / "image.nrrd", "ab") as file:
        file.write(b"x")
    (dataset.cases[1].folder / "structures.seg.nrrd").unlink()
    (dataset.cases[2].folder / "case.json").write_text("{")
    opened, quality = check_dataset(dataset.path)
    assert [f.kind for f in quality.findings["c00"] if f.severity == "error"] == ["changed-file"]
    assert [f.kind for f in quality.findings["c01"] if f.severity == "error"] == ["unreadable"]
    assert [f.kind for f in quality.findings["c02"] if f.severity == "error"] == ["unreadable"]
    assert len(opened.cases) == 8
    assert all(f.severity != "error" for f in quality.findings["c03"])


def test_image_that_cannot_be_right(dataset):
    a, b, c, *_ = dataset.cases
    image = sitk.ReadImage(str(a.folder / "image.nrrd"))
    values = sitk.GetArrayFromImage(image)
    values[0, 0, 0] = np.nan
    broken = sitk.GetImageFromArray(values)
    broken.CopyInformation(image)
    rewrite(a, "image.nrrd", broken)
    rewrite(b, "image.nrrd", image * 0.0)
    image.SetOrigin((1.0, 2.0, 3.0))
    rewrite(c, "image.nrrd", image)
    assert set(found(dataset, "image")) == {a.id, b.id}
    assert set(found(dataset, "geometry")) == {c.id}


def test_empty_structure(dataset):
    case = dataset.cases[4]
    masks, _ = read_structures(case, ["Bladder", "Prostate"])
    masks[1] = 0
    path = case.folder / "structures.seg.nrrd"
    write_segmentation(path, masks, [Structure(name="Bladder"), Structure(name="Prostate")], read_image(case))
    change(case, sha256=case.sha256 | {path.name: file_sha256(path)})
    assert list(found(dataset, "empty")) == [case.id]


def test_dose_that_does_not_fit_the_prescription(dataset):
    change(dataset.cases[0], plan=PlanRecord(prescription_gy=60, dose_max_gy=31.2))
    change(dataset.cases[1], plan=PlanRecord(prescription_gy=60, dose_max_gy=63))
    assert list(found(dataset, "dose")) == ["c00"]
    assert "0.52 of the prescription" in found(dataset, "dose")["c00"][0]


def test_same_image_twice(dataset):
    train, test = dataset.cases[0], dataset.cases[-1]
    (test.folder / "image.nrrd").write_bytes((train.folder / "image.nrrd").read_bytes())
    change(test, sha256=test.sha256 | {"image.nrrd": train.sha256["image.nrrd"]})
    texts = found(dataset, "duplicate")
    assert set(texts) == {train.id, test.id}
    assert test.id in texts[train.id][0] and "different splits" in texts[train.id][0]


def test_patient_in_two_splits(dataset):
    change(dataset.cases[0], patient="same")
    change(dataset.cases[-1], patient="same")
    assert set(found(dataset, "split")) == {"c00", "c09"}


def test_unusual_volume(dataset):
    change(dataset.cases[3], volumes_cm3={"Bladder": 5000.0, "Prostate": dataset.cases[3].volumes_cm3["Prostate"]})
    assert list(found(dataset, "volume-in-cohort")) == ["c03"]


def test_modified_z_score_is_not_moved_by_the_outlier_itself():
    scores = modified_z_scores(np.array([1.0, 1.1, 0.9, 1.05, 0.95, 9.0]))
    assert abs(scores[:5]).max() < 2 and scores[5] > 30


def test_structures_that_hardly_any_case_has_are_told_together(tmp_path):
    few = write_tiny_dataset(tmp_path / "few", unlabelled={"c00": ("Prostate",)}, cases={"train": 3, "test": 1})
    assert found(few, "rare") == {"": ["too few training cases are contoured to learn from: Prostate (2)."]}


def test_command_tells_findings_and_fails_on_errors(dataset, capsys):
    assert main(["dataset", "check", str(dataset.path), "--progress", "none"]) == 0
    with open(dataset.cases[0].folder / "image.nrrd", "ab") as file:
        file.write(b"x")
    capsys.readouterr()
    assert main(["dataset", "check", str(dataset.path), "--json", "--progress", "none"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["counts"]["error"] == 1
    assert {"case": "c00", "kind": "changed-file"}.items() <= told["findings"][0].items()


def test_a_folder_that_is_no_dataset(tmp_path):
    with pytest.raises(FedRTError, match=r"dataset.json does not exist"):
        check_dataset(tmp_path)


def test_a_finding_names_its_fields():
    assert Finding("gap", "t", "Bladder").as_dict() == {
        "kind": "gap", "text": "t", "structure": "Bladder", "severity": "warning",
    }  # fmt: skip
