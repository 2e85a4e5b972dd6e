"""What one file is and what the index keeps of it: an image slice, an RT object, something only counted, or a problem.

A record is a list of JSON values, because it comes from another process (`index/pool.py`) and goes into a database:

    ["image", part, uid, position, instance number, phase]    part, phase: JSON texts, see `PART` and `PHASE`
    ["object", kind, uid, content]                            kind: RTSTRUCT, RTPLAN, RTDOSE, REG; content: a JSON text
    ["other", label]                                          DICOM that no dataset is made of; label: what it is
    ["ignored"]                                               no DICOM file, and nothing says that it should be one
    ["problem", code, identity]                               code: see `findings.TEXTS`; identity: what to hide
"""

import hashlib
import json
import math
import os
from functools import lru_cache

from .elements import NotDicomError, UnclearError
from .header import read_elements
from .tags import Elements

IMAGE_MODALITIES = ("CT", "MR", "PT")
OBJECTS = ("RTSTRUCT", "RTPLAN", "RTDOSE", "REG")
Record = list

_as_json = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make an encoder for every file

PART = (
    "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "Modality", "SOPClassUID", "PatientID", "PatientName",
    "StudyDate", "StudyDescription", "SeriesDescription", "ProtocolName", "SequenceName", "SeriesNumber", "ImageType",
    "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "TransferSyntaxUID", "StandIn",
)  # fmt: skip
"""What most slices of a series have in common: kept once."""

PHASE = (
    "TemporalPositionIdentifier", "DiffusionBValue", "EchoTime", "EchoNumbers", "FrameReferenceTime", "TriggerTime",
    "AcquisitionNumber",
)  # fmt: skip
"""What tells the volumes of a series apart (`index/series_slices.py`), beside the Image Type."""

IMAGE = "1.2.840.10008.5.1.4.1.1."
MULTI_FRAME = frozenset(IMAGE + end for end in ("2.1", "2.2", "4.1", "4.4", "130", "128.1"))
"""Enhanced and Legacy Converted Enhanced CT, MR and PET Image Storage (PS3.4 Table B.5-1)."""
SECONDARY_CAPTURE, DEFORMABLE, DIRECTORY = IMAGE + "7", IMAGE + "66.3", "1.2.840.10008.1.3.10"
MODALITY_OF = {
    IMAGE + "2": "CT", IMAGE + "4": "MR", IMAGE + "128": "PT", IMAGE + "481.3": "RTSTRUCT", IMAGE + "481.5": "RTPLAN",
    IMAGE + "481.8": "RTPLAN", IMAGE + "481.2": "RTDOSE", IMAGE + "66.1": "REG",
}  # fmt: skip
"""What objects are whose Modality is missing."""
CLAIMS_DICOM = (".dcm", ".dicom", ".ima")


def read_record(path: str) -> Record:
    """Read one file's header. Never raises for what is in the file."""
    try:
        if os.path.getsize(path) == 0:
            return ["problem", "not-dicom", []]
        elements, truncated = read_elements(path)
        record = record_of(elements, path, truncated=truncated)
        if record[0] != "problem" or truncated:
            return record
    except NotDicomError:
        return ["problem", "not-dicom", []] if path.lower().endswith(CLAIMS_DICOM) else ["ignored"]
    except FileNotFoundError:
        return ["ignored"]
    except OSError:
        return ["problem", "no-permission", []]
    except UnclearError:
        pass
    return _second_opinion(path)


def _second_opinion(path: str) -> Record:
    """Ask pydicom where our own reader does not understand the file, or found something missing."""
    from .pydicom_header import read_with_pydicom

    try:
        elements = read_with_pydicom(path)
    except OSError:
        return ["problem", "no-permission", []]
    except Exception:  # whatever is wrong with the file, it is one file
        return ["problem", "damaged", []]
    return record_of(elements, path) if elements else ["problem", "damaged", []]


