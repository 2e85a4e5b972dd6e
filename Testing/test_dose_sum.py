"""Several doses as one: interpolated straight where they are asked for."""

import numpy as np
import pytest
from dose_maker import make_dose
from FedRTDatasetLib.dosimetry.dose_sum import DoseSum
from FedRTDatasetLib.dosimetry.rtdose import read_rtdose
from FedRTDatasetLib.imaging.preprocess import Grid


def grids(tmp_path):
    """Two linear doses on different grids: 1 Gy/cm along x, and along z."""
    x = -50 + 5.0 * np.arange(21)
    z = -30 + 4.0 * np.arange(16)
    first = np.broadcast_to(20 + 0.1 * x, (16, 11, 21))
    second = np.broadcast_to((10 + 0.1 * z)[:, None, None], (16, 8, 9))
    place = {"origin": (-50, -25, -30), "offsets": 4.0 * np.arange(16)}
    small = {"origin": (-40, -25, -30), "offsets": 4.0 * np.arange(16), "spacing": (7.0, 6.0)}
    return (
        read_rtdose(make_dose(tmp_path / "a.dcm", first, **place)),
        read_rtdose(make_dose(tmp_path / "b.dcm", second, **small)),
    )


def test_doses_on_different_grids_add_up_on_the_grid_that_is_wanted(tmp_path):
    import SimpleITK as sitk

    dose = DoseSum(grids(tmp_path))
    turned = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    wanted = Grid(size=(5, 6, 7), spacing_mm=(1.5, 2.0, 2.5), origin_mm=(10.0, -20.0, -11.0), direction=turned)
    image, known = dose.on(wanted)
    assert known == 1.0
    assert (image.GetSize(), image.GetSpacing(), image.GetDirection()) == (wanted.size, wanted.spacing_mm, turned)
    for index in ((0, 0, 0), (4, 5, 6), (2, 3, 1)):
        x, _, z = image.TransformIndexToPhysicalPoint(index)
        assert image[index] == pytest.approx(20 + 0.1 * x + 10 + 0.1 * z, abs=1e-3)

    shift = sitk.TranslationTransform(3, (5.0, 0.0, 0.0))
    moved, _ = dose.on(wanted, shift)
    assert sitk.GetArrayFromImage(moved) == pytest.approx(sitk.GetArrayFromImage(image) + 0.5, abs=1e-3)


def test_what_lies_beyond_a_grid_is_told(tmp_path):
    first, second = grids(tmp_path)
    points = np.array([[0.0, 0, 0], [45, 0, 0], [500, 0, 0]])  # in both, in the first only, in none
    dose, count = DoseSum((first, second)).at(points)
    assert count.tolist() == [2, 1, 0]
    assert dose == pytest.approx([30, 24.5, 0], abs=1e-3)
    half_out = Grid(
        size=(2, 1, 1), spacing_mm=(50.0, 1, 1), origin_mm=(20.0, 0, 0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)
    )
    assert DoseSum((first,)).on(half_out)[1] == 0.5


def test_isodose_volume_and_maximum(tmp_path):
    """A dose that falls off linearly from a point: the isodose is a sphere."""
    axis = -40 + 2.0 * np.arange(41)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    gray = 40 - np.sqrt(x**2 + y**2 + z**2)
    path = make_dose(tmp_path / "d.dcm", np.maximum(gray, 0), origin=(-40, -40, -40), spacing=(2, 2), offsets=axis + 40)
    grid = read_rtdose(path)
    for dose in (DoseSum((grid,)), DoseSum((grid, grid))):
        factor = len(dose.grids)
        found = dose.volume_above([20.0 * factor, 30.0 * factor])
        assert found == pytest.approx([4 / 3 * np.pi * r**3 / 1000 for r in (20, 10)], rel=0.05)
        assert dose.maximum_gy() == pytest.approx(40 * factor, abs=1e-3)
