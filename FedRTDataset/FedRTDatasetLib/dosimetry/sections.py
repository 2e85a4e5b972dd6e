"""A structure's contours as sections on parallel planes, and how its cross-section runs between and beyond them.

Contours tell a structure on image slices only. What lies between two of them, and where the structure ends, is a choice
that moves a DVH more than anything else (Nelms et al. 2015, Med Phys 42:4435). The choice here:

Between two contours the cross-sectional area follows a smooth curve (cubic, through every contour's area, its slope that
of the parabola through the neighbours), so that a sphere, a cone and a cylinder keep their exact volume; the outline
passes from one contour to the next by their signed distances (`sampling.py`). (Where the squares of the areas follow
parabolas more closely, as in a cylinder across the slices, the curves are drawn through those: `area_curve.py`.)

Beyond the first and last contour (`EndCaps`):
rounded  the area goes on along the parabola through the last three contours. Where that reaches 0 before the next slice
         (which has no contour, so the structure ends before it), the structure ends there, as a sphere or a cone's tip.
         Otherwise it ends half a slice on: it tapers off to nothing there, which is also what fits the volumes and mean
         doses that Eclipse tells (Testing/benchmarks/dvh). It ends flat where the last contours are copies of each other
         (a cylinder), where the structure flares (a cone's base) and where fewer than three contours tell no course.
half     the structure goes on for half a slice and ends flat.
none     the structure ends at its first and last contour.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from ..contouring.bridging import goes_on
from ..contouring.contour_rule import arrangement
from ..errors import FedRTError

EndCaps = Literal["rounded", "half", "none"]
END_CAPS = get_args(EndCaps)
SAME_PLANE_MM = 0.05
SCAN_LINES = 1024  # to measure an area: 24 mm across are 42 lines a millimetre
PER_MM = 10.0  # `contouring/contour_rule.py` compares contours in pixels


@dataclass(frozen=True)
class Frame:
    """Two axes in the plane of the contours and their normal: orthonormal (3,) LPS vectors."""

    u: np.ndarray
    v: np.ndarray
    normal: np.ndarray

    def in_plane(self, points: np.ndarray) -> np.ndarray:
        """(n, 3) LPS mm as (n, 2) mm along u and v."""
        return np.stack([points @ self.u, points @ self.v], axis=1)

    def to_patient(self, uv: np.ndarray, along: np.ndarray) -> np.ndarray:
        """(n, 2) mm along u and v and (n,) mm along the normal as (n, 3) LPS."""
        return uv[:, :1] * self.u + uv[:, 1:] * self.v + along[:, None] * self.normal


@dataclass(frozen=True)
class Section:
    """A structure on one plane: `along` mm on the normal, `area` mm2, and `groups` of closed loops, each (n, 2) mm along
    u and v. A group goes by the even-odd rule; groups unite (`contouring/contour_rule.py`)."""

    along: float
    groups: list[list[np.ndarray]]
    area: float

    @property
    def loops(self) -> list[np.ndarray]:
        return [loop for group in self.groups for loop in group]


@dataclass(frozen=True)
class Part:
    """Sections that belong together, lowest first, and the slice distance beyond the first and the last, mm."""

    sections: list[Section]
    below_mm: float
    above_mm: float

    @property
    def along(self) -> np.ndarray:
        return np.array([section.along for section in self.sections])

    @property
    def areas(self) -> np.ndarray:
        return np.array([section.area for section in self.sections])


@dataclass(frozen=True)
class Solid:
    """A structure in its parts. bridged_slices: image slices within it that have no contour. ends: the end-cap rule."""

    frame: Frame
    parts: list[Part]
    bridged_slices: int
    ends: EndCaps


def solid_of(
    polygons: list[np.ndarray],
    slices: np.ndarray | None = None,
    normal: np.ndarray | None = None,
    step_mm: float | None = None,
    ends: EndCaps = "rounded",
    exclusive: bool = False,
) -> Solid:
    """The solid that closed planar contours describe.

    Args:
        polygons: each (n, 3) LPS mm.
        slices: (m, 3) LPS mm, one point of each slice of the image series; tells where contours are missing.
        normal: (3,) unit normal of the slices; without it that of the largest contour.
        step_mm: slice distance where no slices are given and the structure lies on one plane only.
        ends: the end-cap rule.
        exclusive: the contours are of type CLOSEDPLANAR_XOR.

    Raises:
        FedRTError: no polygon encloses an area, or a single plane and nothing that tells the slice distance.
    """
    frame = plane_frame(polygons, normal)
    sections = _sections(polygons, frame, exclusive)
    if not sections:
        raise FedRTError("its contours enclose no area.")
    along = np.array([section.along for section in sections])
    known = None if slices is None or len(slices) < 2 else np.sort(slices @ frame.normal)
    step = _step(along, known, step_mm)
    skipped, bridged = _gaps(along, known, step)
    cuts = [0, *(np.flatnonzero(~bridged) + 1), len(sections)]
    parts = [
        Part(
            sections[first:last],
            _next_slice(along[first], known, step, -1),
            _next_slice(along[last - 1], known, step, 1),
        )
        for first, last in pairwise(cuts)
    ]
    return Solid(frame, parts, int(np.maximum(np.rint(skipped[bridged]) - 1, 0).sum()), ends)


def plane_frame(polygons: list[np.ndarray], normal: np.ndarray | None = None) -> Frame:
    """The frame of the planes that the polygons lie on. The in-plane axes are turned away from the patient's on purpose:
    rows of sample points along an axis would fall on equal doses where the dose changes across them."""
    if normal is None:
        vectors = [_area_vector(polygon) for polygon in polygons]
        largest = max(vectors, key=np.linalg.norm, default=np.zeros(3))
        length = np.linalg.norm(largest)
        if length < 1e-9:
            raise FedRTError("its contours enclose no area.")
        normal = largest / length
        normal = normal * np.sign(normal[np.abs(normal).argmax()])
    axis = np.eye(3)[np.abs(normal).argmin()]
    u = np.cross(axis, normal)
    u /= np.linalg.norm(u)
    v = np.cross(normal, u)
    turn = 0.5535743588970452  # atan(0.618): the golden ratio, the slope that is furthest from every simple fraction
    return Frame(np.cos(turn) * u + np.sin(turn) * v, np.cos(turn) * v - np.sin(turn) * u, normal)


def _area_vector(polygon: np.ndarray) -> np.ndarray:
    """(3,) mm2: the polygon's area along its normal (Newell)."""
    centred = polygon - polygon.mean(axis=0)
    return 0.5 * np.cross(centred, np.roll(centred, -1, axis=0)).sum(axis=0)


