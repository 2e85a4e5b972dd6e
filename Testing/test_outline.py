"""Voxels to contours and back: nothing may change. Contours against the surface that was sampled: near."""

import numpy as np
import pytest
from dicom_maker import make_series
from FedRTDatasetLib.contouring.outline import CLEARANCE, outline, outline_slice
from FedRTDatasetLib.contouring.rasterise import rasterise
from FedRTDatasetLib.contouring.rtstruct_read import read_rtstruct
from FedRTDatasetLib.contouring.rtstruct_write import RoiContours, decimal_string, write_rtstruct
from FedRTDatasetLib.contouring.scanline import fill_even_odd
from FedRTDatasetLib.imaging.geometry import SliceStack
from scipy.ndimage import gaussian_filter


def rounded(loop):
    return np.array([[float(decimal_string(v)) for v in point] for point in loop])


@pytest.mark.parametrize("smooth", [0.0, 0.6, 1.5, 3.0])
@pytest.mark.parametrize("binary", [True, False])
def test_random_fields_come_back_exactly(smooth, binary):
    random = np.random.default_rng(int(smooth * 10))
    for _ in range(20):
        field = gaussian_filter(random.random((37, 52)), smooth)
        field = (field - field.min()) / (field.max() - field.min())
        values = (field >= 0.5).astype(float) if binary else field
        # Written in millimetres of 0.7 x 0.9 pixels with the digits that RTSTRUCT keeps.
        loops = [rounded(loop * [0.7, 0.9]) / [0.7, 0.9] for loop in outline_slice(values)]
        assert np.array_equal(fill_even_odd(loops, values.shape), field >= 0.5)


def test_ring_with_two_holes_is_one_loop():
    mask = np.zeros((20, 30))
    mask[2:18, 2:28] = 1
    mask[5:9, 5:9] = 0
    mask[10:15, 15:20] = 0
    loops = outline_slice(mask)
    assert len(loops) == 1
    assert np.array_equal(fill_even_odd(loops, mask.shape), mask)


def test_structure_at_the_image_border_is_closed():
    mask = np.ones((6, 7))
    assert np.array_equal(fill_even_odd(outline_slice(mask), mask.shape), mask)


def test_probability_contour_follows_the_level_between_pixels():
    y, x = np.mgrid[:60, :60]
    distance = np.hypot(x - 30.2, y - 29.6)
    probability = 1 / (1 + np.exp((distance - 17.3) / 4))
    radius = np.hypot(*(outline_slice(probability)[0] - [30.2, 29.6]).T)
    assert np.abs(radius - 17.3).max() < 0.02


def test_oblique_stack_with_unequal_gaps():
    row, column = np.array([0.8, 0.6, 0.0]), np.array([-0.36, 0.48, -0.8])
    normal = np.cross(row, column)
    offsets = np.array([0.0, 2.0, 4.1, 8.0, 10.0])
    stack = SliceStack(np.array([5.0, -7, 11]) + offsets[:, None] * normal, row, column, (1.3, 0.8), (5, 24, 31))
    mask = (gaussian_filter(np.random.default_rng(0).random(stack.shape), 1) > 0.5).astype(np.uint8)
    back, beyond = rasterise(outline(mask, stack), stack)
    assert beyond == 0
    assert np.array_equal(back, mask)


AXES = np.eye(3)[0], np.eye(3)[1]
TURNED = np.array([0.8, 0.6, 0.0]), np.array([-0.36, 0.48, -0.8])


def stack_of(shape, spacing=(1.0, 1.0), offsets=None, axes=AXES, shear=0.0):
    """A stack at odd coordinates; `shear` displaces each slice along its columns (mm a mm along the normal)."""
    offsets = np.arange(shape[0]) * 2.5 if offsets is None else np.asarray(offsets)
    normal = np.cross(*axes)
    positions = np.array([-213.7, 54.123, 1011.9]) + offsets[:, None] * (normal + shear * axes[1])
    return SliceStack(positions, *axes, spacing, shape)


