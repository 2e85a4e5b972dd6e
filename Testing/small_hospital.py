"""What a small hospital's archive holds: patients with images, structure sets, plans and doses, on known dates."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from dicom_maker import add_rtstruct, ellipse, make_series
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, RTDoseStorage, RTPlanStorage, generate_uid

BOTH = ("Bladder", "Rectum")


@dataclass
class Study:
    """A study's folder, and the UIDs in it (empty where it has no such object)."""

    folder: Path
    patient: str
    images: list[str]
    structure_set: str = ""
    plan: str = ""
    dose: str = ""


def small_hospital(folder: Path) -> dict[str, Study]:
    """Five studies of four patients.

    "both": CT with bladder and rectum, plan and dose. "old": the same patient a year earlier, images only.
    "bladder": compressed CT, bladder only, plan and dose. "german": MR with Rektum and Harnblase, no plan.
    "apart": CT with both, its structure set, plan and dose filed a month later in a study of their own.
    """
    return {
        "both": make_study(folder / "both", "MRN-1", "20240110", BOTH),
        "old": make_study(folder / "old", "MRN-1", "20230105", ()),
        "bladder": make_study(folder / "bladder", "MRN-2", "20240220", ("Bladder",), compressed=True),
        "german": make_study(
            folder / "german", "MRN-3", "20240315", ("Rektum", "Harnblase"), modality="MR", planned=False
        ),
        "apart": make_study(folder / "apart", "MRN-4", "20240401", BOTH, planned_on="20240505"),
    }


def make_study(
    folder: Path,
    patient: str,
    date: str,
    rois: tuple[str, ...],
    *,
    modality: str = "CT",
    slices: int = 6,
    size: int = 32,
    compressed: bool = False,
    planned: bool = True,
    planned_on: str = "",
) -> Study:
    """Write a study; `planned_on`: the RT objects are in another study of that date."""
    seed = sum(map(ord, patient + date))
    options = {
        "rows": size,
        "columns": size,
        "modality": modality,
        "patient": patient,
        "name": f"Doe^{patient}",
        "seed": seed,
    }
    series = make_series(folder / "images", slices=slices, **options)
    for path, header in zip(series.files, series.headers, strict=True):
        header.StudyDate, header.StudyTime, header.AccessionNumber = date, "101500", ""
        if compressed:
            header.compress(RLELossless, generate_instance_uid=False)
        header.save_as(path, enforce_file_format=True)
    study = Study(folder, patient, [str(header.SOPInstanceUID) for header in series.headers])
    if rois:
        polygon = ellipse((20.0, 20.0), (8.0, 6.0), 40)
        path = add_rtstruct(
            series, {name: [series.plane(k, polygon) for k in (2, 3)] for name in rois}, folder / "rs.dcm"
        )
        structure_set = pydicom.dcmread(path)
        structure_set.StudyDate = date
        _file_elsewhere(structure_set, planned_on)
        structure_set.save_as(path)
        study.structure_set = str(structure_set.SOPInstanceUID)
        if planned:
            study.plan = _save(_plan(structure_set), folder / "rp.dcm")
            study.dose = _save(_dose(structure_set, study.plan), folder / "rd.dcm")
    return study


def _file_elsewhere(dataset: Dataset, date: str) -> None:
    if date:
        dataset.StudyInstanceUID, dataset.StudyDate = generate_uid(), date


def _rt_object(like: Dataset, sop_class: str, modality: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = sop_class, meta.MediaStorageSOPInstanceUID, modality
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "FrameOfReferenceUID"):
        dataset[keyword] = like[keyword]
    dataset.SeriesInstanceUID = generate_uid()
    return dataset


def _plan(structure_set: Dataset) -> FileDataset:
    plan = _rt_object(structure_set, RTPlanStorage, "RTPLAN")
    plan.RTPlanLabel, plan.RTPlanDate = "PLAN", plan.StudyDate
    plan.ReferencedStructureSetSequence = [_reference(structure_set.SOPClassUID, structure_set.SOPInstanceUID)]
    return plan


def _dose(structure_set: Dataset, plan_uid: str) -> FileDataset:
    dose = _rt_object(structure_set, RTDoseStorage, "RTDOSE")
    dose.DoseUnits, dose.DoseType, dose.DoseSummationType, dose.DoseGridScaling = "GY", "PHYSICAL", "PLAN", 0.01
    dose.ImagePositionPatient, dose.ImageOrientationPatient = [-50, -30, 20], [1, 0, 0, 0, 1, 0]
    dose.PixelSpacing, dose.GridFrameOffsetVector = [4, 4], [0, 4, 8]
    dose.NumberOfFrames, dose.Rows, dose.Columns = 3, 8, 8
    dose.SamplesPerPixel, dose.PhotometricInterpretation = 1, "MONOCHROME2"
    dose.BitsAllocated, dose.BitsStored, dose.HighBit, dose.PixelRepresentation = 16, 16, 15, 0
    dose.PixelData = np.full((3, 8, 8), 100, np.uint16).tobytes()
    dose.ReferencedRTPlanSequence = [_reference(RTPlanStorage, plan_uid)]
    return dose


def _reference(sop_class: str, instance: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


def _save(dataset: FileDataset, path: Path) -> str:
    dataset.save_as(path, enforce_file_format=True)
    return str(dataset.SOPInstanceUID)