def _sections(polygons: list[np.ndarray], frame: Frame, exclusive: bool) -> list[Section]:
    along = np.array([float((polygon @ frame.normal).mean()) for polygon in polygons])
    planes: list[list[int]] = []
    for i in np.argsort(along, kind="stable"):
        if planes and along[i] - along[planes[-1][-1]] <= SAME_PLANE_MM:
            planes[-1].append(i)
        else:
            planes.append([i])
    sections = []
    for plane in planes:
        groups = _groups([frame.in_plane(polygons[i]) for i in plane], exclusive)
        area = area_of(groups)
        if area > 0:
            sections.append(Section(float(along[plane].mean()), groups, area))
    return sections


def _groups(loops: list[np.ndarray], exclusive: bool) -> list[list[np.ndarray]]:
    """What the loops of one plane mean together: one group where the even-odd rule says it, else a group a part."""
    if len(loops) == 1 or exclusive:
        return [loops]
    scaled = [loop * PER_MM for loop in loops]
    arranged = arrangement(scaled, np.array([[loop.min(axis=0), loop.max(axis=0)] for loop in scaled]))
    if not arranged.crossing and not arranged.same:
        return [loops]
    return [[loops[part], *(loops[hole] for hole in holes)] for part, holes in arranged.parts()]


def area_of(groups: list[list[np.ndarray]]) -> float:
    """mm2 inside any of the groups: exact along u, `SCAN_LINES` lines along v."""
    every = np.concatenate([loop for group in groups for loop in group])
    low, high = every[:, 1].min(), every[:, 1].max()
    if high <= low:
        return 0.0
    spacing = (high - low) / SCAN_LINES
    lines, starts, ends = [], [], []
    for group in groups:
        line, crossing = crossings(group, low + 0.5 * spacing, spacing, SCAN_LINES)
        order = np.lexsort((crossing, line))
        lines.append(line[order][::2])
        starts.append(crossing[order][::2])
        ends.append(crossing[order][1::2])
    line, start, end = np.concatenate(lines), np.concatenate(starts), np.concatenate(ends)
    if len(groups) > 1:
        start, end = _without_overlap(line, start, end)
    return float((end - start).sum() * spacing)


