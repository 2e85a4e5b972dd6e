"""Where a mask lies and how large it is, in one pass over the voxels it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class GridLike(Protocol):
    """Size, spacing and placement of the voxels as SimpleITK states them (x, y, z; LPS; mm; direction by rows)."""

    size: Sequence[int]
    spacing_mm: Sequence[float]
    origin_mm: Sequence[float]
    direction: Sequence[float]


@dataclass(frozen=True)
class Measured:
    """One structure on the grid.

    voxels: how many. volume_cm3. centre: (x, y, z) LPS in mm. box: slices of the array that hold it, in (k, j, i).
    slices: voxels in each slice of the box. cut: it touches the border of the image, so part of it may be missing.
    """

    voxels: int
    volume_cm3: float
    centre: np.ndarray
    box: tuple[slice, slice, slice]
    slices: np.ndarray
    cut: bool

    @property
    def empty_slices(self) -> int:
        """Slices without a voxel between the first and the last one."""
        return int((self.slices == 0).sum())


def measure(mask: np.ndarray, grid: GridLike) -> Measured | None:
    """Measure a mask [k, j, i] of any number type; None where it is empty."""
    mask = np.asarray(mask)
    box = _box(mask)
    if box is None:
        return None
    inside = mask[box] != 0
    slices = inside.sum(axis=(1, 2))
    voxels = int(slices.sum())
    plane = inside.sum(axis=0)
    counts = (slices, plane.sum(axis=1), plane.sum(axis=0))
    index = np.array([np.arange(s.start, s.stop) @ c / voxels for s, c in zip(box, counts, strict=True)])
    return Measured(
        voxels=voxels,
        volume_cm3=voxels * float(np.prod(grid.spacing_mm)) / 1000,
        centre=to_lps(index[None], grid)[0],
        box=box,
        slices=slices,
        cut=any(s.start == 0 or s.stop == n for s, n in zip(box, mask.shape, strict=True)),
    )


def to_lps(index: np.ndarray, grid: GridLike) -> np.ndarray:
    """Points [n, (k, j, i)] in voxels -> [n, (x, y, z)] LPS in mm."""
    direction = np.asarray(grid.direction, float).reshape(3, 3)
    return np.asarray(grid.origin_mm, float) + (index[:, ::-1] * np.asarray(grid.spacing_mm, float)) @ direction.T


def centres_of_slices(mask: np.ndarray, grid: GridLike) -> np.ndarray:
    """[k, (x, y, z)] LPS in mm: the centre of the mask in each slice; NaN where a slice has none."""
    inside = np.asarray(mask) != 0
    along_x, along_y = inside.sum(axis=1), inside.sum(axis=2)
    total = along_x.sum(axis=1)
    with np.errstate(invalid="ignore"):
        i = along_x @ np.arange(along_x.shape[1]) / total
        j = along_y @ np.arange(along_y.shape[1]) / total
    return to_lps(np.stack([np.arange(len(total)), j, i], axis=1), grid)


def _box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    slices = mask.any(axis=(1, 2))
    if not slices.any():
        return None
    k = _range(slices)
    plane = mask[k].any(axis=0)
    return k, _range(plane.any(axis=1)), _range(plane.any(axis=0))


def _range(present: np.ndarray) -> slice:
    where = np.flatnonzero(present)
    return slice(int(where[0]), int(where[-1]) + 1)
