"""Contours to voxels against analytic shapes."""

import numpy as np
import pytest
from dicom_maker import AXIAL, ORIENTATIONS, ellipse, make_series
from FedRTDatasetLib.contouring.rasterise import (
    fill_even_odd,
    rasterise,
    rasterise_each,
    rasterise_roi,
)
from FedRTDatasetLib.contouring.rtstruct_read import (
    CLOSED,
    XOR,
    Contour,
    Roi,
    read_rtstruct,
)
from FedRTDatasetLib.imaging.geometry import SliceStack, stack_of_image, to_image
from FedRTDatasetLib.imaging.series import load_series
from FedRTDatasetLib.index.dicom_index import index_folders


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


# Analytic shapes on any stack: circles (x, y, radius) in mm from pixel (0, 0) of a slice.

AXES = {
    "supine": ((1, 0, 0), (0, 1, 0)),
    "prone": ((-1, 0, 0), (0, -1, 0)),
    "feet first": ((-1, 0, 0), (0, 1, 0)),
    "decubitus": ((0, 1, 0), (-1, 0, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "oblique": ((0.8, 0.6, 0.0), (-0.36, 0.48, -0.8)),
}
REGULAR = np.arange(9) * 3.0
UNEVEN = np.array([0.0, 2.5, 5.0, 6.1, 11.1, 13.6, 16.1, 18.6, 21.1])
STACKS = {name: (axes, REGULAR, 0.0) for name, axes in AXES.items()} | {
    "uneven": (AXES["oblique"], UNEVEN, 0.0),
    "tilted": (AXES["supine"], REGULAR, 18.5),
    "tilted and uneven": (AXES["oblique"], UNEVEN, -12.0),
}


def make_stack(axes=AXES["supine"], offsets=REGULAR, tilt=0.0, shape=(160, 170), spacing=(0.71, 0.93)):
    row, column = (np.array(v, dtype=float) for v in axes)
    along = np.cross(row, column) + np.tan(np.radians(tilt)) * column
    positions = np.array([-71.3, 12.9, -204.7]) + np.asarray(offsets)[:, None] * along
    return SliceStack(positions, row, column, spacing, (len(offsets), *shape))


def circle(x, y, radius, points=1500, clockwise=False):
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False) * (-1 if clockwise else 1)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def on_slice(stack, k, loop, off=0.0):
    """(n, 3) LPS of a loop in mm on slice k, moved along the normal; rounded as planning systems write."""
    return np.round(stack.to_patient(loop / stack.spacing, k) + off * stack.normal, 4)


def roi(contours, kind=CLOSED):
    return Roi(1, "Rectum", [c if isinstance(c, Contour) else Contour(kind, c) for c in contours])


def distances(stack, circles):
    """(circles, y, x) mm from each pixel centre to each circle, positive inside."""
    y, x = centres_mm(stack)
    return np.array([r - np.hypot(x - cx, y - cy) for cx, cy, r in circles])


def assert_exact(mask, truth, to_outline):
    """Dice of at least 0.9995, and no voxel wrong whose centre is more than 0.02 mm from the outline."""
    wrong = mask.astype(bool) != truth
    assert dice(mask, truth) >= 0.9995
    assert not wrong.any() or np.abs(to_outline[wrong]).max() <= 0.02


BIG, HOLE, ISLAND, OTHER = (60.2, 71.4, 41.7), (63.1, 68.3, 19.6), (61.0, 69.9, 8.3), (88.8, 90.1, 30.5)


def keyhole(outer, hole):
    """Hole joined to its outline by a channel of no width, the hole running the other way round."""
    return np.concatenate([outer, outer[:1], hole, hole[:1]])


SHAPES = {
    "one": (lambda d: d[0] > 0, [circle(*BIG)], CLOSED),
    "keyhole": (
        lambda d: (d[0] > 0) & (d[1] < 0), [keyhole(circle(*BIG), circle(*HOLE, clockwise=True))], CLOSED
    ),
    "keyhole, same sense": (lambda d: (d[0] > 0) & (d[1] < 0), [keyhole(circle(*BIG), circle(*HOLE))], CLOSED),
    "hole drawn inside": (lambda d: (d[0] > 0) & (d[1] < 0), [circle(*HOLE), circle(*BIG)], CLOSED),
    "XOR hole": (lambda d: (d[0] > 0) & (d[1] < 0), [circle(*BIG), circle(*HOLE)], XOR),
    "island in a hole": (
        lambda d: (d[0] > 0) & (d[1] < 0) | (d[2] > 0), [circle(*ISLAND), circle(*BIG), circle(*HOLE)], CLOSED
    ),
    "XOR island": (
        lambda d: (d[0] > 0) & (d[1] < 0) | (d[2] > 0), [circle(*HOLE), circle(*ISLAND), circle(*BIG)], XOR
    ),
    "parts that overlap": (lambda d: (d[0] > 0) | (d[3] > 0), [circle(*BIG), circle(*OTHER)], CLOSED),
    "XOR of parts that overlap": (lambda d: (d[0] > 0) ^ (d[3] > 0), [circle(*BIG), circle(*OTHER)], XOR),
    "overlapping part over a hole": (
        lambda d: (d[0] > 0) & (d[1] < 0) | (d[3] > 0), [circle(*OTHER), circle(*BIG), circle(*HOLE)], CLOSED
    ),
    "repeated": (lambda d: d[0] > 0, [circle(*BIG), circle(*BIG, points=900), circle(*BIG)], CLOSED),
    "repeated with a hole": (
        lambda d: (d[0] > 0) & (d[1] < 0), [circle(*BIG), circle(*HOLE), circle(*BIG)], CLOSED
    ),
    "apart": (lambda d: (d[2] > 0) | (d[4] > 0), [circle(*ISLAND), circle(100.0, 30.0, 15.0)], CLOSED),
}  # fmt: skip
CIRCLES = (BIG, HOLE, ISLAND, OTHER, (100.0, 30.0, 15.0))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("place", STACKS)
def test_on_plane_shapes_are_exact(place, shape):
    stack = make_stack(*STACKS[place])
    inside, loops, kind = SHAPES[shape]
    truth = np.zeros(stack.shape, dtype=bool)
    d = distances(stack, CIRCLES)
    truth[2:7] = inside(d)
    made = rasterise_roi(roi([on_slice(stack, k, loop) for k in range(2, 7) for loop in loops], kind), stack)
    nearest = np.abs(d).min(axis=0)
    assert_exact(made.mask, truth, np.broadcast_to(nearest, stack.shape))
    assert made.record.closed_contours == 5 * len(loops)
    assert made.record.repeated_contours == (5 * (2 if shape == "repeated" else 1) if "repeated" in shape else 0)
    assert (made.record.crossing_contours > 0) == (shape in ("parts that overlap", "overlapping part over a hole"))
    assert made.record.exclusive == (kind == XOR)
    assert made.record.interpolated_slices == made.record.empty_slices == made.record.moved_slices == []
    assert made.record.voxels == made.mask.sum()


def test_structure_cut_by_the_image_border():
    stack = make_stack()
    cut = (5.0, 140.0, 30.0)
    mask = rasterise([on_slice(stack, 3, circle(*cut))], stack)[0]
    d = distances(stack, [cut])[0]
    assert mask[3, :, 0].any()
    assert mask[3, -1].any()
    assert_exact(mask[3], d > 0, d)


def test_wall_thinner_than_two_pixels():
    stack = make_stack()
    outer, inner = (60.2, 71.4, 41.7), (60.2, 71.4, 40.4)
    mask = rasterise([on_slice(stack, 3, circle(*outer)), on_slice(stack, 3, circle(*inner))], stack)[0][3]
    d = distances(stack, [outer, inner])
    assert_exact(mask, (d[0] > 0) & (d[1] < 0), np.abs(d).min(axis=0))


def test_hole_that_grazes_the_outline_stays_a_hole():
    """Rounded coordinates let a hole that touches the outline cross it by a hair."""
    stack = make_stack()
    outer, hole = (60.0, 70.0, 40.0), (60.0, 90.0, 20.004)
    made = rasterise_roi(roi([on_slice(stack, 3, circle(*outer)), on_slice(stack, 3, circle(*hole))]), stack)
    d = distances(stack, [outer, hole])
    assert_exact(made.mask[3], (d[0] > 0) & (d[1] < 0), np.abs(d).min(axis=0))


def test_staircases_that_share_edges():
    """Contours along pixel borders meet in their corners; neighbours share an edge, and neither cancels the other."""
    stack = make_stack(spacing=(1.0, 1.0))
    box = lambda a, b, c, d: np.array([[a, b], [c, b], [c, d], [a, d]]) - 0.5  # noqa: E731
    cases = {
        "neighbours": ([box(10, 10, 20, 20), box(20, 10, 30, 20)], 200),
        "cross": ([box(10, 20, 50, 30), box(25, 5, 35, 45)], 400 + 400 - 100),
        "same": ([box(10, 10, 20, 20), box(10, 10, 20, 20)], 100),
        "hole at the edge": ([box(10, 10, 30, 30), box(10, 15, 20, 25)], 300),
        "overlap along an edge": ([box(10, 10, 30, 30), box(20, 10, 40, 30)], 600),
    }
    for name, (boxes, voxels) in cases.items():
        assert rasterise([on_slice(stack, 1, b) for b in boxes], stack)[0].sum() == voxels, name


# Off the slices, and slices without contours.

SPHERE = (60.2, 71.4, 40.0)


def sphere_at(stack, heights, middle, points=400):
    """Contours of a sphere of SPHERE's radius at heights along the normal (mm from slice 0)."""
    made = []
    for height in heights:
        rest = SPHERE[2] ** 2 - (height - middle) ** 2
        if rest > 1.0:
            loop = circle(SPHERE[0], SPHERE[1], rest**0.5, points)
            made.append(np.round(stack.to_patient(loop / stack.spacing, 0) + height * stack.normal, 4))
    return made


def sphere_truth(stack, middle):
    y, x = centres_mm(stack)
    flat = SPHERE[2] ** 2 - (x - SPHERE[0]) ** 2 - (y - SPHERE[1]) ** 2
    return flat > (stack.offsets[:, None, None] - middle) ** 2


@pytest.mark.parametrize(
    ("gap", "first"), [(3.0, 0.0), (3.0, 1.1), (6.0, 0.0), (9.0, 0.0), (2.5, 0.7), (5.0, 0.2), (1.0, 0.4)]
)
def test_sphere_off_the_slices(gap, first):
    """Contours on every slice, every other, every third; between the slices; wider and closer than the slices."""
    stack = make_stack(offsets=np.arange(34) * 3.0)
    made = rasterise_roi(roi(sphere_at(stack, np.arange(first, 100, gap), 48.2)), stack)
    assert dice(made.mask, sphere_truth(stack, 48.2)) >= (0.985 if gap <= 6 else 0.98)
    assert bool(made.record.interpolated_slices) == ((gap, first) != (3.0, 0.0))
    assert made.record.empty_slices == []
    own = set(np.flatnonzero(made.mask.any(axis=(1, 2)))) - set(made.record.interpolated_slices)
    if (gap, first) == (6.0, 0.0):
        assert own == {k for k in range(34) if k % 2 == 0 and abs(3 * k - 48.2) < 40}
        assert made.record.interpolated_from_mm == pytest.approx(6.0, abs=1e-3)


def test_thick_slices_of_a_structure_drawn_on_thin_ones():
    """Three contour planes to a slice: the one on the slice counts, none cancels another."""
    stack = make_stack(offsets=np.arange(34) * 3.0)
    made = rasterise_roi(roi(sphere_at(stack, np.arange(0, 100, 1.0), 48.2)), stack)
    assert dice(made.mask, sphere_truth(stack, 48.2)) >= 0.995
    assert made.record.interpolated_slices == []
    assert made.record.beyond_contours > 0  # no slice shows them


def test_a_gap_that_stands_alone_stays_empty():
    stack = make_stack()
    made = rasterise_roi(roi([on_slice(stack, k, circle(*BIG)) for k in (1, 2, 3, 5, 6)]), stack)
    assert made.record.empty_slices == [4]
    assert made.record.interpolated_slices == []
    assert not made.mask[4].any()


def test_two_parts_far_apart_are_not_joined():
    stack = make_stack(offsets=np.arange(40) * 3.0)
    kept = [2, 3, 4, 30, 31, 32]
    made = rasterise_roi(roi([on_slice(stack, k, circle(*BIG)) for k in kept]), stack)
    assert np.flatnonzero(made.mask.any(axis=(1, 2))).tolist() == kept
    assert made.record.empty_slices == list(range(5, 30))


def test_skipped_slices_far_apart_are_not_joined():
    stack = make_stack(offsets=np.arange(40) * 3.0)
    made = rasterise_roi(roi([on_slice(stack, k, circle(*BIG)) for k in (2, 10, 18, 26)]), stack)
    assert made.record.interpolated_slices == []


def test_every_other_slice_and_then_every_slice():
    stack = make_stack(offsets=np.arange(20) * 3.0)
    made = rasterise_roi(roi([on_slice(stack, k, circle(*BIG)) for k in (2, 4, 6, 8, 9, 10, 11)]), stack)
    assert made.record.interpolated_slices == [3, 5, 7]
    assert np.array_equal(made.mask[3], made.mask[2])


def test_rasterise_alone_never_bridges():
    stack = make_stack()
    mask, beyond = rasterise([on_slice(stack, k, circle(*BIG)) for k in (1, 3, 5, 7)], stack)
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == [1, 3, 5, 7]
    assert beyond == 0


def test_contour_off_its_slice_moves_and_says_so():
    stack = make_stack()
    made = rasterise_roi(roi([on_slice(stack, 4, circle(*BIG), off=1.2)]), stack)
    assert made.record.moved_slices == [4]
    assert made.mask[4].any()


def test_contour_rounded_off_its_slice_lies_on_it():
    stack = make_stack()
    contours = [on_slice(stack, k, circle(*BIG), off=0.05) for k in range(2, 6)]
    made = rasterise_roi(roi(contours), stack)
    assert made.record.moved_slices == made.record.interpolated_slices == []
    assert made.mask[2:6].any(axis=(1, 2)).all()


def test_contour_across_the_slices_is_left_out_and_told():
    stack = make_stack()
    upright = np.array([[60, 60, 0], [80, 60, 0], [80, 60, 20], [60, 60, 20.0]]) + stack.positions[0]
    made = rasterise_roi(roi([upright, on_slice(stack, 4, circle(*BIG))]), stack)
    assert made.record.tilted_contours == 1
    assert np.flatnonzero(made.mask.any(axis=(1, 2))).tolist() == [4]
    alone = rasterise_roi(roi([upright]), stack)
    assert (alone.record.tilted_contours, alone.record.voxels) == (1, 0)


def test_structure_smaller_than_a_voxel():
    stack = make_stack()
    dot = circle(50.3 * 0.71, 60.4 * 0.93, 0.15, points=20)
    made = rasterise_roi(roi([on_slice(stack, 4, dot)]), stack)
    assert made.record.voxels == 0
    assert made.record.sub_voxel_slices == [4]
    assert not made.mask.any()


def test_points_lines_and_stubs_enclose_nothing():
    stack = make_stack()
    square = on_slice(stack, 4, circle(*BIG))
    contours = [
        Contour("POINT", square[:1]), Contour("OPEN_PLANAR", square), Contour("OPEN_NONPLANAR", square),
        Contour("", square), Contour(CLOSED, square[:2]), Contour(CLOSED, square[:1]),
    ]  # fmt: skip
    made = rasterise_roi(roi(contours), stack)
    assert not made.mask.any()
    assert (made.record.closed_contours, made.record.open_contours, made.record.broken_contours) == (0, 4, 2)


def test_no_contours_at_all():
    made = rasterise_roi(roi([]), make_stack())
    assert not made.mask.any()
    assert made.record.closed_contours == 0
    assert not made.record.sub_voxel_slices


@pytest.mark.parametrize("tilt", [0.0, 18.5])
def test_on_the_grid_of_a_tilted_or_uneven_series(tilt):
    """Masks of such series are drawn on the orthogonal grid itself: exact on the slices, bridged only between them."""
    offsets = np.delete(np.arange(12) * 3.0, 5)
    own = make_stack(offsets=offsets, tilt=tilt)
    grid = stack_of_image(to_image(np.zeros(own.shape, np.float32), own))
    made = rasterise_roi(roi([on_slice(own, k, circle(*BIG)) for k in range(2, 9)]), grid, drawn_on=own)
    assert made.record.interpolated_slices == [5]
    assert made.record.empty_slices == []
    for k in (2, 3, 4, 6, 7, 8, 9):
        slice_k = int(np.argmin(np.abs(own.offsets - 3.0 * k)))
        origin = grid.to_pixels(own.positions[slice_k][None], k)[0] * grid.spacing
        moved = (BIG[0] + origin[0], BIG[1] + origin[1], BIG[2])
        d = distances(grid, [moved])[0]
        assert_exact(made.mask[k], d > 0, d)


def test_contours_of_slices_that_are_missing_count_on_the_grid():
    offsets = np.delete(np.arange(12) * 3.0, 5)
    own = make_stack(offsets=offsets)
    whole = make_stack(offsets=np.arange(12) * 3.0)
    contours = [on_slice(whole, k, circle(BIG[0], BIG[1], 20.0 + k)) for k in range(2, 9)]
    grid = stack_of_image(to_image(np.zeros(own.shape, np.float32), own))
    made = rasterise_roi(roi(contours), grid, drawn_on=own)
    assert made.record.interpolated_slices == []
    assert np.array_equal(made.mask, rasterise_roi(roi(contours), whole).mask)


def test_many_small_contours_on_a_slice():
    """A checkerboard as a mask's outline gives it: what touches at a corner only does not make contours a group."""
    stack = make_stack(spacing=(1.0, 1.0))
    diamond = np.array([[0.5, 0], [0, 0.5], [-0.5, 0], [0, -0.5]])
    centres = [(x, y) for y in range(10, 40) for x in range(10, 40) if (x + y) % 2]
    mask = rasterise([on_slice(stack, 1, diamond + centre) for centre in centres], stack)[0][1]
    assert {(x, y) for y, x in np.argwhere(mask)} == set(centres)


REAL = {
    # structure sets on their images: closed contours, and what is odd about the set
    "cerr_lung": (3, {}),
    "eclipse_prostate": (1, {}),
    "oncentra_phantom": (1, {"open_contours": 2}),
    "rtutils": (1, {"beyond_contours": 4}),
    "sarcoma_ct": (8, {}),
    "sarcoma_fullsize_mr": (1, {}),
}


@pytest.mark.parametrize("name", REAL)
def test_real_structure_sets(real_data, name):
    """Every contour of every planning system lands on a slice, but for those whose slices are not there."""
    index = index_folders([real_data / name])
    sets, odd = 0, dict.fromkeys(("open_contours", "beyond_contours", "broken_contours", "tilted_contours"), 0)
    for uid, series_uid in index.links.items():
        image = load_series(index.series[series_uid], index.structure_sets[uid].image_uids)
        sets += 1
        for one in read_rtstruct(index.structure_sets[uid].path):
            made = rasterise_roi(one, image.stack)
            assert made.record.voxels == np.count_nonzero(made.mask)
            assert (made.record.voxels > 0) == (made.record.closed_contours > 0)
            assert made.record.moved_slices == made.record.interpolated_slices == []
            for what in odd:
                odd[what] += getattr(made.record, what)
    assert sets >= REAL[name][0]
    assert odd == dict.fromkeys(odd, 0) | REAL[name][1]


def test_one_after_the_other_in_one_mask():
    stack = make_stack(offsets=np.arange(20) * 3.0)
    rois = [
        roi([on_slice(stack, k, circle(*BIG)) for k in (2, 4, 6)]),
        roi([on_slice(stack, k, loop) for k in range(1, 19) for loop in (circle(*BIG), circle(*OTHER))]),
        roi([on_slice(stack, 5, circle(*ISLAND), off=1.2)]),
        roi([]),
        roi([on_slice(stack, 4, circle(*HOLE))]),
    ]
    for one, made in rasterise_each(rois, stack):
        alone = rasterise_roi(one, stack)
        assert np.array_equal(made.mask, alone.mask)
        assert made.record == alone.record
