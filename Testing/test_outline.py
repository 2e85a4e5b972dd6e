"""Voxels to contours and back: nothing may change."""

import numpy as np
import pytest
from FedRTDatasetLib.geometry import SliceStack
from FedRTDatasetLib.outline import outline, outline_slice
from FedRTDatasetLib.rasterise import fill_even_odd, rasterise
from FedRTDatasetLib.rtstruct_write import decimal_string
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
