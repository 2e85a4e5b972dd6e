"""Sample points that fill a structure evenly, from its contours (`sections.py`), much finer than image or dose voxels.

Each section gives signed distances to its outline on a fine grid. On a plane between two sections the distances are
interpolated, and the outline lies at the level at which the area is that of the area curve; beyond the last section its
outline shrinks (or grows) by the same rule. Each cell gives one point, at a place along the normal that differs from cell
to cell, so that no plane of points falls on one dose; a cell on the outline counts with the share that lies inside, at the
middle of that share. The volume is that under the area curve.
"""

from dataclasses import dataclass

import numpy as np

from .area_curve import AreaCurve, area_curve
from .sections import (
    Frame,
    Part,
    Section,
    Solid,
    crossings,
)

POINTS = 100_000
LARGEST_CELL_MM3 = 8.0
MOST_POINTS = 2_000_000
FLATNESS = 2.0  # cells are wider than high, because caps and slopes end along the normal
EXACT_CELLS = 4  # so near to an outline a distance is measured to the outline, not to the nearest cell
GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Samples:
    """points: float64 (n, 3) LPS mm inside a structure. volumes: (n,) mm3 that each stands for. outline: (m, 3) points
    on the contours and the ends, which stand for no volume but can hold the least and greatest dose."""

    points: np.ndarray
    volumes: np.ndarray
    outline: np.ndarray

    @property
    def volume_cm3(self) -> float:
        return float(self.volumes.sum()) / 1000


def sample_solid(solid: Solid, points: int = POINTS) -> Samples:
    """About `points` sample points (more in a structure so large that they would lie over 2 mm apart)."""
    curves = [area_curve(part, solid.ends) for part in solid.parts]
    volumes = [_volume(curve) for curve in curves]
    total = sum(volumes)
    cell = min(total / points, max(LARGEST_CELL_MM3, total / MOST_POINTS))
    width = (FLATNESS * cell) ** (1 / 3)
    filled = [
        _sample_part(part, curve, volume, width, solid.frame)
        for part, curve, volume in zip(solid.parts, curves, volumes, strict=True)
        if volume > 0
    ]
    if not filled:
        return Samples(np.empty((0, 3)), np.empty(0), np.empty((0, 3)))
    outline = [
        solid.frame.to_patient(loop, np.full(len(loop), section.along))
        for part in solid.parts
        for section in part.sections
        for loop in section.loops
    ]
    return Samples(
        np.concatenate([part.points for part in filled]),
        np.concatenate([part.volumes for part in filled]),
        np.concatenate([*outline, *(part.outline for part in filled)]),
    )


def _volume(curve: AreaCurve) -> float:
    """mm3 under the area curve, between its knots by Gauss-Legendre quadrature (exact for its cubics)."""
    if curve.end <= curve.start:  # one contour, no end caps
        return 0.0
    nodes, weights = np.polynomial.legendre.leggauss(6)
    knots = np.unique([curve.start, *curve.along, curve.end])
    middle, half = 0.5 * (knots[1:] + knots[:-1]), 0.5 * np.diff(knots)
    return float((curve.at(middle[:, None] + half[:, None] * nodes) * weights * half[:, None]).sum())


