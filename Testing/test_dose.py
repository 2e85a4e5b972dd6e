"""RTDOSE and RTPLAN values."""

import numpy as np
import pydicom
import pytest
from FedRTDatasetLib.dose import plan_record, read_dose
from FedRTDatasetLib.errors import FedRTError


def test_real_doses_of_three_planning_systems(real_data):
    """Every voxel where the attributes say (PS3.3 C.8.8.3), in Gy."""
    files = [path for path in (real_data / "rtdose_orientations").rglob("*") if path.is_file()]
    checked = 0
    for path in files:
        try:
            dataset = pydicom.dcmread(path)
        except pydicom.errors.InvalidDicomError:
            continue
        if dataset.get("Modality") != "RTDOSE":
            continue
        image = read_dose(path)
        orientation = np.array([float(v) for v in dataset.ImageOrientationPatient])
        offsets = [float(v) for v in dataset.GridFrameOffsetVector]
        stored = dataset.pixel_array
        for frame, y, x in ((0, 0, 0), (len(offsets) - 1, 2, 5), (len(offsets) // 2, 3, 1)):
            point = (
                np.array([float(v) for v in dataset.ImagePositionPatient])
                + x * float(dataset.PixelSpacing[1]) * orientation[:3]
                + y * float(dataset.PixelSpacing[0]) * orientation[3:]
                + (offsets[frame] - offsets[0]) * np.cross(orientation[:3], orientation[3:])
            )
            gray = float(stored[frame, y, x]) * float(dataset.DoseGridScaling)
            assert image[image.TransformPhysicalPointToIndex(point.tolist())] == pytest.approx(gray, rel=1e-5)
        checked += 1
    assert checked >= 3


def test_relative_dose_and_no_dose_are_refused(tmp_path, real_data):
    path = next(p for p in (real_data / "rtdose_orientations").rglob("*") if _is_dose(p))
    dataset = pydicom.dcmread(path)
    dataset.DoseUnits = "RELATIVE"
    dataset.save_as(tmp_path / "relative.dcm")
    with pytest.raises(FedRTError, match=r"relative\.dcm is in relative dose units"):
        read_dose(tmp_path / "relative.dcm")
    dataset.DoseUnits = "GY"
    del dataset.PixelData
    dataset.save_as(tmp_path / "empty.dcm")
    with pytest.raises(FedRTError, match=r"empty\.dcm has no readable dose grid"):
        read_dose(tmp_path / "empty.dcm")


def _is_dose(path):
    try:
        return pydicom.dcmread(path, stop_before_pixels=True).Modality == "RTDOSE"
    except (pydicom.errors.InvalidDicomError, IsADirectoryError, AttributeError):
        return False


def test_plan_values_of_no_plan():
    record = plan_record([], None)
    assert (record.prescription_gy, record.fractions, record.dose_max_gy, record.phases) == (None, None, None, None)
