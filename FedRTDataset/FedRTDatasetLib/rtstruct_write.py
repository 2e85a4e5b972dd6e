"""Contours to RTSTRUCT. Source: DICOM PS3.3 A.19 (RT Structure Set IOD), C.8.8.5, C.8.8.6, C.8.8.8."""

import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from . import __version__
from .atomic import replacing

CONTOUR_DATA = 0x30060050
DETACHED_STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"


@dataclass(frozen=True)
class RoiContours:
    """What is written for one ROI.

    polygons: closed planar contours, each (n, 3) LPS mm on a slice plane, the closing point not repeated.
    color: red green blue, 0 to 255. interpreted_type: RT ROI Interpreted Type (C.8.8.8.1). algorithm: ROI Generation
    Algorithm, AUTOMATIC, SEMIAUTOMATIC or MANUAL. snomed: (code, meaning) for the RT ROI Identification Code Sequence.
    """

    name: str
    polygons: list[np.ndarray]
    color: tuple[int, int, int] = (255, 255, 0)
    interpreted_type: str = "ORGAN"
    algorithm: str = "MANUAL"
    description: str = ""
    snomed: tuple[str, str] | None = None


def write_rtstruct(
    path: Path | str,
    images: list[Dataset],
    rois: list[RoiContours],
    label: str,
    *,
    uid_entropy: list[str] | None = None,
    when: datetime.datetime | None = None,
    manufacturer: str = "FedRT",
    character_set: str = "ISO_IR 192",
) -> str:
    """Write an RTSTRUCT that references `images`, atomically.

    Args:
        path: the file to write.
        images: headers of every slice of the one series the contours belong to, in any order.
        rois: what to write; a ROI without polygons is written without contours.
        label: Structure Set Label, at most 16 characters.
        uid_entropy: gives the same UIDs again for the same strings; random otherwise.
        when: date and time of the structure set, now by default.

    Returns:
        The SOP Instance UID.
    """
    when = when or datetime.datetime.now()
    first = images[0]
    entropy = (lambda what: [*uid_entropy, what]) if uid_entropy else (lambda what: None)

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=entropy("instance"))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = character_set
    dataset.SOPClassUID = RTStructureSetStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    _copy_patient_and_study(dataset, first)
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=entropy("series"))
    dataset.SeriesNumber = None
    dataset.OperatorsName = ""
    dataset.Manufacturer = manufacturer
    dataset.ManufacturerModelName = "FedRT"
    dataset.SoftwareVersions = __version__
    dataset.InstanceCreationDate = dataset.StructureSetDate = when.strftime("%Y%m%d")
    dataset.InstanceCreationTime = dataset.StructureSetTime = when.strftime("%H%M%S")
    dataset.StructureSetLabel = label[:16]
    dataset.FrameOfReferenceUID = first.FrameOfReferenceUID
    dataset.PositionReferenceIndicator = first.get("PositionReferenceIndicator", "")
    dataset.ReferencedFrameOfReferenceSequence = [_frame_of_reference(images)]
    dataset.StructureSetROISequence = [_declaration(n, roi, first) for n, roi in enumerate(rois, 1)]
    slices = _SliceFinder(images)
    dataset.ROIContourSequence = [_contours(n, roi, slices) for n, roi in enumerate(rois, 1)]
    dataset.RTROIObservationsSequence = [_observation(n, roi) for n, roi in enumerate(rois, 1)]
    dataset.ApprovalStatus = "UNAPPROVED"
    with replacing(path) as partial:
        dataset.save_as(partial, enforce_file_format=True)
    return str(dataset.SOPInstanceUID)


def _copy_patient_and_study(dataset: Dataset, image: Dataset) -> None:
    """The RTSTRUCT belongs to the patient and study of its images (all Type 1 and 2 attributes of both modules)."""
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        setattr(dataset, keyword, image.get(keyword, ""))
    dataset.StudyInstanceUID = image.StudyInstanceUID
    for keyword in ("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"):
        setattr(dataset, keyword, image.get(keyword, ""))
    if "StudyDescription" in image:
        dataset.StudyDescription = image.StudyDescription


def _frame_of_reference(images: list[Dataset]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    series.ContourImageSequence = [_reference(image) for image in images]
    study = Dataset()
    study.ReferencedSOPClassUID = DETACHED_STUDY_MANAGEMENT
    study.ReferencedSOPInstanceUID = images[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _reference(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = image.SOPClassUID
    item.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return item


def _declaration(number: int, roi: RoiContours, image: Dataset) -> Dataset:
    item = Dataset()
    item.ROINumber = number
    item.ReferencedFrameOfReferenceUID = image.FrameOfReferenceUID
    item.ROIName = roi.name
    if roi.description:
        item.ROIDescription = roi.description
    item.ROIGenerationAlgorithm = roi.algorithm
    return item


def _contours(number: int, roi: RoiContours, slices: "_SliceFinder") -> Dataset:
    item = Dataset()
    item.ROIDisplayColor = list(roi.color)
    item.ReferencedROINumber = number
    if roi.polygons:
        item.ContourSequence = [_contour(n, points, slices) for n, points in enumerate(roi.polygons, 1)]
    return item


def _contour(number: int, points: np.ndarray, slices: "_SliceFinder") -> Dataset:
    item = Dataset()
    image = slices.image_at(points)
    if image is not None:
        item.ContourImageSequence = [_reference(image)]
    item.ContourGeometricType = "CLOSED_PLANAR"
    item.NumberOfContourPoints = len(points)
    item.ContourNumber = number
    texts = [decimal_string(value) for value in np.asarray(points, dtype=np.float64).ravel()]
    # Already text as the standard wants it; pydicom would turn each into a number object and back.
    item[CONTOUR_DATA] = DataElement(CONTOUR_DATA, "DS", texts, already_converted=True)
    return item


def _observation(number: int, roi: RoiContours) -> Dataset:
    item = Dataset()
    item.ObservationNumber = number
    item.ReferencedROINumber = number
    if roi.snomed:
        code = Dataset()
        code.CodeValue, code.CodeMeaning = roi.snomed
        code.CodingSchemeDesignator = "SCT"
        item.RTROIIdentificationCodeSequence = [code]
    item.RTROIInterpretedType = roi.interpreted_type
    item.ROIInterpreter = ""
    return item


def decimal_string(value: float) -> str:
    """A Decimal String (PS3.5 6.2): at most 16 bytes, here a ten-thousandth of a millimetre."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


class _SliceFinder:
    """Finds the slice a contour lies on, by its distance along the normal."""

    def __init__(self, images: list[Dataset]) -> None:
        orientation = np.array([float(v) for v in images[0].ImageOrientationPatient])
        self._normal = np.cross(orientation[:3], orientation[3:])
        offsets = np.array([np.dot([float(v) for v in image.ImagePositionPatient], self._normal) for image in images])
        order = np.argsort(offsets)
        self._offsets = offsets[order]
        self._images = [images[i] for i in order]
        self._reach = float(np.median(np.diff(self._offsets))) * 0.5 + 1e-3 if len(images) > 1 else np.inf

    def image_at(self, points: np.ndarray) -> Dataset | None:
        offset = float(points.mean(axis=0) @ self._normal)
        nearest = int(np.argmin(np.abs(self._offsets - offset)))
        return self._images[nearest] if abs(self._offsets[nearest] - offset) <= self._reach else None
