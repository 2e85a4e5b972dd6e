"""The cross-sectional area of a structure along its normal, from its sections' areas (rule: `sections.py`)."""

from dataclasses import dataclass

import numpy as np

from .sections import EndCaps, Part

OVERSHOOT = 1.25
"""Between two contours the area stays below the larger times this, and above the smaller divided by it."""
ROUNDING_ERROR = 0.02  # an end on the very next slice, where the contour would be a point
CAP_CHANGE = 2.0
"""In a cap that ends half a slice on, the area changes at most by this factor."""
SAME_AREA, ORGAN = 0.002, 0.008
"""Sections whose area changes by less than the first share from slice to slice are copies of one contour, and the end has
a sharp edge; by more than the second, they were drawn one by one, and the edge is rounded."""
FLARING = 0.1
"""A structure that gains this share of its area from one slice to the next is cut off at its end, with a sharp edge."""


@dataclass(frozen=True)
class Cap:
    """What lies beyond the last section, `length` mm of it. At x mm from that section the area is area + slope x + bend x2,
    taken as a circle whose edge is rounded by a quarter ellipse, `length` mm high and `rounding` mm wide."""

    area: float
    slope: float
    bend: float
    length: float
    rounding: float = 0.0

    def at(self, beyond: np.ndarray) -> np.ndarray:
        """mm2 at distances (n,) from the last section."""
        course = self.area + self.slope * beyond + self.bend * beyond**2
        share = np.clip(beyond / self.length, 0.0, 1.0)
        inwards = self.rounding * (1 - np.sqrt(1 - share**2)) / np.sqrt(self.area / np.pi)
        return np.maximum(course, 0.0) * np.maximum(1 - inwards, 0.0) ** 2


@dataclass(frozen=True)
class AreaCurve:
    """Area (mm2) as a function of the position along the normal (mm), from `start` to `end`."""

    along: np.ndarray
    areas: np.ndarray
    slopes: np.ndarray
    start: float
    end: float
    below: "Cap"
    above: "Cap"

    def at(self, along: np.ndarray) -> np.ndarray:
        """mm2 at positions (n,); 0 outside the structure."""
        area = self._between(along)
        for beyond, cap in ((self.along[0] - along, self.below), (along - self.along[-1], self.above)):
            if cap.length > 0:
                area = np.where((beyond > 0) & (beyond <= cap.length), cap.at(beyond), area)
        return np.where((along >= self.start) & (along <= self.end), area, 0.0)

    def _between(self, along: np.ndarray) -> np.ndarray:
        """Cubic Hermite interpolation of the areas."""
        if len(self.along) == 1:
            return np.full_like(along, self.areas[0])
        k = np.clip(np.searchsorted(self.along, along, side="right") - 1, 0, len(self.along) - 2)
        gap = self.along[k + 1] - self.along[k]
        t = np.clip((along - self.along[k]) / gap, 0.0, 1.0)
        low, high = self.areas[k], self.areas[k + 1]
        cubic = (
            (1 + 2 * t) * (1 - t) ** 2 * low
            + t * (1 - t) ** 2 * gap * self.slopes[k]
            + t**2 * (3 - 2 * t) * high
            - t**2 * (1 - t) * gap * self.slopes[k + 1]
        )
        return np.clip(cubic, np.minimum(low, high) / OVERSHOOT, np.maximum(low, high) * OVERSHOOT)


def area_curve(part: Part, ends: EndCaps) -> AreaCurve:
    """The area of one part of a structure along its normal."""
    along, areas = part.along, part.areas
    slopes = _slopes(along, areas)
    below = _cap(along[::-1], areas[::-1], part.below_mm, ends)
    above = _cap(along, areas, part.above_mm, ends)
    return AreaCurve(along, areas, slopes, along[0] - below.length, along[-1] + above.length, below, above)


def _slopes(along: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """At each section the slope of the parabola through it and its neighbours (at an end, through the last three)."""
    if len(along) == 1:
        return np.zeros(1)
    gap, rise = np.diff(along), np.diff(areas) / np.diff(along)
    if len(along) == 2:
        return np.array([rise[0], rise[0]])
    inner = (gap[1:] * rise[:-1] + gap[:-1] * rise[1:]) / (gap[:-1] + gap[1:])
    bend = np.diff(rise) / (gap[:-1] + gap[1:])
    return np.array([rise[0] - bend[0] * gap[0], *inner, rise[-1] + bend[-1] * gap[-1]])


def _cap(along: np.ndarray, areas: np.ndarray, slice_mm: float, ends: EndCaps) -> Cap:
    """The cap beyond the last section."""
    slope, bend = _course(np.abs(along - along[-1]), areas)
    area = float(areas[-1])
    if ends == "none":
        return Cap(area, slope, bend, 0.0)
    if ends == "rounded":
        length = _first_zero(area, slope, bend)
        if length is not None and length <= slice_mm * (1 + ROUNDING_ERROR):
            return Cap(area, slope, bend, length)
    half = 0.5 * slice_mm
    after = area + slope * half + bend * half**2
    limited = float(np.clip(after, area / CAP_CHANGE, area * CAP_CHANGE))
    if limited != after:  # too steep to be believed: straight to the limit
        slope, bend = (limited - area) / half, 0.0
    rounding = _rounded_share(areas, slope * slice_mm) * slice_mm if ends == "rounded" else 0.0
    return Cap(area, slope, bend, half, rounding)


def _rounded_share(areas: np.ndarray, growth: float) -> float:
    """How far the edge of an end is rounded, 0..1; `growth` is that of the area towards the end, mm2 a slice."""
    if len(areas) < 3:
        return 0.0
    change = np.abs(np.diff(areas[-3:])).max() / areas[-1]
    varies = np.clip((change - SAME_AREA) / (ORGAN - SAME_AREA), 0.0, 1.0)
    flares = np.clip(growth / areas[-1] / FLARING, 0.0, 1.0)
    return float(varies * (1 - flares))


def _course(inwards: np.ndarray, areas: np.ndarray) -> tuple[float, float]:
    """Slope and half curvature, counted outwards, of the parabola through the last three sections (of two: the line)."""
    if len(areas) == 1:
        return 0.0, 0.0
    near = (areas[-2] - areas[-1]) / inwards[-2]
    if len(areas) == 2:
        return float(-near), 0.0
    far = (areas[-3] - areas[-1]) / inwards[-3]
    bend = (far - near) / (inwards[-3] - inwards[-2])
    return float(-(near - bend * inwards[-2])), float(bend)


def _first_zero(area: float, slope: float, bend: float) -> float | None:
    """The smallest positive x with area + slope x + bend x2 = 0; that of a parabola that only just misses 0 (a cone's
    tip) is where it comes nearest."""
    if abs(bend) < 1e-12:
        return -area / slope if slope < 0 else None
    root = slope**2 - 4 * bend * area
    if root < 0:
        lowest = -slope / (2 * bend)
        touches = bend > 0 and lowest > 0 and area + 0.5 * slope * lowest < 0.01 * area
        return lowest if touches else None
    candidates = [x for x in ((-slope - root**0.5) / (2 * bend), (-slope + root**0.5) / (2 * bend)) if x > 0]
    return min(candidates, default=None)
