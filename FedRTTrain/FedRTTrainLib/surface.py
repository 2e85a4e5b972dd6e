"""The surface of a mask as small elements with an area each, and distances between two surfaces.

Method: Nikolov et al., "Deep learning to achieve clinically applicable segmentation of head and neck anatomy for
radiotherapy" (2018, arXiv:1809.04430), section on surface distances: every 2x2x2 neighbourhood of voxels whose values
differ holds a piece of the surface; its area is that of the triangulation through the midpoints between inside and
outside voxels, in mm with the image's spacing. Weighting by area makes the result independent of how the grid cuts the
surface. Written from that description; the triangulation of the 256 neighbourhoods is derived here, not tabulated.
"""

import functools
import itertools
from dataclasses import dataclass

import numpy as np

CORNERS = tuple(itertools.product((0, 1), repeat=3))
"""(z, y, x) of the corners of a neighbourhood; corner number 4 z + 2 y + x is the bit in its code."""


@dataclass(frozen=True)
class Surface:
    """Surface elements: centres (n, 3) in mm, order (z, y, x) from the centre of voxel 0, and areas (n,) in mm^2."""

    points: np.ndarray
    areas: np.ndarray


def surface_of(mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> Surface:
    """The surface of a (z, y, x) mask; `spacing_mm` is (x, y, z). Where the mask touches the image border it is closed."""
    box = bounding_box(mask)
    if box is None:
        return Surface(np.empty((0, 3)), np.empty(0))
    inside = np.pad(np.ascontiguousarray(mask[box], bool), 1).view(np.uint8)
    codes = np.zeros([n - 1 for n in inside.shape], np.uint8)
    for bit, corner in enumerate(CORNERS):
        codes |= inside[tuple(slice(c, n - 1 + c) for c, n in zip(corner, inside.shape, strict=True))] << np.uint8(bit)
    place = np.flatnonzero((codes != 0) & (codes != 255))
    code = codes.reshape(-1)[place]
    areas, centres = neighbourhoods(tuple(float(s) for s in spacing_mm))
    low = [part.start - 1 for part in box]  # the first neighbourhood begins one voxel before the box
    index = np.stack(np.unravel_index(place, codes.shape), axis=1) + low
    return Surface(index * np.array(spacing_mm[::-1], float) + centres[code], areas[code])


def bounding_box(mask: np.ndarray) -> tuple[slice, ...] | None:
    """The smallest box that holds all of a mask, None for an empty one."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(k for k in range(mask.ndim) if k != axis)
        used = np.flatnonzero(mask.any(axis=others))
        if not len(used):
            return None
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    return tuple(box)


def distances(first: Surface, second: Surface) -> tuple[np.ndarray, np.ndarray]:
    """Distance in mm from each element of either surface to the nearest one of the other. Neither may be empty.

    A search tree over the elements takes the place of a distance transform of the joint bounding box: the same
    distances, without visiting the volume between the surfaces.
    """
    from scipy.spatial import cKDTree

    to_second, _ = cKDTree(second.points).query(first.points)
    to_first, _ = cKDTree(first.points).query(second.points)
    return to_second, to_first


@functools.lru_cache(maxsize=64)
def neighbourhoods(spacing_mm: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Area (256,) in mm^2 and centre (256, 3) in mm (z, y, x) of the surface in each 2x2x2 neighbourhood."""
    scale = np.array(spacing_mm[::-1])
    areas, centres = np.zeros(256), np.zeros((256, 3))
    for code in range(1, 255):
        for loop in _loops(code):
            corners = np.array(loop) * scale
            middle = corners.mean(axis=0)
            following = np.roll(corners, -1, axis=0)
            triangles = np.linalg.norm(np.cross(corners - middle, following - middle), axis=1) / 2
            areas[code] += triangles.sum()
            centres[code] += (triangles[:, None] * (corners + following + middle) / 3).sum(axis=0)
        centres[code] /= areas[code]
    return areas, centres


def _loops(code: int) -> list[list[tuple[float, ...]]]:
    """Closed polygons through the midpoints of the cut edges, (z, y, x) in units of the neighbourhood."""
    neighbours: dict[tuple[float, ...], list[tuple[float, ...]]] = {}
    for start, end in _segments(code):
        neighbours.setdefault(start, []).append(end)
        neighbours.setdefault(end, []).append(start)
    loops = []
    while neighbours:
        loop = [next(iter(neighbours))]
        while following := neighbours.get(loop[-1]):
            step = following.pop()
            neighbours[step].remove(loop[-1])
            if not following:
                del neighbours[loop[-1]]
            loop.append(step)
        neighbours.pop(loop[-1], None)
        loops.append(loop[:-1])
    return loops


def _segments(code: int):
    """The lines in which the surface meets the six faces, as pairs of edge midpoints."""
    for axis, side in itertools.product(range(3), (0, 1)):
        u, v = [k for k in range(3) if k != axis]
        face = []
        for a, b in ((0, 0), (0, 1), (1, 1), (1, 0)):  # round the face
            corner = [0, 0, 0]
            corner[axis], corner[u], corner[v] = side, a, b
            face.append(tuple(corner))
        inside = [bool(code >> (4 * z + 2 * y + x) & 1) for z, y, x in face]
        edges = [tuple((p + q) / 2 for p, q in zip(face[k], face[(k + 1) % 4], strict=True)) for k in range(4)]
        cut = [k for k in range(4) if inside[k] != inside[(k + 1) % 4]]
        if len(cut) == 2:
            yield edges[cut[0]], edges[cut[1]]
        elif len(cut) == 4:  # two inside corners on a diagonal: each is cut off, so that neighbours agree
            for k in range(4):
                if inside[k]:
                    yield edges[k - 1], edges[k]