def record_of(elements: Elements, path: str, *, truncated: bool = False) -> Record:
    """What a file with these elements is."""
    identity = [elements.get(keyword, "") for keyword in ("PatientID", "PatientName")]
    sop_class = elements.get("SOPClassUID") or elements.get("MediaStorageSOPClassUID", "")
    modality = elements.get("Modality") or MODALITY_OF.get(sop_class, "")
    if sop_class == DIRECTORY:
        return ["other", "DICOMDIR"]
    if not modality:
        return ["problem", "truncated" if truncated else "no-modality", identity]
    if modality not in IMAGE_MODALITIES + OBJECTS:
        return ["other", modality]
    if truncated and (modality in OBJECTS or not _is_placed(elements)):
        return ["problem", "truncated", identity]
    if sop_class in MULTI_FRAME:
        return ["problem", "multi-frame", identity]
    elements |= {"Modality": modality, "SOPClassUID": sop_class}
    if modality in OBJECTS:
        _stand_in(elements, "SOPInstanceUID", elements.get("MediaStorageSOPInstanceUID"), path)
        return _object(modality, elements, identity)
    return _image(elements, path) if _is_placed(elements) else _without_position(elements, identity)


def _stand_in(elements: Elements, keyword: str, known: str | None, *what: str) -> None:
    """A UID in place of one that is missing: the one known from elsewhere, or always the same one for `what`."""
    if elements.get(keyword):
        return
    elements["StandIn"] = "1"
    digest = hashlib.sha256("\0".join((keyword, *what)).encode("utf-8", "surrogateescape")).digest()
    elements[keyword] = known or f"2.25.{int.from_bytes(digest[:16], 'big')}"  # PS3.5 Annex B.2


def _image(elements: Elements, path: str) -> Record:
    """Without series and study UIDs, what lies in one folder with one frame of reference and series number is a series."""
    _stand_in(elements, "SOPInstanceUID", elements.get("MediaStorageSOPInstanceUID"), path)
    if not elements.get("StudyInstanceUID") or not elements.get("SeriesInstanceUID"):
        keywords = ("Modality", "PatientID", "FrameOfReferenceUID", "SeriesNumber")
        together = [os.path.dirname(path), *(elements.get(keyword, "") for keyword in keywords)]
        _stand_in(elements, "StudyInstanceUID", None, *together[:4])
        _stand_in(elements, "SeriesInstanceUID", None, *together)
    part = _joined(tuple(elements.get(keyword, "") for keyword in PART))
    phase = _joined(tuple(elements.get(keyword, "") for keyword in PHASE))
    number = _integer(elements.get("InstanceNumber", ""))
    return ["image", part, elements["SOPInstanceUID"], elements["ImagePositionPatient"], number, phase]


@lru_cache(maxsize=256)  # the slices of a series mostly have the same
def _joined(values: tuple) -> str:
    return _as_json(list(values))


def _is_placed(elements: Elements) -> bool:
    """Position, orientation (two directions that are neither null nor parallel), pixel spacing and size make sense."""
    if not elements.get("Rows") or not elements.get("Columns"):
        return False
    if not _is_plane(elements.get("ImageOrientationPatient", ""), elements.get("PixelSpacing", "")):
        return False
    return bool(_numbers(elements.get("ImagePositionPatient", ""), 3))


@lru_cache(maxsize=256)
def _is_plane(orientation: str, pixel_spacing: str) -> bool:
    axes, spacing = _numbers(orientation, 6), _numbers(pixel_spacing, 2)
    if not axes or not spacing or min(spacing) <= 0:
        return False
    (a, b, c), (d, e, f) = axes[:3], axes[3:]
    return math.hypot(b * f - c * e, c * d - a * f, a * e - b * d) > 0.5


def _without_position(elements: Elements, identity: list[str]) -> Record:
    """Screen captures, dose reports and reformats without a position are no slices; nor are they a mistake."""
    kinds = elements.get("ImageType", "").split("\\")
    if elements.get("SOPClassUID", "").startswith(SECONDARY_CAPTURE):
        return ["other", "secondary capture"]
    if kinds[0] == "DERIVED" or "SECONDARY" in kinds[1:2]:
        return ["other", "derived image without position"]
    if "LOCALIZER" in kinds:
        return ["other", "localiser without position"]
    return ["problem", "no-position", identity]


