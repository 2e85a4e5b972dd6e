"""An image series as voxels in its true geometry."""

from dataclasses import dataclass

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from .dicom_index import ImageSeries
from .errors import FedRTError
from .geometry import SliceStack


@dataclass
class LoadedSeries:
    """array: float32 [k, y, x] in modality units (HU for CT). headers: per slice k. notes: what was left out or bridged."""

    array: np.ndarray
    stack: SliceStack
    headers: list[Dataset]
    notes: list[str]


def load_series(series: ImageSeries) -> LoadedSeries:
    """Read a series' slices, sort them along the normal and apply each slice's own rescale.

    Slices of another size or orientation than most (localisers), second slices at one position and unreadable ones are
    left out and noted; a gap is noted and stays in the geometry.

    Raises:
        FedRTError: fewer than two usable slices remain.
    """
    notes: list[str] = []
    uids = _main_orientation(series, notes)
    uids = _one_per_position(series, uids, notes)
    pixels, headers = [], []
    for uid in uids:
        try:
            dataset = pydicom.dcmread(series.files[uid])
            slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
            pixels.append(dataset.pixel_array.astype(np.float32) * slope + intercept)
        except Exception as error:
            name = series.files[uid].name
            notes.append(f"slice {name} has unreadable pixels ({type(error).__name__}): left out; export it again.")
            continue
        del dataset.PixelData
        headers.append(dataset)
    if len(headers) < 2:
        raise FedRTError(f"the series of {_example(series)} has fewer than two readable slices: export it again.")
    stack = _stack(headers)
    _note_gaps(stack, headers, notes)
    return LoadedSeries(np.stack(pixels), stack, headers, notes)


def _main_orientation(series: ImageSeries, notes: list[str]) -> list[str]:
    groups: dict[tuple, list[str]] = {}
    for uid, header in series.headers.items():
        orientation = tuple(np.round([float(v) for v in header.ImageOrientationPatient], 3))
        groups.setdefault((orientation, header.Rows, header.Columns), []).append(uid)
    main = max(groups.values(), key=len)
    left_out = len(series.files) - len(main)
    if left_out:
        notes.append(f"{left_out} slices of another orientation or size (localiser?) left out.")
    return main


def _one_per_position(series: ImageSeries, uids: list[str], notes: list[str]) -> list[str]:
    """Sorted along the normal; of several slices at one position the lowest Instance Number stays."""
    normal = _normal(series.headers[uids[0]])

    def offset(uid: str) -> float:
        return float(np.dot([float(v) for v in series.headers[uid].ImagePositionPatient], normal))

    def number(uid: str) -> int:
        return int(series.headers[uid].get("InstanceNumber") or 0)

    kept: list[str] = []
    for uid in sorted(uids, key=lambda uid: (round(offset(uid), 3), number(uid), uid)):
        if kept and abs(offset(uid) - offset(kept[-1])) < 1e-3:
            names = series.files[uid].name, series.files[kept[-1]].name
            notes.append(f"slice {names[0]} lies where {names[1]} lies (duplicated slice): the second is left out.")
        else:
            kept.append(uid)
    return kept


def _normal(header: Dataset) -> np.ndarray:
    orientation = np.array([float(v) for v in header.ImageOrientationPatient])
    return np.cross(orientation[:3], orientation[3:])


def _stack(headers: list[Dataset]) -> SliceStack:
    first = headers[0]
    orientation = np.array([float(v) for v in first.ImageOrientationPatient])
    between_rows, between_columns = (float(v) for v in first.PixelSpacing)
    positions = np.array([[float(v) for v in header.ImagePositionPatient] for header in headers])
    return SliceStack(
        positions,
        orientation[:3] / np.linalg.norm(orientation[:3]),
        orientation[3:] / np.linalg.norm(orientation[3:]),
        (between_columns, between_rows),
        (len(headers), int(first.Rows), int(first.Columns)),
    )


def _note_gaps(stack: SliceStack, headers: list[Dataset], notes: list[str]) -> None:
    gaps = np.diff(stack.offsets)
    for k in np.flatnonzero(gaps > 1.5 * stack.step):
        missing = round(gaps[k] / stack.step) - 1
        after = headers[k].get("InstanceNumber", k)
        notes.append(
            f"{missing} slice(s) missing after instance {after} ({gaps[k]:.1f} mm gap): bridged by interpolation; "
            "export the whole series if it exists."
        )


def _example(series: ImageSeries) -> str:
    return min(path.name for path in series.files.values())
