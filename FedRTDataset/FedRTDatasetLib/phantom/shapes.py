"""Smooth analytic bodies for the phantom: each gives a signed distance, negative inside, in mm.

Coordinates are LPS mm of the phantom's own frame (x to the patient's left, y posterior, z superior). Distances are exact on
the surface and close to Euclidean near it, which is all that margins and partial volumes need.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from scipy.interpolate import CubicSpline


class Points(NamedTuple):
    """Coordinates, mm; three arrays that broadcast to one shape."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray


class Shape(Protocol):
    """A body. `box` is (low, high), each (3,) mm: outside it the body is empty."""

    @property
    def box(self) -> tuple[np.ndarray, np.ndarray]: ...

    def distance(self, p: Points) -> np.ndarray:
        """Signed distance to the surface, mm, negative inside."""


@dataclass(frozen=True)
class Ellipsoid:
    """(|u/a|^n + |v/b|^n + |w/c|^n) = 1 in axes turned by `turn` (radians about x, y, z).

    `power` n is 2, an ellipsoid, or 2.5, a little boxier.
    """

    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    power: float = 2.0

    def __post_init__(self) -> None:
        if self.power not in (2.0, 2.5):
            raise ValueError(f"power must be 2 or 2.5, not {self.power}")

    @property
    def box(self):
        # |u|^2.5 + ... = 1 reaches up to 3^(1/2 - 1/2.5) times as far as the sphere in an oblique direction.
        reach = np.array(self.half) if not any(self.turn) else np.full(3, 1.12 * max(self.half))
        return np.array(self.centre) - reach, np.array(self.centre) + reach

    def distance(self, p: Points) -> np.ndarray:
        offset = [p.x - self.centre[0], p.y - self.centre[1], p.z - self.centre[2]]
        if any(self.turn):
            matrix = _rotation(self.turn)
            offset = [sum(float(matrix[j, i]) * offset[j] for j in range(3)) for i in range(3)]
        scaled = [np.abs(o) / h for o, h in zip(offset, self.half, strict=True)]
        # First-order distance: the value over the length of its gradient, bounded where the gradient vanishes.
        if self.power == 2.0:
            r = np.sqrt(_total(s * s for s in scaled))
            scale = r / np.maximum(np.sqrt(_total((s / h) ** 2 for s, h in zip(scaled, self.half, strict=True))), 1e-9)
        else:  # 2.5, written with roots: a general power takes ten times as long
            r = _total(s * s * np.sqrt(s) for s in scaled) ** 0.4
            steepness = np.sqrt(_total(s * s * s / h**2 for s, h in zip(scaled, self.half, strict=True)))
            scale = r * np.sqrt(r) / np.maximum(steepness, 1e-9)
        return (r - 1) * np.clip(scale, 0.5 * min(self.half), 1.8 * max(self.half))


@dataclass(frozen=True)
class Capsule:
    """A straight rod with round ends whose radius goes from `radius` to `radius_end`."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float
    radius_end: float | None = None

    @property
    def box(self):
        widest = max(self.radius, self.radius_end or 0)
        ends = np.array([self.start, self.end])
        return ends.min(axis=0) - widest, ends.max(axis=0) + widest

    def distance(self, p: Points) -> np.ndarray:
        axis = np.subtract(self.end, self.start)
        dx, dy, dz = p.x - self.start[0], p.y - self.start[1], p.z - self.start[2]
        along = np.clip((dx * axis[0] + dy * axis[1] + dz * axis[2]) / float(axis @ axis), 0, 1)
        gap = np.sqrt((dx - along * axis[0]) ** 2 + (dy - along * axis[1]) ** 2 + (dz - along * axis[2]) ** 2)
        radius_end = self.radius if self.radius_end is None else self.radius_end
        return gap - (self.radius + along * (radius_end - self.radius))


@dataclass(frozen=True)
class Tube:
    """A tube that rises along z on a spline; its cross-section in the (x, y) plane is an ellipse `stretch` wider in x.

    knots: (z, x, y, radius), z increasing. It ends in the planes of the first and the last knot.
    """

    knots: tuple[tuple[float, float, float, float], ...]
    stretch: float = 1.0

    @property
    def box(self):
        k = np.array(self.knots)
        low = [(k[:, 1] - 1.2 * self.stretch * k[:, 3]).min(), (k[:, 2] - 1.2 * k[:, 3]).min(), k[0, 0]]
        high = [(k[:, 1] + 1.2 * self.stretch * k[:, 3]).max(), (k[:, 2] + 1.2 * k[:, 3]).max(), k[-1, 0]]
        return np.array(low), np.array(high)

    def axis(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Centre x, centre y and radius at heights z."""
        k = np.array(self.knots)
        # The spline is read from a fine table: evaluating it at every voxel would cost more than all the rest.
        table_z = np.linspace(k[0, 0], k[-1, 0], 200)
        table = CubicSpline(k[:, 0], k[:, 1:])(table_z)
        return tuple(np.interp(z, table_z, table[:, i]).astype(np.asarray(z).dtype) for i in range(3))

    def distance(self, p: Points) -> np.ndarray:
        x, y, radius = self.axis(p.z)
        across = np.sqrt(((p.x - x) / self.stretch) ** 2 + (p.y - y) ** 2) - radius
        return np.maximum(across, np.maximum(self.knots[0][0] - p.z, p.z - self.knots[-1][0]))


@dataclass(frozen=True)
class Union:
    """All of the shapes, their joints rounded over about `blend` mm."""

    shapes: tuple[Shape, ...]
    blend: float = 0.0

    @property
    def box(self):
        boxes = [shape.box for shape in self.shapes]
        return np.min([b[0] for b in boxes], axis=0) - self.blend, np.max([b[1] for b in boxes], axis=0) + self.blend

    def distance(self, p: Points) -> np.ndarray:
        total = self.shapes[0].distance(p)
        for shape in self.shapes[1:]:
            total = _smooth_minimum(total, shape.distance(p), self.blend)
        return total


