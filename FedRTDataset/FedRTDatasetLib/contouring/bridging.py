"""Slices between contour planes: when a structure goes on there, and what shape it has.

A slice that has no contour of its own is filled where the structure is *bridged*, that is, where contours lie on both sides
and either

- no image slice lies between them (image slices are missing there, or contours were drawn on other planes than those of
  the images), or
- the gap is one of two or more of the same length in a row (contours on every other slice, on every third, ...), at most
  MAX_SKIP_MM long.

A gap that stands alone is left empty: a slice that was forgotten looks the same as two parts of one structure. Nothing is
added beyond the first and the last contour, but that a contour off the slices belongs to the slice it is nearest to. All of
it is recorded.

The shape is that of Raya and Udupa ("Shape-based interpolation of multidimensional objects", IEEE TMI 1990) with Euclidean
distances (Herman et al. 1992): where the signed distances to both outlines, weighted by nearness, come out inside.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..imaging.geometry import SliceStack

MAX_SKIP_MM = 15.0
SAME_GAP_SLICES = 1.01  # 2.5 mm contours on 1 mm slices come in gaps of 2 and 3 slices


@dataclass
class Plane:
    """Contours at one distance from slice 0 along the normal (mm). k: the slice it lies on, or None beside the slices."""

    offset: float
    contours: list[int]
    k: int | None = None
    used: bool = False


@dataclass
class Bridged:
    """moved: slices that took the contours nearest to them. interpolated, empty: slices between contours (rasterise.py)."""

    moved: list[int] = field(default_factory=list)
    interpolated: list[int] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)
    widest_mm: float | None = None


def bridge(
    mask: np.ndarray,
    stack: SliceStack,
    drawn_on: SliceStack | None,
    planes: list[Plane],
    shape_of: Callable[[Plane, int], np.ndarray],
) -> Bridged:
    """Fill the slices of `mask` between the planes, in place.

    Args:
        mask: uint8 [k, y, x]; slices with a plane of their own are filled already.
        drawn_on: the slices the contours were drawn on; None: contours only move to their nearest slice.
        planes: sorted by offset.
        shape_of: the contours of a plane filled in the pixels of slice k, uint8 [y, x].
    """
    done = Bridged()
    taken = {plane.k for plane in planes if plane.k is not None}
    if not planes or (len(taken) == len(planes) and max(taken) - min(taken) < len(taken)):
        return done  # a contour on every slice from first to last
    at = np.array([plane.offset for plane in planes])
    bridged = _bridged_gaps(at, stack, drawn_on)
    nearest = stack.nearest_slice(at)
    distances = _Distances(shape_of, stack)
    for k in range(stack.shape[0]):
        if k in taken:
            continue
        above = int(np.searchsorted(at, stack.offsets[k]))
        between = 0 < above < len(planes)
        own = [i for i in np.flatnonzero(nearest == k) if planes[i].k is None]
        if between and bridged[above - 1]:
            lower, upper = planes[above - 1], planes[above]
            share = (stack.offsets[k] - lower.offset) / (upper.offset - lower.offset)
            mask[k] = distances.blended(lower, upper, share, k)
            lower.used = upper.used = True
            done.interpolated.append(k)
            done.widest_mm = round(max(done.widest_mm or 0.0, upper.offset - lower.offset), 3)
        elif own:
            chosen = planes[min(own, key=lambda i: abs(at[i] - stack.offsets[k]))]
            mask[k] = shape_of(chosen, k)
            chosen.used = True
            done.moved.append(k)
        elif between:
            done.empty.append(k)
    return done


def _bridged_gaps(at: np.ndarray, stack: SliceStack, drawn_on: SliceStack | None) -> np.ndarray:
    """(planes - 1,) bool: whether the structure goes on between a plane and the next."""
    gaps = np.diff(at)
    if drawn_on is None:
        return np.zeros(len(gaps), dtype=bool)
    slices = np.sort((drawn_on.positions - stack.positions[0]) @ stack.normal)
    index = np.interp(at, slices, np.arange(len(slices)))
    return goes_on(gaps, np.diff(index))


def goes_on(gaps: np.ndarray, skipped: np.ndarray) -> np.ndarray:
    """(n,) bool: over which gaps between contour planes a structure goes on; each in mm and in slices."""
    alike = (np.abs(np.diff(skipped)) <= SAME_GAP_SLICES) & (np.minimum(skipped[1:], skipped[:-1]) > 1.5)
    in_a_row = np.append(alike, False) | np.insert(alike, 0, False)
    return (skipped <= 1.5) | (in_a_row & (gaps <= MAX_SKIP_MM))


class _Distances:
    """Signed distances to the outlines of planes, each worked out once where the pixels of all slices lie alike."""

    def __init__(self, shape_of: Callable[[Plane, int], np.ndarray], stack: SliceStack) -> None:
        self._shape_of = shape_of
        self._stack = stack
        self._kept: dict[tuple[float, int], np.ndarray] = {}

    def blended(self, lower: Plane, upper: Plane, share: float, k: int) -> np.ndarray:
        """uint8 [y, x]: the shape `share` of the way from one plane to the next."""
        low, high = self._shape(lower, k), self._shape(upper, k)
        result = np.zeros_like(low)
        if low.any() and high.any():
            box = _box(low | high)
            distance = (1 - share) * self._signed(low[box]) + share * self._signed(high[box])
            result[box] = distance > 0
        return result

    def _shape(self, plane: Plane, k: int) -> np.ndarray:
        key = (plane.offset, k if self._stack.is_sheared else 0)
        if key not in self._kept:
            if len(self._kept) >= 2:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = self._shape_of(plane, k)
        return self._kept[key]

    def _signed(self, shape: np.ndarray) -> np.ndarray:
        """mm from each pixel centre to the outline, which runs half-way between centres; positive inside."""
        from scipy.ndimage import distance_transform_edt

        padded = np.pad(shape, 1)
        sampling = self._stack.spacing[::-1]
        inside = distance_transform_edt(padded, sampling)
        outside = distance_transform_edt(1 - padded, sampling)
        return (inside - outside)[1:-1, 1:-1]


def _box(mask: np.ndarray) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
