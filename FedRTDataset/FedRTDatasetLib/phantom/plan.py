"""A phantom patient's RTPLAN: five fixed fields to one target. Sources: DICOM PS3.3 A.20, C.8.8.10 to C.8.8.14."""

import datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import RTPlanStorage, RTStructureSetStorage

from ..contouring.rtstruct_write import decimal_string
from .dicom import (
    Person,
    add_equipment,
    add_patient_and_study,
    new_file,
    reference_to,
    save,
    structure_set_uid,
)
from .hospitals import Hospital

GANTRY_ANGLES = (0, 72, 144, 216, 288)


def write_plan(path: Path, hospital: Hospital, person: Person, target: str, isocentre: np.ndarray) -> None:
    """Write the RTPLAN. target: name of the ROI; isocentre: (3,) in the phantom's frame."""
    dose, fractions = hospital.prescription
    plan = new_file(person, RTPlanStorage, "plan")
    add_patient_and_study(plan, hospital, person)
    add_equipment(plan, hospital, *hospital.planning_system, "1.0")
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
    plan.ReferencedStructureSetSequence = [reference_to(RTStructureSetStorage, structure_set_uid(person))]
    prescribed = Dataset()
    prescribed.DoseReferenceNumber = 1
    prescribed.DoseReferenceStructureType = "SITE"
    prescribed.DoseReferenceDescription = target
    prescribed.DoseReferenceType = "TARGET"
    prescribed.TargetPrescriptionDose = dose
    plan.DoseReferenceSequence = [prescribed]
    group = Dataset()
    group.FractionGroupNumber = 1
    group.NumberOfFractionsPlanned = fractions
    group.NumberOfBeams = len(GANTRY_ANGLES)
    group.NumberOfBrachyApplicationSetups = 0
    group.ReferencedBeamSequence = [_beam_reference(n, dose / fractions) for n in range(1, len(GANTRY_ANGLES) + 1)]
    plan.FractionGroupSequence = [group]
    setup = Dataset()
    setup.PatientSetupNumber = 1
    setup.PatientPosition = hospital.scanner.patient_position
    plan.PatientSetupSequence = [setup]
    centre = np.array(isocentre) + person.offset
    plan.BeamSequence = [_beam(n, angle, hospital, centre) for n, angle in enumerate(GANTRY_ANGLES, 1)]
    plan.ApprovalStatus = "UNAPPROVED"
    save(plan, path)


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
    item.BeamDose = decimal_string(fraction_dose / len(GANTRY_ANGLES))
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
