"""Contours to voxels against analytic shapes."""

import numpy as np
import pytest
from dicom_maker import AXIAL, ORIENTATIONS, ellipse, make_series
from FedRTDatasetLib.dicom_index import index_folders
from FedRTDatasetLib.rasterise import fill_even_odd, rasterise
from FedRTDatasetLib.series import load_series


def dice(a, b):
    return 2 * np.logical_and(a, b).sum() / (a.sum() + b.sum())


def loaded(folder, **options):
    series = make_series(folder, **options)
    return series, load_series(next(iter(index_folders([folder]).series.values())))


def centres_mm(stack):
    """(y, x) grids of pixel centres in mm from the first pixel."""
    y, x = np.mgrid[: stack.shape[1], : stack.shape[2]]
    return y * stack.spacing[1], x * stack.spacing[0]


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS.keys())
def test_elliptic_cylinder_on_plane(tmp_path, orientation):
    series, image = loaded(tmp_path, orientation=orientation, rows=120, columns=150, spacing=(0.9, 0.7))
    shape = (61.3, 40.2), (33.3, 21.7)
    mask, beyond = rasterise([series.plane(k, ellipse(*shape, points=2000)) for k in range(2, 6)], image.stack)
    y, x = centres_mm(image.stack)
    truth = np.zeros(image.stack.shape, bool)
    inside = ((x - 61.3) / 33.3) ** 2 + ((y - 40.2) / 21.7) ** 2 < 1
    for header in series.headers[2:6]:  # the reader may have sorted the slices the other way round
        position = np.array([float(v) for v in header.ImagePositionPatient])
        truth[np.argmin(np.linalg.norm(image.stack.positions - position, axis=1))] = inside
    assert beyond == 0
    assert dice(mask, truth) >= 0.9995


def test_every_pixel_of_a_random_polygon():
    """Against the textbook crossing count of one point at a time."""
    random = np.random.default_rng(3)
    for _ in range(20):
        loop = random.uniform(-3, 23, (9, 2))
        mask = fill_even_odd([loop], (18, 20))
        for y in range(18):
            for x in range(20):
                inside = False
                for (x0, y0), (x1, y1) in zip(loop, np.roll(loop, -1, axis=0), strict=True):
                    if (y0 <= y) != (y1 <= y) and x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x:
                        inside = not inside
                assert mask[y, x] == inside


def test_integer_rectangle_has_its_exact_area():
    """Vertices on pixel centres: left and upper border in, right and lower out, so that tiles neither overlap nor gap."""
    left = fill_even_odd([np.array([[2, 1], [6, 1], [6, 5], [2, 5]], float)], (8, 12))
    right = fill_even_odd([np.array([[6, 1], [9, 1], [9, 5], [6, 5]], float)], (8, 12))
    assert left.sum() == 16
    assert right.sum() == 12
    assert not (left & right).any()


def test_hole_drawn_inside_and_island_in_the_hole():
    outer, hole, island = (
        np.array([[a, a], [b, a], [b, b], [a, b]], float) for a, b in ((1.5, 16.5), (4.5, 12.5), (7.5, 9.5))
    )
    mask = fill_even_odd([outer, hole, island], (18, 18))
    assert mask.sum() == 15 * 15 - 8 * 8 + 2 * 2
    assert mask[8, 8] == 1
    assert mask[6, 6] == 0


def test_keyhole_channel_leaves_no_trace():
    loop = np.array([[1.5, 1.5], [10.5, 1.5], [10.5, 10.5], [1.5, 10.5], [1.5, 4.5], [4.5, 4.5], [4.5, 7.5], [7.5, 7.5],
                     [7.5, 4.5], [4.5, 4.5], [1.5, 4.5]])  # fmt: skip
    assert fill_even_odd([loop], (14, 14)).sum() == 81 - 9


def test_contour_outside_the_image_and_beyond_the_slices(tmp_path):
    series, image = loaded(tmp_path, orientation=AXIAL)
    beside = series.plane(2, ellipse((500, 500), (10, 10)))
    above = series.plane(7, ellipse((40, 30), (10, 10))) + np.array([0, 0, 30])
    mask, beyond = rasterise([beside, above], image.stack)
    assert beyond == 1
    assert not mask.any()


def test_contour_slightly_off_its_plane_belongs_to_the_nearest_slice(tmp_path):
    series, image = loaded(tmp_path)
    mask, _ = rasterise([series.plane(3, ellipse((40, 30), (10, 10))) + np.array([0, 0, 1.2])], image.stack)
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == [3]
