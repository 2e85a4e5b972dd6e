"""RTSTRUCT written and read: references, attributes, contours."""

import numpy as np
import pydicom
import pytest
from dicom_maker import add_rtstruct, ellipse, make_patient, make_series
from FedRTDatasetLib.contouring.rasterise import rasterise
from FedRTDatasetLib.contouring.rtstruct_read import read_rtstruct
from FedRTDatasetLib.contouring.rtstruct_write import RoiContours, decimal_string, write_rtstruct
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.series import load_series
from FedRTDatasetLib.index.dicom_index import index_folders


def test_contours_come_back(tmp_path):
    series = make_series(tmp_path)
    polygons = [series.plane(k, ellipse((40, 30), (12.3, 9.9), 37)) for k in (2, 3, 4)]
    path = add_rtstruct(series, {"Bladder": polygons, "Empty": []})
    bladder, empty = read_rtstruct(path)
    assert (bladder.name, empty.name) == ("Bladder", "Empty")
    assert empty.polygons == []
    for written, read in zip(polygons, bladder.polygons, strict=True):
        assert np.abs(written - read).max() <= 0.5e-4 + 1e-9


def test_references_and_identity(tmp_path):
    series = make_series(tmp_path)
    path = add_rtstruct(series, {"Bladder": [series.plane(5, ellipse((40, 30), (12, 9)))]})
    dataset = pydicom.dcmread(path)
    assert dataset.PatientID == "MRN-4711"
    assert dataset.StudyInstanceUID == series.headers[0].StudyInstanceUID
    assert dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.481.3"
    referenced = (
        dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    )
    assert referenced.SeriesInstanceUID == series.headers[0].SeriesInstanceUID
    assert {i.ReferencedSOPInstanceUID for i in referenced.ContourImageSequence} == {
        h.SOPInstanceUID for h in series.headers
    }
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    assert contour.ContourImageSequence[0].ReferencedSOPInstanceUID == series.headers[5].SOPInstanceUID
    for keyword in ("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName",
                    "StudyID", "AccessionNumber", "Modality", "SeriesNumber", "OperatorsName", "Manufacturer",
                    "StructureSetLabel", "StructureSetDate", "StructureSetTime"):  # fmt: skip
        assert keyword in dataset, keyword


def test_predicted_probability_to_rtstruct_and_back_is_the_mask(tmp_path):
    """The path of a prediction: probability on the grid, contours, file, mask."""
    from FedRTDatasetLib.contouring.outline import outline
    from scipy.ndimage import gaussian_filter

    series = make_series(tmp_path)
    loaded = load_series(next(iter(index_folders([tmp_path]).series.values())))
    field = gaussian_filter(np.random.default_rng(1).random(loaded.array.shape), 1.2)
    probability = (field - field.min()) / (field.max() - field.min())
    path = tmp_path / "predicted.dcm"
    write_rtstruct(path, series.headers, [RoiContours("Rectum", outline(probability, loaded.stack))], "auto")
    mask, beyond = rasterise(read_rtstruct(path)[0].polygons, loaded.stack)
    assert beyond == 0
    assert np.array_equal(mask, probability >= 0.5)


@pytest.mark.parametrize("value", [0.0, -0.00001, 1234.56789, -999.99995, 1e-9, 123456.7, -1234567.12345])
def test_decimal_strings_are_short_and_close(value):
    text = decimal_string(value)
    assert len(text) <= 16
    assert float(text) == pytest.approx(value, abs=0.51e-4)


def test_points_and_broken_contours_are_counted_not_used(tmp_path):
    make_patient(tmp_path, rois={"Bladder": ((40, 30), (20, 12))})
    path = tmp_path / "structures.dcm"
    dataset = pydicom.dcmread(path)
    contours = dataset.ROIContourSequence[0].ContourSequence
    contours[0].ContourGeometricType = "POINT"
    contours[1].ContourData = contours[1].ContourData[:6]
    contours[2].ContourData = [*contours[2].ContourData[:-1]]
    dataset.save_as(path)
    roi = read_rtstruct(path)[0]
    assert (roi.other_contours, roi.broken_contours, len(roi.polygons)) == (1, 2, 1)


def test_not_a_number_is_a_broken_contour(tmp_path):
    make_patient(tmp_path, rois={"Bladder": ((40, 30), (20, 12))})
    path = tmp_path / "structures.dcm"
    data = path.read_bytes()
    start = data.index(b"\x06\x30\x50\x00DS") + 8  # (3006,0050) Contour Data
    while (end := data.index(b"\\", start)) - start < 3:
        start = end + 1
    path.write_bytes(data[:start] + b"nan".ljust(end - start) + data[end:])
    roi = read_rtstruct(path)[0]
    assert (roi.broken_contours, len(roi.polygons)) == (1, 3)


def test_file_that_is_no_structure_set(tmp_path):
    series = make_series(tmp_path)
    with pytest.raises(FedRTError, match=r"slice000\.dcm is not an RT Structure Set"):
        read_rtstruct(series.files[0])
    (tmp_path / "text.dcm").write_text("hello")
    with pytest.raises(FedRTError, match=r"text\.dcm is not an RT Structure Set"):
        read_rtstruct(tmp_path / "text.dcm")
