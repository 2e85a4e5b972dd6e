"""The cross-sectional area of a structure along its normal, from its sections' areas (rule: `sections.py`).

The curve is drawn through the areas, or through their squares where those follow parabolas more closely: the sections of
a sphere and a cone are parabolas, those of a cylinder that lies across the slices are the root of one.
"""

from dataclasses import dataclass

import numpy as np

from .sections import EndCaps, Part

OVERSHOOT = 1.25
"""Between two contours the area stays below the larger times this, and above the smaller divided by it."""
ROUNDING_ERROR = 0.02  # an end on the very next slice, where the contour would be a point
CAP_CHANGE = 2.0
"""In a cap that ends half a slice on, the course of the area changes it at most by this factor."""
CLEARLY = 0.3  # squares of areas are used where they are off by less than this share of what the areas are off
SAME_AREA, ORGAN = 0.002, 0.008
"""Sections whose area changes by less than the first share from slice to slice are copies of one contour, and the end is
flat; by more than the second, they were drawn one by one, and the end tapers off."""
FLARING = 0.25
"""A structure whose wall leans outwards so much (mm a mm) towards its end is cut off there: flat."""


@dataclass(frozen=True)
class Cap:
    """What lies beyond the last section, `length` mm of it. At x mm from that section the area to the power of the curve
    is first + slope x + bend x2; the area itself is then taken times 1 - taper x / length."""

    first: float
    slope: float
    bend: float
    length: float
    taper: float = 0.0

    def at(self, beyond: np.ndarray, power: int) -> np.ndarray:
        """mm2 at distances (n,) from the last section."""
        course = np.maximum(self.first + self.slope * beyond + self.bend * beyond**2, 0.0) ** (1 / power)
        return course * (1 - self.taper * np.clip(beyond / self.length, 0.0, 1.0))


@dataclass(frozen=True)
class AreaCurve:
    """Area (mm2) as a function of the position along the normal (mm), from `start` to `end`.

    along: positions of the sections. values, slopes: their areas to `power` and its slope there.
    """

    along: np.ndarray
    values: np.ndarray
    slopes: np.ndarray
    power: int
    below: Cap
    above: Cap

    @property
    def start(self) -> float:
        return float(self.along[0] - self.below.length)

    @property
    def end(self) -> float:
        return float(self.along[-1] + self.above.length)

    def at(self, along: np.ndarray) -> np.ndarray:
        """mm2 at positions (n,); 0 outside the structure."""
        area = self._between(along) ** (1 / self.power)
        for beyond, cap in ((self.along[0] - along, self.below), (along - self.along[-1], self.above)):
            if cap.length > 0:
                area = np.where((beyond > 0) & (beyond <= cap.length), cap.at(beyond, self.power), area)
        return np.where((along >= self.start) & (along <= self.end), area, 0.0)

    def _between(self, along: np.ndarray) -> np.ndarray:
        """Cubic Hermite interpolation of the values."""
        if len(self.along) == 1:
            return np.full_like(along, self.values[0])
        k = np.clip(np.searchsorted(self.along, along, side="right") - 1, 0, len(self.along) - 2)
        gap = self.along[k + 1] - self.along[k]
        t = np.clip((along - self.along[k]) / gap, 0.0, 1.0)
        low, high = self.values[k], self.values[k + 1]
        cubic = (
            (1 + 2 * t) * (1 - t) ** 2 * low
            + t * (1 - t) ** 2 * gap * self.slopes[k]
            + t**2 * (3 - 2 * t) * high
            - t**2 * (1 - t) * gap * self.slopes[k + 1]
        )
        room = OVERSHOOT**self.power
        return np.clip(cubic, np.minimum(low, high) / room, np.maximum(low, high) * room)


def area_curve(part: Part, ends: EndCaps) -> AreaCurve:
    """The area of one part of a structure along its normal."""
    along, areas = part.along, part.areas
    power = 2 if _unevenness(along, areas, 2) < CLEARLY * _unevenness(along, areas, 1) else 1
    values = areas**power
    below = _cap(along[::-1], areas[::-1], power, part.below_mm, ends)
    above = _cap(along, areas, power, part.above_mm, ends)
    return AreaCurve(along, values, _slopes(along, values), power, below, above)


