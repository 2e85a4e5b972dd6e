"""PET values to SUV."""

import numpy as np
import pytest
from FedRTDatasetLib.imaging.pet import NoSuvError, suv_factor
from pydicom.dataset import Dataset


def header(**changes) -> Dataset:
    """70 kg, 350 MBq of F-18 an hour (of 6586.2 s half-life) before the scan."""
    values = {"Units": "BQML", "DecayCorrection": "START", "CorrectedImage": ["DECY", "ATTN", "SCAT"], "PatientWeight": "70",
              "SeriesDate": "20200102", "SeriesTime": "120000", "AcquisitionDate": "20200102",
              "AcquisitionTime": "120005.25"} | changes  # fmt: skip
    dataset = Dataset()
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    injection = Dataset()
    injection.RadionuclideTotalDose = "350000000"
    injection.RadionuclideHalfLife = "6586.2"
    injection.RadiopharmaceuticalStartTime = "110000.00"
    dataset.RadiopharmaceuticalInformationSequence = [injection]
    return dataset


LEFT = 350e6 * 2 ** (-3600 / 6586.2)


def test_decay_up_to_the_start_of_the_scan():
    assert suv_factor([header()]) == pytest.approx(70000 / LEFT, rel=1e-6)


def test_a_concentration_of_dose_over_weight_is_suv_1():
    assert suv_factor([header()]) * LEFT / 70000 == pytest.approx(1.0)


def test_corrected_to_administration_needs_no_time():
    assert suv_factor([header(DecayCorrection="ADMIN", SeriesTime=None)]) == pytest.approx(70000 / 350e6)


def test_a_series_made_later_counts_from_its_first_slice():
    late = [header(SeriesTime="150000", AcquisitionTime=t) for t in ("120300", "120000", "120600")]
    assert suv_factor(late) == pytest.approx(70000 / LEFT, rel=1e-6)


def test_injection_before_midnight_and_a_stated_moment():
    after = header(SeriesDate="20200103", SeriesTime="003000", AcquisitionDate="20200103", AcquisitionTime="003000")
    after.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime = "233000"
    assert suv_factor([after]) == pytest.approx(70000 / LEFT, rel=1e-6)
    del after.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime
    after.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime = "20200102233000.00+0100"
    assert suv_factor([after]) == pytest.approx(70000 / LEFT, rel=1e-6)


def test_units_that_are_suv_and_philips_counts():
    assert suv_factor([header(Units="GML")]) == 1.0
    philips = header(Units="CNTS")
    philips.add_new((0x7053, 0x1000), "DS", "0.00025")
    assert suv_factor([philips]) == 0.00025
    philips[(0x7053, 0x1000)].value = "0"
    philips.add_new((0x7053, 0x1009), "DS", "2.0")
    assert suv_factor([philips]) == pytest.approx(2 * 70000 / LEFT, rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"PatientWeight": None}, "PatientWeight"),
        ({"PatientWeight": "0"}, "PatientWeight"),
        ({"Units": "CNTS"}, "Units"),
        ({"Units": None}, "Units"),
        ({"Units": "GML", "SUVType": "LBM"}, "SUVType"),
        ({"DecayCorrection": "NONE"}, "DecayCorrection"),
        ({"CorrectedImage": ["DECY"]}, "CorrectedImage"),
        ({"SeriesTime": None, "AcquisitionTime": None}, "SeriesTime"),
        (
            {"SeriesDate": "20200108", "AcquisitionDate": "20200108", "SeriesTime": "junk", "AcquisitionTime": None},
            "SeriesTime",
        ),
    ],
)
def test_what_lacks_is_named(changes, missing):
    with pytest.raises(NoSuvError, match=missing) as caught:
        suv_factor([header(**changes)])
    assert caught.value.missing == missing


def test_a_series_without_injection_is_refused():
    bare = header()
    del bare.RadiopharmaceuticalInformationSequence
    with pytest.raises(NoSuvError, match="RadionuclideTotalDose"):
        suv_factor([bare])
    assert np.isfinite(suv_factor([header()]))
