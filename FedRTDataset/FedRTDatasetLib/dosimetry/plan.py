"""One RTPLAN file: what it prescribes and how it treats, in terms that name no machine and no person.

Sources: DICOM PS3.3 C.8.8.9 (RT General Plan), C.8.8.10 (RT Prescription), C.8.8.13 (RT Fraction Scheme), C.8.8.14 (RT
Beams), C.8.8.15 (RT Brachy Application Setups), C.8.8.16 (Approval).
"""

from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from ..errors import FedRTError
from .rtdose import read_header_of

NOT_TREATMENT = ("VERIFICATION", "MACHINE_QA", "RESEARCH", "SERVICE")
"""Plan Intents of plans that no patient is treated with."""
INTENTS = ("CURATIVE", "PALLIATIVE", "PROPHYLACTIC", *NOT_TREATMENT)
RADIATION = ("PHOTON", "ELECTRON", "NEUTRON", "PROTON", "ION")
BRACHY_TECHNIQUES = ("INTRALUMENARY", "INTRACAVITARY", "INTERSTITIAL", "CONTACT", "INTRAVASCULAR", "PERMANENT")
BRACHY_TYPES = ("MANUAL", "HDR", "MDR", "LDR", "PDR")


@dataclass(frozen=True)
class Plan:
    """An RTPLAN's values; what it does not state is None or empty.

    made: date and time it was made, "YYYYMMDDHHMMSS" or "", only to tell which of two plans is newer.
    beams, setups: numbers of the treatment beams and the brachy application setups. groups: fraction group numbers.
    relations: Plan Relationship by the UID of the other plan (PRIOR, ALTERNATIVE, PREDECESSOR, VERIFIED_PLAN, CONCURRENT).
    targets: Dose Reference UIDs of its targets, which the plans of one course share.
    levels_gy: prescribed doses, highest first; prescribed_by: where they come from.
    techniques: "static", "imrt", "arc", "vmat", "scanned" or brachy terms of the Standard. energies: MV (photons) or MeV.
    """

    uid: str
    made: str = ""
    intent: str = ""
    approval: str = ""
    beams: tuple[int, ...] = ()
    setups: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    relations: dict[str, str] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    levels_gy: tuple[float, ...] = ()
    prescribed_by: str = ""
    fractions: int | None = None
    techniques: tuple[str, ...] = ()
    radiation: tuple[str, ...] = ()
    energies: tuple[float, ...] = ()
    flattening_filter_free: bool | None = None


def read_plan(path: Path | str) -> Plan:
    """Read an RTPLAN file.

    Raises:
        FedRTError: it cannot be read, or is no RTPLAN.
    """
    path = Path(path)
    dataset = read_header_of(path, "RTPLAN")
    try:
        return plan_of(dataset)
    except Exception as error:
        raise FedRTError(f"{path.name} has damaged plan values ({type(error).__name__}): export it again.") from error


def plan_of(dataset: Dataset) -> Plan:
    """The values of a read RTPLAN."""
    beams = [beam for beam in _items(dataset, "BeamSequence") if _is_treatment(beam)]
    setups = _items(dataset, "ApplicationSetupSequence")
    groups = _items(dataset, "FractionGroupSequence")
    levels, prescribed_by = _prescription(dataset, groups)
    fractions = [int(group.NumberOfFractionsPlanned) for group in groups if _has(group, "NumberOfFractionsPlanned")]
    return Plan(
        uid=str(dataset.get("SOPInstanceUID", "")),
        made=str(dataset.get("RTPlanDate") or "") + str(dataset.get("RTPlanTime") or "").split(".")[0],
        intent=_term(dataset, "PlanIntent", INTENTS),
        approval=_term(dataset, "ApprovalStatus", ("APPROVED", "UNAPPROVED", "REJECTED")),
        beams=tuple(int(beam.BeamNumber) for beam in beams if _has(beam, "BeamNumber")),
        setups=tuple(int(s.ApplicationSetupNumber) for s in setups if _has(s, "ApplicationSetupNumber")),
        groups=tuple(int(group.FractionGroupNumber) for group in groups if _has(group, "FractionGroupNumber")),
        relations={
            str(item.get("ReferencedSOPInstanceUID", "")): str(item.get("RTPlanRelationship") or "")
            for item in _items(dataset, "ReferencedRTPlanSequence")
        },
        targets=tuple(
            str(item.DoseReferenceUID)
            for item in _items(dataset, "DoseReferenceSequence")
            if item.get("DoseReferenceType") == "TARGET" and _has(item, "DoseReferenceUID")
        ),
        levels_gy=levels,
        prescribed_by=prescribed_by,
        fractions=sum(fractions) or None,
        techniques=_techniques(dataset, beams),
        radiation=tuple(sorted({kind for beam in beams if (kind := _term(beam, "RadiationType", RADIATION))})),
        energies=tuple(sorted({e for beam in beams if not _is_particle(beam) and (e := _energy(beam))})),
        flattening_filter_free=_flattening_filter_free(beams),
    )


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    return list(dataset.get(keyword) or [])


