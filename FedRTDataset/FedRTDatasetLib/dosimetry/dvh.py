"""Dose-volume histogram of one structure.

The histogram is kept as the doses of many small equal volumes (`sampling.py`), so that every value below is exact to their
number and no bin width enters it. Names and definitions: ICRU Report 83 (2010), section 3.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import FedRTError
from ..imaging.geometry import SliceStack
from .sampling import POINTS, Samples, sample_solid
from .sections import EndCaps, solid_of


class Dose(Protocol):
    """A dose distribution: `DoseGrid` or `DoseSum`."""

    def at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gy at (n, 3) LPS points, and where it is known (in how many grids, or whether at all)."""


@dataclass(frozen=True)
class Dvh:
    """What doses a structure gets.

    doses: (n,) Gy, ascending. volumes: (n,) cm3 that gets each. Only where the dose is known.
    volume_cm3: the whole structure. covered: share of it (0..1) where the dose is known: all values but `volume_cm3` are
    of this part. complete: share of it that lies in every grid of a dose sum.
    minimum, maximum: Gy, of the sample points and of the contours' own points.
    bridged_slices: image slices without a contour within the structure.
    """

    doses: np.ndarray
    volumes: np.ndarray
    volume_cm3: float
    covered: float
    complete: float
    minimum: float
    maximum: float
    bridged_slices: int = 0

    @property
    def mean(self) -> float:
        """Mean dose, Gy."""
        return float(np.average(self.doses, weights=self.volumes))

    @property
    def median(self) -> float:
        """D50%, Gy."""
        return self.dose_to_percent(50)

    @property
    def covered_cm3(self) -> float:
        """cm3 where the dose is known."""
        return float(self.volumes.sum())

    def dose_to_percent(self, percent: float) -> float:
        """D_x%: the least dose to the hottest `percent` of the volume, Gy (0: the greatest dose, 100: the least)."""
        return self._dose_to(percent / 100 * self.covered_cm3)

    def dose_to_cm3(self, cm3: float) -> float:
        """D_xcm3: the least dose to the hottest `cm3`, Gy; not a number where the structure is smaller."""
        return self._dose_to(cm3) if cm3 <= self.covered_cm3 * (1 + 1e-9) else float("nan")

    def percent_above(self, gray: float) -> float:
        """V_xGy: percent of the volume that gets at least `gray`."""
        return 100 * self.cm3_above(gray) / self.covered_cm3

    def cm3_above(self, gray: float) -> float:
        """V_xGy: cm3 that get at least `gray`."""
        return float(self.volumes[np.searchsorted(self.doses, gray, side="left") :].sum())

    def generalised_eud(self, a: float) -> float:
        """(sum v_i D_i^a)^(1/a), Gy: the uniform dose with the same effect.

        a = 1 is the mean; large a near the maximum (serial organs), negative a near the minimum (targets).
        Source: Niemierko 1997 Med Phys 24:103, generalised in Niemierko 1999 Med Phys 26:1100.

        Raises:
            ValueError: a is 0.
        """
        if a == 0:
            raise ValueError("the parameter a of the EUD cannot be 0")
        scale = self.maximum or 1.0
        share = np.maximum(self.doses.astype(np.float64), 0.0) / scale
        if a < 0 and (share <= 0).any():
            return 0.0
        return float(scale * np.average(share**a, weights=self.volumes) ** (1 / a))

    def curve(self, bin_gy: float = 0.1, to_gy: float | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The histogram for drawing and files.

        Returns:
            (m,) Gy, the lower edges of bins of `bin_gy` from 0; (m,) cm3 that get at least that dose (cumulative); and
            (m,) cm3 in the bin (differential).
        """
        last = self.maximum if to_gy is None else to_gy
        edges = np.arange(int(np.ceil(last / bin_gy)) + 2) * bin_gy
        below = np.concatenate([[0.0], np.cumsum(self.volumes)])
        cumulative = self.covered_cm3 - below[np.searchsorted(self.doses, edges, side="left")]
        return edges[:-1], np.maximum(cumulative[:-1], 0.0), np.maximum(-np.diff(cumulative), 0.0)

    def _dose_to(self, cm3: float) -> float:
        """The dose that exactly `cm3` of the volume reach, each sample being spread evenly to its neighbours."""
        above = np.cumsum(self.volumes[::-1])[::-1] - 0.5 * self.volumes
        if cm3 <= above[-1]:
            low, share = self.doses[-1], cm3 / above[-1]
            return float(self.maximum + share * (low - self.maximum))
        if cm3 >= above[0]:
            share = (self.covered_cm3 - cm3) / max(self.covered_cm3 - above[0], 1e-12)
            return float(self.minimum + np.clip(share, 0.0, 1.0) * (self.doses[0] - self.minimum))
        return float(np.interp(-cm3, -above, self.doses))


def dvh_of_contours(
    polygons: list[np.ndarray],
    dose: Dose,
    stack: SliceStack | None = None,
    *,
    ends: EndCaps = "rounded",
    exclusive: bool = False,
    step_mm: float | None = None,
    points: int = POINTS,
) -> Dvh:
    """The DVH of closed planar contours, straight from the contours.

    Args:
        polygons: each (n, 3) LPS mm.
        dose: interpolated trilinearly at every sample point.
        stack: the image series they were drawn on; tells the slice distance and missing contours.
        ends: end-cap rule (`sections.py`).
        exclusive: the contours are of type CLOSEDPLANAR_XOR.
        step_mm: slice distance where there is no stack and the structure lies on one plane.
        points: how many sample points at least.

    Raises:
        FedRTError: the contours enclose no area, or no dose is known anywhere in the structure.
    """
    slices, normal = (None, None) if stack is None else (stack.positions, stack.normal)
    solid = solid_of(polygons, slices, normal, step_mm, ends, exclusive)
    samples = sample_solid(solid, points)
    return dvh_of_samples(samples, dose, solid.bridged_slices)


def dvh_of_mask(mask: np.ndarray, stack: SliceStack, dose: Dose, *, points: int = POINTS) -> Dvh:
    """The DVH of a mask [k, y, x] on the slices of `stack`: its voxels as boxes, filled with points.

    Raises:
        FedRTError: the mask is empty, or no dose is known anywhere in it.
    """
    k, y, x = np.nonzero(mask)
    if not len(k):
        raise FedRTError("its mask is empty.")
    thickness = _thickness(stack)
    pieces = int(np.clip(np.ceil((points / len(k)) ** (1 / 3)), 1, 20))
    fractions = (np.arange(pieces) + 0.5) / pieces - 0.5
    rng = np.random.default_rng(20)
    found, volumes = [], []
    volume = thickness[k] * stack.spacing[0] * stack.spacing[1] / 1000 / pieces**3
    for dz in fractions:
        for dy in fractions:
            for dx in fractions:
                move = rng.uniform(-0.5, 0.5, (3, len(k))) / pieces
                found.append(
                    stack.positions[k]
                    + ((x + dx + move[0]) * stack.spacing[0])[:, None] * stack.row_direction
                    + ((y + dy + move[1]) * stack.spacing[1])[:, None] * stack.column_direction
                    + ((dz + move[2]) * thickness[k])[:, None] * stack.normal
                )
                volumes.append(volume)
    samples = Samples(np.concatenate(found), np.concatenate(volumes) * 1000, np.empty((0, 3)))
    return dvh_of_samples(samples, dose)


def _thickness(stack: SliceStack) -> np.ndarray:
    """(n,) mm that each slice stands for: half way to its neighbours, at most one and a half steps."""
    if len(stack.positions) == 1:
        return np.ones(1)
    gaps = np.minimum(np.diff(stack.offsets), 1.5 * stack.step)
    return 0.5 * (np.concatenate([[stack.step], gaps]) + np.concatenate([gaps, [stack.step]]))


def dvh_of_samples(samples: Samples, dose: Dose, bridged_slices: int = 0) -> Dvh:
    """The DVH of sample points.

    Raises:
        FedRTError: there are none, or no dose is known at any of them.
    """
    if not len(samples.points):
        raise FedRTError("it encloses no volume (one contour without end caps).")
    values, known = dose.at(samples.points)
    inside = known.astype(bool)
    if not inside.any():
        raise FedRTError("the dose grid does not reach it: export the dose with a grid that covers it.")
    outline, outline_known = dose.at(samples.outline)
    extremes = np.concatenate([values[inside], outline[outline_known.astype(bool)]])
    order = np.argsort(values[inside], kind="stable")
    total = float(samples.volumes.sum())
    grids = len(getattr(dose, "grids", (dose,)))
    return Dvh(
        doses=values[inside][order],
        volumes=samples.volumes[inside][order] / 1000,
        volume_cm3=total / 1000,
        covered=float(samples.volumes[inside].sum()) / total,
        complete=float(samples.volumes[known >= grids].sum()) / total,
        minimum=float(extremes.min()),
        maximum=float(extremes.max()),
        bridged_slices=bridged_slices,
    )
