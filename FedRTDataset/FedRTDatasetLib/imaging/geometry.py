"""The pixel grid of an image series as DICOM defines it: parallel slices, each at its own position.

Coordinates are DICOM patient coordinates (LPS, mm). Pixel coordinates are (x, y) = (column, row) with integer values at
pixel centres, k is the slice index. Source: DICOM PS3.3 C.7.6.2.1.1 (Image Position and Image Orientation (Patient)).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

POSITION_TOLERANCE_MM = 0.1  # positions written with one decimal still count as regular
STEP_TOLERANCE = 0.01  # of the slice step, where that is more
SHEAR_TOLERANCE_PIXELS = 0.1  # slices displaced in their plane by less are not worth an interpolation


@dataclass(frozen=True)
class SliceStack:
    """Where every pixel of a series lies.

    positions: (n, 3) LPS mm, the centre of pixel (0, 0) of each slice, sorted along the normal.
    row_direction, column_direction: (3,) unit vectors along increasing column and increasing row index.
    spacing: (x, y) mm, distance between columns and between rows.
    shape: (n, rows, columns), the shape of the pixel array [k, y, x].
    """

    positions: np.ndarray
    row_direction: np.ndarray
    column_direction: np.ndarray
    spacing: tuple[float, float]
    shape: tuple[int, int, int]

    @cached_property
    def normal(self) -> np.ndarray:
        """Unit vector along increasing k; slices are sorted so that it is row x column direction."""
        return np.cross(self.row_direction, self.column_direction)

    @cached_property
    def axes(self) -> np.ndarray:
        """(3, 3): the directions of x, y and k as columns, as SimpleITK states a direction."""
        return np.stack([self.row_direction, self.column_direction, self.normal], axis=1)

    @cached_property
    def offsets(self) -> np.ndarray:
        """(n,) distance of each slice from slice 0 along the normal, mm, increasing."""
        return (self.positions - self.positions[0]) @ self.normal

    @cached_property
    def step(self) -> float:
        """The slice distance of the regular grid this stack is brought to, mm.

        Equal gaps: their mean. Unequal ones: the gap that a quarter of the gaps does not exceed (a missing slice or a
        single narrow gap changes nothing, and where a head was scanned in two slice distances the finer one stays),
        adjusted so that a whole number of steps reaches the last slice.
        """
        gaps = np.diff(self.offsets)
        if not len(gaps):
            return 1.0
        if self.has_equal_gaps:
            return float(self.offsets[-1] / len(gaps))
        typical = float(np.quantile(gaps, 0.25, method="lower"))
        return float(self.offsets[-1] / max(round(self.offsets[-1] / typical), 1))

    @cached_property
    def has_equal_gaps(self) -> bool:
        """True where every slice lies within the tolerances of an equidistant one."""
        equidistant = np.linspace(0.0, self.offsets[-1], len(self.offsets))
        off = self.offsets - equidistant
        step = self.offsets[-1] / max(len(self.offsets) - 1, 1)
        return bool(off.max() - off.min() <= 2 * max(POSITION_TOLERANCE_MM, STEP_TOLERANCE * step))

    @cached_property
    def displacements(self) -> np.ndarray:
        """(n, 2) pixels (x, y) by which each slice is displaced in its plane against slice 0 (gantry tilt); 0 if none."""
        relative = self.positions - self.positions[0]
        in_plane = np.stack([relative @ self.row_direction, relative @ self.column_direction], axis=1)
        pixels = in_plane / np.array(self.spacing)
        within = max(POSITION_TOLERANCE_MM, SHEAR_TOLERANCE_PIXELS * min(self.spacing))
        return pixels if np.abs(in_plane).max() > within else np.zeros_like(pixels)

    @property
    def is_sheared(self) -> bool:
        """True where slices are displaced in their plane (gantry tilt)."""
        return bool(self.displacements.any())

    @property
    def is_regular(self) -> bool:
        """True where all gaps are equal and nothing is sheared, so that the array is a 3D image as it stands."""
        return not self.is_sheared and self.has_equal_gaps

    def nearest_slice(self, offsets: np.ndarray) -> np.ndarray:
        """The slice index k for each offset along the normal (mm), -1 where no slice stands for it.

        A slice stands for half its narrower neighbouring gap on both sides, so not for slices that are missing.
        """
        own = self.offsets
        gaps = np.diff(own) if len(own) > 1 else np.array([self.step])
        reach = 0.5 * np.minimum(np.append(gaps, gaps[-1]), np.insert(gaps, 0, gaps[0]))[: len(own)]
        closest = self.closest_slice(offsets)
        return np.where(np.abs(offsets - own[closest]) <= reach[closest] + 1e-3, closest, -1)

    def closest_slice(self, offsets: np.ndarray) -> np.ndarray:
        """The slice index k that is closest to each offset along the normal (mm), however far."""
        own = self.offsets
        upper = np.clip(np.searchsorted(own, offsets), min(1, len(own) - 1), len(own) - 1)
        lower = np.maximum(upper - 1, 0)
        return np.where(np.abs(offsets - own[lower]) <= np.abs(own[upper] - offsets), lower, upper)

    def to_pixels(self, points: np.ndarray, k: int | np.ndarray) -> np.ndarray:
        """(n, 3) LPS points on slice k (one for all, or (n,) each its own) as (n, 2) pixel coordinates (x, y)."""
        relative = points - self.positions[k]
        return np.stack(
            [relative @ self.row_direction / self.spacing[0], relative @ self.column_direction / self.spacing[1]],
            axis=1,
        )

    def to_patient(self, pixels: np.ndarray, k: int) -> np.ndarray:
        """(n, 2) pixel coordinates (x, y) on slice k as (n, 3) LPS points."""
        return (
            self.positions[k]
            + pixels[:, :1] * self.spacing[0] * self.row_direction
            + pixels[:, 1:] * self.spacing[1] * self.column_direction
        )


def stack_of_image(image) -> SliceStack:
    """The slice stack of a SimpleITK 3D image."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    columns, rows, slices = image.GetSize()
    spacing = image.GetSpacing()
    positions = np.array(image.GetOrigin()) + np.arange(slices)[:, None] * spacing[2] * direction[:, 2]
    return SliceStack(positions, direction[:, 0], direction[:, 1], (spacing[0], spacing[1]), (slices, rows, columns))