STACKS = {
    "as it stands": {},
    "non-square pixels": {"spacing": (0.4883, 1.9531)},
    "fine pixels": {"spacing": (0.05, 0.07)},
    "irregular gaps": {"offsets": [0.0, 1.0, 3.5, 9.25]},
    "oblique": {"axes": TURNED, "spacing": (1.3, 0.8)},
    "gantry tilt": {"shear": np.tan(np.radians(18)), "spacing": (0.9, 0.9)},
    "gantry tilt, irregular": {"shear": -0.4, "offsets": [0.0, 1.08, 5.08, 12.1], "axes": TURNED},
}


def structures(shape):
    """Masks [k, y, x] of every shape that has gone wrong in some converter, by name."""
    z, y, x = np.mgrid[: shape[0], : shape[1], : shape[2]]
    from_centre = np.hypot(x - shape[2] / 2 + 0.3, y - shape[1] / 2 - 0.2)
    square = np.maximum(np.abs(x - shape[2] // 2), np.abs(y - shape[1] // 2))
    random = np.random.default_rng(3)
    return {
        "disc": from_centre < 11.3,
        "wall of one voxel": (from_centre < 11.3) & (from_centre >= 10.2),
        "wall of one voxel, straight": (square == 9) | (square == 5),
        "islands in holes in islands": (square % 4 < 2) & (square < 14),
        "holes of one voxel": (square < 12) & ((x % 3 > 0) | (y % 3 > 0)),
        "touching corners": ((x // 3 + y // 3) % 2 == 0) & (square < 12),
        "checkerboard": ((x + y) % 2 == 0) & (square < 6),
        "diagonal line": (x == y + 3) & (x < 25),
        "single voxels": (x % 5 == 0) & (y % 4 == 0),
        "the whole image": np.ones(shape, bool),
        "all but the border": (x > 0) & (y > 0) & (x < shape[2] - 1) & (y < shape[1] - 1),
        "only the border": (x == 0) | (y == 0) | (x == shape[2] - 1) | (y == shape[1] - 1),
        "one corner": (x == 0) & (y == 0),
        "noise": random.random(shape) < 0.5,
        "sparse noise": random.random(shape) < 0.1,
        "blobs": gaussian_filter(random.random(shape), (0, 2, 2)) > 0.5,
        "one slice": (from_centre < 8) & (z == shape[0] - 1),
    }


@pytest.mark.parametrize("options", STACKS.values(), ids=STACKS.keys())
def test_every_mask_comes_back_exactly(options):
    """Through the digits that a file keeps, and however much points are thinned."""
    stack = stack_of((4, 31, 36), **options)
    tolerance = 0.1 * list(STACKS.values()).index(options)
    for name, mask in structures(stack.shape).items():
        polygons = [rounded(polygon) for polygon in outline(mask, stack, tolerance=tolerance)]
        back, beyond = rasterise(polygons, stack)
        assert beyond == 0, name
        assert np.array_equal(back, mask), name


@pytest.mark.parametrize("tolerance", [0.0, 0.1])
def test_every_probability_map_comes_back_exactly(tolerance):
    stack = stack_of((3, 31, 36), spacing=(0.7, 1.1))
    random = np.random.default_rng(5)
    for mask in structures(stack.shape).values():
        inside = mask >= 0.5
        values = np.where(inside, 0.5 + 0.5 * random.random(stack.shape), 0.5 * random.random(stack.shape))
        values = np.where(random.random(stack.shape) < 0.1, np.where(inside, 0.5, np.nextafter(0.5, 0)), values)
        polygons = [rounded(polygon) for polygon in outline(values, stack, tolerance=tolerance)]
        assert np.array_equal(rasterise(polygons, stack)[0], inside)


def test_masks_come_back_exactly_through_a_file(tmp_path):
    series = make_series(tmp_path, slices=4, rows=31, columns=36, spacing=(0.9766, 1.1))
    position = np.array([float(v) for v in series.headers[0].ImagePositionPatient])
    offsets = np.array([0.0, 3.0, 6.0, 9.0])
    stack = SliceStack(position + offsets[:, None] * [0, 0, 1], *AXES, (0.9766, 1.1), (4, 31, 36))
    masks = structures(stack.shape)
    rois = [RoiContours(name, outline(mask, stack)) for name, mask in masks.items()]
    write_rtstruct(tmp_path / "a.dcm", series.headers, rois, "a")
    for roi, mask in zip(read_rtstruct(tmp_path / "a.dcm"), masks.values(), strict=True):
        assert np.array_equal(rasterise(roi.polygons, stack)[0], mask), roi.name


def crossings_in(loop):
    """How many pairs of edges of a closed loop cross properly."""
    a, b = loop, np.roll(loop, -1, axis=0)

    def side(p, q, r):
        value = (q[:, None, 0] - p[:, None, 0]) * (r[None, :, 1] - p[:, None, 1])
        value -= (q[:, None, 1] - p[:, None, 1]) * (r[None, :, 0] - p[:, None, 0])
        return np.where(np.abs(value) < 1e-9, 0, np.sign(value))

    cross = (side(a, b, a) * side(a, b, b) < 0) & (side(a, b, a) * side(a, b, b) < 0).T
    return int(cross.sum()) // 2


@pytest.mark.parametrize("tolerance", [0.0, 0.1])
def test_contours_do_not_cross_themselves(tolerance):
    for name, mask in structures((1, 31, 36)).items():
        if name not in ("holes of one voxel", "noise", "sparse noise", "checkerboard"):
            for loop in outline_slice(mask[0], tolerance=tolerance):
                assert crossings_in(loop) == 0, name


@pytest.mark.parametrize("tolerance", [0.0, 0.1])
def test_contours_keep_clear_of_voxel_centres(tolerance):
    """So that another reader's rounding does not decide about a voxel."""
    for name, mask in structures((1, 31, 36)).items():
        for loop in outline_slice(mask[0], tolerance=tolerance):
            start, end = loop, np.roll(loop, -1, axis=0)
            edges = {(*a, *b) for a, b in zip(start, end, strict=True)}
            single = np.array([(*b, *a) not in edges for a, b in zip(start, end, strict=True)])  # no keyhole's channel
            start, end = start[single], end[single]
            for axis in (0, 1):
                low, high = np.minimum(start, end)[:, axis], np.maximum(start, end)[:, axis]
                for line in range(-1, 37):
                    crossed = (low < line) & (high > line)
                    share = (line - start[crossed, axis]) / (end - start)[crossed, axis]
                    at = start[crossed, 1 - axis] + share * (end - start)[crossed, 1 - axis]
                    assert (np.abs(at - np.rint(at)) > 0.99 * CLEARANCE).all(), name


def surface_distance(polygons, centre, radius):
    """Mean and root mean square distance of contours, by length, from a sphere; mm."""
    distances, weights = [], []
    for polygon in polygons:
        edge = np.roll(polygon, -1, axis=0) - polygon
        share = (np.arange(8) + 0.5)[:, None, None] / 8
        points = polygon + share * edge
        distances.append(np.abs(np.linalg.norm(points - centre, axis=2) - radius).ravel())
        weights.append(np.tile(np.linalg.norm(edge, axis=1) / 8, 8))
    distance, weight = np.concatenate(distances), np.concatenate(weights)
    return np.average(distance, weights=weight), np.sqrt(np.average(distance**2, weights=weight))


def sphere(radius, seed, spacing=(1.0, 1.0), step=1.0, softness=1.0):
    """Stack, centre (LPS), mask and a probability map whose level 0.5 is the sphere; radius in mm."""
    n = [int(2 * radius / size) + 9 for size in (step, spacing[1], spacing[0])]
    stack = stack_of(tuple(n), spacing, np.arange(n[0]) * step)
    k, y, x = np.indices(stack.shape)
    centre = stack.positions[0] + (
        np.array([*spacing, step]) * (np.array(n[::-1]) / 2 + np.random.default_rng(seed).random(3))
    )
    points = stack.positions[0] + np.stack([x * spacing[0], y * spacing[1], k * step], axis=-1)
    distance = np.linalg.norm(points - centre, axis=-1)
    return stack, centre, distance <= radius, 1 / (1 + np.exp((distance - radius) / softness))


@pytest.mark.parametrize("tolerance", [0.0, 0.05])
@pytest.mark.parametrize("radius", [8.0, 12.5, 20.0, 30.0])
def test_sphere_from_a_mask_is_within_a_tenth_of_a_pixel(radius, tolerance):
    """Mean distance of the contours to the sphere; halfway between the voxels it would be 0.18 pixel."""
    for seed in range(3):
        stack, centre, mask, _ = sphere(radius, seed)
        polygons = outline(mask, stack, tolerance=tolerance)
        mean, rms = surface_distance(polygons, centre, radius)
        assert mean <= 0.10
        assert rms <= 0.13
        assert np.array_equal(rasterise(polygons, stack)[0], mask)


def test_sphere_on_non_square_pixels_and_thick_slices():
    stack, centre, mask, _ = sphere(22.0, 0, spacing=(0.8, 1.2), step=3.0)
    assert surface_distance(outline(mask, stack), centre, 22.0)[0] <= 0.10


@pytest.mark.parametrize("radius", [8.0, 12.5, 20.0, 35.0])
def test_sphere_from_a_probability_map_is_within_a_fiftieth_of_a_pixel(radius):
    for seed in range(3):
        stack, centre, mask, probability = sphere(radius, seed)
        polygons = outline(probability, stack)
        mean, rms = surface_distance(polygons, centre, radius)
        assert mean <= 0.02
        assert rms <= 0.02
        assert np.array_equal(rasterise(polygons, stack)[0], mask)


def test_a_fitted_contour_does_not_shrink_or_round_a_box():
    """A straight side stays halfway between the centres: within 0.05 pixel, up to three pixels from its corners."""
    mask = np.zeros((60, 60))
    mask[10:50, 10:50] = 1
    (loop,) = outline_slice(mask)
    (fine,) = [np.concatenate([p + (q - p) * np.linspace(0, 1, 200, endpoint=False)[:, None] for p, q in
               zip(loop, np.roll(loop, -1, axis=0), strict=True)])]  # fmt: skip
    side = fine[(fine[:, 0] > 13) & (fine[:, 0] < 46)]
    assert np.abs(np.abs(side[:, 1] - 29.5) - 20).max() < 0.05
    area = 0.5 * abs(np.sum(loop[:, 0] * np.roll(loop[:, 1], -1) - loop[:, 1] * np.roll(loop[:, 0], -1)))
    assert area == pytest.approx(1600, abs=2)


def test_collinear_points_go_and_a_tolerance_bounds_the_movement():
    mask = np.zeros((340, 350))
    mask[5:330, 5:345] = 1
    assert len(outline_slice(mask)[0]) <= 130  # long before and after the corners nothing is left of 1330 points
    stack, _, disc, _ = sphere(20.0, 1)
    exact, thinned = outline(disc, stack), outline(disc, stack, tolerance=0.05)
    assert sum(map(len, thinned)) < 0.6 * sum(map(len, exact))
    from scipy.spatial import KDTree

    for a, b in zip(exact, thinned, strict=True):
        edge = np.roll(b, -1, axis=0) - b
        dense = (b + np.linspace(0, 1, 100, endpoint=False)[:, None, None] * edge).reshape(-1, 3)
        assert KDTree(dense).query(a)[0].max() <= 0.06


def test_nothing_inside():
    assert outline_slice(np.zeros((5, 5))) == []
    assert outline(np.zeros((2, 5, 5), np.uint8), stack_of((2, 5, 5))) == []
