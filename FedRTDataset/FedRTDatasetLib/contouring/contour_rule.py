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

WITHIN = 0.99  # share of its area from which a contour lies inside another: rounded coordinates may graze the outline
SAMPLES = 128  # points a side with which shares of area are estimated
TOUCHING = 1e-3  # pixels that boxes of neighbours may overlap by rounding
VERTICES = 64  # points of a contour that are looked at first


@dataclass(frozen=True)
class Arrangement:
    """contains[i, j]: contour i contains contour j. same: indices of repeated contours. crossing: pairs that overlap."""

    contains: np.ndarray
    same: tuple[int, ...]
    crossing: tuple[tuple[int, int], ...]

    @property
    def apart(self) -> bool:
        """True where no contour touches another's inside, so that it does not matter how they are combined."""
        return not (self.same or self.crossing or self.contains.any())

    def parts(self) -> list[tuple[int, list[int]]]:
        """Every part of the structure with the holes that lie in it; an island in a hole is a part of its own."""
        depth = _depths(self.contains)
        used = [i for i in range(len(depth)) if i not in self.same]
        return [
            (part, [hole for hole in used if depth[hole] % 2 and self.contains[part, hole]])
            for part in used
            if depth[part] % 2 == 0
        ]


def fill_together(loops: list[np.ndarray], shape: tuple[int, int]) -> tuple[np.ndarray, int, int]:
    """Fill the closed contours of one ROI on one plane by the rule above.

    Args:
        loops: each (n, 2) pixel coordinates (x, y).
        shape: (rows, columns).

    Returns:
        uint8 [rows, columns], the number of repeated contours and of pairs that cross.
    """
    boxes = np.array([[loop.min(axis=0), loop.max(axis=0)] for loop in loops])
    alone, repeated, crossing = [], 0, 0
    mask = np.zeros(shape, dtype=np.uint8)
    for group in _groups(boxes):
        members = [loops[i] for i in group]
        arranged = arrangement(members, boxes[group]) if len(group) > 1 else None
        if arranged is None or arranged.apart:
            alone += members
            continue
        repeated, crossing = repeated + len(arranged.same), crossing + len(arranged.crossing)
        low = np.clip(np.floor(boxes[group, 0].min(axis=0)), 0, shape[::-1]).astype(int)
        high = np.clip(np.ceil(boxes[group, 1].max(axis=0)) + 1, low, shape[::-1]).astype(int)
        size = tuple(int(n) for n in (high - low)[::-1])
        mask[low[1] : high[1], low[0] : high[0]] |= fill_arranged([loop - low for loop in members], arranged, size)
    if alone:
        mask |= fill_even_odd(alone, shape)
    return mask, repeated, crossing


def _groups(boxes: np.ndarray) -> list[list[int]]:
    """Contours whose boxes overlap, directly or through others, together. Touching is not overlapping."""
    low, high = boxes[:, 0] + TOUCHING, boxes[:, 1] - TOUCHING
    meet = ((low[:, None] < high[None]) & (low[None] < high[:, None])).all(axis=2)
    waiting, groups = set(range(len(boxes))), []
    while waiting:
        group, border = [], [min(waiting)]
        waiting -= set(border)
        while border:
            group.append(border.pop())
            near = [j for j in np.flatnonzero(meet[group[-1]]) if j in waiting]
            waiting -= set(near)
            border += near
        groups.append(sorted(int(i) for i in group))
    return groups


def arrangement(loops: list[np.ndarray], boxes: np.ndarray) -> Arrangement:
    """How closed loops, each (n, 2) pixel coordinates, lie to each other; boxes (m, 2, 2): their lower and upper corners."""
    contains = np.zeros((len(loops), len(loops)), dtype=bool)
    same: list[int] = []
    crossing: list[tuple[int, int]] = []
    for j in range(1, len(loops)):
        for i in range(j):
            if i in same or not _boxes_meet(boxes[i], boxes[j]):
                continue
            relation = _relation(loops[i], loops[j], boxes[i], boxes[j])
            if relation == "same":
                same.append(j)
                break
            if relation == "crossing":
                crossing.append((i, j))
            elif relation != "apart":
                contains[(i, j) if relation == "contains" else (j, i)] = True
    contains[same] = contains[:, same] = False
    return Arrangement(contains, tuple(same), tuple(pair for pair in crossing if pair[1] not in same))


