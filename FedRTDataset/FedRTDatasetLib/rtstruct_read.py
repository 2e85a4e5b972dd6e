"""RTSTRUCT to contours. Source: DICOM PS3.3 C.8.8.5 (Structure Set) and C.8.8.6 (ROI Contour)."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from .errors import FedRTError


@dataclass
class Roi:
    """One ROI of a structure set.

    number: ROI Number. name: ROI Name as written. polygons: CLOSED_PLANAR contours, each (n, 3) LPS mm.
    other_contours: how many contours of other types (POINT, OPEN_PLANAR, ...) the ROI has; they enclose no area.
    broken_contours: how many contours could not be used (fewer than three points, not finite, not triplets).
    """

    number: int
    name: str
    polygons: list[np.ndarray] = field(default_factory=list)
    other_contours: int = 0
    broken_contours: int = 0


def read_rtstruct(path: Path | str) -> list[Roi]:
    """The ROIs of an RTSTRUCT file in the order of its Structure Set ROI Sequence.

    Raises:
        FedRTError: the file cannot be read or is no RTSTRUCT.
    """
    try:
        dataset = pydicom.dcmread(path)
    except Exception as error:
        raise FedRTError(
            f"{Path(path).name} cannot be read as DICOM ({type(error).__name__}); export it again."
        ) from error
    if dataset.get("Modality") != "RTSTRUCT":
        raise FedRTError(f"{Path(path).name} is not an RT Structure Set; choose the RTSTRUCT file.")
    try:
        return rois_of(dataset)
    except (AttributeError, TypeError, ValueError) as error:  # an item without its ROI number, or a number that is none
        raise FedRTError(
            f"{Path(path).name} has damaged ROI items ({type(error).__name__}); export it again."
        ) from error


def rois_of(dataset: Dataset) -> list[Roi]:
    """The ROIs of a read RTSTRUCT."""
    rois = {}
    for item in dataset.get("StructureSetROISequence") or []:
        number = int(item.ROINumber)
        rois[number] = Roi(number, str(item.get("ROIName", "")).strip())
    for item in dataset.get("ROIContourSequence") or []:
        roi = rois.get(int(item.ReferencedROINumber))
        if roi is None:
            continue  # contours of a ROI that the set does not declare have no name to go by
        for contour in item.get("ContourSequence") or []:
            _add_contour(roi, contour)
    return list(rois.values())


def _add_contour(roi: Roi, contour: Dataset) -> None:
    if str(contour.get("ContourGeometricType", "")) not in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"):
        roi.other_contours += 1
        return
    points = contour_points(contour)
    if points is None or len(points) < 3:
        roi.broken_contours += 1
    else:
        roi.polygons.append(points)


def contour_points(contour: Dataset) -> np.ndarray | None:
    """(n, 3) LPS mm of a Contour Sequence item, or None where its data are not finite triplets.

    The bytes are parsed directly: turning each of some 100,000 decimal strings into a Python object takes 20 times as long.
    """
    if "ContourData" not in contour:
        return None
    raw = contour.get_item("ContourData").value
    try:
        if isinstance(raw, bytes):
            values = np.array(raw.strip(b" \x00").split(b"\\"), dtype=np.float64)
        else:
            values = np.array([float(value) for value in raw], dtype=np.float64)
    except ValueError:
        return None
    if values.size % 3 or not np.isfinite(values).all():
        return None
    return values.reshape(-1, 3)
