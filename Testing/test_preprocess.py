"""Harmonising images."""

import numpy as np
import pytest
import SimpleITK as sitk
from FedRTDatasetLib.imaging.geometry import SliceStack, to_image
from FedRTDatasetLib.imaging.intensity import bias_field, divided, standardised
from FedRTDatasetLib.imaging.preprocess import (
    Processing,
    default_processing,
    grid_of,
    harmonise,
    harmonise_series,
    resample,
    resample_mask,
)
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
    values = sitk.GetArrayFromImage(standardised(image_of(array))[0])
    assert values[:, 10:20, 10:20].mean() == pytest.approx(0, abs=0.01)
    assert values[:, 10:20, 10:20].std() == pytest.approx(1, abs=0.01)


def test_zscore_of_a_cropped_image_is_over_all_tissue_not_over_the_brightest():
    random = np.random.default_rng(0)
    array = random.normal(200, 30, (10, 30, 30))
    array[:, :, 20:] = random.normal(900, 40, (10, 30, 10))  # fat on T1
    values = sitk.GetArrayFromImage(standardised(image_of(array))[0])
    assert values.mean() == pytest.approx(0, abs=0.01)
    assert values.std() == pytest.approx(1, abs=0.01)


def test_zscore_gives_the_same_every_time():
    """It once read memory that was freed already: right most of the time."""
    array = np.random.default_rng(1).gamma(2.0, 50.0, (40, 60, 60))
    image = image_of(array)
    first = sitk.GetArrayFromImage(standardised(image)[0])
    for n in range(30):
        kept = [np.full(array.shape, n % 2, np.uint8) for _ in range(4)]  # takes the place of whatever was freed
        assert np.array_equal(sitk.GetArrayFromImage(standardised(image)[0]), first)
        del kept


def test_constant_image_becomes_zero():
    assert not sitk.GetArrayFromImage(standardised(image_of(np.full((3, 4, 5), 7.0)))[0]).any()


