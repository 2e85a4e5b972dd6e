"""The even-odd rule at pixel centres, for one slice or for a whole structure at once. Nothing is snapped to the grid.

Every edge toggles, on each column whose centre line it crosses, the first pixel below the crossing; running down the column,
each toggle turns inside to outside and back. Half-open intervals (right and lower end excluded, left and upper border
included) make a vertex on a centre line count exactly once, so that tiles neither overlap nor leave gaps. Columns rather
than rows, because a whole row of all slices is then turned in one step.
"""

import numpy as np


def fill_even_odd(loops: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """uint8 [rows, columns]: 1 where a pixel centre lies inside an odd number of `loops`, each (n, 2) of (x, y)."""
    mask = np.zeros((1, *shape), dtype=np.uint8)
    starts = np.concatenate([[0], np.cumsum([len(loop) for loop in loops])])
    fill_slices(mask, np.concatenate(loops), starts, np.zeros(len(loops), dtype=np.int64))
    return mask[0]


def fill_slices(mask: np.ndarray, pixels: np.ndarray, starts: np.ndarray, slices: np.ndarray) -> np.ndarray:
    """Fill loops into their slices of an empty mask, in place.

    Only the box that the loops fill is touched: fresh memory costs more than the arithmetic.

    Args:
        mask: uint8 [k, y, x], zero on the slices named.
        pixels: (n, 2) the points (x, y) of all loops one after the other, each loop closed by its first point.
        starts: (loops + 1,) where each loop starts in `pixels`, and the end.
        slices: (loops,) the slice k of each loop.

    Returns:
        (k,) the number of voxels that were filled on each slice of the mask.
    """
    filled = np.zeros(len(mask), dtype=np.int64)
    following = np.arange(1, len(pixels) + 1)
    following[starts[1:] - 1] = starts[:-1]
    column, row, k = _crossings(pixels, pixels[following], np.repeat(slices, np.diff(starts)), mask.shape[1:])
    if not len(column):
        return filled
    top, bottom, left, right = row.min(), min(row.max() + 1, mask.shape[1]), column.min(), column.max() + 1
    within = row < mask.shape[1]  # what lies below the image toggles nothing in it
    row, column, k = row[within], column[within], k[within]
    np.bitwise_xor.at(mask.reshape(-1), (k * mask.shape[1] + row) * mask.shape[2] + column, np.uint8(1))
    used = np.unique(k)
    for run in np.split(used, np.flatnonzero(np.diff(used) > 1) + 1) if len(used) else []:
        box = mask[run[0] : run[-1] + 1, top:bottom, left:right]
        for y in range(1, box.shape[1]):
            np.bitwise_xor(box[:, y], box[:, y - 1], out=box[:, y])
        filled[run] = [np.count_nonzero(part) for part in box]
    return filled


def _crossings(start: np.ndarray, end: np.ndarray, k: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Column, row and slice of each pixel that is the first below where an edge crosses its column (rows: none is)."""
    rows, columns = shape
    rightward = (start[:, 0] < end[:, 0])[:, None]
    low, high = np.where(rightward, start, end), np.where(rightward, end, start)
    first = np.clip(np.ceil(low[:, 0]), 0, columns).astype(np.int64)
    count = np.clip(np.ceil(high[:, 0]), 0, columns).astype(np.int64) - first
    crossing = np.flatnonzero(count)
    first, count, low, high, k = first[crossing], count[crossing], low[crossing], high[crossing], k[crossing]

    edge = np.repeat(np.arange(len(count)), count)
    column = np.arange(len(edge)) + (first - np.cumsum(count) + count)[edge]
    slope = (high[:, 1] - low[:, 1]) / (high[:, 0] - low[:, 0])
    y = low[edge, 1] + (column - low[edge, 0]) * slope[edge]
    row = np.clip(np.ceil(y), 0, rows).astype(np.int64)
    return column, row, k[edge]