def _unevenness(along: np.ndarray, areas: np.ndarray, power: int) -> float:
    """How far the areas to a power are from parabolas at both ends: by how much the parabola through the last three
    sections misses the fourth, as a share of the area there."""
    if len(areas) < 4:
        return 0.0
    missed = 0.0
    for side in (slice(None), slice(None, None, -1)):
        at, value = np.abs(along[side][-4:] - along[side][-1]), areas[side][-4:] ** power
        slope, bend = _course(at, value)
        told = value[-1] - slope * at[0] + bend * at[0] ** 2
        missed += abs(told - value[0]) / (power * value[0])
    return missed


def _slopes(along: np.ndarray, values: np.ndarray) -> np.ndarray:
    """At each section the slope of the parabola through it and its neighbours (at an end, through the last three)."""
    if len(along) == 1:
        return np.zeros(1)
    gap, rise = np.diff(along), np.diff(values) / np.diff(along)
    if len(along) == 2:
        return np.array([rise[0], rise[0]])
    inner = (gap[1:] * rise[:-1] + gap[:-1] * rise[1:]) / (gap[:-1] + gap[1:])
    bend = np.diff(rise) / (gap[:-1] + gap[1:])
    return np.array([rise[0] - bend[0] * gap[0], *inner, rise[-1] + bend[-1] * gap[-1]])


def _cap(along: np.ndarray, areas: np.ndarray, power: int, slice_mm: float, ends: EndCaps) -> Cap:
    """The cap beyond the last section."""
    first = float(areas[-1] ** power)
    slope, bend = _course(np.abs(along - along[-1]), areas**power)
    if ends == "none":
        return Cap(first, slope, bend, 0.0)
    if ends == "rounded":
        length = _first_zero(first, slope, bend)
        if length is not None and length <= slice_mm * (1 + ROUNDING_ERROR):
            return Cap(first, slope, bend, length)
    leans = slope / (power * areas[-1] ** (power - 1)) / (2 * np.sqrt(np.pi * areas[-1]))
    taper = _taper(areas, leans) if ends == "rounded" else 0.0
    half = 0.5 * slice_mm
    after = first + slope * half + bend * half**2
    limited = float(np.clip(after, first / CAP_CHANGE**power, first * CAP_CHANGE**power))
    if limited != after:  # too steep to be believed: straight to the limit
        slope, bend = (limited - first) / half, 0.0
    return Cap(first, slope, bend, half, taper)


def _taper(areas: np.ndarray, leans: float) -> float:
    """How far an end tapers off, 0 (flat) to 1 (to nothing). `leans`: how a circle of its area grows, mm a mm."""
    if len(areas) < 3:
        return 0.0
    change = np.abs(np.diff(areas[-3:])).max() / areas[-1]
    varies = np.clip((change - SAME_AREA) / (ORGAN - SAME_AREA), 0.0, 1.0)
    return float(varies * (1 - np.clip(leans / FLARING, 0.0, 1.0)))


def _course(inwards: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Slope and half curvature, counted outwards, of the parabola through the last three sections (of two: the line)."""
    if len(values) == 1:
        return 0.0, 0.0
    near = (values[-2] - values[-1]) / inwards[-2]
    if len(values) == 2:
        return float(-near), 0.0
    far = (values[-3] - values[-1]) / inwards[-3]
    bend = (far - near) / (inwards[-3] - inwards[-2])
    return float(-(near - bend * inwards[-2])), float(bend)


def _first_zero(first: float, slope: float, bend: float) -> float | None:
    """The smallest positive x with first + slope x + bend x2 = 0; that of a parabola that only just misses 0 (a cone's
    tip) is where it comes nearest."""
    if abs(bend) < 1e-12:
        return -first / slope if slope < 0 else None
    root = slope**2 - 4 * bend * first
    if root < 0:
        lowest = -slope / (2 * bend)
        touches = bend > 0 and lowest > 0 and first + 0.5 * slope * lowest < 0.01 * first
        return lowest if touches else None
    candidates = [x for x in ((-slope - root**0.5) / (2 * bend), (-slope + root**0.5) / (2 * bend)) if x > 0]
    return min(candidates, default=None)
