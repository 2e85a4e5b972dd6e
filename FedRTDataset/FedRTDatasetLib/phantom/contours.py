"""What a hospital draws on a phantom patient: contours that are sections of the smooth bodies, not of their voxels."""

import contourpy
import numpy as np

from ..contouring.rtstruct_write import RoiContours
from ..naming.structures import structure
from .anatomy import Anatomy
from .hospitals import Habits
from .image import Axes
from .shapes import (
    Between,
    Grown,
    Points,
    Shape,
    Union,
    Warp,
    Without,
)

STEP_MM = 2.0
COARSE_STEP_MM = 7.0
PTV_MARGIN_MM = 7.0


def target_volume(anatomy: Anatomy) -> Shape:
    """The planning target: prostate and seminal vesicles with a margin."""
    return Grown(Union((anatomy.organs["Prostate"], anatomy.seminal_vesicles), blend=6), PTV_MARGIN_MM)


def contoured_shape(anatomy: Anatomy, name: str, habits: Habits) -> Shape:
    """The body that a hospital's contours of an organ enclose."""
    shape = anatomy.organs[name]
    if name == "Prostate" and habits.vesicles_in_prostate:
        shape = Union((shape, anatomy.seminal_vesicles), blend=4)
    if name in anatomy.femur_necks and habits.femur_neck:
        shape = Union((shape, anatomy.femur_necks[name]), blend=6)
    shape = Grown(shape, habits.margin_mm.get(name, 0.0))
    return Between(shape, *habits.rectum_range_mm) if name == "Rectum" else shape


def draw_contours(
    rng: np.random.Generator, anatomy: Anatomy, habits: Habits, axes: Axes
) -> tuple[list[RoiContours], str]:
    """All ROIs of the hospital's structure set, LPS mm in the phantom's frame, and the name of its planning target."""
    rois = []
    for name, roi_names in habits.rois.items():
        roi_name = roi_names[0] if rng.random() < 0.8 else roi_names[-1]
        hand = _Hand(anatomy.warp, rng, habits.wobble_mm)
        polygons = section(contoured_shape(anatomy, name, habits), hand, axes.z)
        rois.append(RoiContours(roi_name, polygons, structure_color(name)))
    rois += _helpers(anatomy, habits, axes)
    return rois, habits.helper_names["ptv"]


def structure_color(name: str) -> tuple[int, int, int]:
    return structure(name).color


def _helpers(anatomy: Anatomy, habits: Habits, axes: Axes) -> list[RoiContours]:
    """Body, targets and planning helpers: present in every real structure set, not organs."""
    target, exact = target_volume(anatomy), anatomy.warp
    clinical = Grown(target, -PTV_MARGIN_MM)
    made = {
        "body": (anatomy.body, "EXTERNAL", (0, 200, 0)),
        "ctv": (clinical, "CTV", (255, 120, 0)),
        "ptv": (target, "PTV", (255, 0, 0)),
        "ring": (Without(Grown(target, 25), target, 5), "CONTROL", (120, 120, 255)),
        "minus": (Without(anatomy.organs["Bladder"], target), "CONTROL", (200, 200, 0)),
        "dose": (Grown(target, -1.5), "DOSE_REGION", (255, 255, 0)),
    }
    rois = []
    for what, roi_name in habits.helper_names.items():
        if what in made:
            shape, kind, color = made[what]
            step = COARSE_STEP_MM if what in ("body", "ring") else 1.5 * STEP_MM
            polygons = section(shape, exact, axes.z, step, field=axes if what == "body" else None)
            rois.append(RoiContours(roi_name, polygons, color, kind))
    return rois


def section(
    shape: Shape, warp: "Warp | _Hand", z: np.ndarray, step_mm: float = STEP_MM, field: Axes | None = None
) -> list[np.ndarray]:
    """The closed outlines of a warped body in the planes `z`, each (n, 3) LPS mm; a hole is an outline of its own.

    `field` limits the outlines to the scanned field of view.
    """
    low, high = shape.box
    low, high = low - warp.reach - 2 * step_mm, high + warp.reach + 2 * step_mm
    if field is not None:
        low = np.maximum(low, [field.x[0], field.y[0], -np.inf])
        high = np.minimum(high, [field.x[-1], field.y[-1], np.inf])
    x, y = np.arange(low[0], high[0], step_mm), np.arange(low[1], high[1], step_mm)
    planes = z[(z >= low[2]) & (z <= high[2])]
    if not len(planes):
        return []
    depth = shape.distance(warp.points(x, y, planes))
    polygons = []
    for plane, values in zip(planes, depth, strict=True):
        values = np.pad(values.astype(np.float64), 1, constant_values=step_mm)
        grid_x, grid_y = (np.concatenate([[a[0] - step_mm], a, [a[-1] + step_mm]]) for a in (x, y))
        for line in contourpy.contour_generator(grid_x, grid_y, values).lines(0.0):
            if len(line) >= 4 and abs(area(line[:-1])) > 4 * step_mm**2:
                polygons.append(np.column_stack([line[:-1], np.full(len(line) - 1, plane)]))
    return polygons


def area(loop: np.ndarray) -> float:
    """Signed area of a closed loop (n, 2), mm²."""
    x, y = loop[:, 0], loop[:, 1]
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))


class _Hand:
    """The patient's deformation plus the smooth unsteadiness of whoever draws."""

    def __init__(self, warp: Warp, rng: np.random.Generator, wobble_mm: float) -> None:
        self._warp, self._wobble = warp, Warp(rng, wobble_mm, waves=4, wavelengths_mm=(25, 70))
        self.reach = warp.reach + self._wobble.reach

    def points(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Points:
        moved, shaken = self._warp.points(x, y, z), self._wobble.points(x, y, z)
        flat = (x[None, None, :], y[None, :, None], z[:, None, None])
        return Points(*(m + (s - f).astype(np.float32) for m, s, f in zip(moved, shaken, flat, strict=True)))