def _object(kind: str, elements: Elements, identity: list[str]) -> Record:
    content = {
        "patient_id": identity[0],
        "patient_name": identity[1],
        "study_uid": elements.get("StudyInstanceUID", ""),
        "study_date": elements.get("StudyDate", ""),
        "frame_of_reference_uid": elements.get("FrameOfReferenceUID", ""),
        "label": elements.get("StructureSetLabel", "") or elements.get("RTPlanLabel", ""),
    }
    if kind == "RTSTRUCT":
        content |= _drawn_on(elements, content["frame_of_reference_uid"])
    elif kind == "REG":
        content["deformable"] = elements["SOPClassUID"] == DEFORMABLE
        content["sources"] = _transformations(elements)
    else:
        content["structure_set_uids"] = _referenced(elements, "ReferencedStructureSetSequence")
        content["plan_uids"] = _referenced(elements, "ReferencedRTPlanSequence")
        content["dose_summation_type"] = elements.get("DoseSummationType", "")
        content["dose_units"] = elements.get("DoseUnits", "")
    return ["object", kind, elements["SOPInstanceUID"], _as_json(content)]


def _drawn_on(elements: Elements, frame: str) -> dict:
    """Frames, series and images of the Referenced Frame of Reference Sequence, and ROI names (PS3.3 C.8.8.5)."""
    frames, series, images = [], [], []
    for item in elements.get("ReferencedFrameOfReferenceSequence") or []:
        frames.append(item.get("FrameOfReferenceUID", ""))
        for study in item.get("RTReferencedStudySequence") or []:
            for one in study.get("RTReferencedSeriesSequence") or []:
                series.append(one.get("SeriesInstanceUID", ""))
                images += _referenced(one, "ContourImageSequence")
    return {
        "frame_of_reference_uid": frame or next(filter(None, frames), ""),
        "frame_uids": [uid for uid in dict.fromkeys([*frames, frame]) if uid],
        "series_uids": [uid for uid in dict.fromkeys(series) if uid],
        "image_uids": list(dict.fromkeys(images)),
        "roi_names": [roi.get("ROIName", "") for roi in elements.get("StructureSetROISequence") or []],
    }


def _referenced(elements: Elements, keyword: str) -> list[str]:
    uids = [item.get("ReferencedSOPInstanceUID", "") for item in elements.get(keyword) or []]
    return [uid for uid in uids if uid]


def _transformations(elements: Elements) -> list[list]:
    """[frame of reference, type, 16 numbers row by row] of each item; matrices of one item are applied in their order.

    Source: PS3.3 C.20.2 (Spatial Registration Module): each maps from the item's frame to that of the whole object.
    """
    found = []
    for item in elements.get("RegistrationSequence") or []:
        matrix, kinds = [float(i == j) for i in range(4) for j in range(4)], []
        for registration in item.get("MatrixRegistrationSequence") or []:
            for one in registration.get("MatrixSequence") or []:
                values = _numbers(one.get("FrameOfReferenceTransformationMatrix", ""), 16)
                if not values:
                    kinds.append("")
                    continue
                kinds.append(one.get("FrameOfReferenceTransformationMatrixType", "") or "RIGID")
                matrix = _product(values, matrix)
        if item.get("FrameOfReferenceUID") and kinds and all(kinds):
            kind = next((kind for kind in ("AFFINE", "RIGID_SCALE") if kind in kinds), "RIGID")
            found.append([item["FrameOfReferenceUID"], kind, matrix])
    return found


def _product(a: list[float], b: list[float]) -> list[float]:
    return [sum(a[4 * i + k] * b[4 * k + j] for k in range(4)) for i in range(4) for j in range(4)]


def _numbers(text: str, count: int) -> list[float]:
    """The finite numbers of a DS value, or none if there are not `count` of them."""
    try:
        values = [float(part) for part in text.split("\\")]
    except ValueError:
        return []
    return values if len(values) == count and all(map(math.isfinite, values)) else []


def _integer(text: str) -> int | None:
    try:
        number = int(float(text))
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1 << 31 else None
