"""Contours to RTSTRUCT. Source: DICOM PS3.3 A.19 (RT Structure Set IOD), C.8.8.5, C.8.8.6, C.8.8.8."""

import dataclasses
import datetime
import itertools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.charset import python_encoding
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from .. import __version__
from ..atomic import replacing
from ..errors import FedRTError
from ..naming.planning_names import LONGEST, interpreted_type, planning_names
from .image_references import SliceReferences, frame_of_reference
from .rtstruct_walk import CONTOUR_DATA

DECIMALS = 4  # of a millimetre, in contours of our own
LONGEST_EXPLICIT = 0xFFFE  # bytes of a decimal string value in Explicit VR (PS3.5 7.1.2)


@dataclass(frozen=True)
class RoiContours:
    """What is written for one ROI.

    polygons: closed planar contours, each (n, 3) LPS mm on a slice plane, the closing point not repeated.
    color: red green blue, 0 to 255. interpreted_type: RT ROI Interpreted Type (C.8.8.8.1), by the name where it is None.
    algorithm: ROI Generation Algorithm, AUTOMATIC, SEMIAUTOMATIC or MANUAL. snomed: (code, meaning) for the RT ROI
    Identification Code Sequence. others: further contours, each with its own (Contour Geometric Type, (n, 3) LPS mm).
    exact: coordinates are written to the last digit that 16 bytes hold (contours of another system that are passed on),
    not to a ten-thousandth of a millimetre. number: ROI Number, the next free one where it is None or taken.
    """

    name: str
    polygons: list[np.ndarray]
    color: tuple[int, int, int] = (255, 255, 0)
    interpreted_type: str | None = None
    algorithm: str = "MANUAL"
    description: str = ""
    snomed: tuple[str, str] | None = None
    others: list[tuple[str, np.ndarray]] = field(default_factory=list)
    exact: bool = False
    number: int | None = None


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
    longest_name: int | None = LONGEST,
) -> str:
    """Write an RTSTRUCT that references `images`, atomically.

    Args:
        path: the file to write.
        images: headers of every slice of the one series the contours belong to, in any order.
        rois: what to write, at least one; a ROI without contours is written without them.
        label: Structure Set Label, at most 16 characters.
        uid_entropy: gives the same UIDs again for the same strings; random otherwise.
        when: date and time of the structure set, now by default.
        longest_name: ROI names are made unique and at most this long, the long name goes into ROI Description
            (`planning_names`); None writes names as they are.

    Returns:
        The SOP Instance UID.

    Raises:
        FedRTError: no ROI, a coordinate that is no number, images without a frame of reference, or text that
            `character_set` cannot hold.
    """
    when = when or datetime.datetime.now()
    first = images[0]
    _check(path, images, rois)
    entropy = (lambda what: [*uid_entropy, what]) if uid_entropy else (lambda what: None)
    rois = _named(rois, longest_name)

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=entropy("instance"))
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    if character_set:
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
    dataset.ReferencedFrameOfReferenceSequence = [frame_of_reference(images)]
    numbered = list(zip(_numbers(rois), rois, strict=True))
    dataset.StructureSetROISequence = [_declaration(n, roi, first) for n, roi in numbered]
    slices = SliceReferences(images)
    dataset.ROIContourSequence = [_contours(n, roi, slices) for n, roi in numbered]
    dataset.RTROIObservationsSequence = [_observation(n, roi) for n, roi in numbered]
    dataset.ApprovalStatus = "UNAPPROVED"
    # A long contour's length does not fit the two bytes that Explicit VR has for it (it would become VR UN).
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if _has_long_contour(dataset) else ExplicitVRLittleEndian
    _check_text(path, dataset, character_set)
    with replacing(path) as partial:
        dataset.save_as(partial, enforce_file_format=True)
    return str(dataset.SOPInstanceUID)


def _check(path: Path | str, images: list[Dataset], rois: list[RoiContours]) -> None:
    name = Path(path).name
    if not rois:
        raise FedRTError(f"{name} would have no ROI, which DICOM does not allow: choose structures to write.")
    if not images[0].get("FrameOfReferenceUID"):
        raise FedRTError(
            f"{name}: the images have no Frame of Reference UID, so contours cannot refer to them; re-export."
        )
    for roi in rois:
        for points in (*roi.polygons, *(points for _, points in roi.others)):
            if not np.isfinite(points).all():
                raise FedRTError(f"{name}: a contour has a coordinate that is no number: correct that structure first.")


