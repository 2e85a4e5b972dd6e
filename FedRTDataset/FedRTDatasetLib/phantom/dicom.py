"""A phantom patient as DICOM: CT slices, RTSTRUCT, RTPLAN and RTDOSE.

Sources: DICOM PS3.3 A.3 (CT Image IOD), A.18 (RT Dose), A.19 (RT Structure Set), C.7.6.2.1.1 for orientation.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    RTDoseStorage,
    RTPlanStorage,
    generate_uid,
)

from ..atomic import replacing
from ..contouring.rtstruct_write import RoiContours, decimal_string, write_rtstruct
from .hospitals import Hospital
from .image import Axes

ORIENTATIONS = {"HFS": (1, 1), "FFS": (-1, 1), "HFP": (-1, -1), "FFP": (1, -1)}
"""Patient Position -> signs of the row and the column direction along LPS x and y, as scanners write it."""


@dataclass(frozen=True)
class Person:
    """An invented patient. `entropy` seeds every UID; `offset` is where the phantom's origin lies in the frame of reference."""

    name: str
    patient_id: str
    birth_date: datetime.date
    scanned: datetime.datetime
    physician: str
    entropy: str
    offset: tuple[float, float, float]

    def uid(self, what: str) -> str:
        return generate_uid(entropy_srcs=[self.entropy, what])


def write_ct(folder: Path, hospital: Hospital, person: Person, hu: np.ndarray, axes: Axes) -> list[Dataset]:
    """Write `CT_001.dcm`, ... and return their headers. hu: [z, y, x] on `axes` of the phantom's frame."""
    scanner = hospital.scanner
    pixels, position, orientation = _as_scanned(hu, axes, person, scanner.patient_position)
    common = Dataset()  # the same in every slice; setting it once is what keeps writing quick
    add_patient_and_study(common, hospital, person)
    add_equipment(common, hospital, scanner.manufacturer, scanner.model, scanner.software)
    common.StationName = scanner.station
    common.AcquisitionDate = common.ContentDate = common.StudyDate
    common.AcquisitionTime = common.ContentTime = common.StudyTime
    common.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    common.Modality = "CT"
    common.SeriesInstanceUID = person.uid("ct series")
    common.SeriesNumber = 2
    common.SeriesDescription = hospital.study
    common.OperatorsName = hospital.physicians[-1]
    common.BodyPartExamined = "PELVIS"
    common.PatientPosition = scanner.patient_position
    common.FrameOfReferenceUID = person.uid("frame of reference")
    common.PositionReferenceIndicator = ""
    common.AcquisitionNumber = 1
    common.KVP = scanner.kvp
    common.ConvolutionKernel = scanner.kernel
    common.SliceThickness = scanner.spacing_mm[2]
    common.ImageOrientationPatient = orientation
    common.PixelSpacing = [scanner.spacing_mm[1], scanner.spacing_mm[0]]
    _describe_pixels(common, pixels[0].shape, scanner.signed_pixels)
    headers = []
    for k, plane in enumerate(pixels):
        ct = new_file(person, CTImageStorage, f"ct {k}")
        ct.update(common)
        ct.InstanceNumber = k + 1
        ct.ImagePositionPatient = [decimal_string(v) for v in position(k)]
        stored = np.clip(np.rint(plane), -1024, 3071).astype("<i2")
        ct.PixelData = (stored if scanner.signed_pixels else (stored + 1024).astype("<u2")).tobytes()
        ct["PixelData"].VR = "OW"
        ct.save_as(folder / f"CT_{k + 1:03d}.dcm", enforce_file_format=True)
        del ct.PixelData
        headers.append(ct)
    return headers


def write_structures(
    path: Path,
    hospital: Hospital,
    person: Person,
    headers: list[Dataset],
    rois: list[RoiContours],
    isocentre: np.ndarray,
) -> None:
    """Write the RTSTRUCT. rois: polygons in the phantom's frame; isocentre: (3,) in the phantom's frame."""
    moved = [
        RoiContours(r.name, [p + person.offset for p in r.polygons], r.color, r.interpreted_type or "ORGAN")
        for r in rois
    ]
    point = np.array(isocentre)[None] + person.offset
    name = hospital.habits.helper_names["isocentre"]
    moved.append(RoiContours(name, [], (255, 255, 255), "ISOCENTER", others=[("POINT", point)]))
    write_rtstruct(
        path,
        headers,
        moved,
        label="PLAN",
        uid_entropy=[person.entropy, "structures"],
        when=person.scanned + datetime.timedelta(hours=3),
        manufacturer=hospital.planning_system[0],
        character_set=hospital.character_set,
        longest_name=None,  # the hospital's own names, whatever their length
    )
    dataset = pydicom.dcmread(path)
    dataset.ManufacturerModelName = hospital.planning_system[1]
    dataset.InstitutionName = hospital.institution
    dataset.OperatorsName = hospital.physicians[0]
    save(dataset, path)


