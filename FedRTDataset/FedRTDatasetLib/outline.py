"""Voxels to planar contours, so that rasterising them gives the same voxels again.

Contours run at the level 0.5 between voxel centres (linear interpolation), holes are joined to their outline by a channel
of no width (keyhole technique, DICOM PS3.3 C.8.8.6.3), which every reader of CLOSED_PLANAR contours understands.
"""

import itertools

import contourpy
import numpy as np

from .geometry import SliceStack

# A contour keeps this far from a voxel centre (pixels), so that rounding coordinates to the 16 bytes of a DICOM decimal
# string cannot move a centre to the other side.
CLEARANCE = 0.01


def outline(values: np.ndarray, stack: SliceStack) -> list[np.ndarray]:
    """Closed planar contours of a structure.

    Args:
        values: [k, y, x] of the stack's shape; a mask (0, 1) or probabilities in [0, 1]; inside is >= 0.5.
        stack: the pixel grid.

    Returns:
        Polygons, each (n, 3) LPS mm on one slice plane, the closing point not repeated.
    """
    polygons = []
    for k in np.flatnonzero((values >= 0.5).any(axis=(1, 2))):
        for loop in outline_slice(values[k]):
            polygons.append(stack.to_patient(loop, int(k)))
    return polygons


def outline_slice(values: np.ndarray) -> list[np.ndarray]:
    """The keyholed loops of one slice [y, x], each (n, 2) of (x, y) pixel coordinates."""
    values = np.asarray(values, dtype=np.float64)
    # A value of exactly 0.5 would put a vertex on a voxel centre; the smallest step to its side does not move the contour.
    clear = np.where(values >= 0.5, np.maximum(values, 0.5 + 1e-6), np.minimum(values, 0.5 - 1e-6))
    padded = np.pad(clear, 1)  # outside the image is outside the structure: every contour closes
    generator = contourpy.contour_generator(z=padded, name="serial", fill_type=contourpy.FillType.OuterOffset)
    points, offsets = generator.filled(0.5, np.inf)
    return [
        _keyhole([_off_centres(part[a : b - 1]) - 1.0 for a, b in itertools.pairwise(offset)])
        for part, offset in zip(points, offsets, strict=True)
    ]


def _off_centres(vertices: np.ndarray) -> np.ndarray:
    """Vertices lie on grid lines between two centres; those closer than CLEARANCE to one move along their line."""
    nearest = np.rint(vertices)
    beside = vertices - nearest
    on_line = (
        np.abs(beside) < 1e-8
    )  # an integer but for the last bit of its interpolation; real distances are over 1e-7
    too_close = ~on_line & (np.abs(beside) < CLEARANCE)
    return np.where(too_close, nearest + np.copysign(CLEARANCE, beside), vertices)


def _keyhole(loops: list[np.ndarray]) -> np.ndarray:
    """One loop from an outline and its holes: each hole is joined where it comes nearest to what is joined already."""
    joined, holes = loops[0], list(loops[1:])
    while holes:
        gaps = [_nearest(joined, hole) for hole in holes]
        chosen = int(np.argmin([gap[0] for gap in gaps]))  # nearest first: its channel cannot cross another hole
        _, i, j = gaps[chosen]
        hole = np.roll(holes.pop(chosen), -j, axis=0)
        joined = np.concatenate([joined[: i + 1], hole, hole[:1], joined[i:]])
    return joined


def _nearest(a: np.ndarray, b: np.ndarray) -> tuple[float, int, int]:
    """Squared distance and indices of the nearest pair of points of two loops."""
    from scipy.spatial import KDTree

    distance, index = KDTree(b).query(a)
    i = int(np.argmin(distance))
    return float(distance[i]), i, int(index[i])
