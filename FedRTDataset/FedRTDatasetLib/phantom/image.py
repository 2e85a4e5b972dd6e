"""The phantom's CT image: tissues painted with partial volumes, then what the scanner makes of them."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .anatomy import HIGH_Z, LOW_Z, Anatomy
from .shapes import Points, Shape

AIR, FAT, MUSCLE = -1000.0, -95.0, 52.0
COUCH_TOP_Y = 132.0


@dataclass(frozen=True)
class Scanner:
    """A CT scanner with its pelvis protocol, and how far it is out of calibration.

    spacing_mm: (x, y, z). matrix: (columns, rows). blur_mm: standard deviation of the point spread in plane. noise_hu: in
    the middle of the patient. streaks_hu: horizontal streaks between the hips. cupping_hu: how far CT numbers sink in the
    middle. hu_scale, hu_shift: calibration of tissue. patient_position: HFS or FFS. signed_pixels: CT numbers stored as
    they are.
    """

    manufacturer: str
    model: str
    station: str
    software: str
    kernel: str
    kvp: int
    spacing_mm: tuple[float, float, float]
    matrix: tuple[int, int]
    blur_mm: float
    noise_hu: float
    streaks_hu: float = 0.0
    cupping_hu: float = 0.0
    hu_scale: float = 1.0
    hu_shift: float = 0.0
    bladder_contrast: bool = False
    couch: bool = True
    patient_position: str = "HFS"
    signed_pixels: bool = False


@dataclass(frozen=True)
class Axes:
    """Voxel centres of the phantom's frame, mm, each increasing."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray


def scan_axes(rng: np.random.Generator, scanner: Scanner) -> Axes:
    """The scan of one patient: the field of view is centred by eye, the first slice lies anywhere."""
    dx, dy, dz = scanner.spacing_mm
    columns, rows = scanner.matrix
    x = (np.arange(columns) - (columns - 1) / 2) * dx + rng.uniform(-6, 6)
    y = (np.arange(rows) - (rows - 1) / 2) * dy + 12 + rng.uniform(-4, 4)
    z = np.arange(LOW_Z + rng.uniform(0, dz), HIGH_Z, dz)
    return Axes(x, y, z)


def render(rng: np.random.Generator, anatomy: Anatomy, scanner: Scanner, axes: Axes) -> np.ndarray:
    """CT numbers, float32 HU [z, y, x], on `axes`."""
    canvas = _Canvas(anatomy, axes, soft_mm=1.1 * scanner.spacing_mm[0])
    fine, coarse = _texture(rng, axes, 5.0), _texture(rng, axes, 16.0)
    _paint_trunk(canvas, anatomy, fine, coarse)
    _paint_organs(canvas, rng, anatomy, scanner, fine, coarse)
    for bone in anatomy.bones:
        canvas.paint(bone, lambda depth, box: _bone(depth, fine[box]))
    return _scan(rng, canvas.hu, scanner, axes)


class _Canvas:
    """The image being painted; later paint covers earlier."""

    def __init__(self, anatomy: Anatomy, axes: Axes, soft_mm: float) -> None:
        self.axes = axes
        self._points = anatomy.warp.points(axes.x, axes.y, axes.z)
        self._reach = anatomy.warp.reach + soft_mm
        self._soft = soft_mm
        self.hu = np.full((len(axes.z), len(axes.y), len(axes.x)), AIR, np.float32)

    def window(self, shape: Shape) -> tuple[slice, slice, slice]:
        """The [z, y, x] part of the image that holds the shape."""
        low, high = shape.box
        parts = []
        for axis, n in ((self.axes.z, 2), (self.axes.y, 1), (self.axes.x, 0)):
            start, stop = np.searchsorted(axis, (low[n] - self._reach, high[n] + self._reach))
            parts.append(slice(int(start), int(stop)))
        return tuple(parts)

    def distance(self, shape: Shape, box: tuple[slice, slice, slice]) -> np.ndarray:
        return shape.distance(Points(*(axis[box] for axis in self._points)))

    def paint(self, shape: Shape, value, within: Shape | None = None) -> None:
        """Cover the shape with `value`: HU, or a function of (distance, window) that gives HU there."""
        box = self.window(shape)
        depth = self.distance(shape, box)
        if depth.size == 0:
            return
        limit = depth if within is None else np.maximum(depth, self.distance(within, box))
        share = np.clip(0.5 - limit / self._soft, 0, 1)
        hu = value(depth, box) if callable(value) else value
        self.hu[box] += share * (hu - self.hu[box])


def _paint_trunk(canvas: _Canvas, anatomy: Anatomy, fine: np.ndarray, coarse: np.ndarray) -> None:
    canvas.paint(anatomy.body, lambda depth, box: np.where(depth > -2.2, 5.0, FAT + 6 * coarse[box]))

    def muscle(depth, box):
        streaks = np.clip(fine[box] + 0.8 * coarse[box] - 1.7, 0, 1)  # fat in and between the muscles
        return MUSCLE + 5 * coarse[box] - streaks * 120

    canvas.paint(anatomy.inner, muscle)
    for part in anatomy.fat:
        canvas.paint(part, FAT, within=anatomy.inner)
    canvas.paint(anatomy.cavity, lambda depth, box: FAT + 22 * np.clip(fine[box] - 0.8, 0, 2) + 8 * coarse[box])
    for part in anatomy.muscles:
        canvas.paint(part, lambda depth, box: MUSCLE + 6 * coarse[box])
    for part in anatomy.vessels:
        canvas.paint(part, 44.0)


