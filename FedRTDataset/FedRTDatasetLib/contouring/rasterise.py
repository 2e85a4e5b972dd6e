"""Planar contours to voxels: the even-odd rule at voxel centres, nothing snapped.

A voxel belongs to a structure when its centre lies inside the structure's contours on its slice; what several contours on
one slice mean together is told in contour_rule.py. Slices without contours of their own stay empty, except where the
structure is bridged (bridging.py), which is recorded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..imaging.geometry import SliceStack
from .bridging import Plane, bridge
from .contour_rule import fill_together
from .rtstruct_read import XOR, Roi
from .scanline import fill_even_odd, fill_slices

ON_SLICE_MM = 0.1  # a contour this close to a slice (or ON_SLICE of the step) lies on it: rounded coordinates
ON_SLICE = 0.05
TOUCHING_MM = 1e-3  # boxes of neighbouring contours may overlap by rounding


class RasterRecord(BaseModel):
    """How a ROI's contours became its mask: counts and slice indices k of the stack, no names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    closed_contours: int = 0
    """CLOSED_PLANAR and CLOSEDPLANAR_XOR contours that were read."""
    open_contours: int = 0
    """POINT, OPEN_PLANAR and OPEN_NONPLANAR contours: they enclose no area and are kept beside the mask."""
    broken_contours: int = 0
    """Contours without usable points (fewer than three for a closed one, not finite, not triplets): left out."""
    beyond_contours: int = 0
    """Closed contours on no slice of the stack (beyond its ends, or where slices are missing) that no bridge used."""
    tilted_contours: int = 0
    """Closed contours that do not lie in the plane of the slices: left out of the mask."""
    repeated_contours: int = 0
    """Contours that repeat another on their slice: counted once."""
    crossing_contours: int = 0
    """Pairs of contours on one slice that overlap: their union counts."""
    exclusive: bool = False
    """True where contours of type CLOSEDPLANAR_XOR were combined by exclusive disjunction."""
    moved_slices: list[int] = []
    """Slices that took the shape of a contour that lies beside them, no contour lying on the other side."""
    interpolated_slices: list[int] = []
    """Slices without a contour of their own between two contours, filled by shape-based interpolation."""
    interpolated_from_mm: float | None = None
    """The widest distance between two contour planes that was bridged."""
    empty_slices: list[int] = []
    """Slices without contours between contoured ones that were left empty: forgotten, or meant to be so."""
    sub_voxel_slices: list[int] = []
    """Slices whose contours enclose no voxel centre."""
    voxels: int = 0


@dataclass
class RoiMask:
    """mask: uint8 [k, y, x] of the stack's shape. record: how it came about. slices: where the mask may hold something."""

    mask: np.ndarray
    record: RasterRecord
    slices: list[int] = field(default_factory=list)


@dataclass
class _Loops:
    """Closed contours as flat arrays: points (n, 3) LPS mm, starts (m + 1,), exclusive (m,) bool.

    repeated, crossing: what was found on a plane, by the first contour on it.
    """

    points: np.ndarray
    starts: np.ndarray
    exclusive: np.ndarray
    repeated: dict[int, int] = field(default_factory=dict)
    crossing: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def loop(self, i: int) -> np.ndarray:
        return self.points[self.starts[i] : self.starts[i + 1]]


def rasterise(polygons: list[np.ndarray], stack: SliceStack) -> tuple[np.ndarray, int]:
    """The mask of closed planar contours, each on the slice it is nearest to; nothing is bridged.

    Args:
        polygons: each (n, 3) LPS mm, one closed contour (the last point joins the first).
        stack: the pixel grid.

    Returns:
        uint8 mask [k, y, x] of the stack's shape, and the number of contours that no slice stands for or that are tilted
        against the slices.
    """
    made = _rasterise(_loops(polygons, [False] * len(polygons)), stack, None)
    return made.mask, made.record.beyond_contours + made.record.tilted_contours


def rasterise_each(
    rois: Iterable[Roi], stack: SliceStack, drawn_on: SliceStack | None = None
) -> Iterator[tuple[Roi, RoiMask]]:
    """`rasterise_roi` of one ROI after the other in the memory of one mask: each mask holds until the next is asked for."""
    mask = np.zeros(stack.shape, dtype=np.uint8)
    for roi in rois:
        made = rasterise_roi(roi, stack, drawn_on, out=mask)
        yield roi, made
        mask[made.slices] = 0


def rasterise_roi(
    roi: Roi, stack: SliceStack, drawn_on: SliceStack | None = None, *, out: np.ndarray | None = None
) -> RoiMask:
    """The mask of a ROI and the record of what its contours were and what was done about them.

    Args:
        roi: as read from an RTSTRUCT.
        stack: the pixel grid of the mask; also the orthogonal grid that a tilted or uneven series was brought to.
        drawn_on: the series' own slices where `stack` is another grid: what lies between two of them is bridged.
        out: uint8 zeros of the stack's shape to draw in; a new mask otherwise.
    """
    closed = [contour for contour in roi.contours if contour.is_area]
    made = _rasterise(
        _loops([contour.points for contour in closed], [contour.kind == XOR for contour in closed]),
        stack,
        drawn_on or stack,
        out,
    )
    made.record = made.record.model_copy(
        update={"open_contours": roi.other_contours, "broken_contours": roi.broken_contours}
    )
    return made