def test_n4_removes_a_bias_field():
    random = np.random.default_rng(0)
    z, y, x = np.mgrid[:24, :60, :60]
    body = ((x - 30) / 26) ** 2 + ((y - 30) / 22) ** 2 < 1
    tissue = np.where((x // 8 + y // 8 + z // 8) % 2, 100.0, 130.0) * body
    biased = image_of(tissue * np.exp(0.4 * (y - 30) / 30) + np.abs(random.normal(0, 2, body.shape)), (2.0, 2.0, 4.0))
    before = sitk.GetArrayFromImage(biased)[body] / tissue[body]
    after = sitk.GetArrayFromImage(divided(biased, *bias_field(biased)))[body] / tissue[body]
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


@pytest.mark.parametrize("code", ["LPS", "RAI", "SAL"])
@pytest.mark.parametrize("spacing", [(3.0, 3.0, 3.0), (0.7, 1.0, 1.5), (1.0, 5.0, 2.0)])
def test_the_box_round_a_structure_is_enough(code, spacing):
    """As if the whole image had been resampled, also for structures at its border."""
    random = np.random.default_rng(2)
    mask = np.zeros((30, 36, 40), np.uint8)
    mask[10:16, 8:20, 5:9] = 1
    mask[:4, :5, -6:] = random.random((4, 5, 6)) > 0.3
    reference = sitk.DICOMOrient(image_of(mask, (1.0, 1.2, 2.0), (3.0, -4.0, 5.0)), code)
    mask = sitk.GetArrayFromImage(reference) > 0.5
    grid = grid_of(harmonise(reference, Processing(spacing_mm=spacing, intensity="none")))
    whole = resample(sitk.Cast(sitk.DICOMOrient(reference, "LPS"), sitk.sitkFloat32), grid, outside=0.0)
    whole = sitk.GetArrayFromImage(whole)
    differs = resample_mask(mask, reference, grid) != (whole >= 0.5)
    assert not differs[np.abs(whole - 0.5) > 1e-4].any()


def test_a_structure_beside_the_grid_leaves_nothing():
    mask = np.zeros((10, 10, 10), np.uint8)
    reference = image_of(mask, (1.0, 1.0, 1.0))
    far = grid_of(image_of(np.zeros((5, 5, 5)), (2.0, 2.0, 2.0), (200.0, 0.0, 0.0)))
    assert not resample_mask(mask, reference, far).any()
    mask[4:6, 4:6, 4:6] = 1
    assert not resample_mask(mask, reference, far).any()
    shift = sitk.TranslationTransform(3, (-200.0, 0.0, 0.0))
    assert resample_mask(mask, reference, far, shift).any()


def body_on_couch():
    """CT: an ellipse of water with two arms on a thin couch, in air; voxels of 3 mm."""
    _, y, x = np.mgrid[:20, :90, :120]
    body = ((x - 60) / 30) ** 2 + ((y - 45) / 20) ** 2 < 1
    arms = (np.minimum((x - 20) ** 2, (x - 100) ** 2) + (y - 45) ** 2) < 7**2
    couch = (y > 75) & (y < 78) & (x > 5) & (x < 115)
    return image_of(np.where(body | arms, 40.0, np.where(couch, 200.0, -1000.0)), (3.0, 3.0, 3.0)), body | arms


def test_cropping_to_the_body_keeps_arms_and_leaves_the_couch():
    image, patient = body_on_couch()
    cropped = harmonise(image, Processing(crop="body", intensity="none"))
    low = cropped.TransformIndexToPhysicalPoint((0, 0, 0))
    high = cropped.TransformIndexToPhysicalPoint(tuple(n - 1 for n in cropped.GetSize()))
    z, y, x = (np.flatnonzero(patient.any(axis=axes)) * 3.0 for axes in ((1, 2), (0, 2), (0, 1)))
    assert (low[0], low[1], low[2]) == pytest.approx((x[0] - 10, y[0] - 10, 0), abs=6)
    assert (high[0], high[1], high[2]) == pytest.approx((x[-1] + 10, y[-1] + 10, z[-1]), abs=6)
    assert high[1] < 75 * 3.0
    values = sitk.GetArrayFromImage(cropped)
    assert (values == 40).sum() == patient.sum()  # nothing of the patient is lost, nothing is interpolated


def test_cropping_an_image_without_a_body_keeps_it():
    air = image_of(np.full((8, 9, 10), -1000.0))
    assert harmonise(air, Processing(crop="body", intensity="none")).GetSize() == (10, 9, 8)


@pytest.mark.parametrize(
    ("modality", "intensity", "n4"), [("CT", "hu_window", False), ("MR", "zscore", True), ("PT", "suv_window", False)]
)
def test_what_is_not_said_follows_from_the_modality(modality, intensity, n4):
    processing = Processing(modality=modality)
    assert (processing.intensity, processing.n4, processing.spacing_mm) == (intensity, n4, None)
    default = default_processing(modality)
    assert (default.intensity, default.n4) == (intensity, n4)
    assert min(default.spacing_mm) > 0
    assert Processing.model_validate_json(default.model_dump_json()) == default
    assert Processing(modality=modality, intensity="none", n4=False).n4 is False


def test_suv_window_and_zscore_of_the_whole_image():
    pet = harmonise(image_of(np.array([[[-1.0, 0.0, 5.0, 10.0, 40.0]]])), Processing(modality="PT", suv_window=(0, 10)))
    assert sitk.GetArrayFromImage(pet).ravel().tolist() == [0, 0, 0.5, 1, 1]
    array = np.zeros((4, 10, 10))
    array[:, :, 5:] = 100.0
    whole = harmonise(image_of(array), Processing(modality="MR", n4=False, zscore_over="image"))
    assert np.unique(sitk.GetArrayFromImage(whole)).tolist() == pytest.approx([-1, 1])


def linear_stack(offsets, shear=0.0):
    """Slices of a scene linear in space, at `offsets` along z, each shifted by `shear` mm in y for each mm."""
    positions = np.array([[5.0, -8.0 + shear * z, z] for z in offsets])
    stack = SliceStack(positions, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), (2.0, 2.5), (len(offsets), 40, 30))
    y, x = np.mgrid[:40, :30]
    points = [stack.to_patient(np.stack([x.ravel(), y.ravel()], 1).astype(float), k) for k in range(len(offsets))]
    values = np.stack([scene(p).reshape(40, 30) for p in points])
    return values.astype(np.float32), stack


def scene(points):
    return 100 + 2 * points[..., 0] - 3 * points[..., 1] + 5 * points[..., 2]


def of_scene(image, margin):
    z, y, x = np.mgrid[tuple(slice(0, n) for n in image.GetSize()[::-1])]
    places = np.stack([x, y, z], -1) * np.array(image.GetSpacing())
    truth = scene(places @ np.reshape(image.GetDirection(), (3, 3)).T + np.array(image.GetOrigin()))
    inner = tuple(slice(m, -m) for m in margin)
    return np.abs(sitk.GetArrayFromImage(image) - truth)[inner].max()


@pytest.mark.parametrize("shear", [0.0, 0.25])
@pytest.mark.parametrize("spacing", [None, (1.5, 1.5, 1.5)])
def test_uneven_and_tilted_slices_are_interpolated_once_and_exactly(shear, spacing):
    array, stack = linear_stack([0, 3, 6, 12, 14, 17, 20, 26, 29, 32.0], shear)
    assert not stack.is_regular
    image, steps = harmonise_series(array, stack, Processing(intensity="none", spacing_mm=spacing))
    assert of_scene(image, (2, 8, 2)) < 0.01
    assert [step.step for step in steps] == ["orient", "resample"]


def test_a_regular_series_is_harmonised_as_an_image():
    array, stack = linear_stack([0, 3, 6, 9, 12.0])
    processing = Processing(spacing_mm=(3, 3, 3))
    series, _ = harmonise_series(array, stack, processing)
    image = harmonise(to_image(array, stack), processing)
    assert np.array_equal(sitk.GetArrayFromImage(series), sitk.GetArrayFromImage(image))
    assert grid_of(series) == grid_of(image)


def test_bias_is_taken_out_of_uneven_slices_as_out_of_even_ones():
    random = np.random.default_rng(0)
    offsets = np.array([0, 4, 8, 12, 20, 24, 28, 32, 36, 40.0])
    y, x = np.mgrid[:60, :60]
    body = ((x - 30) / 26) ** 2 + ((y - 30) / 22) ** 2 < 1
    tissue = np.where((x // 8 + y // 8) % 2, 100.0, 130.0) * body
    array = (tissue * np.exp(0.4 * (y - 30) / 30) + np.abs(random.normal(0, 2, (10, 60, 60)))).astype(np.float32)
    positions = np.array([[0.0, 0.0, z] for z in offsets])
    stack = SliceStack(positions, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), (2.0, 2.0), (10, 60, 60))
    image, steps = harmonise_series(array, stack, Processing(modality="MR", intensity="none"))
    values = sitk.GetArrayFromImage(image)[4]
    before, after = (array[3][body] / tissue[body]), (values[body] / tissue[body])
    assert after.std() / after.mean() < 0.4 * before.std() / before.mean()
    assert [step.step for step in steps] == ["orient", "n4", "resample"]


@pytest.mark.parametrize(
    "settings", [{}, {"modality": "MR"}, {"modality": "PT"}, {"intensity": "none", "crop": "body"}]
)
def test_a_harmonised_image_is_float32(settings):
    image = image_of(np.random.default_rng(0).random((12, 30, 30)) * 500)
    assert harmonise(image, Processing(spacing_mm=(2, 2, 2), **settings)).GetPixelID() == sitk.sitkFloat32
    assert harmonise(sitk.Cast(image, sitk.sitkInt16), Processing(**settings)).GetPixelID() == sitk.sitkFloat32


def test_grids_match_but_for_rounding(tmp_path):
    image = image_of(np.random.default_rng(0).random((5, 6, 7)), (1.0, 1.0, 3.0), (1 / 3, -2 / 7, 1000 / 3))
    image.SetDirection(sitk.VersorTransform((0.3, 0.5, 0.8), 0.1).GetMatrix())
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    grid, read = grid_of(image), grid_of(sitk.ReadImage(str(tmp_path / "a.nrrd")))
    assert grid.matches(read)
    assert not grid.matches(grid.model_copy(update={"origin_mm": (0.0, 0.0, 0.0)}))
    assert not grid.matches(grid.model_copy(update={"size": (7, 6, 6)}))
    assert not grid.matches(grid.model_copy(update={"spacing_mm": (1.0, 1.0, 3.01)}))
