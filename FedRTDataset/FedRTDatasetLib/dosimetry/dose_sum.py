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
        return float(max(values.max() for _, values in self._finest_planes()))

    def volume_above(self, doses_gy: list[float]) -> list[float]:
        """cm3 that get at least each dose, in the whole grid: for isodose volumes.

        Each voxel of the finest grid is divided: voxels that a dose passes through are told by points within them.
        """
        lattice = self._finest()
        spacing = np.array([*lattice.stack.spacing, lattice.stack.step])
        pieces = np.clip(np.ceil(spacing / 1.0), 2, 4).astype(int)  # about 1 mm
        shift = [(np.arange(n) + 0.5) / n - 0.5 for n in pieces]
        cell = np.prod(spacing) / np.prod(pieces) / 1000
        stack, found = lattice.stack, np.zeros(len(doses_gy))
        lowest = min(doses_gy)
        for k in range(len(stack.positions)):
            reach = self._neighbourhood_maximum(lattice, k)
            y, x = np.nonzero(reach >= lowest)
            if not len(x):
                continue
            centre = stack.positions[k] + (
                x[:, None] * stack.spacing[0] * stack.row_direction
                + y[:, None] * stack.spacing[1] * stack.column_direction
            )
            for dz in shift[2]:
                for dy in shift[1]:
                    for dx in shift[0]:
                        move = (
                            dx * spacing[0] * stack.row_direction
                            + dy * spacing[1] * stack.column_direction
                            + dz * spacing[2] * stack.normal
                        )
                        dose, _ = self.at(centre + move)
                        found += [np.count_nonzero(dose >= wanted) * cell for wanted in doses_gy]
        return found.tolist()

    def _finest(self) -> DoseGrid:
        return min(self.grids, key=lambda grid: np.prod(grid.stack.spacing) * grid.stack.step)

    def _finest_planes(self):
        lattice = self._finest()
        stack = lattice.stack
        for k in range(len(stack.positions)):
            if len(self.grids) == 1:
                yield k, lattice.values[k]
            else:
                _, rows, columns = lattice.values.shape
                y, x = (index.ravel() for index in np.indices((rows, columns)))
                points = stack.to_patient(np.stack([x, y], axis=1).astype(float), k)
                yield k, self.at(points)[0].reshape(rows, columns)

    def _neighbourhood_maximum(self, lattice: DoseGrid, k: int) -> np.ndarray:
        """[rows, columns] the greatest dose that the voxels of plane k can hold: of themselves and their neighbours."""
        from scipy.ndimage import maximum_filter

        if len(self.grids) > 1:
            return np.full(lattice.values.shape[1:], np.inf)
        near = lattice.values[max(k - 1, 0) : k + 2].max(axis=0)
        return maximum_filter(near, size=3)