def _sample_part(part: Part, curve: AreaCurve, volume: float, width: float, frame: Frame) -> Samples:
    """The points of one part of a structure; its `outline` are points on its two ends."""
    planes = max(int(np.ceil((curve.end - curve.start) / (width / FLATNESS))), 4)
    thickness = (curve.end - curve.start) / planes
    along = curve.start + (np.arange(planes) + 0.5) * thickness
    areas = curve.at(along)
    growth = np.sqrt(areas.max() / np.pi) - np.sqrt(part.areas.max() / np.pi)  # beyond the contours, of a circle
    grid = _Grid.around(part.sections, width, 3.5 * width + 1.5 * max(float(growth), 0.0))
    spread = grid.spread()
    distances = _Distances(part.sections, grid)
    levels = np.array(
        [_level(distances.at(position), area / width**2) for position, area in zip(along, areas, strict=True)]
    )
    points, weights = [], []
    for i in range(planes):
        jitter = (spread + i * GOLDEN) % 1.0 - 0.5
        own = along[i] + jitter * thickness
        distance = distances.at(own)
        depth = np.interp(own, along, levels) - distance
        share = np.clip(0.5 + depth / width, 0.0, 1.0)
        inside = share > 0
        if inside.any():
            uv = grid.points(inside) + _inwards(distance, inside) * (0.5 * width * (1 - share[inside]))[:, None]
            points.append(frame.to_patient(uv, own[inside]))
            weights.append(share[inside] * (areas[i] / share[inside].sum()))
    volumes = np.concatenate(weights)
    ends = [
        frame.to_patient(uv, np.full(len(uv), position))
        for position, level in ((curve.start, levels[0]), (curve.end, levels[-1]))
        for uv in [grid.points(distances.at(position) <= max(level, float(distances.at(position).min())))]
    ]
    return Samples(np.concatenate(points), volumes * (volume / volumes.sum()), np.concatenate(ends))