@dataclass(frozen=True)
class Without:
    """`shape` less what lies in `taken`, or closer than `gap` mm to it."""

    shape: Shape
    taken: Shape
    gap: float = 0.0

    @property
    def box(self):
        return self.shape.box

    def distance(self, p: Points) -> np.ndarray:
        return np.maximum(self.shape.distance(p), self.gap - self.taken.distance(p))


@dataclass(frozen=True)
class Grown:
    """`shape` grown by `margin` mm (shrunk where negative)."""

    shape: Shape
    margin: float

    @property
    def box(self):
        low, high = self.shape.box
        return low - self.margin, high + self.margin

    def distance(self, p: Points) -> np.ndarray:
        return self.shape.distance(p) - self.margin


@dataclass(frozen=True)
class Between:
    """The part of `shape` between two heights z, mm, its edges rounded over about `blend` mm."""

    shape: Shape
    low: float
    high: float
    blend: float = 0.0

    @property
    def box(self):
        low, high = (corner.copy() for corner in self.shape.box)
        low[2], high[2] = max(low[2], self.low), min(high[2], self.high)
        return low, high

    def distance(self, p: Points) -> np.ndarray:
        ends = np.maximum(self.low - p.z, p.z - self.high)
        return -_smooth_minimum(-self.shape.distance(p), -ends, self.blend)


@dataclass(frozen=True)
class HalfSpace:
    """Everything on the side of a plane that its normal points away from."""

    point: tuple[float, float, float]
    normal: tuple[float, float, float]

    @property
    def box(self):
        return np.full(3, -1e4), np.full(3, 1e4)

    def distance(self, p: Points) -> np.ndarray:
        n = np.array(self.normal) / np.linalg.norm(self.normal)
        return (p.x - self.point[0]) * n[0] + (p.y - self.point[1]) * n[1] + (p.z - self.point[2]) * n[2]


class Warp:
    """A smooth random deformation: a few sine waves in each coordinate. What makes patients differ in shape.

    `reach` bounds the displacement along each axis, mm.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        strength_mm: float,
        waves: int = 6,
        wavelengths_mm: tuple[float, float] = (90.0, 240.0),
    ) -> None:
        direction = rng.normal(size=(3, waves, 3))
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        self._k = 2 * np.pi * direction / rng.uniform(*wavelengths_mm, (3, waves, 1))
        self._phase = rng.uniform(0, 2 * np.pi, (3, waves))
        self._amplitude = strength_mm * rng.uniform(0.5, 1.0, (3, waves)) * (2 / waves) ** 0.5
        self.reach = float(self._amplitude.sum(axis=1).max())

    def points(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Points:
        """The deformed coordinates, float32 [z, y, x], of the grid with these axes (mm)."""
        moved = []
        for axis in range(3):
            total = np.zeros((len(z), len(y), len(x)), np.float32)
            for k, phase, amplitude in zip(self._k[axis], self._phase[axis], self._amplitude[axis], strict=True):
                # sin(a + b) from the angles of (z, y) and of x: no sine is taken per voxel.
                plane = (k[2] * z[:, None] + k[1] * y[None, :] + phase)[:, :, None]
                row = (k[0] * x)[None, None, :]
                total += (amplitude * np.sin(plane)).astype(np.float32) * np.cos(row).astype(np.float32)
                total += (amplitude * np.cos(plane)).astype(np.float32) * np.sin(row).astype(np.float32)
            moved.append(total)
        shift = np.float32
        return Points(
            moved[0] + x.astype(shift)[None, None, :],
            moved[1] + y.astype(shift)[None, :, None],
            moved[2] + z.astype(shift)[:, None, None],
        )


def mirrored(shape: Shape) -> Shape:
    """The shape's mirror image in the plane x = 0."""
    if isinstance(shape, Ellipsoid):
        turn = (shape.turn[0], -shape.turn[1], -shape.turn[2])
        return Ellipsoid(_flip(shape.centre), shape.half, turn, shape.power)
    if isinstance(shape, Capsule):
        return Capsule(_flip(shape.start), _flip(shape.end), shape.radius, shape.radius_end)
    if isinstance(shape, HalfSpace):
        return HalfSpace(_flip(shape.point), _flip(shape.normal))
    if isinstance(shape, Tube):
        return Tube(tuple((z, -x, y, r) for z, x, y, r in shape.knots), shape.stretch)
    if isinstance(shape, Union):
        return Union(tuple(mirrored(part) for part in shape.shapes), shape.blend)
    if isinstance(shape, Without):
        return Without(mirrored(shape.shape), mirrored(shape.taken), shape.gap)
    if isinstance(shape, Grown):
        return Grown(mirrored(shape.shape), shape.margin)
    if isinstance(shape, Between):
        return Between(mirrored(shape.shape), shape.low, shape.high, shape.blend)
    raise TypeError(type(shape).__name__)


def _flip(v: tuple[float, float, float]) -> tuple[float, float, float]:
    return (-v[0], v[1], v[2])


def _smooth_minimum(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    """Polynomial smooth minimum (Quilez): the minimum, rounded where the two are within `blend`."""
    if blend <= 0:
        return np.minimum(a, b)
    h = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.minimum(a, b) - h * h * (blend / 4)


def _total(parts) -> np.ndarray:
    first, *others = parts
    for part in others:
        first = first + part
    return first


def _rotation(turn: tuple[float, float, float]) -> np.ndarray:
    a, b, c = turn
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