def fill_arranged(loops: list[np.ndarray], arranged: Arrangement, shape: tuple[int, int]) -> np.ndarray:
    """uint8 [rows, columns]: every part less the holes that lie in it, all parts united."""
    filled = {i: fill_even_odd([loops[i]], shape) for i in range(len(loops)) if i not in arranged.same}
    mask = np.zeros(shape, dtype=np.uint8)
    for part, holes in arranged.parts():
        own = filled[part].copy()
        for hole in holes:
            own &= 1 - filled[hole]
        mask |= own
    return mask


def _depths(contains: np.ndarray) -> list[int]:
    """For each contour, how many contours lie around it one inside the other (the longest chain)."""
    depth = [0] * len(contains)
    for _ in range(len(contains)):
        deeper = [max((depth[i] + 1 for i in np.flatnonzero(around)), default=0) for around in contains.T]
        if deeper == depth:
            break
        depth = deeper
    return depth


def _boxes_meet(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a[0] + TOUCHING < b[1]).all() and (b[0] + TOUCHING < a[1]).all())


def _relation(a: np.ndarray, b: np.ndarray, box_a: np.ndarray, box_b: np.ndarray) -> str:
    """How loop a lies to loop b: contains, inside, same, crossing or apart."""
    size_a, size_b = np.ptp(box_a, axis=0), np.ptp(box_b, axis=0)
    if (size_b < 0.98 * size_a).all() and _lies_in(b, a):
        return "contains"
    if (size_a < 0.98 * size_b).all() and _lies_in(a, b):
        return "inside"
    both = _sampled_area([a, b], np.maximum(box_a[0], box_b[0]), np.minimum(box_a[1], box_b[1]))
    area_a, area_b = _sampled_area([a], *box_a), _sampled_area([b], *box_b)
    if both <= (1 - WITHIN) * min(area_a, area_b):
        return "apart"
    if both >= WITHIN * max(area_a, area_b):
        return "same"
    if both >= WITHIN * min(area_a, area_b):
        return "contains" if area_a > area_b else "inside"
    return "crossing"


def _lies_in(small: np.ndarray, large: np.ndarray) -> bool:
    """True where all vertices looked at say so; what of `small` pokes out between them cuts nothing away anyhow."""
    few = [loop[:: max(1, len(loop) // VERTICES)] for loop in (small, large)]
    return bool(_inside(few[0], large).all() and not _inside(few[1], small).any())


def _inside(points: np.ndarray, loop: np.ndarray) -> np.ndarray:
    """(n,) whether each point lies inside the loop, by the even-odd rule."""
    x0, y0 = loop.T
    x1, y1 = np.roll(loop, -1, axis=0).T
    straddles = (y0 <= points[:, 1:]) != (y1 <= points[:, 1:])
    with np.errstate(divide="ignore", invalid="ignore"):
        x = x0 + (points[:, 1:] - y0) * (x1 - x0) / (y1 - y0)
    return (straddles & (x <= points[:, :1])).sum(axis=1) % 2 == 1


def _sampled_area(loops: list[np.ndarray], low: np.ndarray, high: np.ndarray) -> float:
    """The area that all loops have in common within a box, in the loops' unit squared."""
    size = np.maximum(high - low, 1e-6)
    scale = SAMPLES / size
    common = np.ones((SAMPLES, SAMPLES), dtype=np.uint8)
    for loop in loops:
        common &= fill_even_odd([(loop - low) * scale - 0.5], (SAMPLES, SAMPLES))
    return float(common.mean() * size.prod())
