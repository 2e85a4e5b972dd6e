"""An image series as voxels in its true geometry."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import pixel_array

from ..dicom_file import read_dicom
from ..errors import FedRTError
from ..index.dicom_index import ImageSeries
from ..index.series_slices import volume_for
from .geometry import SliceStack


@dataclass
class LoadedSeries:
    """array: float32 [k, y, x] in modality units (HU for CT). headers: per slice k. notes: what was left out or bridged."""

    array: np.ndarray
    stack: SliceStack
    headers: list[Dataset]
    notes: list[str]


def load_series(series: ImageSeries, images: Iterable[str] = ()) -> LoadedSeries:
    """Read a series' slices, sort them along the normal and apply each slice's own rescale.

    Which slices form the volume is told in index/series_slices.py. What was left out is noted, and so are gaps and gantry
    tilt, which stay in the geometry (geometry.to_image brings them to an orthogonal grid). Compressed pixels (JPEG, JPEG-LS,
    JPEG 2000, RLE) are decoded by the packages that pydicom finds, python-gdcm among them. One slice at a time is held
    beside the result; reading in threads was measured and gains nothing, the decoders hold Python's lock.

    Args:
        series: as the index found it.
        images: SOP Instance UIDs that a structure set was drawn on: where the series holds several volumes (phases), the
            one that they belong to is read.

    Raises:
        FedRTError: fewer than two usable slices remain.
    """
    notes: list[str] = []
    paths = [series.files[uid] for uid in volume_for(series, images, notes)]
    array: np.ndarray | None = None
    headers: list[Dataset] = []
    reason = ""
    for path in paths:
        try:
            header, pixels, slope, intercept = _read_slice(path)
            if array is None:
                array = np.empty((len(paths), *pixels.shape), dtype=np.float32)
            _rescale(pixels, slope, intercept, array[len(headers)])
        except Exception as error:
            reason = reason or type(error).__name__
            notes.append(
                f"slice {path.name} has unreadable pixels ({type(error).__name__}): left out; export it again."
            )
            continue
        headers.append(header)
    if array is None or len(headers) < 2:
        told = f" (pixels of {len(paths) - len(headers)} of {len(paths)} cannot be read: {reason})" if reason else ""
        raise FedRTError(f"the series of {_example(series)} has fewer than two readable slices{told}: export it again.")
    stack = stack_of_headers(headers)
    _note_geometry(stack, headers, notes)
    return LoadedSeries(array[: len(headers)], stack, headers, notes)


def _read_slice(path: Path) -> tuple[Dataset, np.ndarray, float, float]:
    """The header without pixels, the stored values [y, x], rescale slope and intercept."""
    dataset = read_dicom(path)
    pixels = pixel_array(dataset, view_only=True)
    if pixels.shape != (dataset.Rows, dataset.Columns):
        raise ValueError("not one grey-scale slice")
    slope, intercept = _number(dataset, "RescaleSlope", 1.0), _number(dataset, "RescaleIntercept", 0.0)
    _position(dataset)  # raises where the index saw one but the file as a whole does not hold it
    del dataset.PixelData
    return dataset, pixels, slope, intercept


def _rescale(pixels: np.ndarray, slope: float, intercept: float, out: np.ndarray) -> None:
    """Modality LUT, PS3.3 C.11.1.1.2."""
    if pixels.shape != out.shape:
        raise ValueError("another size than the slices before")
    np.multiply(pixels, np.float32(slope), out=out, casting="unsafe")
    if intercept:
        out += np.float32(intercept)


def _number(header: Dataset, keyword: str, default: float) -> float:
    value = header.get(keyword)
    return default if value is None or value == "" else float(value)


def _position(header: Dataset) -> list[float]:
    return [float(v) for v in header.ImagePositionPatient]


def stack_of_headers(headers: list[Dataset]) -> SliceStack:
    """Where slices lie, from their headers in the order along the normal (as `series_slices.volume_for` gives them)."""
    first = headers[0]
    orientation = np.array([float(v) for v in first.ImageOrientationPatient])
    row = orientation[:3] / np.linalg.norm(orientation[:3])
    column = orientation[3:] - (orientation[3:] @ row) * row  # few decimals leave the two not quite at right angles
    between_rows, between_columns = (float(v) for v in first.PixelSpacing)
    return SliceStack(
        np.array([_position(header) for header in headers]),
        row,
        column / np.linalg.norm(column),
        (between_columns, between_rows),
        (len(headers), int(first.Rows), int(first.Columns)),
    )


def _note_geometry(stack: SliceStack, headers: list[Dataset], notes: list[str]) -> None:
    if stack.is_sheared:
        shift = np.ptp(stack.displacements * stack.spacing, axis=0)
        tilt = np.degrees(np.arctan2(np.hypot(*shift), stack.offsets[-1]))
        notes.append(
            f"slices displaced in their plane (gantry tilt of {tilt:.1f} degrees): brought to an orthogonal grid."
        )
    if stack.has_equal_gaps:
        return
    gaps = np.diff(stack.offsets)
    whole = np.abs(gaps / stack.step - np.rint(gaps / stack.step)) < 0.1
    if whole.all():
        for k in np.flatnonzero(gaps > 1.5 * stack.step):
            missing, after = round(gaps[k] / stack.step) - 1, headers[k].get("InstanceNumber", k)
            notes.append(
                f"{missing} slice(s) missing after instance {after} ({gaps[k]:.1f} mm gap): bridged by interpolation; "
                "export the whole series if it exists."
            )
    else:
        notes.append(
            f"slices lie {gaps.min():.2f} to {gaps.max():.2f} mm apart: brought to {stack.step:.2f} mm by interpolation."
        )


def _example(series: ImageSeries) -> str:
    return min(path.name for path in series.files.values())
