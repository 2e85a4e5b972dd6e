"""An image series in its true geometry, whole or not."""

import numpy as np
import pydicom
import pytest
from dicom_maker import ORIENTATIONS, make_series
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.geometry import stack_of_image, to_image
from FedRTDatasetLib.imaging.series import load_series
from FedRTDatasetLib.index.dicom_index import index_folders
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)


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


def test_gantry_tilt_is_recognised_and_declared(real_data):
    loaded = load(real_data / "gantry_tilt_ge")
    assert loaded.stack.is_sheared
    assert any("gantry tilt of 18.5 degrees" in note for note in loaded.notes)
    assert any("1.08 to 7.00 mm apart: brought to 4.00 mm" in note for note in loaded.notes)


def jpeg_2000(dataset, pixels, **options):
    """Put `pixels` into the data set as JPEG 2000, lossless without `options`."""
    from openjpeg.utils import encode_array

    dataset.file_meta.TransferSyntaxUID = JPEG2000 if options else JPEG2000Lossless
    dataset.PixelData = encapsulate([encode_array(pixels, bits_stored=16, codec_format=0, **options)])
    dataset["PixelData"].VR = "OB"


def test_jpeg_2000(tmp_path):
    series = make_series(tmp_path)
    for file in series.files:
        dataset = pydicom.dcmread(file)
        jpeg_2000(dataset, dataset.pixel_array)
        dataset.save_as(file)
    assert np.array_equal(load(tmp_path).array, series.voxels)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, RLELossless], ids=lambda uid: uid.keyword)
def test_compressed_slices(tmp_path, syntax):
    series = make_series(tmp_path)
    for file in series.files:
        dataset = pydicom.dcmread(file)
        dataset.compress(syntax)
        dataset.save_as(file)
    loaded = load(tmp_path)
    assert np.array_equal(loaded.array, series.voxels)
    assert loaded.notes == []


@pytest.mark.parametrize("name", ["JPEGLosslessProcess14_1", "JPEGLosslessProcess14"])
def test_lossless_jpeg(tmp_path, name):
    """Of old PACS archives; written by gdcm, which is not what wrote the others."""
    import gdcm

    series = make_series(tmp_path)
    for file in series.files:
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(file))
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, name)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFile(reader.GetFile())
        writer.SetFileName(str(file))
        writer.SetImage(change.GetOutput())
        assert writer.Write()
    assert pydicom.dcmread(series.files[0]).file_meta.TransferSyntaxUID.is_compressed
    assert np.array_equal(load(tmp_path).array, series.voxels)


def test_lossy_jpeg_2000_is_close(tmp_path):
    series = make_series(tmp_path)
    smooth = np.add.outer(np.arange(40), np.arange(48)).astype(np.uint16) + 1000
    for file in series.files:
        dataset = pydicom.dcmread(file)
        jpeg_2000(dataset, smooth, compression_ratios=[3])
        dataset.save_as(file)
    assert np.abs(load(tmp_path).array - (smooth - 1000.0)).max() <= 8


def test_truncated_compressed_slice_is_left_out(tmp_path):
    series = make_series(tmp_path)
    for file in series.files:
        dataset = pydicom.dcmread(file)
        dataset.compress(JPEGLSLossless)
        dataset.save_as(file)
    series.files[3].write_bytes(series.files[3].read_bytes()[:-1500])
    loaded = load(tmp_path)
    assert loaded.array.shape[0] == 7
    assert "slice003.dcm has unreadable pixels" in loaded.notes[0]


def test_real_jpeg_2000_series(real_data, tmp_path):
    """A CT as a scanner compressed it (its publisher emptied the UIDs, so it is given some) against its uncompressed copy."""
    import SimpleITK as sitk

    uids = {keyword: generate_uid() for keyword in ("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")}
    for file in sorted((real_data / "totalseg" / "example_ct_dicom").iterdir()):
        dataset = pydicom.dcmread(file)
        assert dataset.file_meta.TransferSyntaxUID == JPEG2000Lossless
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        for keyword, uid in uids.items():
            setattr(dataset, keyword, uid)
        dataset.save_as(tmp_path / file.name)
    loaded = load(tmp_path)
    assert loaded.array.shape == (20, 512, 512)
    assert loaded.stack.is_regular
    assert loaded.stack.step == pytest.approx(2.0)
    assert loaded.array.min() == -1024
    body = (loaded.array > -300).mean()
    assert 0.1 < body < 0.6
    truth = sitk.GetArrayFromImage(to_image(loaded.array, loaded.stack))
    assert np.array_equal(truth, loaded.array)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian], ids=lambda uid: uid.keyword)
def test_other_encodings(tmp_path, syntax):
    series = make_series(tmp_path)
    for file in series.files:
        dataset = pydicom.dcmread(file)
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        dataset.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(file, dataset, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    loaded = load(tmp_path)
    assert np.array_equal(loaded.array, series.voxels)


def test_bits_beyond_those_stored_are_no_values(tmp_path):
    """Old scanners kept overlays in the four upper bits."""
    series = make_series(tmp_path)
    dataset = pydicom.dcmread(series.files[1])
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.PixelData = (np.frombuffer(dataset.PixelData, np.uint16) | 0x3000).tobytes()
    dataset.save_as(series.files[1])
    assert np.array_equal(load(tmp_path).array, series.voxels)


def test_empty_rescale_counts_as_none(tmp_path):
    series = make_series(tmp_path)
    dataset = pydicom.dcmread(series.files[1])
    dataset.RescaleSlope = dataset.RescaleIntercept = None
    dataset.save_as(series.files[1])
    assert np.array_equal(load(tmp_path).array[1], series.voxels[1] + 1000.0)


def test_headers_hold_no_pixels(tmp_path):
    """150 slices would otherwise weigh half as much again as the image."""
    make_series(tmp_path, rows=200, columns=200)
    for header in load(tmp_path).headers:
        assert "PixelData" not in header
        assert getattr(header, "_pixel_array", None) is None


def test_directions_of_few_decimals_stay_at_right_angles(tmp_path):
    make_series(tmp_path, orientation=(0.966, 0.259, 0.0, -0.067, 0.2501, -0.9659))
    stack = load(tmp_path).stack
    assert np.allclose(stack.axes.T @ stack.axes, np.eye(3), atol=1e-12)
