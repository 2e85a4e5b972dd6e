"""The even-odd rule at pixel centres, for one slice or for a whole structure at once. Nothing is snapped to the grid.

Every edge toggles, on each row whose centre line it crosses, the first pixel right of the crossing; running along the row,
each toggle turns inside to outside and back. Half-open intervals (upper end excluded, left border included) make a vertex
on a centre line count exactly once, so that tiles neither overlap nor leave gaps.
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

    Only the box that a slice's loops fill is touched: fresh memory costs more than the arithmetic.

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
    k = np.repeat(slices, np.diff(starts))
    row, column, k = _crossings(pixels, pixels[following], k, mask.shape[1:])
    top, bottom, left, right = _boxes(row, column, k, len(mask))
    within = column < mask.shape[2]  # what lies right of the image toggles nothing in it
    row, column, k = row[within], column[within], k[within]
    np.bitwise_xor.at(mask.reshape(-1), (k * mask.shape[1] + row) * mask.shape[2] + column, np.uint8(1))
    for touched in np.flatnonzero(bottom):
        box = mask[touched, top[touched] : bottom[touched], left[touched] : right[touched]]
        np.bitwise_xor.accumulate(box, axis=1, out=box)
        filled[touched] = np.count_nonzero(box)
    return filled


def _boxes(row: np.ndarray, column: np.ndarray, k: np.ndarray, slices: int) -> tuple[np.ndarray, ...]:
    """(k,) each: top, bottom, left and right of the pixels on each slice; bottom is 0 where there are none."""
    top, left = (np.full(slices, np.iinfo(np.int64).max) for _ in range(2))
    bottom, right = (np.zeros(slices, dtype=np.int64) for _ in range(2))
    np.minimum.at(top, k, row)
    np.minimum.at(left, k, column)
    np.maximum.at(bottom, k, row + 1)
    np.maximum.at(right, k, column + 1)
    return top, bottom, left, right


def _crossings(start: np.ndarray, end: np.ndarray, k: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Row, column and slice of every pixel that is the first right of where an edge crosses its row (columns: none is)."""
    rows, columns = shape
    upward = (start[:, 1] < end[:, 1])[:, None]
    low, high = np.where(upward, start, end), np.where(upward, end, start)
    first = np.clip(np.ceil(low[:, 1]), 0, rows).astype(np.int64)
    count = np.clip(np.ceil(high[:, 1]), 0, rows).astype(np.int64) - first
    crossing = np.flatnonzero(count)
    first, count, low, high, k = first[crossing], count[crossing], low[crossing], high[crossing], k[crossing]

    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) + (first - np.cumsum(count) + count)[edge]
    slope = (high[:, 0] - low[:, 0]) / (high[:, 1] - low[:, 1])
    x = low[edge, 0] + (row - low[edge, 1]) * slope[edge]
    column = np.clip(np.ceil(x), 0, columns).astype(np.int64)
    return row, column, k[edge]