def _check_text(path: Path | str, dataset: Dataset, character_set: str) -> None:
    """pydicom would write question marks for what the character set lacks."""
    texts = [
        str(dataset.get(keyword, ""))
        for keyword in ("PatientName", "ReferringPhysicianName", "StudyDescription", "StructureSetLabel")
    ]
    texts += [item.ROIName + item.get("ROIDescription", "") for item in dataset.StructureSetROISequence]
    try:
        "".join(texts).encode(python_encoding.get(character_set, "utf-8"))
    except UnicodeEncodeError:
        raise FedRTError(
            f"{Path(path).name}: the character set {character_set} cannot hold its names; write it with ISO_IR 192."
        ) from None


def _named(rois: list[RoiContours], longest: int | None) -> list[RoiContours]:
    """With names for planning systems; a name that had to change goes before the description."""
    if longest is None:
        return rois
    names = planning_names([roi.name for roi in rois], longest)
    return [
        roi
        if name == roi.name
        else dataclasses.replace(roi, name=name, description="; ".join(filter(None, (roi.name, roi.description))),
                                 interpreted_type=_type_of(roi))
        for roi, name in zip(rois, names, strict=True)
    ]  # fmt: skip


def _numbers(rois: list[RoiContours]) -> list[int]:
    """ROI Numbers, unique within the structure set."""
    wanted = {roi.number for roi in rois} - {None}
    free = (n for n in itertools.count(1) if n not in wanted)
    numbers: list[int] = []
    for roi in rois:
        taken = roi.number is None or roi.number in numbers
        numbers.append(next(free) if taken else roi.number)
    return numbers


def _type_of(roi: RoiContours) -> str:
    return interpreted_type(roi.name) if roi.interpreted_type is None else roi.interpreted_type


def _has_long_contour(dataset: Dataset) -> bool:
    return any(
        sum(map(len, contour[CONTOUR_DATA].value)) + contour[CONTOUR_DATA].VM > LONGEST_EXPLICIT
        for roi in dataset.ROIContourSequence
        for contour in roi.get("ContourSequence", [])
    )


def _copy_patient_and_study(dataset: Dataset, image: Dataset) -> None:
    """The RTSTRUCT belongs to the patient and study of its images (all Type 1 and 2 attributes of both modules)."""
    patient = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
    study = ("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber")
    for keyword in patient + study:  # as text: the images may be in another character set
        value = image.get(keyword)
        setattr(dataset, keyword, "" if value is None else str(value))
    dataset.StudyInstanceUID = image.StudyInstanceUID
    if "StudyDescription" in image:
        dataset.StudyDescription = str(image.StudyDescription or "")


def _declaration(number: int, roi: RoiContours, image: Dataset) -> Dataset:
    item = Dataset()
    item.ROINumber = number
    item.ReferencedFrameOfReferenceUID = image.FrameOfReferenceUID
    item.ROIName = roi.name[:64]
    if roi.description:
        item.ROIDescription = roi.description[:1024]
    item.ROIGenerationAlgorithm = roi.algorithm
    return item


def _contours(number: int, roi: RoiContours, slices: SliceReferences) -> Dataset:
    item = Dataset()
    item.ROIDisplayColor = list(roi.color)
    item.ReferencedROINumber = number
    typed = [("CLOSED_PLANAR", points) for points in roi.polygons] + list(roi.others)
    if typed:
        decimals = None if roi.exact else DECIMALS
        item.ContourSequence = [
            _contour(n, kind, points, slices, decimals) for n, (kind, points) in enumerate(typed, 1)
        ]
    return item


def _contour(number: int, kind: str, points: np.ndarray, slices: SliceReferences, decimals: int | None) -> Dataset:
    item = Dataset()
    points = np.asarray(points, dtype=np.float64)
    reference = slices.reference_at(points)
    if reference is not None:
        item.add(reference)
    item.ContourGeometricType = kind
    item.NumberOfContourPoints = len(points)
    item.ContourNumber = number
    texts = [decimal_string(value, decimals) for value in points.ravel().tolist()]
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
    item.RTROIInterpretedType = _type_of(roi)
    item.ROIInterpreter = ""
    return item


def decimal_string(value: float, decimals: int | None = DECIMALS) -> str:
    """A Decimal String (PS3.5 6.2) of at most 16 bytes; to `decimals` places, or (None) as exact as 16 bytes allow.

    A value that parsed from a decimal string of 15 digits or fewer comes back as the same number.
    """
    text = "" if decimals is None else f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    if not 0 < len(text) <= 16:
        text = next(short for digits in range(17, 0, -1) if len(short := f"{value:.{digits}g}") <= 16)
    return "0" if text == "-0" else text
