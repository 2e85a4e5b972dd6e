"""Planar contours to voxels: the even-odd rule at voxel centres, nothing snapped.

A voxel belongs to a structure when its centre lies inside an odd number of the structure's contours on its slice. That
gives keyhole holes, contours drawn inside another (XOR holes) and islands in holes their right meaning without knowing
which is which (DICOM PS3.3 C.8.8.6.3). Two contours of one ROI that overlap therefore cancel in their overlap.
"""

import numpy as np

from .geometry import SliceStack


def rasterise(polygons: list[np.ndarray], stack: SliceStack) -> tuple[np.ndarray, int]:
    """The mask of a structure's closed planar contours.

    Args:
        polygons: each (n, 3) LPS mm, one closed contour (the last point joins the first).
        stack: the pixel grid.

    Returns:
        uint8 mask [k, y, x] of the stack's shape, and the number of contours that lie beyond half a step of any slice.
    """
    mask = np.zeros(stack.shape, dtype=np.uint8)
    per_slice: dict[int, list[np.ndarray]] = {}
    beyond = 0
    for polygon in polygons:
        offset = (polygon.mean(axis=0) - stack.positions[0]) @ stack.normal
        k = int(stack.nearest_slice(np.array([offset]))[0])
        if k < 0:
            beyond += 1
        else:
            per_slice.setdefault(k, []).append(stack.to_pixels(polygon, k))
    for k, loops in per_slice.items():
        mask[k] = fill_even_odd(loops, stack.shape[1:])
    return mask, beyond


def fill_even_odd(loops: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """uint8 [rows, columns]: 1 where a pixel centre lies inside an odd number of `loops`, each (n, 2) of (x, y).

    Every edge toggles, on each row whose centre line it crosses, all pixels from the crossing rightwards; half-open
    intervals (upper end excluded, left border included) make a vertex on a centre line count exactly once.
    """
    start = np.concatenate(loops)
    end = np.concatenate([np.roll(loop, -1, axis=0) for loop in loops])
    rows, columns = shape

    upward = start[:, 1] < end[:, 1]
    low = np.where(upward[:, None], start, end)
    high = np.where(upward[:, None], end, start)
    first = np.clip(np.ceil(low[:, 1]), 0, rows).astype(np.int64)
    last = np.clip(np.ceil(high[:, 1]), 0, rows).astype(np.int64)  # exclusive
    count = last - first
    crossed = count > 0
    first, count, low, high = first[crossed], count[crossed], low[crossed], high[crossed]

    edge = np.repeat(np.arange(len(count)), count)
    row = first[edge] + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    slope = (high[:, 0] - low[:, 0]) / (high[:, 1] - low[:, 1])
    crossing = low[edge, 0] + (row - low[edge, 1]) * slope[edge]
    column = np.clip(np.ceil(crossing), 0, columns).astype(np.int64)

    toggles = np.bincount(row * (columns + 1) + column, minlength=rows * (columns + 1)).reshape(rows, columns + 1)
    return (np.cumsum(toggles, axis=1)[:, :columns] & 1).astype(np.uint8)
