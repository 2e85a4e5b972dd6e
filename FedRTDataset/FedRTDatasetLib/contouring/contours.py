"""Original planar contours on disk, beside the mask they became: exact to the bit, all geometric types.

One `.npz` file (numbers only, nothing in it is executed): for each ROI the kinds, lengths and coordinates of its contours.
It holds no ROI names as written and no UIDs: the structure's TG-263 name, ROI Number, Contour Geometric Type, LPS mm.

Coordinates come from decimal strings, so nearly always all of a ROI's are whole multiples of 0.1, 0.01, 0.001, ... mm; they
are then stored as the differences of these whole numbers, a third of the space and exactly the same numbers again. That is
tried for each ROI, and what is not exact this way is stored as it is.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..atomic import replacing
from ..errors import FedRTError
from .rtstruct_read import KINDS, Contour, Roi

FORMAT = "fedrt-contours/1"
MOST_DECIMALS = 13
LARGEST_WHOLE = 2**53  # up to here every whole number is a float64


@dataclass(frozen=True)
class StoredRoi:
    """The contours of a structure in a file; `contours` are read when they are asked for.

    name: TG-263 name. number: ROI Number. contour_count, point_count: how many there are.
    """

    name: str
    number: int
    contour_count: int
    point_count: int
    _file: Path
    _index: int
    _decimals: int | None

    @cached_property
    def contours(self) -> list[Contour]:
        """All contours in their original order, points (n, 3) float64 LPS mm.

        Raises:
            FedRTError: the file was damaged.
        """
        try:
            with np.load(self._file, allow_pickle=False) as stored:
                kinds, lengths, values = (stored[f"{self._index}.{what}"] for what in ("kinds", "lengths", "points"))
            points = _decoded(values, self._decimals).T
            ends = np.cumsum(lengths.astype(np.int64))
            if len(points) != self.point_count or ends[-1:].sum() != self.point_count:
                raise ValueError("lengths do not add up")
            return [
                Contour(([*KINDS, ""])[kind], points[end - length : end])
                for kind, length, end in zip(kinds.tolist(), lengths.tolist(), ends.tolist(), strict=True)
            ]
        except Exception as error:
            raise _damaged(self._file, error) from error

    def as_roi(self) -> Roi:
        """The same as a Roi, for rasterise_roi and write_rtstruct."""
        return Roi(self.number, self.name, list(self.contours))


def write_contours(path: Path | str, rois: Iterable[tuple[str, Roi]]) -> None:
    """Write the contours of (TG-263 name, ROI) pairs, atomically; several ROIs may bear one name."""
    described, arrays = [], {}
    for index, (name, roi) in enumerate(rois):
        points = [contour.points for contour in roi.contours]
        whole = np.ascontiguousarray(np.concatenate(points).T if points else np.zeros((3, 0)), dtype=np.float64)
        values, decimals = _encoded(whole)
        arrays[f"{index}.kinds"] = np.array([_kind(contour) for contour in roi.contours], dtype=np.uint8)
        arrays[f"{index}.lengths"] = np.array([len(p) for p in points], dtype=np.uint32)
        arrays[f"{index}.points"] = values
        described.append(
            {
                "name": name,
                "number": roi.number,
                "contours": len(points),
                "points": whole.shape[1],
                "decimals": decimals,
            }
        )
    header = {"format": FORMAT, "space": "LPS", "unit": "mm", "kinds": KINDS, "rois": described}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, **arrays)


def read_contours(path: Path | str) -> list[StoredRoi]:
    """The ROIs of a contour file in the order they were written; their points are read on demand.

    Raises:
        FedRTError: the file is missing or is no contour file.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as stored:
            header = json.loads(stored["header"].tobytes())
        if header["format"] != FORMAT:
            raise ValueError(f"format {header['format']}")
        return [
            StoredRoi(r["name"], int(r["number"]), int(r["contours"]), int(r["points"]), path, index, r["decimals"])
            for index, r in enumerate(header["rois"])
        ]
    except Exception as error:
        raise _damaged(path, error) from error


def _kind(contour: Contour) -> int:
    return KINDS.index(contour.kind) if contour.kind in KINDS else len(KINDS)


def _encoded(points: np.ndarray) -> tuple[np.ndarray, int | None]:
    """(3, n) coordinates as (3, n) differences of whole multiples of 10**-decimals, or as they are (decimals None)."""
    for decimals in range(MOST_DECIMALS + 1):
        whole = np.rint(points * 10.0**decimals)
        if np.abs(whole).max(initial=0) >= LARGEST_WHOLE:
            break
        whole = whole.astype(np.int64)  # has no -0
        if np.array_equal((whole / 10.0**decimals).view(np.int64), points.view(np.int64)):
            steps = np.diff(whole, axis=1, prepend=0)
            small = np.abs(steps).max(initial=0) < 2**31
            return steps.astype(np.int32 if small else np.int64), decimals
    return points, None


def _decoded(values: np.ndarray, decimals: int | None) -> np.ndarray:
    if decimals is None:
        return values
    return np.cumsum(values, axis=1, dtype=np.int64) / 10.0**decimals


def _damaged(path: Path, error: Exception) -> FedRTError:
    return FedRTError(f"{path.name} cannot be read as contours ({type(error).__name__}); build the case again.")
