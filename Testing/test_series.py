"""An image series in its true geometry, whole or not."""

import numpy as np
import pydicom
import pytest
from dicom_maker import ORIENTATIONS, make_series
from FedRTDatasetLib.dicom_index import index_folders
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.geometry import stack_of_image, to_image
from FedRTDatasetLib.series import load_series
from pydicom.uid import generate_uid


def load(folder):
    return load_series(next(iter(index_folders([folder]).series.values())))


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS.keys())
def test_every_voxel_is_where_dicom_says(tmp_path, orientation):
    series = make_series(tmp_path, orientation=orientation)
    loaded = load(tmp_path)
    image = to_image(loaded.array, loaded.stack)
    for k, x, y in ((0, 0, 0), (5, 7, 3), (7, 47, 39)):
        header = series.headers[k]
        position = np.array([float(v) for v in header.ImagePositionPatient])
        point = position + x * 2.0 * series.row + y * 1.5 * series.column  # PS3.3 C.7.6.2.1.1
        index = image.TransformPhysicalPointToIndex(point.tolist())
        assert np.allclose(image.TransformIndexToPhysicalPoint(index), point, atol=1e-4)
        assert image[index] == series.voxels[k, y, x]
    assert loaded.notes == []


def test_stack_of_image_is_the_inverse(tmp_path):
    make_series(tmp_path, orientation=ORIENTATIONS["oblique"])
    loaded = load(tmp_path)
    again = stack_of_image(to_image(loaded.array, loaded.stack))
    assert np.allclose(again.positions, loaded.stack.positions, atol=1e-4)
    assert again.spacing == pytest.approx(loaded.stack.spacing)


def test_rescale_of_each_slice(tmp_path):
    series = make_series(tmp_path)
    dataset = pydicom.dcmread(series.files[4])
    dataset.RescaleSlope, dataset.RescaleIntercept = 2, -500
    dataset.save_as(series.files[4])
    loaded = load(tmp_path)
    assert np.array_equal(loaded.array[3], series.voxels[3])
    assert np.array_equal(loaded.array[4], (series.voxels[4] + 1000.0) * 2 - 500)


def test_missing_slice_is_noted_and_bridged(tmp_path):
    series = make_series(tmp_path)
    series.files[4].unlink()
    loaded = load(tmp_path)
    assert loaded.array.shape[0] == 7
    assert not loaded.stack.is_regular
    assert len(loaded.notes) == 1
    assert "1 slice(s) missing after instance 4" in loaded.notes[0]
    image = to_image(loaded.array, loaded.stack)
    assert image.GetSize() == (48, 40, 8)
    bridged = np.array([[image[x, y, 4] for x in range(48)] for y in range(40)])
    assert np.allclose(bridged, (series.voxels[3] + series.voxels[5].astype(float)) / 2, atol=1e-3)


def test_second_slice_at_one_position_is_left_out(tmp_path):
    series = make_series(tmp_path)
    dataset = pydicom.dcmread(series.files[4])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.InstanceNumber = 99
    dataset.save_as(tmp_path / "again.dcm")
    loaded = load(tmp_path)
    assert loaded.array.shape[0] == 8
    assert loaded.stack.is_regular
    assert len(loaded.notes) == 1
    assert "again.dcm" in loaded.notes[0]


def test_localiser_in_the_series_is_left_out(tmp_path):
    series = make_series(tmp_path)
    dataset = pydicom.dcmread(series.files[0])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    dataset.save_as(tmp_path / "scout.dcm")
    loaded = load(tmp_path)
    assert loaded.array.shape[0] == 8
    assert "1 slices of another orientation" in loaded.notes[0]


def test_slice_with_truncated_pixels_is_left_out(tmp_path):
    series = make_series(tmp_path)
    series.files[2].write_bytes(series.files[2].read_bytes()[:-500])
    loaded = load(tmp_path)
    assert loaded.array.shape[0] == 7
    assert "slice002.dcm has unreadable pixels" in loaded.notes[0]


def test_one_slice_is_no_series(tmp_path):
    make_series(tmp_path, slices=1)
    with pytest.raises(FedRTError, match=r"slice000\.dcm has fewer than two readable slices"):
        load(tmp_path)


def test_gantry_tilt_is_recognised(real_data):
    loaded = load(real_data / "gantry_tilt_ge")
    assert loaded.stack.is_sheared
