"""A phantom patient as DICOM: CT slices, RTSTRUCT, RTPLAN and RTDOSE.

Sources: DICOM PS3.3 A.3 (CT Image IOD), A.18 (RT Dose), A.19 (RT Structure Set), A.20 (RT Plan); C.7.6.2.1.1 for orientation.
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
    RTStructureSetStorage,
    generate_uid,
)

from .atomic import replacing
from .phantom_hospitals import Hospital
from .phantom_image import Axes
from .rtstruct_write import RoiContours, decimal_string, write_rtstruct

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
    _patient_and_study(common, hospital, person)
    _equipment(common, hospital, scanner.manufacturer, scanner.model, scanner.software)
    common.StationName = scanner.station
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
        ct = _file(person, CTImageStorage, f"ct {k}")
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
    moved = [RoiContours(r.name, [p + person.offset for p in r.polygons], r.color, r.interpreted_type) for r in rois]
    point = np.array(isocentre)[None] + person.offset
    moved.append(RoiContours(hospital.habits.helper_names["isocentre"], [point], (255, 255, 255), "ISOCENTER"))
    write_rtstruct(
        path,
        headers,
        moved,
        label="PLAN",
        uid_entropy=[person.entropy, "structures"],
        when=person.scanned + datetime.timedelta(hours=3),
        manufacturer=hospital.planning_system[0],
        character_set=hospital.character_set,
    )
    # A point is no area, so the product's writer has no use for one; planning systems write it for the isocentre.
    dataset = pydicom.dcmread(path)
    dataset.ROIContourSequence[-1].ContourSequence[0].ContourGeometricType = "POINT"
    dataset.ManufacturerModelName = hospital.planning_system[1]
    dataset.InstitutionName = hospital.institution
    dataset.OperatorsName = hospital.physicians[0]
    _save(dataset, path)


def write_plan(path: Path, hospital: Hospital, person: Person, target: str, isocentre: np.ndarray) -> None:
    """Write the RTPLAN: a plan of five fixed fields to one target."""
    dose, fractions = hospital.prescription
    plan = _file(person, RTPlanStorage, "plan")
    _patient_and_study(plan, hospital, person)
    _equipment(plan, hospital, *hospital.planning_system, "1.0")
    planned = person.scanned + datetime.timedelta(days=2)
    plan.Modality = "RTPLAN"
    plan.SeriesInstanceUID = person.uid("plan series")
    plan.SeriesNumber = 4
    plan.OperatorsName = hospital.physicians[0]
    plan.FrameOfReferenceUID = person.uid("frame of reference")
    plan.PositionReferenceIndicator = ""
    plan.RTPlanLabel = "PROSTATE"
    plan.RTPlanDate, plan.RTPlanTime = planned.strftime("%Y%m%d"), planned.strftime("%H%M%S")
    plan.RTPlanGeometry = "PATIENT"
    plan.PlanIntent = "CURATIVE"
    plan.ReferencedStructureSetSequence = [_reference(RTStructureSetStorage, structure_set_uid(person))]
    prescribed = Dataset()
    prescribed.DoseReferenceNumber = 1
    prescribed.DoseReferenceStructureType = "SITE"
    prescribed.DoseReferenceDescription = target
    prescribed.DoseReferenceType = "TARGET"
    prescribed.TargetPrescriptionDose = dose
    plan.DoseReferenceSequence = [prescribed]
    gantry_angles = (0, 72, 144, 216, 288)
    group = Dataset()
    group.FractionGroupNumber = 1
    group.NumberOfFractionsPlanned = fractions
    group.NumberOfBeams = len(gantry_angles)
    group.NumberOfBrachyApplicationSetups = 0
    group.ReferencedBeamSequence = [_beam_reference(n, dose / fractions) for n in range(1, len(gantry_angles) + 1)]
    plan.FractionGroupSequence = [group]
    setup = Dataset()
    setup.PatientSetupNumber = 1
    setup.PatientPosition = hospital.scanner.patient_position
    plan.PatientSetupSequence = [setup]
    centre = np.array(isocentre) + person.offset
    plan.BeamSequence = [_beam(n, angle, hospital, centre) for n, angle in enumerate(gantry_angles, 1)]
    plan.ApprovalStatus = "UNAPPROVED"
    _save(plan, path)


def write_dose(path: Path, hospital: Hospital, person: Person, gray: np.ndarray, axes: Axes, bits: int) -> None:
    """Write the RTDOSE of the plan. gray: Gy [z, y, x] on `axes` of the phantom's frame; bits: 16 or 32 a voxel."""
    array, position, orientation = _as_scanned(gray, axes, person, hospital.scanner.patient_position)
    dose = _file(person, RTDoseStorage, "dose")
    _patient_and_study(dose, hospital, person)
    _equipment(dose, hospital, *hospital.planning_system, "1.0")
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
    dose.ReferencedRTPlanSequence = [_reference(RTPlanStorage, person.uid("plan"))]
    dose.PixelData = levels.astype(f"<u{bits // 8}").tobytes()
    dose["PixelData"].VR = "OW"
    _save(dose, path)


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


