import numpy as np
import pytest
from FedRTTrainLib.surface import distances, neighbourhoods, surface_of

SPACING = (3.0, 1.0, 1.0)


def test_flat_neighbourhoods_have_the_area_of_a_voxel_face():
    areas, centres = neighbourhoods(SPACING)
    lower_z, lower_y, lower_x = 0b00001111, 0b00110011, 0b01010101  # inside: z = 0, y = 0, x = 0
    assert areas[lower_z] == pytest.approx(3.0)
    assert areas[lower_y] == pytest.approx(3.0)
    assert areas[lower_x] == pytest.approx(1.0)
    assert centres[lower_x] == pytest.approx([0.5, 0.5, 1.5])


def test_a_neighbourhood_and_its_opposite_hold_surfaces_of_similar_size():
    areas, _ = neighbourhoods((1.0, 1.0, 1.0))
    assert areas[0] == areas[255] == 0
    assert np.all(areas[1:255] > 0)
    single = np.sqrt(3) / 8  # the triangle that cuts one corner off
    assert areas[1] == pytest.approx(single)
    assert areas[254] == pytest.approx(single)
    assert areas[0b10000001] == pytest.approx(2 * single)  # two corners across the cube


def test_a_single_voxel_has_a_closed_surface_around_its_centre():
    mask = np.zeros((5, 5, 5), np.uint8)
    mask[2, 3, 1] = 1
    surface = surface_of(mask, SPACING)
    assert len(surface.areas) == 8
    assert (surface.points * surface.areas[:, None]).sum(0) / surface.areas.sum() == pytest.approx([2, 3, 3])


def test_box_area_at_anisotropic_spacing():
    mask = np.zeros((40, 60, 30), np.uint8)
    mask[5:35, 10:50, 5:25] = 1  # 30 x 40 x 60 mm
    truth = 2 * (30 * 40 + 30 * 60 + 40 * 60)
    assert surface_of(mask, SPACING).areas.sum() == pytest.approx(truth, rel=0.03)


def test_a_mask_at_the_image_border_is_closed_there():
    inside = np.zeros((8, 8, 8), np.uint8)
    inside[2:6, 2:6, 2:6] = 1
    at_border = np.ones((4, 4, 4), np.uint8)
    assert surface_of(at_border, SPACING).areas.sum() == pytest.approx(surface_of(inside, SPACING).areas.sum())


def test_distances_between_parallel_plates_are_exact():
    first, second = np.zeros((20, 30, 30), np.uint8), np.zeros((20, 30, 30), np.uint8)
    first[4, 5:25, 5:25] = 1
    second[10, 5:25, 5:25] = 1
    there, back = distances(surface_of(first, SPACING), surface_of(second, SPACING))
    assert np.median(there) == pytest.approx(5.5, abs=0.51)  # 5 mm between the facing sides, 6 mm between the far ones
    assert there.min() == pytest.approx(5.0)
    assert there.max() == pytest.approx(6.0, abs=0.01)
    assert back.max() == pytest.approx(6.0, abs=0.01)


def test_an_empty_mask_has_no_surface():
    assert len(surface_of(np.zeros((3, 3, 3)), SPACING).areas) == 0
