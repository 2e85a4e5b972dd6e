"""A dose that looks like a treatment plan's: high and even in the target, falling off around it, low where beams pass."""

import numpy as np

from .anatomy import Anatomy
from .contours import target_volume
from .image import Axes

GRID_MM = 5.0
FIELD_HALF_LENGTH_MM = 50.0


def dose_axes(axes: Axes) -> Axes:
    """The dose grid over the scanned volume."""
    return Axes(*(np.arange(axis[0] + 3, axis[-1] - 3, GRID_MM) for axis in (axes.x, axes.y, axes.z)))


def dose_gy(rng: np.random.Generator, anatomy: Anatomy, axes: Axes, prescription_gy: float, beams: int) -> np.ndarray:
    """Dose in Gy, float32 [z, y, x], on `axes` of the phantom's frame."""
    points = anatomy.warp.points(axes.x, axes.y, axes.z)
    away = target_volume(anatomy).distance(points)
    conformal = 1 / (1 + np.exp(np.clip((away - 5.0) / 2.6, -30, 30)))
    angle = np.arctan2(points.x, -points.y)
    along_beam = 0.55 + 0.45 * np.cos(beams * (angle + rng.uniform(0, 0.2)))
    in_field = 1 / (1 + np.exp(np.clip((np.abs(points.z - 4) - FIELD_HALF_LENGTH_MM) / 4, -30, 30)))
    passing = 0.42 * along_beam * np.exp(-np.maximum(away, 0) / 90) * in_field
    ripple = 1 + 0.012 * np.sin(points.x / 11) * np.cos(points.y / 13)
    inside = anatomy.body.distance(points) < 0
    relative = (conformal + (1 - conformal) * passing) * ripple + 0.002
    return (prescription_gy * 1.01 * relative * inside).astype(np.float32)
