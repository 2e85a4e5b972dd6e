"""Metrics against shapes whose truth is known in closed form, at spacing (3, 1, 1) mm."""

import numpy as np
import pytest
from FedRTTrainLib.metrics import dice, evaluate_case, image_diagonal, summarise, surface_distances

SPACING = (3.0, 1.0, 1.0)
STEP = np.array(SPACING[::-1])


def box(low, high, shape=(70, 70, 40)):
    mask = np.zeros(shape, np.uint8)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = 1
    return mask


def sphere(radius_mm, centre_mm, shape=(90, 90, 40)):
    grid = np.stack(np.meshgrid(*[np.arange(n) * s for n, s in zip(shape, STEP, strict=True)], indexing="ij"), -1)
    return (((grid - np.array(centre_mm)) ** 2).sum(-1) <= radius_mm**2).astype(np.uint8)


def shifted_box_truth(size_mm, shift_mm):
    """ASSD and HD95 of a box against itself shifted: distances from a dense sampling of its faces to the other box."""
    size, shift = np.array(size_mm, float), np.array(shift_mm, float)
    points, areas = [], []
    count = 150
    ticks = (np.arange(count) + 0.5) / count
    for axis in range(3):
        u, v = [k for k in range(3) if k != axis]
        grid_u, grid_v = np.meshgrid(ticks * size[u], ticks * size[v])
        for side in (0.0, size[axis]):
            face = np.empty((count * count, 3))
            face[:, axis], face[:, u], face[:, v] = side, grid_u.ravel(), grid_v.ravel()
            points.append(face)
            areas.append(np.full(count * count, size[u] * size[v] / count**2))
    points, areas = np.concatenate(points), np.concatenate(areas)
    outside = np.abs(points - shift - size / 2) - size / 2  # signed distance to a box, exact on both sides
    away = np.where(outside.max(1) > 0, np.linalg.norm(np.maximum(outside, 0), axis=1), -outside.max(1))
    order = np.argsort(away)
    covered = np.cumsum(areas[order]) / areas.sum()
    return (away * areas).sum() / areas.sum(), away[order][np.searchsorted(covered, 0.95)]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("size", [(30, 30, 10), (40, 20, 12)])
def test_box_shifted_by_six_millimetres(size, axis):
    shift = [0, 0, 0]
    shift[axis] = int(6 / STEP[axis])
    corner = np.array((15, 15, 10))
    first = box(corner, corner + size)
    second = box(corner + shift, corner + size + shift)
    assd, hd95 = shifted_box_truth(np.array(size) * STEP, np.array(shift) * STEP)
    found = surface_distances(first, second, SPACING)
    assert found.assd() == pytest.approx(assd, rel=0.05)
    assert found.hd95() == pytest.approx(hd95, rel=0.05)


@pytest.mark.parametrize(("radius", "other"), [(20, 23), (30, 32), (15, 30)])
def test_concentric_spheres(radius, other):
    centre = (45.3, 44.7, 60.2)
    found = surface_distances(sphere(radius, centre), sphere(other, centre), SPACING)
    assert found.assd() == pytest.approx(other - radius, rel=0.05)


def test_shifted_sphere():
    centre, shift = np.array([45.3, 44.7, 60.2]), np.array([0, 6.0, 0])
    directions = np.random.default_rng(0).normal(size=(200_000, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    truth = np.abs(np.linalg.norm(20 * directions - shift, axis=1) - 20)
    found = surface_distances(sphere(20, centre), sphere(20, centre + shift), SPACING)
    assert found.assd() == pytest.approx(truth.mean(), rel=0.05)
    assert found.hd95() == pytest.approx(np.quantile(truth, 0.95), rel=0.05)


def test_distances_are_symmetric_and_do_not_depend_on_the_place():
    first, second = box((10, 10, 10), (20, 30, 20)), box((12, 11, 12), (25, 28, 22))
    found = surface_distances(first, second, SPACING)
    assert surface_distances(second, first, SPACING).hd95() == found.hd95()
    moved = surface_distances(np.roll(first, 7, 0), np.roll(second, 7, 0), SPACING)
    assert moved.hd95() == pytest.approx(found.hd95())


def test_dice_of_overlapping_boxes():
    assert dice(box((0, 0, 0), (10, 10, 10)), box((5, 0, 0), (15, 10, 10))) == pytest.approx(0.5)
    assert dice(box((0, 0, 0), (4, 4, 4)), box((0, 0, 0), (4, 4, 4))) == 1.0
    assert dice(np.zeros((2, 2, 2)), np.zeros((2, 2, 2))) is None


def test_missed_and_spurious_structures_stay_in_the_mean():
    full, empty = box((0, 0, 0), (10, 10, 10)), np.zeros((70, 70, 40), np.uint8)
    names = ("Bladder", "Rectum", "Prostate", "Heart", "Lung_L")
    truth = np.stack([full, full, empty, empty, full])
    prediction = np.stack([full, empty, full, empty, empty])
    labelled = np.array([True, True, True, True, False])
    results = evaluate_case(prediction, truth, labelled, names, SPACING)
    assert [results[name].outcome for name in names] == ["found", "missed", "spurious", "both empty", "unlabelled"]
    penalty = np.sqrt(70**2 + 70**2 + 120**2)
    assert image_diagonal((70, 70, 40), SPACING) == pytest.approx(penalty)
    assert results["Rectum"].dice == results["Prostate"].dice == 0
    assert results["Rectum"].hd95_mm == results["Prostate"].hd95_mm == pytest.approx(penalty)
    assert results["Heart"].dice is None and results["Lung_L"].dice is None

    again = evaluate_case(truth, truth, labelled, names, SPACING)
    scores = summarise([results, again], names)
    assert scores.structures["Rectum"].dice == pytest.approx(0.5)
    assert scores.structures["Rectum"].missed == 1
    assert scores.structures["Prostate"].model_dump() == {
        "dice": 0.0, "hd95_mm": pytest.approx(penalty), "cases": 1, "missed": 0, "spurious": 1, "both_empty": 1,
    }  # fmt: skip
    assert scores.structures["Heart"].both_empty == 2
    assert scores.structures["Heart"].dice is None
    assert scores.structures["Lung_L"].cases == 0
    assert scores.dice == pytest.approx((1 + 0.5 + 0) / 3)