def _has(item: Dataset, keyword: str) -> bool:
    return item.get(keyword) not in (None, "")


def _term(item: Dataset, keyword: str, terms: tuple[str, ...]) -> str:
    """The value where it is one of the Standard's terms, otherwise nothing: free text stays out."""
    value = str(item.get(keyword) or "").upper()
    return value if value in terms else ""


def _is_treatment(beam: Dataset) -> bool:
    return str(beam.get("TreatmentDeliveryType") or "TREATMENT") in ("TREATMENT", "CONTINUATION")


def _prescription(dataset: Dataset, groups: list[Dataset]) -> tuple[tuple[float, ...], str]:
    """Prescribed doses, and where they come from: what the plan prescribes to its targets; else what its beams or
    application setups give at their reference points in all fractions."""
    references = _items(dataset, "DoseReferenceSequence")
    targets = [item for item in references if item.get("DoseReferenceType") == "TARGET"]
    targets += [item for group in groups for item in _items(group, "ReferencedDoseReferenceSequence")]
    levels = {float(item.TargetPrescriptionDose) for item in targets if _has(item, "TargetPrescriptionDose")}
    levels = tuple(sorted((level for level in levels if level > 0), reverse=True))
    if levels:
        return levels, "dose-reference"
    for sequence, keyword, source in (
        ("ReferencedBrachyApplicationSetupSequence", "BrachyApplicationSetupDose", "application-setup-dose"),
        ("ReferencedBeamSequence", "BeamDose", "beam-dose"),
    ):
        total = 0.0
        for group in groups:
            given = [float(item[keyword].value) for item in _items(group, sequence) if _has(item, keyword)]
            total += sum(given) * int(group.get("NumberOfFractionsPlanned") or 0)
        if total > 0:
            return (round(total, 4),), source
    return (), ""


def _techniques(dataset: Dataset, beams: list[Dataset]) -> tuple[str, ...]:
    found = {_technique(beam) for beam in beams}
    found |= {_term(dataset, "BrachyTreatmentTechnique", BRACHY_TECHNIQUES).lower()}
    found |= {_term(dataset, "BrachyTreatmentType", BRACHY_TYPES).lower()}
    return tuple(sorted(found - {""}))


def _technique(beam: Dataset) -> str:
    """What the control points say: whether the gantry turns and whether leaves move while the beam is on."""
    if _has(beam, "ScanMode") and str(beam.ScanMode) not in ("NONE", ""):
        return "scanned"
    points = _items(beam, "ControlPointSequence") or _items(beam, "IonControlPointSequence")
    if not points:
        return ""
    turns = any(str(point.get("GantryRotationDirection") or "NONE") in ("CW", "CC") for point in points)
    leaves = {
        tuple(float(v) for v in device.LeafJawPositions)
        for point in points
        for device in _items(point, "BeamLimitingDevicePositionSequence")
        if str(device.get("RTBeamLimitingDeviceType", "")).startswith("MLC") and _has(device, "LeafJawPositions")
    }
    if turns:
        return "vmat" if len(leaves) > 1 else "arc"
    return "imrt" if len(leaves) > 1 else "static"


def _is_particle(beam: Dataset) -> bool:
    return str(beam.get("RadiationType") or "") in ("PROTON", "ION", "NEUTRON")


def _energy(beam: Dataset) -> float | None:
    """Nominal Beam Energy: MV of photons, MeV of electrons. A particle beam has hundreds, which say nothing here."""
    points = _items(beam, "ControlPointSequence")
    return float(points[0].NominalBeamEnergy) if points and _has(points[0], "NominalBeamEnergy") else None


def _flattening_filter_free(beams: list[Dataset]) -> bool | None:
    modes = [mode for beam in beams for mode in _items(beam, "PrimaryFluenceModeSequence")]
    if not modes:
        return None
    return any(str(mode.get("FluenceModeID") or "").upper() in ("FFF", "SRS") for mode in modes)
