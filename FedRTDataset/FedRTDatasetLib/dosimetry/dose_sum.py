"""Several dose grids as one dose: each is interpolated straight where the dose is asked for, then they are added."""

from dataclasses import dataclass

import numpy as np

from .rtdose import DoseGrid


@dataclass(frozen=True)
class DoseSum:
    """The sum of `grids` (beams of a plan, phases of a course; often just one)."""

    grids: tuple[DoseGrid, ...]

    def at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Dose at (n, 3) LPS points: float32 (n,) Gy, and (n,) in how many of the grids each point lies.

        Outside a grid that grid adds nothing; outside all of them no dose is known and the value is 0.
        """
        total = np.zeros(len(points), np.float32)
        count = np.zeros(len(points), np.int32)
        for grid in self.grids:
            dose, inside = grid.at(points)
            total += dose
            count += inside
        return total, count

    def on(self, grid, transform=None):
        """The dose on the voxel centres of a grid, each dose interpolated once.

        Args:
            grid: size, spacing_mm, origin_mm (x, y, z) and direction (9), as `preprocess.Grid`.
            transform: linear SimpleITK transform of the grid's points to the frame of reference of the dose.

        Returns:
            SimpleITK float32 image in Gy (0 where no dose is known), and the share (0..1) of the grid's voxels at which
            every dose is known.
        """
        import SimpleITK as sitk

        columns, rows, slices = grid.size
        axes = np.array(grid.direction).reshape(3, 3) * np.array(grid.spacing_mm)
        origin = np.array(grid.origin_mm)
        if transform is not None:
            moved = np.array([transform.TransformPoint((origin + side).tolist()) for side in (0 * origin, *axes.T)])
            origin, axes = moved[0], (moved[1:] - moved[0]).T
        y, x = (index.ravel() for index in np.indices((rows, columns)))
        plane = origin + x[:, None] * axes[:, 0] + y[:, None] * axes[:, 1]
        values = np.empty((slices, rows, columns), np.float32)
        known = 0
        for k in range(slices):
            dose, count = self.at(plane + k * axes[:, 2])
            values[k] = dose.reshape(rows, columns)
            known += int((count == len(self.grids)).sum())
        image = sitk.GetImageFromArray(values)
        image.SetOrigin(grid.origin_mm)
        image.SetSpacing(grid.spacing_mm)
        image.SetDirection(grid.direction)
        return image, known / values.size

    def maximum_gy(self) -> float:
        """The greatest dose at a voxel centre of the finest grid."""
        return float(self._lattice()[1].max())

    def volume_above(self, doses_gy: list[float]) -> list[float]:
        """cm3 that get at least each dose, in the whole grid: for isodose volumes.

        Voxels of the finest grid count whole where they and their neighbours reach the dose; those that its isodose can
        pass through are divided to about 1 mm.
        """
        from scipy.ndimage import map_coordinates, maximum_filter, minimum_filter

        lattice, values = self._lattice()
        spacing = np.array([lattice.stack.step, *lattice.stack.spacing[::-1]])
        voxel = float(np.prod(spacing)) / 1000
        pieces = np.clip(np.ceil(spacing), 2, 4).astype(int)
        shift = np.stack(np.meshgrid(*((np.arange(n) + 0.5) / n - 0.5 for n in pieces), indexing="ij"), -1).reshape(
            -1, 3
        )
        lowest, highest = minimum_filter(values, size=3), maximum_filter(values, size=3)
        found = []
        for wanted in doses_gy:
            passed = np.stack(np.nonzero((lowest < wanted) & (highest >= wanted))).astype(float)
            above = sum(
                np.count_nonzero(map_coordinates(values, passed + move[:, None], order=1, mode="nearest") >= wanted)
                for move in shift
            )
            found.append((np.count_nonzero(lowest >= wanted) + above / len(shift)) * voxel)
        return found

    def _lattice(self) -> tuple[DoseGrid, np.ndarray]:
        """The finest grid and the whole sum at its voxel centres, float32 [k, y, x]."""
        finest = min(self.grids, key=lambda grid: np.prod(grid.stack.spacing) * grid.stack.step)
        if len(self.grids) == 1:
            return finest, finest.values
        planes, rows, columns = finest.values.shape
        y, x = (index.ravel() for index in np.indices((rows, columns)))
        xy = np.stack([x, y], axis=1).astype(float)
        values = [self.at(finest.stack.to_patient(xy, k))[0].reshape(rows, columns) for k in range(planes)]
        return finest, np.stack(values)
