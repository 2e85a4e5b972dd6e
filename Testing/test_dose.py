"""The dose functions that the rest of the room uses: one RTDOSE as an image (more in test_rtdose.py, test_course.py)."""

import numpy as np
import pytest
from dose_maker import make_dose
from FedRTDatasetLib.dosimetry.dose import plan_record, read_dose
from FedRTDatasetLib.errors import FedRTError


def test_a_dose_as_an_image(tmp_path):
    gray = np.linspace(0, 65, 60).reshape(3, 4, 5)
    path = make_dose(tmp_path / "d.dcm", gray, orientation=(-1, 0, 0, 0, 1, 0), offsets=[0, 2.5, 5], spacing=(3, 2))
    image = read_dose(path)
    for k, y, x in ((0, 0, 0), (2, 3, 4), (1, 2, 0)):
        place = (-60 - 3.0 * x, -50 + 2.0 * y, -2.5 * k)
        assert image[image.TransformPhysicalPointToIndex(place)] == pytest.approx(gray[k, y, x], abs=1e-3)


def test_relative_dose_is_refused(tmp_path):
    with pytest.raises(FedRTError, match=r"relative\.dcm is in relative dose units"):
        read_dose(make_dose(tmp_path / "relative.dcm", np.ones((3, 4, 5)), DoseUnits="RELATIVE"))


def test_plan_values_of_no_plan():
    record = plan_record([], None)
    assert (record.prescription_gy, record.fractions, record.dose_max_gy, record.phases) == (None, None, None, None)
