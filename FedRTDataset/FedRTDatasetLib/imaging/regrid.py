"""Linear interpolation of a slice stack whose slices are unevenly spaced or displaced (geometry.bring_to calls it)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .geometry import SliceStack

COARSER = 1.2  # times the old voxel size: from here on an axis is smoothed before it is sampled
SNAP = 1e-3  # of a voxel: sampling points this close to a voxel centre take its value


def smoothing_sigma(old: float, new: float, size: int) -> float:
    """Of the box that a coarse voxel averages, less the fine one's; 0 where nothing is to be smoothed."""
    return 0.35 * (new**2 - old**2) ** 0.5 if new > COARSER * old and size >= 4 else 0.0


def smoothed(array: np.ndarray, stack: SliceStack, grid) -> np.ndarray:
    """float32 [k, y, x], smoothed along the stack's axes that become coarser on `grid` (as `preprocess.resample` does)."""
    import SimpleITK as sitk

    nearest = np.abs(stack.axes.T @ np.reshape(grid.direction, (3, 3))).argmax(axis=1)
    for axis, old in enumerate((*stack.spacing, stack.step)):
        new = grid.spacing_mm[nearest[axis]]
        sigma = smoothing_sigma(old, new, array.shape[2 - axis])
        if not sigma:
            continue
        if axis == 2 and not stack.has_equal_gaps:
            array = _smoothed_across_slices(array, stack.offsets, sigma)
        else:
            image = sitk.GetImageFromArray(array)
            image.SetSpacing((*map(float, stack.spacing), stack.step))
            array = sitk.GetArrayFromImage(sitk.RecursiveGaussian(image, sigma, direction=axis))
    return array


def _smoothed_across_slices(array: np.ndarray, offsets: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian over millimetres where slices are unevenly spaced; each counts with the thickness it stands for."""
    thickness = np.gradient(offsets)
    weights = np.exp(-0.5 * ((offsets[:, None] - offsets) / sigma) ** 2) * thickness
    weights /= weights.sum(axis=1, keepdims=True)
    return np.tensordot(weights.astype(np.float32), array, axes=1)


def interpolated(array: np.ndarray, stack: SliceStack, grid, outside: float) -> np.ndarray:
    """float32 [z, y, x] on `grid`, slice by slice: exact for values that are linear within each slice gap."""
    direction = np.reshape(grid.direction, (3, 3))
    turn = direction.T @ stack.axes  # grid axis by stack axis; only -1, 0 and 1 where their axes are parallel
    if np.allclose(np.abs(turn).max(axis=0), 1.0, atol=1e-6):
        return _along_axes(array, stack, grid, np.rint(turn).astype(int), outside)
    return _obliquely(array, stack, grid, direction, outside)


def _along_axes(array: np.ndarray, stack: SliceStack, grid, turn: np.ndarray, outside: float) -> np.ndarray:
    """Grid and stack axes are parallel: three one-dimensional interpolations."""
    own = np.abs(turn).argmax(axis=0)  # the grid axis of each stack axis
    sign = turn[own, range(3)]
    start = (np.array(grid.origin_mm) - stack.positions[0]) @ stack.axes
    x, y, t = (start[a] + sign[a] * grid.spacing_mm[own[a]] * np.arange(grid.size[own[a]]) for a in range(3))
    x, y = x / stack.spacing[0], y / stack.spacing[1]

    result = np.full((len(t), len(y), len(x)), outside, dtype=np.float32)
    for i, (k, shift) in enumerate(zip(*_slice_coordinates(t, stack), strict=True)):
        if not -0.5 <= k < len(array) - 0.5:
            continue
        plane = _blend(array, np.array([k]))[0]
        for along, wanted in ((0, y - shift[1]), (1, x - shift[0])):
            plane = np.moveaxis(_blend(np.moveaxis(plane, along, 0), wanted), 0, along)
        inside_y, inside_x = _inside(y - shift[1], array.shape[1]), _inside(x - shift[0], array.shape[2])
        result[i] = np.where(inside_y[:, None] & inside_x, plane, np.float32(outside))
    grid_axes = [2 - int(np.flatnonzero(own == g)[0]) for g in (2, 1, 0)]  # the array axis of each grid axis z, y, x
    return np.ascontiguousarray(result.transpose(grid_axes))


def _obliquely(array: np.ndarray, stack: SliceStack, grid, direction: np.ndarray, outside: float) -> np.ndarray:
    """Grid and stack axes are not parallel: every voxel for itself."""
    from scipy.ndimage import map_coordinates

    columns, rows, slices = grid.size
    step = direction * np.array(grid.spacing_mm)
    plane = np.arange(columns)[:, None] * step[:, 0] + (np.arange(rows)[:, None] * step[:, 1])[:, None]
    relative = (plane + np.array(grid.origin_mm) - stack.positions[0]) @ stack.axes  # [y, x, stack axis]
    result = np.empty((slices, rows, columns), dtype=np.float32)
    for z in range(slices):
        x, y, t = np.moveaxis(relative + (z * step[:, 2]) @ stack.axes, 2, 0)
        k, shift = _slice_coordinates(t, stack)
        wanted = np.stack([k, y / stack.spacing[1] - shift[..., 1], x / stack.spacing[0] - shift[..., 0]])
        values = map_coordinates(array, wanted, order=1, mode="nearest", output=np.float32)
        inside = np.all([_inside(w, n) for w, n in zip(wanted, array.shape, strict=True)], axis=0)
        result[z] = np.where(inside, values, np.float32(outside))
    return result


def _slice_coordinates(t: np.ndarray, stack: SliceStack) -> tuple[np.ndarray, np.ndarray]:
    """For offsets t along the normal (mm): the continuous slice index, and the displacement there in pixels (..., 2)."""
    offsets, shift = stack.offsets, stack.displacements
    upper = np.clip(np.searchsorted(offsets, t), 1, len(offsets) - 1)
    share = (t - offsets[upper - 1]) / (offsets[upper] - offsets[upper - 1])  # beyond the ends the last gap goes on
    share = np.where(np.abs(share - np.rint(share)) < SNAP, np.rint(share), share)
    return upper - 1 + share, shift[upper - 1] + share[..., None] * (shift[upper] - shift[upper - 1])


def _blend(array: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Linear interpolation along axis 0 at continuous indices, the border values going on beyond the ends."""
    wanted = np.clip(wanted, 0, len(array) - 1)
    wanted = np.where(np.abs(wanted - np.rint(wanted)) < SNAP, np.rint(wanted), wanted)
    lower = np.floor(wanted).astype(np.int64)
    share = (wanted - lower).astype(np.float32).reshape(-1, *[1] * (array.ndim - 1))
    if not share.any():
        return array[lower]
    return array[lower] * (1 - share) + array[np.minimum(lower + 1, len(array) - 1)] * share


def _inside(wanted: np.ndarray, size: int) -> np.ndarray:
    return (wanted >= -0.5) & (wanted < size - 0.5)
