"""Voxels to planar contours, so that rasterising them gives the same voxels again.

A probability map is contoured at the level 0.5 (linear interpolation between voxel centres). A mask's contour is fitted
between the same centres (`outline_fit`). Holes are joined to their outline by a channel of no width (keyhole technique,
DICOM PS3.3 C.8.8.6.3), which every reader of CLOSED_PLANAR contours understands.
"""

import itertools
from dataclasses import dataclass

import contourpy
import numpy as np

from ..imaging.geometry import SliceStack
from .outline_fit import crossings_of, fit
from .outline_thin import thin

# A contour keeps this far from a voxel centre (pixels), so that rounding coordinates to the 16 bytes of a DICOM decimal
# string cannot move a centre to the other side.
CLEARANCE = 0.01


@dataclass
class _Part:
    """An outline with its holes: the numbers of its loops, the outline first. k: the slice."""

    k: int
    loops: list[int]


def outline(values: np.ndarray, stack: SliceStack, *, tolerance: float = 0.0) -> list[np.ndarray]:
    """Closed planar contours of a structure.

    Args:
        values: [k, y, x] of the stack's shape; a mask (0, 1) or probabilities in [0, 1]; inside is >= 0.5.
        stack: the pixel grid.
        tolerance: pixels the contour may move for the sake of fewer points; the voxels inside stay the same ones. With 0
            only collinear points are left out.

    Returns:
        Polygons, each (n, 3) LPS mm on one slice plane, the closing point not repeated.
    """
    loops: list[np.ndarray] = []
    parts: list[_Part] = []
    for k in np.flatnonzero((values >= 0.5).any(axis=(1, 2))):
        _trace(values[k], int(k), loops, parts)
    polygons = _finish(loops, parts, stack.spacing, _is_mask(values), tolerance)
    return [stack.to_patient(polygon, part.k) for part, polygon in zip(parts, polygons, strict=True)]


def outline_slice(
    values: np.ndarray, spacing: tuple[float, float] = (1.0, 1.0), *, tolerance: float = 0.0
) -> list[np.ndarray]:
    """The keyholed loops of one slice [y, x], each (n, 2) of (x, y) pixel coordinates; `spacing` is (x, y)."""
    values = np.asarray(values)
    if not (values >= 0.5).any():
        return []
    loops: list[np.ndarray] = []
    parts: list[_Part] = []
    _trace(values, 0, loops, parts)
    return _finish(loops, parts, spacing, _is_mask(values), tolerance)


def _is_mask(values: np.ndarray) -> bool:
    return values.dtype.kind in "bui" or bool(np.all((values == 0) | (values == 1)))


def _trace(values: np.ndarray, k: int, loops: list[np.ndarray], parts: list[_Part]) -> None:
    """Add the loops of a slice at the level 0.5, vertices on the grid lines between centres, and what belongs together."""
    rows, columns = (np.flatnonzero((values >= 0.5).any(axis=axis)) for axis in (1, 0))
    top, left = max(rows[0] - 1, 0), max(columns[0] - 1, 0)
    window = np.asarray(values[top : rows[-1] + 2, left : columns[-1] + 2], dtype=np.float64)
    # A value of exactly 0.5 would put a vertex on a voxel centre; the smallest step to its side does not move the contour.
    clear = np.where(window >= 0.5, np.maximum(window, 0.5 + 1e-6), np.minimum(window, 0.5 - 1e-6))
    padded = np.pad(clear, 1)  # outside the image is outside the structure: every contour closes
    generator = contourpy.contour_generator(z=padded, name="serial", fill_type=contourpy.FillType.OuterOffset)
    shift = np.array([left - 1.0, top - 1.0])
    for points, offsets in zip(*generator.filled(0.5, np.inf), strict=True):
        begin = len(loops)
        loops += [points[a : b - 1] + shift for a, b in itertools.pairwise(offsets)]
        parts.append(_Part(k, list(range(begin, len(loops)))))


def _finish(
    loops: list[np.ndarray], parts: list[_Part], spacing: tuple[float, float], is_mask: bool, tolerance: float
) -> list[np.ndarray]:
    """One polygon a part: fitted (a mask), thinned and keyholed; (n, 2) pixel coordinates."""
    if not loops:
        return []
    crossings = crossings_of(loops)
    along = fit(crossings, spacing, CLEARANCE) if is_mask else np.clip(crossings.along, CLEARANCE, 1 - CLEARANCE)
    points = crossings.points(along)
    starts = np.cumsum([0] + [len(loop) for loop in loops])
    pinned = np.zeros(len(points), bool)
    in_mm = points * np.asarray(spacing)
    channels = [_channels(part, in_mm, starts) for part in parts]
    for part_channels in channels:
        for a, b, _ in part_channels:
            pinned[[a, b]] = True
    kept = thin(crossings, along, pinned, tolerance, CLEARANCE)
    return [
        points[_keyhole(part, part_channels, starts, kept)] for part, part_channels in zip(parts, channels, strict=True)
    ]


def _channels(part: _Part, points: np.ndarray, starts: np.ndarray) -> list[tuple[int, int, int]]:
    """Where each hole is joined to what is joined already: (vertex there, vertex of the hole, the hole's loop).

    The nearest hole comes first, by the shortest channel, so that no channel crosses another hole.
    """
    if len(part.loops) == 1:
        return []
    from scipy.spatial import KDTree

    of = [points[starts[loop] : starts[loop + 1]] for loop in part.loops]
    low, high = (np.array([end(loop, axis=0) for loop in of]) for end in (np.min, np.max))
    distance = np.full(len(of), np.inf)  # of each waiting hole to what is joined
    pair = np.zeros((len(of), 2), dtype=np.int64)
    waiting = np.arange(len(of)) > 0
    found, joined = [], 0
    while waiting.any():
        apart = np.maximum(np.maximum(low - high[joined], low[joined] - high), 0)  # of the boxes round them
        near = np.flatnonzero(waiting & (np.hypot(*apart.T) < distance))
        if len(near):
            gaps, nearest = KDTree(of[joined]).query(np.concatenate([of[loop] for loop in near]))
        ends = np.cumsum([0] + [len(of[loop]) for loop in near])
        for loop, begin, end in zip(near, ends[:-1], ends[1:], strict=True):
            i = begin + int(np.argmin(gaps[begin:end]))
            if gaps[i] < distance[loop]:
                distance[loop] = gaps[i]
                pair[loop] = starts[part.loops[joined]] + nearest[i], starts[part.loops[loop]] + i - begin
        joined = int(np.argmin(np.where(waiting, distance, np.inf)))
        waiting[joined] = False
        found.append((*pair[joined].tolist(), part.loops[joined]))
    return found


def _keyhole(part: _Part, channels: list[tuple[int, int, int]], starts: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Vertex numbers of one loop that runs along the outline and, through the channels, around every hole."""
    joined = _vertices(part.loops[0], starts, kept)
    for there, here, loop in channels:
        hole = _vertices(loop, starts, kept)
        hole = np.roll(hole, -int(np.flatnonzero(hole == here)[0]))
        i = int(np.flatnonzero(joined == there)[0])
        joined = np.concatenate([joined[: i + 1], hole, hole[:1], joined[i:]])
    return joined


def _vertices(loop: int, starts: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return starts[loop] + np.flatnonzero(kept[starts[loop] : starts[loop + 1]])