def _file(person: Person, sop_class: str, what: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = person.uid(what)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    return dataset


def _patient_and_study(dataset: Dataset, hospital: Hospital, person: Person) -> None:
    dataset.SpecificCharacterSet = hospital.character_set
    dataset.PatientName = person.name
    dataset.PatientID = person.patient_id
    dataset.PatientBirthDate = person.birth_date.strftime("%Y%m%d")
    dataset.PatientSex = "M"
    dataset.StudyInstanceUID = person.uid("study")
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = _date(person)
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = _time(person)
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = _date(person), _time(person)
    dataset.StudyID = person.patient_id[-4:]
    dataset.AccessionNumber = "A" + person.patient_id[-6:]
    dataset.StudyDescription = hospital.study
    dataset.ReferringPhysicianName = person.physician


def _equipment(dataset: Dataset, hospital: Hospital, manufacturer: str, model: str, software: str) -> None:
    dataset.Manufacturer = manufacturer
    dataset.ManufacturerModelName = model
    dataset.SoftwareVersions = software
    dataset.InstitutionName = hospital.institution
    dataset.InstitutionAddress = hospital.address
    dataset.StationName = hospital.scanner.station


def _beam(number: int, angle: float, hospital: Hospital, isocentre: np.ndarray) -> Dataset:
    start = Dataset()
    start.ControlPointIndex = 0
    start.NominalBeamEnergy = 6
    start.DoseRateSet = 600
    start.BeamLimitingDevicePositionSequence = [_jaws("ASYMX", [-50, 50]), _jaws("ASYMY", [-55, 55])]
    start.GantryAngle, start.GantryRotationDirection = angle, "NONE"
    start.BeamLimitingDeviceAngle, start.BeamLimitingDeviceRotationDirection = 0, "NONE"
    start.PatientSupportAngle, start.PatientSupportRotationDirection = 0, "NONE"
    start.TableTopEccentricAngle, start.TableTopEccentricRotationDirection = 0, "NONE"
    start.TableTopVerticalPosition = start.TableTopLongitudinalPosition = start.TableTopLateralPosition = ""
    start.IsocenterPosition = [decimal_string(v) for v in isocentre]
    start.CumulativeMetersetWeight = 0
    end = Dataset()
    end.ControlPointIndex = 1
    end.CumulativeMetersetWeight = 1
    beam = Dataset()
    beam.BeamNumber = number
    beam.BeamName = f"F{number}"
    beam.TreatmentMachineName = hospital.machine
    beam.PrimaryDosimeterUnit = "MU"
    beam.SourceAxisDistance = 1000
    beam.BeamLimitingDeviceSequence = [_device("ASYMX"), _device("ASYMY")]
    beam.BeamType, beam.RadiationType = "STATIC", "PHOTON"
    beam.TreatmentDeliveryType = "TREATMENT"
    beam.NumberOfWedges = beam.NumberOfCompensators = beam.NumberOfBoli = beam.NumberOfBlocks = 0
    beam.FinalCumulativeMetersetWeight = 1
    beam.NumberOfControlPoints = 2
    beam.ControlPointSequence = [start, end]
    beam.ReferencedPatientSetupNumber = 1
    return beam


def _beam_reference(number: int, fraction_dose: float) -> Dataset:
    item = Dataset()
    item.BeamDose = decimal_string(fraction_dose / 5)
    item.BeamMeterset = decimal_string(110 + 7 * number)
    item.ReferencedBeamNumber = number
    return item


def _device(kind: str) -> Dataset:
    item = Dataset()
    item.RTBeamLimitingDeviceType = kind
    item.NumberOfLeafJawPairs = 1
    return item


def _jaws(kind: str, positions: list[float]) -> Dataset:
    item = Dataset()
    item.RTBeamLimitingDeviceType = kind
    item.LeafJawPositions = positions
    return item


def _reference(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = uid
    return item


def _date(person: Person) -> str:
    return person.scanned.strftime("%Y%m%d")


def _time(person: Person) -> str:
    return person.scanned.strftime("%H%M%S")


def _save(dataset: Dataset, path: Path) -> None:
    with replacing(path) as partial:
        dataset.save_as(partial, enforce_file_format=True)
