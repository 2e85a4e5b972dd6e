"""One RTDOSE file as a dose grid in Gy. Source: DICOM PS3.3 C.8.8.3 (RT Dose), C.7.6.2 (Image Plane)."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from ..dicom_file import read_dicom
from ..errors import FedRTError
from ..imaging.geometry import SliceStack

SAME_MM = 0.01
"""Coordinates closer than this are the same: headers carry them with two decimals and more."""
EDGE = 1e-4
"""Of a voxel: how far beyond the outermost voxel centre rounding may put a point that lies on it."""


@dataclass(frozen=True)
class DoseGrid:
    """A dose distribution on parallel planes.

    values: float32 [k, y, x] in Gy (a dose difference, `kind` ERROR, may be negative).
    stack: where the voxel centres lie; planes sorted along the normal, their distances may differ.
    kind: Dose Type (PHYSICAL, EFFECTIVE or ERROR). summation: Dose Summation Type (PLAN, BEAM, FRACTION, BRACHY, ...).
    plan_uids: the plans it belongs to. beams, setups, fraction_groups: numbers of the plan's beams, brachy application
    setups and fraction groups that it names.
    plane_mm: what a single plane stands for along its normal; 0 where there are several planes.
    """

    values: np.ndarray
    stack: SliceStack
    kind: str = "PHYSICAL"
    summation: str = "PLAN"
    frame_of_reference_uid: str = ""
    plan_uids: tuple[str, ...] = ()
    beams: tuple[int, ...] = ()
    setups: tuple[int, ...] = ()
    fraction_groups: tuple[int, ...] = ()
    plane_mm: float = 0.0
    notes: tuple[str, ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        """True where no voxel holds a dose."""
        return not self.values.any()

    def at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Dose at points by trilinear interpolation between voxel centres, also where planes are unequally far apart.

        Args:
            points: (n, 3) LPS mm.

        Returns:
            float32 (n,) Gy and bool (n,): whether the point lies among the voxel centres. Outside them no dose is
            known, and the value is 0.
        """
        from scipy.ndimage import map_coordinates

        stack = self.stack
        relative = points - stack.positions[0]
        x = relative @ (stack.row_direction / stack.spacing[0])
        y = relative @ (stack.column_direction / stack.spacing[1])
        along = relative @ stack.normal
        offsets = stack.offsets
        if len(offsets) == 1:
            k = np.zeros_like(along)
            inside = np.abs(along) <= 0.5 * self.plane_mm + EDGE
        else:
            k = np.interp(along, offsets, np.arange(len(offsets)))
            slack = EDGE * float(np.diff(offsets).max())
            inside = (along >= offsets[0] - slack) & (along <= offsets[-1] + slack)
        _, rows, columns = self.values.shape
        inside &= (x >= -EDGE) & (x <= columns - 1 + EDGE) & (y >= -EDGE) & (y <= rows - 1 + EDGE)
        dose = np.zeros(len(points), np.float32)
        where = np.stack([k[inside], y[inside], x[inside]])
        dose[inside] = map_coordinates(self.values, where, order=1, mode="nearest", output=np.float32)
        return dose, inside


def read_rtdose(path: Path | str) -> DoseGrid:
    """Read an RTDOSE file.

    Raises:
        FedRTError: unreadable, no RTDOSE, without a dose grid, in relative units, or placed ambiguously.
    """
    path = Path(path)
    dataset = read_header_of(path, "RTDOSE")
    units = str(dataset.get("DoseUnits", ""))
    if units == "RELATIVE":
        raise FedRTError(
            f"{path.name} is in relative dose units (percent of a dose it does not tell): export the dose in Gy."
        )
    if units != "GY":
        raise FedRTError(f"{path.name} does not say that its dose is in Gy (Dose Units): export the dose in Gy.")
    if "PixelData" not in dataset:
        raise FedRTError(
            f"{path.name} has no readable dose grid (only points, isodoses or DVHs): export the dose as a grid."
        )
    try:
        return _grid_of(dataset)
    except FedRTError as error:
        raise FedRTError(f"{path.name} {error}") from None
    except Exception as error:
        raise FedRTError(f"{path.name} has no readable dose grid ({type(error).__name__}): export it again.") from error


def read_header_of(path: Path, modality: str) -> Dataset:
    """A DICOM file of the wanted modality; also one that lacks the preamble (PS3.10) that some systems leave out.

    Raises:
        FedRTError: it cannot be read or is something else.
    """
    what = {"RTDOSE": "an RT Dose", "RTPLAN": "an RT Plan"}[modality]
    try:
        dataset = read_dicom(path)
        found = str(dataset.get("Modality", ""))
    except OSError as error:
        raise FedRTError(f"{path.name} cannot be read ({error.strerror or type(error).__name__}).") from error
    except Exception as error:
        raise FedRTError(f"{path.name} cannot be read as DICOM ({type(error).__name__}); export it again.") from error
    if found != modality:
        raise FedRTError(f"{path.name} is not {what} file; choose the {modality}.")
    return dataset