def write_dose(path: Path, hospital: Hospital, person: Person, gray: np.ndarray, axes: Axes, bits: int) -> None:
    """Write the RTDOSE of the plan. gray: Gy [z, y, x] on `axes` of the phantom's frame; bits: 16 or 32 a voxel."""
    array, position, orientation = _as_scanned(gray, axes, person, hospital.scanner.patient_position)
    dose = new_file(person, RTDoseStorage, "dose")
    add_patient_and_study(dose, hospital, person)
    add_equipment(dose, hospital, *hospital.planning_system, "1.0")
    dose.Modality = "RTDOSE"
    dose.SeriesInstanceUID = person.uid("dose series")
    dose.SeriesNumber = 5
    dose.InstanceNumber = 1
    dose.OperatorsName = hospital.physicians[0]
    dose.FrameOfReferenceUID = person.uid("frame of reference")
    dose.PositionReferenceIndicator = ""
    dose.ImagePositionPatient = [decimal_string(v) for v in position(0)]
    dose.ImageOrientationPatient = orientation
    dose.PixelSpacing = [float(np.diff(axes.y[:2])[0]), float(np.diff(axes.x[:2])[0])]
    dose.SliceThickness = ""
    dose.NumberOfFrames = len(array)
    dose.FrameIncrementPointer = 0x3004000C
    dose.GridFrameOffsetVector = [decimal_string(k * float(np.diff(axes.z[:2])[0])) for k in range(len(array))]
    dose.SamplesPerPixel = 1
    dose.PhotometricInterpretation = "MONOCHROME2"
    dose.Rows, dose.Columns = array.shape[1:]
    dose.BitsAllocated = dose.BitsStored = bits
    dose.HighBit = bits - 1
    dose.PixelRepresentation = 0
    dose.DoseUnits, dose.DoseType, dose.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    dose.TissueHeterogeneityCorrection = "IMAGE"
    scaling = f"{float(gray.max()) / (2**bits - 1):.8e}"
    dose.DoseGridScaling = scaling
    levels = np.clip(np.rint(array.astype(np.float64) / float(scaling)), 0, 2**bits - 1)
    dose.ReferencedRTPlanSequence = [reference_to(RTPlanStorage, person.uid("plan"))]
    dose.PixelData = levels.astype(f"<u{bits // 8}").tobytes()
    dose["PixelData"].VR = "OW"
    save(dose, path)


def structure_set_uid(person: Person) -> str:
    """The SOP Instance UID that `write_structures` gives."""
    return generate_uid(entropy_srcs=[person.entropy, "structures", "instance"])


def _as_scanned(array: np.ndarray, axes: Axes, person: Person, patient_position: str):
    """The array as the scanner stores it: flipped for a patient who lies the other way, with where its planes lie.

    Returns the array [k, row, column], a function k -> Image Position (Patient), and Image Orientation (Patient).
    """
    right, down = ORIENTATIONS[patient_position]
    up = right * down  # the stack's normal, row direction x column direction
    array = array[::up, ::down, ::right]
    x0, y0 = axes.x[::right][0] + person.offset[0], axes.y[::down][0] + person.offset[1]
    z = axes.z[::up] + person.offset[2]
    return array, lambda k: (x0, y0, z[k]), [right, 0, 0, 0, down, 0]


def _describe_pixels(ct: Dataset, shape: tuple[int, int], signed: bool) -> None:
    """CT numbers as they are in 16 signed bits, or with an offset of 1024 in 12 unsigned ones."""
    ct.SamplesPerPixel = 1
    ct.PhotometricInterpretation = "MONOCHROME2"
    ct.Rows, ct.Columns = shape
    ct.BitsAllocated = 16
    ct.BitsStored = 16 if signed else 12
    ct.HighBit = ct.BitsStored - 1
    ct.PixelRepresentation = int(signed)
    ct.RescaleSlope = 1
    ct.RescaleIntercept = 0 if signed else -1024
    ct.RescaleType = "HU"
    ct.WindowCenter, ct.WindowWidth = 40, 400


def new_file(person: Person, sop_class: str, what: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = person.uid(what)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    return dataset


def add_patient_and_study(dataset: Dataset, hospital: Hospital, person: Person) -> None:
    dataset.SpecificCharacterSet = hospital.character_set
    dataset.PatientName = person.name
    dataset.PatientID = person.patient_id
    dataset.PatientBirthDate = person.birth_date.strftime("%Y%m%d")
    dataset.PatientSex = "M"
    dataset.StudyInstanceUID = person.uid("study")
    dataset.StudyDate = dataset.SeriesDate = dataset.InstanceCreationDate = person.scanned.strftime("%Y%m%d")
    dataset.StudyTime = dataset.SeriesTime = dataset.InstanceCreationTime = person.scanned.strftime("%H%M%S")
    dataset.StudyID = person.patient_id[-4:]
    dataset.AccessionNumber = "A" + person.patient_id[-6:]
    dataset.StudyDescription = hospital.study
    dataset.ReferringPhysicianName = person.physician


def add_equipment(dataset: Dataset, hospital: Hospital, manufacturer: str, model: str, software: str) -> None:
    dataset.Manufacturer = manufacturer
    dataset.ManufacturerModelName = model
    dataset.SoftwareVersions = software
    dataset.InstitutionName = hospital.institution
    dataset.InstitutionAddress = hospital.address
    dataset.StationName = hospital.scanner.station


def reference_to(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = uid
    return item


def save(dataset: Dataset, path: Path) -> None:
    with replacing(path) as partial:
        dataset.save_as(partial, enforce_file_format=True)