def _paint_organs(canvas, rng, anatomy: Anatomy, scanner: Scanner, fine: np.ndarray, coarse: np.ndarray) -> None:
    for loop, gas in anatomy.bowel:
        inside = -700.0 if gas else float(rng.uniform(5, 45))
        canvas.paint(loop, _walled(35.0, inside), within=anatomy.cavity)
    canvas.paint(anatomy.seminal_vesicles, lambda depth, box: 32 + 7 * fine[box])
    canvas.paint(anatomy.organs["Prostate"], lambda depth, box: 41 + 5 * fine[box] + 4 * coarse[box])
    canvas.paint(anatomy.organs["Bladder"], 34.0)
    canvas.paint(anatomy.bladder_lumen, _urine(rng, canvas, anatomy, scanner))
    canvas.paint(anatomy.organs["Rectum"], 38.0)
    canvas.paint(anatomy.rectum_lumen, _rectum_content(rng, canvas, anatomy, fine, coarse))


def _walled(wall: float, inside: float):
    return lambda depth, box: np.where(depth > -3.0, wall, inside)


def _urine(rng, canvas: _Canvas, anatomy: Anatomy, scanner: Scanner):
    """Urine, or contrast medium that sinks to the back of a patient on his back."""
    if not scanner.bladder_contrast:
        return float(rng.normal(5, 3))
    low, high = anatomy.organs["Bladder"].box
    level, layering = rng.uniform(140, 210), rng.uniform(40, 110)
    share = np.clip((canvas.axes.y - low[1]) / (high[1] - low[1]), 0, 1).astype(np.float32)
    return lambda depth, box: level + layering * (share[None, box[1], None] - 0.5) * np.ones_like(depth)


def _rectum_content(rng, canvas: _Canvas, anatomy: Anatomy, fine: np.ndarray, coarse: np.ndarray):
    """Faeces with gas in front where the rectum is wide."""
    gas_at, gas_height, gas_share = rng.uniform(0, 75), rng.uniform(12, 35), rng.uniform(0.0, 1.0)

    def content(depth, box):
        z = canvas.axes.z[box[0]]
        _, y, radius = anatomy.rectum.axis(z)
        level = y + radius * (1.6 * gas_share * np.exp(-(((z - gas_at) / gas_height) ** 2)) - 1.0)
        behind = canvas.axes.y[None, box[1], None] - level[:, None, None]
        gas = np.clip(0.5 - behind / 4.0, 0, 1)
        faeces = 35 + 14 * coarse[box] + 10 * fine[box] - 260 * np.clip(fine[box] - 1.5, 0, 1)
        return faeces + gas * (-880 - faeces)

    return content


def _bone(depth: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """A dense shell over spongy bone."""
    return 230 + 40 * fine + 520 * np.exp(-(((depth + 1.2) / 2.6) ** 2))


def _texture(rng: np.random.Generator, axes: Axes, size_mm: float) -> np.ndarray:
    """A smooth random field [z, y, x] of about unit variance whose blobs are some `size_mm` wide."""
    spans = [axis[-1] - axis[0] for axis in (axes.z, axes.y, axes.x)]
    knots = [max(int(span / size_mm) + 3, 4) for span in spans]
    field = rng.standard_normal(knots, np.float32)
    for n, (axis, count) in enumerate(zip((axes.z, axes.y, axes.x), knots, strict=True)):
        at = np.linspace(0, count - 1.001, len(axis))
        low = at.astype(int)
        share = (at - low).astype(np.float32).reshape([-1 if i == n else 1 for i in range(3)])
        share = share * share * (3 - 2 * share)
        field = np.take(field, low, n) * (1 - share) + np.take(field, low + 1, n) * share
    return field * np.float32(1.5)


def _scan(rng: np.random.Generator, hu: np.ndarray, scanner: Scanner, axes: Axes) -> np.ndarray:
    """Couch, blur, beam hardening, noise and calibration."""
    dx, dy, _ = scanner.spacing_mm
    if scanner.couch:
        _add_couch(hu, axes)
    hu = ndimage.gaussian_filter(hu, (0.35, scanner.blur_mm / dy, scanner.blur_mm / dx), truncate=3.0)
    inside = np.clip((hu + 500) / 300, 0, 1)
    radius = (axes.x[None, :] / 150) ** 2 + ((axes.y[:, None] - 10) / 100) ** 2
    middle = np.exp(-radius).astype(np.float32)
    attenuation = np.clip(hu + 1000, 0, 2500).sum(axis=2, dtype=np.float32) * np.float32(dx / 1000)  # mm of water a row
    noise = rng.standard_normal(hu.shape, np.float32)
    grain = max(0.45, 0.6 * scanner.blur_mm / dx)
    noise = ndimage.gaussian_filter(noise, (0, grain, grain), truncate=2.5)
    noise *= scanner.noise_hu / noise.std() * (0.6 + 0.8 * middle)[None]
    if scanner.streaks_hu:
        rows = ndimage.gaussian_filter(rng.standard_normal(hu.shape, np.float32), (0, 0.6, 14), truncate=2.5)
        dense = np.clip((attenuation - 330) / 80, 0, 2.5)[:, :, None]
        noise += rows / rows.std() * scanner.streaks_hu * dense * middle[None]
    scaled = (hu + 1000) * scanner.hu_scale - 1000 + inside * (scanner.hu_shift - scanner.cupping_hu * middle[None])
    return scaled + noise * (0.15 + 0.85 * inside)


def _add_couch(hu: np.ndarray, axes: Axes) -> None:
    """A carbon-fibre couch top of foam between two skins under the patient."""
    depth = np.broadcast_to(axes.y[:, None] - COUCH_TOP_Y, hu.shape[1:])
    skins = ((depth > 0) & (depth < 4)) | ((depth > 22) & (depth < 26))
    core = (depth >= 4) & (depth <= 22)
    air = hu < -900
    hu[air & skins[None]] = -250
    hu[air & core[None]] = -930
