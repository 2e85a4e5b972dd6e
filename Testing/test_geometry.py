"""Slice stacks to images and back: every value where DICOM says it is, whatever the slices look like."""

import numpy as np
import pytest
import SimpleITK as sitk
from FedRTDatasetLib.imaging.geometry import (
    SliceStack,
    bring_to,
    orthogonal_grid,
    sample_at,
    stack_of_image,
    to_image,
)
from FedRTDatasetLib.imaging.preprocess import Grid, grid_of, resample

AXES = {
    "axial": ((1.0, 0, 0), (0, 1.0, 0)),
    "prone feet first": ((1.0, 0, 0), (0, -1.0, 0)),
    "decubitus": ((0, 1.0, 0), (-1.0, 0, 0)),
    "coronal": ((1.0, 0, 0), (0, 0, -1.0)),
    "oblique": ((0.8, 0.6, 0.0), (-0.36, 0.48, -0.8)),
}
OFFSETS = {
    "even": np.arange(12) * 3.0,
    "one missing": np.delete(np.arange(13) * 3.0, 5),
    "two distances": np.concatenate([np.arange(6) * 4.0, 21.1 + np.arange(6) * 7.0]),
}


def make_stack(axes="axial", offsets=OFFSETS["even"], tilt=0.0, shape=(34, 40), spacing=(1.1, 0.8)):
    row, column = (np.array(v) for v in AXES[axes])
    normal = np.cross(row, column)
    positions = np.array([-21.0, 13.0, 40.0]) + offsets[:, None] * (normal + np.tan(np.radians(tilt)) * column)
    return SliceStack(positions, row, column, spacing, (len(offsets), *shape))


def ramp(points):
    """A value that is linear in space: linear interpolation must give it exactly."""
    return points @ np.array([1.7, -0.6, 2.3]) + 5.0


def on_stack(stack, function):
    y, x = np.mgrid[: stack.shape[1], : stack.shape[2]]
    pixels = np.stack([x.ravel(), y.ravel()], axis=1).astype(float)
    return np.stack([function(stack.to_patient(pixels, k)).reshape(stack.shape[1:]) for k in range(stack.shape[0])])


def on_image(image, function):
    k, y, x = np.mgrid[tuple(slice(n) for n in image.GetSize()[::-1])]
    index = np.stack([x.ravel(), y.ravel(), k.ravel()]) * np.array(image.GetSpacing())[:, None]
    points = np.array(image.GetOrigin()) + (np.array(image.GetDirection()).reshape(3, 3) @ index).T
    return function(points).reshape(image.GetSize()[::-1])


def assert_is_ramp(image, outside):
    """Exactly linear wherever it was interpolated (border voxels repeat the border), and not merely empty."""
    values, truth = sitk.GetArrayFromImage(image), on_image(image, ramp)
    right = np.abs(values - truth) < 2e-3
    empty = values == outside
    border = ~right & ~empty
    assert right.mean() > 0.35
    assert border.mean() < 0.12  # half a voxel around the stack
    return right, empty


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("gaps", OFFSETS)
@pytest.mark.parametrize("tilt", [0.0, 18.0, -12.0])
def test_image_of_any_stack(axes, gaps, tilt):
    stack = make_stack(axes, OFFSETS[gaps], tilt)
    assert stack.is_sheared == (tilt != 0)
    assert stack.is_regular == (gaps == "even" and tilt == 0)
    image = to_image(on_stack(stack, ramp).astype(np.float32), stack, outside=-9999)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    assert np.allclose(direction @ direction.T, np.eye(3), atol=1e-9)
    right, _ = assert_is_ramp(image, -9999)
    if tilt == 0:
        assert right.all()
    # Every pixel of every slice lies inside the image.
    for k in (0, stack.shape[0] - 1):
        for corner in ([0.0, 0.0], [stack.shape[2] - 1.0, stack.shape[1] - 1.0]):
            point = stack.to_patient(np.array([corner]), k)[0]
            index = np.array(image.TransformPhysicalPointToContinuousIndex(point.tolist()))
            assert (index > -1e-3).all()
            assert (index < np.array(image.GetSize()) - 1 + 1e-3).all()


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("tilt", [0.0, 15.0])
def test_any_grid_in_one_step(axes, tilt):
    """A grid in patient axes of other voxels, whatever the axes of the stack."""
    stack = make_stack(axes, OFFSETS["two distances"], tilt)
    middle = (
        on_stack(stack, lambda points: points[:, 0]).mean(),
        *(on_stack(stack, lambda points, a=a: points[:, a]).mean() for a in (1, 2)),
    )
    grid = Grid(
        size=(14, 15, 16),
        spacing_mm=(1.0, 0.9, 0.7),
        origin_mm=tuple(m - 6 for m in middle),
        direction=(1, 0, 0, 0, 1, 0, 0, 0, 1),
    )
    image = bring_to(on_stack(stack, ramp), stack, grid, outside=-9999)
    assert grid_of(image) == grid
    assert np.allclose(sitk.GetArrayFromImage(image), on_image(image, ramp), atol=2e-3)


