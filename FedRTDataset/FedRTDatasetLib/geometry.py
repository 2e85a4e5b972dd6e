"""The pixel grid of an image series as DICOM defines it: parallel slices, each at its own position.

Coordinates are DICOM patient coordinates (LPS, mm). Pixel coordinates are (x, y) = (column, row) with integer values at
pixel centres, k is the slice index. Source: DICOM PS3.3 C.7.6.2.1.1 (Image Position and Image Orientation (Patient)).
"""

from dataclasses import dataclass

import numpy as np

REGULAR_TOLERANCE = 0.01  # of the slice step: positions written with few decimals still count as regular


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

    @property
    def normal(self) -> np.ndarray:
        """Unit vector along increasing k; slices are sorted so that it is row x column direction."""
        return np.cross(self.row_direction, self.column_direction)

    @property
    def offsets(self) -> np.ndarray:
        """(n,) distance of each slice from slice 0 along the normal, mm, increasing."""
        return (self.positions - self.positions[0]) @ self.normal

    @property
    def step(self) -> float:
        """The slice distance of the regular grid this stack is brought to: its median gap, mm."""
        gaps = np.diff(self.offsets)
        return float(np.median(gaps)) if len(gaps) else 1.0

    @property
    def is_sheared(self) -> bool:
        """True where slices are displaced in their plane (gantry tilt)."""
        in_plane = (self.positions - self.positions[0]) - self.offsets[:, None] * self.normal
        return bool(np.abs(in_plane).max() > max(0.05, REGULAR_TOLERANCE * self.step))

    @property
    def is_regular(self) -> bool:
        """True where all gaps are equal, so that the array is a 3D image as it stands."""
        gaps = np.diff(self.offsets)
        return not self.is_sheared and bool(np.all(np.abs(gaps - self.step) <= REGULAR_TOLERANCE * self.step))

    def nearest_slice(self, offsets: np.ndarray) -> np.ndarray:
        """The slice index k for each offset along the normal (mm); -1 where it is beyond half a step of any slice."""
        own = self.offsets
        k = (
            np.clip(np.searchsorted(own, offsets), 1, max(len(own) - 1, 1))
            if len(own) > 1
            else np.ones(len(offsets), int)
        )
        lower = k - 1
        upper = np.minimum(k, len(own) - 1)
        nearest = np.where(np.abs(offsets - own[lower]) <= np.abs(own[upper] - offsets), lower, upper)
        within = np.abs(offsets - own[nearest]) <= 0.5 * self.step + 1e-3
        return np.where(within, nearest, -1)

    def to_pixels(self, points: np.ndarray, k: int) -> np.ndarray:
        """(n, 3) LPS points on slice k as (n, 2) pixel coordinates (x, y)."""
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


def to_image(array: np.ndarray, stack: SliceStack):
    """The array [k, y, x] as a SimpleITK image in LPS with one slice distance.

    A regular stack is taken as it stands. Unequal gaps (a missing slice) are bridged by linear interpolation along the
    normal onto the stack's median step. A sheared stack has no such image.

    Raises:
        ValueError: for a sheared stack.
    """
    import SimpleITK as sitk

    if stack.is_sheared:
        raise ValueError("a sheared stack has no orthogonal image")
    if not stack.is_regular:
        array = _interpolate_slices(array, stack)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((*stack.spacing, stack.step))
    image.SetOrigin(stack.positions[0].tolist())
    direction = np.stack([stack.row_direction, stack.column_direction, stack.normal], axis=1)
    image.SetDirection(direction.ravel().tolist())
    return image


def _interpolate_slices(array: np.ndarray, stack: SliceStack) -> np.ndarray:
    """float32 array on equidistant slices from the first to the last slice of the stack."""
    offsets = stack.offsets
    wanted = np.arange(0.0, offsets[-1] + 0.25 * stack.step, stack.step)
    upper = np.clip(np.searchsorted(offsets, wanted), 1, len(offsets) - 1)
    share = np.clip((wanted - offsets[upper - 1]) / (offsets[upper] - offsets[upper - 1]), 0.0, 1.0)
    share = share.astype(np.float32)[:, None, None]
    return array[upper - 1] * (1 - share) + array[upper] * share


def stack_of_image(image) -> SliceStack:
    """The slice stack of a SimpleITK 3D image."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    columns, rows, slices = image.GetSize()
    spacing = image.GetSpacing()
    positions = np.array(image.GetOrigin()) + np.arange(slices)[:, None] * spacing[2] * direction[:, 2]
    return SliceStack(positions, direction[:, 0], direction[:, 1], (spacing[0], spacing[1]), (slices, rows, columns))