def to_image(array: np.ndarray, stack: SliceStack, outside: float | None = None):
    """The array [k, y, x] as a SimpleITK image in LPS with one slice distance and orthogonal axes.

    A regular stack is taken as it stands, type included. Unequal gaps (a missing slice) and displaced slices (gantry
    tilt) are interpolated once, to float32: onto equidistant planes parallel to the slices, in a box that holds every
    slice. `outside` fills what the box has beside them, the lowest value by default.
    """
    import SimpleITK as sitk

    if not stack.is_regular:
        lowest = float(array.min()) if outside is None else outside
        return bring_to(array, stack, orthogonal_grid(stack), lowest)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((*map(float, stack.spacing), stack.step))
    image.SetOrigin(stack.positions[0].tolist())
    image.SetDirection(stack.axes.ravel().tolist())
    return image


def orthogonal_grid(stack: SliceStack):
    """The `preprocess.Grid` of `to_image`: the stack's own pixel size and step, slice 0 on its own pixels."""
    from .preprocess import Grid

    shift = stack.displacements
    first, last = np.floor(shift.min(axis=0) + 1e-6).astype(int), np.ceil(shift.max(axis=0) - 1e-6).astype(int)
    slices = round(stack.offsets[-1] / stack.step) + 1
    origin = stack.to_patient(first[None].astype(float), 0)[0]
    columns, rows = np.array(stack.shape[:0:-1]) + last - first
    return Grid(
        size=(int(columns), int(rows), slices),
        spacing_mm=(*map(float, stack.spacing), stack.step),
        origin_mm=origin.tolist(),
        direction=stack.axes.ravel().tolist(),
    )


def bring_to(array: np.ndarray, stack: SliceStack, grid, outside: float):
    """Any stack (regular, with gaps, sheared) onto any grid in one linear interpolation.

    Axes that become coarser are smoothed first, so that nothing aliases. Between two slices values run along the line
    that joins equal pixels, which in a tilted stack is the table's axis.

    Args:
        array: [k, y, x] of the stack's shape.
        grid: size, spacing_mm, origin_mm, direction as `preprocess.Grid`.
        outside: the value more than half a voxel beside the stack.

    Returns:
        SimpleITK float32 image on `grid`.
    """
    import SimpleITK as sitk

    from .regrid import interpolated, smoothed

    array = smoothed(np.asarray(array, dtype=np.float32), stack, grid)
    if stack.is_regular:
        return sitk.Resample(
            to_image(array, stack), grid.size, sitk.Transform(), sitk.sitkLinear, grid.origin_mm, grid.spacing_mm,
            grid.direction, outside, sitk.sitkFloat32,
        )  # fmt: skip
    image = sitk.GetImageFromArray(interpolated(array, stack, grid, outside))
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.direction)
    return image


def sample_at(image, stack: SliceStack, outside: float) -> np.ndarray:
    """The values of a SimpleITK image at the pixel centres of a series' own slices: float32 [k, y, x].

    For what was found on the orthogonal grid (a probability map) and is to be written as contours on the slices.
    """
    import SimpleITK as sitk

    rows, columns = stack.shape[1:]
    values = np.empty(stack.shape, dtype=np.float32)
    for k, position in enumerate(stack.positions):
        plane = sitk.Resample(
            image, (columns, rows, 1), sitk.Transform(), sitk.sitkLinear, position.tolist(),
            (*map(float, stack.spacing), 1.0), stack.axes.ravel().tolist(), outside, sitk.sitkFloat32,
        )  # fmt: skip
        values[k] = sitk.GetArrayViewFromImage(plane)[0]
    return values
