"""Harmonising images."""

import numpy as np
import pytest
import SimpleITK as sitk
from FedRTDatasetLib.intensity import correct_bias, standardise
from FedRTDatasetLib.preprocess import Processing, grid_of, harmonise, resample_mask
from pydantic import ValidationError


def image_of(array, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)):
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


def ramp(shape, spacing, origin=(0.0, 0.0, 0.0)):
    """An image whose value is a linear function of the position in mm."""
    z, y, x = np.mgrid[: shape[0], : shape[1], : shape[2]]
    values = 2 * (x * spacing[0] + origin[0]) - (y * spacing[1] + origin[1]) + 3 * (z * spacing[2] + origin[2])
    return image_of(values, spacing, origin)


def test_resampling_keeps_every_point_in_its_place():
    image = ramp((20, 24, 30), (2.0, 2.0, 3.0), (7.0, -3.0, 11.0))
    coarse = harmonise(image, Processing(spacing_mm=(4, 4, 5), intensity="none"))
    assert coarse.GetSize() == (15, 12, 12)
    for index in ((5, 5, 5), (9, 6, 7), (4, 8, 3)):
        x, y, z = coarse.TransformIndexToPhysicalPoint(index)
        assert coarse[index] == pytest.approx(2 * x - y + 3 * z, abs=0.05)


@pytest.mark.parametrize("code", ["LPS", "RPI", "LIP", "PSL", "ASR"])
def test_however_the_patient_lay_the_harmonised_image_is_the_same(code):
    image = sitk.GetImageFromArray(np.random.default_rng(0).random((8, 9, 10)).astype(np.float32))
    image.SetSpacing((1.0, 2.0, 3.0))
    image.SetOrigin((4.0, 5.0, 6.0))
    turned = sitk.DICOMOrient(image, code)
    mask = sitk.GetArrayFromImage(turned) > 0.5
    processing = Processing(intensity="none")
    assert np.array_equal(sitk.GetArrayFromImage(harmonise(turned, processing)), sitk.GetArrayFromImage(image))
    there = resample_mask(mask, turned, grid_of(harmonise(turned, processing)))
    assert np.array_equal(there, sitk.GetArrayFromImage(image) > 0.5)


def test_the_extent_stays_the_same():
    image = ramp((20, 24, 30), (2.0, 2.0, 3.0))
    coarse = harmonise(image, Processing(spacing_mm=(5, 5, 5), intensity="none"))
    for axis in range(3):
        assert coarse.GetSize()[axis] * 5 == pytest.approx(image.GetSize()[axis] * image.GetSpacing()[axis], abs=2.5)
    middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
    assert coarse.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in coarse.GetSize()]) == pytest.approx(
        middle
    )


def test_window_is_0_to_1():
    image = image_of(np.array([[[-1000, -160, 40, 240, 3000]]]))
    values = sitk.GetArrayFromImage(harmonise(image, Processing(hu_window=(-160, 240))))
    assert values.ravel().tolist() == [0, 0, 0.5, 1, 1]


def test_zscore_is_over_the_foreground():
    random = np.random.default_rng(0)
    array = random.normal(0, 1, (10, 30, 30))
    array[:, 10:20, 10:20] = random.normal(500, 20, (10, 10, 10))
    values = sitk.GetArrayFromImage(standardise(image_of(array)))
    assert values[:, 10:20, 10:20].mean() == pytest.approx(0, abs=0.01)
    assert values[:, 10:20, 10:20].std() == pytest.approx(1, abs=0.01)


def test_zscore_of_a_cropped_image_is_over_all_tissue_not_over_the_brightest():
    random = np.random.default_rng(0)
    array = random.normal(200, 30, (10, 30, 30))
    array[:, :, 20:] = random.normal(900, 40, (10, 30, 10))  # fat on T1
    values = sitk.GetArrayFromImage(standardise(image_of(array)))
    assert values.mean() == pytest.approx(0, abs=0.01)
    assert values.std() == pytest.approx(1, abs=0.01)


def test_zscore_gives_the_same_every_time():
    """It once read memory that was freed already: right most of the time."""
    array = np.random.default_rng(1).gamma(2.0, 50.0, (40, 60, 60))
    image = image_of(array)
    first = sitk.GetArrayFromImage(standardise(image))
    for n in range(30):
        kept = [np.full(array.shape, n % 2, np.uint8) for _ in range(4)]  # takes the place of whatever was freed
        assert np.array_equal(sitk.GetArrayFromImage(standardise(image)), first)
        del kept


def test_constant_image_becomes_zero():
    assert not sitk.GetArrayFromImage(standardise(image_of(np.full((3, 4, 5), 7.0)))).any()


def test_n4_removes_a_bias_field():
    random = np.random.default_rng(0)
    z, y, x = np.mgrid[:24, :60, :60]
    body = ((x - 30) / 26) ** 2 + ((y - 30) / 22) ** 2 < 1
    tissue = np.where((x // 8 + y // 8 + z // 8) % 2, 100.0, 130.0) * body
    biased = image_of(tissue * np.exp(0.4 * (y - 30) / 30) + np.abs(random.normal(0, 2, body.shape)), (2.0, 2.0, 4.0))
    before = sitk.GetArrayFromImage(biased)[body] / tissue[body]
    after = sitk.GetArrayFromImage(correct_bias(biased))[body] / tissue[body]
    assert after.std() / after.mean() < 0.35 * before.std() / before.mean()


def test_mask_keeps_its_volume_on_a_coarser_grid():
    z, y, x = np.mgrid[:40, :60, :60]
    mask = (x - 30) ** 2 + (y - 30) ** 2 + (1.5 * (z - 20)) ** 2 < 18**2
    reference = image_of(mask, (1.0, 1.0, 1.5))
    coarse = harmonise(reference, Processing(spacing_mm=(3, 3, 3), intensity="none"))
    resampled = resample_mask(mask, reference, grid_of(coarse))
    assert resampled.sum() * 27 == pytest.approx(mask.sum() * 1.5, rel=0.02)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"modality": "MR", "intensity": "hu_window"}, "hu_window needs modality CT"),
        ({"hu_window": (5, 5)}, "lower value first"),
        ({"spacing_mm": (1, 0, 1)}, "positive"),
        ({"sharpen": True}, "sharpen"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, text):
    with pytest.raises(ValidationError, match=text):
        Processing(**values)
