"""Small RTDOSE and RTPLAN files with known values, for tests."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTDoseStorage, RTPlanStorage, generate_uid

IDENTITY = {"PatientID": "MRN-4711", "PatientName": "Doe^Jane"}


def items(*each: dict) -> list[Dataset]:
    """Sequence items of keyword: value."""
    made = []
    for values in each:
        item = Dataset()
        for keyword, value in values.items():
            setattr(item, keyword, value)
        made.append(item)
    return made


def make_dose(
    path: Path,
    gray: np.ndarray,
    *,
    origin=(-60.0, -50.0, 0.0),
    orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    spacing=(5.0, 5.0),
    offsets=None,
    bits: int = 32,
    scaling: float = 1e-4,
    plan: str | None = None,
    beams: tuple[int, ...] = (),
    summation: str = "PLAN",
    **changes,
) -> Path:
    """Write `gray` [frame, y, x] (or [y, x]: a single frame) as RTDOSE; spacing is (x, y); `changes` are attributes, None
    deletes one."""
    gray = np.asarray(gray, float)
    signed = bool((gray < 0).any())
    dataset = _file(RTDoseStorage, "RTDOSE")
    frames = gray.shape[0] if gray.ndim == 3 else 1
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = list(origin), list(orientation)
    dataset.PixelSpacing = [spacing[1], spacing[0]]
    dataset.Rows, dataset.Columns = gray.shape[-2:]
    if gray.ndim == 3:
        dataset.NumberOfFrames, dataset.FrameIncrementPointer = frames, 0x3004000C
        dataset.GridFrameOffsetVector = list(offsets if offsets is not None else 5.0 * np.arange(frames))
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.DoseUnits, dataset.DoseType, dataset.DoseSummationType = "GY", "PHYSICAL", summation
    dataset.DoseGridScaling = scaling
    kind = {(16, False): "<u2", (32, False): "<u4", (16, True): "<i2", (32, True): "<i4"}[bits, signed]
    dataset.PixelData = np.rint(gray / scaling).astype(kind).tobytes()
    if plan:
        group = {"ReferencedFractionGroupNumber": 1}
        if beams:
            keyword = ("ReferencedBeamSequence", "ReferencedBeamNumber")
            if summation == "BRACHY":
                keyword = ("ReferencedBrachyApplicationSetupSequence", "ReferencedBrachyApplicationSetupNumber")
            group[keyword[0]] = items(*({keyword[1]: number} for number in beams))
        reference = {"ReferencedSOPClassUID": RTPlanStorage, "ReferencedSOPInstanceUID": plan}
        dataset.ReferencedRTPlanSequence = items({**reference, "ReferencedFractionGroupSequence": items(group)})
    return _save(dataset, path, changes)


def make_plan(
    path: Path,
    uid: str,
    *,
    structure_set: str = "1.2.3",
    prescription: float | None = 60.0,
    fractions: int = 30,
    beams: int = 2,
    relations: dict[str, str] | None = None,
    target: str = "1.2.9",
    **changes,
) -> Path:
    """Write an RTPLAN of `beams` static 6 MV photon beams."""
    dataset = _file(RTPlanStorage, "RTPLAN", uid)
    dataset.RTPlanLabel, dataset.RTPlanDate, dataset.RTPlanTime = "Doe boost", "20240102", "101112"
    dataset.PlanIntent, dataset.ApprovalStatus = "CURATIVE", "APPROVED"
    dataset.ReferencedStructureSetSequence = items({"ReferencedSOPInstanceUID": structure_set})
    if prescription is not None:
        dataset.DoseReferenceSequence = items(
            {"DoseReferenceType": "TARGET", "DoseReferenceUID": target, "TargetPrescriptionDose": prescription},
            {"DoseReferenceType": "ORGAN_AT_RISK", "TargetPrescriptionDose": 99.0},
        )
    dataset.FractionGroupSequence = items({"FractionGroupNumber": 1, "NumberOfFractionsPlanned": fractions})
    point = {"NominalBeamEnergy": 6.0, "GantryRotationDirection": "NONE"}
    treatment = {"TreatmentDeliveryType": "TREATMENT", "RadiationType": "PHOTON", "TreatmentMachineName": "LINAC7"}
    dataset.BeamSequence = items(
        *({"BeamNumber": n, "ControlPointSequence": items(point), **treatment} for n in range(1, beams + 1)),
        {"BeamNumber": 99, "TreatmentDeliveryType": "SETUP", "ControlPointSequence": items(point)},
    )
    if relations:
        dataset.ReferencedRTPlanSequence = items(
            *({"ReferencedSOPInstanceUID": uid, "RTPlanRelationship": kind} for uid, kind in relations.items())
        )
    return _save(dataset, path, changes)


def _file(storage: str, modality: str, uid: str | None = None) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = storage, uid or generate_uid(), modality
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    for keyword, value in IDENTITY.items():
        setattr(dataset, keyword, value)
    return dataset


def _save(dataset: Dataset, path: Path, changes: dict) -> Path:
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path