def _without_overlap(line: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intervals on lines, cut so that none covers what an earlier one on its line covers."""
    apart = line * (4 * np.abs([start, end]).max() + 1)  # lines one after the other on one axis
    order = np.argsort(start + apart, kind="stable")
    start, end = (start + apart)[order], (end + apart)[order]
    reached = np.maximum.accumulate(end)
    before = np.concatenate([[-np.inf], reached[:-1]])
    start = np.minimum(np.maximum(start, before), reached)
    return start, np.maximum(end, start)


def crossings(loops: list[np.ndarray], first: float, spacing: float, lines: int) -> tuple[np.ndarray, np.ndarray]:
    """Where loops cross the lines v = first + i spacing: line numbers and u coordinates, two for every way in and out.

    Half-open intervals (upper end excluded) make a vertex on a line count once.
    """
    start = np.concatenate(loops)
    end = np.concatenate([np.roll(loop, -1, axis=0) for loop in loops])
    upward = start[:, 1] < end[:, 1]
    low = np.where(upward[:, None], start, end)
    high = np.where(upward[:, None], end, start)
    from_line = np.clip(np.ceil((low[:, 1] - first) / spacing), 0, lines).astype(np.int64)
    to_line = np.clip(np.ceil((high[:, 1] - first) / spacing), 0, lines).astype(np.int64)
    count = to_line - from_line
    edge = np.repeat(np.arange(len(count)), count)
    line = from_line[edge] + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    share = (first + line * spacing - low[edge, 1]) / (high[edge, 1] - low[edge, 1])
    return line, low[edge, 0] + share * (high[edge, 0] - low[edge, 0])


def _step(along: np.ndarray, known: np.ndarray | None, step_mm: float | None) -> float:
    if known is not None:
        return float(np.median(np.diff(known)))
    if step_mm is not None:
        return step_mm
    if len(along) > 1:
        return float(np.median(np.diff(along)))
    raise FedRTError("it is contoured on one plane, and without its images the slice distance is not known.")


def _gaps(along: np.ndarray, known: np.ndarray | None, step: float) -> tuple[np.ndarray, np.ndarray]:
    """For each plane and the next: how many slices they are apart, and whether the structure goes on between them.

    It does by the rule of `contouring/bridging.py`: no image slice lies between them, or the gap is one of several alike in a
    row (contours on every other slice). A gap that stands alone divides the structure.
    """
    gaps = np.diff(along)
    skipped = gaps / step
    if known is not None:
        beyond = np.maximum(along - known[-1], 0) - np.maximum(known[0] - along, 0)
        skipped = np.diff(np.interp(along, known, np.arange(len(known))) + beyond / step)
    return skipped, goes_on(gaps, skipped)


def _next_slice(along: float, known: np.ndarray | None, step: float, side: int) -> float:
    """Distance to the next image slice on one side of a plane, mm; the usual distance where there is none."""
    if known is not None:
        beyond = (known - along) * side
        beyond = beyond[beyond > 0.25 * step]
        if len(beyond) and beyond.min() < 1.75 * step:
            return float(beyond.min())
    return step
