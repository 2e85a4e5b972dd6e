"""Which slices make a volume, for every way a series can hold more or less than one."""

from pathlib import Path

import pytest
from dicom_maker import AXIAL, ORIENTATIONS, SAGITTAL
from FedRTDatasetLib.index.objects import ImageSeries, Slices
from FedRTDatasetLib.index.series_slices import volume_for, volumes_of
from pydicom.dataset import Dataset


def slice_at(z, number=1, orientation=AXIAL, rows=64, columns=64, spacing=(1.0, 1.0), **extra):
    header = Dataset()
    header.ImagePositionPatient, header.ImageOrientationPatient = [-10, -20, z], list(orientation)
    header.Rows, header.Columns, header.PixelSpacing, header.InstanceNumber = rows, columns, list(spacing), number
    for keyword, value in extra.items():
        setattr(header, keyword, value)
    return header


def series_of(headers):
    """`headers` by name; the names stand for the UIDs."""
    files = {uid: Path(f"{uid}.dcm") for uid in headers}
    return ImageSeries("1", "2", "3", "CT", "p", load=lambda: Slices(files, headers))


def volumes(headers):
    notes = []
    return volumes_of(series_of(headers), notes), notes


def phases(positions=5, count=3, **values):
    """`count` volumes at the same positions, named by phase and position; values: keyword -> value for (phase, position)."""
    headers = {}
    for phase in range(count):
        for k in range(positions):
            extra = {keyword: value(phase, k) for keyword, value in values.items()}
            headers[f"{phase}.{k}"] = slice_at(2.0 * k, number=phase * positions + k + 1, **extra)
    return headers


def names(count, positions=5):
    return [[f"{phase}.{k}" for k in range(positions)] for phase in range(count)]


def test_one_volume_in_order_of_position():
    headers = {f"{z}": slice_at(z, number=-z) for z in (6, 0, 4, 2)}
    assert volumes(headers) == ([["0", "2", "4", "6"]], [])


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_sorted_along_row_times_column(orientation):
    import numpy as np

    normal = np.cross(orientation[:3], orientation[3:])
    headers = {}
    for k in (2, 0, 1):
        headers[str(k)] = slice_at(0, orientation=orientation)
        headers[str(k)].ImagePositionPatient = [f"{v:.5f}" for v in 3.0 * k * normal]
    assert volumes(headers)[0] == [["0", "1", "2"]]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("TemporalPositionIdentifier", lambda phase, k: phase + 1),
        ("DiffusionBValue", lambda phase, k: [0.0, 500.0, 1000.0][phase]),
        ("EchoTime", lambda phase, k: [4.6, 92.0, 184.0][phase]),
        ("EchoNumbers", lambda phase, k: phase + 1),
        ("FrameReferenceTime", lambda phase, k: 30000.0 * phase),
        ("TriggerTime", lambda phase, k: 50.5 * phase),
        ("AcquisitionNumber", lambda phase, k: phase + 2),
        ("ImageType", lambda phase, k: ["DERIVED", "PRIMARY", "DIXON", "WFI"[phase]]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_phases_are_told_apart(keyword, value):
    found, notes = volumes(phases(**{keyword: value}))
    assert found == names(3)
    assert len(notes) == 1
    assert "3 volumes (3 of 5 slices), told apart by " + keyword in notes[0]


def test_phases_and_echoes():
    headers = {}
    for phase in range(2):
        for echo in range(2):
            for k in range(4):
                number = 100 * k + 10 * echo + phase
                headers[f"{phase}{echo}{k}"] = slice_at(
                    k, number, TemporalPositionIdentifier=phase + 1, EchoTime=[4.6, 92.0][echo]
                )
    found, notes = volumes(headers)
    assert found == [[f"{phase}{echo}{k}" for k in range(4)] for phase in range(2) for echo in range(2)]
    assert "TemporalPositionIdentifier and EchoTime" in notes[0]


def test_numbers_that_count_slices_do_not_tell_phases_apart():
    """A step-and-shoot CT counts acquisitions; a cardiac MR triggers each slice at another time."""
    found, notes = volumes(
        phases(AcquisitionNumber=lambda phase, k: 5 * phase + k + 1, TriggerTime=lambda phase, k: 7.0 * k + phase)
    )
    assert found == names(3)
    assert "the order of Instance Numbers" in notes[0]


def test_a_shorter_phase_is_not_used():
    headers = phases(TemporalPositionIdentifier=lambda phase, k: phase + 1)
    del headers["0.2"]
    found, _ = volumes(headers)
    assert found == [*names(3)[1:], ["0.0", "0.1", "0.3", "0.4"]]


def test_a_repeated_slice_is_left_out():
    headers = {str(k): slice_at(3 * k, number=k + 1) for k in range(5)}
    headers["again"] = slice_at(6, number=99)
    found, notes = volumes(headers)
    assert found == [["0", "1", "2", "3", "4"]]
    assert notes == ["slice again.dcm lies where 2.dcm lies (duplicated slice): the second is left out."]


def test_localisers_are_left_out():
    headers = {str(k): slice_at(3 * k) for k in range(4)}
    headers["marked"] = slice_at(1.0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    headers["sagittal"] = slice_at(1.0, orientation=SAGITTAL)
    headers["large"] = slice_at(1.0, rows=512, columns=512)
    headers["coarse"] = slice_at(1.0, spacing=(2.0, 2.0))
    found, notes = volumes(headers)
    assert found == [["0", "1", "2", "3"]]
    assert notes == [
        "1 localiser slices left out.",
        "3 slices of another orientation or size (localiser?) left out.",
    ]


def test_a_series_of_localisers_only():
    headers = {str(k): slice_at(3 * k, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]) for k in range(3)}
    assert volumes(headers) == ([["0", "1", "2"]], [])


def test_rounded_directions_are_one_orientation():
    headers = {str(k): slice_at(3 * k, orientation=(1, 0, 0, 0, 1 - 4e-4 * (k % 2), 6e-4 * (k % 2))) for k in range(6)}
    found, notes = volumes(headers)
    assert len(found[0]) == 6
    assert notes == []


def test_the_contoured_phase():
    headers = phases(TemporalPositionIdentifier=lambda phase, k: phase + 1)
    notes = []
    assert volume_for(series_of(headers), ["2.1", "2.2", "0.1"], notes) == names(3)[2]
    assert "the one contoured is used" in notes[0]
    notes = []
    assert volume_for(series_of(headers), [], notes) == names(3)[0]
    assert "the first with most slices is used" in notes[0]
    assert volume_for(series_of(headers), ["not here"], []) == names(3)[0]


def test_no_slices():
    assert volumes({}) == ([], [])
    assert volume_for(series_of({}), ["1"], []) == []


def test_attributes_that_are_no_numbers():
    """Odd values neither fail nor separate."""
    headers = {str(k): slice_at(3 * k) for k in range(4)}
    del headers["2"].InstanceNumber
    headers["3"].EchoTime = ""
    assert volumes(headers)[0] == [["0", "1", "2", "3"]]
