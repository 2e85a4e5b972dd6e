"""What several closed contours of one ROI on one plane mean together.

The Standard (PS3.3 C.8.8.6.3, 2024c) knows two ways to draw a hole: a keyhole within one contour, and contours of type
CLOSEDPLANAR_XOR, which are combined by exclusive disjunction. About several CLOSED_PLANAR contours of one ROI on one plane
it is silent, and programs differ: many planning systems write a hole as a contour inside another; brushes and merged
structures give parts that overlap. Taking exclusive disjunction for all of them (as a plain even-odd test does) would cut
out the overlap of two parts and delete a contour that is there twice; taking the union for all of them (plastimatch's
default) would fill holes. So, for CLOSED_PLANAR:

- a contour wholly inside another is a hole in it, one inside the hole is an island, and so on;
- contours that cross each other are parts of the structure: their union counts;
- the same contour twice counts once;
- one contour by itself, also one that crosses itself, goes by the even-odd rule, which is what a keyhole needs.

As soon as one contour on the plane is of type CLOSEDPLANAR_XOR, exclusive disjunction holds for all on it.
"""

from dataclasses import dataclass

import numpy as np

from .scanline import fill_even_odd

WITHIN = (
    0.99  # share of its area from which a contour counts as inside another: rounded coordinates may graze the outline
)
SAMPLES = 256  # points a side with which shares of area are estimated where contours cross


@dataclass(frozen=True)
class Arrangement:
    """contains[i, j]: contour i contains contour j. same: indices of repeated contours. crossing: pairs that overlap."""

    contains: np.ndarray
    same: tuple[int, ...]
    crossing: tuple[tuple[int, int], ...]
    simple: bool
    """True where the even-odd rule over all contours says the same."""


def arrangement(loops: list[np.ndarray]) -> Arrangement:
    """How closed loops, each (n, 2) pixel coordinates, lie to each other."""
    contains = np.zeros((len(loops), len(loops)), dtype=bool)
    same: list[int] = []
    crossing: list[tuple[int, int]] = []
    simple = True
    boxes = np.array([[*loop.min(axis=0), *loop.max(axis=0)] for loop in loops])
    for j in range(1, len(loops)):
        for i in range(j):
            if i in same or j in same or not _boxes_meet(boxes[i], boxes[j]):
                continue
            relation, clean = _relation(loops[i], loops[j], boxes[i], boxes[j])
            simple = simple and clean
            if relation == "same":
                same.append(j)
            elif relation == "crossing":
                crossing.append((i, j))
            elif relation == "contains":
                contains[i, j] = True
            elif relation == "inside":
                contains[j, i] = True
    return Arrangement(contains, tuple(same), tuple(crossing), simple)


def fill_arranged(loops: list[np.ndarray], arranged: Arrangement, shape: tuple[int, int]) -> np.ndarray:
    """uint8 [rows, columns] of loops that overlap: every part less the holes that lie in it, all parts united."""
    depth = _depths(arranged.contains)
    used = [i for i in range(len(loops)) if i not in arranged.same]
    filled = {i: fill_even_odd([loops[i]], shape) for i in used}
    mask = np.zeros(shape, dtype=np.uint8)
    for part in (i for i in used if depth[i] % 2 == 0):
        own = filled[part].copy()
        for hole in (j for j in used if depth[j] % 2 == 1 and arranged.contains[part, j]):
            own &= 1 - filled[hole]
        mask |= own  # an island in a hole is a part of its own and comes in its own turn
    return mask


def _depths(contains: np.ndarray) -> list[int]:
    """For each contour, how many contours lie around it one inside the other (the longest chain)."""
    depth = [0] * len(contains)
    for _ in range(len(contains)):
        depth = [max((depth[i] + 1 for i in np.flatnonzero(contains[:, j])), default=0) for j in range(len(contains))]
    return depth


def _boxes_meet(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a[:2] <= b[2:]).all() and (b[:2] <= a[2:]).all())


def _relation(a: np.ndarray, b: np.ndarray, box_a: np.ndarray, box_b: np.ndarray) -> tuple[str, bool]:
    """How loop a lies to loop b, and whether the even-odd rule would do for the two."""
    low, high = np.maximum(box_a[:2], box_b[:2]), np.minimum(box_a[2:], box_b[2:])
    if not _edges_cross(a, b, low, high):
        # Then all points of a loop lie on one side of the other, but for those that touch it.
        a_in_b, b_in_a = _inside(_some(a), b), _inside(_some(b), a)
        if a_in_b.all() and not b_in_a.any():
            return "inside", True
        if b_in_a.all() and not a_in_b.any():
            return "contains", True
        if not a_in_b.any() and not b_in_a.any() and np.abs(box_a - box_b).max() > 0.5:
            return "apart", True
    return _relation_by_area(a, b, np.minimum(box_a[:2], box_b[:2]), np.maximum(box_a[2:], box_b[2:]))


def _edges_cross(a: np.ndarray, b: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """True where an edge of a properly crosses one of b, within the box in which both loops can be."""
    a0, a1 = _edges_within(a, low, high)
    b0, b1 = _edges_within(b, low, high)
    if not len(a0) or not len(b0):
        return False
    along_a, along_b = (a1 - a0)[:, None], (b1 - b0)[None]
    between = b0[None] - a0[:, None]
    b_start, b_end = _cross(along_a, between), _cross(along_a, between + along_b)
    a_start, a_end = _cross(along_b, -between), _cross(along_b, along_a - between)
    return bool(((b_start * b_end < 0) & (a_start * a_end < 0)).any())


def _edges_within(loop: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    start, end = loop, np.roll(loop, -1, axis=0)
    near = ((np.maximum(start, end) >= low) & (np.minimum(start, end) <= high)).all(axis=1)
    return start[near], end[near]


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]


def _some(loop: np.ndarray) -> np.ndarray:
    return loop[:: max(1, len(loop) // 32)]


def _inside(points: np.ndarray, loop: np.ndarray) -> np.ndarray:
    """(n,) whether each point lies inside the loop, by the even-odd rule."""
    x0, y0 = loop.T
    x1, y1 = np.roll(loop, -1, axis=0).T
    straddles = (y0 <= points[:, 1:]) != (y1 <= points[:, 1:])
    with np.errstate(divide="ignore", invalid="ignore"):
        x = x0 + (points[:, 1:] - y0) * (x1 - x0) / (y1 - y0)
    return (straddles & (x <= points[:, :1])).sum(axis=1) % 2 == 1


def _relation_by_area(a: np.ndarray, b: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[str, bool]:
    scale = (SAMPLES - 1) / np.maximum(high - low, 1e-9)
    fill_a, fill_b = (fill_even_odd([(loop - low) * scale], (SAMPLES, SAMPLES)) for loop in (a, b))
    both, area_a, area_b = int((fill_a & fill_b).sum()), int(fill_a.sum()), int(fill_b.sum())
    if both <= (1 - WITHIN) * min(area_a, area_b):
        return "apart", True
    if both >= WITHIN * max(area_a, area_b):
        return "same", False
    if both >= WITHIN * min(area_a, area_b):
        return ("contains" if area_a > area_b else "inside"), False
    return "crossing", False