def _grid_of(dataset: Dataset) -> DoseGrid:
    scaling = dataset.get("DoseGridScaling")
    if scaling is None or not np.isfinite(float(scaling)) or float(scaling) < 0:
        raise FedRTError("does not say how its numbers become Gy (Dose Grid Scaling): export it again.")
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    values = dataset.pixel_array.reshape(-1, rows, columns).astype(np.float32) * np.float32(scaling)
    kind = str(dataset.get("DoseType", "") or "PHYSICAL")
    notes = []
    if kind == "EFFECTIVE":
        notes.append("its dose is weighted for biological effect (Dose Type EFFECTIVE)")
    if kind == "ERROR":
        notes.append("it is a difference between doses (Dose Type ERROR), not a dose")
    stack, values, plane_mm = _placed(dataset, values)
    if not values.any():
        notes.append("its dose is 0 everywhere")
    plans, beams, setups, groups = _references(dataset)
    return DoseGrid(
        values, stack, kind, str(dataset.get("DoseSummationType", "") or ""), str(dataset.get("FrameOfReferenceUID", "")),
        plans, beams, setups, groups, plane_mm, tuple(notes),
    )  # fmt: skip


def _placed(dataset: Dataset, values: np.ndarray) -> tuple[SliceStack, np.ndarray, float]:
    """Planes sorted along the normal, where they lie, and for a single plane how thick it is."""
    orientation = np.array([float(v) for v in dataset.ImageOrientationPatient])
    row, column = (side / np.linalg.norm(side) for side in (orientation[:3], orientation[3:]))
    if abs(row @ column) > 1e-3:
        raise FedRTError("has rows and columns that are not at right angles: export it again.")
    normal = np.cross(row, column)
    origin = np.array([float(v) for v in dataset.ImagePositionPatient])
    between_rows, between_columns = (float(v) for v in dataset.PixelSpacing)
    offsets = _plane_offsets(dataset, len(values), origin, normal)
    order = np.argsort(offsets)
    if len(offsets) > 1 and np.diff(offsets[order]).min() < SAME_MM:
        raise FedRTError("has two dose planes at one place (Grid Frame Offset Vector): export it again.")
    positions = origin + offsets[order, None] * normal
    stack = SliceStack(positions, row, column, (between_columns, between_rows), values.shape)
    plane_mm = 0.0
    if len(values) == 1:
        plane_mm = float(dataset.get("SliceThickness") or 0.0) or min(between_rows, between_columns)
    return stack, np.ascontiguousarray(values[order]), plane_mm


def _plane_offsets(dataset: Dataset, planes: int, origin: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(planes,) mm along the normal from Image Position (Patient). Source: PS3.3 C.8.8.3.2.

    a) The first value is 0: offsets along the normal. b) The first value is the first plane's own z coordinate: the
    values are the planes' z coordinates. The Standard allows b) for head-first supine only, but systems write it for
    other transverse grids too, where along the normal may mean downwards.
    """
    given = dataset.get("GridFrameOffsetVector")
    if given is None or given == "":
        if planes == 1:
            return np.zeros(1)
        raise FedRTError("has several dose planes but does not say where (Grid Frame Offset Vector): export it again.")
    vector = np.array([float(v) for v in np.atleast_1d(given)])
    if len(vector) != planes:
        raise FedRTError(
            f"has {planes} dose planes but places for {len(vector)} (Grid Frame Offset Vector): export it again."
        )
    if abs(vector[0]) < SAME_MM:
        return vector - vector[0]
    if abs(abs(normal[2]) - 1) < 1e-3 and abs(vector[0] - origin[2]) < SAME_MM:
        return (vector - vector[0]) * np.sign(normal[2])
    if planes == 1:
        return np.zeros(1)
    raise FedRTError(
        "has dose planes that count neither from 0 nor from its first plane (Grid Frame Offset Vector): export it again."
    )


def _references(dataset: Dataset) -> tuple[tuple, tuple, tuple, tuple]:
    """UIDs of the plans, and the numbers of their beams, application setups and fraction groups that are named."""
    plans, beams, setups, groups = [], [], [], []
    for plan in dataset.get("ReferencedRTPlanSequence") or []:
        plans.append(str(plan.get("ReferencedSOPInstanceUID", "")))
        for group in plan.get("ReferencedFractionGroupSequence") or []:
            if group.get("ReferencedFractionGroupNumber") is not None:
                groups.append(int(group.ReferencedFractionGroupNumber))
            beams += _numbers(group, "ReferencedBeamSequence", "ReferencedBeamNumber")
            setups += _numbers(
                group, "ReferencedBrachyApplicationSetupSequence", "ReferencedBrachyApplicationSetupNumber"
            )
    return tuple(plans), tuple(beams), tuple(setups), tuple(groups)


def _numbers(item: Dataset, sequence: str, keyword: str) -> list[int]:
    return [int(inner[keyword].value) for inner in item.get(sequence) or [] if inner.get(keyword) is not None]
