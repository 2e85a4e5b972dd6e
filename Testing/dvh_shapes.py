"""Shapes in linear doses, whose DVH is known in closed form, as Nelms et al. 2015 (Med Phys 42:4435) verify DVH programs.

A sphere, a cylinder and a cone, 24 mm high and wide, stand along z; the dose rises by 1 Gy/mm along the axis or across it.
Slices lie across the axis or along it, and the whole scene can be turned.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from FedRTDatasetLib.dosimetry.rtdose import DoseGrid
from FedRTDatasetLib.imaging.geometry import SliceStack

R = 12.0  # mm: radius and half the height
CENTRE_GY = 30.0
SHAPES = ("sphere", "cylinder", "cone")
PERCENTS = (1, 2, 5, 10, 50, 90, 95, 98, 99)
UPRIGHT = np.eye(3)
# A turn about no axis of the patient.
OBLIQUE = np.linalg.qr(np.array([[0.8, -0.36, 0.48], [0.6, 0.48, -0.64], [0.05, 0.8, 0.6]]))[0]
OBLIQUE = OBLIQUE * np.sign(np.linalg.det(OBLIQUE))


def radius(shape: str, z: np.ndarray) -> np.ndarray:
    """mm, of the circle at z (mm from the centre)."""
    z = np.asarray(z, float)
    if shape == "sphere":
        return np.sqrt(np.maximum(R**2 - z**2, 0.0))
    inside = np.abs(z) <= R
    return np.where(inside, R if shape == "cylinder" else 0.5 * (R - z), 0.0)


@dataclass(frozen=True)
class Truth:
    """The exact DVH: cm3 that gets at least each dose."""

    doses: np.ndarray
    above_cm3: np.ndarray

    @property
    def volume_cm3(self) -> float:
        return float(self.above_cm3[0])

    @property
    def mean(self) -> float:
        return float(self.doses[0] + np.trapezoid(self.above_cm3, self.doses) / self.volume_cm3)

    def dose_to_percent(self, percent: float) -> float:
        return float(np.interp(-percent / 100 * self.volume_cm3, -self.above_cm3, self.doses))

    def percent_above(self, gray: np.ndarray) -> np.ndarray:
        return 100 * np.interp(gray, self.doses, self.above_cm3) / self.volume_cm3


@cache
def truth(shape: str, along_axis: bool) -> Truth:
    """The DVH of a shape in the dose that rises along its axis, or across it."""
    d = np.linspace(-R, R, 2401)
    z = (np.arange(2000) + 0.5) / 2000 * 2 * R - R
    if along_axis:
        area = np.pi * radius(shape, d) ** 2
        below = np.concatenate([[0.0], np.cumsum(0.5 * (area[1:] + area[:-1]) * np.diff(d))])
        above = below[-1] - below
    else:
        r = radius(shape, z)
        t = np.clip(d[:, None] / np.maximum(r, 1e-9), -1, 1)
        above = (r**2 * (np.arccos(t) - t * np.sqrt(1 - t * t))).mean(axis=1) * 2 * R
    return Truth(CENTRE_GY + d, above / 1000)


def contours(
    shape: str, step: float, *, across: bool = True, phase: float = 0.5, turn: np.ndarray = UPRIGHT
) -> tuple[list[np.ndarray], SliceStack]:
    """Polygons and their slices, `step` mm apart; the first slice is `phase` steps from the shape's end.

    across: slices lie across the axis (circles); otherwise along it (the profile at a distance from the axis).
    """
    at = np.arange(-R + phase * step, R - 1e-6, step)
    polygons = [polygon for position in at if (polygon := _section(shape, float(position), across)) is not None]
    axes = UPRIGHT if across else np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])  # rows: row, column direction, normal
    every = np.arange(-10, len(at) + 10) * step + at[0]
    positions = every[:, None] * axes[2] - 30 * axes[0] - 30 * axes[1]
    stack = SliceStack(positions @ turn.T, turn @ axes[0], turn @ axes[1], (1.0, 1.0), (len(every), 61, 61))
    return [polygon @ turn.T for polygon in polygons], stack


def _section(shape: str, position: float, across: bool, points: int = 180) -> np.ndarray | None:
    if across:
        r = float(radius(shape, position))
        if r < 1e-3:
            return None
        angle = np.arange(points) * 2 * np.pi / points
        r *= np.sqrt(2 * np.pi / points / np.sin(2 * np.pi / points))  # the polygon has the circle's area
        return np.stack([r * np.cos(angle), r * np.sin(angle), np.full(points, position)], axis=1)
    reach = {"sphere": np.sqrt(max(R**2 - position**2, 0)), "cylinder": R, "cone": R - 2 * abs(position)}[shape]
    low = -reach if shape == "sphere" else -R
    z = 0.5 * (low + reach) - 0.5 * (reach - low) * np.cos(np.linspace(0, np.pi, points))
    half = np.sqrt(np.maximum(radius(shape, z) ** 2 - position**2, 0.0))
    if half.max() < 1e-3:
        return None
    y, z = np.concatenate([half, -half[::-1]]), np.concatenate([z, z[::-1]])
    return np.stack([np.full(len(y), position), y, z], axis=1)


def linear_dose(along_axis: bool, spacing: float, turn: np.ndarray = UPRIGHT, gradient: float = 1.0) -> DoseGrid:
    """The dose on a grid of its own, centred on the shape, 60 mm wide."""
    count = int(60 / spacing) + 1
    c = (np.arange(count) - (count - 1) / 2) * spacing
    line = CENTRE_GY + gradient * c
    values = np.broadcast_to(line[:, None, None] if along_axis else line, (count,) * 3).astype(np.float32)
    positions = np.stack([np.full(count, c[0]), np.full(count, c[0]), c], axis=1)
    stack = SliceStack(positions @ turn.T, turn[:, 0], turn[:, 1], (spacing, spacing), values.shape)
    return DoseGrid(np.ascontiguousarray(values), stack)


@dataclass(frozen=True)
class Difference:
    """Of a DVH from the truth: the largest of a dose to a part of the volume (Gy) and of a volume above a dose (percent of
    the structure), of the mean dose (Gy) and of the volume (percent)."""

    dose: float
    volume_above: float
    mean: float
    volume: float


def difference(dvh, exact: Truth) -> Difference:
    """How far a `Dvh` is from the truth."""
    gray = exact.doses[5:-5:20]
    return Difference(
        max(abs(dvh.dose_to_percent(p) - exact.dose_to_percent(p)) for p in PERCENTS),
        max(abs(dvh.percent_above(g) - exact.percent_above(g)) for g in gray),
        abs(dvh.mean - exact.mean),
        100 * abs(dvh.volume_cm3 / exact.volume_cm3 - 1),
    )
