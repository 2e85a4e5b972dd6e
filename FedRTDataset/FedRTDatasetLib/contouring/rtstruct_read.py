"""RTSTRUCT to contours. Source: DICOM PS3.3 C.8.8.5 (Structure Set) and C.8.8.6 (ROI Contour)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ..dicom_file import read_dicom, text_of
from ..errors import FedRTError
from .rtstruct_walk import ROI_CONTOUR_SEQUENCE, ContourWalk

CLOSED, XOR = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"
KINDS = (CLOSED, XOR, "POINT", "OPEN_PLANAR", "OPEN_NONPLANAR")
"""Contour Geometric Type: its enumerated values (C.8.8.6)."""

Contours = Iterable[tuple[int, list[tuple[str, np.ndarray | None]]]]
"""Referenced ROI Number, and for each contour its type and points (None: unusable)."""


@dataclass
class Contour:
    """kind: Contour Geometric Type, one of KINDS ("" if the file gives none of them). points: (n, 3) LPS mm, n >= 1."""

    kind: str
    points: np.ndarray

    @property
    def is_area(self) -> bool:
        """True for a closed contour that can enclose one: at least three points."""
        return self.kind in (CLOSED, XOR) and len(self.points) >= 3


@dataclass
class Roi:
    """One ROI of a structure set.

    number: ROI Number. name: ROI Name as written. contours: all of them with usable points, in the order of the file.
    unreadable_contours: how many have no points, or points that are not finite triplets.
    frame_of_reference_uid: Referenced Frame of Reference UID, "" if absent. description: ROI Description.
    """

    number: int
    name: str
    contours: list[Contour] = field(default_factory=list)
    unreadable_contours: int = 0
    frame_of_reference_uid: str = ""
    description: str = ""

    @property
    def polygons(self) -> list[np.ndarray]:
        """The closed contours that enclose an area, each (n, 3) LPS mm."""
        return [contour.points for contour in self.contours if contour.is_area]

    @property
    def other_contours(self) -> int:
        """How many contours are of other types (POINT, OPEN_PLANAR, ...); they enclose no area."""
        return sum(contour.kind not in (CLOSED, XOR) for contour in self.contours)

    @property
    def broken_contours(self) -> int:
        """How many contours could not be used: unreadable, or closed ones of fewer than three points."""
        closed = sum(contour.kind in (CLOSED, XOR) for contour in self.contours)
        return self.unreadable_contours + closed - len(self.polygons)


def read_rtstruct(path: Path | str) -> list[Roi]:
    """The ROIs of an RTSTRUCT file in the order of its Structure Set ROI Sequence.

    Raises:
        FedRTError: the file cannot be read or is no RTSTRUCT.
    """
    try:
        head, contours = _read_head(path)
        if head.get("Modality") != "RTSTRUCT":
            raise FedRTError(f"{Path(path).name} is not an RT Structure Set; choose the RTSTRUCT file.")
        try:
            return _with_contours(_declared(head), _walked(contours, head))
        except ValueError:  # not as expected: pydicom knows what to make of more
            return rois_of(read_dicom(path))
    except FedRTError:
        raise
    except (AttributeError, TypeError, ValueError) as error:  # an item without its ROI number, or a number that is none
        raise FedRTError(
            f"{Path(path).name} has damaged ROI items ({type(error).__name__}); export it again."
        ) from error
    except Exception as error:
        raise FedRTError(
            f"{Path(path).name} cannot be read as DICOM ({type(error).__name__}); export it again."
        ) from error


def rois_of(dataset: Dataset) -> list[Roi]:
    """The ROIs of an RTSTRUCT that pydicom has read."""
    contours = (
        (item.ReferencedROINumber, [_kind_and_points(contour) for contour in item.get("ContourSequence") or []])
        for item in dataset.get("ROIContourSequence") or []
    )
    return _with_contours(_declared(dataset), contours)


def _read_head(path: Path | str) -> tuple[Dataset, bytes]:
    """The data set up to its contours, and the bytes from there on."""
    with open(path, "rb") as file:
        head = read_partial(file, stop_when=lambda tag, vr, length: tag >= ROI_CONTOUR_SEQUENCE, force=True)
        syntax = head.file_meta.get("TransferSyntaxUID", "")
        return head, b"" if syntax == DeflatedExplicitVRLittleEndian else file.read()


def _walked(content: bytes, head: Dataset) -> Contours:
    """The contours of the bytes after the head.

    Raises:
        ValueError: they are not what they should be.
    """
    implicit, little = head.original_encoding
    for number, contours in ContourWalk(content, bool(implicit), bool(little)).rois():
        yield int(number.strip(b" \x00")), [(kind.decode("ascii"), points_of(data)) for kind, data in contours]


def _declared(dataset: Dataset) -> dict[int, Roi]:
    rois = {}
    for item in dataset.get("StructureSetROISequence") or []:
        number = int(item.ROINumber)
        frame = str(item.get("ReferencedFrameOfReferenceUID") or "")
        told = str(item.get("ROIDescription") or "").strip()
        name = text_of(item.get("ROIName")).strip()
        rois[number] = Roi(number, name, frame_of_reference_uid=frame, description=told)
    return rois


def _with_contours(rois: dict[int, Roi], contours: Contours) -> list[Roi]:
    for number, found in contours:
        roi = rois.get(int(number))
        if roi is None:
            continue  # contours of a ROI that the set does not declare have no name to go by
        for kind, points in found:
            if points is None or not len(points):
                roi.unreadable_contours += 1
            else:
                kind = kind.strip(" \x00")
                roi.contours.append(Contour(kind if kind in KINDS else "", points))
    return list(rois.values())


def _kind_and_points(contour: Dataset) -> tuple[str, np.ndarray | None]:
    return str(contour.get("ContourGeometricType", "")), contour_points(contour)


def contour_points(contour: Dataset) -> np.ndarray | None:
    """(n, 3) LPS mm of a Contour Sequence item, or None where its data are not finite triplets."""
    if "ContourData" not in contour:
        return None
    raw = contour.get_item("ContourData").value
    if isinstance(raw, bytes):
        return points_of(raw)
    try:
        return _triplets(np.array([float(value) for value in raw], dtype=np.float64))
    except (TypeError, ValueError):
        return None


def points_of(raw: bytes) -> np.ndarray | None:
    """(n, 3) LPS mm of the bytes of Contour Data, or None where they are not finite triplets.

    Parsed directly: turning each of some 100,000 decimal strings into a Python object takes 20 times as long.
    """
    try:
        return _triplets(np.array(raw.strip(b" \x00").split(b"\\"), dtype=np.float64))
    except ValueError:
        return None


def _triplets(values: np.ndarray) -> np.ndarray | None:
    if values.size % 3 or not np.isfinite(values).all():
        return None
    return values.reshape(-1, 3) + 0.0  # "-0" is 0