def _inwards(distance: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(n, 2) unit vectors along u and v away from the outline at the chosen cells."""
    rows, columns = np.nonzero(chosen)
    last_row, last_column = distance.shape[0] - 1, distance.shape[1] - 1
    du = distance[rows, np.minimum(columns + 1, last_column)] - distance[rows, np.maximum(columns - 1, 0)]
    dv = distance[np.minimum(rows + 1, last_row), columns] - distance[np.maximum(rows - 1, 0), columns]
    return -np.stack([du, dv], axis=1) / np.maximum(np.hypot(du, dv), 1e-6)[:, None]


def _level(distance: np.ndarray, cells: float) -> float:
    """The distance below which `cells` cells lie (counted in fractions between two cells)."""
    if cells <= 0:
        return -np.inf
    flat = distance.ravel()
    rank = cells - 0.5
    low = int(np.clip(np.floor(rank), 0, flat.size - 1))
    high = min(low + 1, flat.size - 1)
    pair = np.partition(flat, (low, high))[[low, high]]
    return float(pair[0] + np.clip(rank - low, -0.5, 1.0) * (pair[1] - pair[0]))


@dataclass(frozen=True)
class _Grid:
    """Square cells of `width` mm over all sections; centre (0, 0) at `origin` (mm along u and v)."""

    origin: np.ndarray
    width: float
    shape: tuple[int, int]

    @classmethod
    def around(cls, sections: list[Section], width: float, margin: float) -> "_Grid":
        corners = np.concatenate([loop for section in sections for loop in section.loops])
        low, high = corners.min(axis=0) - margin, corners.max(axis=0) + margin
        columns, rows = np.ceil((high - low) / width).astype(int) + 1
        return cls(low, width, (int(rows), int(columns)))

    def pixels(self, loop: np.ndarray) -> np.ndarray:
        return (loop - self.origin) / self.width

    def points(self, chosen: np.ndarray) -> np.ndarray:
        """(n, 2) mm along u and v of the chosen cells."""
        rows, columns = np.nonzero(chosen)
        return self.origin + self.width * np.stack([columns, rows], axis=1)

    def spread(self) -> np.ndarray:
        """[rows, columns] numbers in 0..1 that differ between neighbours and cover the range evenly (Roberts' R2)."""
        rows, columns = np.indices(self.shape)
        return (0.7548776662466927 * columns + 0.5698402909980532 * rows) % 1.0


class _Distances:
    """Signed distances to the outline of a structure (negative inside) on planes between its sections."""

    def __init__(self, sections: list[Section], grid: _Grid) -> None:
        self._sections, self._grid = sections, grid
        self._along = np.array([section.along for section in sections])
        self._known: dict[int, np.ndarray] = {}

    def at(self, along: np.ndarray | float) -> np.ndarray:
        """float32 [rows, columns] mm; `along` one position for all cells or one for each (all within a thin layer)."""
        middle = float(np.mean(along))
        k = int(np.clip(np.searchsorted(self._along, middle) - 1, 0, max(len(self._along) - 2, 0)))
        low = self._section(k)
        if len(self._along) == 1:
            return low
        share = np.clip((along - self._along[k]) / (self._along[k + 1] - self._along[k]), 0.0, 1.0)
        return low + np.asarray(share, np.float32) * (self._section(k + 1) - low)

    def _section(self, k: int) -> np.ndarray:
        if k not in self._known:
            self._known[k] = signed_distance(self._sections[k].groups, self._grid)
            if len(self._sections) * self._grid.shape[0] * self._grid.shape[1] > 4_000_000:  # keep memory flat
                self._known = {i: known for i, known in self._known.items() if abs(i - k) <= 1}
        return self._known[k]


def signed_distance(groups: list[list[np.ndarray]], grid: _Grid) -> np.ndarray:
    """float32 [rows, columns] mm from each cell's centre to the outline, negative inside."""
    distance = np.stack([_group_distance([grid.pixels(loop) for loop in group], grid.shape) for group in groups])
    return distance.min(axis=0) * np.float32(grid.width)  # groups unite


def _group_distance(loops: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """float32 [rows, columns], in cells, to the outline of loops that go by the even-odd rule."""
    from scipy.ndimage import distance_transform_edt

    inside = _cells_inside(loops, shape)
    if inside.any():
        rough = np.where(inside, 0.5 - distance_transform_edt(inside), distance_transform_edt(~inside) - 0.5)
    else:  # thinner than a cell
        rough = np.zeros(shape)
    near = np.abs(rough) <= EXACT_CELLS
    rows, columns = np.nonzero(near)
    exact = _distance_to_outline(np.stack([columns, rows], axis=1).astype(float), loops)
    distance = rough.astype(np.float32)
    distance[near] = np.where(inside[near], -exact, exact)
    return distance


def _cells_inside(loops: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """bool [rows, columns]: cells whose centre lies inside an odd number of the loops (in cells)."""
    rows, columns = shape
    row, crossing = crossings(loops, 0.0, 1.0, rows)
    column = np.clip(np.ceil(crossing), 0, columns).astype(np.int64)
    toggles = np.bincount(row * (columns + 1) + column, minlength=rows * (columns + 1)).reshape(rows, columns + 1)
    return np.cumsum(toggles, axis=1)[:, :columns] % 2 == 1


def _distance_to_outline(points: np.ndarray, loops: list[np.ndarray]) -> np.ndarray:
    """(n,) distance of points (n, 2) to the nearest edge of the loops, in the loops' units (edges at most 1 long)."""
    from scipy.spatial import cKDTree

    start, end = zip(*(_short_edges(loop) for loop in loops), strict=True)
    start, end = np.concatenate(start), np.concatenate(end)
    _, nearest = cKDTree(0.5 * (start + end)).query(points, k=min(3, len(start)))
    nearest = nearest.reshape(len(points), -1)
    edge = (end - start)[nearest]
    to_point = points[:, None] - start[nearest]
    length2 = np.maximum((edge**2).sum(axis=2), 1e-12)
    share = np.clip((to_point * edge).sum(axis=2) / length2, 0.0, 1.0)
    return np.sqrt(((to_point - share[..., None] * edge) ** 2).sum(axis=2).min(axis=1))


def _short_edges(loop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The loop's edges, those longer than 1 divided."""
    end = np.roll(loop, -1, axis=0)
    pieces = np.maximum(np.ceil(np.linalg.norm(end - loop, axis=1)), 1).astype(int)
    edge = np.repeat(np.arange(len(loop)), pieces)
    number = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    step = ((end - loop) / pieces[:, None])[edge]
    first = loop[edge] + number[:, None] * step
    return first, first + step
