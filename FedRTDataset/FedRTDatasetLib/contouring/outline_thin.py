"""Fewer points for the same contour, with a proof that no voxel changes.

Every vertex of an outline lies on a grid line between the centres of two neighbouring voxels, one inside, one outside.
A vertex is left out when the straight line between the vertices that stay crosses that same stretch of grid line, a
clearance away from both centres. Between two crossings the line stays in one (convex) grid cell, so it passes the same
cells through the same stretches as before: every row and column of centres is crossed between the same two centres, and
the even-odd rule gives the same voxels. Nor do strands of contour come to cross: a cell holds one, or two that cut off
opposite corners of it and cannot meet.
"""

import numpy as np

from .outline_fit import Crossings

EXACT = 1e-6  # pixels: collinear but for the last bits


def thin(crossings: Crossings, along: np.ndarray, pinned: np.ndarray, tolerance: float, clearance: float) -> np.ndarray:
    """Which vertices stay, (n,) bool; of every loop at least three.

    Args:
        crossings: the vertices of closed loops.
        along: (n,) their positions along their grid lines.
        pinned: (n,) bool, vertices that must stay.
        tolerance: how far, in pixels along a grid line, the contour may move; 0 leaves out what is collinear.
        clearance: the part of a pixel that the contour keeps from voxel centres.
    """
    tolerance = max(tolerance, EXACT)
    count = len(along)
    points = crossings.points(along)
    last = crossings.first + crossings.length - 1
    rows = np.arange(count)
    # The first vertex of a loop and two more stay: a loop needs three, and chords never reach across its beginning.
    third = crossings.first + crossings.length // 3, crossings.first + 2 * crossings.length // 3
    pinned = pinned | (rows == crossings.first) | (rows == third[0]) | (rows == third[1])
    kept = np.ones(count, bool)
    idle, parity = 0, 0
    while idle < 2:  # neither the even nor the odd vertices can go
        chosen = _every_other(kept, crossings.first, parity) & ~pinned
        dropped = _droppable(points, crossings, along, kept, chosen, last, tolerance, clearance)
        kept[dropped] = False
        idle = 0 if len(dropped) else idle + 1
        parity = 1 - parity
    return kept


def _every_other(kept: np.ndarray, first: np.ndarray, parity: int) -> np.ndarray:
    """Kept vertices of which no two are neighbours: those of even, or odd, number among the kept of their loop."""
    number = np.cumsum(kept) - 1
    return kept & ((number - number[first]) % 2 == parity)


def _droppable(points, crossings, along, kept, chosen, last, tolerance, clearance) -> np.ndarray:
    """Indices of the chosen vertices that may go together: the chord past each crosses all grid lines it has to."""
    staying = kept & ~chosen
    number = np.cumsum(staying) - 1
    stays = np.flatnonzero(staying)
    between = np.flatnonzero(~staying)  # chosen now, or left out before
    before = stays[number[between]]
    following = stays[np.minimum(number[between] + 1, len(stays) - 1)]
    end = np.where(
        (number[between] + 1 < len(stays)) & (following <= last[between]), following, crossings.first[between]
    )
    begin, chord = points[before], points[end] - points[before]
    axis = crossings.axis[between]
    across = 1 - axis  # the coordinate that is the same along the grid line
    rows = np.arange(len(between))
    run = chord[rows, across]
    share = (points[between, across] - begin[rows, across]) / np.where(run == 0, np.inf, run)
    crossed = begin[rows, axis] + share * chord[rows, axis] - crossings.start[between, axis]
    good = (run != 0) & (share > 0) & (share < 1)
    good &= (crossed >= clearance) & (crossed <= 1 - clearance) & (np.abs(crossed - along[between]) <= tolerance)
    # A run of dropped vertices goes only whole.
    group = number[between]
    bad = np.zeros(len(stays), bool)
    bad[group[~good]] = True
    return between[~bad[group] & chosen[between]]