def _loops(polygons: list[np.ndarray], exclusive: list[bool]) -> _Loops:
    starts = np.concatenate([[0], np.cumsum([len(polygon) for polygon in polygons])]).astype(np.int64)
    points = np.concatenate(polygons) if polygons else np.zeros((0, 3))
    return _Loops(points, starts, np.array(exclusive, dtype=bool))


def _rasterise(loops: _Loops, stack: SliceStack, drawn_on: SliceStack | None, out: np.ndarray | None = None) -> RoiMask:
    mask = np.zeros(stack.shape, dtype=np.uint8) if out is None else out
    if not len(loops):
        return RoiMask(mask, RasterRecord())
    planes, tilted = _planes(loops, stack)
    own = [plane for plane in planes if plane.k is not None]
    filled = _fill_own_slices(mask, loops, own, stack)
    bridged = bridge(mask, stack, drawn_on, planes, lambda plane, k: _fill_plane(loops, plane.contours, stack, k))
    unused = [plane for plane in planes if plane.k is None and not plane.used]
    record = RasterRecord(
        closed_contours=len(loops),
        beyond_contours=sum(len(plane.contours) for plane in unused),
        tilted_contours=tilted,
        repeated_contours=sum(loops.repeated.values()),
        crossing_contours=sum(loops.crossing.values()),
        exclusive=bool(loops.exclusive.any()),
        moved_slices=bridged.moved,
        interpolated_slices=bridged.interpolated,
        interpolated_from_mm=bridged.widest_mm,
        empty_slices=bridged.empty,
        sub_voxel_slices=[plane.k for plane in own if not filled[plane.k]],
        voxels=int(filled.sum() + sum(np.count_nonzero(mask[k]) for k in bridged.moved + bridged.interpolated)),
    )
    return RoiMask(mask, record, [plane.k for plane in own] + bridged.moved + bridged.interpolated)


def _planes(loops: _Loops, stack: SliceStack) -> tuple[list[Plane], int]:
    """The contours by their distance from slice 0 along the normal, sorted; and how many are tilted out of a slice."""
    along = (loops.points - stack.positions[0]) @ stack.normal
    first = loops.starts[:-1]
    tilted = np.maximum.reduceat(along, first) - np.minimum.reduceat(along, first) > 0.5 * stack.step
    offsets = np.add.reduceat(along, first) / np.diff(loops.starts)
    nearest = stack.closest_slice(offsets)
    on_slice = np.abs(offsets - stack.offsets[nearest]) <= max(ON_SLICE_MM, ON_SLICE * stack.step)

    of_slice: dict[int, list[int]] = {}
    beside: list[Plane] = []
    for i in np.argsort(offsets, kind="stable"):
        if tilted[i]:
            continue
        if on_slice[i]:
            of_slice.setdefault(int(nearest[i]), []).append(int(i))
        elif beside and offsets[i] - beside[-1].offset <= ON_SLICE_MM:
            beside[-1].contours.append(int(i))
        else:
            beside.append(Plane(float(offsets[i]), [int(i)]))
    planes = beside + [Plane(float(stack.offsets[k]), sorted(members), k) for k, members in of_slice.items()]
    return sorted(planes, key=lambda plane: plane.offset), int(tilted.sum())


def _fill_own_slices(mask: np.ndarray, loops: _Loops, planes: list[Plane], stack: SliceStack) -> np.ndarray:
    """Fill the contours that lie on slices: all at once but for slices where contours may overlap.

    Returns:
        (k,) the number of voxels filled on each slice.
    """
    filled = np.zeros(len(mask), dtype=np.int64)
    boxes = _boxes(loops, stack)
    slice_of = np.full(len(loops), -1)
    for plane in planes:
        if len(plane.contours) > 1 and _any_meet(boxes[plane.contours]) and not loops.exclusive[plane.contours].any():
            mask[plane.k] = _fill_plane(loops, plane.contours, stack, plane.k)
            filled[plane.k] = np.count_nonzero(mask[plane.k])
        else:
            slice_of[plane.contours] = plane.k
    length = np.diff(loops.starts)
    chosen = slice_of >= 0
    k = np.repeat(slice_of, length)
    wanted = k >= 0
    starts = np.concatenate([[0], np.cumsum(length[chosen])])
    if chosen.any():
        filled += fill_slices(mask, stack.to_pixels(loops.points[wanted], k[wanted]), starts, slice_of[chosen])
    return filled


def _boxes(loops: _Loops, stack: SliceStack) -> np.ndarray:
    """(m, 4) mm: lower and upper corner of each contour in the plane."""
    in_plane = loops.points @ stack.axes[:, :2]
    first = loops.starts[:-1]
    return np.hstack([np.minimum.reduceat(in_plane, first), np.maximum.reduceat(in_plane, first)])


def _any_meet(boxes: np.ndarray) -> bool:
    low, high = boxes[:, :2], boxes[:, 2:]
    meet = ((low[:, None] + TOUCHING_MM < high) & (low + TOUCHING_MM < high[:, None])).all(axis=2)
    return bool(meet.sum() > len(boxes))


def _fill_plane(loops: _Loops, contours: list[int], stack: SliceStack, k: int) -> np.ndarray:
    """uint8 [y, x]: what contours on one plane mean together, seen along the normal on the pixels of slice k."""
    pixels = [stack.to_pixels(loops.loop(i), k) for i in contours]
    if len(pixels) == 1 or loops.exclusive[contours].any():
        return fill_even_odd(pixels, stack.shape[1:])
    mask, loops.repeated[contours[0]], loops.crossing[contours[0]] = fill_together(pixels, stack.shape[1:])
    return mask