def test_regular_stack_is_resampled_as_preprocess_does():
    stack = make_stack("oblique")
    array = np.random.default_rng(0).normal(size=stack.shape).astype(np.float32)
    image = to_image(array, stack)
    grid = Grid(size=(12, 11, 9), spacing_mm=(3, 2.5, 4), origin_mm=image.GetOrigin(), direction=image.GetDirection())
    ours = sitk.GetArrayFromImage(bring_to(array, stack, grid, 0.0))
    assert np.allclose(ours, sitk.GetArrayFromImage(resample(image, grid, 0.0)), atol=1e-4)


def test_coarser_grid_of_uneven_slices_does_not_alias():
    """Noise that alternates from slice to slice must average out, not be sampled."""
    stack = make_stack(offsets=np.delete(np.arange(40) * 1.0, 17))
    array = np.broadcast_to((-1.0) ** np.rint(stack.offsets)[:, None, None], stack.shape).astype(np.float32)
    grid = orthogonal_grid(stack).model_copy(update={"size": (40, 34, 9), "spacing_mm": (1.1, 0.8, 4.0)})
    values = sitk.GetArrayFromImage(bring_to(array, stack, grid, 0.0))
    assert np.abs(np.delete(values, 4, axis=0)[1:-1]).max() < 0.15  # (the slice beside the gap knows no better)


@pytest.mark.parametrize("tilt", [0.0, 20.0])
def test_back_onto_the_slices(tilt):
    stack = make_stack("oblique", OFFSETS["two distances"], tilt)
    image = to_image(on_stack(stack, ramp).astype(np.float32), stack, outside=0.0)
    back = sample_at(image, stack, outside=-1)
    inner = (slice(None), slice(5, -5), slice(2, -2))
    assert np.allclose(back[inner], on_stack(stack, ramp)[inner], atol=3e-3)


def test_positions_rounded_to_one_decimal_are_regular():
    stack = make_stack(offsets=np.round(np.arange(80) * 1.25, 1))
    assert stack.is_regular
    assert stack.step == pytest.approx(1.25, abs=1e-3)


def test_a_missing_slice_keeps_the_others_as_they_are():
    stack = make_stack(offsets=OFFSETS["one missing"])
    array = np.random.default_rng(0).normal(size=stack.shape).astype(np.float32)
    values = sitk.GetArrayFromImage(to_image(array, stack))
    assert np.array_equal(np.delete(values, 5, axis=0), array)
    assert np.allclose(values[5], (array[4] + array[5]) / 2, atol=1e-6)


def test_nearest_slice_does_not_stand_for_a_missing_one():
    stack = make_stack(offsets=OFFSETS["one missing"])
    wanted = np.array([-2.0, -1.4, 11.0, 12.0, 15.0, 16.6, 36.0, 38.0])
    assert stack.nearest_slice(wanted).tolist() == [-1, 0, 4, 4, -1, 5, 11, -1]


def test_stack_of_a_tilted_image_is_regular():
    stack = make_stack(tilt=18.0)
    again = stack_of_image(to_image(on_stack(stack, ramp).astype(np.float32), stack))
    assert again.is_regular
    assert again.step == pytest.approx(stack.step)


def test_tilted_head_keeps_its_place(real_data):
    """Real GE head CT, 18.5 degrees, two slice distances: an upright line through the slices comes out where it was."""
    from FedRTDatasetLib.imaging.series import load_series
    from FedRTDatasetLib.index.dicom_index import index_folders

    loaded = load_series(next(iter(index_folders([real_data / "gantry_tilt_ge"]).series.values())))
    stack = loaded.stack
    assert stack.is_sheared
    image = to_image(loaded.array, stack)
    assert image.GetSpacing()[2] == pytest.approx(4.0, abs=0.05)
    tilt = np.degrees(np.arctan2(*np.ptp(stack.displacements * stack.spacing, axis=0)[::-1][:1], stack.offsets[-1]))
    assert tilt == pytest.approx(18.5, abs=0.2)
    back = sample_at(image, stack, outside=float(loaded.array.min()))
    head = loaded.array > 0
    assert np.corrcoef(back[head], loaded.array[head])[0, 1] > 0.93
